// Unmapping: takes down ranges of every format, frees emptied tables by the rule's policy, and imitates what Linux's drivers do
// with holes and with leaves that the range covers in part (POLICY_*).

import {
  ARENA_ADDRESS, ARENA_BASE, LV_INDEX_MASK, LV_LEAF_BITS, LV_LEAF_MASK, LV_LEAF_XOR, LV_SHIFT,
  LV_TABLE_BITS, POLICY_BY_FETCH, POLICY_BY_STEP, POLICY_HOLE_SKIP,
  POLICY_REPORT_SIZE, POLICY_REPORT_SPAN, POLICY_SPLIT, POLICY_TAIL_WHOLE, PT_FREED_TABLES, PT_LEAF_ITEMS, PT_LEVELS, PT_NEAR_KEY, PT_NEAR_TABLE, PT_ROOT, PT_RULE,
  RULE_ADDRESS, RULE_ADDRESS_HIGH, RULE_ADDRESS_HIGH_SHIFT, RULE_ADDRESS_SHIFT, RULE_CONTIG_KIND, RULE_CONTIG_MASK,
  RULE_CONTIG_NONE, RULE_CONTIG_VALUE, RULE_FLAGS, RULE_FLAG_NEXT_LEVEL, RULE_FLAG_SIGN_EXTEND, RULE_FREE_BLOCK,
  RULE_FREE_COVERED, RULE_FREE_POLICY, RULE_FREE_WHOLE, RULE_GRANULE_LOG2, RULE_LEVEL0, RULE_LEVEL_BYTES, RULE_PAGE_SIZES,
  RULE_TABLE_SIZE_LOG2,
} from '../layout';
import {
  PAGE_BITS, PAGE_LOG2, addressMask, addressOfFrame, arena, childOf, clearLeaf, countLeaves, coveredBits, decode,
  dropTable, encode, entryAt, freeTable, inAperture, indexOf, isLeaf, largestSize, leafSize, open, pageShift, policy,
  recordOf, rule, runLength, table,
} from './entry';
import { takeFrame } from './frames';
import { ONE, pageOf } from './state';

/** Page numbers lie below this. */
export const PAGES: f64 = 4503599627370496;
/** Pages that the unmap in progress has taken down, counted as Linux's driver would. */
let unmapped: u64 = 0;
/** Size (log2 pages) of the leaves an explicit-size unmap names; -1 = a range. */
let namedSize: i32 = -1;

/** Unmaps a range; returns the pages unmapped, which a large leaf at the end can make more than asked for. */
export function ptUnmap(pt: usize, iovaPage: f64, pages: f64): f64 {
  if (pages == 1 && iovaPage < PAGES && (unmapNear(pt, iovaPage) || unmapPage(pt, pageOf(iovaPage)))) return 1;
  return unmapCall(pt, <u64>iovaPage, <u64>pages, -1);
}

/** As `unmapPage`, for a page of the table used last. */
// @ts-ignore: decorator
@inline
export function unmapNear(pt: usize, iovaPage: f64): bool {
  const page = pageOf(iovaPage);
  const rules = load<usize>(pt, PT_RULE);
  if (nearKey(rules, page) != load<u64>(pt, PT_NEAR_KEY)) return false;
  const slot = nearSlot(pt, rules, page);
  const leaf = load<u64>(slot);
  if (leaf == 0) return false;
  if (isSpread(rules, leaf)) return false;
  clear(pt, slot);
  return true;
}

/** Whether a leaf may be one of several slots. */
// @ts-ignore: decorator
@inline
function isSpread(rules: usize, leaf: u64): bool {
  return load<i32>(rules, RULE_CONTIG_KIND) != RULE_CONTIG_NONE && (leaf & load<u64>(rules, RULE_CONTIG_MASK)) == load<u64>(rules, RULE_CONTIG_VALUE);
}

// @ts-ignore: decorator
@inline
function clear(pt: usize, slot: usize): void {
  store<u64>(slot, 0);
  store<i32>(pt, 0, PT_FREED_TABLES);
  store<f64>(pt, load<f64>(pt, PT_LEAF_ITEMS) - load<f64>(ONE), PT_LEAF_ITEMS);
}

/** One page mapped by a 4 KiB leaf: every policy removes just that, and no table can be freed. False = not that case. */
function unmapPage(pt: usize, page: u64): bool {
  open(pt);
  if (load<i32>(rule, RULE_GRANULE_LOG2) != PAGE_LOG2 || !reaches(load<i32>(pt, PT_LEVELS), page)) return false;
  const at = leafTable(page);
  if (at == 0) return false;
  const slot = at + (indexOf(recordOf(0), page) << 3);
  const leaf = load<u64>(slot);
  if (leaf == 0 || isSpread(rule, leaf)) return false;
  clear(pt, slot);
  return true;
}

