// The leaves in which the last walk ended, a stage each: what next-page prefetch (prefetch.ts) knows without another read.

import {
  FAULT_LEVEL, FAULT_MEMORY, FAULT_NOT_PRESENT, LV_SHIFT, RULE_FLAGS, RULE_FLAG_NEXT_LEVEL, RULE_LEVEL0, RULE_LEVEL_BYTES, RULE_PERM_XOR,
  RULE_PRESENT,
} from '../layout';
import { GUEST } from './stages';
import { finish, isLeaf } from './word';

/** The entry (0 = the walk read none), its level, and what the entries above allow. */
let guestLeaf: usize = 0;
let guestLeafLevel: i32 = 0;
let guestAbove: u64 = 0;
let hostLeaf: usize = 0;
let hostLeafLevel: i32 = 0;
let hostAbove: u64 = 0;

// @ts-ignore: decorator
@inline
export function noteLeaf(stage: i32, level: i32, at: usize, above: u64): void {
  if (stage == GUEST) {
    guestLeaf = at;
    guestLeafLevel = level;
    guestAbove = above;
  } else {
    hostLeaf = at;
    hostLeafLevel = level;
    hostAbove = above;
  }
}

/** Eight entries of 4 KiB each share a line. */
const LINE_OF_ENTRIES_LOG2 = 15;

/** The next host translation may come from the nested TLB. */
export function forgetHostLeaf(): void {
  hostLeaf = 0;
}

/** Whether two pages lie in the same leaf of this size. */
export function isSameLeaf(page: u64, other: u64, sizeLog2: i32): bool {
  const shift = <u64>(sizeLog2 - 12);
  return page >> shift == other >> shift;
}

/**
 * The result for another page, if its leaf entry is the one that the stage's last walk, of `page`, has read, or one of the same 64-byte
 * line of a last-level table. Returns 0, or another value if it is not, or is no leaf that translates.
 */
export function leafAfter(stage: i32, rule: usize, page: u64, other: u64): i32 {
  const leaf = stage == GUEST ? guestLeaf : hostLeaf;
  const level = stage == GUEST ? guestLeafLevel : hostLeafLevel;
  if (leaf == 0) return FAULT_MEMORY;
  const lv = rule + RULE_LEVEL0 + level * RULE_LEVEL_BYTES;
  let at = leaf;
  if (level == 0) {
    if (!isSameLeaf(page, other, LINE_OF_ENTRIES_LOG2)) return FAULT_MEMORY;
    at += <usize>(((other & 7) - (page & 7)) << 3);
  } else if (!isSameLeaf(page, other, load<i32>(lv, LV_SHIFT))) return FAULT_MEMORY;
  const entry = load<u64>(at);
  if ((entry & load<u64>(rule, RULE_PRESENT)) == 0) return FAULT_NOT_PRESENT;
  const byField = (load<i32>(rule, RULE_FLAGS) & RULE_FLAG_NEXT_LEVEL) != 0;
  if (!isLeaf(byField, lv, entry)) return FAULT_LEVEL;
  const above = stage == GUEST ? guestAbove : hostAbove;
  return finish(rule, level, entry, other, above & (entry ^ load<u64>(rule, RULE_PERM_XOR)));
}
