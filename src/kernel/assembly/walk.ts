// The one walker: every table of every format, for the hardware's walks and for software's look-ups.
//
// A format is a rule block (see layout.ts and iommu/formats). The walk keeps the AND of the permission bits of all entries and
// looks at reserved bits as it goes; when anything is wrong it ends, and `explainFault` finds the code that the architecture
// reports first. Walk caches are consulted before and filled during the walk; each read is counted by (stage, level) and costs
// what `lineCost` says.

import {
  ARENA_ADDRESS, ARENA_BASE, CACHE_CLOCK, CACHE_MASK, CACHE_RESIDENT, CACHE_SLOTS, CACHE_TAGS, CTX_COUNTERS,
  C_NTLB_HITS, C_NTLB_LOOKUPS, C_PWC_HITS, C_PWC_LOOKUPS, C_READS, FAULT_CANONICAL, FAULT_GUEST_TABLE, FAULT_LEVEL,
  FAULT_MEMORY, FAULT_NOT_PRESENT, FAULT_READ, FAULT_RESERVED, FAULT_USER, FAULT_WIDTH, FAULT_WRITE, LV_INDEX_MASK,
  LV_LEAF_MASK, LV_LEAF_XOR, LV_PERM_IGNORE, LV_RESERVED_LEAF, LV_RESERVED_TABLE, LV_SHIFT, NULL_CTX, NULL_UNIT,
  PT_ARENA, PT_LEVELS, PT_ROOT, PT_RULE, RULE_ADDRESS, RULE_ADDRESS_HIGH, RULE_ADDRESS_HIGH_SHIFT, RULE_ADDRESS_SHIFT,
  RULE_CONTIG_KIND, RULE_CONTIG_MASK, RULE_CONTIG_NONE, RULE_CONTIG_ONES, RULE_CONTIG_VALUE, RULE_FLAGS,
  RULE_FLAG_NEXT_LEVEL, RULE_FLAG_PERM_BEFORE_PRESENT, RULE_FLAG_SIGN_EXTEND, RULE_FLAG_USER, RULE_INPUT_BITS,
  RULE_LEVEL0, RULE_LEVEL_BYTES, RULE_PERM_XOR, RULE_PRESENT, RULE_READ, RULE_STEPS, RULE_WRITE, SLOT_BYTES,
  SLOT_META, SLOT_READY, SLOT_VALUE, STEP_BITS, STEP_BYTES, STEP_GO_MASK, STEP_GO_VALUE, STEP_INDEX_MASK,
  STEP_PERM_IGNORE, STEP_SHIFT, TRACE_NTLB_HIT, TRACE_PWC_HIT, TRACE_READ, UNIT_CLASSES, UNIT_CLASS_LOG2, UNIT_FLAGS,
  UNIT_FLAG_STRAIGHT, UNIT_LINE_CACHE, UNIT_NESTED_TLB, UNIT_PWC, UNIT_PWC_MASK,
} from '../layout';
import { find, insert, setOf, tagOf, touch } from './cache';
import { bringLine, count, lineSet, lineWays, locate, readLine, readPs, record, settle, windowed } from './read';
import {
  addReads, begin, costPs, ctx, fault, nowPs, outFault, outPage, outPermissions, outSizeLog2, pageOf, result, setArena,
  trace, unit,
} from './state';

/** Stage numbers of C_READS and UNIT_PWC: guest (first) and host (second, or the only one). */
export const GUEST: i32 = 0;
export const HOST: i32 = 1;

/** The host stage that guest tables' own addresses go through during a nested walk. */
let hostRule: usize = 0;
let hostLevels: i32 = 0;
let hostRoot: u64 = 0;
let hostSpace: u64 = 0;

export function setHostStage(rule: usize, levels: i32, root: u64, space: u64): void {
  hostRule = rule;
  hostLevels = levels;
  hostRoot = root;
  hostSpace = space;
}

/** Base address in a table entry. */
// @ts-ignore: decorator
@inline
function addressOf(rule: usize, entry: u64): u64 {
  const address = (entry & load<u64>(rule, RULE_ADDRESS)) << <u64>load<u32>(rule, RULE_ADDRESS_SHIFT);
  const high = load<u64>(rule, RULE_ADDRESS_HIGH);
  return high == 0 ? address : address | ((entry & high) << <u64>load<u32>(rule, RULE_ADDRESS_HIGH_SHIFT));
}

