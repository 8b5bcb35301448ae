// The one mapper: builds and takes down tables of every format from its rule block, choosing leaf sizes as Linux does
// (iommu_pgsize, pt_compute_best_pgsize). Addresses are 52-bit page numbers, sizes log2 of pages unless named `bytes`.
// Where Linux's drivers disagree about what a call means, POLICY_* decides.

import {
  ARENA_ADDRESS, ARENA_BASE, LV_INDEX_MASK, LV_LEAF_BITS, LV_LEAF_MASK, LV_LEAF_XOR, LV_SHIFT, LV_TABLE_BITS,
  POLICY_BY_FETCH, POLICY_BY_STEP, POLICY_CLEAR_ABOVE, POLICY_HOLE_SKIP, POLICY_KEEP, POLICY_ONE_TABLE, POLICY_RECHOOSE, POLICY_REPLACE,
  POLICY_REPORT_SIZE, POLICY_REPORT_SPAN, POLICY_SPLIT, POLICY_TABLE_IF_EMPTY, POLICY_TAIL_WHOLE, PT_ARENA, PT_FREED_TABLES, PT_LEAF_ITEMS,
  PT_LEVELS, PT_ROOT, PT_RULE, RULE_ADDRESS, RULE_ADDRESS_HIGH, RULE_ADDRESS_HIGH_SHIFT, RULE_ADDRESS_SHIFT,
  RULE_CONTIG_KIND, RULE_CONTIG_MASK, RULE_CONTIG_NONE, RULE_CONTIG_ONES, RULE_CONTIG_VALUE, RULE_ERRNOS, RULE_FLAGS,
  RULE_FLAG_GROWS, RULE_FLAG_NEXT_LEVEL, RULE_FLAG_SIGN_EXTEND, RULE_FREE_BLOCK, RULE_FREE_COVERED, RULE_FREE_POLICY,
  RULE_FREE_WHOLE, RULE_GRANULE_LOG2, RULE_LEVEL0, RULE_LEVELS, RULE_LEVELS_MAX, RULE_LEVEL_BYTES, RULE_MAP_BITS,
  RULE_OUTPUT_BITS, RULE_PAGE_SIZES, RULE_POLICY, RULE_ROOT_SIZE_LOG2, RULE_TABLE_SIZE_LOG2,
} from '../layout';
import { giveFrame, takeFrame } from './frames';

const PAGE_LOG2: i32 = 12;
const PAGE_BITS: u64 = 52; // of a page number
const ENOMEM: i32 = -12;
const EINVAL: i32 = -22;
const ERANGE: i32 = -34;
/** Answer of makeRoom beside 0 and errnos: leave the entry as it is. */
const STAYS: i32 = 1;

// Registers of the call in progress (per instance).
let table: usize = 0; // the page table record
let rule: usize = 0;
let arena: usize = 0;
let policy: i32 = 0;
let attributes: u64 = 0;
/** Pages mapped by the last map call before it ended or failed. */
let mapped: u64 = 0;
/** Pages that the unmap in progress has taken down, counted as Linux's driver would. */
let unmapped: u64 = 0;
/** Size (log2 pages) of the leaves an explicit-size unmap names; -1 = a range. */
let namedSize: i32 = -1;

export function lastMapped(): f64 {
  return <f64>mapped;
}

// ---- Life ------------------------------------------------------------------------------------------------------------------

/** Allocates the root of an empty table; PT_RULE and PT_ARENA are set. 0 or -ENOMEM. */
export function ptCreate(pt: usize): i32 {
  open(pt);
  const root = takeFrame(arena, load<i32>(rule, RULE_ROOT_SIZE_LOG2));
  if (root == 0) return ENOMEM;
  store<u32>(pt, <u32>root, PT_ROOT);
  store<i32>(pt, load<i32>(rule, RULE_LEVELS), PT_LEVELS);
  store<i32>(pt, 0, PT_FREED_TABLES);
  store<f64>(pt, 0, PT_LEAF_ITEMS);
  return 0;
}

