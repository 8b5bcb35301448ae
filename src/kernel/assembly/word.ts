// What a table entry says, by its format's rule block: where it points, whether it is a leaf, what is wrong with it.

import {
  FAULT_CANONICAL, FAULT_LEVEL, FAULT_RESERVED, FAULT_WIDTH, LV_INDEX_MASK, LV_LEAF_MASK, LV_LEAF_XOR,
  LV_RESERVED_LEAF, LV_RESERVED_TABLE, LV_SHIFT, RULE_ADDRESS, RULE_ADDRESS_HIGH, RULE_ADDRESS_HIGH_SHIFT,
  RULE_ADDRESS_SHIFT, RULE_CONTIG_KIND, RULE_CONTIG_MASK, RULE_CONTIG_NONE, RULE_CONTIG_ONES, RULE_CONTIG_VALUE,
  RULE_FLAGS, RULE_FLAG_NEXT_LEVEL, RULE_FLAG_SIGN_EXTEND, RULE_INPUT_BITS, RULE_LEVEL0, RULE_LEVEL_BYTES, RULE_READ,
  RULE_WRITE,
} from '../layout';
import { fault, result } from './state';

/** Base address in a table entry. */
// @ts-ignore: decorator
@inline
export function addressOf(rule: usize, entry: u64): u64 {
  const address = (entry & load<u64>(rule, RULE_ADDRESS)) << <u64>load<u32>(rule, RULE_ADDRESS_SHIFT);
  const high = load<u64>(rule, RULE_ADDRESS_HIGH);
  return high == 0 ? address : address | ((entry & high) << <u64>load<u32>(rule, RULE_ADDRESS_HIGH_SHIFT));
}

/** True if no table of so many levels can translate this page: 0 = in range, else a FAULT_* code. */
export function outOfRange(rule: usize, level: i32, page: u64): i32 {
  const flags = load<i32>(rule, RULE_FLAGS);
  if ((flags & RULE_FLAG_SIGN_EXTEND) != 0) {
    const bits = <u64>(load<i32>(rule, RULE_INPUT_BITS) - 13);
    // Pages are 52-bit numbers: bring the address's sign to bit 63 before comparing.
    const upper = (<i64>(page << 12)) >> (bits + 12);
    return upper == 0 || upper == -1 ? 0 : FAULT_CANONICAL;
  }
  const record = rule + RULE_LEVEL0 + level * RULE_LEVEL_BYTES;
  const top = load<u32>(record, LV_SHIFT) - 12;
  let bits = top + <u32>popcnt(load<u32>(record, LV_INDEX_MASK));
  const input = load<u32>(rule, RULE_INPUT_BITS) - 12;
  if (bits > input) bits = input;
  return bits < 52 && page >> bits != 0 ? FAULT_WIDTH : 0;
}

// @ts-ignore: decorator
@inline
export function isLeaf(byField: bool, lv: usize, entry: u64): bool {
  // A next-level field means something only in formats with one; 0 and 7 are leaves.
  if (byField) return ((<i32>(entry >> 9) + 1) & 7) < 2;
  return ((entry ^ load<u64>(lv, LV_LEAF_XOR)) & load<u64>(lv, LV_LEAF_MASK)) != 0;
}

/**
 * A table entry of AMD v1 may name a lower table than the next if the address bits it skips are zero (AMD IOMMU
 * specification, section 2.2.3). Returns that level, or -1 if the entry is wrong.
 */
// @ts-ignore: decorator
@inline
export function skipTo(rule: usize, level: i32, next: i32, page: u64): i32 {
  if (next > level) return -1;
  const from = <u64>(load<i32>(rule + RULE_LEVEL0 + level * RULE_LEVEL_BYTES, LV_SHIFT) - 12);
  const to = <u64>(load<i32>(rule + RULE_LEVEL0 + next * RULE_LEVEL_BYTES, LV_SHIFT) - 12);
  return ((page >> to) & ((<u64>1 << (from - to)) - 1)) == 0 ? next : -1;
}

/** Ends a walk with its leaf. */
export const LEAF: i32 = -1024;

/** What follows a present entry: LEAF, the level whose table it stands for (at most `level`, at least 1), or -FAULT_*. */
export function after(rule: usize, level: i32, entry: u64, page: u64): i32 {
  const lv = rule + RULE_LEVEL0 + level * RULE_LEVEL_BYTES;
  const byField = (load<i32>(rule, RULE_FLAGS) & RULE_FLAG_NEXT_LEVEL) != 0;
  if (isLeaf(byField, lv, entry)) return LEAF;
  if ((entry & load<u64>(lv, LV_RESERVED_TABLE)) != 0) return -FAULT_RESERVED;
  const next = <i32>(entry >> 9) & 7;
  const to = byField && next != level ? skipTo(rule, level, next, page) : level;
  return to <= 0 ? -FAULT_LEVEL : to;
}

/** The leaf is read: size, target page and permissions. */
export function finish(rule: usize, level: i32, entry: u64, page: u64, permissions: u64): i32 {
  if ((entry & load<u64>(rule + RULE_LEVEL0 + level * RULE_LEVEL_BYTES, LV_RESERVED_LEAF)) != 0) return fault(FAULT_RESERVED);
  let size = load<i32>(rule + RULE_LEVEL0 + level * RULE_LEVEL_BYTES, LV_SHIFT);
  let base = addressOf(rule, entry);
  const kind = load<i32>(rule, RULE_CONTIG_KIND);
  if (kind != RULE_CONTIG_NONE && (entry & load<u64>(rule, RULE_CONTIG_MASK)) == load<u64>(rule, RULE_CONTIG_VALUE)) {
    const field = base >> 12;
    const run = <i32>ctz(kind == RULE_CONTIG_ONES ? ~field : field);
    size = 13 + run;
  }
  return result(targetOf(base, size, page), size, accessOf(rule, permissions));
}

/** The page that a leaf of 2^sizeLog2 bytes translates a page to. */
// @ts-ignore: decorator
@inline
export function targetOf(base: u64, sizeLog2: i32, page: u64): u64 {
  const inside = (<u64>1 << <u64>(sizeLog2 - 12)) - 1;
  return ((base >> 12) & ~inside) | (page & inside);
}

/** Accesses (1 read, 2 write) that permissions of all entries of a walk allow. */
// @ts-ignore: decorator
@inline
export function accessOf(rule: usize, permissions: u64): i32 {
  const read = load<u64>(rule, RULE_READ);
  const write = load<u64>(rule, RULE_WRITE);
  return <i32>((permissions & read) == read) | (<i32>((permissions & write) == write) << 1);
}

