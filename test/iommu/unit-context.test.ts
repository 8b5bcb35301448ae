/**
 * What a requester remembers between requests is only a short way: it must leave the same times, targets, counts and cache
 * contents as the long way. Here both run side by side; test/property/unit.test.ts holds them against the reference.
 */
import { describe, expect, it } from 'vitest';
import * as L from '../../src/kernel/layout.ts';
import { Prng } from '../../src/lib/prng.ts';
import type { CacheSpec, MachineSpec } from '../../src/spec.ts';
import { GUEST_BASE_PAGE, lru, machineOf, NO_CACHE, type Requester, World } from '../kernel/world.ts';

const IOTLB = { leafLog2: [12, 21, 30], fracture: true, l1: NO_CACHE };
const DEVICES = 12;

/** One page by class and device: 4 KiB pages 0..15, 2 MiB leaves at 2^18, in the tables that all devices share. */
function scene(machine: MachineSpec, nested: boolean): { world: World; requesters: Requester[] } {
  const world = new World(machine);
  const host = world.hostTable(4);
  const guest = nested ? world.guest(host, 21) : undefined;
  const table = guest === undefined ? host : world.guestTable(4, guest);
  table.mapSize(0, 2 ** 21, 12, 16, 3);
  table.mapSize(2 ** 18, 2 ** 22, 21, 2, 3);
  if (nested) {
    host.mapSize(2 ** 21, 2 ** 24, 12, 16, 3);
    host.mapSize(2 ** 22, 2 ** 25, 21, 2, 3);
  }
  const requesters = Array.from({ length: DEVICES }, (_, bdf) => {
    const gcr3 = guest === undefined ? undefined : world.setGcr3(bdf, 0, 0, table.rootAddress, guest);
    const fields = { domain: 1, mode: 4, root: host.rootAddress, giov: nested };
    world.setDevice(bdf, gcr3 === undefined ? fields : { ...fields, gcr3 });
    return world.requester(bdf);
  });
  return { world, requesters };
}

/** Outcomes and counters of a random sequence; `forget` makes every request take the long way. */
function run(machine: MachineSpec, nested: boolean, forget: boolean) {
  const { world, requesters } = scene(machine, nested);
  const prng = new Prng(8, 1);
  const outcomes: unknown[] = [];
  for (let i = 0; i < 6000; i++) {
    // Runs of one device, so that it remembers, among few others, so that the caches thrash.
    const requester = requesters[prng.below(4) === 0 ? prng.below(DEVICES) : Math.floor(i / 40) % DEVICES];
    const page = prng.below(3) === 0 ? 2 ** 18 + prng.below(1024) : prng.below(17);
    if (forget) world.kernel.view.setUint32(requester.ctx + L.CTX_EPOCH, 0, true);
    outcomes.push(world.translate(requester, page, 1 + prng.below(3), i * 400_000));
    const { unit } = world;
    if (prng.below(150) === 0) outcomes.push(unit.invalidatePages(1, nested ? 0 : -1, page, 0, true));
    if (prng.below(300) === 0) outcomes.push(unit.invalidateDevice(prng.below(DEVICES)));
  }
  const counters = requesters.map((requester) => [...world.counters(requester)]);
  const shortCounts = requesters.reduce((sum, { ctx }) => {
    const at = (ctx + L.CTX_COUNTERS) / 8;
    const { f64 } = world.kernel;
    const fast = f64.subarray(at + L.C_FAST, at + L.C_FAST + 3);
    const guest = f64.subarray(at + L.C_FAST_GUEST, at + L.C_FAST_GUEST + 3);
    return [...fast, ...guest].reduce((total, count) => total + count, sum);
  }, 0);
  return { outcomes, counters, caches: world.unit.cacheResults(), shortCounts };
}

describe('the short way and the long way', () => {
  const small: readonly (readonly [string, CacheSpec])[] = [
    ['3 entries', lru(3)],
    ['sets of 2', lru(6, 2)],
    ['fifo', { ...lru(3), replacement: 'fifo' }],
    ['random', { ...lru(4), replacement: 'random' }],
    ['srrip', { ...lru(4), replacement: 'srrip' }],
    ['more than 16 ways', lru(20)],
    ['all devices', lru(16)],
  ];
  for (const nested of [false, true]) {
    for (const [name, cache] of small) {
      it(`leave the same, ${nested ? 'nested' : 'one stage'}, device and PASID cache: ${name}`, () => {
        const iotlb = { ...IOTLB, ...lru(64, 4) };
        const machine = machineOf({ iotlb, deviceCache: cache, pasidCache: cache, lineCache: lru(64, 8) });
        const { shortCounts, ...short } = run(machine, nested, false);
        const { shortCounts: none, ...long } = run(machine, nested, true);
        expect(short).toEqual(long);
        expect(none).toBe(0);
        expect(shortCounts > 500).toBe(cache.replacement !== 'srrip');
      });
    }
  }

  it.each(['modulo', 'shifted', 'hash'] as const)('look into the same set of an IOTLB indexed by %s', (index) => {
    for (const replacement of ['lru', 'fifo', 'random'] as const) {
      const iotlb = { ...IOTLB, ...lru(16, 2), index, replacement };
      const machine = machineOf({ iotlb, deviceCache: lru(16), pasidCache: lru(16) });
      const { shortCounts, ...short } = run(machine, true, false);
      const { shortCounts: none, ...long } = run(machine, true, true);
      expect(short).toEqual(long);
      expect([none, shortCounts > 100]).toEqual([0, true]);
    }
  });
});

