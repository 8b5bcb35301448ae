import { describe, expect, it } from 'vitest';
import { fillPlaceholders, placeholders } from '../../src/lib/placeholders.ts';

describe('placeholders', () => {
  it('name a metric, a point and another point', () => {
    expect(placeholders('a {x_1} b { y @ nested 4K/4K } c {z @ a=1 b=2 vs off} {w@p over q r}')).toEqual([
      { metric: 'x_1', point: undefined, other: undefined, kind: 'value' },
      { metric: 'y', point: 'nested 4K/4K', other: undefined, kind: 'value' },
      { metric: 'z', point: 'a=1 b=2', other: 'off', kind: 'change' },
      { metric: 'w', point: 'p', other: 'q r', kind: 'times' },
    ]);
  });

  it('that have no such form are found, and stay as they are', () => {
    expect(placeholders('{} {X} {a b} {a @}')).toEqual([undefined, undefined, undefined, undefined]);
    expect(fillPlaceholders('{} and {a @ b}', ({ metric, point }) => `${metric}-${point}`)).toBe('{} and a-b');
  });
});
