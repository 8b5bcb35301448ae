// Walks behind plain walk caches and a plain nested TLB (UNIT_FLAG_CACHED), without a trace: what walk.ts would do look-up by look-up
// and entry by entry, at a third of its cost. Each look-up and fill of a cache is written out (plain.ts), the rest of a stage is read
// straight on (straight.ts), and its pointers are put into the walk caches when it has ended.

import {
  CACHE_RESIDENT, CACHE_SLOTS, CTX_COUNTERS, C_LINE_HITS, C_LINE_MISSES, C_NTLB_HITS, C_NTLB_LOOKUPS, C_PWC_HITS, C_PWC_LOOKUPS, C_READS, FAULT_GUEST_TABLE,
  FAULT_MEMORY, FAULT_NOT_PRESENT, MARK_BYTES, MARK_LOST, MARK_PERMISSIONS, MARK_READS, MARK_TABLE, RULE_PERM_XOR,
  RULE_PRESENT, RULE_STEPS, SLOT_BYTES, SLOT_META, SLOT_READY, SLOT_VALUE, STEP_GO_MASK, STEP_GO_VALUE, STEP_INDEX_MASK, STEP_LEAF_MASK, STEP_LEAF_VALUE, STEP_LOG2,
  STEP_PERM_IGNORE, STEP_SHIFT, UNIT_CLASS_LOG2, UNIT_LINE_CACHE, UNIT_LINE_PS, UNIT_MARKS, UNIT_MEMORY_PS,
  UNIT_MEMOS, UNIT_MEMO_MASK, UNIT_NESTED_TLB, UNIT_PWC, UNIT_PWC_MASK,
} from '../layout';
import {
  MEMO_CACHED_BYTES, MEMO_ENTRIES, MEMO_FIRST, MEMO_LEVEL, MEMO_PLACE, MEMO_POINTERS, MEMO_POINTER_LOG2, MEMO_ROOT, MEMO_TABLE, STOP_LOG2,
  STOP_VALUE,
} from '../layout-memo';
import { spaceTag, tagWith, watchClock } from './cache';
import { noteLeaf } from './leaf';
import { goes, memoAt, memoStart, placeOf } from './memo';
import { enterPlain, findPlain, usePlain } from './plain';
import { bringLine, hitsLine, lineSet, windowed } from './read';
import { GUEST, HOST, classOf, hostLevels, hostRoot, hostRule, hostSpace } from './stages';
import { addTo, addReads, costPs, ctx, fault, nowPs, outPage, outPermissions, outSizeLog2, result, unit } from './state';
import { ALL_PERMISSIONS, lastRead, marked, noteWay, plainLeaf, rangeFault, settled, straight, straightAfter, straightMarking } from './straight';
import { LEAF, addressOf, after, finish } from './word';

/** Where the walk goes on after the deepest walk-cache hit. */
let startLevel: i32 = 0;
let startTable: u64 = 0;
let startPermissions: u64 = 0;

/** The key of a page's entry of a level. */
// @ts-ignore: decorator
@inline
function keyOf(rule: usize, level: usize, page: u64): u64 {
  return (page << 12) >> <u64>load<u32>(rule + (level << STEP_LOG2), RULE_STEPS + STEP_SHIFT);
}

/**
 * Asks the walk caches of a stage, deepest level first; sets start* if one has a pointer. Returns the levels whose caches are still
 * to be filled: those from there on that hold nothing for the page, not even what another walk is still fetching.
 */
