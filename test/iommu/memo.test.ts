/**
 * Walks that find their way remembered (assembly/memo.ts) against the slow reference unit, while entries of all levels are changed under
 * them by plain writes, which tell nobody: results, times and counts agree.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Arena, PageTable } from '../../src/iommu/page-table.ts';
import * as L from '../../src/kernel/layout.ts';
import { Prng } from '../../src/lib/prng.ts';
import type { CacheSpec } from '../../src/spec.ts';
import { GUEST_BASE_PAGE, lru, machineOf, NO_CACHE, type Requester, World } from '../kernel/world.ts';

const READ_WRITE = 3;
const FRAME = 0x000ffffffffff000n;
/**
 * Pages of one lowest table, of its neighbours, and of others far away, by their place in tables of levels 2, 1 and 0: all over, or else the
 * lines of all tables on a way would fall into the same sets of the line cache.
 */
const PLACES = [
  [100, 200, 0],
  [100, 200, 1],
  [100, 200, 70],
  [100, 200, 511],
  [100, 201, 300],
  [100, 260, 150],
  [180, 200, 400],
  [180, 330, 40],
];
const PAGES = PLACES.map(([upper, middle, last]) => (upper * 512 + middle) * 512 + last);
/** Present, and what else makes an entry lead elsewhere or allow less: AMD's own format, x86's. */
const BITS = { v1: [0n, 61n, 62n, 13n], v2: [0n, 1n, 2n, 13n] };

/** Look-ups, reads by stage and level, of the line cache, and walks by length. */
const COUNTS = [
  [L.C_LOOKUPS, 1],
  [L.C_MERGED, 1],
  [L.C_DTE_LOOKUPS, 8],
  [L.C_READS, 16],
  [L.C_LINE_HITS, 2],
  [L.C_DEPTH, L.DEPTH_SLOTS],
  [L.C_WALK_PS, 1],
  [L.C_PREFETCHES, 2],
  [L.C_PWC_LOOKUPS, 16],
  [L.C_PWC_HITS, 16],
] as const;

interface Mapped {
  readonly table: PageTable;
  readonly arena: Arena;
  readonly bits: readonly bigint[];
  readonly requester: Requester;
}

/** What a table of 4 KiB pages maps. */
const REGION_PAGES = 512;
/** Leaves of a guest: 4 KiB and 2 MiB, region by region. */
const BOTH = 0;
/** Guest-physical pages of the guests' data. */
const DATA_PAGE = GUEST_BASE_PAGE + 2 ** 16;

function regionOf(page: number): number {
  return Math.floor(page / REGION_PAGES);
}

/** Devices that come by now and then, so that it matters which entries of the device and PASID caches were used last. */
function passers(world: World): Requester[] {
  return [11, 12, 13, 14].map((id) => {
    const table = world.guestTable(4);
    expect(table.map(PAGES[0], id, 1, READ_WRITE)).toBe(0);
    const gcr3 = world.setGcr3(id, 0, 0, table.rootAddress);
    world.setDevice(id, { domain: id, mode: 0, gcr3, glx: 0, giov: true });
    return world.requester(id);
  });
}

function hostOnly(world: World, levels: number): Mapped[] {
  return [1, 2].map((id) => {
    const table = world.hostTable(levels);
    for (const page of PAGES) expect(table.map(page, page + 2 ** 20 * id, 1, READ_WRITE)).toBe(0);
    world.setDevice(id, { domain: id, mode: levels, root: table.rootAddress, write: id === 1 });
    return { table, arena: world.hostArena, bits: BITS.v1, requester: world.requester(id) };
  });
}

/** Tables of guests that lie in system memory. */
function guestOnly(world: World, levels: number): Mapped[] {
  return [1, 2].map((id) => {
    const table = world.guestTable(levels === 5 ? 5 : 4);
    for (const page of PAGES) expect(table.map(page, page + 2 ** 20 * id, 1, READ_WRITE)).toBe(0);
    const gcr3 = world.setGcr3(id, 0, 0, table.rootAddress);
    world.setDevice(id, { domain: id, mode: 0, gcr3, glx: 0, giov: true, fiveLevels: levels === 5 });
    return { table, arena: world.hostArena, bits: BITS.v2, requester: world.requester(id) };
  });
}

