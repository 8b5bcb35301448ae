/** Hit ratios and miss causes through the whole unit: published counts, closed forms, and the growth of the history. */
import { describe, expect, it } from 'vitest';
import * as L from '../../src/kernel/layout.ts';
import { Prng } from '../../src/lib/prng.ts';
import type { CacheSpec, IotlbSpec, Replacement } from '../../src/spec.ts';
import { ReuseStack } from '../../src/stats/mrc/reuse-stack.ts';
import { lru, machineOf, NO_CACHE, type Requester, World } from '../kernel/world.ts';

/** Far enough apart that every walk has ended. */
const STEP = 10_000_000;

function iotlbOf(shared: CacheSpec, l1: CacheSpec = NO_CACHE): IotlbSpec {
  return { ...shared, leafLog2: [12, 21, 30], fracture: true, l1 };
}

/** A device whose pages first..first + pages - 1 are mapped one stage. */
function worldOf(iotlb: IotlbSpec, first: number, pages: number, historyPages = 0) {
  const world = new World(machineOf({ iotlb, deviceCache: lru(4), lineCache: lru(64, 8) }), { historyPages });
  const table = world.hostTable(4);
  expect(table.mapSize(first, 2 ** 22, 12, pages, 3)).toBe(0);
  world.setDevice(1, { domain: 1, mode: 4, root: table.rootAddress });
  return { world, table, requester: world.requester(1) };
}

/** Pages of the stream below, from 0: x ← x·6364136223846793005 + 1442695040888963407 mod 2⁶⁴ in two words, (x >> 33) mod N. */
function* streamOf(pages: number, count: number): Generator<number> {
  const [aHigh, aLow, cHigh, cLow] = [0x5851f42d, 0x4c957f2d, 0x14057b7e, 0xf767814f];
  let [high, low] = [0, 1];
  for (let i = 0; i < count; i++) {
    const [l0, l1] = [low & 0xffff, low >>> 16];
    const [a0, a1] = [aLow & 0xffff, aLow >>> 16];
    const middle = l1 * a0 + ((l0 * a0) >>> 16);
    const other = l0 * a1 + (middle & 0xffff);
    const upper = l1 * a1 + Math.floor(middle / 65536) + Math.floor(other / 65536);
    const sum = (Math.imul(low, aLow) >>> 0) + cLow;
    high = (upper + Math.imul(high, aLow) + Math.imul(low, aHigh) + cHigh + (sum > 0xffffffff ? 1 : 0)) | 0;
    low = sum >>> 0;
    yield (high >>> 1) % pages;
  }
}

describe('600 pages of the published stream through a fully associative LRU cache', () => {
  /** References by depth of the first so many accesses. */
  const depthsOf = (count: number): Float64Array => {
    const stack = new ReuseStack();
    const depths = new Float64Array(601);
    for (const page of streamOf(600, count)) depths[stack.reference(page)]++;
    return depths;
  };
  const hitsOf = (depths: Float64Array, entries: number): number =>
    depths.subarray(1, entries + 1).reduce((sum, count) => sum + count, 0);

  it('misses 0.8934 of 10 M accesses with 64 entries and 0.1469 with 512', () => {
    const depths = depthsOf(1e7);
    expect([64, 512].map((entries) => (1 - hitsOf(depths, entries) / 1e7).toFixed(4))).toEqual(['0.8934', '0.1469']);
  });

  it.each([64, 512])('hits in the unit as its stack distances say: %i entries', (entries) => {
    const { world, requester } = worldOf(iotlbOf(lru(entries)), 0x80000, 600);
    let at = 0;
    for (const page of streamOf(600, 2e5))
      world.kernel.exports.translate(requester.ctx, 0x80000 + page, 1, at++ * STEP);
    expect(world.counters(requester)[L.C_HITS]).toBe(hitsOf(depthsOf(2e5), entries));
  });
});

