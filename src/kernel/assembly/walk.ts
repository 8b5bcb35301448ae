// The one walker: every table of every format, for the hardware's walks and for software's look-ups.
//
// A format is a rule block (see layout.ts and iommu/formats); word.ts says what an entry means by it. The walk keeps the AND of the
// permission bits of all entries and looks at reserved bits as it goes; when anything is wrong it ends, and `classify` finds the
// code that the architecture reports first. Walk caches are consulted before and filled during the walk; each read is counted by
// (stage, level) and paid. Walks that need none of that take straight.ts, and those
// behind plain caches cached.ts.

import {
  ARENA_ADDRESS, ARENA_BASE, CACHE_RESIDENT, CACHE_SLOTS, CTX_COUNTERS, C_NTLB_HITS, C_NTLB_LOOKUPS, C_PWC_HITS, C_PWC_LOOKUPS,
  C_READS, FAULT_GUEST_TABLE, FAULT_LEVEL, FAULT_MEMORY, FAULT_NOT_PRESENT, FAULT_READ, FAULT_RESERVED, FAULT_USER,
  FAULT_WRITE, LV_INDEX_MASK, LV_LEAF_MASK, LV_LEAF_XOR, LV_PERM_IGNORE, LV_RESERVED_LEAF, LV_RESERVED_TABLE,
  LV_SHIFT, MARK_BYTES, MARK_LOST, MARK_PERMISSIONS, MARK_READS, MARK_TABLE, NULL_CTX, NULL_UNIT, PT_ARENA, PT_LEVELS, PT_ROOT, PT_RULE, RULE_FLAGS, RULE_FLAG_NEXT_LEVEL,
  RULE_FLAG_PERM_BEFORE_PRESENT, RULE_FLAG_USER, RULE_LEVEL0, RULE_LEVEL_BYTES, RULE_PERM_XOR, RULE_PRESENT,
  RULE_READ, RULE_STEPS, RULE_WRITE, SLOT_BYTES, SLOT_META, SLOT_READY, SLOT_VALUE, STEP_LOG2, TRACE_NTLB_HIT, TRACE_PWC_HIT, TRACE_READ,
  UNIT_CLASSES, UNIT_CLASS_LOG2, UNIT_FLAGS, UNIT_FLAG_BARE, UNIT_FLAG_CACHED, UNIT_FLAG_STRAIGHT, UNIT_LINE_CACHE, UNIT_LINE_PS, UNIT_MARKS,
  UNIT_MEMORY_PS, UNIT_NESTED_TLB, UNIT_PWC,
  UNIT_PWC_MASK,
} from '../layout';
import { cachedGuest, cachedHost, cachedStage } from './cached';
import { find, insert, setOf, spaceTag, tagOf, tagWith, touch } from './cache';
import { noteLeaf } from './leaf';
import { count, locate, readLine, readPs, record } from './read';
import { GUEST, HOST, classOf, hostLevels, hostRoot, hostRule, hostSpace, setHostStage } from './stages';
import {
  addReads, begin, costPs, ctx, fault, nowPs, outFault, outPage, outPermissions, outSizeLog2, pageOf, result, setArena, trace,
  unit,
} from './state';
import { ALL_PERMISSIONS, marked, rangeFault, straight, straightGuest, straightMarking, straightStage } from './straight';
import { addressOf, finish, isLeaf, outOfRange, skipTo } from './word';

/** The guest's stage of a page, each table's address through the host stage. Returns as `walk`. */
export function walkGuest(rule: usize, levels: i32, root: u64, page: u64, space: u64): i32 {
  const flags = trace == 0 ? load<i32>(unit, UNIT_FLAGS) : 0;
  if ((flags & UNIT_FLAG_BARE) != 0) return straightGuest(rule, levels - 1, root, page, hostRule, hostLevels - 1, hostRoot);
  if ((flags & UNIT_FLAG_CACHED) != 0) return cachedGuest(rule, levels - 1, root, page, space);
  return walk(GUEST, rule, levels - 1, root, page, space, true);
}

/** Level from which the walk goes on after the deepest walk-cache hit, and the table and permissions found there. */
let startLevel: i32 = 0;
let startTable: u64 = 0;
let startPermissions: u64 = 0;

