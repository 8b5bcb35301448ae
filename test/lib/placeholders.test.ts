import { describe, expect, it } from 'vitest';
import { fillPlaceholders, placeholders } from '../../src/lib/placeholders.ts';

describe('placeholders', () => {
  it('name a metric, a point and another point', () => {
    expect(placeholders('a {x_1} b { y @ nested 4K/4K } c {z @ a=1 b=2 vs off} {w@p over q r}')).toEqual([
      { metric: 'x_1', tenant: undefined, point: undefined, other: undefined, kind: 'value' },
      { metric: 'y', tenant: undefined, point: 'nested 4K/4K', other: undefined, kind: 'value' },
      { metric: 'z', tenant: undefined, point: 'a=1 b=2', other: 'off', kind: 'change' },
      { metric: 'w', tenant: undefined, point: 'p', other: 'q r', kind: 'times' },
    ]);
  });

  it('name a tenant', () => {
    expect(placeholders('{a of vm-1 @ x of y vs z} {b of t_2}')).toEqual([
      { metric: 'a', tenant: 'vm-1', point: 'x of y', other: 'z', kind: 'change' },
      { metric: 'b', tenant: 't_2', point: undefined, other: undefined, kind: 'value' },
    ]);
  });

  it('that have no such form are found, and stay as they are', () => {
    expect(placeholders('{} {X} {a b} {a @} {a of} {a of b c}')).toEqual(new Array(6).fill(undefined));
    expect(fillPlaceholders('{} and {a @ b}', ({ metric, point }) => `${metric}-${point}`)).toBe('{} and a-b');
  });
});
