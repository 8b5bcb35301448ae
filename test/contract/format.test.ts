/** What every page-table format must do in every configuration, whatever its bits are. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { levelIndexBits, levelShift } from '../../src/iommu/formats/compile.ts';
import { type FormatConfig, PROT_READ, PROT_WRITE, type TableGeometry } from '../../src/iommu/formats/format.ts';
import { FORMATS } from '../../src/iommu/formats/index.ts';
import { Arena, PageTable, tableBytes, TableRule } from '../../src/iommu/page-table.ts';
import { entryAddress, isLeafEntry, leafSizeLog2 } from '../../src/iommu/table-dump.ts';
import { Regions } from '../../src/kernel/kernel.ts';
import { POLICY_GROW_BY_START, POLICY_KEEP, POLICY_REPLACE } from '../../src/kernel/layout.ts';
import { type ReadWord, referenceWalk } from '../reference/page-table.ts';
import { createKernel } from '../support/kernel.ts';

const RW = PROT_READ | PROT_WRITE;
const ARENA_ADDRESS = 0x1_0000_0000n;
const ARENA_BYTES = 24 << 20;
/** The formats that hold no address above 32 bits of table pointers still reach the arena: 4 GiB fits all fields. */
const kernel = createKernel(32 << 20);
const regions = new Regions(kernel.memory.buffer.byteLength);
const arena = Arena.take(kernel, regions, ARENA_BYTES, ARENA_ADDRESS);
const afterArena = regions.next;

/** Where a leaf of this size can be first: Linux 6.1 does not grow a table for a leaf that starts inside it (test/vectors). */
function lowestInput(geometry: TableGeometry, size: bigint): bigint {
  const span = 1n << BigInt(geometry.grows ? levelShift(geometry, geometry.levels) : geometry.inputBits);
  return (geometry.policy.flags & POLICY_GROW_BY_START) !== 0 && size > span ? size : 0n;
}

function emptyTable(geometry: TableGeometry): PageTable {
  arena.reset();
  regions.next = afterArena;
  return PageTable.create(kernel, regions, arena, new TableRule(kernel, regions, geometry));
}

const readWord: ReadWord = (address) => kernel.view.getBigUint64(arena.offsetOf(address), true);
const page = (address: bigint): number => Number(address >> 12n);

function reference(table: PageTable, iova: bigint) {
  return referenceWalk(table.rule.geometry, readWord, table.rootAddress, table.levels, iova);
}

/** Highest address that this table can translate, plus one; sign-extended formats: of the lower half. */
function endOfInput(geometry: TableGeometry): bigint {
  const bits = Math.min(geometry.inputBits, geometry.mapBits) - (geometry.signExtended ? 1 : 0);
  return 1n << BigInt(bits);
}

const cases = FORMATS.flatMap((format) =>
  format.configurations.map((config) => [label(format.name, config), format, config] as const),
);

function label(name: string, config: FormatConfig): string {
  const parts = Object.entries(config).map(
    ([key, value]) => `${key}=${typeof value === 'bigint' ? `0x${value.toString(16)}` : value}`,
  );
  return `${name} ${parts.join(' ')}`;
}

