/** When a request's translation is done, worked out by hand from the machine's times. All times in ps. */
import { describe, expect, it } from 'vitest';
import * as L from '../../src/kernel/layout.ts';
import type { MachineSpec } from '../../src/spec.ts';
import { BARE_MACHINE, lru, machineOf, type Requester, World } from '../kernel/world.ts';

const HIT = 7000;
const L1_HIT = 3000;
const LINE = 23_000;
const MEMORY = 101_000;
const OVERHEAD = 11_000;
const IOTLB = { ...lru(64), leafLog2: [12, 21, 30], fracture: true, l1: { ...lru(0), ways: 0 } };
const LATE = 1e9;

/** A device over a host table of three levels, pages 0..1023 mapped from page 2^20 on; its entry is cached already. */
function machineWith(changes: Partial<MachineSpec>) {
  const world = new World(machineOf({ deviceCache: lru(4), ...changes }));
  const table = world.hostTable(3);
  table.mapSize(0, 2 ** 20, 12, 1024, 3);
  table.mapSize(2 ** 27 - 1, 2 ** 21, 12, 1, 3);
  world.setDevice(1, { domain: 1, mode: 3, root: table.rootAddress });
  const requester = world.requester(1);
  world.translate(requester, 2 ** 27 - 1, 1, 0);
  return { world, table, requester };
}

const done = (world: World, requester: Requester, page: number, atPs: number): number =>
  world.translate(requester, page, 1, atPs).donePs;

describe('a walk', () => {
  it('takes the lookup, the overhead and its reads one after the other', () => {
    const { world, requester } = machineWith({});
    expect(done(world, requester, 0, LATE)).toBe(LATE + HIT + OVERHEAD + 3 * MEMORY);
  });

  it('starts after the device entry is read, which takes a read', () => {
    const { world, requester } = machineWith({ deviceCache: BARE_MACHINE.deviceCache });
    expect(done(world, requester, 0, LATE)).toBe(LATE + MEMORY + HIT + OVERHEAD + 3 * MEMORY);
    expect(world.counters(requester)[L.C_DTE_READS]).toBe(2);
  });

  it('starts after the GCR3 table is read, a read a level', () => {
    const world = new World(BARE_MACHINE);
    const table = world.guestTable(4);
    table.mapSize(9, 99, 12, 1, 3);
    world.setDevice(1, { domain: 1, gcr3: world.setGcr3(0, 2, 5, table.rootAddress), glx: 2 });
    const requester = world.requester(1, 5);
    expect(done(world, requester, 9, LATE)).toBe(LATE + (1 + 3) * MEMORY + HIT + OVERHEAD + 4 * MEMORY);
  });

  it('waits for the walker that is free first, in the order of requests', () => {
    const { world, requester } = machineWith({ walkers: 2 });
    const walk = OVERHEAD + 3 * MEMORY;
    expect(done(world, requester, 0, LATE)).toBe(LATE + HIT + walk);
    expect(done(world, requester, 1, LATE + 1000)).toBe(LATE + 1000 + HIT + walk);
    expect(done(world, requester, 2, LATE + 2000)).toBe(LATE + HIT + 2 * walk);
    expect(done(world, requester, 3, LATE + 2000)).toBe(LATE + 1000 + HIT + 2 * walk);
    expect(done(world, requester, 4, LATE + HIT + 3 * walk)).toBe(LATE + 2 * HIT + 4 * walk);
    const counters = world.counters(requester);
    expect(counters[L.C_WALK_WAIT_PS]).toBe(walk - 2000 + (walk - 1000));
    expect(counters[L.C_WALK_PS]).toBe(6 * walk);
  });

  it('finds in the walk caches what came while it waited for its walker', () => {
    const iotlb = { ...IOTLB, ...lru(16) };
    const { world, requester } = machineWith({
      iotlb,
      walkers: 1,
      walkCaches: { guest: [], host: [lru(4), lru(4)] },
    });
    const first = LATE + HIT + OVERHEAD + 3 * MEMORY;
    expect(done(world, requester, 0, LATE)).toBe(first);
    expect(done(world, requester, 1, LATE + 1000)).toBe(first + OVERHEAD + MEMORY);
  });

  it('starts no sooner than the start interval after the one before, however long walks take', () => {
    const { world, requester } = machineWith({ walkStartNs: 48, walkers: 8 });
    const walk = OVERHEAD + 3 * MEMORY;
    const starts = [0, 48_000, 96_000].map((delay) => LATE + HIT + delay + walk);
    expect([0, 1, 2].map((page) => done(world, requester, page, LATE))).toEqual(starts);
    expect(done(world, requester, 3, LATE + 143_999)).toBe(LATE + HIT + 144_000 + walk);
    expect(done(world, requester, 4, LATE + 192_000)).toBe(LATE + HIT + 192_000 + walk);
    expect(done(world, requester, 5, LATE + 192_000)).toBe(LATE + HIT + 240_000 + walk);
  });

  it('reads a line of eight entries from memory once, while the line cache holds it', () => {
    const { world, requester } = machineWith({ lineCache: lru(8) });
    expect(done(world, requester, 0, LATE)).toBe(LATE + HIT + OVERHEAD + 3 * MEMORY);
    expect(done(world, requester, 7, 2 * LATE)).toBe(2 * LATE + HIT + OVERHEAD + 3 * LINE);
    expect(done(world, requester, 8, 3 * LATE)).toBe(3 * LATE + HIT + OVERHEAD + 2 * LINE + MEMORY);
    const counters = world.counters(requester);
    // Four misses were before: the device entry and a walk through the last lines of other tables.
    expect([counters[L.C_LINE_HITS], counters[L.C_LINE_MISSES]]).toEqual([5, 4 + 4]);
  });

  it('begins at the deepest walk-cache entry', () => {
    const { world, requester } = machineWith({ walkCaches: { guest: [], host: [lru(4), lru(4)] } });
    expect(done(world, requester, 0, LATE)).toBe(LATE + HIT + OVERHEAD + 3 * MEMORY);
    expect(done(world, requester, 9, 2 * LATE)).toBe(2 * LATE + HIT + OVERHEAD + MEMORY);
    expect(done(world, requester, 512, 3 * LATE)).toBe(3 * LATE + HIT + OVERHEAD + 2 * MEMORY);
  });

  it('uses a walk-cache entry from the moment at which its read ended, and not before', () => {
    const caches = { walkCaches: { guest: [], host: [lru(4), lru(4)] } };
    // The root entry's read ends MEMORY after the walk started, the next one's another MEMORY later.
    for (const [after, reads] of [
      [0, 3],
      [MEMORY - 1, 3],
      [MEMORY, 2],
      [2 * MEMORY - 1, 2],
      [2 * MEMORY, 1],
    ] as const) {
      const { world, requester } = machineWith(caches);
      done(world, requester, 0, LATE);
      expect(done(world, requester, 1, LATE + after)).toBe(LATE + after + HIT + OVERHEAD + reads * MEMORY);
    }
  });
});

