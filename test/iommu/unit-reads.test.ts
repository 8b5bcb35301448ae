/** Counted oracles: with all caches off, the table reads of one request follow from levels and leaf sizes alone. */
import { describe, expect, it } from 'vitest';
import { tableGeometry } from '../../src/iommu/formats/index.ts';
import { Arena, PageTable, TableRule } from '../../src/iommu/page-table.ts';
import { Regions } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import { BARE_MACHINE, type Requester, World } from '../kernel/world.ts';
import { createKernel } from '../support/kernel.ts';

const READ_WRITE = 3;
const OFFSET = 5; // of the page in its leaf, where the leaf has that many
const leafLog2 = (level: number): number => 12 + 9 * level;
const leafName = (level: number): string => ['4K', '2M', '1G'][level];

/** Reads by level of both stages. */
function readsOf(world: World, requester: Requester) {
  const counters = world.counters(requester);
  const stage = (number: number): number[] => [
    ...counters.subarray(L.C_READS + 8 * number, L.C_READS + 8 * number + 6),
  ];
  return { guest: stage(0), host: stage(1), counters };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/** 1 for every level of a walk from the root of so many levels down to its leaf. */
function oneWalk(levels: number, leafLevel: number): number[] {
  return Array.from({ length: 6 }, (_, level) => (level >= leafLevel && level < levels ? 1 : 0));
}

function expectDepth(counters: Float64Array, reads: number): void {
  expect(counters[L.C_WALKS]).toBe(1);
  expect(counters[L.C_DEPTH + reads]).toBe(1);
  expect(sum([...counters.subarray(L.C_DEPTH, L.C_DEPTH + L.DEPTH_SLOTS)])).toBe(1);
}

describe('one stage', () => {
  for (const levels of [3, 4, 5, 6]) {
    for (const leafLevel of [0, 1, 2]) {
      it(`amd-v1, ${levels} levels, ${leafName(leafLevel)}: ${levels - leafLevel} reads`, () => {
        const world = new World(BARE_MACHINE);
        const table = world.hostTable(levels);
        const page = 2 ** 18 * 3;
        expect(table.mapSize(page, 2 ** 20, leafLog2(leafLevel), 1, READ_WRITE)).toBe(0);
        world.setDevice(1, { domain: 1, mode: levels, root: table.rootAddress });
        const requester = world.requester(1);
        const offset = leafLevel === 0 ? 0 : OFFSET;
        expect(world.translate(requester, page + offset, 1, 0)).toMatchObject({ fault: 0, page: 2 ** 20 + offset });
        const { guest, host, counters } = readsOf(world, requester);
        expect(guest).toEqual(oneWalk(0, 0));
        expect(host).toEqual(oneWalk(levels, leafLevel));
        expectDepth(counters, levels - leafLevel);
        expect([counters[L.C_DTE_READS], counters[L.C_PASID_READS]]).toEqual([1, 0]);
      });
    }
  }

  for (const levels of [4, 5] as const) {
    for (const leafLevel of [0, 1, 2]) {
      for (const glx of [0, 1, 2]) {
        it(`amd-v2, ${levels} levels, ${leafName(leafLevel)}, GLX ${glx}: ${levels - leafLevel} reads`, () => {
          const world = new World(BARE_MACHINE);
          const table = world.guestTable(levels);
          expect(table.mapSize(2 ** 18, 2 ** 20, leafLog2(leafLevel), 1, READ_WRITE)).toBe(0);
          const gcr3 = world.setGcr3(0, glx, 0, table.rootAddress);
          world.setDevice(1, { domain: 1, gcr3, glx, giov: true, fiveLevels: levels === 5 });
          const requester = world.requester(1);
          expect(world.translate(requester, 2 ** 18, 3, 0)).toMatchObject({ fault: 0, page: 2 ** 20 });
          const { guest, host, counters } = readsOf(world, requester);
          expect(guest).toEqual(oneWalk(levels, leafLevel));
          expect(host).toEqual(oneWalk(0, 0));
          expectDepth(counters, levels - leafLevel);
          expect([counters[L.C_DTE_READS], counters[L.C_PASID_READS]]).toEqual([1, glx + 1]);
        });
      }
    }
  }
});

interface NestedCase {
  readonly guestLevels: 4 | 5;
  readonly hostLevels: number;
  readonly guestLeaf: number;
  readonly hostLeaf: number;
  /** Leaf level of the host mapping behind the guest's own tables. */
  readonly tableLeaf: number;
  readonly glx: number;
}

/** Reads of the walk (without GCR3) and of the GCR3 look-up's host walks. */
function nestedReads(nested: NestedCase) {
  const { guestLevels, hostLevels, guestLeaf, hostLeaf, tableLeaf, glx } = nested;
  const world = new World(BARE_MACHINE);
  const host = world.hostTable(hostLevels);
  const guest = world.guest(host, leafLog2(tableLeaf));
  const table = world.guestTable(guestLevels, guest);
  const [iova, gpa, spa] = [2 ** 18 * 5, 2 ** 18 * 9, 2 ** 18 * 20];
  expect(table.mapSize(iova, gpa, leafLog2(guestLeaf), 1, READ_WRITE)).toBe(0);
  expect(host.mapSize(gpa, spa, leafLog2(hostLeaf), 1, READ_WRITE)).toBe(0);
  const gcr3 = world.setGcr3(0, glx, 0, table.rootAddress, guest);
  const root = host.rootAddress;
  world.setDevice(1, { domain: 1, mode: hostLevels, root, gcr3, glx, giov: true, fiveLevels: guestLevels === 5 });
  const requester = world.requester(1);
  expect(world.translate(requester, iova, 3, 0)).toMatchObject({ fault: 0, page: spa });
  return readsOf(world, requester);
}

describe('nested, (g + 1)(h + 1) − 1 reads and less with larger leaves', () => {
  for (const guestLevels of [4, 5] as const) {
    for (const hostLevels of [3, 4, 5, 6]) {
      it(`${guestLevels} × ${hostLevels}: every pair of leaf sizes, by stage and level`, () => {
        for (const guestLeaf of [0, 1, 2]) {
          for (const hostLeaf of [0, 1, 2]) {
            for (const tableLeaf of [0, 1, 2]) {
              const glx = guestLeaf; // every GLX, without another loop
              const nested = { guestLevels, hostLevels, guestLeaf, hostLeaf, tableLeaf, glx };
              const { guest, host, counters } = nestedReads(nested);
              const pointers = guestLevels - guestLeaf; // guest entries read, each through the host
              const lookups = glx + 1; // GCR3 entries read, each through the host
              const wanted = oneWalk(hostLevels, tableLeaf).map(
                (read, level) => read * (pointers + lookups) + oneWalk(hostLevels, hostLeaf)[level],
              );
              expect({ nested, guest, host }).toEqual({ nested, guest: oneWalk(guestLevels, guestLeaf), host: wanted });
              expectDepth(counters, pointers * (hostLevels - tableLeaf + 1) + hostLevels - hostLeaf);
              expect([counters[L.C_DTE_READS], counters[L.C_PASID_READS]]).toEqual([1, lookups]);
            }
          }
        }
      });
    }
  }

  const published: readonly (readonly [4 | 5, number, number, number, number])[] = [
    [4, 3, 0, 0, 19],
    [4, 4, 0, 0, 24],
    [5, 4, 0, 0, 29],
    [4, 6, 0, 0, 34],
    [5, 5, 0, 0, 35],
    [5, 6, 0, 0, 41],
    [4, 4, 1, 0, 19],
    [4, 4, 1, 1, 18],
    [4, 4, 2, 1, 13],
    [4, 4, 2, 2, 12],
  ];
  it.each(published)(
    '%i × %i, leaf levels %i and %i: %i reads',
    (guestLevels, hostLevels, guestLeaf, hostLeaf, reads) => {
      const { counters } = nestedReads({ guestLevels, hostLevels, guestLeaf, hostLeaf, tableLeaf: 0, glx: 0 });
      expectDepth(counters, reads);
    },
  );

  it('3 × 3: 15 reads, by the formats that have three levels in both stages', () => {
    const bytes = 1 << 20;
    const kernel = createKernel(4 * bytes);
    const regions = new Regions(4 * bytes);
    const make = (name: string, address: bigint): { table: PageTable; page: number; arena: Arena } => {
      const arena = Arena.take(kernel, regions, bytes, address);
      const rule = new TableRule(kernel, regions, tableGeometry(name, { linux: '7.2', levels: 3 }));
      const table = PageTable.create(kernel, regions, arena, rule);
      return { table, arena, page: Number(table.rootAddress >> 12n) };
    };
    const guest = make('riscv', 1n << 30n); // guest-physical 1 GiB, system 2 GiB
    const host = make('riscvg', 3n << 30n);
    for (const [window, { base }] of [
      [2, guest.arena],
      [3, host.arena],
    ] as const) {
      kernel.view.setUint32(L.WINDOW_TABLE + 8 * window, base, true);
      kernel.view.setUint32(L.WINDOW_TABLE + 8 * window + 4, bytes, true);
    }
    const [iova, gpa, spa] = [0x12345, 0x60000, 0x200000];
    expect(guest.table.mapSize(iova, gpa, 12, 1, READ_WRITE)).toBe(0);
    expect(host.table.mapSize(2 ** 18, 2 ** 19, 12, bytes / 4096, READ_WRITE)).toBe(0);
    expect(host.table.mapSize(gpa, spa, 12, 1, READ_WRITE)).toBe(0);
    const { exports } = kernel;
    const rules = [guest.table.rule.at, host.table.rule.at] as const;
    expect(exports.walkNestedRaw(rules[0], 3, guest.page, rules[1], 3, host.page, iova)).toBe(spa);
    expect(exports.lastReads()).toBe(15);
  });
});

describe('no stage', () => {
  it('passes a host device in mode 0 through: one device entry, no lookup', () => {
    const world = new World(BARE_MACHINE);
    world.setDevice(1, { domain: 1 });
    const requester = world.requester(1);
    expect(world.translate(requester, 12345, 3, 0)).toEqual({ donePs: 101_000, fault: 0, page: 12345 });
    const { guest, host, counters } = readsOf(world, requester);
    expect([sum(guest), sum(host), counters[L.C_UNTRANSLATED], counters[L.C_LOOKUPS]]).toEqual([0, 0, 1, 0]);
  });
});
