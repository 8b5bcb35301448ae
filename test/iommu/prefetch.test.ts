/** Next-page prefetch: what a walk brings in beside its own page, at no read more, and how its use is counted. */
import { describe, expect, it } from 'vitest';
import * as L from '../../src/kernel/layout.ts';
import type { IotlbSpec, MachineSpec } from '../../src/spec.ts';
import { BARE_MACHINE, lru, machineOf, NO_CACHE, type Requester, World } from '../kernel/world.ts';

/** Far enough apart that every walk has ended. */
const STEP = 10_000_000;
const READ = 1;
const WRITE = 2;
const iotlb: IotlbSpec = { ...lru(64), leafLog2: [12, 21, 30], fracture: true, l1: NO_CACHE };

interface Setup {
  readonly world: World;
  readonly requester: Requester;
  /** A request long after the last; its fault code. */
  readonly visit: (page: number, access?: number) => number;
  readonly counts: () => { walks: number; prefetches: number; uses: number };
}

function setup(changes: Partial<MachineSpec>, build: (world: World) => void, historyPages = 0): Setup {
  const world = new World(machineOf({ iotlb, deviceCache: lru(4), ...changes }), { historyPages });
  build(world);
  const requester = world.requester(1);
  let now = 0;
  const visit = (page: number, access = READ): number => world.translate(requester, page, access, (now += STEP)).fault;
  const counts = () => {
    const counters = world.counters(requester);
    const [prefetches, uses] = [counters[L.C_PREFETCHES], counters[L.C_PREFETCH_HITS]];
    return { walks: counters[L.C_WALKS], prefetches, uses };
  };
  return { world, requester, visit, counts };
}

/** 64 pages from page 0 on, one stage. */
function oneStage(world: World): void {
  const table = world.hostTable(4);
  expect(table.mapSize(0, 2 ** 22, 12, 64, 3)).toBe(0);
  world.setDevice(1, { domain: 1, mode: 4, root: table.rootAddress });
}

describe('a walk of one stage', () => {
  it.each([
    [7, 0, [1, 2, 3, 4, 5, 6, 7]],
    [7, 13, [14, 15]],
    [3, 0, [1, 2, 3]],
    [1, 8, [9]],
    [7, 15, []],
  ])('with a range of %i brings in after page %i those of its line', (prefetchPages, page, brought) => {
    const { visit, counts, world, requester } = setup({ prefetchPages }, oneStage);
    visit(page);
    expect(counts()).toEqual({ walks: 1, prefetches: brought.length, uses: 0 });
    for (const other of brought) expect(visit(other)).toBe(0);
    expect(counts()).toEqual({ walks: 1, prefetches: brought.length, uses: brought.length });
    expect(
      world
        .counters(requester)
        .subarray(L.C_READS, L.C_READS + 16)
        .reduce((a, b) => a + b),
    ).toBe(4);
  });

  it('leaves out pages that are not mapped, and those that are there', () => {
    const { visit, counts } = setup({ prefetchPages: 7 }, (world) => {
      const table = world.hostTable(4);
      for (const page of [0, 1, 3, 6]) expect(table.mapSize(page, 2 ** 22 + page, 12, 1, 3)).toBe(0);
      world.setDevice(1, { domain: 1, mode: 4, root: table.rootAddress });
    });
    visit(3);
    expect(counts()).toEqual({ walks: 1, prefetches: 1, uses: 0 });
    visit(0);
    expect(counts()).toEqual({ walks: 2, prefetches: 2, uses: 0 });
    expect(visit(2)).toBe(L.FAULT_NOT_PRESENT);
  });

  it('keeps the permissions of each page', () => {
    const { visit, world } = setup({ prefetchPages: 7 }, (world) => {
      const table = world.hostTable(4);
      expect(table.mapSize(0, 2 ** 22, 12, 1, 3)).toBe(0);
      expect(table.mapSize(1, 2 ** 22 + 1, 12, 1, READ)).toBe(0);
      world.setDevice(1, { domain: 1, mode: 4, root: table.rootAddress });
    });
    visit(0);
    expect(visit(1, WRITE)).toBe(L.FAULT_WRITE);
    expect(visit(1, READ)).toBe(0);
    expect(world.kernel.exports.lastPage()).toBe(2 ** 22 + 1);
  });

  it('counts a use once, also where the same device asks again and again', () => {
    const { visit, counts } = setup({ prefetchPages: 1 }, oneStage);
    for (const page of [0, 0, 1, 1, 1, 0, 1]) expect(visit(page)).toBe(0);
    expect(counts()).toEqual({ walks: 1, prefetches: 1, uses: 1 });
  });

  it('counts no use of what was evicted or invalidated before', () => {
    const { visit, counts, world } = setup({ prefetchPages: 1, iotlb: { ...iotlb, ...lru(2) } }, oneStage);
    for (const page of [0, 8, 1, 9]) visit(page);
    expect(counts()).toEqual({ walks: 4, prefetches: 4, uses: 0 });
    visit(16);
    world.unit.invalidatePages(1, -1, 17, 0, false);
    visit(17);
    expect(counts()).toMatchObject({ walks: 6, uses: 0 });
  });

  it('lets a request for such a page wait for the walk under way', () => {
    const { world, requester, counts } = setup({ prefetchPages: 7 }, oneStage, 100);
    const first = world.translate(requester, 0, READ, STEP);
    const second = world.translate(requester, 1, READ, STEP + 1);
    expect(second.donePs).toBe(first.donePs);
    const counters = world.counters(requester);
    expect([counters[L.C_MERGED], counters[L.C_COLD]]).toEqual([1, 2]);
    expect(counts()).toEqual({ walks: 1, prefetches: 7, uses: 1 });
  });

  it('that ends in a large leaf brings in nothing: the leaf is larger than its line of pages', () => {
    const { visit, counts } = setup({ prefetchPages: 7 }, (world) => {
      const table = world.hostTable(4);
      expect(table.mapSize(0, 2 ** 22, 21, 4, 3)).toBe(0);
      world.setDevice(1, { domain: 1, mode: 4, root: table.rootAddress });
    });
    visit(0);
    expect(counts()).toEqual({ walks: 1, prefetches: 0, uses: 0 });
  });
});

