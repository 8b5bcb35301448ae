import { describe, expect, it } from 'vitest';
import { cacheBytes, clearCache, layCache } from '../../src/iommu/cache.ts';
import { Regions } from '../../src/kernel/kernel.ts';
import {
  CACHE_CLOCK,
  CACHE_DROPPED,
  CACHE_EVICTIONS,
  CACHE_FILLS,
  CACHE_RESIDENT,
  CACHE_SEED,
  CACHE_SETS,
} from '../../src/kernel/layout.ts';
import { Prng } from '../../src/lib/prng.ts';
import type { CacheSpec, IndexFunction, Replacement } from '../../src/spec.ts';
import { ReferenceCache } from '../reference/cache.ts';
import { createKernel } from '../support/kernel.ts';

const kernel = createKernel(8 << 20);
const { exports } = kernel;
const regions = new Regions(8 << 20);

const POLICIES: readonly Replacement[] = ['lru', 'fifo', 'random', 'plru', 'srrip', 'lfu'];
const INDEXES: readonly IndexFunction[] = ['modulo', 'shifted', 'hash'];
/** [sets, ways]: sets a power of two or not, ways a multiple of four or not, scanned (≤ 16 ways) and hash-indexed. */
const SHAPES: readonly (readonly [number, number])[] = [
  [1, 1],
  [8, 1],
  [7, 2],
  [16, 4],
  [3, 8],
  [1, 16],
  [1, 32],
  [3, 64],
];
const ODD_SHAPES: readonly (readonly [number, number])[] = [
  [5, 3],
  [12, 6],
  [1, 13],
  [1, 17],
  [2, 37],
  [1, 117],
];

function makeCache(spec: CacheSpec, seed = 99): number {
  return layCache(kernel, regions, spec, seed);
}

function counts(cache: number): number[] {
  return [CACHE_FILLS, CACHE_EVICTIONS, CACHE_DROPPED].map((offset) => kernel.view.getFloat64(cache + offset, true));
}

/** Runs the same operations on both; returns the index of the first that differs, or -1. */
function firstDifference(cache: number, spec: CacheSpec, operations: number, seed: number): number {
  const reference = new ReferenceCache<true>(spec, kernel.view.getUint32(cache + CACHE_SEED, true));
  const prng = new Prng(seed, spec.entries);
  const spread = Math.ceil(spec.entries * 1.7) + 2;
  for (let i = 0; i < operations; i++) {
    // Strided and far pages make sets and probe sequences of the hash index collide.
    const page = prng.below(spread) * (prng.chance(0x40000000) ? 4096 : 1);
    const key = { page, leafClass: 0, space: prng.below(3) * 0x10000 };
    if (prng.below(16) === 0) {
      const entry = reference.find(key);
      if (entry !== undefined) reference.remove(entry);
      if (exports.cacheRemove(cache, key.page, key.space) !== (entry === undefined ? 0 : 1)) return i;
    } else if ((exports.cacheAccess(cache, key.page, key.space) === 1) !== reference.access(key, true)) return i;
  }
  expect(counts(cache)).toEqual([reference.fills, reference.evictions, reference.dropped]);
  return -1;
}

describe('the set-associative cache against a slow one', () => {
  for (const replacement of POLICIES) {
    const shapes = replacement === 'plru' ? SHAPES : [...SHAPES, ...ODD_SHAPES];
    for (const index of INDEXES) {
      it(`${replacement}, ${index} index: same hits, victims and counts`, () => {
        for (const [sets, ways] of shapes) {
          const spec = { entries: sets * ways, ways, replacement, index };
          const cache = makeCache(spec);
          expect([sets, ways, firstDifference(cache, spec, 8000, 7)]).toEqual([sets, ways, -1]);
        }
      });
    }
  }

  it('agrees on a million operations of one cache of each kind of search', () => {
    for (const ways of [8, 512]) {
      const spec: CacheSpec = { entries: 512, ways, replacement: 'lru', index: 'modulo' };
      const cache = makeCache(spec);
      // The slow LRU looks at every way of a set: fewer operations where a set has 512.
      expect(firstDifference(cache, spec, ways === 8 ? 1_000_000 : 20_000, 3)).toBe(-1);
    }
  });

  it('finds the same through a scan as through the hash index', () => {
    // 16 ways are scanned, 17 indexed: a cache of one set and 17 ways that never holds more than 16 acts like 16.
    const scanned = makeCache({ entries: 16, ways: 16, replacement: 'lru', index: 'modulo' });
    const indexed = makeCache({ entries: 17, ways: 17, replacement: 'lru', index: 'modulo' });
    const prng = new Prng(5, 0);
    const held = new Map<number, true>();
    let differences = 0;
    for (let i = 0; i < 100_000; i++) {
      const page = prng.below(40);
      const isHit = held.delete(page);
      if (!isHit && held.size === 16) {
        const oldest = held.keys().next().value!;
        held.delete(oldest);
        differences += 1 - exports.cacheRemove(indexed, oldest, 0);
      }
      held.set(page, true);
      if (exports.cacheAccess(scanned, page, 0) !== +isHit) differences++;
      if (exports.cacheAccess(indexed, page, 0) !== +isHit) differences++;
    }
    expect(differences).toBe(0);
  });
});

