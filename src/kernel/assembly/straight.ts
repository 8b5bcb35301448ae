// Walks where nothing but entries and the line cache matters: no walk cache to ask or fill, no trace, and a line cache that can be
// read without a call (UNIT_FLAG_STRAIGHT). What walk.ts would do entry by entry, at a fraction of its cost.

import {
  CTX_COUNTERS, C_READS, FAULT_GUEST_TABLE, FAULT_MEMORY, FAULT_NOT_PRESENT, MARK_BYTES, MARK_LOST, MARK_PERMISSIONS, MARK_READS,
  MARK_TABLE, RULE_ADDRESS, RULE_ADDRESS_HIGH, RULE_ADDRESS_SHIFT, RULE_PERM_XOR, RULE_PRESENT, RULE_STEPS,
  STEP_BITS, STEP_GO_MASK, STEP_GO_VALUE, STEP_INDEX_MASK, STEP_LEAF_MASK, STEP_LEAF_VALUE, STEP_LOG2, STEP_PERM_IGNORE, STEP_SHIFT,
  UNIT_GUEST_MEMOS, UNIT_GUEST_MEMO_MASK, UNIT_LINE_CACHE, UNIT_MARKS, UNIT_MEMOS, UNIT_MEMO_MASK, WINDOW_COUNT, WINDOW_LOG2,
  WINDOW_TABLE,
} from '../layout';
import {
  MEMO_BYTES, MEMO_COUNTS, MEMO_FIRST, MEMO_GUEST_BYTES, MEMO_GUEST_FIRST, MEMO_HOST, MEMO_LEVEL, MEMO_PERMISSIONS, MEMO_PLACE,
  MEMO_READS, MEMO_ROOT, MEMO_TABLE,
} from '../layout-memo';
import { noteLeaf } from './leaf';
import { goes, guestMemoStart, learn, learnGuest, memoAt, memoKey, memoStart, placeOf } from './memo';
import { bringLine, hitsLine, lineSet, renewOrBring, settle, windowed } from './read';
import { GUEST, HOST } from './stages';
import { addReads, ctx, fault, outPage, result, unit } from './state';
import { LEAF, accessOf, addressOf, after, finish, outOfRange, targetOf } from './word';

export const ALL_PERMISSIONS: u64 = ~(<u64>0);
/** An entry that is neither a plain pointer nor a plain leaf. */
const ODD: i32 = -1;

/** Reads of the walks since the last `settled`, and those of them that missed the line cache. */
let passed: i32 = 0;
let lost: i32 = 0;

/** Pays and counts what was read; returns `code`. */
// @ts-ignore: decorator
@inline
export function settled(code: i32): i32 {
  settle(load<usize>(unit, UNIT_LINE_CACHE), passed, lost);
  passed = 0;
  lost = 0;
  return code;
}

/** Where a descent met an odd entry. */
let oddLevel: i32 = 0;
let oddAt: usize = 0;
let oddEntry: u64 = 0;
let oddPermissions: u64 = 0;

/**
 * Reads entry after entry of one stage from the table `root` of a level on. 0 = it met a plain leaf and left its result; else ODD
 * or a FAULT_* code. A function of its own without calls: in wasm a call in the loop costs every register in it, which made a
 * read take twice the instructions (counted with callgrind, Node 20). The reserved-bit and level tests are one comparison
 * (STEP_GO_MASK) for the same reason.
 */
function descend(stage: i32, rule: usize, level: i32, root: u64, granted: u64, page: u64): i32 {
  return steps(false, stage, rule, level, root, granted, page);
}

/** The same, with a mark of each pointer that it follows. */
function descendMarking(stage: i32, rule: usize, level: i32, root: u64, granted: u64, page: u64): i32 {
  return steps(true, stage, rule, level, root, granted, page);
}

