import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clipped, jsonText, padded, textColumns, visible } from '../../src/report/visible.ts';
import { wrapped } from '../../src/report/wrap.ts';

/** What moves a terminal's cursor, colours it, or turns the direction of text. */
const ACTING = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/;
const anyText = fc.string({ unit: 'binary', maxLength: 60 });

describe('text of users', () => {
  it('does nothing to a terminal, whatever is in it', () => {
    expect(visible('a\u001b[31mb\u009b0m\u0007\u202ec')).toBe('a?[31mb?0m??c');
    fc.assert(fc.property(anyText, (text) => !ACTING.test(visible(text)) && visible(text).length === text.length));
  });

  it('keeps letters of every script', () => {
    for (const text of ['שלום', 'مرحبا', '日本語', 'é', '👩‍👩‍👧']) expect(visible(text)).toBe(text);
  });

  it('is the same value as JSON, without a byte that a terminal would act on', () => {
    fc.assert(
      fc.property(fc.dictionary(anyText, fc.oneof(anyText, fc.double())), (value) => {
        const text = jsonText(value);
        expect(ACTING.test(text)).toBe(false);
        expect(text).toBe(jsonText(JSON.parse(text)));
        expect(JSON.stringify(JSON.parse(text))).toBe(JSON.stringify(value));
      }),
    );
    expect(jsonText({ a: 1 }, 1)).toBe('{\n "a": 1\n}');
  });
});

describe('columns of a text', () => {
  it.each([
    ['abc', 3],
    ['日本', 4],
    ['e\u0301', 1],
    ['👩‍👩‍👧', 2],
    ['שלום', 4],
    ['', 0],
  ])('%j takes %i', (text, columns) => expect(textColumns(text)).toBe(columns));

  it('are cut and filled up exactly', () => {
    expect([clipped('abcdef', 4), clipped('abcd', 4), clipped('日本語', 4)]).toEqual(['abc…', 'abcd', '日…']);
    expect([padded('日', 4), padded('abcdef', 4)]).toEqual(['日  ', 'abcdef']);
    expect(clipped('x'.repeat(10_000), 40)).toHaveLength(40);
  });

  it('make lines of at most 80, with an indent behind the first', () => {
    const lines = wrapped(`  ${'日本語 '.repeat(40).trim()}`).split('\n');
    for (const line of lines) expect(textColumns(line)).toBeLessThanOrEqual(80);
    expect(lines.every((line, i) => line.startsWith(i === 0 ? '  日' : '    日'))).toBe(true);
  });
});
