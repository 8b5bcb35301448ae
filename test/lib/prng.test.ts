import fc from 'fast-check';
import { uniformInt } from 'pure-rand/distribution/uniformInt';
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';
import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/lib/prng.ts';
import { ReferenceXoshiro, splitMix64 } from '../reference/xoshiro.ts';
import { chiSquareLimit, chiSquare } from '../support/statistics.ts';

describe('xoshiro128**', () => {
  it('gives the published first outputs from state 1, 2, 3, 4', () => {
    const prng = Prng.fromState(1, 2, 3, 4);
    expect([prng.nextU32(), prng.nextU32(), prng.nextU32(), prng.nextU32()]).toEqual([11520, 0, 5927040, 70819200]);
  });

  it('agrees with the authors’ C code from any state', () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(word, word, word, fc.integer({ min: 1, max: 0xffffffff }), (a, b, c, d) => {
        const prng = Prng.fromState(a, b, c, d);
        const reference = new ReferenceXoshiro(BigInt(a), BigInt(b), BigInt(c), BigInt(d));
        for (let i = 0; i < 50; i++) expect(prng.nextU32()).toBe(reference.next());
      }),
    );
  });

  it('is seeded by two SplitMix64 outputs of a state mixed from seed and stream', () => {
    const [seedMix] = splitMix64((12345n - 0x9e3779b97f4a7c15n) & 0xffffffffffffffffn);
    const [first, state] = splitMix64((seedMix + 7n) & 0xffffffffffffffffn);
    const [second] = splitMix64(state);
    const reference = new ReferenceXoshiro(first, first >> 32n, second, second >> 32n);
    const prng = new Prng(12345, 7);
    for (let i = 0; i < 20; i++) expect(prng.nextU32()).toBe(reference.next());
  });
});

describe('streams', () => {
  it('are equal for equal (seed, stream) and differ otherwise', () => {
    const start = (seed: number, stream: number) => {
      const prng = new Prng(seed, stream);
      return `${prng.nextU32()},${prng.nextU32()}`;
    };
    expect(start(1, 2)).toBe(start(1, 2));
    const starts = new Set<string>();
    for (let seed = 0; seed < 40; seed++) for (let stream = 0; stream < 40; stream++) starts.add(start(seed, stream));
    starts.add(start(Number.MAX_SAFE_INTEGER, 0));
    starts.add(start(0, Number.MAX_SAFE_INTEGER));
    expect(starts.size).toBe(1602);
  });
});

describe('below', () => {
  it('stays in range for any bound up to 2^53', () => {
    const bound = fc.oneof(
      fc.integer({ min: 1, max: 0x200001 }),
      fc.integer({ min: 0x200000, max: Number.MAX_SAFE_INTEGER }),
      fc.constantFrom(1, 2, 0x200000, 0x200001, 0xffffffff, 0x100000000, 0x100000001, 2 ** 53),
    );
    fc.assert(
      fc.property(bound, fc.nat(), (n, seed) => {
        const prng = new Prng(seed, 0);
        for (let i = 0; i < 20; i++) {
          const value = prng.below(n);
          expect(Number.isInteger(value) && value >= 0 && value < n).toBe(true);
        }
      }),
    );
  });

  it.each([3, 10, 1000, 0x200000 - 1, 3 * 0x200000, 0x180000000])('is uniform below %i', (n) => {
    const prng = new Prng(99, n);
    const cells = Math.min(n, 100);
    const counts = new Float64Array(cells);
    for (let i = 0; i < 200_000; i++) counts[Math.floor((prng.below(n) * cells) / n)]++;
    const expected = Float64Array.from(counts, (_, cell) => {
      const width = Math.ceil(((cell + 1) * n) / cells) - Math.ceil((cell * n) / cells);
      return (200_000 * width) / n;
    });
    expect(chiSquare(counts, expected)).toBeLessThan(chiSquareLimit(cells - 1));
  });

  it('draws again where Lemire’s multiplication would favour a value', () => {
    const draws = Prng.fromState(1, 0, 2, 3);
    const bounded = Prng.fromState(1, 0, 2, 3);
    expect(draws.nextU32()).toBe(0); // 2^32 mod 3 = 1 low product too many: 0
    const second = draws.nextU32();
    expect(bounded.below(3)).toBe(Math.floor((second * 3) / 2 ** 32));
    expect(bounded.nextU32()).toBe(draws.nextU32());
  });

  it('is even where scaling 32 bits without rejection would favour every third value', () => {
    const prng = new Prng(5, 5);
    let low = 0;
    for (let i = 0; i < 100_000; i++) if (prng.below(3 * 2 ** 30) < 2 ** 30) low++;
    expect(low / 100_000).toBeCloseTo(1 / 3, 2);
  });

  it('has the same distribution as pure-rand’s uniformInt', () => {
    const own = new Float64Array(64);
    const theirs = new Float64Array(64);
    const prng = new Prng(7, 1);
    const rand = xoroshiro128plus(7);
    for (let i = 0; i < 100_000; i++) {
      own[prng.below(64)]++;
      theirs[uniformInt(rand, 0, 63)]++;
    }
    let statistic = 0;
    for (let cell = 0; cell < 64; cell++) statistic += (own[cell] - theirs[cell]) ** 2 / (own[cell] + theirs[cell]);
    expect(statistic).toBeLessThan(chiSquareLimit(63));
  });
});

describe('the other draws', () => {
  it('nextFloat is a multiple of 2^-53 in [0, 1) with mean 1/2', () => {
    const prng = new Prng(3, 4);
    let sum = 0;
    let wrong = 0;
    for (let i = 0; i < 100_000; i++) {
      const value = prng.nextFloat();
      if (!(value >= 0 && value < 1 && Number.isInteger(value * 2 ** 53))) wrong++;
      sum += value;
    }
    expect(wrong).toBe(0);
    expect(sum / 100_000).toBeCloseTo(0.5, 2);
  });

  it('chance is never at 0, always at 2^32, and 1/4 at 2^30', () => {
    const prng = new Prng(3, 4);
    let hits = 0;
    let wrong = 0;
    for (let i = 0; i < 100_000; i++) {
      if (prng.chance(0) || !prng.chance(2 ** 32)) wrong++;
      if (prng.chance(2 ** 30)) hits++;
    }
    expect(wrong).toBe(0);
    expect(hits / 100_000).toBeCloseTo(0.25, 2);
  });
});