/**
 * The place of a page in the lowest table that was used last, if `nearKey` of the page is that table's (PT_NEAR_KEY) and so none has
 * been freed since: only in formats with 4 KiB granules, for pages that the table may map.
 */
// @ts-ignore: decorator
@inline
export function nearSlot(pt: usize, rules: usize, page: u64): usize {
  return load<usize>(pt, PT_NEAR_TABLE) + (<usize>(<u32>page & load<u32>(rules, RULE_LEVEL0 + LV_INDEX_MASK)) << 3);
}

// @ts-ignore: decorator
@inline
export function nearKey(rules: usize, page: u64): u64 {
  return page >> <u64>(load<u32>(rules, RULE_LEVEL0 + RULE_LEVEL_BYTES + LV_SHIFT) - PAGE_LOG2);
}

/** The lowest table on the way to this page, which the table's levels reach; 0: the way ends above it. */
// @ts-ignore: decorator
@inline
export function leafTable(page: u64): usize {
  const key = nearKey(rule, page);
  return load<u64>(table, PT_NEAR_KEY) == key ? load<usize>(table, PT_NEAR_TABLE) : farTable(page, key);
}

/** The same from the root down. */
function farTable(page: u64, key: u64): usize {
  const nextLevel = (load<i32>(rule, RULE_FLAGS) & RULE_FLAG_NEXT_LEVEL) != 0;
  // decode and childOf, with what all levels share loaded once.
  const lowMask = load<u64>(rule, RULE_ADDRESS);
  const lowShift = <u64>load<i32>(rule, RULE_ADDRESS_SHIFT);
  const highMask = load<u64>(rule, RULE_ADDRESS_HIGH);
  const highShift = <u64>load<i32>(rule, RULE_ADDRESS_HIGH_SHIFT);
  const base = load<u32>(arena, ARENA_BASE) - load<u32>(arena, ARENA_ADDRESS);
  const lowest = recordOf(0);
  let at: usize = load<u32>(table, PT_ROOT);
  for (let record = recordOf(load<i32>(table, PT_LEVELS) - 1); record != lowest; record -= RULE_LEVEL_BYTES) {
    const entry = load<u64>(at + (indexOf(record, page) << 3));
    if (entry == 0) return 0;
    if (nextLevel) {
      if ((((entry >> 9) + 1) & 7) < 2) return 0; // 7 or 0: a leaf
    } else if (((entry ^ load<u64>(record, LV_LEAF_XOR)) & load<u64>(record, LV_LEAF_MASK)) != 0) return 0;
    at = <usize>(<u32>((entry & lowMask) << lowShift | (entry & highMask) << highShift) + base);
  }
  if (load<i32>(table, PT_LEVELS) == 1) return at; // the root, which growth takes the place of
  store<u32>(table, <u32>at, PT_NEAR_TABLE);
  store<u64>(table, key, PT_NEAR_KEY);
  return at;
}

/** Whether the indices of so many levels tell this page from all others. */
function reaches(levels: i32, page: u64): bool {
  if (!inAperture(page, page)) return false;
  if ((load<i32>(rule, RULE_FLAGS) & RULE_FLAG_SIGN_EXTEND) != 0) return true;
  const covered = coveredBits(levels);
  return covered >= <i32>PAGE_BITS || page >> <u64>covered == 0;
}

/** The same for `count` leaves said to be of 2^sizeLog2 bytes. */
export function ptUnmapSize(pt: usize, iovaPage: f64, sizeLog2: i32, count: f64): f64 {
  const size = sizeLog2 - PAGE_LOG2;
  if (size < 0 || size > 51) return 0;
  return unmapCall(pt, <u64>iovaPage, <u64>count << <u64>size, size);
}

