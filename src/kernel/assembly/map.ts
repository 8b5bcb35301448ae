// The one mapper: builds tables of every format from its rule block, choosing leaf sizes as Linux does (iommu_pgsize,
// pt_compute_best_pgsize). Where Linux's drivers disagree about what a call means, POLICY_* decides.

import {
  LV_INDEX_MASK, LV_LEAF_BITS, LV_SHIFT, LV_TABLE_BITS, POLICY_CLEAR_ABOVE, POLICY_GROW_BY_START, POLICY_KEEP, POLICY_ONE_TABLE,
  POLICY_RECHOOSE, POLICY_REPLACE, POLICY_TABLE_IF_EMPTY, PT_FREED_TABLES, PT_LEAF_ITEMS, PT_LEVELS, PT_NEAR_KEY, PT_ROOT,
  PT_RULE, PT_TARGETS, RULE_ADDRESS, RULE_ADDRESS_HIGH, RULE_ADDRESS_HIGH_SHIFT, RULE_ADDRESS_SHIFT, RULE_CONTIG_KIND, RULE_CONTIG_ONES,
  RULE_CONTIG_VALUE, RULE_ERRNOS, RULE_FLAGS, RULE_FLAG_GROWS, RULE_GRANULE_LOG2, RULE_LEVEL0, RULE_LEVELS, RULE_LEVELS_MAX,
  RULE_OUTPUT_BITS, RULE_PAGE_SIZES, RULE_ROOT_SIZE_LOG2, RULE_TABLE_SIZE_LOG2,
} from '../layout';
import {
  NOT_NEAR, PAGE_BITS, PAGE_LOG2, addressOfFrame, arena, childOf, clearLeaf, countLeaves, dropChildren, dropTable, encode,
  inAperture, indexOf, isLeaf, largestSize, levelOf, mapsAnything, open, pageShift, policy, recordOf, rule, runLength,
  table,
} from './entry';
import { giveFrame, takeFrame } from './frames';
import { ONE, pageOf } from './state';
import { PAGES, leafTable, nearKey, nearSlot, undo } from './unmap';

export { ptUnmap, ptUnmapSize } from './unmap';

const ENOMEM: i32 = -12;
const EINVAL: i32 = -22;
const ERANGE: i32 = -34;
/** Answer of makeRoom beside 0 and errnos: leave the entry as it is. */
const STAYS: i32 = 1;

/** Attribute bits of the leaves being mapped. */
let attributes: u64 = 0;
/** Pages mapped by the last map call before it ended or failed. */
let mapped: u64 = 0;
/** Why descend returned 0, and why a fill ended early. */
let descendError: i32 = 0;
let fillError: i32 = 0;

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
  store<u64>(pt, NOT_NEAR, PT_NEAR_KEY);
  store<f64>(pt, <f64>targets(), PT_TARGETS);
  return 0;
}

/** PT_TARGETS of the table in hand. */
function targets(): u64 {
  if (load<i32>(rule, RULE_GRANULE_LOG2) != PAGE_LOG2 || ((load<u64>(rule, RULE_PAGE_SIZES) >> PAGE_LOG2) & 1) == 0) return 0;
  return <u64>1 << min(<u64>(load<i32>(rule, RULE_OUTPUT_BITS) - PAGE_LOG2), PAGE_BITS);
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
  store<u64>(pt, NOT_NEAR, PT_NEAR_KEY);
}

// ---- Map -------------------------------------------------------------------------------------------------------------------

/** Maps a range with the largest leaves that fit. 0 or a negative errno, and then nothing of it is mapped. */
export function ptMap(pt: usize, iovaPage: f64, paPage: f64, pages: f64, leafLow: i32, leafHigh: i32): i32 {
  const bits = (<u64>(<u32>leafHigh) << 32) | <u64>(<u32>leafLow);
  if (pages == 1 && iovaPage < PAGES && mapNear(pt, iovaPage, paPage, bits)) {
    mapped = 1;
    return 0;
  }
  return mapCall(pt, iovaPage, paPage, pages, bits);
}