// @ts-ignore: decorator
@inline
function ask(stage: i32, rule: usize, levels: u32, page: u64, space: u64): u32 {
  let caches = unit + (<usize>stage << 5);
  let counters = ctx + CTX_COUNTERS + (<usize>stage << 6);
  let step = rule + RULE_STEPS;
  const address = page << 12;
  const now = nowPs + costPs;
  const ofSpace = spaceTag(space);
  let absent: u32 = 0;
  // Pointers go from level to level with the bit: what is worked out from the level's number costs twice the instructions.
  for (let bit: u32 = 2; bit <= levels; bit <<= 1) {
    caches += 4;
    counters += 8;
    step += 1 << STEP_LOG2;
    if ((levels & bit) == 0) continue;
    const cache = load<usize>(caches, UNIT_PWC);
    store<f64>(counters, load<f64>(counters, C_PWC_LOOKUPS << 3) + 1, C_PWC_LOOKUPS << 3);
    absent |= bit;
    if (load<i32>(cache, CACHE_RESIDENT) == 0) continue;
    const key0 = address >> <u64>load<u32>(step, STEP_SHIFT);
    const slot = findPlain(cache, key0, space, tagWith(key0, ofSpace));
    if (slot < 0) continue;
    absent ^= bit;
    const at = load<usize>(cache, CACHE_SLOTS) + <u32>slot * SLOT_BYTES;
    if (load<f64>(at, SLOT_READY) > now) continue;
    store<f64>(counters, load<f64>(counters, C_PWC_HITS << 3) + 1, C_PWC_HITS << 3);
    startTable = load<u64>(at, SLOT_VALUE);
    startPermissions = load<u64>(at, SLOT_META);
    startLevel = <i32>ctz(bit) - 1;
    usePlain(cache, <u32>slot);
    return absent;
  }
  startLevel = -1;
  return absent;
}

/** One stage, as `walk` in walk.ts. */
export function cachedStage(stage: i32, rule: usize, top: i32, root: u64, page: u64, space: u64): i32 {
  const range = rangeFault(rule, top, page);
  if (range != 0) return fault(range);
  const levels = load<u32>(unit + (stage << 2), UNIT_PWC_MASK) & ((2 << top) - 1);
  if (levels == 0) return straight(stage, rule, top, root, ALL_PERMISSIONS, page);
  const absent = ask(stage, rule, levels, page, space);
  if (startLevel < 0) {
    const memos = load<usize>(unit, UNIT_MEMOS);
    if (memos == 0) return wholeStage(stage, rule, top, root, page, space, absent, 0);
    const memo = memoAt(memos, memoStart(root), placeOf(rule, page), load<u32>(unit, UNIT_MEMO_MASK), MEMO_CACHED_BYTES);
    return rememberedStage(stage, rule, top, root, page, space, absent, memo);
  }
  const level = startLevel;
  const table = startTable;
  const permissions = startPermissions;
  if (absent == 0) {
    if (level == 0 && leaf(stage, rule, table, permissions, page)) return 0;
    return straight(stage, rule, level, table, permissions, page);
  }
  const before = nowPs + costPs;
  const code = straightMarking(stage, rule, level, table, permissions, page);
  fillMarked(stage, rule, absent & marked, page, space, before);
  return code;
}

/**
 * A whole stage, by the memo of its way if that is there. `absent`: as `ask` says. Every call ends it, and it is not part of its caller:
 * otherwise what it works with would be in memory, and the memo's address be worked out anew in each branch.
 */
function rememberedStage(stage: i32, rule: usize, top: i32, root: u64, page: u64, space: u64, absent: u32, memo: usize): i32 {
  const key = root | <u64>(top << 1 | stage);
  if (((load<u64>(memo, MEMO_ROOT) ^ key) | (load<u64>(memo, MEMO_PLACE) ^ placeOf(rule, page))) != 0) {
    return wholeStage(stage, rule, top, root, page, space, absent, memo);
  }
  const level = <i32>load<u8>(memo, MEMO_LEVEL);
  // An entry that comes twice on a way is kept once, and no pointers of that way.
  const isWhole = <i32>load<u8>(memo, MEMO_ENTRIES) == top - level;
  if (!isWhole || !goes(memo, memo + MEMO_FIRST, load<usize>(unit, UNIT_LINE_CACHE))) {
    return wholeStage(stage, rule, top, root, page, space, absent, memo);
  }
  const caches = unit + (<usize>stage << 5);
  const clocks = fillRemembered(absent & (-2 << level), caches, rule, memo, page << 12, space, top + 1, nowPs + costPs, linesPs());
  const code = lastRead(stage, rule, top, memo, page);
  if (((clocks & CLOCKS_WATCHED) | code) != 0) return rememberedEnd(code, stage, rule, page, space, absent);
  return settled(0);
}