/**
 * Asks the walk caches of a stage, deepest level first; sets start*. Returns the levels (bit n = level n) whose cache holds the
 * entry, but not usable yet because another walk is still fetching it. Bit 0: there was a hit.
 */
function askWalkCaches(stage: i32, rule: usize, levels: u32, page: u64, space: u64): u32 {
  let pending: u32 = 0;
  const lookups = ctx + CTX_COUNTERS + (<usize>(C_PWC_LOOKUPS + (stage << 3)) << 3);
  for (let rest = levels; rest != 0; rest &= rest - 1) {
    const level = <i32>ctz(rest);
    const cache = load<usize>(unit + ((stage << 5) + (level << 2)), UNIT_PWC);
    const lookup = lookups + (<usize>level << 3);
    store<f64>(lookup, load<f64>(lookup) + 1);
    if (load<i32>(cache, CACHE_RESIDENT) == 0) continue;
    const key0 = page >> <u64>(load<i32>(rule + RULE_LEVEL0 + level * RULE_LEVEL_BYTES, LV_SHIFT) - 12);
    const slot = find(cache, key0, space, tagOf(key0, space), setOf(cache, key0, space));
    if (slot < 0) continue;
    const at = load<usize>(cache, CACHE_SLOTS) + <u32>slot * SLOT_BYTES;
    if (load<f64>(at, SLOT_READY) > nowPs + costPs) {
      pending |= 1 << level;
      continue;
    }
    touch(cache, <u32>slot);
    count(C_PWC_HITS + (stage << 3) + level);
    startTable = load<u64>(at, SLOT_VALUE);
    startPermissions = load<u64>(at, SLOT_META);
    startLevel = level - 1;
    if (trace != 0) record(TRACE_PWC_HIT, stage, level, startTable, startPermissions, 0);
    return pending | 1;
  }
  return pending;
}

/**
 * Walks one stage. `root` is the table at level `top`, an SPA or, when `nested`, a GPA.
 * Returns 0 and leaves outPage, outSizeLog2 and outPermissions, or returns a FAULT_* code.
 */
export function walk(stage: i32, rule: usize, top: i32, root: u64, page: u64, space: u64, nested: bool): i32 {
  const flags = nested || trace != 0 ? 0 : load<i32>(unit, UNIT_FLAGS);
  if ((flags & UNIT_FLAG_CACHED) != 0) return cachedStage(stage, rule, top, root, page, space);
  const range = rangeFault(rule, top, page);
  if (range != 0) return fault(range);
  const cachedLevels = load<u32>(unit + (stage << 2), UNIT_PWC_MASK) & ((2 << top) - 1);
  const isStraight = (flags & UNIT_FLAG_STRAIGHT) != 0;
  if (cachedLevels == 0) {
    if (isStraight) return straightStage(stage, rule, top, root, page);
    return stepByStep(stage, rule, top, root, ALL_PERMISSIONS, page, space, nested, nested, 0);
  }
  const asked = askWalkCaches(stage, rule, cachedLevels, page, space);
  const fillable = cachedLevels & ~asked;
  if ((asked & 1) == 0) {
    if (isStraight) return straightFilling(stage, rule, top, root, ALL_PERMISSIONS, page, space, fillable);
    return stepByStep(stage, rule, top, root, ALL_PERMISSIONS, page, space, nested, nested, fillable);
  }
  if (isStraight) {
    if ((fillable & ((2 << startLevel) - 1)) == 0) {
      return straight(stage, rule, startLevel, startTable, startPermissions, page);
    }
    return straightFilling(stage, rule, startLevel, startTable, startPermissions, page, space, fillable);
  }
  // A cached pointer of a guest's table has already gone through the host stage.
  return stepByStep(stage, rule, startLevel, startTable, startPermissions, page, space, nested, false, fillable);
}

