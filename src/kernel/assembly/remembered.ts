// Misses of which all is as remembered: the requester's context, the ways through the tables (memo.ts), plain leaves at their ends, an IOTLB in
// LRU or FIFO order. They leave what `plainMiss` (translate.ts) leaves, in one go and without a call. What is not as usual is found out before
// anything is changed but the recency of lines, which the walk that is then made would renew in the same order.

import {
  CACHE_CLOCK, CACHE_MASK, CACHE_PAD, CACHE_RESIDENT, CTX_ALLOWED, CTX_CACHE, CTX_CLASS, CTX_CLASS_KEY, CTX_CLASS_SHIFT, CTX_FIRST_RULE,
  CTX_FIRST_START, CTX_GUEST_LEVELS, CTX_GUEST_ROOT, CTX_HOST_ROOT, CTX_LAST_KEY, CTX_LAST_RULE, CTX_LAST_START, CTX_MODE,
  CTX_SPACE, CTX_SPACE_TAG, CTX_UNIT, C_ALIKE_COUNT, C_ALIKE_GUEST_PS, C_ALIKE_PS, C_WALK_PS, C_WALK_WAIT_PS,
  RULE_PERM_XOR, RULE_PRESENT, RULE_STEPS, SLOT_META, SLOT_READY,
  SLOT_VALUE, STEP_INDEX_MASK, STEP_LEAF_MASK, STEP_LEAF_VALUE, STEP_LOG2, STEP_SHIFT, UNIT_CLASS_LOG2,
  UNIT_FLAGS, UNIT_FLAG_NO_FRACTURE, UNIT_FLAG_USUAL, UNIT_GUEST_MEMOS, UNIT_GUEST_MEMO_MASK,
  UNIT_HIT_PS, UNIT_LINE_CACHE, UNIT_MEMOS, UNIT_MEMO_MASK, UNIT_OVERHEAD_PS,
} from '../layout';
import {
  MEMO_BYTES, MEMO_FIRST, MEMO_GUEST_BYTES, MEMO_GUEST_FIRST, MEMO_HOST, MEMO_LEVEL, MEMO_PERMISSIONS, MEMO_PLACE, MEMO_ROOT, MEMO_TABLE,
} from '../layout-memo';
import { alike, alikeNested } from './alike';
import { RANK_BASE, indexOf, insertPlain, tagWith } from './cache';
import { useContext } from './context';
import { holds, isOnWay, memoAt, placeOf, renewLines } from './memo';
import { linePlace, takeLine } from './read';
import { classAt } from './stages';
import { addTo, increment, outPage, outPermissions, outSizeLog2, result } from './state';
import { freeWalker, later, takeStart } from './walkers';
import { accessOf, addressOf, targetOf } from './word';

/** First slot of the set in which the short way (translate.ts) did not find what it looked for, and the tag of that. */
let absentFirst: u32 = 0;
let absentTag: u32 = 0;

// @ts-ignore: decorator
@inline
export function noteAbsent(first: u32, tag: u32): void {
  absentFirst = first;
  absentTag = tag;
}

/** Not as remembered. Times are at least 0. */
export const UNKNOWN: f64 = -0.75;

/** More than the clocks of caches advance by in one walk. */
const CLOCK_STEPS: u32 = 4096;

/** When a request ends that is in no place of the cache where its requester's last one hit; or UNKNOWN. */
export function rememberedMiss(requester: usize, page: u64, access: i32, atPs: f64): f64 {
  if (load<usize>(requester, CTX_FIRST_RULE) != 0) return rememberedNested(requester, page, access, atPs);
  const home = load<usize>(requester, CTX_UNIT);
  if (!isUsual(home, requester, access)) return UNKNOWN;
  const lines = load<usize>(home, UNIT_LINE_CACHE);
  const rule = load<usize>(requester, CTX_LAST_RULE);
  const memo = lastMemo(home, requester, rule, page);
  if (!isKept(requester, rule, memo, page) || !holds(memo, memo + MEMO_FIRST)) return UNKNOWN;
  const step = stepOf(rule, memo);
  const at = entryAt(memo, step, page);
  const entry = load<u64>(at);
  const allowed = allowedBy(rule, step, memo, entry);
  if ((allowed & access) != access || allowed == 0) return UNKNOWN;

  renewLines(memo, memo + MEMO_FIRST, lines);
  const lost = takeLine(lines, linePlace(lines, at), at);
  const counters = alike(requester, memo);
  increment(counters + (C_ALIKE_COUNT << 3) + (lost << 3));
  const costPs = load<f64>(counters + (lost << 3), C_ALIKE_PS << 3);
  const size = load<i32>(step, STEP_SHIFT);
  result(targetOf(addressOf(rule, entry), size, page), size, allowed);
  useContext(home, requester);
  return ended(home, requester, counters, page, atPs, costPs);
}