/** Two guests with the same addresses, each in a host table of its own; their data lie behind other host tables than their tables. */
function nested(world: World, levels: number, hostLeaf: number, guestLeaf: number): Mapped[] {
  return [1, 2].flatMap((id) => {
    const host = world.hostTable(4);
    const guest = world.guest(host, hostLeaf);
    const table = world.guestTable(levels === 5 ? 5 : 4, guest);
    const regions = [...new Set(PAGES.map(regionOf))];
    const leaves = (regions.length * REGION_PAGES) / 2 ** (hostLeaf - 12);
    expect(host.mapSize(DATA_PAGE, 2 ** 20 * id, hostLeaf, leaves, READ_WRITE)).toBe(0);
    for (const [i, region] of regions.entries()) {
      const target = DATA_PAGE + i * REGION_PAGES;
      const leaf = guestLeaf === BOTH ? [12, 21][i % 2] : guestLeaf;
      expect(table.mapSize(region * REGION_PAGES, target, leaf, 2 ** (21 - leaf), READ_WRITE)).toBe(0);
    }
    const gcr3 = world.setGcr3(0, 0, 0, table.rootAddress, guest);
    const fields = { domain: id, mode: 4, root: host.rootAddress, gcr3, glx: 0, giov: true };
    world.setDevice(id, { ...fields, fiveLevels: levels === 5 });
    const requester = world.requester(id);
    const inGuest = { table, arena: guest.arena, bits: BITS.v2, requester };
    return [inGuest, { table: host, arena: world.hostArena, bits: BITS.v1, requester }];
  });
}

/** Where the entries on the way to a page lie, from the root down. */
function wayTo(world: World, { table, arena }: Mapped, page: number): number[] {
  const way: number[] = [];
  let at = table.rootOffset;
  for (let level = table.levels - 1; level >= 0; level--) {
    const slot = at + 8 * (Math.floor(page / 512 ** level) % 512);
    way.push(slot);
    const address = world.kernel.view.getBigUint64(slot, true) & FRAME;
    const offset = address - arena.address;
    if (offset < 0n || offset >= BigInt(arena.bytes)) break;
    at = arena.offsetOf(address);
  }
  return way;
}

interface Change {
  readonly requester: Requester;
  readonly page: number;
  readonly slot: number;
  readonly value: bigint;
}

/** Turns a bit of an entry over; returns what was there. */
function change(world: World, mapped: Mapped, prng: Prng): Change {
  const isHostOfGuest = mapped.bits === BITS.v1 && mapped.arena === world.hostArena && mapped.table.levels === 4;
  const page =
    isHostOfGuest && prng.below(2) === 0 ? GUEST_BASE_PAGE + 256 + prng.below(8) : PAGES[prng.below(PAGES.length)];
  const way = wayTo(world, mapped, page);
  const slot = prng.below(2) === 0 ? way[way.length - 1] : way[prng.below(way.length)];
  const value = world.kernel.view.getBigUint64(slot, true);
  world.kernel.view.setBigUint64(slot, value ^ (1n << mapped.bits[prng.below(4)]), true);
  return { requester: mapped.requester, page, slot, value };
}

const lines = fc.constantFrom(NO_CACHE, ...[8, 32, 256, 2048, 2048].map((entries) => lru(entries, 8)));
const fifo = (entries: number): CacheSpec => ({ ...lru(entries), replacement: 'fifo' });
const iotlbs = fc.record({
  leafLog2: fc.constantFrom([12], [12, 21], [12, 21]),
  fracture: fc.boolean(),
  entries: fc.constantFrom(1, 2),
  replacement: fc.constantFrom('lru', 'lru', 'fifo', 'random'),
});
const HOST_ONLY = [[3], [4], [6]];
const GUEST_ONLY = [
  [4, 0],
  [5, 0],
];
/** Levels of the guest's table, leaves of the host's and of the guest's. */
const NESTED = [
  ...[4, 5].flatMap((levels) => [12, 21].map((hostLeaf) => [levels, hostLeaf, 12])),
  ...[12, 21].flatMap((hostLeaf) => [21, BOTH].map((guestLeaf) => [4, hostLeaf, guestLeaf])),
];