/**
 * One 4 KiB page into an empty place of the table used last, what drivers map most often: what else could be wrong was looked at
 * when that table was found. False = not that case.
 */
// @ts-ignore: decorator
@inline
export function mapNear(pt: usize, iovaPage: f64, paPage: f64, bits: u64): bool {
  if (paPage >= load<f64>(pt, PT_TARGETS)) return false;
  const page = pageOf(iovaPage);
  const rules = load<usize>(pt, PT_RULE);
  if (nearKey(rules, page) != load<u64>(pt, PT_NEAR_KEY)) return false;
  const slot = nearSlot(pt, rules, page);
  if (load<u64>(slot) != 0) return false;
  const address = pageOf(paPage) << PAGE_LOG2;
  const low = (address >> <u64>load<u32>(rules, RULE_ADDRESS_SHIFT)) & load<u64>(rules, RULE_ADDRESS);
  const high = (address >> <u64>load<u32>(rules, RULE_ADDRESS_HIGH_SHIFT)) & load<u64>(rules, RULE_ADDRESS_HIGH);
  store<u64>(slot, bits | load<u64>(rules, RULE_LEVEL0 + LV_LEAF_BITS) | low | high);
  store<i32>(pt, 0, PT_FREED_TABLES);
  store<f64>(pt, load<f64>(pt, PT_LEAF_ITEMS) + load<f64>(ONE), PT_LEAF_ITEMS);
  return true;
}

export function mapCall(pt: usize, iovaPage: f64, paPage: f64, pages: f64, bits: u64): i32 {
  open(pt);
  store<i32>(pt, 0, PT_FREED_TABLES);
  attributes = bits;
  if (pages == 1 && iovaPage < PAGES && paPage < PAGES) return mapPage(pageOf(iovaPage), pageOf(paPage));
  return mapRange(<u64>iovaPage, <u64>paPage, <u64>pages);
}

/** One 4 KiB page: there is no size to choose. */
function mapPage(page: u64, target: u64): i32 {
  mapped = 0;
  const error = checkRange(page, target, 1);
  if (error != 0) return error;
  if (((load<u64>(rule, RULE_PAGE_SIZES) >> PAGE_LOG2) & 1) == 0) return EINVAL;
  if (grow(page, 0) != 0) return ENOMEM;
  let leaves = leafTable(page);
  if (leaves == 0) leaves = descend(page, 0);
  if (leaves == 0) return descendError;
  const slot = leaves + (indexOf(recordOf(0), page) << 3);
  if (load<u64>(slot) != 0) return fill(slot, 0, target, 0, 1, 1);
  store<u64>(slot, attributes | load<u64>(recordOf(0), LV_LEAF_BITS) | encode(target << PAGE_LOG2));
  countLeaves(1);
  mapped = 1;
  return 0;
}