// @ts-ignore: decorator
@inline
function steps(marks: bool, stage: i32, rule: usize, level: i32, root: u64, granted: u64, page: u64): i32 {
  const lines = load<usize>(unit, UNIT_LINE_CACHE);
  const counters = ctx + CTX_COUNTERS + (<usize>(C_READS + (stage << 3)) << 3);
  let counter = counters + (<usize>level << 3);
  let step = rule + RULE_STEPS + (level << STEP_LOG2);
  // Most formats hold addresses as they are: one test that is always right, instead of shifts that need their own register.
  const isSimple = load<u64>(rule, RULE_ADDRESS_HIGH) == 0 && load<i32>(rule, RULE_ADDRESS_SHIFT) == 0;
  let table = root;
  let permissions = granted;
  let code = FAULT_MEMORY;
  while (true) {
    const index = <u32>((page << 12) >> <u64>load<u32>(step, STEP_SHIFT)) & load<u32>(step, STEP_INDEX_MASK);
    const address = table + (<u64>index << 3);
    store<f64>(counter, load<f64>(counter) + 1);
    // As `windowed`, but with ways out of the loop, which take less than a result that has to be looked at.
    const window = address >> WINDOW_LOG2;
    if (window >= <u64>WINDOW_COUNT) break;
    const backed = WINDOW_TABLE + ((<usize>window) << 3);
    const offset = <u32>address & ((1 << WINDOW_LOG2) - 1);
    if (offset >= load<u32>(backed, 4)) break;
    const at: usize = load<u32>(backed) + offset;
    if (lines != 0) {
      const set = lineSet(lines, at);
      if (!hitsLine(lines, set, at)) {
        bringLine(lines, set, at);
        lost++;
      }
    }
    const entry = load<u64>(at);
    if ((entry & load<u64>(rule, RULE_PRESENT)) == 0) {
      code = FAULT_NOT_PRESENT;
      break;
    }
    const allowed = entry ^ load<u64>(rule, RULE_PERM_XOR);
    if ((entry & load<u64>(step, STEP_GO_MASK)) != load<u64>(step, STEP_GO_VALUE)) {
      if ((entry & load<u64>(step, STEP_LEAF_MASK)) != load<u64>(step, STEP_LEAF_VALUE)) {
        oddAt = at;
        oddEntry = entry;
        oddPermissions = permissions;
        code = ODD;
        break;
      }
      noteLeaf(stage, <i32>(counter - counters) >> 3, at, permissions);
      code = plainLeaf(rule, step, entry, permissions & allowed, page);
      break;
    }
    permissions &= allowed | load<u64>(step, STEP_PERM_IGNORE);
    table = isSimple ? entry & load<u64>(rule, RULE_ADDRESS) : addressOf(rule, entry);
    if (marks) {
      const at = <i32>(counter - counters) >> 3;
      mark(at, table, permissions, passed + level - at + 1);
    }
    step -= 1 << STEP_LOG2;
    counter -= 8;
  }
  const last = <i32>(counter - counters) >> 3;
  oddLevel = last;
  passed += level - last + 1;
  return code;
}

/** Leaves the result of a leaf of just its level's size. */
// @ts-ignore: decorator
@inline
export function plainLeaf(rule: usize, step: usize, entry: u64, permissions: u64, page: u64): i32 {
  const size = load<i32>(step, STEP_SHIFT);
  return result(targetOf(addressOf(rule, entry), size, page), size, accessOf(rule, permissions));
}

/** What a descent leaves to be done: the rest of the walk after an odd entry, or its fault. */
function goOn(code: i32, stage: i32, rule: usize, page: u64): i32 {
  return rest(false, code, stage, rule, page);
}

/** The same, with marks. */
function goOnMarking(code: i32, stage: i32, rule: usize, page: u64): i32 {
  return rest(true, code, stage, rule, page);
}

// @ts-ignore: decorator
@inline
function rest(marks: bool, met: i32, stage: i32, rule: usize, page: u64): i32 {
  let code = met;
  while (code == ODD) {
    const level = oddLevel;
    const entry = oddEntry;
    const next = after(rule, level, entry, page);
    const allowed = entry ^ load<u64>(rule, RULE_PERM_XOR);
    if (next == LEAF) {
      noteLeaf(stage, level, oddAt, oddPermissions);
      return finish(rule, level, entry, page, oddPermissions & allowed);
    }
    if (next < 0) return fault(-next);
    const step = rule + RULE_STEPS + (level << STEP_LOG2);
    const permissions = oddPermissions & (allowed | load<u64>(step, STEP_PERM_IGNORE));
    const table = addressOf(rule, entry);
    // It counts as one of the level it names: that is where the next walk looks for it.
    if (marks) mark(next, table, permissions, passed);
    code = marks
      ? descendMarking(stage, rule, next - 1, table, permissions, page)
      : descend(stage, rule, next - 1, table, permissions, page);
  }
  if (code == FAULT_MEMORY) unpaid();
  return code == 0 ? 0 : fault(code);
}