function unmapCall(pt: usize, page: u64, pages: u64, size: i32): f64 {
  open(pt);
  namedSize = size;
  unmapped = 0;
  store<i32>(pt, 0, PT_FREED_TABLES);
  const granule = (<u64>1 << <u64>(load<i32>(rule, RULE_GRANULE_LOG2) - PAGE_LOG2)) - 1;
  if (pages == 0 || ((page | pages) & granule) != 0 || page + pages > <u64>1 << PAGE_BITS) return 0;
  const levels = load<i32>(pt, PT_LEVELS);
  const root: usize = load<u32>(pt, PT_ROOT);
  if (!reaches(levels, page) || !inAperture(page, page + pages - 1)) return 0;
  if ((policy & (POLICY_BY_FETCH | POLICY_BY_STEP)) != 0) return <f64>callByCall(page, pages);
  if ((policy & POLICY_REPORT_SIZE) != 0) {
    const span = (policy & POLICY_REPORT_SPAN) != 0 ? spanAt(page) : 0;
    const size = span > pages ? span : pages;
    takeDown(root, levels - 1, page, page + size - 1);
    return <f64>size;
  }
  let last = page + pages - 1;
  const covered = coveredBits(levels);
  if (covered < <i32>PAGE_BITS && (load<i32>(rule, RULE_FLAGS) & RULE_FLAG_SIGN_EXTEND) == 0) {
    last = min(last, (<u64>1 << <u64>covered) - 1);
  }
  takeDown(root, levels - 1, page, last);
  return <f64>unmapped;
}

/** Takes down what a failed map call has mapped. */
export function undo(first: u64, pages: u64): void {
  namedSize = -1;
  takeDown(load<u32>(table, PT_ROOT), load<i32>(table, PT_LEVELS) - 1, first, first + pages - 1);
}

/** Takes down [first, last] below this table; false = stop: a hole, or a leaf that may not be cut. */
function takeDown(at: usize, level: i32, first: u64, last: u64): bool {
  const record = recordOf(level);
  const shift = <u64>pageShift(record);
  const span: u64 = <u64>1 << shift;
  let page = first;
  let items = 0;
  let going = true;
  if (level == 0) {
    const cleared = clearSingles(at, record, first, last);
    page += <u64>cleared << shift;
    items = cleared;
    unmapped += <u64>cleared << shift;
    if (page > last) {
      countLeaves(-items);
      return true;
    }
  }
  for (;;) {
    const slot = at + (indexOf(record, page) << 3);
    let entry = load<u64>(slot);
    let next = (page & ~(span - 1)) + span;
    if (entry == 0) {
      if ((policy & POLICY_HOLE_SKIP) == 0) {
        going = false;
        break;
      }
    } else if (isLeaf(entry, level)) {
      const size = leafSize(entry, level);
      const whole = <u64>1 << <u64>size;
      const start = page & ~(whole - 1);
      if (start == page && (start + whole - 1 <= last || (policy & POLICY_TAIL_WHOLE) != 0)) {
        const run = 1 << (size - <i32>shift);
        memory.fill(slot, 0, run << 3);
        items += run;
        unmapped += whole;
        next = start + whole;
      } else if ((policy & POLICY_SPLIT) != 0 && level > 0) {
        entry = split(slot, entry, level);
        if (entry == 0 || !takeDown(childOf(entry), level - 1, page, min(last, next - 1))) {
          going = false;
          break;
        }
      } else if ((policy & POLICY_HOLE_SKIP) == 0) {
        going = false;
        break;
      }
    } else {
      const covered = page == next - span && next - 1 <= last;
      const child = childOf(entry);
      if (covered && freesWhole(level)) {
        store<u64>(slot, 0);
        dropTable(child, level - 1);
        unmapped += span;
      } else {
        if (!takeDown(child, level - 1, page, min(last, next - 1))) {
          going = false;
          break;
        }
        if (covered && load<i32>(rule, RULE_FREE_POLICY) == RULE_FREE_COVERED) {
          store<u64>(slot, 0);
          freeTable(child);
        }
      }
    }
    if (next > last) break;
    page = next;
  }
  countLeaves(-items);
  return going;
}

/** The dense case: clears the run of one-slot leaves from `first` on, up to `last`; returns how many there were. */
function clearSingles(at: usize, record: usize, first: u64, last: u64): i32 {
  const shift = <u64>pageShift(record);
  const from = at + (indexOf(record, first) << 3);
  const pages = last - first + 1;
  const end = from + (<usize>(pages >> shift) << 3);
  const spread = load<i32>(rule, RULE_CONTIG_KIND) != RULE_CONTIG_NONE;
  const mask: u64 = spread ? load<u64>(rule, RULE_CONTIG_MASK) : 0;
  const value: u64 = spread ? load<u64>(rule, RULE_CONTIG_VALUE) : 1;
  let slot = from;
  while (slot < end) {
    const entry = load<u64>(slot);
    if (entry == 0 || (entry & mask) == value) break;
    store<u64>(slot, 0);
    slot += 8;
  }
  return <i32>((slot - from) >> 3);
}