/** The rest of a stage's walk, and what it has passed into the walk caches of `fillable` levels, from the time on at which it was read. */
function straightFilling(
  stage: i32, rule: usize, level: i32, root: u64, permissions: u64, page: u64, space: u64, fillable: u32,
): i32 {
  const before = costPs;
  const code = straightMarking(stage, rule, level, root, permissions, page);
  const memoryPs = load<f64>(unit, UNIT_MEMORY_PS);
  const linePs = load<usize>(unit, UNIT_LINE_CACHE) != 0 ? load<f64>(unit, UNIT_LINE_PS) : memoryPs;
  const spaceOf = spaceTag(space);
  const caches = unit + (stage << 5);
  for (let rest = fillable & marked; rest != 0; rest &= rest - 1) {
    const at = <usize>ctz(rest);
    const mark = unit + UNIT_MARKS + at * MARK_BYTES;
    const lost = load<i32>(mark, MARK_LOST);
    const paidPs = <f64>(load<i32>(mark, MARK_READS) - lost) * linePs + <f64>lost * memoryPs;
    const cache = load<usize>(caches + (at << 2), UNIT_PWC);
    const key0 = page >> <u64>(load<i32>(rule + (at << STEP_LOG2), RULE_STEPS) - 12);
    const tag = tagWith(key0, spaceOf);
    const value = load<u64>(mark, MARK_TABLE);
    const meta = load<u64>(mark, MARK_PERMISSIONS);
    const readyPs = nowPs + (before + paidPs);
    put(insert(cache, key0, space, tag, setOf(cache, key0, space)), value, meta, readyPs);
  }
  return code;
}

/**
 * The walk in full: entry by entry, each pointer through the host stage if `nested` (the first one if `through`), into the walk
 * caches of `fillable` levels, and into the trace.
 */
function stepByStep(
  stage: i32, rule: usize, level: i32, table: u64, permissions: u64, page: u64, space: u64, nested: bool, through: bool,
  fillable: u32,
): i32 {
  const byField = (load<i32>(rule, RULE_FLAGS) & RULE_FLAG_NEXT_LEVEL) != 0;
  let filled = 0; // level of the entry just read whose pointer is `table`, not yet in a walk cache
  while (true) {
    if (through) {
      if (throughHost(table >> 12) != 0) return fault(FAULT_GUEST_TABLE);
      table = (outPage << 12) | (table & 0xfff);
    }
    through = nested;
    if ((fillable & (1 << filled)) != 0) {
      fillWalkCache(stage, rule, filled, page, space, table, permissions, nowPs + costPs);
    }
    const lv = rule + RULE_LEVEL0 + level * RULE_LEVEL_BYTES;
    const shift = <u64>(load<u32>(lv, LV_SHIFT) - 12);
    const address = table + (<u64>(<u32>(page >> shift) & load<u32>(lv, LV_INDEX_MASK)) << 3);
    const at = locate(address);
    count(C_READS + (stage << 3) + level);
    if (at == 0) {
      addReads(0, 1);
      return fault(FAULT_MEMORY);
    }
    const hit = readLine(at);
    const entry = load<u64>(at);
    if (trace != 0) record(TRACE_READ, stage, level, address, entry, readPs(hit));
    if ((entry & load<u64>(rule, RULE_PRESENT)) == 0) return fault(FAULT_NOT_PRESENT);
    const allowed = entry ^ load<u64>(rule, RULE_PERM_XOR);
    if (isLeaf(byField, lv, entry)) {
      noteLeaf(stage, level, at, permissions);
      return finish(rule, level, entry, page, permissions & allowed);
    }
    permissions &= allowed | load<u64>(lv, LV_PERM_IGNORE);
    if ((entry & load<u64>(lv, LV_RESERVED_TABLE)) != 0) return fault(FAULT_RESERVED);
    table = addressOf(rule, entry);
    const next = <i32>(entry >> 9) & 7;
    if (byField && next != level) level = skipTo(rule, level, next, page);
    if (level <= 0) return fault(FAULT_LEVEL);
    // A skipped-to entry counts as one of the level it names: that is where the next walk looks for it.
    filled = level;
    level--;
  }
}

function put(at: usize, value: u64, meta: u64, readyPs: f64): void {
  store<u64>(at, value, SLOT_VALUE);
  store<u64>(at, meta, SLOT_META);
  store<f64>(at, readyPs, SLOT_READY);
}