// @ts-ignore: decorator
@inline
function mark(level: i32, table: u64, permissions: u64, reads: i32): void {
  const at = unit + UNIT_MARKS + <usize>level * MARK_BYTES;
  store<u64>(at, table, MARK_TABLE);
  store<u64>(at, permissions, MARK_PERMISSIONS);
  store<i32>(at, reads, MARK_READS);
  store<i32>(at, lost, MARK_LOST);
  marked |= 1 << level;
}

/** The last read was of no memory: it counts, but costs nothing. */
function unpaid(): void {
  passed--;
  addReads(0, 1);
}

// @ts-ignore: decorator
@inline
function isInRange(rule: usize, top: i32, page: u64): bool {
  return page >> <u64>load<u32>(rule + RULE_STEPS + (top << STEP_LOG2), STEP_BITS) == 0;
}

/** FAULT_* if no table of this top level can translate the page. */
// @ts-ignore: decorator
@inline
export function rangeFault(rule: usize, top: i32, page: u64): i32 {
  return isInRange(rule, top, page) ? 0 : outOfRange(rule, top, page);
}

/** The rest of a stage's walk from a table of `level`, for pages in its range. Leaves the result and returns 0, or FAULT_*. */
// @ts-ignore: decorator
@inline
export function straight(stage: i32, rule: usize, level: i32, root: u64, permissions: u64, page: u64): i32 {
  const code = descend(stage, rule, level, root, permissions, page);
  return settled(code == 0 ? 0 : goOn(code, stage, rule, page));
}

/** Levels (bit n = level n) of which the last `straightMarking` left a mark, which says how many of its reads came before. */
export let marked: u32 = 0;

/** The same, which marks the pointers on its way (UNIT_MARKS). */
// @ts-ignore: decorator
@inline
export function straightMarking(stage: i32, rule: usize, level: i32, root: u64, permissions: u64, page: u64): i32 {
  marked = 0;
  const code = descendMarking(stage, rule, level, root, permissions, page);
  return settled(code == 0 ? 0 : goOnMarking(code, stage, rule, page));
}

/** What `lastRead` of a remembered way leaves to be done, with marks of what it passes from there on. */
export function straightAfter(code: i32, stage: i32, rule: usize, page: u64): i32 {
  marked = 0;
  return settled(code == 0 ? 0 : goOnMarking(code, stage, rule, page));
}

/** A whole stage. */
// @ts-ignore: decorator
@inline
export function straightStage(stage: i32, rule: usize, top: i32, root: u64, page: u64): i32 {
  return settled(unsettledStage(stage, rule, top, root, page));
}

/** The same, by the memo of its way where there is one; `settled` is left to the caller. */
function unsettledStage(stage: i32, rule: usize, top: i32, root: u64, page: u64): i32 {
  const range = rangeFault(rule, top, page);
  if (range != 0) return fault(range);
  const memos = load<usize>(unit, UNIT_MEMOS);
  if (memos == 0) {
    const code = descend(stage, rule, top, root, ALL_PERMISSIONS, page);
    return code == 0 ? 0 : goOn(code, stage, rule, page);
  }
  const key = memoKey(root, top, stage);
  const place = placeOf(rule, page);
  const memo = memoAt(memos, memoStart(root), place, load<u32>(unit, UNIT_MEMO_MASK), MEMO_BYTES);
  if (((load<u64>(memo, MEMO_ROOT) ^ key) | (load<u64>(memo, MEMO_PLACE) ^ place)) == 0) {
    if (goes(memo, memo + MEMO_FIRST, load<usize>(unit, UNIT_LINE_CACHE))) {
      const code = lastRead(stage, rule, top, memo, page);
      return code == 0 ? 0 : goOn(code, stage, rule, page);
    }
  }
  return learningStage(stage, rule, top, root, page, memo, key, place);
}

