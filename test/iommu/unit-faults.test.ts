/** Every kind of fault: its code, its record, and that the run goes on. */
import { describe, expect, it } from 'vitest';
import * as L from '../../src/kernel/layout.ts';
import { BARE_MACHINE, DEVICES, type DeviceFields, lru, machineOf, World } from '../kernel/world.ts';

const READ = 1;
const WRITE = 2;
const ATOMIC = 3;
const DOMAIN = 77;
/** Of the word of a table entry. */
const address = (page: number): bigint => BigInt(page) << 12n;

/** A world with a host table of three levels that maps pages 0..7 to 2^20.., page 8 read-only, page 9 write-only. */
function hostWorld(changes: Partial<DeviceFields> = {}) {
  const world = new World(BARE_MACHINE);
  const table = world.hostTable(3);
  table.mapSize(0, 2 ** 20, 12, 8, READ | WRITE);
  table.mapSize(8, 2 ** 21, 12, 1, READ);
  table.mapSize(9, 2 ** 22, 12, 1, WRITE);
  world.setDevice(1, { domain: DOMAIN, mode: 3, root: table.rootAddress, ...changes });
  return { world, table, requester: world.requester(1, -1, 42) };
}

/** wasm offset of the entry of a page at a level of a host table. */
function entryAt(world: World, root: number, level: number, levels: number, page: number): number {
  let at = root;
  for (let l = levels - 1; l >= level; l--) {
    if (l < levels - 1) at = world.hostArena.offsetOf(world.kernel.view.getBigUint64(at, true) & 0xffffffffff000n);
    at += 8 * (Math.floor(page / 512 ** l) % 512);
  }
  return at;
}

describe('device entry', () => {
  const cases: readonly (readonly [string, DeviceFields, number])[] = [
    ['V = 0', { domain: DOMAIN, valid: false }, L.FAULT_DTE],
    ['TV = 0', { domain: DOMAIN, translation: false }, L.FAULT_DTE],
    ['mode 7', { domain: DOMAIN, mode: 7 }, L.FAULT_DTE],
    ['a reserved bit', { domain: DOMAIN, extra: 4n }, L.FAULT_DTE],
    ['reserved bit 63', { domain: DOMAIN, extra: 1n << 63n }, L.FAULT_DTE],
    ['IR = 0', { domain: DOMAIN, read: false }, L.FAULT_BLOCKED],
  ];
  it.each(cases)('%s', (_, fields, code) => {
    const world = new World(BARE_MACHINE);
    world.setDevice(1, fields);
    const requester = world.requester(1, -1, 42);
    expect(world.translate(requester, 5, READ, 1000)).toEqual({ donePs: 102_000, fault: code, page: undefined });
    const record = { timePs: 102_000, device: 42, domain: DOMAIN, pasid: -1, code, access: READ, page: 5 };
    expect(world.unit.drainFaults()).toEqual([record]);
    expect(world.counters(requester)[L.C_FAULTS]).toBe(1);
    expect(world.counters(requester)[L.C_TRANSLATED]).toBe(0);
  });

  it('IW = 0 stops writes and atomics, not reads', () => {
    const { world, requester } = hostWorld({ write: false });
    const faults = [READ, WRITE, ATOMIC].map((access) => world.translate(requester, 0, access, 0).fault);
    expect(faults).toEqual([0, L.FAULT_BLOCKED, L.FAULT_BLOCKED]);
  });

  it('of a device beyond the device table, after any other device', () => {
    const { world, requester } = hostWorld();
    const outside = world.requester(DEVICES, -1, 7);
    world.translate(requester, 0, READ, 0);
    expect(world.translate(outside, 0, READ, 0)).toEqual({ donePs: 0, fault: L.FAULT_DTE, page: undefined });
    // The record must not name the domain of whoever came before.
    expect(world.unit.drainFaults()).toMatchObject([{ device: 7, domain: 0, code: L.FAULT_DTE }]);
  });

  it('with a guest paging mode that is reserved, or that the unit has no rule for', () => {
    for (const [guestLevels, fiveLevels] of [
      [[5], false],
      [[4], true],
    ] as const) {
      const world = new World(BARE_MACHINE, { guestLevels });
      world.setDevice(1, { domain: 1, gcr3: 0x1000n, giov: true, fiveLevels });
      expect(world.translate(world.requester(1), 0, READ, 0).fault).toBe(L.FAULT_DTE);
    }
  });
});