it('no cache takes more memory than it is reckoned with', () => {
  const partition = { by: 'ways', minimum: [1, 0] } as const;
  for (const [sets, ways] of [...SHAPES, ...ODD_SHAPES, [512, 1], [1, 4096], [64, 17]] as const) {
    for (const spec of [
      { ...{ entries: sets * ways, ways }, replacement: 'lru', index: 'modulo' },
      { ...{ entries: sets * ways, ways }, replacement: 'plru', index: 'hash', partition },
    ] as const) {
      const before = regions.next;
      makeCache(spec);
      expect(regions.next - before).toBeLessThanOrEqual(cacheBytes(spec));
    }
  }
});

describe('the 32-bit clock', () => {
  for (const replacement of ['lru', 'fifo'] as const) {
    for (const [sets, ways] of [
      [1, 1],
      [4, 4],
      [3, 6],
      [2, 13],
    ] as const) {
      it(`keeps the ${replacement} order of ${sets} × ${ways} when it is used up`, () => {
        const spec: CacheSpec = { entries: sets * ways, ways, replacement, index: 'modulo' };
        for (let before = 0; before < 40; before += 3) {
          const cache = makeCache(spec);
          const reference = new ReferenceCache<true>(spec);
          const prng = new Prng(before, 1);
          let differences = 0;
          for (let i = 0; i < 400; i++) {
            const key = { page: prng.below(spec.entries * 2), leafClass: 0, space: 0 };
            // Half full, then the clock jumps near its end: as after four billion uses.
            if (i === 50) kernel.view.setUint32(cache + CACHE_CLOCK, 0xffff0000 - before, true);
            if ((exports.cacheAccess(cache, key.page, key.space) === 1) !== reference.access(key, true)) differences++;
          }
          expect(differences).toBe(0);
          expect(kernel.view.getUint32(cache + CACHE_CLOCK, true)).toBeLessThan(1000);
        }
      });
    }
  }
});

/** The stream of the published counts: a 64-bit linear congruential generator (Knuth's MMIX constants). */
function publishedPages(count: number, pages: number): Float64Array {
  const stream = new Float64Array(count);
  let x = 1n;
  for (let i = 0; i < count; i++) {
    x = BigInt.asUintN(64, x * 6364136223846793005n + 1442695040888963407n);
    stream[i] = 0x80000 + (Number(x >> 33n) % pages);
  }
  return stream;
}

describe('two levels under a published stream of 1,000,000 accesses', () => {
  const cases: readonly (readonly [Replacement, number, number, number])[] = [
    ['lru', 100, 639_571, 360_329],
    ['lru', 600, 106_156, 746_576],
    ['fifo', 100, 639_744, 360_156],
  ];
  it.each(cases)('%s over %i pages: %i first-level and %i second-level hits', (replacement, pages, first, second) => {
    const l1 = makeCache({ entries: 64, ways: 8, replacement, index: 'modulo' });
    const l2 = makeCache({ entries: 512, ways: 16, replacement, index: 'modulo' });
    let [l1Hits, l2Hits] = [0, 0];
    for (const page of publishedPages(1_000_000, pages)) {
      if (exports.cacheAccess(l1, page, 0) === 1) l1Hits++;
      else l2Hits += exports.cacheAccess(l2, page, 0);
    }
    expect([l1Hits, l2Hits]).toEqual([first, second]);
  });
});

describe('clearCache', () => {
  it('leaves a cache as it was laid out', () => {
    const spec: CacheSpec = { entries: 34, ways: 17, replacement: 'lru', index: 'hash' };
    const cache = makeCache(spec);
    firstDifference(cache, spec, 5000, 1);
    clearCache(kernel, cache);
    expect(counts(cache)).toEqual([0, 0, 0]);
    expect(kernel.view.getInt32(cache + CACHE_RESIDENT, true)).toBe(0);
    expect(firstDifference(cache, spec, 5000, 2)).toBe(-1);
  });

  it('has no cache of no entries', () => {
    expect(makeCache({ entries: 0, ways: 0, replacement: 'lru', index: 'modulo' })).toBe(0);
  });

  it('gives each set its share of ways', () => {
    const cache = makeCache({ entries: 1536, ways: 12, replacement: 'lru', index: 'modulo' });
    expect(kernel.view.getUint32(cache + CACHE_SETS, true)).toBe(128);
  });
});