/** The same for a guest's page behind host tables: two ways, and the leaves at their ends. */
function rememberedNested(requester: usize, page: u64, access: i32, atPs: f64): f64 {
  const home = load<usize>(requester, CTX_UNIT);
  if (!isUsual(home, requester, access)) return UNKNOWN;
  const lines = load<usize>(home, UNIT_LINE_CACHE);
  const guestRule = load<usize>(requester, CTX_FIRST_RULE);
  const guest = guestMemo(home, requester, guestRule, page);
  if (!isKeptGuest(requester, guestRule, guest, page) || !holds(guest, guest + MEMO_GUEST_FIRST)) return UNKNOWN;
  const guestStep = stepOf(guestRule, guest);
  const guestAt = entryAt(guest, guestStep, page);
  const guestEntry = load<u64>(guestAt);
  const guestAllows = allowedBy(guestRule, guestStep, guest, guestEntry);
  const guestSize = load<i32>(guestStep, STEP_SHIFT);
  const guestPage = targetOf(addressOf(guestRule, guestEntry), guestSize, page);

  const rule = load<usize>(requester, CTX_LAST_RULE);
  const memo = lastMemo(home, requester, rule, guestPage);
  if (!isKept(requester, rule, memo, guestPage) || !holds(memo, memo + MEMO_FIRST)) return UNKNOWN;
  const step = stepOf(rule, memo);
  const at = entryAt(memo, step, guestPage);
  const entry = load<u64>(at);
  const allowed = guestAllows & allowedBy(rule, step, memo, entry);
  if ((allowed & access) != access) return UNKNOWN;

  renewLines(guest, guest + MEMO_GUEST_FIRST, lines);
  const guestPlace = linePlace(lines, guestAt);
  if (isOnWay(memo, memo + MEMO_FIRST, guestPlace)) return UNKNOWN; // its line takes the place of one that the host's way needs
  const guestLost = takeLine(lines, guestPlace, guestAt);
  renewLines(memo, memo + MEMO_FIRST, lines);
  const lost = takeLine(lines, linePlace(lines, at), at);
  const counters = alikeNested(requester, memo, guest);
  increment(counters + (C_ALIKE_COUNT << 3) + ((lost + guestLost) << 3));
  // One sum after the other, as two stages add them: costs need not be whole picoseconds.
  const costPs = load<f64>(counters + (guestLost << 3), C_ALIKE_GUEST_PS << 3) + load<f64>(counters + (lost << 3), C_ALIKE_PS << 3);
  const size = load<i32>(step, STEP_SHIFT);
  const isWhole = (load<i32>(home, UNIT_FLAGS) & UNIT_FLAG_NO_FRACTURE) != 0 || size > guestSize;
  result(targetOf(addressOf(rule, entry), size, guestPage), isWhole ? guestSize : size, allowed);
  useContext(home, requester);
  return ended(home, requester, counters, page, atPs, costPs);
}

/** Whether the unit is of the plain kind, the requester may do that, and what it misses can be in no other place. */
// @ts-ignore: decorator
@inline
function isUsual(home: usize, requester: usize, access: i32): bool {
  if ((load<i32>(home, UNIT_FLAGS) & UNIT_FLAG_USUAL) == 0) return false;
  if ((load<i32>(requester, CTX_ALLOWED) & access) != access) return false;
  const cache = load<usize>(requester, CTX_CACHE);
  const held = i32x4.bitmask(i32x4.ne(v128.load(cache, CACHE_RESIDENT), i32x4.splat(0)));
  if ((held & ~(1 << load<i32>(requester, CTX_CLASS))) != 0) return false;
  const lines = load<usize>(home, UNIT_LINE_CACHE);
  return load<u32>(lines, CACHE_CLOCK) < RANK_BASE - CLOCK_STEPS;
}

// @ts-ignore: decorator
@inline
function lastMemo(home: usize, requester: usize, rule: usize, page: u64): usize {
  const start = load<u32>(requester, CTX_LAST_START);
  return memoAt(load<usize>(home, UNIT_MEMOS), start, placeOf(rule, page), load<u32>(home, UNIT_MEMO_MASK), MEMO_BYTES);
}

// @ts-ignore: decorator
@inline
function guestMemo(home: usize, requester: usize, rule: usize, page: u64): usize {
  const start = load<u32>(requester, CTX_FIRST_START);
  const mask = load<u32>(home, UNIT_GUEST_MEMO_MASK);
  return memoAt(load<usize>(home, UNIT_GUEST_MEMOS), start, placeOf(rule, page), mask, MEMO_GUEST_BYTES);
}