/** Gives back every table, the root too. */
export function ptDestroy(pt: usize): void {
  open(pt);
  const top = load<i32>(pt, PT_LEVELS) - 1;
  const root = load<u32>(pt, PT_ROOT);
  if (root == 0) return;
  dropChildren(root, top);
  // A grown table's root is no larger than its first one: only formats with 4 KiB roots grow.
  giveFrame(arena, root, load<i32>(rule, RULE_ROOT_SIZE_LOG2));
  store<u32>(pt, 0, PT_ROOT);
}

function open(pt: usize): void {
  table = pt;
  rule = load<usize>(pt, PT_RULE);
  arena = load<usize>(pt, PT_ARENA);
  policy = load<i32>(rule, RULE_POLICY);
}

// ---- Map -------------------------------------------------------------------------------------------------------------------

/** Maps a range with the largest leaves that fit. 0 or a negative errno, and then nothing of it is mapped. */
export function ptMap(pt: usize, iovaPage: f64, paPage: f64, pages: f64, leafLow: i32, leafHigh: i32): i32 {
  open(pt);
  attributes = (<u64>(<u32>leafHigh) << 32) | <u64>(<u32>leafLow);
  return mapRange(<u64>iovaPage, <u64>paPage, <u64>pages);
}

/** Maps `count` leaves of 2^sizeLog2 bytes each. */
export function ptMapSize(
  pt: usize, iovaPage: f64, paPage: f64, sizeLog2: i32, count: f64, leafLow: i32, leafHigh: i32,
): i32 {
  open(pt);
  attributes = (<u64>(<u32>leafHigh) << 32) | <u64>(<u32>leafLow);
  mapped = 0;
  if (sizeLog2 < PAGE_LOG2 || sizeLog2 > 63) return EINVAL;
  if (((load<u64>(rule, RULE_PAGE_SIZES) >> <u64>sizeLog2) & 1) == 0) return EINVAL;
  const size = sizeLog2 - PAGE_LOG2;
  const page = <u64>iovaPage;
  const target = <u64>paPage;
  let leaves = <u64>count;
  if (((page | target) & ((<u64>1 << <u64>size) - 1)) != 0) return EINVAL;
  if (leaves > (<u64>1 << PAGE_BITS) >> <u64>size) return rangeErrno();
  if ((policy & POLICY_RECHOOSE) != 0) return mapRange(page, target, leaves << <u64>size);
  const error = checkRange(page, target, leaves << <u64>size);
  if (error != 0) return error;
  if ((policy & POLICY_ONE_TABLE) != 0) {
    const shift = <u64>pageShift(recordOf(levelOf(size)));
    const mask = <u64>load<u32>(recordOf(levelOf(size)), LV_INDEX_MASK);
    const room = mask + 1 - ((page >> shift) & mask);
    if (leaves > room) leaves = room;
  }
  return undoOnError(page, mapRun(page, target, size, leaves));
}

function mapRange(first: u64, firstTarget: u64, pages: u64): i32 {
  mapped = 0;
  const error = checkRange(first, firstTarget, pages);
  if (error != 0) return error;
  const sizes = load<u64>(rule, RULE_PAGE_SIZES) >> PAGE_LOG2;
  let page = first;
  let target = firstTarget;
  let left = pages;
  while (left != 0) {
    const size = largestSize(sizes, page | target, left);
    if (size < 0) return undoOnError(first, EINVAL);
    const count = runLength(sizes, page, target, left, size);
    const failed = mapRun(page, target, size, count);
    if (failed != 0) return undoOnError(first, failed);
    const done = count << <u64>size;
    page += done;
    target += done;
    left -= done;
  }
  return 0;
}