describe('a published stream of 1,000,000 accesses through both levels of one device', () => {
  it.each([
    ['lru', 100, 639_571, 360_329],
    ['lru', 600, 106_156, 746_576],
    ['fifo', 100, 639_744, 360_156],
  ] as const)('%s over %i pages: %i first-level and %i second-level hits', (replacement, pages, first, second) => {
    const spec = (entries: number, ways: number): CacheSpec => ({ entries, ways, replacement, index: 'modulo' });
    const { world, requester } = worldOf(iotlbOf(spec(512, 16), spec(64, 8)), 0x80000, pages);
    const { translate } = world.kernel.exports;
    let x = 1n;
    for (let i = 0; i < 1_000_000; i++) {
      x = BigInt.asUintN(64, x * 6364136223846793005n + 1442695040888963407n);
      translate(requester.ctx, 0x80000 + (Number(x >> 33n) % pages), 1, i * STEP);
    }
    const counters = world.counters(requester);
    const l1Hits = counters[L.C_L1_HITS];
    expect([l1Hits, counters[L.C_HITS] - l1Hits, counters[L.C_MERGED]]).toEqual([first, second, 0]);
    const caches = world.unit.cacheResults().filter(({ name }) => name.startsWith('iotlb'));
    expect(caches.map(({ name, lookups, hits }) => ({ name, lookups, hits }))).toEqual([
      { name: 'iotlb', lookups: 1_000_000 - first, hits: second },
      { name: 'iotlb_l1', lookups: 1_000_000, hits: first },
    ]);
  });
});

describe('uniform random DMA over P pages with an IOTLB of N entries', () => {
  const cases: readonly (readonly [Replacement, number, number])[] = [
    ['lru', 128, 512],
    ['fifo', 128, 512],
    ['random', 128, 512],
    ['lru', 16, 20],
    ['fifo', 16, 20],
    ['random', 16, 20],
    ['lru', 117, 500],
  ];
  it.each(cases)('%s, N = %i, P = %i: hit ratio N / P', (replacement, entries, pages) => {
    const { world, requester } = worldOf(iotlbOf({ ...lru(entries), replacement }), 2 ** 18, pages);
    const prng = new Prng(entries, pages);
    const { translate } = world.kernel.exports;
    const run = (from: number, to: number): void => {
      for (let i = from; i < to; i++) translate(requester.ctx, 2 ** 18 + prng.below(pages), 1, i * STEP);
    };
    const [warmup, requests] = [20_000, 1_000_000];
    run(0, warmup);
    world.unit.resetCounters();
    run(warmup, warmup + requests);
    const counters = world.counters(requester);
    expect(counters[L.C_LOOKUPS]).toBe(requests);
    const ratio = counters[L.C_HITS] / requests;
    expect(Math.abs(ratio / (entries / pages) - 1)).toBeLessThan(0.005);
  });
});

describe('pages that invalidations drop one by one', () => {
  it.each(
    (['lru', 'fifo'] as const).flatMap((replacement) => [4, 16, 20, 64].map((ways) => [replacement, ways] as const)),
  )('leave ways that are filled first, the others in order: %s, %i ways', (replacement, ways) => {
    const first = 2 ** 18;
    const { world, requester } = worldOf(iotlbOf({ ...lru(ways), replacement }), first, 2 * ways);
    const prng = new Prng(ways, 0);
    for (let i = 0; i < 4000; i++) {
      const page = first + prng.below(2 * ways);
      const expected = world.expected(requester, page, 1, i * STEP);
      expect(world.translate(requester, page, 1, i * STEP)).toEqual(expected);
      if (prng.below(3) !== 0) continue;
      const dropped = first + prng.below(2 * ways);
      const count = world.reference.invalidatePages(1, -1, dropped, 0, true);
      expect(world.unit.invalidatePages(1, -1, dropped, 0, true, false)).toBe(count);
    }
  });
});