/** What is seldom left to be done of a remembered stage: its end, from an odd entry on, and clocks to watch. */
function rememberedEnd(met: i32, stage: i32, rule: usize, page: u64, space: u64, absent: u32): i32 {
  watchClocks(stage, absent);
  const before = nowPs + costPs;
  const code = straightAfter(met, stage, rule, page);
  fillMarked(stage, rule, absent & marked, page, space, before);
  return code;
}

/** A whole stage entry by entry; its way goes into a memo, if there is one, when it was the one before too. */
function wholeStage(stage: i32, rule: usize, top: i32, root: u64, page: u64, space: u64, absent: u32, memo: usize): i32 {
  const before = nowPs + costPs;
  const code = straightMarking(stage, rule, top, root, ALL_PERMISSIONS, page);
  fillMarked(stage, rule, absent & marked, page, space, before);
  if (memo != 0 && noteWay(rule, top, root, page, memo, root | <u64>(top << 1 | stage), placeOf(rule, page))) {
    keepPointers(memo, rule, top);
  }
  return code;
}

/** Notes what the entries on a way that has been learned leave in walk caches. */
function keepPointers(memo: usize, rule: usize, top: i32): void {
  const pointers = load<u32>(memo, MEMO_TABLE) != 0 ? <i32>load<u8>(memo, MEMO_ENTRIES) : 0;
  let permissions = ALL_PERMISSIONS;
  for (let i = 0; i < pointers; i++) {
    const entry = load<u64>(memo + (<usize>i << STOP_LOG2), MEMO_FIRST + STOP_VALUE);
    const step = rule + RULE_STEPS + (<usize>(top - i) << STEP_LOG2);
    permissions &= (entry ^ load<u64>(rule, RULE_PERM_XOR)) | load<u64>(step, STEP_PERM_IGNORE);
    const pointer = memo + (<usize>(top - i) << MEMO_POINTER_LOG2);
    store<u64>(pointer, addressOf(rule, entry), MEMO_POINTERS);
    store<u64>(pointer, permissions, MEMO_POINTERS + 8);
  }
}

/**
 * Reads a plain leaf from a last-level table, and leaves the result: all that half of the host's walks have left to do behind their walk
 * caches. False: there is another kind of entry, and nothing is done.
 */
// @ts-ignore: decorator
@inline
function leaf(stage: i32, rule: usize, table: u64, permissions: u64, page: u64): bool {
  const step = rule + RULE_STEPS;
  const index = <u32>((page << 12) >> <u64>load<u32>(step, STEP_SHIFT)) & load<u32>(step, STEP_INDEX_MASK);
  const at = windowed(table + (<u64>index << 3));
  if (at == 0) return false;
  const entry = load<u64>(at);
  if ((entry & load<u64>(rule, RULE_PRESENT)) == 0) return false;
  if ((entry & load<u64>(step, STEP_LEAF_MASK)) != load<u64>(step, STEP_LEAF_VALUE)) return false;
  addTo(ctx + CTX_COUNTERS + (<usize>(C_READS + (stage << 3)) << 3), 1);
  const lines = load<usize>(unit, UNIT_LINE_CACHE);
  readOne(lines, at);
  noteLeaf(stage, 0, at, permissions);
  plainLeaf(rule, step, entry, permissions & (entry ^ load<u64>(rule, RULE_PERM_XOR)), page);
  if (lines != 0) watchClock(lines);
  return true;
}

/** What a stage's walk, begun at a time, has passed, into the walk caches of some levels: from the time on at which it was read. */
// @ts-ignore: decorator
@inline
function fillMarked(stage: i32, rule: usize, levels: u32, page: u64, space: u64, fromPs: f64): void {
  const memoryPs = load<f64>(unit, UNIT_MEMORY_PS);
  const linePs = linesPs();
  const ofSpace = spaceTag(space);
  const caches = unit + (stage << 5);
  for (let rest = levels; rest != 0; rest &= rest - 1) {
    const level = <usize>ctz(rest);
    const mark = unit + UNIT_MARKS + level * MARK_BYTES;
    const lost = load<i32>(mark, MARK_LOST);
    const readyPs = fromPs + (<f64>(load<i32>(mark, MARK_READS) - lost) * linePs + <f64>lost * memoryPs);
    const cache = load<usize>(caches + (level << 2), UNIT_PWC);
    const key0 = keyOf(rule, level, page);
    const tag = tagWith(key0, ofSpace);
    enterPlain(true, cache, key0, space, tag, load<u64>(mark, MARK_TABLE), load<u64>(mark, MARK_PERMISSIONS), readyPs);
  }
  watchClocks(stage, levels);
}