function fillWalkCache(
  stage: i32, rule: usize, level: i32, page: u64, space: u64, table: u64, permissions: u64, readyPs: f64,
): void {
  const cache = load<usize>(unit + ((stage << 5) + (level << 2)), UNIT_PWC);
  const key0 = page >> <u64>(load<i32>(rule + RULE_LEVEL0 + level * RULE_LEVEL_BYTES, LV_SHIFT) - 12);
  put(insert(cache, key0, space, tagOf(key0, space), setOf(cache, key0, space)), table, permissions, readyPs);
}

/** One GPA page through the host stage: nested TLB, then a host walk. Leaves the walk's results; returns 0 or a fault code. */
export function throughHost(page: u64): i32 {
  if (trace == 0 && (load<i32>(unit, UNIT_FLAGS) & UNIT_FLAG_CACHED) != 0) return cachedHost(page);
  const cache = load<usize>(unit, UNIT_NESTED_TLB);
  if (cache == 0) return walk(HOST, hostRule, hostLevels - 1, hostRoot, page, hostSpace, false);
  count(C_NTLB_LOOKUPS);
  const classes = load<i32>(unit, UNIT_CLASSES);
  let pending = false;
  for (let i = 0; i < classes; i++) {
    if (load<i32>(cache + (i << 2), CACHE_RESIDENT) == 0) continue;
    const size = load<i32>(unit + (i << 2), UNIT_CLASS_LOG2);
    const index = page >> <u64>(size - 12);
    const key0 = index | (<u64>i << 60);
    const slot = find(cache, key0, hostSpace, tagOf(key0, hostSpace), setOf(cache, key0, hostSpace));
    if (slot < 0) continue;
    const at = load<usize>(cache, CACHE_SLOTS) + <u32>slot * SLOT_BYTES;
    if (load<f64>(at, SLOT_READY) > nowPs + costPs) {
      pending = true;
      continue;
    }
    touch(cache, <u32>slot);
    count(C_NTLB_HITS);
    if (trace != 0) record(TRACE_NTLB_HIT, HOST, i, page, load<u64>(at, SLOT_VALUE), 0);
    const inside = (<u64>1 << <u64>(size - 12)) - 1;
    return result(load<u64>(at, SLOT_VALUE) | (page & inside), size, <i32>load<u64>(at, SLOT_META) & 3);
  }
  const code = walk(HOST, hostRule, hostLevels - 1, hostRoot, page, hostSpace, false);
  if (code != 0 || pending) return code;
  const i = classOf(outSizeLog2);
  const size = <u64>load<i32>(unit + (i << 2), UNIT_CLASS_LOG2) - 12;
  const key0 = (page >> size) | (<u64>i << 60);
  const at = insert(cache, key0, hostSpace, tagOf(key0, hostSpace), setOf(cache, key0, hostSpace));
  store<u64>(at, (outPage >> size) << size, SLOT_VALUE);
  store<u64>(at, <u64>outPermissions, SLOT_META);
  store<f64>(at, nowPs + costPs, SLOT_READY);
  return 0;
}

/**
 * The code that the architecture reports for an access that must fail, read from the table again in the order of its
 * checks (VT-d: permission, then reserved bits, level by level; first stage: present, U/S, write, reserved bits). One stage,
 * SPA or arena addresses. 0 = the access is allowed.
 */
