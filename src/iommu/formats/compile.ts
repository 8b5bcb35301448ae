/** Writes a format's geometry into kernel memory as the rule block that walker and mapper read (kernel/layout.ts, RULE_*). */
import * as L from '../../kernel/layout.ts';
import type { AddressField, TableGeometry } from './format.ts';

const NO_ADDRESS: AddressField = { mask: 0n, shift: 0 };

/** log2 of the bytes one entry of this level covers. */
export function levelShift(geometry: TableGeometry, level: number): number {
  return geometry.granuleLog2 + level * geometry.indexBits;
}

/** Index bits of the tables of this level. */
export function levelIndexBits(geometry: TableGeometry, level: number): number {
  if (!geometry.grows) return level === geometry.levels - 1 ? geometry.rootIndexBits : geometry.indexBits;
  return Math.min(geometry.indexBits, 64 - levelShift(geometry, level));
}

/** log2 of the root table's bytes (all roots together), at least the smallest frame. */
export function rootSizeLog2(geometry: TableGeometry): number {
  return Math.max(12, geometry.rootIndexBits + 3);
}

/** `at` is the wasm offset of RULE_BYTES bytes. */
export function writeRule(view: DataView, at: number, geometry: TableGeometry): void {
  const u32 = (offset: number, value: number) => view.setInt32(at + offset, value, true);
  const u64 = (offset: number, value: bigint) => view.setBigUint64(at + offset, BigInt.asUintN(64, value), true);
  const high = geometry.addressHigh ?? NO_ADDRESS;
  u32(L.RULE_LEVELS, geometry.levels);
  u32(L.RULE_GRANULE_LOG2, geometry.granuleLog2);
  u32(L.RULE_FLAGS, flagsOf(geometry));
  u32(L.RULE_INPUT_BITS, geometry.inputBits);
  u64(L.RULE_PRESENT, geometry.present);
  u64(L.RULE_PERM_XOR, geometry.permissionXor);
  u64(L.RULE_READ, geometry.read);
  u64(L.RULE_WRITE, geometry.write);
  u64(L.RULE_ADDRESS, geometry.address.mask);
  u32(L.RULE_ADDRESS_SHIFT, geometry.address.shift);
  u32(L.RULE_ADDRESS_HIGH_SHIFT, high.shift);
  u64(L.RULE_ADDRESS_HIGH, high.mask);
  u64(L.RULE_CONTIG_MASK, geometry.contiguous?.mask ?? 0n);
  u64(L.RULE_CONTIG_VALUE, geometry.contiguous?.value ?? 0n);
  u32(L.RULE_CONTIG_KIND, contiguousKind(geometry));
  u32(L.RULE_TABLE_SIZE_LOG2, geometry.indexBits + 3);
  u64(L.RULE_PAGE_SIZES, geometry.pageSizes);
  u32(L.RULE_ROOT_SIZE_LOG2, rootSizeLog2(geometry));
  u32(L.RULE_FREE_POLICY, geometry.policy.free);
  u32(L.RULE_OUTPUT_BITS, geometry.outputBits);
  u32(L.RULE_POLICY, geometry.policy.flags);
  u32(L.RULE_ERRNOS, geometry.policy.occupied | (geometry.policy.range << 16));
  u32(L.RULE_MAP_BITS, geometry.mapBits);
  const levels = geometry.grows ? L.RULE_LEVELS_MAX : geometry.levels;
  for (let level = 0; level < levels; level++) {
    writeLevel(view, at, geometry, level);
    writeStep(view, at, geometry, level);
  }
}

function writeLevel(view: DataView, rule: number, geometry: TableGeometry, level: number): void {
  const at = rule + L.RULE_LEVEL0 + level * L.RULE_LEVEL_BYTES;
  const u64 = (offset: number, value = 0n) => view.setBigUint64(at + offset, BigInt.asUintN(64, value), true);
  const declared = geometry.level(level);
  view.setInt32(at + L.LV_SHIFT, levelShift(geometry, level), true);
  view.setInt32(at + L.LV_INDEX_MASK, (1 << levelIndexBits(geometry, level)) - 1, true);
  u64(L.LV_LEAF_XOR, declared.leafXor);
  u64(L.LV_LEAF_MASK, declared.leafMask);
  u64(L.LV_RESERVED_TABLE, declared.reservedTable);
  u64(L.LV_RESERVED_LEAF, declared.reservedLeaf);
  u64(L.LV_TABLE_BITS, declared.tableBits);
  u64(L.LV_LEAF_BITS, declared.leafBits);
  u64(L.LV_PERM_IGNORE, declared.unrestricted);
}