/**
 * The same for the pointers on a remembered way, whose entries are all in the line cache. Returns the clocks of those caches, or-ed. A
 * function of its own without calls, so that all its loop works with is in registers, and its sums are not made anew in each round.
 */
function fillRemembered(
  levels: u32, caches: usize, rule: usize, memo: usize, address: u64, space: u64, above: i32, fromPs: f64, linePs: f64,
): u32 {
  const ofSpace = spaceTag(space);
  let clocks: u32 = 0;
  for (let rest = levels; rest != 0; rest &= rest - 1) {
    const level = <usize>ctz(rest);
    const cache = load<usize>(caches + (level << 2), UNIT_PWC);
    const key0 = address >> <u64>load<u32>(rule + (level << STEP_LOG2), RULE_STEPS + STEP_SHIFT);
    const tag = tagWith(key0, ofSpace);
    const pointer = memo + (level << MEMO_POINTER_LOG2);
    const readyPs = fromPs + <f64>(above - <i32>level) * linePs;
    const permissions = load<u64>(pointer, MEMO_POINTERS + 8);
    clocks |= enterPlain(true, cache, key0, space, tag, load<u64>(pointer, MEMO_POINTERS), permissions, readyPs);
  }
  return clocks;
}

/** What a read costs that the line cache has, or any if there is none. */
// @ts-ignore: decorator
@inline
function linesPs(): f64 {
  return load<usize>(unit, UNIT_LINE_CACHE) != 0 ? load<f64>(unit, UNIT_LINE_PS) : load<f64>(unit, UNIT_MEMORY_PS);
}

/** The bit of a clock that is set long before `watchClock` has something to do. */
const CLOCKS_WATCHED: u32 = 0x80000000;

/** Watches the clocks of walk caches that were filled. After the loops that fill: a call in them costs every register. */
// @ts-ignore: decorator
@inline
function watchClocks(stage: i32, levels: u32): void {
  const caches = unit + (stage << 5);
  for (let rest = levels; rest != 0; rest &= rest - 1) watchClock(load<usize>(caches + (<usize>ctz(rest) << 2), UNIT_PWC));
}

/** One page of the guest's through nested TLB and host stage, as `throughHost` in walk.ts. */
export function cachedHost(page: u64): i32 {
  const cache = load<usize>(unit, UNIT_NESTED_TLB);
  if (cache == 0) return cachedStage(HOST, hostRule, hostLevels - 1, hostRoot, page, hostSpace);
  const counters = ctx + CTX_COUNTERS;
  addTo(counters + (C_NTLB_LOOKUPS << 3), 1);
  const ofSpace = spaceTag(hostSpace);
  const now = nowPs + costPs;
  let pending = false;
  const held = i32x4.bitmask(i32x4.ne(v128.load(cache, CACHE_RESIDENT), i32x4.splat(0)));
  for (let rest = held; rest != 0; rest &= rest - 1) {
    const i = ctz(rest);
    const size = load<i32>(unit + (i << 2), UNIT_CLASS_LOG2);
    const key0 = (page >> <u64>(size - 12)) | (<u64>i << 60);
    const slot = findPlain(cache, key0, hostSpace, tagWith(key0, ofSpace));
    if (slot < 0) continue;
    const at = load<usize>(cache, CACHE_SLOTS) + <u32>slot * SLOT_BYTES;
    if (load<f64>(at, SLOT_READY) > now) {
      pending = true;
      continue;
    }
    usePlain(cache, <u32>slot);
    addTo(counters + (C_NTLB_HITS << 3), 1);
    const inside = (<u64>1 << <u64>(size - 12)) - 1;
    return result(load<u64>(at, SLOT_VALUE) | (page & inside), size, <i32>load<u64>(at, SLOT_META) & 3);
  }
  const code = cachedStage(HOST, hostRule, hostLevels - 1, hostRoot, page, hostSpace);
  if (code == 0 && !pending) fillNested(cache, page);
  return code;
}

