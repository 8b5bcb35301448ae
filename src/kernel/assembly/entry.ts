// The page table in hand, for map.ts and unmap.ts: its rule, entries coded and decoded by it, and its tables' frames.
// Addresses are 52-bit page numbers, sizes log2 of pages unless they say `bytes` or `address`.

import {
  ARENA_ADDRESS, ARENA_BASE, LV_INDEX_MASK, LV_LEAF_MASK, LV_LEAF_XOR, LV_SHIFT, PT_ARENA, PT_FREED_TABLES,
  PT_LEAF_ITEMS, PT_NEAR_KEY, PT_RULE, RULE_ADDRESS, RULE_ADDRESS_HIGH, RULE_ADDRESS_HIGH_SHIFT, RULE_ADDRESS_SHIFT,
  RULE_CONTIG_KIND, RULE_CONTIG_MASK, RULE_CONTIG_NONE, RULE_CONTIG_ONES, RULE_CONTIG_VALUE, RULE_FLAGS,
  RULE_FLAG_GROWS, RULE_FLAG_NEXT_LEVEL, RULE_FLAG_SIGN_EXTEND, RULE_LEVEL0, RULE_LEVELS, RULE_LEVELS_MAX,
  RULE_LEVEL_BYTES, RULE_MAP_BITS, RULE_POLICY, RULE_TABLE_SIZE_LOG2,
} from '../layout';
import { giveFrame } from './frames';

export const PAGE_LOG2: i32 = 12;
export const PAGE_BITS: u64 = 52; // of a page number
/** PT_NEAR_KEY of no page. */
export const NOT_NEAR: u64 = ~(<u64>0);

// Registers of the call in progress (wasm globals: per instance).
export let table: usize = 0; // the page table record
export let rule: usize = 0;
export let arena: usize = 0;
export let policy: i32 = 0;

export function open(pt: usize): void {
  table = pt;
  rule = load<usize>(pt, PT_RULE);
  arena = load<usize>(pt, PT_ARENA);
  policy = load<i32>(rule, RULE_POLICY);
}

export function recordOf(level: i32): usize {
  return rule + RULE_LEVEL0 + <usize>level * RULE_LEVEL_BYTES;
}

export function pageShift(record: usize): i32 {
  return load<i32>(record, LV_SHIFT) - PAGE_LOG2;
}

export function indexOf(record: usize, page: u64): u32 {
  return <u32>(page >> <u64>pageShift(record)) & load<u32>(record, LV_INDEX_MASK);
}

export function entryAt(at: usize, level: i32, page: u64): u64 {
  return load<u64>(at + (indexOf(recordOf(level), page) << 3));
}

/** Page-number bits that a table of so many levels selects by. */
export function coveredBits(levels: i32): i32 {
  const record = recordOf(levels - 1);
  return pageShift(record) + <i32>popcnt(load<u32>(record, LV_INDEX_MASK));
}

/** The level whose tables hold leaves of this size. */
export function levelOf(size: i32): i32 {
  const grows = (load<i32>(rule, RULE_FLAGS) & RULE_FLAG_GROWS) != 0;
  let level = (grows ? RULE_LEVELS_MAX : load<i32>(rule, RULE_LEVELS)) - 1;
  while (level > 0 && pageShift(recordOf(level)) > size) level--;
  return level;
}

// ---- Entries -----------------------------------------------------------------------------------------------------------------

export function isLeaf(entry: u64, level: i32): bool {
  if ((load<i32>(rule, RULE_FLAGS) & RULE_FLAG_NEXT_LEVEL) != 0) {
    const next = (entry >> 9) & 7;
    return next == 0 || next == 7;
  }
  const record = recordOf(level);
  return ((entry ^ load<u64>(record, LV_LEAF_XOR)) & load<u64>(record, LV_LEAF_MASK)) != 0;
}

/** log2 of the pages of a leaf. */
export function leafSize(entry: u64, level: i32): i32 {
  const kind = load<i32>(rule, RULE_CONTIG_KIND);
  if (kind != RULE_CONTIG_NONE && (entry & load<u64>(rule, RULE_CONTIG_MASK)) == load<u64>(rule, RULE_CONTIG_VALUE)) {
    const field = decode(entry) >> PAGE_LOG2;
    return 1 + <i32>ctz(kind == RULE_CONTIG_ONES ? ~field : field);
  }
  return pageShift(recordOf(level));
}

/** Clears all slots of the leaf that maps this page. */
export function clearLeaf(at: usize, level: i32, page: u64, entry: u64): void {
  const size = leafSize(entry, level);
  const record = recordOf(level);
  const items = 1 << (size - pageShift(record));
  const first = indexOf(record, page) & ~(items - 1);
  memory.fill(at + (<usize>first << 3), 0, items << 3);
  countLeaves(-items);
}