/** True if no table of so many levels can translate this page: 0 = in range, else a FAULT_* code. */
function outOfRange(rule: usize, level: i32, page: u64): i32 {
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
  for (let rest = levels; rest != 0; rest &= rest - 1) {
    const level = <i32>ctz(rest);
    const cache = load<usize>(unit + ((stage << 5) + (level << 2)), UNIT_PWC);
    count(C_PWC_LOOKUPS + (stage << 3) + level);
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

// @ts-ignore: decorator
@inline
function isInRange(rule: usize, top: i32, page: u64): bool {
  return page >> <u64>load<u32>(rule + RULE_STEPS + top * STEP_BYTES, STEP_BITS) == 0;
}

/**
 * Walks one stage. `root` is the table at level `top`, an SPA or, when `nested`, a GPA.
 * Returns 0 and leaves outPage, outSizeLog2 and outPermissions, or returns a FAULT_* code.
 */
export function walk(stage: i32, rule: usize, top: i32, root: u64, page: u64, space: u64, nested: bool): i32 {
  if (!isInRange(rule, top, page)) {
    const range = outOfRange(rule, top, page);
    if (range != 0) return fault(range);
  }
  const cachedLevels = load<u32>(unit + (stage << 2), UNIT_PWC_MASK) & ((2 << top) - 1);
  const isStraight = !nested && trace == 0 && (load<i32>(unit, UNIT_FLAGS) & UNIT_FLAG_STRAIGHT) != 0;
  if (cachedLevels == 0) {
    if (isStraight) return settled(straight(stage, rule, top, root, ALL_PERMISSIONS, page));
    return stepByStep(stage, rule, top, root, ALL_PERMISSIONS, page, space, nested, nested, 0);
  }
  const asked = askWalkCaches(stage, rule, cachedLevels, page, space);
  const fillable = cachedLevels & ~asked;
  if ((asked & 1) == 0) {
    return stepByStep(stage, rule, top, root, ALL_PERMISSIONS, page, space, nested, nested, fillable);
  }
  if (isStraight && (fillable & ((2 << startLevel) - 1)) == 0) {
    return settled(straight(stage, rule, startLevel, startTable, startPermissions, page));
  }
  // A cached pointer of a guest's table has already gone through the host stage.
  return stepByStep(stage, rule, startLevel, startTable, startPermissions, page, space, nested, false, fillable);
}

const ALL_PERMISSIONS: u64 = ~(<u64>0);

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
    if (isLeaf(byField, lv, entry)) return finish(rule, level, entry, page, permissions & allowed);
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

// @ts-ignore: decorator
@inline
function isLeaf(byField: bool, lv: usize, entry: u64): bool {
  // A next-level field means something only in formats with one; 0 and 7 are leaves.
  if (byField) return ((<i32>(entry >> 9) + 1) & 7) < 2;
  return ((entry ^ load<u64>(lv, LV_LEAF_XOR)) & load<u64>(lv, LV_LEAF_MASK)) != 0;
}

/** Reads of the straight walks since the last `settled`, and those of them that missed the line cache. */
let passed: i32 = 0;
let lost: i32 = 0;

function settled(code: i32): i32 {
  settle(load<usize>(unit, UNIT_LINE_CACHE), passed, lost);
  passed = 0;
  lost = 0;
  return code;
}

/**
 * The rest of one stage's walk when nothing but entries and line cache matters (UNIT_FLAG_STRAIGHT). A function of its own
 * without calls: in wasm a call in the loop costs every register in it, which made a read take twice the instructions (counted
 * with callgrind, Node 20). Leaves `settled` to the caller.
 */
function straight(stage: i32, rule: usize, top: i32, root: u64, granted: u64, page: u64): i32 {
  const lines = load<usize>(unit, UNIT_LINE_CACHE);
  const tags = load<usize>(lines, CACHE_TAGS);
  const mask = load<u32>(lines, CACHE_MASK);
  const input = page << 12;
  const counters = ctx + CTX_COUNTERS + (<usize>(C_READS + (stage << 3)) << 3);
  let clock = load<u32>(lines, CACHE_CLOCK);
  let step = rule + RULE_STEPS + top * STEP_BYTES;
  let counter = counters + (<usize>top << 3);
  let above = counter + 8; // minus the next counter: eight times the reads, as levels that are skipped are taken off
  let table = root;
  let permissions = granted;
  let entry: u64 = 0;
  let misses = 0;
  let end = LEAF;
  while (true) {
    const index = <u64>(<u32>(input >> <u64>load<u32>(step, STEP_SHIFT)) & load<u32>(step, STEP_INDEX_MASK));
    const at = windowed(table + (index << 3));
    store<f64>(counter, load<f64>(counter) + 1);
    if (at == 0) {
      end = -FAULT_MEMORY;
      break;
    }
    if (lines != 0) {
      const set = lineSet(tags, mask, at);
      let ways = lineWays(set, at);
      if (ways == 0) {
        ways = bringLine(set, at);
        misses++;
      }
      clock++;
      store<u32>(set + (ctz(ways) << 2), clock, 32);
    }
    entry = load<u64>(at);
    if ((entry & load<u64>(rule, RULE_PRESENT)) == 0) {
      end = -FAULT_NOT_PRESENT;
      break;
    }
    if ((entry & load<u64>(step, STEP_GO_MASK)) != load<u64>(step, STEP_GO_VALUE)) {
      const level = <i32>(counter - counters) >> 3;
      end = after(rule, level, entry, page);
      if (end <= 0) break;
      permissions &= entry ^ load<u64>(rule, RULE_PERM_XOR) | load<u64>(step, STEP_PERM_IGNORE);
      table = addressOf(rule, entry);
      step -= (level - end + 1) * STEP_BYTES;
      counter -= (level - end + 1) << 3;
      above -= (level - end) << 3;
      continue;
    }
    permissions &= entry ^ load<u64>(rule, RULE_PERM_XOR) | load<u64>(step, STEP_PERM_IGNORE);
    table = addressOf(rule, entry);
    step -= STEP_BYTES;
    counter -= 8;
  }
  if (lines != 0) store<u32>(lines, clock, CACHE_CLOCK);
  passed += <i32>(above - counter) >> 3;
  lost += misses;
  if (end == LEAF) {
    return finish(rule, <i32>(counter - counters) >> 3, entry, page, permissions & (entry ^ load<u64>(rule, RULE_PERM_XOR)));
  }
  if (end == -FAULT_MEMORY) {
    passed--; // a read that costs nothing
    addReads(0, 1);
  }
  return fault(-end);
}

/**
 * A guest's page through both of its stages, where nothing but entries and line cache matters in either (UNIT_FLAG_BARE): each
 * table of the guest, and then the page, goes through the host stage that `setHostStage` told. As `walk` otherwise; outPage and
 * the permissions are those of the guest's leaf, and the page has still to go through the host stage.
 */
export function straightGuest(rule: usize, top: i32, root: u64, page: u64): i32 {
  if (!isInRange(rule, top, page)) {
    const range = outOfRange(rule, top, page);
    if (range != 0) return fault(range);
  }
  const lines = load<usize>(unit, UNIT_LINE_CACHE);
  let level = top;
  let table = root;
  let permissions = ALL_PERMISSIONS;
  while (true) {
    if (straightHost(table >> 12) != 0) return settled(fault(FAULT_GUEST_TABLE));
    const step = rule + RULE_STEPS + level * STEP_BYTES;
    const index = (<u32>((page << 12) >> <u64>load<u32>(step, STEP_SHIFT))) & load<u32>(step, STEP_INDEX_MASK);
    const at = windowed(((outPage << 12) | (table & 0xfff)) + (<u64>index << 3));
    const counter = ctx + CTX_COUNTERS + (<usize>(C_READS + (GUEST << 3) + level) << 3);
    store<f64>(counter, load<f64>(counter) + 1);
    if (at == 0) {
      addReads(0, 1);
      return settled(fault(FAULT_MEMORY));
    }
    if (lines != 0) {
      const set = lineSet(load<usize>(lines, CACHE_TAGS), load<u32>(lines, CACHE_MASK), at);
      let ways = lineWays(set, at);
      if (ways == 0) {
        ways = bringLine(set, at);
        lost++;
      }
      const clock = load<u32>(lines, CACHE_CLOCK) + 1;
      store<u32>(lines, clock, CACHE_CLOCK);
      store<u32>(set + (ctz(ways) << 2), clock, 32);
    }
    passed++;
    const entry = load<u64>(at);
    if ((entry & load<u64>(rule, RULE_PRESENT)) == 0) return settled(fault(FAULT_NOT_PRESENT));
    const allowed = entry ^ load<u64>(rule, RULE_PERM_XOR);
    if ((entry & load<u64>(step, STEP_GO_MASK)) != load<u64>(step, STEP_GO_VALUE)) {
      const end = after(rule, level, entry, page);
      if (end == LEAF) return settled(finish(rule, level, entry, page, permissions & allowed));
      if (end < 0) return settled(fault(-end));
      level = end;
    }
    permissions &= allowed | load<u64>(step, STEP_PERM_IGNORE);
    table = addressOf(rule, entry);
    level--;
  }
}

/** The host stage of such a walk. Leaves `settled` to the caller. */
// @ts-ignore: decorator
@inline
function straightHost(page: u64): i32 {
  const top = hostLevels - 1;
  if (!isInRange(hostRule, top, page)) {
    const range = outOfRange(hostRule, top, page);
    if (range != 0) return fault(range);
  }
  return straight(HOST, hostRule, top, hostRoot, ALL_PERMISSIONS, page);
}

/** Ends a walk with its leaf. */
const LEAF: i32 = -1024;

/** What follows a present entry: LEAF, the level of the pointer (at most `level`, at least 1), or -FAULT_*. */
// @ts-ignore: decorator
@inline
function after(rule: usize, level: i32, entry: u64, page: u64): i32 {
  const lv = rule + RULE_LEVEL0 + level * RULE_LEVEL_BYTES;
  const byField = (load<i32>(rule, RULE_FLAGS) & RULE_FLAG_NEXT_LEVEL) != 0;
  if (isLeaf(byField, lv, entry)) return LEAF;
  if ((entry & load<u64>(lv, LV_RESERVED_TABLE)) != 0) return -FAULT_RESERVED;
  const next = <i32>(entry >> 9) & 7;
  const to = byField && next != level ? skipTo(rule, level, next, page) : level;
  return to <= 0 ? -FAULT_LEVEL : to;
}

/**
 * A table entry of AMD v1 may name a lower table than the next if the address bits it skips are zero (AMD IOMMU
 * specification, section 2.2.3). Returns that level, or -1 if the entry is wrong.
 */
// @ts-ignore: decorator
@inline
function skipTo(rule: usize, level: i32, next: i32, page: u64): i32 {
  if (next > level) return -1;
  const from = <u64>(load<i32>(rule + RULE_LEVEL0 + level * RULE_LEVEL_BYTES, LV_SHIFT) - 12);
  const to = <u64>(load<i32>(rule + RULE_LEVEL0 + next * RULE_LEVEL_BYTES, LV_SHIFT) - 12);
  return ((page >> to) & ((<u64>1 << (from - to)) - 1)) == 0 ? next : -1;
}

/** The leaf is read: size, target page and permissions. */
function finish(rule: usize, level: i32, entry: u64, page: u64, permissions: u64): i32 {
  if ((entry & load<u64>(rule + RULE_LEVEL0 + level * RULE_LEVEL_BYTES, LV_RESERVED_LEAF)) != 0) return fault(FAULT_RESERVED);
  let size = load<i32>(rule + RULE_LEVEL0 + level * RULE_LEVEL_BYTES, LV_SHIFT);
  let base = addressOf(rule, entry);
  const kind = load<i32>(rule, RULE_CONTIG_KIND);
  if (kind != RULE_CONTIG_NONE && (entry & load<u64>(rule, RULE_CONTIG_MASK)) == load<u64>(rule, RULE_CONTIG_VALUE)) {
    const field = base >> 12;
    const run = <i32>ctz(kind == RULE_CONTIG_ONES ? ~field : field);
    size = 13 + run;
  }
  const inside = (<u64>1 << <u64>(size - 12)) - 1;
  const target = ((base >> 12) & ~inside) | (page & inside);
  const read = load<u64>(rule, RULE_READ);
  const write = load<u64>(rule, RULE_WRITE);
  const allowed = ((permissions & read) == read ? 1 : 0) | ((permissions & write) == write ? 2 : 0);
  return result(target, size, allowed);
}

function fillWalkCache(
  stage: i32, rule: usize, level: i32, page: u64, space: u64, table: u64, permissions: u64, readyPs: f64,
): void {
  const cache = load<usize>(unit + ((stage << 5) + (level << 2)), UNIT_PWC);
  const key0 = page >> <u64>(load<i32>(rule + RULE_LEVEL0 + level * RULE_LEVEL_BYTES, LV_SHIFT) - 12);
  const at = insert(cache, key0, space, tagOf(key0, space), setOf(cache, key0, space));
  store<u64>(at, table, SLOT_VALUE);
  store<u64>(at, permissions, SLOT_META);
  store<f64>(at, readyPs, SLOT_READY);
}

/** One GPA page through the host stage: nested TLB, then a host walk. Leaves the walk's results; returns 0 or a fault code. */
export function throughHost(page: u64): i32 {
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

/** The largest leaf class of the unit that is not larger than this leaf. */
export function classOf(sizeLog2: i32): i32 {
  let i = load<i32>(unit, UNIT_CLASSES) - 1;
  while (i > 0 && load<i32>(unit + (i << 2), UNIT_CLASS_LOG2) > sizeLog2) i--;
  return i;
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