describe('one-stage walk', () => {
  it('not present: at the leaf, and above', () => {
    const { world, requester } = hostWorld();
    const pages = [10, 2 ** 20];
    expect(pages.map((page) => world.translate(requester, page, READ, 0).fault)).toEqual([
      L.FAULT_NOT_PRESENT,
      L.FAULT_NOT_PRESENT,
    ]);
    expect([...world.counters(requester).subarray(L.C_READS + 8, L.C_READS + 11)]).toEqual([1, 1, 2]);
  });

  it('permissions: the code names what is missing', () => {
    const { world, requester } = hostWorld();
    const faultsOf = (page: number): number[] =>
      [READ, WRITE, ATOMIC].map((access) => world.translate(requester, page, access, 0).fault);
    expect(faultsOf(0)).toEqual([0, 0, 0]);
    expect(faultsOf(8)).toEqual([0, L.FAULT_WRITE, L.FAULT_WRITE]);
    expect(faultsOf(9)).toEqual([L.FAULT_READ, 0, L.FAULT_READ]);
  });

  it('permissions of table entries count too', () => {
    const { world, table, requester } = hostWorld();
    const at = entryAt(world, table.rootOffset, 1, 3, 0);
    const entry = world.kernel.view.getBigUint64(at, true);
    world.kernel.view.setBigUint64(at, entry & ~(1n << 62n), true);
    expect(world.translate(requester, 0, WRITE, 0).fault).toBe(L.FAULT_WRITE);
    expect(world.translate(requester, 0, READ, 0).fault).toBe(0);
  });

  it('reserved bits in a leaf and in a table entry', () => {
    for (const level of [0, 1, 2]) {
      const { world, table, requester } = hostWorld();
      const at = entryAt(world, table.rootOffset, level, 3, 0);
      world.kernel.view.setBigUint64(at, world.kernel.view.getBigUint64(at, true) | (1n << 55n), true);
      expect(world.translate(requester, 0, READ, 0).fault).toBe(L.FAULT_RESERVED);
    }
  });

  it('an address wider than the table', () => {
    const { world, requester } = hostWorld();
    expect(world.translate(requester, 2 ** 27, READ, 0).fault).toBe(L.FAULT_WIDTH);
    expect(world.translate(requester, 2 ** 52 - 1, READ, 0).fault).toBe(L.FAULT_WIDTH);
    expect(world.translate(requester, 2 ** 27 - 1, READ, 0).fault).toBe(L.FAULT_NOT_PRESENT);
  });

  it('a table pointer that leaves memory: at the end of a window, in an empty one, above all windows', () => {
    const { world, table, requester } = hostWorld();
    const at = entryAt(world, table.rootOffset, 1, 3, 0);
    const backed = world.kernel.view.getUint32(L.WINDOW_TABLE + 8 * 16 + 4, true);
    const targets = [address(16 * 2 ** 18) + BigInt(backed), address(3 * 2 ** 18), address(2 ** 40 - 1)];
    for (const target of targets) {
      world.kernel.view.setBigUint64(at, target | (1n << 9n) | (3n << 61n) | 1n, true);
      expect(world.translate(requester, 0, READ, 0).fault).toBe(L.FAULT_MEMORY);
    }
    // The read that went nowhere is counted, and costs nothing.
    expect([...world.counters(requester).subarray(L.C_READS + 8, L.C_READS + 11)]).toEqual([3, 3, 3]);
  });

  it('next-level fields that no table can have', () => {
    const { world, table, requester } = hostWorld();
    const { view } = world.kernel;
    const root = entryAt(world, table.rootOffset, 2, 3, 0);
    const leaf = entryAt(world, table.rootOffset, 0, 3, 0);
    const [rootEntry, leafEntry] = [view.getBigUint64(root, true), view.getBigUint64(leaf, true)];
    for (let next = 1; next <= 6; next++) {
      view.setBigUint64(leaf, (leafEntry & ~0xe00n) | (BigInt(next) << 9n), true);
      expect(world.translate(requester, 0, READ, 0).fault).toBe(L.FAULT_LEVEL);
    }
    for (const next of [3, 4, 5, 6]) {
      view.setBigUint64(root, (rootEntry & ~0xe00n) | (BigInt(next) << 9n), true);
      expect(world.translate(requester, 0, READ, 0).fault).toBe(L.FAULT_LEVEL);
    }
  });

  it('a skipped level: only where the skipped address bits are zero', () => {
    const { world, table, requester } = hostWorld();
    const { view } = world.kernel;
    const middle = entryAt(world, table.rootOffset, 1, 3, 0);
    const root = entryAt(world, table.rootOffset, 2, 3, 0);
    view.setBigUint64(root, view.getBigUint64(middle, true), true); // next level 1: the table of leaves
    expect(world.translate(requester, 3, READ, 0)).toMatchObject({ fault: 0, page: 2 ** 20 + 3 });
    expect(world.translate(requester, 512, READ, 0).fault).toBe(L.FAULT_LEVEL);
    expect([...world.counters(requester).subarray(L.C_READS + 8, L.C_READS + 11)]).toEqual([1, 0, 2]);
  });

  it('a table that points to itself ends at its last level', () => {
    const { world, table, requester } = hostWorld();
    const { view } = world.kernel;
    for (const next of [1n, 2n]) {
      for (let i = 0; i < 512; i++) {
        view.setBigUint64(table.rootOffset + 8 * i, table.rootAddress | (next << 9n) | (3n << 61n) | 1n, true);
      }
      expect(world.translate(requester, 0, READ, 0).fault).toBe(L.FAULT_LEVEL);
    }
  });
});