describe.each(cases)('%s', (_, format, config) => {
  const geometry = format.geometry(config);
  const sizes = [...Array(64).keys()].filter((log2) => ((geometry.pageSizes >> BigInt(log2)) & 1n) === 1n);
  const granule = 1n << BigInt(geometry.granuleLog2);

  test('levels take a gapless, non-overlapping run of address bits', () => {
    let next = geometry.granuleLog2;
    const levels = geometry.grows ? 6 : geometry.levels;
    for (let level = 0; level < levels; level++) {
      expect(levelShift(geometry, level)).toBe(next);
      next += levelIndexBits(geometry, level);
    }
    expect(next).toBe(geometry.inputBits);
  });

  test('fields of one kind of entry do not overlap', () => {
    for (const kind of ['leaf', 'table']) {
      let seen = 0n;
      for (const field of geometry.fields) {
        if (field.kind !== undefined && field.kind !== kind) continue;
        const mask = ((1n << BigInt(field.high - field.low + 1)) - 1n) << BigInt(field.low);
        expect(seen & mask, field.name).toBe(0n);
        seen |= mask;
      }
    }
  });

  test.each(sizes)('a leaf of 2^%i bytes comes back at the lowest and highest output address', (log2) => {
    const size = 1n << BigInt(log2);
    const end = endOfInput(geometry);
    const outputEnd = 1n << BigInt(geometry.outputBits);
    if (size > end || size >= outputEnd || log2 > 51) return; // larger than an address space has
    for (const iova of [lowestInput(geometry, size), end - size]) {
      for (const pa of [0n, outputEnd - size]) {
        const table = emptyTable(geometry);
        expect(table.mapSize(page(iova), page(pa), log2, 1, RW)).toBe(0);
        for (const at of [iova, iova + size / 2n, iova + size - 4096n]) {
          const found = reference(table, at)!;
          const inside = at & ~4095n;
          expect(found).toMatchObject({ pa: pa + (at - iova), sizeLog2: log2, read: true, write: true });
          expect(table.lookup(page(inside))).toBe(page(pa + (inside - iova)));
          expect(kernel.exports.lastSizeLog2()).toBe(log2);
          const { level, entry } = found.steps.at(-1)!;
          expect(isLeafEntry(geometry, level, entry)).toBe(true);
          expect(leafSizeLog2(geometry, level, entry)).toBe(log2);
          expect(entryAddress(geometry, entry) & -size).toBe(pa);
        }
        if (iova > 0n) expect(table.lookup(page(iova - granule))).toBe(-1);
        expect(table.unmap(page(iova), page(size))).toBe(page(size));
        expect(table.lookup(page(iova))).toBe(-1);
        expect(table.leafItems).toBe(0);
        table.destroy();
        expect(arena.liveFrames).toBe(0);
      }
    }
  });

  test.each([PROT_READ, PROT_WRITE, RW])('protection %i is granted and read back as the reference reads it', (prot) => {
    const table = emptyTable(geometry);
    const at = page(endOfInput(geometry) / 2n);
    const pages = page(granule);
    expect(table.map(at, at & 0xffff, pages, prot)).toBe(0);
    const found = reference(table, BigInt(at) << 12n)!;
    expect(table.lookup(at)).toBeGreaterThanOrEqual(0);
    const granted = kernel.exports.lastPermissions();
    expect(granted).toBe((found.read ? 1 : 0) | (found.write ? 2 : 0));
    expect(granted & prot).toBe(prot);
    if (prot === PROT_READ) expect(granted).toBe(PROT_READ);
  });

  test('permissions of table entries combine as declared', () => {
    const at = page(endOfInput(geometry) / 2n);
    for (let above = 1; above < geometry.levels; above++) {
      const table = emptyTable(geometry);
      table.map(at, at & 0xffff, page(granule), RW);
      const step = reference(table, BigInt(at) << 12n)!.steps.find(({ level }) => level === above)!;
      const writeOnly = geometry.write & ~geometry.read;
      const poked = geometry.permissionXor & writeOnly ? step.entry | writeOnly : step.entry & ~writeOnly;
      kernel.view.setBigUint64(arena.offsetOf(step.address), poked, true);
      const restricts = ((geometry.level(above).unrestricted ?? 0n) & writeOnly) === 0n;
      const found = reference(table, BigInt(at) << 12n);
      if (found === null) continue; // the bit also made the entry present
      table.lookup(at);
      expect(kernel.exports.lastPermissions() & PROT_WRITE, `level ${above}`).toBe(restricts ? 0 : PROT_WRITE);
      expect(found.write).toBe(!restricts);
    }
  });

  test('refuses what does not fit, and maps nothing then', () => {
    const table = emptyTable(geometry);
    const pages = page(granule);
    expect(table.map(0, 0, pages, 0)).toBe(-22);
    if (geometry.granuleLog2 > 12) expect(table.map(1, 0, pages, RW)).toBe(-22);
    if (geometry.outputBits < 64) expect(table.map(0, page(1n << BigInt(geometry.outputBits)), pages, RW)).toBe(-34);
    if (geometry.mapBits < 64) {
      const beyond = page(1n << BigInt(geometry.mapBits));
      expect(table.map(beyond, 0, pages, RW)).toBe(-geometry.policy.range);
      expect(table.map(page(endOfInput(geometry)) - pages, 0, 2 * pages, RW)).toBe(-geometry.policy.range);
    }
    expect(table.leafItems).toBe(0);
    table.destroy();
    expect(arena.liveFrames).toBe(0);
  });

  test('out of table memory is an error that leaves nothing mapped', () => {
    arena.reset();
    const small = new Arena(kernel, arena.at, arena.base, 2 << 20, ARENA_ADDRESS);
    regions.next = afterArena;
    const table = PageTable.create(kernel, regions, small, new TableRule(kernel, regions, geometry));
    const smallest = sizes[0];
    const misaligned = page(granule);
    const pages = (4 << 20) / 8; // more entries than the arena has room for
    expect(table.map(0, misaligned, pages * misaligned, RW)).toBe(smallest === geometry.granuleLog2 ? -12 : 0);
    expect(table.leafItems).toBe(0);
    expect(table.lookup(0)).toBe(-1);
    arena.reset();
  });

  // The table used last is remembered for single pages: not beyond its life, and not for what it may not hold.
  test('single pages in a table that comes and goes', () => {
    const table = emptyTable(geometry);
    const count = 1 << levelIndexBits(geometry, 0);
    const isSmall = sizes[0] === 12;
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < count; i++) expect(table.map(i, 2 * i + round, 1, RW)).toBe(isSmall ? 0 : -22);
      if (!isSmall) return;
      expect(table.map(7, 1, 1, RW)).toBe(table.mapSize(7, 1, 12, 1, RW));
      expect(table.unmap(7, 1)).toBe(1);
      if (geometry.outputBits < 64) expect(table.map(7, page(1n << BigInt(geometry.outputBits)), 1, RW)).toBe(-34);
      expect(table.map(7, 14 + round, 1, RW)).toBe(0);
      expect([table.lookup(7), table.lookup(count - 1)]).toEqual([14 + round, 2 * (count - 1) + round]);
      expect(table.leafItems).toBe(count);
      table.unmap(0, count);
      expect([table.lookup(7), table.leafItems]).toEqual([-1, 0]);
    }
    table.destroy();
    expect(arena.liveFrames).toBe(0);
  });

  test('random maps, unmaps and look-ups agree with a flat map', () => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 25 }), (operations) => replay(geometry, operations)),
      {
        numRuns: 12,
      },
    );
  });

  test('the memory estimate holds', () => {
    const table = emptyTable(geometry);
    const pages = 3000 * page(granule);
    const small = format.geometry({ ...config, pageSizes: granule });
    expect(table.map(page(endOfInput(geometry) / 2n) - 1000 * page(granule), page(granule), pages, RW)).toBe(0);
    expect(arena.liveFrames * 4096).toBeLessThanOrEqual(tableBytes(small, pages));
  });
});

