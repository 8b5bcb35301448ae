/**
 * Canonical dump of a page table: every table page reachable from the root(s), parents before children, in index order.
 * Cold; 64-bit values are bigint. The shape is that of the vector files (test/vectors/FORMAT.md).
 */
import type { Kernel } from '../kernel/kernel.ts';
import { levelIndexBits, levelShift } from './formats/compile.ts';
import type { TableGeometry } from './formats/format.ts';
import type { PageTable } from './page-table.ts';

/** A leaf, a run of leaves whose values differ by `stride`, or a pointer to a table (its address bits cleared). */
export type DumpEntry =
  | readonly ['T', number, string]
  | readonly ['L', number, string]
  | readonly ['L', number, string, number, string];

export interface DumpTable {
  readonly root: number;
  readonly level: number;
  readonly path: readonly number[];
  readonly e: readonly DumpEntry[];
}

/** Address in an entry. */
export function entryAddress(geometry: TableGeometry, entry: bigint): bigint {
  const { address, addressHigh } = geometry;
  const low = (entry & address.mask) << BigInt(address.shift);
  return addressHigh === undefined ? low : low | ((entry & addressHigh.mask) << BigInt(addressHigh.shift));
}

/** Bits of an entry that hold an address. */
export function addressMask(geometry: TableGeometry): bigint {
  return geometry.address.mask | (geometry.addressHigh?.mask ?? 0n);
}

export function isLeafEntry(geometry: TableGeometry, level: number, entry: bigint): boolean {
  return leafTest(geometry, level)(entry);
}

/** What tells leaves of one level from pointers to tables. */
function leafTest(geometry: TableGeometry, level: number): (entry: bigint) => boolean {
  if (geometry.nextLevel) {
    return (entry) => {
      const next = (entry >> 9n) & 7n;
      return next === 0n || next === 7n;
    };
  }
  const { leafMask, leafXor = 0n } = geometry.level(level);
  return (entry) => ((entry ^ leafXor) & leafMask) !== 0n;
}

/** log2 of the bytes that a leaf covers. */
export function leafSizeLog2(geometry: TableGeometry, level: number, entry: bigint): number {
  const { contiguous } = geometry;
  if (contiguous === undefined || (entry & contiguous.mask) !== contiguous.value) return levelShift(geometry, level);
  const wanted = contiguous.code === 'ones' ? 0n : 1n;
  const address = entryAddress(geometry, entry);
  let position = 12;
  while (((address >> BigInt(position)) & 1n) !== wanted && position < 63) position++;
  return position + 1;
}

export function dumpTables(kernel: Kernel, table: PageTable): DumpTable[] {
  const { geometry } = table.rule;
  const tables: DumpTable[] = [];
  const top = table.levels - 1;
  const entries = (1 << levelIndexBits(geometry, top)) / geometry.roots;
  for (let root = 0; root < geometry.roots; root++) {
    dumpTable(kernel, table, tables, root, top, [], table.rootOffset + root * entries * 8, entries);
  }
  return tables;
}

function dumpTable(
  kernel: Kernel,
  table: PageTable,
  into: DumpTable[],
  root: number,
  level: number,
  path: readonly number[],
  offset: number,
  entries: number,
): void {
  const { geometry } = table.rule;
  const { i32, view } = kernel;
  const isLeaf = leafTest(geometry, level);
  const e: DumpEntry[] = [];
  const children: { index: number; offset: number }[] = [];
  let run: Run | null = null;
  for (let index = 0; index < entries; index++) {
    const word = offset / 4 + 2 * index;
    if ((i32[word] | i32[word + 1]) === 0) continue; // most slots are empty
    const entry = view.getBigUint64(offset + 8 * index, true);
    if (isLeaf(entry)) {
      if (run !== null && extend(run, index, entry)) continue;
      if (run !== null) e.push(printRun(run));
      run = { index, value: entry, count: 1, stride: 0n, last: entry };
      continue;
    }
    if (run !== null) e.push(printRun(run));
    run = null;
    e.push(['T', index, hex(entry & ~addressMask(geometry))]);
    children.push({ index, offset: table.arena.offsetOf(entryAddress(geometry, entry)) });
  }
  if (run !== null) e.push(printRun(run));
  into.push({ root, level, path, e });
  for (const child of children) {
    const size = 1 << levelIndexBits(geometry, level - 1);
    dumpTable(kernel, table, into, root, level - 1, [...path, child.index], child.offset, size);
  }
}

interface Run {
  index: number;
  value: bigint;
  count: number;
  stride: bigint;
  last: bigint;
}

/** Adds the next leaf to a run if index and value go on as they did. The second leaf sets the stride. */
function extend(run: Run, index: number, value: bigint): boolean {
  if (index !== run.index + run.count) return false;
  const stride = value - run.last;
  if (run.count > 1 && stride !== run.stride) return false;
  run.stride = stride;
  run.last = value;
  run.count++;
  return true;
}

function printRun(run: Run): DumpEntry {
  if (run.count === 1) return ['L', run.index, hex(run.value)];
  return ['L', run.index, hex(run.value), run.count, run.stride < 0n ? `-${hex(-run.stride)}` : hex(run.stride)];
}

export function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