export function addressMask(): u64 {
  return load<u64>(rule, RULE_ADDRESS) | load<u64>(rule, RULE_ADDRESS_HIGH);
}

export function encode(address: u64): u64 {
  return ((address >> <u64>load<i32>(rule, RULE_ADDRESS_SHIFT)) & load<u64>(rule, RULE_ADDRESS)) |
    ((address >> <u64>load<i32>(rule, RULE_ADDRESS_HIGH_SHIFT)) & load<u64>(rule, RULE_ADDRESS_HIGH));
}

export function decode(entry: u64): u64 {
  return ((entry & load<u64>(rule, RULE_ADDRESS)) << <u64>load<i32>(rule, RULE_ADDRESS_SHIFT)) |
    ((entry & load<u64>(rule, RULE_ADDRESS_HIGH)) << <u64>load<i32>(rule, RULE_ADDRESS_HIGH_SHIFT));
}

/** The table that an entry points to, as a wasm offset. */
export function childOf(entry: u64): usize {
  return <usize>(<u32>(decode(entry) - load<u64>(arena, ARENA_ADDRESS)) + load<u32>(arena, ARENA_BASE));
}

export function addressOfFrame(frame: usize): u64 {
  return load<u64>(arena, ARENA_ADDRESS) + <u64>(<u32>frame - load<u32>(arena, ARENA_BASE));
}

// ---- Tables ------------------------------------------------------------------------------------------------------------------

export function countLeaves(by: i32): void {
  store<f64>(table, load<f64>(table, PT_LEAF_ITEMS) + <f64>by, PT_LEAF_ITEMS);
}

export function freeTable(frame: usize): void {
  giveFrame(arena, frame, load<i32>(rule, RULE_TABLE_SIZE_LOG2));
  store<u64>(table, NOT_NEAR, PT_NEAR_KEY);
  store<i32>(table, load<i32>(table, PT_FREED_TABLES) + 1, PT_FREED_TABLES);
}

export function dropTable(frame: usize, level: i32): void {
  dropChildren(frame, level);
  freeTable(frame);
}

/** Frees all tables below this one and forgets its leaves. The entries stay as they are. */
export function dropChildren(frame: usize, level: i32): void {
  const entries = load<u32>(recordOf(level), LV_INDEX_MASK) + 1;
  let leaves = 0;
  for (let i: u32 = 0; i < entries; i++) {
    const entry = load<u64>(frame + (i << 3));
    if (entry == 0) continue;
    if (isLeaf(entry, level)) leaves++;
    else dropTable(childOf(entry), level - 1);
  }
  countLeaves(-leaves);
}

export function mapsAnything(frame: usize, level: i32): bool {
  const entries = load<u32>(recordOf(level), LV_INDEX_MASK) + 1;
  for (let i: u32 = 0; i < entries; i++) {
    const entry = load<u64>(frame + (i << 3));
    if (entry != 0 && (isLeaf(entry, level) || mapsAnything(childOf(entry), level - 1))) return true;
  }
  return false;
}

// ---- Ranges ------------------------------------------------------------------------------------------------------------------

export function inAperture(page: u64, last: u64): bool {
  const bits = load<i32>(rule, RULE_MAP_BITS) - PAGE_LOG2;
  if (<u64>bits >= PAGE_BITS) return true;
  if ((load<i32>(rule, RULE_FLAGS) & RULE_FLAG_SIGN_EXTEND) == 0) return last >> <u64>bits == 0;
  const low = <i64>(page << PAGE_LOG2) >> <i64>(bits + PAGE_LOG2 - 1);
  const high = <i64>(last << PAGE_LOG2) >> <i64>(bits + PAGE_LOG2 - 1);
  return low == high && (low == 0 || low == -1);
}

/** Largest allowed size that divides both addresses and fits, or -1. */
export function largestSize(sizes: u64, merged: u64, left: u64): i32 {
  let allowed = sizes & (~(<u64>0) >> clz(left));
  if (merged != 0) allowed &= ((merged & (0 - merged)) << 1) - 1;
  return allowed == 0 ? -1 : 63 - <i32>clz(allowed);
}

/** How many leaves of this size come before a larger one fits. */
export function runLength(sizes: u64, page: u64, target: u64, left: u64, size: i32): u64 {
  const larger = sizes & ~((<u64>2 << <u64>size) - 1);
  if (larger != 0) {
    const next = <u64>1 << ctz(larger);
    if (((page ^ target) & (next - 1)) == 0) {
      const offset = next - (page & (next - 1));
      if (offset + next <= left) return offset >> <u64>size;
    }
  }
  return left >> <u64>size;
}
