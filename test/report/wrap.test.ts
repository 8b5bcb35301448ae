import { describe, expect, it } from 'vitest';
import { inLines, wrapped } from '../../src/report/wrap.ts';

describe('text for a terminal', () => {
  it('is cut at spaces to 80 columns', () => {
    const lines = wrapped(`  ${'word '.repeat(40)}`.trimEnd()).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBe(78);
    expect(lines.join('').replaceAll(' ', '')).toBe('word'.repeat(40));
  });

  it.each(['+99.95 %.', '−133.6 Gbit/s, −37.5', '16.87 ms/GB', '4 KiB', '1.31 times', '150 ns', '2.46 µs'])(
    'keeps a number and its unit together: %s',
    (amount) => {
      for (let before = 60; before < 80; before++) {
        const text = wrapped(`${'x'.repeat(before)} ${amount}`);
        expect(text.replace(/\n */, ' ')).toBe(`${'x'.repeat(before)} ${amount}`);
        expect(text).toContain(amount.split(', ')[0]);
      }
    },
  );

  it('parts a number from any other word', () => {
    expect(wrapped(`${'x'.repeat(76)} 200 states`)).toBe(`${'x'.repeat(76)} 200\n  states`);
  });
});

it('puts text in lines of a width', () => {
  expect(inLines('on windowBytes=64KiB', 12)).toBe('on\nwindowBytes…');
  expect(inLines('a b c', 3)).toBe('a b\nc');
  expect(inLines('', 3)).toBe('');
});