/**
 * A whole stage entry by entry; its way goes into the memo if that has it from the walk before. A function of its own, as calls cost
 * registers.
 */
function learningStage(stage: i32, rule: usize, top: i32, root: u64, page: u64, memo: usize, key: u64, place: u64): i32 {
  const code = descend(stage, rule, top, root, ALL_PERMISSIONS, page);
  const done = code == 0 ? 0 : goOn(code, stage, rule, page);
  noteWay(rule, top, root, page, memo, key, place);
  return done;
}

/** A stage has been gone entry by entry: notes which, or learns its way, if it can, when it was the one before too. True if it tried. */
// @ts-ignore: decorator
@inline
export function noteWay(rule: usize, top: i32, root: u64, page: u64, memo: usize, key: u64, place: u64): bool {
  const isKnown = load<u64>(memo, MEMO_ROOT) == key && load<u64>(memo, MEMO_PLACE) == place;
  const isGone = isKnown && load<u32>(memo, MEMO_TABLE) == 0;
  store<u64>(memo, key, MEMO_ROOT);
  store<u64>(memo, place, MEMO_PLACE);
  store<u32>(memo, 0, MEMO_TABLE);
  if (isGone) learn(memo, rule, top, root, page);
  return isGone;
}

/** The read at the end of a remembered way, and the counts of all of it. Returns as `descend`. */
// @ts-ignore: decorator
@inline
export function lastRead(stage: i32, rule: usize, top: i32, memo: usize, page: u64): i32 {
  const level = <i32>load<u8>(memo, MEMO_LEVEL);
  const counters = ctx + CTX_COUNTERS + (<usize>(C_READS + (stage << 3)) << 3);
  const last = counters + (<usize>level << 3);
  for (let at = counters + (<usize>top << 3); at >= last; at -= 8) store<f64>(at, load<f64>(at) + 1);
  passed += top - level + 1;
  const step = rule + RULE_STEPS + (level << STEP_LOG2);
  const index = <u32>((page << 12) >> <u64>load<u32>(step, STEP_SHIFT)) & load<u32>(step, STEP_INDEX_MASK);
  const at: usize = load<u32>(memo, MEMO_TABLE) + (index << 3);
  readStraight(at);
  const entry = load<u64>(at);
  if ((entry & load<u64>(rule, RULE_PRESENT)) == 0) return FAULT_NOT_PRESENT;
  const above = load<u64>(memo, MEMO_PERMISSIONS);
  if ((entry & load<u64>(step, STEP_LEAF_MASK)) != load<u64>(step, STEP_LEAF_VALUE)) {
    oddLevel = level;
    oddAt = at;
    oddEntry = entry;
    oddPermissions = above;
    return ODD;
  }
  noteLeaf(stage, level, at, above);
  return plainLeaf(rule, step, entry, above & (entry ^ load<u64>(rule, RULE_PERM_XOR)), page);
}

/** One read through the line cache, counted where it missed. */
// @ts-ignore: decorator
@inline
function readStraight(at: usize): void {
  const lines = load<usize>(unit, UNIT_LINE_CACHE);
  if (lines != 0) lost += renewOrBring(lines, at);
}

/**
 * A guest's page through its own stage, each table's address through the host stage: as `walk` where the unit has neither walk
 * caches nor a nested TLB (UNIT_FLAG_BARE).
 */