/** Range errors before anything is touched. Page counts reach 2^52, where `page + pages` still fits. */
function checkRange(page: u64, target: u64, pages: u64): i32 {
  const granule = (<u64>1 << <u64>(load<i32>(rule, RULE_GRANULE_LOG2) - PAGE_LOG2)) - 1;
  if (((page | target | pages) & granule) != 0) return EINVAL;
  if (pages == 0) return 0;
  if (page + pages > <u64>1 << PAGE_BITS) return rangeErrno();
  const outputBits = <u64>(load<i32>(rule, RULE_OUTPUT_BITS) - PAGE_LOG2);
  if (outputBits < PAGE_BITS && (target + pages - 1) >> outputBits != 0) return ERANGE;
  return inAperture(page, page + pages - 1) ? 0 : rangeErrno();
}

function rangeErrno(): i32 {
  return -(load<i32>(rule, RULE_ERRNOS) >> 16);
}

function inAperture(page: u64, last: u64): bool {
  const bits = load<i32>(rule, RULE_MAP_BITS) - PAGE_LOG2;
  if (<u64>bits >= PAGE_BITS) return true;
  if ((load<i32>(rule, RULE_FLAGS) & RULE_FLAG_SIGN_EXTEND) == 0) return last >> <u64>bits == 0;
  const low = <i64>(page << PAGE_LOG2) >> <i64>(bits + PAGE_LOG2 - 1);
  const high = <i64>(last << PAGE_LOG2) >> <i64>(bits + PAGE_LOG2 - 1);
  return low == high && (low == 0 || low == -1);
}

/** Largest allowed size that divides both addresses and fits, or -1. */
function largestSize(sizes: u64, merged: u64, left: u64): i32 {
  let allowed = sizes & (~(<u64>0) >> clz(left));
  if (merged != 0) allowed &= ((merged & (0 - merged)) << 1) - 1;
  return allowed == 0 ? -1 : 63 - <i32>clz(allowed);
}