type Machine = {
  lineCache: CacheSpec;
  iotlb: { leafLog2: readonly number[]; fracture: boolean; entries: number; replacement?: CacheSpec['replacement'] };
  walkCaches?: { host: readonly CacheSpec[]; guest: readonly CacheSpec[] };
  prefetchPages?: number;
};

/** Few places for devices and PASIDs. */
function worldOf({ iotlb: { entries, ...of }, ...rest }: Machine): World {
  const iotlb = { ...lru(entries), ...of, l1: NO_CACHE };
  return new World(machineOf({ iotlb, ...rest, deviceCache: lru(3), pasidCache: lru(3) }));
}

function mappedOf(world: World, [levels, hostLeaf, guestLeaf]: number[]): Mapped[] {
  if (hostLeaf === undefined) return hostOnly(world, levels);
  return hostLeaf === 0 ? guestOnly(world, levels) : nested(world, levels, hostLeaf, guestLeaf);
}

function compare(world: World, requester: Requester, page: number, access: number, atPs: number): void {
  const expected = world.expected(requester, page, access, atPs);
  expect(world.translate(requester, page, access, atPs)).toEqual(expected);
}

function compareCounts(world: World, requesters: readonly Requester[]): void {
  for (const requester of requesters) {
    const counters = world.counters(requester);
    const reference = requester.reference.counters;
    for (const [first, slots] of COUNTS) {
      expect(counters.subarray(first, first + slots)).toEqual(reference.subarray(first, first + slots));
    }
  }
}

interface Stroll {
  readonly prng: Prng;
  /** Walks for which a change lasts, about. */
  readonly lasting: number;
  /** One request in so many is a passer's. */
  readonly passing: number;
  /** What else happens after a request that is no passer's. */
  readonly after?: (requester: Requester, page: number) => void;
}

/** Requests at random while tables change. */
function stroll(world: World, all: readonly Mapped[], { prng, lasting, passing, after }: Stroll): void {
  const own = all.map(({ requester }) => requester);
  const others = passers(world);
  let changed: Change | undefined;
  let atPs = 0;
  for (let step = 0; step < 250; step++) {
    if (changed !== undefined && prng.below(lasting) === 0) {
      world.kernel.view.setBigUint64(changed.slot, changed.value, true);
      changed = undefined;
    } else if (changed === undefined && prng.below(12) === 0) {
      changed = change(world, all[prng.below(all.length)], prng);
    }
    const some = prng.below(passing) === 0 ? others : own;
    const isChanged = changed !== undefined && PAGES.includes(changed.page) && prng.below(2) === 0;
    const requester = isChanged ? changed!.requester : some[prng.below(some.length)];
    const page = isChanged ? changed!.page : PAGES[prng.below(PAGES.length)];
    atPs += prng.below(3) === 0 ? prng.below(200_000) : 1e6;
    compare(world, requester, page, 1 + prng.below(3), atPs);
    if (own.includes(requester)) after?.(requester, page);
  }
  compareCounts(world, [...own, ...others]);
}

const prefetchPages = fc.constantFrom(0, 0, 7);
const shapes = fc.constantFrom(...HOST_ONLY, ...GUEST_ONLY, ...NESTED);

