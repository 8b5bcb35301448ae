import { describe, expect, it } from 'vitest';
import { estimate, studentT95 } from '../../src/report/statistics.ts';
import { studentTQuantile } from '../../src/report/student-t.ts';

describe('mean and 95 % interval', () => {
  it('has no value without values', () => expect(estimate([])).toBeUndefined());

  it('of one value is that value without interval', () => {
    expect(estimate([3.5])).toEqual({ mean: 3.5, half: 0, count: 1 });
  });

  it('of 1, 2, 3: deviation 1, t(2) = 4.303', () => {
    const { mean, half, count } = estimate([1, 2, 3])!;
    expect([mean, count]).toEqual([2, 3]);
    expect(half).toBeCloseTo(4.303 / Math.sqrt(3), 12);
  });

  it('of 2, 4, 4, 4, 5, 5, 7, 9: variance 32/7, t(7) = 2.365', () => {
    const { mean, half } = estimate([2, 4, 4, 4, 5, 5, 7, 9])!;
    expect(mean).toBe(5);
    expect(half).toBeCloseTo(2.365 * Math.sqrt(32 / 7 / 8), 12);
  });

  it('of equal values is a point', () => expect(estimate([7, 7, 7, 7])).toEqual({ mean: 7, half: 0, count: 4 }));
});

describe("Student's t", () => {
  it.each([
    [1, 12.706],
    [5, 2.571],
    [10, 2.228],
    [30, 2.042],
    [35, 2.042],
    [40, 2.021],
    [60, 2],
    [120, 1.98],
  ])('with %i degrees is %f', (degrees, t) => expect(studentT95(degrees)).toBe(t));

  it('falls, and never below the normal distribution', () => {
    const values = Array.from({ length: 300 }, (_, i) => studentT95(i + 1));
    expect(values).toEqual([...values].sort((a, b) => b - a));
    expect(values.at(-1)).toBeGreaterThan(1.959);
  });
});

describe("Student's t at any level", () => {
  // Two-sided 95 % and 99.9 % of the usual tables.
  it.each([
    [1, 0.025, 12.706],
    [2, 0.025, 4.303],
    [7, 0.025, 2.365],
    [30, 0.025, 2.042],
    [2, 0.0005, 31.599],
    [3, 0.0005, 12.924],
    [11, 0.0005, 4.437],
    [120, 0.0005, 3.373],
  ])('with %i degrees and a tail of %f is %f', (degrees, tail, t) => {
    expect(studentTQuantile(degrees, tail)).toBeCloseTo(t, 3);
  });
});