/** A nested device; `gap` leaves parts unmapped in the host. */
function nestedWorld(glx = 0, pasid = -1) {
  const world = new World(machineOf({ iotlb: { ...BARE_MACHINE.iotlb, ...lru(16) } }));
  const host = world.hostTable(4);
  const guest = world.guest(host, 12);
  const table = world.guestTable(4, guest);
  table.mapSize(0, 2 ** 21, 12, 4, READ | WRITE);
  host.mapSize(2 ** 21, 2 ** 24, 12, 2, READ | WRITE);
  host.mapSize(2 ** 21 + 2, 2 ** 25, 12, 1, READ);
  const gcr3 = world.setGcr3(0, glx, Math.max(pasid, 0), table.rootAddress, guest);
  const fields = { domain: DOMAIN, mode: 4, root: host.rootAddress, gcr3, glx, giov: true };
  world.setDevice(1, fields);
  return { world, host, guest, table, fields, requester: world.requester(1, pasid, 42) };
}

describe('PASID', () => {
  it('without a guest table', () => {
    const { world } = hostWorld();
    const requester = world.requester(1, 3, 8);
    expect(world.translate(requester, 0, READ, 0).fault).toBe(L.FAULT_PASID);
    expect(world.unit.drainFaults()).toMatchObject([{ device: 8, pasid: 3, domain: DOMAIN, code: L.FAULT_PASID }]);
  });

  it('without a valid GCR3 entry, or too wide for the table', () => {
    const { world } = nestedWorld();
    for (const pasid of [9, 511, 512, 2 ** 20 - 1]) {
      expect(world.translate(world.requester(1, pasid), 0, READ, 0).fault).toBe(L.FAULT_PASID);
    }
  });

  it('GLX 3', () => {
    const { world, fields, requester } = nestedWorld();
    world.setDevice(1, { ...fields, glx: 3 });
    expect(world.translate(requester, 0, READ, 0).fault).toBe(L.FAULT_DTE);
  });

  it('request without PASID: PASID 0’s guest table with GIOV, the host table without', () => {
    const { world, host, fields, requester } = nestedWorld();
    expect(world.translate(requester, 0, READ, 0)).toMatchObject({ fault: 0, page: 2 ** 24 });
    world.setDevice(1, { ...fields, giov: false });
    host.mapSize(0, 99, 12, 1, READ);
    expect(world.translate(requester, 0, READ, 0)).toMatchObject({ fault: 0, page: 99 });
  });

  it('PASIDs of all widths find their table', () => {
    for (const [glx, pasid] of [
      [0, 511],
      [1, 512],
      [1, 2 ** 18 - 1],
      [2, 2 ** 18],
      [2, 2 ** 20 - 1],
    ] as const) {
      const { world, requester } = nestedWorld(glx, pasid);
      expect(world.translate(requester, 1, READ, 0)).toMatchObject({ fault: 0, page: 2 ** 24 + 1 });
      expect(world.counters(requester)[L.C_PASID_READS]).toBe(glx + 1);
    }
  });
});