describe('remembered ways of walks', () => {
  it('agree with the slow reference unit while tables change under them', () => {
    const passings = fc.constantFrom(3, 8, 32);
    const cases = fc.record({
      lineCache: lines,
      seed: fc.nat(),
      iotlb: iotlbs,
      passing: passings,
      shape: shapes,
      prefetchPages,
    });
    fc.assert(
      fc.property(cases, ({ seed, passing, shape, ...machine }) => {
        const world = worldOf(machine);
        stroll(world, mappedOf(world, shape), { prng: new Prng(seed, 0), lasting: 4, passing });
      }),
      { numRuns: 70 },
    );
  });

  it('and behind walk caches that invalidations empty', () => {
    const walkCache = fc.constantFrom(lru(1), lru(4), lru(8), lru(32, 16), fifo(16), lru(40), fifo(64), NO_CACHE);
    const caches = fc.array(walkCache, { minLength: 3, maxLength: 5 });
    const walkCaches = fc.record({ host: caches, guest: caches });
    const iotlb = fc.constant({ entries: 1, leafLog2: [12], fracture: true });
    const cases = fc.record({ lineCache: lines, seed: fc.nat(), iotlb, walkCaches, shape: shapes });
    fc.assert(
      fc.property(cases, ({ seed, shape, ...machine }) => {
        const world = worldOf(machine);
        const prng = new Prng(seed, 0);
        const hasGuest = shape.length > 1;
        const after = (requester: Requester, page: number): void => {
          if (prng.below(3) === 0) return;
          const domain = requester.reference.bdf;
          const pasid = hasGuest && prng.below(2) === 0 ? 0 : -1;
          const pagesLog2 = prng.below(8) === 0 ? 52 : 0;
          const expected = world.reference.invalidatePages(domain, pasid, page, pagesLog2, true);
          expect(world.unit.invalidatePages(domain, pasid, page, pagesLog2, true, hasGuest)).toBe(expected);
        };
        const lasting = 4 + 40 * prng.below(2);
        stroll(world, mappedOf(world, shape), { prng, lasting, passing: 32, after });
      }),
      { numRuns: 40 },
    );
  });

  it('agree with it where entries that walks read last push out lines on ways, one of the same walk too', () => {
    const shape = fc.constantFrom(...NESTED);
    const lineCache = fc.constantFrom(lru(64, 8), lru(128, 8), lru(256, 8));
    const cases = fc.record({ lineCache, seed: fc.nat(), iotlb: iotlbs, shape });
    fc.assert(
      fc.property(cases, ({ seed, shape, ...machine }) => {
        const world = worldOf(machine);
        const [{ requester }] = mappedOf(world, shape);
        const prng = new Prng(seed, 0);
        for (let step = 0; step < 600; step++) {
          const region = regionOf(PAGES[prng.below(PAGES.length)]);
          compare(world, requester, region * REGION_PAGES + prng.below(REGION_PAGES), READ_WRITE, step * 1e6);
        }
        compareCounts(world, [requester]);
      }),
      { numRuns: 25 },
    );
  });

  it('count what they read where a guest’s tables come to lie behind smaller leaves and back', () => {
    const world = worldOf({ lineCache: lru(2048, 8), iotlb: { leafLog2: [12], fracture: true, entries: 1 } });
    const [guest, host] = mappedOf(world, [4, 21, 12]);
    const split = world.hostTable(4);
    const behind = host.table.lookup(GUEST_BASE_PAGE);
    expect(split.mapSize(GUEST_BASE_PAGE, behind, 12, 512, READ_WRITE)).toBe(0);
    const [leafAt, pointerAt] = [host.table, split].map(
      (table) => wayTo(world, { ...host, table }, GUEST_BASE_PAGE)[2],
    );
    const leaf = world.kernel.view.getBigUint64(leafAt, true);
    let atPs = 0;
    for (const isSplit of [false, true, false]) {
      const entry = isSplit ? world.kernel.view.getBigUint64(pointerAt, true) : leaf;
      world.kernel.view.setBigUint64(leafAt, entry, true);
      for (let i = 0; i < 12; i++) compare(world, guest.requester, PAGES[i % 3], READ_WRITE, (atPs += 1e6));
    }
    compareCounts(world, [guest.requester]);
  });

  it('renew the device and PASID entries of their requesters, as the next device that takes a place shows', () => {
    const world = worldOf({ lineCache: lru(2048, 8), iotlb: { leafLog2: [12], fracture: true, entries: 1 } });
    const own = mappedOf(world, [4, 12, 12]).filter(({ arena }) => arena !== world.hostArena);
    const [first, second] = passers(world);
    let atPs = 0;
    const use = (requester: Requester, page: number): void => compare(world, requester, page, 1, (atPs += 1e6));
    const useOwn = (page: number): void => own.forEach(({ requester }) => use(requester, page));
    for (const page of [PAGES[0], PAGES[3], PAGES[0], PAGES[3]]) useOwn(page);
    use(first, PAGES[0]);
    for (const page of [PAGES[0], PAGES[3]]) useOwn(page);
    use(first, PAGES[1]);
    useOwn(PAGES[0]);
    use(second, PAGES[0]);
    useOwn(PAGES[3]);
    const counters = own.map(({ requester }) => world.counters(requester));
    expect(counters.map((counts) => counts[L.C_PASID_READS])).toEqual([1, 1]);
    expect(counters.map((counts) => counts[L.C_DTE_READS])).toEqual([1, 1]);
  });
});