export function classify(rule: usize, top: i32, root: u64, page: u64, access: i32): i32 {
  const range = outOfRange(rule, top, page);
  if (range != 0) return range;
  const flags = load<i32>(rule, RULE_FLAGS);
  const byField = (flags & RULE_FLAG_NEXT_LEVEL) != 0;
  const present = load<u64>(rule, RULE_PRESENT);
  const xor = load<u64>(rule, RULE_PERM_XOR);
  const read = load<u64>(rule, RULE_READ);
  const write = load<u64>(rule, RULE_WRITE);
  let table = root;
  let level = top;
  let permissions: u64 = ~(<u64>0);
  while (true) {
    const lv = rule + RULE_LEVEL0 + level * RULE_LEVEL_BYTES;
    const shift = <u64>(load<i32>(lv, LV_SHIFT) - 12);
    const at = locate(table + (<u64>(<u32>(page >> shift) & load<u32>(lv, LV_INDEX_MASK)) << 3));
    const entry: u64 = at != 0 ? load<u64>(at) : 0;
    const next = <i32>(entry >> 9) & 7;
    const leaf = byField
      ? next == 0 || next == 7
      : ((entry ^ load<u64>(lv, LV_LEAF_XOR)) & load<u64>(lv, LV_LEAF_MASK)) != 0;
    permissions &= (entry ^ xor) | (leaf ? 0 : load<u64>(lv, LV_PERM_IGNORE));
    const reserved = (entry & (leaf ? load<u64>(lv, LV_RESERVED_LEAF) : load<u64>(lv, LV_RESERVED_TABLE))) != 0;
    const readable = (permissions & read) == read;
    const writable = (permissions & write) == write;
    if ((flags & RULE_FLAG_PERM_BEFORE_PRESENT) != 0) {
      if ((access & 2) != 0 && !writable) return FAULT_WRITE;
      if ((access & 1) != 0 && !readable) return FAULT_READ;
      if ((entry & present) == 0) return FAULT_NOT_PRESENT;
      if (reserved) return FAULT_RESERVED;
    } else {
      if ((entry & present) == 0) return FAULT_NOT_PRESENT;
      if ((flags & RULE_FLAG_USER) != 0) {
        if (!readable) return FAULT_USER;
        if ((access & 2) != 0 && !writable) return FAULT_WRITE;
      }
      if (reserved) return FAULT_RESERVED;
      if (leaf) return (access & 2) != 0 && !writable ? FAULT_WRITE : (access & 1) != 0 && !readable ? FAULT_READ : 0;
    }
    if (leaf) return 0;
    table = addressOf(rule, entry);
    if (byField && next != level) level = skipTo(rule, level, next, page);
    if (level <= 0) return FAULT_LEVEL;
    level--;
  }
}

// ---- For TypeScript: walks without a unit -----------------------------------------------------------------------------------

/** Physical page of an input page, or -1 (lastFault says why). Addresses in the table are its arena's. */
export function ptLookup(pt: usize, page: f64): f64 {
  const home = load<usize>(pt, PT_ARENA);
  const root = load<u64>(home, ARENA_ADDRESS) + <u64>(load<u32>(pt, PT_ROOT) - load<u32>(home, ARENA_BASE));
  setArena(home);
  const code = lookup(load<usize>(pt, PT_RULE), load<i32>(pt, PT_LEVELS), root, pageOf(page));
  setArena(0);
  return code == 0 ? <f64>outPage : -1;
}

/**
 * Walks a table anywhere in windowed memory: `rootPage` is its address / 4096 and `rootOffset` the rest. Returns the
 * physical page if the access (1 read, 2 write, 3 both) is allowed, else -1 - FAULT_*.
 */
export function walkRaw(rule: usize, levels: i32, rootPage: f64, rootOffset: i32, page: f64, access: i32): f64 {
  const root = (pageOf(rootPage) << 12) | <u64>rootOffset;
  const input = pageOf(page);
  if (lookup(rule, levels, root, input) == 0 && (outPermissions & access) == access) return <f64>outPage;
  const code = classify(rule, levels - 1, root, input, access);
  return -1 - <f64>(code != 0 ? code : outFault);
}

function lookup(rule: usize, levels: i32, root: u64, page: u64): i32 {
  begin(NULL_UNIT, NULL_CTX, 0);
  return walk(HOST, rule, levels - 1, root, page, 0, false);
}

/** Nested look-up without caches, for tests and closed-form counts: the reads it made are lastReads(). */
export function walkNestedRaw(
  guestRule: usize, guestLevels: i32, guestRootPage: f64, host: usize, levels: i32, hostRootPage: f64, page: f64,
): f64 {
  begin(NULL_UNIT, NULL_CTX, 0);
  setHostStage(host, levels, pageOf(hostRootPage) << 12, 0);
  if (walk(GUEST, guestRule, guestLevels - 1, pageOf(guestRootPage) << 12, pageOf(page), 0, true) != 0) return -1;
  const size = outSizeLog2;
  const allowed = outPermissions;
  if (throughHost(outPage) != 0) return -1;
  result(outPage, size < outSizeLog2 ? size : outSizeLog2, allowed & outPermissions);
  return <f64>outPage;
}
