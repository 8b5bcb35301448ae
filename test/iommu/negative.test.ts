/** Not-present results that the IOTLB keeps: they answer until an invalidation takes them, and are counted. */
import { describe, expect, it } from 'vitest';
import { explainTrace, Tracer } from '../../src/iommu/explain.ts';
import type { PageTable } from '../../src/iommu/page-table.ts';
import * as L from '../../src/kernel/layout.ts';
import type { CacheSpec, IotlbSpec } from '../../src/spec.ts';
import { lru, machineOf, NO_CACHE, World } from '../kernel/world.ts';

/** Far enough apart that every walk has ended. */
const STEP = 10_000_000;
const iotlbOf = (negative: boolean, first: CacheSpec, l1: CacheSpec): IotlbSpec => {
  return { ...first, leafLog2: [12, 21, 30], fracture: true, negative, l1 };
};

function setup(negative: boolean, { first = lru(4), l1 = NO_CACHE, historyPages = 0 } = {}) {
  const world = new World(machineOf({ iotlb: iotlbOf(negative, first, l1), deviceCache: lru(4) }), { historyPages });
  const table = world.hostTable(4);
  expect(table.mapSize(0, 2 ** 22, 12, 4, 3)).toBe(0);
  world.setDevice(1, { domain: 1, mode: 4, root: table.rootAddress });
  const requester = world.requester(1);
  let now = 0;
  const visit = (page: number): number => world.translate(requester, page, 1, (now += STEP)).fault;
  const counts = (): Record<string, number> => {
    const c = world.counters(requester);
    const [fills, hits] = [c[L.C_NEGATIVE_FILLS], c[L.C_NEGATIVE_HITS]];
    return { walks: c[L.C_WALKS], fills, hits, faults: c[L.C_FAULTS] };
  };
  return { world, table, requester, visit, counts };
}

const map = (table: PageTable, page: number): void => expect(table.mapSize(page, 2 ** 22 + page, 12, 1, 3)).toBe(0);

describe('a unit that caches not-present entries', () => {
  it('walks once for a page that is not there, and every request has its fault record', () => {
    const { visit, counts, world } = setup(true);
    for (let i = 0; i < 3; i++) expect(visit(9)).toBe(L.FAULT_NOT_PRESENT);
    expect(counts()).toEqual({ walks: 1, fills: 1, hits: 2, faults: 3 });
    expect(world.unit.drainFaults().map(({ code, page }) => [code, page])).toEqual([9, 9, 9].map((page) => [1, page]));
  });

  it('does not see a map until its invalidation, by page, by domain, or of everything', () => {
    for (const invalidate of [
      (world: World) => world.unit.invalidatePages(1, -1, 9, 0, false),
      (world: World) => world.unit.invalidatePages(1, -1, 0, 52, true),
      (world: World) => world.unit.invalidateAll(),
    ]) {
      const { visit, table, world } = setup(true, { l1: lru(2) });
      expect(visit(9)).toBe(L.FAULT_NOT_PRESENT);
      map(table, 9);
      expect(visit(9)).toBe(L.FAULT_NOT_PRESENT);
      expect(invalidate(world)).toBeGreaterThanOrEqual(2); // both levels
      expect(visit(9)).toBe(0);
    }
  });

  it('knows nothing of pages beside, and lets go what it evicts', () => {
    const { visit, table } = setup(true, { first: lru(2) });
    for (const page of [9, 0, 1]) visit(page);
    map(table, 9);
    expect(visit(9)).toBe(0);
    expect(visit(10)).toBe(L.FAULT_NOT_PRESENT);
  });

  it('lets requests wait for a walk that finds nothing', () => {
    const { world, requester, counts } = setup(true);
    const first = world.translate(requester, 9, 1, STEP);
    const second = world.translate(requester, 9, 1, STEP + 1);
    expect(second).toEqual(first);
    expect(world.counters(requester)[L.C_MERGED]).toBe(1);
    expect(counts()).toEqual({ walks: 1, fills: 1, hits: 1, faults: 2 });
  });

  it('keeps only what is not present: faults of permission are of entries that are there', () => {
    const { visit, table, world, requester } = setup(true);
    expect(table.mapSize(20, 2 ** 22 + 20, 12, 1, 1)).toBe(0);
    expect(world.translate(requester, 20, 2, STEP).fault).toBe(L.FAULT_WRITE);
    expect(world.counters(requester)[L.C_NEGATIVE_FILLS]).toBe(0);
    visit(2 ** 37); // above the table's reach: no walk finds that out
    expect(world.counters(requester)[L.C_NEGATIVE_FILLS]).toBe(0);
  });

  it('tells why such a page missed like any other', () => {
    const { visit, world, requester, table } = setup(true, { first: lru(2), historyPages: 100 });
    for (const page of [9, 0, 1, 9]) visit(page);
    map(table, 9);
    world.unit.invalidatePages(1, -1, 9, 0, false);
    visit(9);
    expect([...world.counters(requester).subarray(L.C_COLD, L.C_COLD + 4)]).toEqual([3, 1, 0, 1]);
  });
});

it('explain says that the IOTLB knew', () => {
  const { world, visit } = setup(true);
  visit(9);
  const tracer = new Tracer(world.kernel, world.regions);
  tracer.start();
  visit(9);
  const steps = explainTrace(tracer.stop(), {});
  expect(steps.at(-1)).toMatchObject({
    source: 'IOTLB',
    meaning: '0x9000 was not present when it was walked',
    read: 0,
  });
});

it('other units walk again', () => {
  const { visit, table, counts } = setup(false);
  for (let i = 0; i < 2; i++) expect(visit(9)).toBe(L.FAULT_NOT_PRESENT);
  expect(counts()).toEqual({ walks: 2, fills: 0, hits: 0, faults: 2 });
  map(table, 9);
  expect(visit(9)).toBe(0);
});