/** How many leaves of this size come before a larger one fits. */
function runLength(sizes: u64, page: u64, target: u64, left: u64, size: i32): u64 {
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

/** Maps `count` leaves of one size: one descent for each table of leaves. */
function mapRun(first: u64, firstTarget: u64, size: i32, count: u64): i32 {
  const level = levelOf(size);
  const record = recordOf(level);
  const shift = <u64>pageShift(record);
  const items = <u64>1 << (<u64>size - shift); // slots of one leaf
  const mask = <u64>load<u32>(record, LV_INDEX_MASK);
  let page = first;
  let target = firstTarget;
  let left = count;
  if (left == 0) return 0;
  if (grow(page + (left << <u64>size) - 1, level) != 0) return ENOMEM;
  if (level >= load<i32>(table, PT_LEVELS)) return EINVAL;
  while (left != 0) {
    const leaves = descend(page, level);
    if (leaves == 0) return descendError;
    const index = (page >> shift) & mask;
    let fits = (mask + 1 - index) / items;
    if (fits > left) fits = left;
    const error = fill(leaves + (<usize>index << 3), level, target, size, <i32>items, <i32>fits);
    if (error != 0) return error;
    page += fits << <u64>size;
    target += fits << <u64>size;
    left -= fits;
  }
  return 0;
}

/** Writes `leaves` leaves, each in `items` equal slots. */
function fill(from: usize, level: i32, firstTarget: u64, size: i32, items: i32, leaves: i32): i32 {
  const fixed = attributes | load<u64>(recordOf(level), LV_LEAF_BITS) |
    (items > 1 ? load<u64>(rule, RULE_CONTIG_VALUE) : 0);
  const lowMask = load<u64>(rule, RULE_ADDRESS);
  const lowShift = <u64>load<i32>(rule, RULE_ADDRESS_SHIFT);
  const highMask = load<u64>(rule, RULE_ADDRESS_HIGH);
  const highShift = <u64>load<i32>(rule, RULE_ADDRESS_HIGH_SHIFT);
  const coded = items > 1 ? sizeCode(size) : 0;
  const step = <u64>1 << <u64>(size + PAGE_LOG2);
  let address = firstTarget << PAGE_LOG2;
  let at = from;
  let written = 0;
  let error = 0;
  for (let leaf = 0; leaf < leaves; leaf++) {
    const base = address | coded;
    const value = fixed | ((base >> lowShift) & lowMask) | ((base >> highShift) & highMask);
    let keep = false;
    for (let item = 0; item < items; item++) {
      const old = load<u64>(at + (item << 3));
      if (old == 0) continue;
      error = makeRoom(at + (item << 3), old, level);
      if (error < 0) break;
      if (error == STAYS) keep = true;
    }
    if (error < 0) break;
    error = 0;
    if (!keep) {
      written += items;
      for (let item = 0; item < items; item++) store<u64>(at + (item << 3), value);
    }
    at += items << 3;
    address += step;
    mapped += <u64>1 << <u64>size;
  }
  countLeaves(written);
  return error;
}

/** The address bits that tell the size of a leaf spread over several slots. */
function sizeCode(size: i32): u64 {
  const half = <u64>1 << <u64>(size - 1 + PAGE_LOG2);
  return load<i32>(rule, RULE_CONTIG_KIND) == RULE_CONTIG_ONES ? half - 1 : half;
}

/** Something is in the place of a new leaf. 0: the place is free now; STAYS; or a negative errno. */
function makeRoom(at: usize, old: u64, level: i32): i32 {
  if (isLeaf(old, level)) {
    if ((policy & POLICY_KEEP) != 0) return STAYS;
    if ((policy & POLICY_REPLACE) == 0) return occupied();
    countLeaves(-1);
    return 0;
  }
  const child = childOf(old);
  if ((policy & POLICY_TABLE_IF_EMPTY) != 0 && mapsAnything(child, level - 1)) return occupied();
  dropTable(child, level - 1);
  store<u64>(at, 0);
  return 0;
}

function occupied(): i32 {
  return -(load<i32>(rule, RULE_ERRNOS) & 0xffff);
}

let descendError: i32 = 0;

/** The table at `level` on the way to this page, with the tables above it made as needed; 0 and descendError on failure. */
function descend(page: u64, level: i32): usize {
  let at: usize = load<u32>(table, PT_ROOT);
  for (let above = load<i32>(table, PT_LEVELS) - 1; above > level; above--) {
    const record = recordOf(above);
    const slot = at + (indexOf(record, page) << 3);
    let entry = load<u64>(slot);
    if (entry != 0 && isLeaf(entry, above)) {
      if ((policy & POLICY_CLEAR_ABOVE) == 0) {
        descendError = occupied();
        return 0;
      }
      clearLeaf(at, above, page, entry);
      entry = 0;
    }
    if (entry != 0) {
      at = childOf(entry);
      continue;
    }
    const child = takeFrame(arena, load<i32>(rule, RULE_TABLE_SIZE_LOG2));
    if (child == 0) {
      descendError = ENOMEM;
      return 0;
    }
    store<u64>(slot, encode(addressOfFrame(child)) | load<u64>(record, LV_TABLE_BITS));
    at = child;
  }
  return at;
}

/** Adds levels at the top until `last` is covered and `level` exists (AMD v1). Formats that do not grow have checked the range. */
function grow(last: u64, level: i32): i32 {
  if ((load<i32>(rule, RULE_FLAGS) & RULE_FLAG_GROWS) == 0) return 0;
  let levels = load<i32>(table, PT_LEVELS);
  while (levels < RULE_LEVELS_MAX && (level >= levels || last >> <u64>pageShift(recordOf(levels)) != 0)) {
    const root = takeFrame(arena, load<i32>(rule, RULE_ROOT_SIZE_LOG2));
    if (root == 0) return ENOMEM;
    store<u64>(root, encode(addressOfFrame(load<u32>(table, PT_ROOT))) | load<u64>(recordOf(levels), LV_TABLE_BITS));
    store<u32>(table, <u32>root, PT_ROOT);
    store<i32>(table, ++levels, PT_LEVELS);
  }
  return 0;
}

function undoOnError(first: u64, error: i32): i32 {
  if (error != 0 && mapped != 0) {
    unmapped = 0;
    takeDown(load<u32>(table, PT_ROOT), load<i32>(table, PT_LEVELS) - 1, first, first + mapped - 1);
  }
  return error;
}

// ---- Unmap -----------------------------------------------------------------------------------------------------------------

/** Unmaps a range; returns the pages unmapped, which a large leaf at the end can make more than asked for. */
export function ptUnmap(pt: usize, iovaPage: f64, pages: f64): f64 {
  return unmapCall(pt, <u64>iovaPage, <u64>pages, -1);
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
  const covered = <u64>coveredBits(levels);
  if ((load<i32>(rule, RULE_FLAGS) & RULE_FLAG_SIGN_EXTEND) != 0 || <i32>covered >= <i32>PAGE_BITS) {
    if (!inAperture(page, page + pages - 1)) return 0;
  } else if (page >> covered != 0) {
    return 0;
  }
  if ((policy & (POLICY_BY_FETCH | POLICY_BY_STEP)) != 0) return <f64>callByCall(page, pages);
  if ((policy & POLICY_REPORT_SIZE) != 0) {
    const span = (policy & POLICY_REPORT_SPAN) != 0 ? spanAt(page) : 0;
    const size = span > pages ? span : pages;
    takeDown(root, levels - 1, page, page + size - 1);
    return <f64>size;
  }
  let last = page + pages - 1;
  if (<i32>covered < <i32>PAGE_BITS && (load<i32>(rule, RULE_FLAGS) & RULE_FLAG_SIGN_EXTEND) == 0) {
    const end = (<u64>1 << covered) - 1;
    if (last > end) last = end;
  }
  takeDown(root, levels - 1, page, last);
  return <f64>unmapped;
}

/** Takes down [first, last] below this table; false = stop: a hole, or a leaf that may not be cut. */
function takeDown(at: usize, level: i32, first: u64, last: u64): bool {
  const record = recordOf(level);
  const shift = <u64>pageShift(record);
  const span: u64 = <u64>1 << shift;
  let page = first;
  let items = 0;
  let going = true;
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

// ---- Entries -----------------------------------------------------------------------------------------------------------------

function recordOf(level: i32): usize {
  return rule + RULE_LEVEL0 + <usize>level * RULE_LEVEL_BYTES;
}

function pageShift(record: usize): i32 {
  return load<i32>(record, LV_SHIFT) - PAGE_LOG2;
}

function indexOf(record: usize, page: u64): u32 {
  return <u32>(page >> <u64>pageShift(record)) & load<u32>(record, LV_INDEX_MASK);
}

function entryAt(at: usize, level: i32, page: u64): u64 {
  return load<u64>(at + (indexOf(recordOf(level), page) << 3));
}

/** Page-number bits that a table of so many levels selects by. */
function coveredBits(levels: i32): i32 {
  const record = recordOf(levels - 1);
  return pageShift(record) + <i32>popcnt(load<u32>(record, LV_INDEX_MASK));
}

/** The level whose tables hold leaves of this size. */
function levelOf(size: i32): i32 {
  const grows = (load<i32>(rule, RULE_FLAGS) & RULE_FLAG_GROWS) != 0;
  let level = (grows ? RULE_LEVELS_MAX : load<i32>(rule, RULE_LEVELS)) - 1;
  while (level > 0 && pageShift(recordOf(level)) > size) level--;
  return level;
}

function isLeaf(entry: u64, level: i32): bool {
  if ((load<i32>(rule, RULE_FLAGS) & RULE_FLAG_NEXT_LEVEL) != 0) {
    const next = (entry >> 9) & 7;
    return next == 0 || next == 7;
  }
  const record = recordOf(level);
  return ((entry ^ load<u64>(record, LV_LEAF_XOR)) & load<u64>(record, LV_LEAF_MASK)) != 0;
}

/** log2 of the pages of a leaf. */
function leafSize(entry: u64, level: i32): i32 {
  const kind = load<i32>(rule, RULE_CONTIG_KIND);
  if (kind != RULE_CONTIG_NONE && (entry & load<u64>(rule, RULE_CONTIG_MASK)) == load<u64>(rule, RULE_CONTIG_VALUE)) {
    const field = decode(entry) >> PAGE_LOG2;
    return 1 + <i32>ctz(kind == RULE_CONTIG_ONES ? ~field : field);
  }
  return pageShift(recordOf(level));
}

/** Clears all slots of the leaf that maps this page. */
function clearLeaf(at: usize, level: i32, page: u64, entry: u64): void {
  const size = leafSize(entry, level);
  const record = recordOf(level);
  const items = 1 << (size - pageShift(record));
  const first = indexOf(record, page) & ~(items - 1);
  memory.fill(at + (<usize>first << 3), 0, items << 3);
  countLeaves(-items);
}

function addressMask(): u64 {
  return load<u64>(rule, RULE_ADDRESS) | load<u64>(rule, RULE_ADDRESS_HIGH);
}

function encode(address: u64): u64 {
  return ((address >> <u64>load<i32>(rule, RULE_ADDRESS_SHIFT)) & load<u64>(rule, RULE_ADDRESS)) |
    ((address >> <u64>load<i32>(rule, RULE_ADDRESS_HIGH_SHIFT)) & load<u64>(rule, RULE_ADDRESS_HIGH));
}

function decode(entry: u64): u64 {
  return ((entry & load<u64>(rule, RULE_ADDRESS)) << <u64>load<i32>(rule, RULE_ADDRESS_SHIFT)) |
    ((entry & load<u64>(rule, RULE_ADDRESS_HIGH)) << <u64>load<i32>(rule, RULE_ADDRESS_HIGH_SHIFT));
}

/** The table that an entry points to, as a wasm offset. */
function childOf(entry: u64): usize {
  return <usize>(<u32>(decode(entry) - load<u64>(arena, ARENA_ADDRESS)) + load<u32>(arena, ARENA_BASE));
}

function addressOfFrame(frame: usize): u64 {
  return load<u64>(arena, ARENA_ADDRESS) + <u64>(<u32>frame - load<u32>(arena, ARENA_BASE));
}

// ---- Tables ------------------------------------------------------------------------------------------------------------------

function countLeaves(by: i32): void {
  store<f64>(table, load<f64>(table, PT_LEAF_ITEMS) + <f64>by, PT_LEAF_ITEMS);
}

function freeTable(frame: usize): void {
  giveFrame(arena, frame, load<i32>(rule, RULE_TABLE_SIZE_LOG2));
  store<i32>(table, load<i32>(table, PT_FREED_TABLES) + 1, PT_FREED_TABLES);
}

function dropTable(frame: usize, level: i32): void {
  dropChildren(frame, level);
  freeTable(frame);
}

/** Frees all tables below this one and forgets its leaves. The entries stay as they are. */
function dropChildren(frame: usize, level: i32): void {
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

function mapsAnything(frame: usize, level: i32): bool {
  const entries = load<u32>(recordOf(level), LV_INDEX_MASK) + 1;
  for (let i: u32 = 0; i < entries; i++) {
    const entry = load<u64>(frame + (i << 3));
    if (entry != 0 && (isLeaf(entry, level) || mapsAnything(childOf(entry), level - 1))) return true;
  }
  return false;
}