describe('nested walk', () => {
  it('guest page not present; data page not mapped by the host', () => {
    const { world, requester } = nestedWorld();
    expect(world.translate(requester, 5, READ, 0).fault).toBe(L.FAULT_NOT_PRESENT);
    expect(world.translate(requester, 3, READ, 0).fault).toBe(L.FAULT_NOT_PRESENT);
  });

  it('permissions are those that both stages give', () => {
    const { world, table, requester } = nestedWorld();
    table.mapSize(8, 2 ** 21, 12, 1, READ);
    const faults = [0, 2, 8].map((page) =>
      [READ, WRITE].map((access) => world.translate(requester, page, access, 0).fault),
    );
    expect(faults).toEqual([
      [0, 0],
      [0, L.FAULT_WRITE],
      [0, L.FAULT_WRITE],
    ]);
  });

  it('a guest table, or the GCR3 table, that the host does not map', () => {
    for (const [page, reads] of [
      [2 ** 20 + 256, 0], // the first frame of the guest's arena: the root
      [2 ** 20, 0], // GCR3
    ] as const) {
      const { world, host, requester } = nestedWorld();
      expect(host.unmap(page, 1)).toBe(1);
      expect(world.translate(requester, 0, READ, 0).fault).toBe(L.FAULT_GUEST_TABLE);
      expect(world.counters(requester)[L.C_READS + 3]).toBe(reads);
    }
  });

  it('guest entries: supervisor pages, PS above its levels, offset bits of a large leaf', () => {
    const { world, table, requester } = nestedWorld();
    const { view } = world.kernel;
    const root = table.rootOffset;
    const entry = view.getBigUint64(root, true);
    view.setBigUint64(root, entry & ~4n, true);
    expect(world.translate(requester, 0, READ, 0).fault).toBe(L.FAULT_READ);
    view.setBigUint64(root, entry | 0x80n, true);
    expect(world.translate(requester, 1, READ, 0).fault).toBe(L.FAULT_RESERVED);
    view.setBigUint64(root, entry, true);
    table.mapSize(2 ** 18, 2 ** 18, 30, 1, READ);
    const large = table.arena.offsetOf(entry & 0xffffffffff000n) + 8;
    view.setBigUint64(large, view.getBigUint64(large, true) | (1n << 20n), true);
    expect(world.translate(requester, 2 ** 18, READ, 0).fault).toBe(L.FAULT_RESERVED);
  });
});

describe('event log', () => {
  it('keeps the oldest records when full, counts the lost ones, and the run goes on', () => {
    const { world, requester } = hostWorld();
    const { eventLogEntries } = BARE_MACHINE;
    for (let i = 0; i < eventLogEntries + 10; i++) world.translate(requester, 100 + i, READ, i);
    expect(world.counters(requester)[L.C_FAULTS]).toBe(eventLogEntries + 10);
    expect(world.unit.logOverflow).toBe(10);
    expect(world.translate(requester, 0, READ, 0).fault).toBe(0);
    const records = world.unit.drainFaults();
    expect(records.map(({ page }) => page)).toEqual(Array.from({ length: eventLogEntries }, (_, i) => 100 + i));
    // Drained, it has room again.
    world.translate(requester, 500, WRITE, 9);
    expect(world.unit.drainFaults()).toMatchObject([{ page: 500, access: WRITE }]);
    expect(world.unit.drainFaults()).toEqual([]);
  });

  it('keeps addresses of 52-bit page numbers exact', () => {
    const { world, requester } = hostWorld();
    const page = 2 ** 52 - 1;
    world.translate(requester, page, READ, 0);
    expect(world.unit.drainFaults()).toMatchObject([{ page }]);
  });

  it('aborts hits that lack permission, without another walk', () => {
    const { world, requester } = nestedWorld();
    expect(world.translate(requester, 2, READ, 0).fault).toBe(0);
    expect(world.translate(requester, 2, WRITE, 1e9).fault).toBe(L.FAULT_WRITE);
    const counters = world.counters(requester);
    expect([counters[L.C_WALKS], counters[L.C_HITS], counters[L.C_FAULTS]]).toEqual([1, 1, 1]);
  });
});
