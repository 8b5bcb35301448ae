/** An IOTLB split by leaf size: each part holds its leaves, keeps them from the others, and is counted by itself. */
import { describe, expect, it } from 'vitest';
import * as L from '../../src/kernel/layout.ts';
import type { CacheSpec, IotlbPart, IotlbSpec } from '../../src/spec.ts';
import { lru, machineOf, NO_CACHE, type Requester, World } from '../kernel/world.ts';

/** Far enough apart that every walk has ended. */
const STEP = 10_000_000;
const PAGES_2M = 512;
const PAGES_1G = 512 * 512;

function iotlbOf(first: CacheSpec, split: readonly IotlbPart[], l1: CacheSpec = NO_CACHE): IotlbSpec {
  return { ...first, leafLog2: [12, 21, 30], split, fracture: true, l1 };
}

/** Sixteen leaves of each size, from page 0, from 1 GiB and from 64 GiB on. */
function worldOf(iotlb: IotlbSpec, historyPages = 0) {
  const world = new World(machineOf({ iotlb, deviceCache: lru(4) }), { historyPages });
  const table = world.hostTable(4);
  expect(table.mapSize(0, 2 ** 22, 12, 16, 3)).toBe(0);
  expect(table.mapSize(PAGES_1G, 2 ** 22, 21, 16, 3)).toBe(0);
  expect(table.mapSize(64 * PAGES_1G, 2 ** 22, 30, 16, 3)).toBe(0);
  world.setDevice(1, { domain: 1, mode: 4, root: table.rootAddress });
  const requester = world.requester(1);
  let now = 0;
  const visit = (page: number): void => {
    now += STEP;
    expect(world.translate(requester, page, 1, now).fault).toBe(0);
  };
  return { world, requester, visit };
}

const small = (i: number): number => i;
const large = (i: number): number => PAGES_1G + i * PAGES_2M;
const huge = (i: number): number => (64 + i) * PAGES_1G;

function caches(world: World): Record<string, unknown> {
  const rows = world.unit.cacheResults().filter(({ name }) => name.startsWith('iotlb'));
  return Object.fromEntries(rows.map(({ name, lookups, hits, fills }) => [name, { lookups, hits, fills }]));
}

function causes(world: World, requester: Requester): number[] {
  return [...world.counters(requester).subarray(L.C_COLD, L.C_COLD + 4)];
}

describe('an IOTLB with a part for 2 MiB leaves and up', () => {
  it('keeps a stream of small leaves from evicting large ones, and counts each part', () => {
    const { world, visit } = worldOf(iotlbOf(lru(4), [{ level: 1, ...lru(4) }]));
    for (const page of [large(0), large(1), huge(0)]) visit(page);
    for (let i = 0; i < 16; i++) visit(small(i));
    for (const page of [large(0) + 5, large(1) + 511, huge(0) + 7]) visit(page);
    expect(caches(world)).toEqual({
      iotlb: { lookups: 22, hits: 0, fills: 16 },
      iotlb_level1: { lookups: 22, hits: 3, fills: 3 },
    });
  });

  it('shares nothing: the same stream in one IOTLB of the same capacity misses', () => {
    const { world, requester, visit } = worldOf(iotlbOf(lru(8), []));
    for (const page of [large(0), large(1), huge(0)]) visit(page);
    for (let i = 0; i < 16; i++) visit(small(i));
    for (const page of [large(0), large(1), huge(0)]) visit(page);
    expect(world.counters(requester)[L.C_MISSES]).toBe(22);
  });

  it('tells hits of a first level from those of the parts', () => {
    const { world, visit } = worldOf(iotlbOf(lru(4), [{ level: 1, ...lru(4) }], lru(1)));
    for (const page of [large(0), large(0), small(0), large(0), small(0)]) visit(page);
    expect(caches(world)).toEqual({
      iotlb: { lookups: 4, hits: 1, fills: 1 },
      iotlb_level1: { lookups: 4, hits: 1, fills: 1 },
      iotlb_l1: { lookups: 5, hits: 1, fills: 4 },
    });
  });
});

describe('an IOTLB with a part for each leaf size', () => {
  const split = (): IotlbSpec =>
    iotlbOf(lru(2), [
      { level: 1, ...lru(2, 1) },
      { level: 2, ...lru(2) },
    ]);

  it('tells the causes of misses by the part: conflicts are those that its own capacity would not have', () => {
    const { world, requester, visit } = worldOf(split(), 100);
    // Two 2 MiB leaves in one direct-mapped set, small ones that cannot evict them.
    for (const page of [large(0), large(2), small(0), small(1), small(2), large(0), small(0)]) visit(page);
    expect(causes(world, requester)).toEqual([5, 1, 1, 0]);
  });

  it('drops leaves of every part by page, by domain, and all of them', () => {
    const { world, visit } = worldOf(split());
    const fill = (): void => [small(0), large(1), huge(1)].forEach(visit);
    fill();
    const { unit } = world;
    expect(unit.invalidatePages(1, -1, large(1) + 3, 0, false)).toBe(1);
    expect(unit.invalidatePages(1, -1, huge(1) + 3, 0, false)).toBe(1);
    expect(unit.invalidatePages(1, -1, small(0), 0, false)).toBe(1);
    fill();
    expect(unit.invalidatePages(1, -1, 0, 52, false)).toBe(3);
    fill();
    expect(unit.invalidateAll()).toBe(4); // the device-table entry too
  });
});

it('a part is left out where a size has no cache of its own: then nothing of it is kept', () => {
  const { world, requester, visit } = worldOf(iotlbOf(NO_CACHE, [{ level: 1, ...lru(4) }]));
  for (const page of [small(0), small(0), large(0), large(0)]) visit(page);
  expect(world.counters(requester)[L.C_HITS]).toBe(0);
  expect(world.counters(requester)[L.C_HITS + 1]).toBe(1);
});
