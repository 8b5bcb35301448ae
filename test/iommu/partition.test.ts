/** Caches divided among tenants: against the slow cache in every policy, and what a tenant keeps beside a noisy one. */
import { describe, expect, it } from 'vitest';
import { layCache } from '../../src/iommu/cache.ts';
import { Regions } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { Prng } from '../../src/lib/prng.ts';
import type { CacheSpec, IndexFunction, IotlbSpec, PartitionSpec, Replacement } from '../../src/spec.ts';
import { lru, machineOf, NO_CACHE, World } from '../kernel/world.ts';
import { ReferenceCache } from '../reference/cache.ts';
import { createKernel } from '../support/kernel.ts';

const kernel = createKernel(8 << 20);
const { exports, view } = kernel;
const regions = new Regions(8 << 20);
/** Domains 1 … 3 are tenants 0 … 2; domain 4 is nobody's. */
const tenants = regions.take(65_536 * 2);
for (const domain of [1, 2, 3]) view.setUint16(tenants + 2 * domain, domain, true);
const tenantOf = (domain: number): number => (domain <= 3 ? domain - 1 : -1);

const POLICIES: readonly Replacement[] = ['lru', 'fifo', 'random', 'plru', 'srrip', 'lfu'];
/** [sets, ways, what is divided, minimums]: in one range and several, nothing shared, a share of one, full associativity. */
const SHAPES: readonly (readonly [number, number, PartitionSpec['by'], readonly number[]])[] = [
  [4, 4, 'ways', [1, 1, 1]],
  [3, 8, 'ways', [2, 0, 3]],
  [1, 32, 'ways', [20, 4, 8]],
  [2, 16, 'ways', [15, 0, 0]],
  [1, 64, 'ways', [1, 1, 0]],
  [8, 4, 'sets', [3, 0, 2]],
  [7, 2, 'sets', [1, 2, 3]],
  [12, 8, 'sets', [4, 4, 4]],
];
const INDEXES: readonly IndexFunction[] = ['modulo', 'shifted', 'hash'];

/** Runs the same operations on both; returns the index of the first that differs, or -1. */
function firstDifference(spec: CacheSpec, domains: number): number {
  const cache = layCache(kernel, regions, spec, 77, { tenants });
  const reference = new ReferenceCache<true>(spec, view.getUint32(cache + L.CACHE_SEED, true), tenantOf);
  const prng = new Prng(spec.entries, 3);
  for (let i = 0; i < 3000; i++) {
    const key = { page: prng.below(spec.entries + 2), leafClass: 0, space: 1 + prng.below(domains) };
    if (prng.below(16) === 0) {
      const entry = reference.find(key);
      if (entry !== undefined) reference.remove(entry);
      if (exports.cacheRemove(cache, key.page, key.space) !== (entry === undefined ? 0 : 1)) return i;
    } else if ((exports.cacheAccess(cache, key.page, key.space) === 1) !== reference.access(key, true)) return i;
  }
  const counts = [L.CACHE_FILLS, L.CACHE_EVICTIONS, L.CACHE_DROPPED].map((at) => view.getFloat64(cache + at, true));
  expect(counts).toEqual([reference.fills, reference.evictions, reference.dropped]);
  return -1;
}

describe('a divided cache against a slow one', () => {
  it.each(POLICIES)('%s: same hits, victims and counts', (replacement) => {
    for (const [sets, ways, by, minimum] of SHAPES) {
      for (const index of INDEXES) {
        const spec = { entries: sets * ways, ways, replacement, index, partition: { by, minimum } };
        const hasShared = minimum.reduce((a, b) => a + b) < (by === 'ways' ? ways : sets);
        expect([sets, ways, by, index, firstDifference(spec, hasShared ? 4 : 3)]).toEqual([sets, ways, by, index, -1]);
      }
    }
  });

  it('gives a domain of no tenant some place even where nothing is shared', () => {
    for (const by of ['ways', 'sets'] as const) {
      const spec = { ...lru(16, 4), partition: { by, minimum: [2, 1, 1] } };
      const cache = layCache(kernel, regions, spec, 1, { tenants });
      expect([exports.cacheAccess(cache, 5, 9), exports.cacheAccess(cache, 5, 9)]).toEqual([0, 1]);
    }
  });
});

describe('a tenant beside a noisy one', () => {
  /** Misses of a device that goes over `pages` pages while another one streams through 4096. */
  function missesOf(iotlb: IotlbSpec, pages: number): number {
    const tenantOf = new Map([
      [1, 0],
      [2, 1],
    ]);
    const world = new World(machineOf({ iotlb, deviceCache: lru(4) }), { tenantOf, tableBytes: 1 << 21 });
    const [quiet, noisy] = [1, 2].map((bdf) => {
      const table = world.hostTable(4);
      expect(table.mapSize(0, 2 ** 22, 12, 4096, 3)).toBe(0);
      world.setDevice(bdf, { domain: bdf, mode: 4, root: table.rootAddress });
      return world.requester(bdf);
    });
    let now = 0;
    const visit = (requester: typeof quiet, page: number): void => {
      now += 10_000_000;
      world.translate(requester, page, 1, now);
    };
    for (let i = 0; i < 4096; i++) {
      visit(quiet, i % pages);
      for (let n = 0; n < 4; n++) visit(noisy, (4 * i + n) % 4096);
    }
    return world.counters(quiet)[L.C_MISSES];
  }
  const iotlb = (spec: CacheSpec): IotlbSpec => ({ ...spec, leafLog2: [12, 21, 30], fracture: true, l1: NO_CACHE });

  it('keeps exactly its share of the ways of each set', () => {
    const divided = (own: number): IotlbSpec => iotlb({ ...lru(64, 8), partition: { by: 'ways', minimum: [own, 0] } });
    expect(missesOf(iotlb(lru(64, 8)), 24)).toBe(4096);
    expect(missesOf(divided(3), 24)).toBe(24);
    expect(missesOf(divided(2), 24)).toBeGreaterThan(2000);
  });

  it('keeps exactly its share of the sets', () => {
    const divided = (own: number): IotlbSpec =>
      iotlb({ ...lru(64, 8), partition: { by: 'sets', minimum: [own, 8 - own] } });
    expect(missesOf(divided(3), 24)).toBe(24);
    expect(missesOf(divided(2), 24)).toBe(4096); // one page too many a set, in LRU order
  });

  it('is found in every way: what it has in shared ways is no loss', () => {
    const divided = iotlb({ ...lru(16), partition: { by: 'ways', minimum: [4, 4] } });
    expect(missesOf(divided, 4)).toBe(4);
  });
});