/** What a page of the guest's was translated to, usable from now on. */
// @ts-ignore: decorator
@inline
function fillNested(cache: usize, page: u64): void {
  const i = classOf(outSizeLog2);
  const size = <u64>load<i32>(unit + (i << 2), UNIT_CLASS_LOG2) - 12;
  const key0 = (page >> size) | (<u64>i << 60);
  const tag = tagWith(key0, spaceTag(hostSpace));
  enterPlain(false, cache, key0, hostSpace, tag, (outPage >> size) << size, <u64>outPermissions, nowPs + costPs);
  watchClock(cache);
}

/** The guest's stage of a page, each table's address through the host stage, as `walk` in walk.ts. */
export function cachedGuest(rule: usize, top: i32, root: u64, page: u64, space: u64): i32 {
  const range = rangeFault(rule, top, page);
  if (range != 0) return fault(range);
  const lines = load<usize>(unit, UNIT_LINE_CACHE);
  if (lines != 0) watchClock(lines);
  const levels = load<u32>(unit, UNIT_PWC_MASK) & ((2 << top) - 1);
  startLevel = -1;
  const absent = levels != 0 ? askGuest(rule, levels, page, space) : 0;
  let level = top;
  let table = root;
  let permissions = ALL_PERMISSIONS;
  // A cached pointer of a guest's table has already gone through the host stage.
  let through = startLevel < 0;
  if (!through) {
    level = startLevel;
    table = startTable;
    permissions = startPermissions;
  }
  let filled = 0; // level of the entry just read whose pointer is `table`, not yet in a walk cache
  while (true) {
    if (through) {
      if (cachedHost(table >> 12) != 0) return fault(FAULT_GUEST_TABLE);
      table = (outPage << 12) | (table & 0xfff);
    }
    through = true;
    if ((absent & (1 << filled)) != 0) fillGuest(rule, filled, page, space, table, permissions);
    const step = rule + RULE_STEPS + (level << STEP_LOG2);
    const index = <u32>((page << 12) >> <u64>load<u32>(step, STEP_SHIFT)) & load<u32>(step, STEP_INDEX_MASK);
    const at = windowed(table + (<u64>index << 3));
    addTo(ctx + CTX_COUNTERS + (<usize>(C_READS + level) << 3), 1);
    if (at == 0) {
      addReads(0, 1);
      return fault(FAULT_MEMORY);
    }
    readOne(lines, at);
    const entry = load<u64>(at);
    if ((entry & load<u64>(rule, RULE_PRESENT)) == 0) return fault(FAULT_NOT_PRESENT);
    const allowed = entry ^ load<u64>(rule, RULE_PERM_XOR);
    if ((entry & load<u64>(step, STEP_GO_MASK)) != load<u64>(step, STEP_GO_VALUE)) {
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
    filled = level;
    level--;
  }
}

/** A function of its own: calls surround it. */
function askGuest(rule: usize, levels: u32, page: u64, space: u64): u32 {
  return ask(GUEST, rule, levels, page, space);
}

/** A pointer of the guest's, through the host stage, into its level's walk cache. */
function fillGuest(rule: usize, level: i32, page: u64, space: u64, table: u64, permissions: u64): void {
  const cache = load<usize>(unit + (level << 2), UNIT_PWC);
  const key0 = keyOf(rule, level, page);
  enterPlain(true, cache, key0, space, tagWith(key0, spaceTag(space)), table, permissions, nowPs + costPs);
  watchClock(cache);
}

/** Reads one line, and pays for it: as `settle`, but that the clock of the line cache is watched once a walk. */
// @ts-ignore: decorator
@inline
function readOne(lines: usize, at: usize): void {
  if (lines == 0) return addReads(load<f64>(unit, UNIT_MEMORY_PS), 1);
  const set = lineSet(lines, at);
  const counters = ctx + CTX_COUNTERS;
  if (hitsLine(lines, set, at)) {
    addTo(counters + (C_LINE_HITS << 3), 1);
    addReads(load<f64>(unit, UNIT_LINE_PS), 1);
  } else {
    bringLine(lines, set, at);
    addTo(counters + (C_LINE_MISSES << 3), 1);
    addReads(load<f64>(unit, UNIT_MEMORY_PS), 1);
  }
}