/** Whether a covered entry of this level is freed with everything below it unseen. */
function freesWhole(level: i32): bool {
  const freeing = load<i32>(rule, RULE_FREE_POLICY);
  if (freeing == RULE_FREE_WHOLE) return true;
  if (freeing != RULE_FREE_BLOCK) return false;
  const shift = pageShift(recordOf(level));
  if (namedSize >= 0) return namedSize == shift;
  return ((load<u64>(rule, RULE_PAGE_SIZES) >> <u64>(shift + PAGE_LOG2)) & 1) != 0;
}

/** Replaces a leaf by a table of leaves one level down; returns the table entry, 0 without memory. */
function split(slot: usize, leaf: u64, level: i32): u64 {
  const below = recordOf(level - 1);
  const child = takeFrame(arena, load<i32>(rule, RULE_TABLE_SIZE_LOG2));
  if (child == 0) return 0;
  const entries = load<u32>(below, LV_INDEX_MASK) + 1;
  const step = <u64>1 << <u64>load<i32>(below, LV_SHIFT);
  const fixed = (leaf & ~addressMask() & ~load<u64>(recordOf(level), LV_LEAF_BITS)) | load<u64>(below, LV_LEAF_BITS);
  let address = decode(leaf);
  for (let i: u32 = 0; i < entries; i++) {
    store<u64>(child + (i << 3), encode(address) | fixed);
    address += step;
  }
  countLeaves(<i32>entries - 1);
  const entry = encode(addressOfFrame(child)) | load<u64>(recordOf(level), LV_TABLE_BITS);
  store<u64>(slot, entry);
  return entry;
}

/** Linux's range layer (__iommu_unmap): cuts the range into runs of one size and calls the driver for each. */
function callByCall(first: u64, pages: u64): u64 {
  const sizes = load<u64>(rule, RULE_PAGE_SIZES) >> PAGE_LOG2;
  let page = first;
  let done: u64 = 0;
  while (done < pages) {
    const size = namedSize >= 0 ? namedSize : largestSize(sizes, page, pages - done);
    if (size < 0) break;
    const run = namedSize >= 0 ? pages : runLength(sizes, page, page, pages - done, size) << <u64>size;
    const taken = (policy & POLICY_BY_FETCH) != 0 ? fetchRun(page, run) : stepRun(page, run);
    if (taken == 0 || namedSize >= 0) return done + taken;
    page += taken;
    done += taken;
  }
  return done;
}

/**
 * AMD drivers of Linux 6.1: fetch leaf after leaf, remove each whole and count what was removed, also before the start and
 * after the end of the run.
 */
function fetchRun(first: u64, pages: u64): u64 {
  let page = first;
  let done: u64 = 0;
  while (done < pages) {
    const size = fetchOne(page);
    if (size == 0) break;
    page = (page & ~(size - 1)) + size;
    done += size;
  }
  return done;
}

/** Clears the leaf that maps this page; returns its pages, 0 if a table on the way is missing. */
function fetchOne(page: u64): u64 {
  let at: usize = load<u32>(table, PT_ROOT);
  let level = load<i32>(table, PT_LEVELS) - 1;
  const covered = coveredBits(level + 1);
  if (covered < <i32>PAGE_BITS && page >> <u64>covered != 0) return 0;
  let entry = entryAt(at, level, page);
  while (entry != 0 && !isLeaf(entry, level)) {
    at = childOf(entry);
    entry = entryAt(at, --level, page);
  }
  if (entry == 0) return level == 0 ? 1 : 0;
  clearLeaf(at, level, page, entry);
  return <u64>1 << <u64>leafSize(entry, level);
}

/** KVM's kvm_riscv_gstage_unmap_range: a step from inside an entry also ends inside one. */
function stepRun(first: u64, pages: u64): u64 {
  const end = first + pages;
  let page = first;
  while (page < end) {
    const span = spanAt(page);
    if ((page & (span - 1)) == 0 && end - page >= span) fetchOne(page);
    page += span;
  }
  return pages;
}

/** Pages covered by the entry at which a walk for this page ends: a leaf, or a hole. */
function spanAt(page: u64): u64 {
  let at: usize = load<u32>(table, PT_ROOT);
  let level = load<i32>(table, PT_LEVELS) - 1;
  let entry = entryAt(at, level, page);
  while (entry != 0 && !isLeaf(entry, level)) {
    at = childOf(entry);
    entry = entryAt(at, --level, page);
  }
  return <u64>1 << <u64>pageShift(recordOf(level));
}