describe('a nested walk', () => {
  it('finds what its own earlier host walks left in nested TLB and walk caches', () => {
    const caches = { nestedTlb: lru(8), walkCaches: { guest: [], host: [lru(8), lru(8), lru(8)] } };
    const world = new World(machineOf({ deviceCache: lru(4), pasidCache: lru(4), ...caches }));
    const host = world.hostTable(4);
    const guest = world.guest(host, 12);
    const table = world.guestTable(4, guest);
    table.mapSize(7, 2 ** 21, 12, 1, 3);
    host.mapSize(2 ** 21, 2 ** 24, 12, 1, 3);
    const gcr3 = world.setGcr3(0, 0, 0, table.rootAddress, guest);
    world.setDevice(1, { domain: 1, mode: 4, root: host.rootAddress, gcr3, giov: true });
    const requester = world.requester(1);
    // Device entry and PASID are cached; then the host's translations are dropped.
    world.translate(requester, 7, 1, 0);
    world.unit.invalidatePages(1, -1, 0, 52, true);
    world.unit.resetCounters();
    const outcome = world.translate(requester, 7, 1, LATE);
    // The root's address takes 4 host reads; the other three guest tables lie in the same 2 MiB and take 1 each; the data
    // page lies in another 1 GiB and takes 3. And four guest entries.
    const counters = world.counters(requester);
    expect([...counters.subarray(L.C_READS + 8, L.C_READS + 12)]).toEqual([5, 2, 2, 1]);
    const reads = 4 + 3 * 1 + 3 + 4;
    expect(outcome).toEqual({ donePs: LATE + HIT + OVERHEAD + reads * MEMORY, fault: 0, page: 2 ** 24 });
  });
});

describe('an IOTLB hit', () => {
  it('costs the lookup', () => {
    const { world, requester } = machineWith({ iotlb: IOTLB });
    done(world, requester, 0, LATE);
    expect(done(world, requester, 0, 2 * LATE)).toBe(2 * LATE + HIT);
  });

  it('costs the first level, or both', () => {
    const { world, requester } = machineWith({ iotlb: { ...IOTLB, l1: lru(1) } });
    const walk = L1_HIT + HIT + OVERHEAD + 3 * MEMORY;
    expect(done(world, requester, 0, LATE)).toBe(LATE + walk);
    expect(done(world, requester, 0, 2 * LATE)).toBe(2 * LATE + L1_HIT);
    expect(done(world, requester, 1, 3 * LATE)).toBe(3 * LATE + walk);
    expect(done(world, requester, 0, 4 * LATE)).toBe(4 * LATE + L1_HIT + HIT);
    expect(done(world, requester, 0, 5 * LATE)).toBe(5 * LATE + L1_HIT);
    const counters = world.counters(requester);
    expect([counters[L.C_L1_HITS], counters[L.C_HITS], counters[L.C_MISSES]]).toEqual([2, 3, 3]);
  });

  it('needs no walk of its own while the walk for the page runs, but waits for it', () => {
    const { world, requester } = machineWith({ iotlb: IOTLB, walkers: 1 });
    const end = LATE + HIT + OVERHEAD + 3 * MEMORY;
    expect(done(world, requester, 0, LATE)).toBe(end);
    expect(done(world, requester, 0, LATE + 1)).toBe(end);
    expect(done(world, requester, 0, end - HIT - 1)).toBe(end);
    // A lookup that ends when the walk ends is a hit.
    expect(done(world, requester, 0, end - HIT)).toBe(end);
    const counters = world.counters(requester);
    expect([counters[L.C_WALKS], counters[L.C_MISSES], counters[L.C_MERGED], counters[L.C_HITS]]).toEqual([2, 4, 2, 1]);
    // Each miss is looked up again when its walk ends.
    expect([counters[L.C_LOOKUPS], counters[L.C_LOOKUPS_ALL]]).toEqual([5, 9]);
  });

  it('waits for another device’s walk of the page', () => {
    const { world, table, requester } = machineWith({ iotlb: IOTLB });
    world.setDevice(2, { domain: 1, mode: 3, root: table.rootAddress });
    const other = world.requester(2);
    world.translate(other, 2 ** 27 - 1, 1, LATE / 2);
    const end = done(world, requester, 0, LATE);
    expect(done(world, other, 0, LATE + 5)).toBe(end);
    expect(world.counters(other)[L.C_MERGED]).toBe(1);
  });
});