/** Whether a memo is that of the page's walk through its last stage, and its way is kept. */
// @ts-ignore: decorator
@inline
function isKept(requester: usize, rule: usize, memo: usize, page: u64): bool {
  const other = (load<u64>(memo, MEMO_ROOT) ^ load<u64>(requester, CTX_LAST_KEY)) | (load<u64>(memo, MEMO_PLACE) ^ placeOf(rule, page));
  return other == 0 && load<u32>(memo, MEMO_TABLE) != 0;
}

/** The same of a guest's stage. */
// @ts-ignore: decorator
@inline
function isKeptGuest(requester: usize, rule: usize, memo: usize, page: u64): bool {
  const key = load<u64>(requester, CTX_GUEST_ROOT) | <u64>(load<i32>(requester, CTX_GUEST_LEVELS) - 1);
  const host = load<u64>(requester, CTX_HOST_ROOT) | <u64>(load<i32>(requester, CTX_MODE) - 1);
  const other = (load<u64>(memo, MEMO_ROOT) ^ key) | (load<u64>(memo, MEMO_HOST) ^ host) | (load<u64>(memo, MEMO_PLACE) ^ placeOf(rule, page));
  return other == 0 && load<u32>(memo, MEMO_TABLE) != 0;
}

/** Step record of the level at which a way ends. */
// @ts-ignore: decorator
@inline
function stepOf(rule: usize, memo: usize): usize {
  return rule + RULE_STEPS + (<usize>load<u8>(memo, MEMO_LEVEL) << STEP_LOG2);
}

/** Where the entry after a way lies. */
// @ts-ignore: decorator
@inline
function entryAt(memo: usize, step: usize, page: u64): usize {
  const index = <u32>((page << 12) >> <u64>load<u32>(step, STEP_SHIFT)) & load<u32>(step, STEP_INDEX_MASK);
  return load<u32>(memo, MEMO_TABLE) + (index << 3);
}

/** What a leaf of just its level's size allows at the end of a way; nothing if the entry is no such leaf. */
// @ts-ignore: decorator
@inline
function allowedBy(rule: usize, step: usize, memo: usize, entry: u64): i32 {
  if ((entry & load<u64>(rule, RULE_PRESENT)) == 0) return 0;
  if ((entry & load<u64>(step, STEP_LEAF_MASK)) != load<u64>(step, STEP_LEAF_VALUE)) return 0;
  return accessOf(rule, load<u64>(memo, MEMO_PERMISSIONS) & (entry ^ load<u64>(rule, RULE_PERM_XOR)));
}

/** Takes a walker for what was read, and fills the IOTLB with the result. Returns the end. */
// @ts-ignore: decorator
@inline
function ended(home: usize, requester: usize, counters: usize, page: u64, atPs: f64, costPs: f64): f64 {
  const arrivedPs = atPs + load<f64>(home, UNIT_HIT_PS);
  const walker = freeWalker(home);
  const startPs = takeStart(home, later(arrivedPs, load<f64>(walker)));
  const donePs = startPs + load<f64>(home, UNIT_OVERHEAD_PS) + costPs;
  store<f64>(walker, donePs);
  addTo(counters + (C_WALK_PS << 3), donePs - startPs);
  addTo(counters + (C_WALK_WAIT_PS << 3), startPs - arrivedPs);
  fillUsual(home, requester, page, donePs);
  return donePs;
}

/** Fills the IOTLB, in LRU or FIFO order and all of it where the requester's last request hit, with the walk's result. */
// @ts-ignore: decorator
@inline
export function fillUsual(home: usize, requester: usize, page: u64, readyPs: f64): void {
  const cache = load<usize>(requester, CTX_CACHE);
  const key1 = load<u64>(requester, CTX_SPACE);
  let shift = <u64>load<u32>(requester, CTX_CLASS_SHIFT);
  let key0 = (page >> shift) | load<u64>(requester, CTX_CLASS_KEY);
  const isLike = outSizeLog2 - 12 == <i32>shift;
  if (!isLike) {
    const i = classAt(home, outSizeLog2);
    shift = <u64>(load<i32>(home + (i << 2), UNIT_CLASS_LOG2) - 12);
    key0 = (page >> shift) | (<u64>i << 60);
    const first = (indexOf(cache, key0, key1) & load<u32>(cache, CACHE_MASK)) * load<u32>(cache, CACHE_PAD);
    noteAbsent(first, tagWith(key0, load<u32>(requester, CTX_SPACE_TAG)));
  }
  const at = insertPlain(cache, key0, key1, absentTag, absentFirst, isLike);
  store<u64>(at, (outPage >> shift) << shift, SLOT_VALUE);
  store<u64>(at, <u64>outPermissions, SLOT_META);
  store<f64>(at, readyPs, SLOT_READY);
}
