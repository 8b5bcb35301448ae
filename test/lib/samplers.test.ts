import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/lib/prng.ts';
import { exponential, Permutation, shuffle, Zipf } from '../../src/lib/samplers.ts';
import { chiSquare, chiSquareLimit } from '../support/statistics.ts';

describe('Zipf', () => {
  it.each([
    [1, 1],
    [2, 0],
    [10, 0.5],
    [100, 0.99],
    [100, 1],
    [100, 1.0005],
    [1000, 1.2],
    [50, 3],
  ])('%i items, exponent %d: the exact probabilities', (items, exponent) => {
    const rng = new Prng(11, items);
    const zipf = new Zipf(items, exponent);
    const weights = Array.from({ length: items }, (_, rank) => (rank + 1) ** -exponent);
    const total = weights.reduce((a, b) => a + b);
    const draws = 200_000;
    const counts = new Float64Array(items);
    for (let i = 0; i < draws; i++) counts[zipf.next(rng)]++;
    // Ranks too rare for the statistic are counted together.
    const observed: number[] = [];
    const expected: number[] = [];
    let restObserved = 0;
    let restExpected = 0;
    weights.forEach((weight, rank) => {
      const mean = (draws * weight) / total;
      if (mean >= 10) {
        observed.push(counts[rank]);
        expected.push(mean);
      } else {
        restObserved += counts[rank];
        restExpected += mean;
      }
    });
    if (restExpected >= 10) {
      observed.push(restObserved);
      expected.push(restExpected);
    }
    if (items === 1) expect(counts[0]).toBe(draws);
    else expect(chiSquare(observed, expected)).toBeLessThan(chiSquareLimit(observed.length - 1));
  });

  it('stays in range for any size and exponent', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2 ** 40 }),
        fc.double({ min: 0, max: 8, noNaN: true }),
        fc.nat(),
        (n, s, seed) => {
          const rng = new Prng(seed, 0);
          const zipf = new Zipf(n, s);
          for (let i = 0; i < 20; i++) {
            const rank = zipf.next(rng);
            expect(Number.isInteger(rank) && rank >= 0 && rank < n).toBe(true);
          }
        },
      ),
    );
  });
});

describe('exponential', () => {
  it('has its mean, and its quantiles', () => {
    const rng = new Prng(1, 1);
    const cells = 20;
    const counts = new Float64Array(cells);
    let sum = 0;
    let wrong = 0;
    for (let i = 0; i < 200_000; i++) {
      const value = exponential(rng, 500);
      if (!(value >= 0 && Number.isFinite(value))) wrong++;
      sum += value;
      counts[Math.min(cells - 1, Math.floor(-Math.expm1(-value / 500) * cells))]++;
    }
    expect(wrong).toBe(0);
    expect(sum / 200_000 / 500).toBeCloseTo(1, 2);
    expect(chiSquare(counts, new Float64Array(cells).fill(10_000))).toBeLessThan(chiSquareLimit(cells - 1));
  });
});

describe('shuffle', () => {
  it('gives every order of four items equally often', () => {
    const rng = new Prng(8, 8);
    const counts = new Map<string, number>();
    for (let i = 0; i < 24_000; i++) {
      const items = Float64Array.of(0, 1, 2, 3);
      shuffle(rng, items);
      counts.set(items.join(), (counts.get(items.join()) ?? 0) + 1);
    }
    expect(counts.size).toBe(24);
    expect(chiSquare([...counts.values()], new Float64Array(24).fill(1000))).toBeLessThan(chiSquareLimit(23));
  });
});

describe('Permutation', () => {
  it('takes every value once, for any size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3000 }), fc.nat(), (items, seed) => {
        const permutation = new Permutation(items, new Prng(seed, 0));
        const seen = new Set<number>();
        for (let i = 0; i < items; i++) {
          seen.add(permutation.at(i));
        }
        expect(seen.size).toBe(items);
        expect([...seen].every((at) => at >= 0 && at < items)).toBe(true);
      }),
    );
  });

  it('stays below 2^32 items and scatters neighbours', () => {
    const permutation = new Permutation(2 ** 32, new Prng(1, 0));
    let near = 0;
    for (let i = 0; i < 1000; i++) if (Math.abs(permutation.at(i) - permutation.at(i + 1)) < 2 ** 20) near++;
    expect(near).toBeLessThan(20);
    expect(permutation.at(2 ** 32 - 1)).toBeLessThan(2 ** 32);
  });
});