describe('a nested walk', () => {
  /** Guest pages 0 … 15 in leaves of the guest at GPAs from `gpa` on, those by host leaves of `hostLog2`. */
  const nested =
    (guestLog2: number, hostLog2: number, gpaOf: (page: number) => number) =>
    (world: World): void => {
      const host = world.hostTable(4);
      const guest = world.guest(host, 12);
      const table = world.guestTable(4, guest);
      const step = 2 ** (guestLog2 - 12);
      for (let page = 0; page < 16; page += step) expect(table.mapSize(page, gpaOf(page), guestLog2, 1, 3)).toBe(0);
      const leafPages = 2 ** (hostLog2 - 12);
      for (let page = 0; page < 16; page++) {
        const leaf = Math.floor(gpaOf(page) / leafPages) * leafPages;
        host.mapSize(leaf, 2 ** 22 + leaf, hostLog2, 1, 3);
      }
      const gcr3 = world.setGcr3(0, 0, 0, table.rootAddress, guest);
      world.setDevice(1, { domain: 1, mode: 4, root: host.rootAddress, gcr3, giov: true });
    };
  const straight = (page: number): number => 2 ** 12 + page;

  it('brings in what the lines of both leaves say', () => {
    const { visit, counts, world } = setup({ prefetchPages: 7 }, nested(12, 12, straight));
    visit(2);
    expect(counts()).toEqual({ walks: 1, prefetches: 5, uses: 0 });
    for (let page = 3; page < 8; page++) {
      expect(visit(page)).toBe(0);
      expect(world.kernel.exports.lastPage()).toBe(2 ** 22 + straight(page));
    }
    expect(counts()).toEqual({ walks: 1, prefetches: 5, uses: 5 });
  });

  it('leaves out pages whose host entry lies in another line', () => {
    const { visit, counts } = setup(
      { prefetchPages: 7 },
      nested(12, 12, (page) => 2 ** 12 + 8 * page),
    );
    visit(0);
    expect(counts()).toEqual({ walks: 1, prefetches: 0, uses: 0 });
  });

  it('brings in pages anywhere in the same large host leaf', () => {
    const scattered = (page: number): number => 2 ** 12 + 31 * (16 - page);
    const { visit, counts } = setup({ prefetchPages: 7 }, nested(12, 21, scattered));
    visit(0);
    expect(counts()).toEqual({ walks: 1, prefetches: 7, uses: 0 });
  });

  it('brings in the pieces of a large guest leaf on small host leaves', () => {
    const { visit, counts, world } = setup({ prefetchPages: 7 }, nested(21, 12, straightFrom2M));
    visit(4);
    expect(counts()).toEqual({ walks: 1, prefetches: 3, uses: 0 });
    expect(visit(7)).toBe(0);
    expect(world.kernel.exports.lastPage()).toBe(2 ** 22 + straightFrom2M(7));
  });
  const straightFrom2M = (page: number): number => 2 ** 12 + page;

  it('knows of the host stage only what the nested TLB gave, where that answered', () => {
    const nestedTlb = lru(64);
    const { visit, counts } = setup({ prefetchPages: 7, nestedTlb }, nested(12, 12, straight));
    visit(0);
    expect(counts()).toEqual({ walks: 1, prefetches: 7, uses: 0 });
    const before = counts().prefetches;
    const other = setup({ prefetchPages: 7, nestedTlb, iotlb: { ...iotlb, ...lru(1) } }, nested(12, 12, straight));
    other.visit(0);
    other.visit(8);
    other.visit(0); // the data page's host translation comes from the nested TLB now: no line of the host's was read
    expect(other.counts()).toMatchObject({ walks: 3, prefetches: 2 * before });
  });
});

it('prefetch is off unless the machine has it', () => {
  expect(BARE_MACHINE.prefetchPages).toBeUndefined();
  const { visit, counts } = setup({}, oneStage);
  visit(0);
  expect(counts()).toEqual({ walks: 1, prefetches: 0, uses: 0 });
});