/** Bits 11:9 of an entry with a next-level field. */
const NEXT_LEVEL_LOG2 = 9n;
const NEXT_LEVEL_MASK = 7n << NEXT_LEVEL_LOG2;
/** Page numbers are shifted by at most this. */
const ANY_PAGE_BITS = 63;

function writeStep(view: DataView, rule: number, geometry: TableGeometry, level: number): void {
  const at = rule + L.RULE_STEPS + (level << L.STEP_LOG2);
  const u64 = (offset: number, value: bigint) => view.setBigUint64(at + offset, BigInt.asUintN(64, value), true);
  const go = goTest(geometry, level);
  const leaf = leafTest(geometry, level);
  view.setInt32(at + L.STEP_SHIFT, levelShift(geometry, level), true);
  view.setInt32(at + L.STEP_INDEX_MASK, (1 << levelIndexBits(geometry, level)) - 1, true);
  u64(L.STEP_GO_MASK, go.mask);
  u64(L.STEP_GO_VALUE, go.value);
  u64(L.STEP_LEAF_MASK, leaf.mask);
  u64(L.STEP_LEAF_VALUE, leaf.value);
  u64(L.STEP_PERM_IGNORE, geometry.level(level).unrestricted ?? 0n);
  view.setInt32(at + L.STEP_BITS, pageBits(geometry, level), true);
}

/** (entry & mask) === value. */
interface EntryTest {
  readonly mask: bigint;
  readonly value: bigint;
}
const NEVER: EntryTest = { mask: 0n, value: 1n };

/** Which entries of a level point to the next lower one without a doubt. None of level 0, and none where all would be wrong. */
function goTest(geometry: TableGeometry, level: number): EntryTest {
  const { leafMask, leafXor = 0n, reservedTable = 0n } = geometry.level(level);
  const isField = geometry.nextLevel;
  const mask = isField ? NEXT_LEVEL_MASK : leafMask;
  const value = isField ? BigInt(level) << NEXT_LEVEL_LOG2 : leafXor & leafMask;
  if (level === 0 || (value & reservedTable) !== 0n) return NEVER;
  return { mask: mask | reservedTable, value };
}

/**
 * Which present entries of a level are leaves of just its size, without reserved bits, without a doubt: next level 0 where there is
 * such a field; else the one bit that tells leaves, if it is one, and not the mark of a contiguous entry.
 */
function leafTest(geometry: TableGeometry, level: number): EntryTest {
  const { leafMask, leafXor = 0n, reservedLeaf = 0n } = geometry.level(level);
  const isOneBit = leafMask !== 0n && (leafMask & (leafMask - 1n)) === 0n;
  if (!geometry.nextLevel && !isOneBit) return NEVER;
  const value = geometry.nextLevel ? 0n : ~leafXor & leafMask;
  const contiguous = geometry.contiguous?.value ?? 0n;
  if (geometry.contiguous !== undefined && contiguous === 0n) return NEVER;
  const zeros = reservedLeaf | (contiguous & -contiguous);
  if ((value & zeros) !== 0n) return NEVER;
  return { mask: (geometry.nextLevel ? NEXT_LEVEL_MASK : leafMask) | zeros, value };
}

/** Page-number bits that a table of this level takes without a look at the canonical form. */
function pageBits(geometry: TableGeometry, level: number): number {
  const covered = levelShift(geometry, level) + levelIndexBits(geometry, level);
  const bits = geometry.signExtended ? geometry.inputBits - 1 : Math.min(covered, geometry.inputBits);
  return bits - 12 < 52 ? bits - 12 : ANY_PAGE_BITS;
}

function flagsOf(geometry: TableGeometry): number {
  return (
    (geometry.nextLevel ? L.RULE_FLAG_NEXT_LEVEL : 0) |
    (geometry.signExtended ? L.RULE_FLAG_SIGN_EXTEND : 0) |
    (geometry.grows ? L.RULE_FLAG_GROWS : 0) |
    (geometry.permissionBeforePresent ? L.RULE_FLAG_PERM_BEFORE_PRESENT : 0) |
    (geometry.userBit ? L.RULE_FLAG_USER : 0)
  );
}

function contiguousKind(geometry: TableGeometry): number {
  if (geometry.contiguous === undefined) return L.RULE_CONTIG_NONE;
  return geometry.contiguous.code === 'ones' ? L.RULE_CONTIG_ONES : L.RULE_CONTIG_NAPOT;
}