export function straightGuest(rule: usize, top: i32, root: u64, page: u64, hostRule: usize, hostTop: i32, hostRoot: u64): i32 {
  const range = rangeFault(rule, top, page);
  if (range != 0) return fault(range);
  const memos = load<usize>(unit, UNIT_GUEST_MEMOS);
  if (memos == 0) return settled(guestSteps(rule, top, root, ALL_PERMISSIONS, 0, page, hostRule, hostTop, hostRoot));
  const key = root | <u64>top;
  const host = hostRoot | <u64>hostTop;
  const place = placeOf(rule, page);
  const memo = memoAt(memos, guestMemoStart(root, hostRoot), place, load<u32>(unit, UNIT_GUEST_MEMO_MASK), MEMO_GUEST_BYTES);
  const isKnown =
    load<u64>(memo, MEMO_ROOT) == key && load<u64>(memo, MEMO_PLACE) == place && load<u64>(memo, MEMO_HOST) == host;
  if (isKnown && goes(memo, memo + MEMO_GUEST_FIRST, load<usize>(unit, UNIT_LINE_CACHE))) {
    const level = countGuestWay(memo, top, hostTop);
    const permissions = load<u64>(memo, MEMO_PERMISSIONS);
    return settled(guestSteps(rule, level, 0, permissions, load<u32>(memo, MEMO_TABLE), page, hostRule, hostTop, hostRoot));
  }
  const isGone = isKnown && load<u32>(memo, MEMO_TABLE) == 0;
  store<u64>(memo, key, MEMO_ROOT);
  store<u64>(memo, place, MEMO_PLACE);
  store<u64>(memo, host, MEMO_HOST);
  store<u32>(memo, 0, MEMO_TABLE);
  const code = guestSteps(rule, top, root, ALL_PERMISSIONS, 0, page, hostRule, hostTop, hostRoot);
  if (isGone && code == 0) learnGuest(memo, rule, top, root, page, hostRule, hostTop, hostRoot);
  return settled(code);
}

/** Counts the reads of a remembered way; returns the level at which it ends. */
// @ts-ignore: decorator
@inline
function countGuestWay(memo: usize, top: i32, hostTop: i32): i32 {
  const level = <i32>load<u8>(memo, MEMO_LEVEL);
  passed += <i32>load<u8>(memo, MEMO_READS);
  const guest = ctx + CTX_COUNTERS + (C_READS << 3);
  const last = guest + (<usize>level << 3);
  for (let at = guest + (<usize>top << 3); at > last; at -= 8) store<f64>(at, load<f64>(at) + 1);
  for (let host = hostTop; host >= 0; host--) {
    const at = guest + (<usize>(host + 8) << 3);
    store<f64>(at, load<f64>(at) + <f64>load<u8>(memo + host, MEMO_COUNTS));
  }
  return level;
}

/** The steps of a guest's walk from a table on: its address in the guest, or where the first one is in memory (`known`; 0). */
// @ts-ignore: decorator
@inline
function guestSteps(
  rule: usize, top: i32, root: u64, granted: u64, known: usize, page: u64, hostRule: usize, hostTop: i32, hostRoot: u64,
): i32 {
  let level = top;
  let table = root;
  let permissions = granted;
  let frame = known;
  while (true) {
    const step = rule + RULE_STEPS + (level << STEP_LOG2);
    const index = <u32>((page << 12) >> <u64>load<u32>(step, STEP_SHIFT)) & load<u32>(step, STEP_INDEX_MASK);
    let at: usize = frame + (index << 3);
    if (frame == 0) {
      if (unsettledStage(HOST, hostRule, hostTop, hostRoot, table >> 12) != 0) return fault(FAULT_GUEST_TABLE);
      at = windowed(((outPage << 12) | (table & 0xfff)) + (<u64>index << 3));
    }
    const counter = ctx + CTX_COUNTERS + (<usize>(C_READS + level) << 3);
    store<f64>(counter, load<f64>(counter) + 1);
    passed++;
    if (at == 0) {
      unpaid();
      return fault(FAULT_MEMORY);
    }
    readStraight(at);
    const entry = load<u64>(at);
    if ((entry & load<u64>(rule, RULE_PRESENT)) == 0) return fault(FAULT_NOT_PRESENT);
    const allowed = entry ^ load<u64>(rule, RULE_PERM_XOR);
    if ((entry & load<u64>(step, STEP_GO_MASK)) != load<u64>(step, STEP_GO_VALUE)) {
      if ((entry & load<u64>(step, STEP_LEAF_MASK)) == load<u64>(step, STEP_LEAF_VALUE)) {
        noteLeaf(GUEST, level, at, permissions);
        return plainLeaf(rule, step, entry, permissions & allowed, page);
      }
      const next = after(rule, level, entry, page);
      if (next == LEAF) {
        noteLeaf(GUEST, level, at, permissions);
        return finish(rule, level, entry, page, permissions & allowed);
      }
      if (next < 0) return fault(-next);
      level = next;
    }
    permissions &= allowed | load<u64>(step, STEP_PERM_IGNORE);
    table = addressOf(rule, entry);
    level--;
    frame = 0;
  }
}
