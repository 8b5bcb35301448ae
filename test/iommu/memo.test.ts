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
/** Pages of one lowest table, of its neighbour, and of others far away. */
const PAGES = [0, 1, 511, 512, 513, 2 ** 18 + 5, 2 ** 18 + 6, 2 ** 18 + 4096];
/** Present, and what else makes an entry lead elsewhere or allow less: AMD's own format, x86's. */
const BITS = { v1: [0n, 61n, 62n, 13n], v2: [0n, 1n, 2n, 13n] };

/** Reads by stage and level, of the line cache, and walks by length. */
const COUNTS = [
  [L.C_READS, 16],
  [L.C_LINE_HITS, 2],
  [L.C_DEPTH, L.DEPTH_SLOTS],
  [L.C_WALK_PS, 1],
  [L.C_PWC_LOOKUPS, 16],
  [L.C_PWC_HITS, 16],
] as const;

interface Mapped {
  readonly table: PageTable;
  readonly arena: Arena;
  readonly bits: readonly bigint[];
  readonly requester: Requester;
}

function hostOnly(world: World, levels: number): Mapped[] {
  return [1, 2].map((id) => {
    const table = world.hostTable(levels);
    for (const page of PAGES) expect(table.map(page, page + 2 ** 20 * id, 1, READ_WRITE)).toBe(0);
    world.setDevice(id, { domain: id, mode: levels, root: table.rootAddress });
    return { table, arena: world.hostArena, bits: BITS.v1, requester: world.requester(id) };
  });
}

/** Two guests with the same addresses, each in a host table of its own. */
function nested(world: World, levels: number, hostLeaf: number): Mapped[] {
  return [1, 2].flatMap((id) => {
    const host = world.hostTable(4);
    const guest = world.guest(host, hostLeaf);
    const table = world.guestTable(levels === 5 ? 5 : 4, guest);
    for (const page of PAGES) {
      expect(table.map(page, GUEST_BASE_PAGE + (page % 200), 1, READ_WRITE)).toBe(0);
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
  readonly slot: number;
  readonly value: bigint;
}

/** Turns a bit of an entry over; returns what was there. */
function change(world: World, mapped: Mapped, prng: Prng): Change {
  const isHostOfGuest = mapped.bits === BITS.v1 && mapped.arena === world.hostArena && mapped.table.levels === 4;
  const page =
    isHostOfGuest && prng.below(2) === 0 ? GUEST_BASE_PAGE + 256 + prng.below(8) : PAGES[prng.below(PAGES.length)];
  const way = wayTo(world, mapped, page);
  const slot = way[prng.below(way.length)];
  const value = world.kernel.view.getBigUint64(slot, true);
  world.kernel.view.setBigUint64(slot, value ^ (1n << mapped.bits[prng.below(4)]), true);
  return { slot, value };
}

const fifo = (entries: number): CacheSpec => ({ ...lru(entries), replacement: 'fifo' });

const lines: fc.Arbitrary<CacheSpec> = fc.constantFrom(NO_CACHE, lru(8), lru(32, 8), lru(256, 8), lru(256, 8));

/** Walks at random while tables change, for about so many walks each time; `after` each of them may do something of its own. */
function walkAtRandom(
  world: World,
  all: readonly Mapped[],
  prng: Prng,
  lasting: number,
  after: (mapped: Mapped, page: number) => void,
): void {
  let changed: Change | undefined;
  let atPs = 0;
  for (let step = 0; step < 400; step++) {
    if (changed !== undefined && prng.below(lasting) === 0) {
      world.kernel.view.setBigUint64(changed.slot, changed.value, true);
      changed = undefined;
    } else if (changed === undefined && prng.below(12) === 0) {
      changed = change(world, all[prng.below(all.length)], prng);
    }
    const mapped = all[prng.below(all.length)];
    const page = PAGES[prng.below(PAGES.length)];
    const access = 1 + prng.below(3);
    atPs += prng.below(3) === 0 ? prng.below(200_000) : 1e6;
    const expected = world.expected(mapped.requester, page, access, atPs);
    expect(world.translate(mapped.requester, page, access, atPs)).toEqual(expected);
    after(mapped, page);
  }
  for (const { requester } of all) {
    const counters = world.counters(requester);
    const reference = requester.reference.counters;
    for (const [first, slots] of COUNTS) {
      expect(counters.subarray(first, first + slots)).toEqual(reference.subarray(first, first + slots));
    }
  }
}

function build(world: World, [levels, hostLeaf]: readonly number[]): Mapped[] {
  return hostLeaf === 0 ? hostOnly(world, levels) : nested(world, levels, hostLeaf);
}

const iotlb = { ...lru(1), leafLog2: [12], fracture: true, l1: NO_CACHE };
const contexts = { deviceCache: lru(4), pasidCache: lru(4) };
const shape = fc.constantFrom([3, 0], [4, 0], [6, 0], [4, 12], [5, 12], [4, 21], [5, 21]);

describe('remembered ways of walks', () => {
  it('agree with the slow reference unit while tables change under them', () => {
    fc.assert(
      fc.property(fc.record({ lineCache: lines, seed: fc.nat(), shape }), (drawn) => {
        const world = new World(machineOf({ iotlb, lineCache: drawn.lineCache, ...contexts }));
        walkAtRandom(world, build(world, drawn.shape), new Prng(drawn.seed, 0), 4, () => undefined);
      }),
      { numRuns: 60 },
    );
  });

  it('and behind walk caches that invalidations empty', () => {
    const walkCache = fc.constantFrom(lru(1), lru(4), lru(8), lru(32, 16), fifo(16), lru(40), fifo(64), NO_CACHE);
    const caches = fc.array(walkCache, { minLength: 3, maxLength: 5 });
    const cases = fc.record({ lineCache: lines, seed: fc.nat(), shape, host: caches, guest: caches });
    fc.assert(
      fc.property(cases, (drawn) => {
        const walkCaches = { host: drawn.host, guest: drawn.guest };
        const world = new World(machineOf({ iotlb, lineCache: drawn.lineCache, walkCaches, ...contexts }));
        const all = build(world, drawn.shape);
        const prng = new Prng(drawn.seed, 0);
        const isNested = drawn.shape[1] !== 0;
        walkAtRandom(world, all, prng, 4 + 40 * prng.below(2), ({ requester }, page) => {
          if (prng.below(3) === 0) return;
          const domain = requester.reference.bdf;
          const pasid = isNested && prng.below(2) === 0 ? 0 : -1;
          const pagesLog2 = prng.below(8) === 0 ? 52 : 0;
          const expected = world.reference.invalidatePages(domain, pasid, page, pagesLog2, true);
          expect(world.unit.invalidatePages(domain, pasid, page, pagesLog2, true, isNested)).toBe(expected);
        });
      }),
      { numRuns: 40 },
    );
  });
});