/** Maps `count` leaves of 2^sizeLog2 bytes each. */
export function ptMapSize(
  pt: usize, iovaPage: f64, paPage: f64, sizeLog2: i32, count: f64, leafLow: i32, leafHigh: i32,
): i32 {
  open(pt);
  store<i32>(pt, 0, PT_FREED_TABLES);
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
  while (left != 0 && outgrows(page, level)) {
    const error = fillRoot(page, target, size, <i32>items);
    if (error != 0) return error;
    page += <u64>1 << <u64>size;
    target += <u64>1 << <u64>size;
    left--;
  }
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

/** Whether a leaf of this level is larger than the table covers and does not make it grow: see POLICY_GROW_BY_START. */
function outgrows(page: u64, level: i32): bool {
  if ((policy & POLICY_GROW_BY_START) == 0 || (load<i32>(rule, RULE_FLAGS) & RULE_FLAG_GROWS) == 0) return false;
  return level >= load<i32>(table, PT_LEVELS) && grow(page, 0) == 0 && level >= load<i32>(table, PT_LEVELS);
}

/** Linux 6.1's alloc_pte then stops at the root, and its caller writes as many slots there as the leaf has at its own level. */
function fillRoot(page: u64, target: u64, size: i32, items: i32): i32 {
  const level = load<i32>(table, PT_LEVELS) - 1;
  const slot = load<u32>(table, PT_ROOT) + (indexOf(recordOf(level), page) << 3);
  return fill(slot, level, target, size, items, 1);
}

/** Writes `leaves` leaves, each in `items` equal slots. */
function fill(from: usize, level: i32, target: u64, size: i32, items: i32, leaves: i32): i32 {
  const done = items == 1 ? fillSingle(from, level, target, leaves) : fillSpread(from, level, target, size, items, leaves);
  mapped += <u64>done << <u64>size;
  return done == leaves ? 0 : fillError;
}

/** Leaves of their level's natural size: the dense case. Returns how many are in place. */
function fillSingle(from: usize, level: i32, target: u64, leaves: i32): i32 {
  const record = recordOf(level);
  const fixed = attributes | load<u64>(record, LV_LEAF_BITS);
  const lowMask = load<u64>(rule, RULE_ADDRESS);
  const lowShift = <u64>load<i32>(rule, RULE_ADDRESS_SHIFT);
  const highMask = load<u64>(rule, RULE_ADDRESS_HIGH);
  const highShift = <u64>load<i32>(rule, RULE_ADDRESS_HIGH_SHIFT);
  const step = <u64>1 << <u64>load<i32>(record, LV_SHIFT);
  let address = target << PAGE_LOG2;
  let kept = 0;
  let leaf = 0;
  for (; leaf < leaves; leaf++) {
    const at = from + (<usize>leaf << 3);
    const old = load<u64>(at);
    if (old != 0) {
      const room = makeRoom(at, old, level);
      if (room < 0) {
        fillError = room;
        break;
      }
      if (room == STAYS) {
        kept++;
        address += step;
        continue;
      }
    }
    store<u64>(at, fixed | ((address >> lowShift) & lowMask) | ((address >> highShift) & highMask));
    address += step;
  }
  countLeaves(leaf - kept);
  return leaf;
}

/** Leaves whose size is coded in their address, repeated in all their slots. */
function fillSpread(from: usize, level: i32, target: u64, size: i32, items: i32, leaves: i32): i32 {
  const fixed = attributes | load<u64>(recordOf(level), LV_LEAF_BITS) | load<u64>(rule, RULE_CONTIG_VALUE);
  const coded = sizeCode(size);
  for (let leaf = 0; leaf < leaves; leaf++) {
    const first = from + ((<usize>leaf * items) << 3);
    const end = first + (<usize>items << 3);
    let stays = false;
    for (let at = first; at < end; at += 8) {
      const old = load<u64>(at);
      if (old == 0) continue;
      const room = makeRoom(at, old, level);
      if (room < 0) {
        fillError = room;
        return leaf;
      }
      if (room == STAYS) stays = true;
    }
    if (stays) continue;
    const value = fixed | encode(((target + (<u64>leaf << <u64>size)) << PAGE_LOG2) | coded);
    for (let at = first; at < end; at += 8) store<u64>(at, value);
    countLeaves(items);
  }
  return leaves;
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

/** The table at `level` on the way to this page, with the tables above it made as needed; 0 and descendError on failure. */
function descend(page: u64, level: i32): usize {
  let at: usize = load<u32>(table, PT_ROOT);
  for (let above = load<i32>(table, PT_LEVELS) - 1; above > level; above--) {
    const record = recordOf(above);
    const slot = at + (indexOf(record, page) << 3);
    const entry = load<u64>(slot);
    if (entry != 0) {
      if (!isLeaf(entry, above)) {
        at = childOf(entry);
        continue;
      }
      if ((policy & POLICY_CLEAR_ABOVE) == 0) {
        descendError = occupied();
        return 0;
      }
      clearLeaf(at, above, page, entry);
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
  if (error != 0 && mapped != 0) undo(first, mapped);
  return error;
}