describe('recency of device entries', () => {
  it('belongs to the entry that was just fetched, not to the slot that held it before', () => {
    const { world, requesters } = scene(machineOf({ iotlb: { ...IOTLB, ...lru(64) }, deviceCache: lru(2) }), false);
    let at = 0;
    const use = (bdf: number): number => world.translate(requesters[bdf], 1, 1, (at += 1e9)).donePs - at;
    const isCached = (bdf: number): boolean => {
      const before = world.counters(requesters[bdf])[L.C_DTE_READS];
      use(bdf);
      return world.counters(requesters[bdf])[L.C_DTE_READS] === before;
    };
    // 0 and 1 fill both slots, 2 takes 0's, 0 comes back into 1's: what 0 remembers must not be its old slot, now 2's.
    for (const bdf of [0, 0, 1, 1, 2, 2]) use(bdf);
    use(0);
    use(2);
    for (let i = 0; i < 3; i++) use(0);
    use(3); // takes the place of 2, the least recently used
    expect(isCached(0)).toBe(true);
  });
});

describe('results beside the return value', () => {
  it('are the target page, whichever way, whatever was called between', () => {
    const { world, requesters } = scene(machineOf({ iotlb: { ...IOTLB, ...lru(64) }, deviceCache: lru(16) }), false);
    const pages = [2 ** 18 + 3, 2 ** 18 + 700, 7, 2 ** 18 + 5, 7, 8, 2 ** 18 + 9];
    let at = 0;
    for (let round = 0; round < 3; round++) {
      for (const page of pages) {
        const target = page < 16 ? 2 ** 21 + page : 2 ** 22 + page - 2 ** 18;
        expect(world.translate(requesters[round % 2], page, 1, (at += 1e9)).page).toBe(target);
      }
    }
  });
});

describe('a unit whose guests have five levels only', () => {
  it('drops what invalidations name from the walk caches of guests', () => {
    const caches = [lru(8), lru(8), lru(8), lru(8)];
    const machine = machineOf({ walkCaches: { guest: caches, host: [] } });
    const world = new World(machine, { guestLevels: [5] });
    const host = world.hostTable(4);
    const guest = world.guest(host, 12);
    const table = world.guestTable(5, guest);
    const page = 2 ** 37 + 2 ** 28 + 2 ** 19 + 2 ** 10;
    table.mapSize(page, 2 ** 21, 12, 1, 3);
    host.mapSize(2 ** 21, 2 ** 24, 12, 1, 3);
    const gcr3 = world.setGcr3(0, 0, 0, table.rootAddress, guest);
    world.setDevice(1, { domain: 1, mode: 4, root: host.rootAddress, gcr3, giov: true, fiveLevels: true });
    const requester = world.requester(1);
    const fill = (): void => void world.translate(requester, page, 1, 0);
    fill();
    // Another 512 GiB of the five-level table: nothing above the page is touched, not even its top entry.
    expect(world.unit.invalidatePages(1, 0, page + 2 ** 40, 0, true)).toBe(0);
    expect(world.unit.invalidatePages(1, 0, page, 0, true)).toBe(4);
    fill();
    expect(world.unit.invalidatePages(1, -1, GUEST_BASE_PAGE, 0, false)).toBe(4);
    fill();
    expect(world.unit.invalidateAll()).toBe(4);
  });
});

describe('the clock of a wide line cache', () => {
  it('keeps the order of more than 255 lines when it is used up', () => {
    const lines = 300;
    const world = new World(machineOf({ lineCache: lru(lines) }));
    const table = world.hostTable(3);
    table.mapSize(0, 2 ** 20, 12, 4096, 3);
    world.setDevice(1, { domain: 1, mode: 3, root: table.rootAddress });
    const requester = world.requester(1);
    const lineCache = world.kernel.view.getUint32(world.unit.pointer + L.UNIT_LINE_CACHE, true);
    const prng = new Prng(1, 1);
    const differences: number[] = [];
    for (let i = 0; i < 4000; i++) {
      // All lines are in use by then.
      if (i === 2000) world.kernel.view.setUint32(lineCache + L.CACHE_CLOCK, 0xffff0000 - 9000, true);
      const page = 8 * prng.below(400);
      const outcome = world.translate(requester, page, 1, i * 1e9);
      if (outcome.donePs !== world.expected(requester, page, 1, i * 1e9).donePs) differences.push(i);
    }
    expect(differences).toEqual([]);
    expect(world.kernel.view.getUint32(lineCache + L.CACHE_CLOCK, true)).toBeLessThan(10_000);
  });
});