describe('miss causes', () => {
  const causesOf = (world: World, requester: Requester): number[] => [
    ...world.counters(requester).subarray(L.C_COLD, L.C_COLD + 4),
  ];
  let at = STEP * 1000;
  const access = (world: World, requester: Requester, pages: Iterable<number>): void => {
    for (const page of pages) world.translate(requester, page, 1, (at += STEP));
  };
  const range = (first: number, end: number): number[] => Array.from({ length: end - first }, (_, i) => first + i);

  it('cold once a page, capacity when even a fully associative cache would miss', () => {
    const { world, requester } = worldOf(iotlbOf(lru(8, 2)), 0, 64, 1000);
    for (let round = 0; round < 3; round++) access(world, requester, range(0, 64));
    expect(causesOf(world, requester)).toEqual([64, 128, 0, 0]);
  });

  it('conflict when only the set is too small', () => {
    const { world, requester } = worldOf(iotlbOf(lru(8, 2)), 0, 64, 1000);
    // Three pages of one set of two ways; eight entries would hold them.
    for (let round = 0; round < 5; round++) access(world, requester, [0, 4, 8]);
    expect(causesOf(world, requester)).toEqual([3, 0, 12, 0]);
  });

  it('has no conflicts in a fully associative LRU cache', () => {
    const { world, requester } = worldOf(iotlbOf(lru(2)), 0, 64, 1000);
    for (let round = 0; round < 5; round++) access(world, requester, [0, 4, 8]);
    expect(causesOf(world, requester)).toEqual([3, 12, 0, 0]);
  });

  it('invalidated when a command took the entry, once for each', () => {
    const { world, requester } = worldOf(iotlbOf(lru(8, 2)), 0, 64, 1000);
    access(world, requester, [0, 1, 2, 3, 0, 1, 2, 3]);
    expect(world.unit.invalidatePages(1, -1, 0, 1, false)).toBe(2);
    access(world, requester, [0, 1, 2, 3, 0, 1, 2, 3]);
    expect(causesOf(world, requester)).toEqual([4, 0, 0, 2]);
  });

  it('invalidated, not conflict, when the fully associative cache lost the entry to a command too', () => {
    const { world, requester } = worldOf(iotlbOf(lru(8, 2)), 0, 64, 1000);
    access(world, requester, [0, 4, 8]); // 0 is evicted; eight entries would hold it
    expect(world.unit.invalidatePages(1, -1, 0, 0, false)).toBe(0);
    access(world, requester, [0]);
    expect(causesOf(world, requester)).toEqual([3, 0, 0, 1]);
  });

  it('remembers more pages than the history starts with', () => {
    const pages = 20_000;
    const { world, requester } = worldOf(iotlbOf(lru(8, 2)), 0, pages, pages);
    for (let round = 0; round < 2; round++) access(world, requester, range(0, pages));
    expect(causesOf(world, requester)).toEqual([pages, pages, 0, 0]);
    expect(world.unit.historyLost).toBe(0);
  });

  it('counts pages that do not fit as cold, again and again, and says how many', () => {
    const { world, requester } = worldOf(iotlbOf(lru(8, 2)), 0, 5000, 100);
    for (let round = 0; round < 2; round++) access(world, requester, range(0, 5000));
    const [cold, capacity, conflict, invalidated] = causesOf(world, requester);
    expect([conflict, invalidated]).toEqual([0, 0]);
    const known = capacity; // the 4096 slots are filled up to three quarters
    expect(known).toBe(3072);
    expect(cold).toBe(10_000 - known);
    expect(world.unit.historyLost).toBe(2 * (5000 - known));
  });

  it('a miss that faults is cold, and one that merges has the cause of the walk it waits for', () => {
    const { world, requester } = worldOf(iotlbOf(lru(8, 2)), 0, 64, 1000);
    for (const page of [100, 100]) world.translate(requester, page, 1, STEP * 10);
    for (const page of [5, 5, 5]) world.translate(requester, page, 1, STEP * 20);
    expect(causesOf(world, requester)).toEqual([5, 0, 0, 0]);
    expect(world.counters(requester)[L.C_MERGED]).toBe(2);
    world.unit.invalidateAll();
    for (const page of [5, 5]) world.translate(requester, page, 1, STEP * 30);
    expect(causesOf(world, requester)).toEqual([5, 0, 0, 2]);
  });
});