interface Operation {
  readonly kind: 'map' | 'unmap' | 'lookup';
  readonly at: number;
  readonly pa: number;
  readonly length: number;
  readonly aligned: boolean;
}

const WINDOW = 1 << 13; // granules
const operation: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constantFrom('map', 'map', 'unmap', 'lookup'),
  at: fc.integer({ min: 0, max: WINDOW - 1 }),
  pa: fc.integer({ min: 0, max: WINDOW - 1 }),
  length: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 3000 })),
  aligned: fc.boolean(),
});

/** Granule numbers → output granules; unmaps take exactly what one map call mapped. */
function replay(geometry: TableGeometry, operations: readonly Operation[]): void {
  const table = emptyTable(geometry);
  const scale = 1 << (geometry.granuleLog2 - 12);
  const base = Number(endOfInput(geometry) >> BigInt(geometry.granuleLog2)) / 2 - WINDOW / 2;
  const flat = new Map<number, number>();
  const ranges: { first: number; length: number }[] = [];
  const overwrites = (geometry.policy.flags & (POLICY_REPLACE | POLICY_KEEP)) !== 0;
  for (const { kind, at, pa, length, aligned } of operations) {
    const first = base + at;
    const target = aligned ? at : pa;
    if (kind === 'map') {
      const free = Array.from({ length }, (_, i) => first + i).every((granule) => !flat.has(granule));
      if (!free && overwrites) continue; // policy, not format: replayed by the vectors
      if (!free && geometry.policy.occupied === 17 && ranges.length > 0 && length > 500) continue; // ARM replaces tables
      const result = table.map(first * scale, target * scale, length * scale, RW);
      expect(result).toBe(free ? 0 : -geometry.policy.occupied);
      if (!free) continue;
      for (let i = 0; i < length; i++) flat.set(first + i, target + i);
      ranges.push({ first, length });
    } else if (kind === 'unmap' && ranges.length > 0) {
      const [range] = ranges.splice(at % ranges.length, 1);
      expect(table.unmap(range.first * scale, range.length * scale)).toBe(range.length * scale);
      for (let i = 0; i < range.length; i++) flat.delete(range.first + i);
    }
    check(table, flat, first, scale);
  }
  for (const granule of flat.keys()) check(table, flat, granule, scale);
  expect(table.leafItems === 0).toBe(flat.size === 0);
}

function check(table: PageTable, flat: ReadonlyMap<number, number>, granule: number, scale: number): void {
  const want = flat.get(granule);
  const got = table.lookup(granule * scale);
  if (got !== (want === undefined ? -1 : want * scale))
    expect(got, `granule ${granule}`).toBe(want === undefined ? -1 : want * scale);
}
