// What invalidation commands drop. An entry goes if its address space and range match; a small range is probed page by page,
// a larger one by a sweep over the cache.

import {
  CACHE_PAD, CACHE_RESIDENT, CACHE_SETS, CACHE_SLOTS, CACHE_TAGS, CACHE_WAYS, KEY_GUEST_LOG2, RULE_LEVELS, RULE_STEPS, SLOT_BYTES, SLOT_KEY0, SLOT_KEY1, UNIT_CLASSES,
  INVALIDATE_NO_GUESTS, INVALIDATE_PDE, META_NEGATIVE, META_UNMAPPED_SHIFT, SLOT_META, STEP_LOG2, UNIT_CLASS_LOG2, UNIT_DEVICE_CACHE, UNIT_FLAGS, UNIT_FLAG_UNIFIED, UNIT_GUEST_RULE, UNIT_HISTORY, UNIT_HOST_RULE, UNIT_IOTLB, UNIT_L1_COUNT, UNIT_L1_FIRST, UNIT_NESTED_TLB, UNIT_PASID_CACHE, UNIT_PWC, UNIT_PWC_MASK, UNIT_SHADOW, UNIT_UNMAPPED,
} from '../layout';
import { newEpoch } from './context';
import { drop, find, setOf, spaceTag, tagOf, tagWith } from './cache';
import { noteDropped } from './history';
import { takeOut } from './plain';
import { begin, pageOf, unit } from './state';
import { GUEST, HOST } from './stages';

/** Most probes before a sweep is cheaper; measured break-even for a 512-entry cache is about 40. */
const PROBES: u64 = 32;
const GUEST_SPACES: u64 = <u64>1 << KEY_GUEST_LOG2;
const ALL: i32 = 52;
const MAX_LEVELS: i32 = 6;

let dropped: i32 = 0;
/** Whether dropped keys go into the miss-cause history (IOTLB levels only). */
let noting: bool = false;

function matches(key1: u64, space: u64, spaceMask: u64): bool {
  return (key1 & spaceMask) == space;
}

/** Drops entries of a cache that is not empty, whose keys are page numbers shifted right by `shift`, of one leaf class. */
// @ts-ignore: decorator
@inline
function dropRange(cache: usize, space: u64, spaceMask: u64, page: u64, pagesLog2: i32, shift: u64, leaf: i32): void {
  if (pagesLog2 <= <i32>shift && spaceMask == ~(<u64>0)) dropKey(cache, (page >> shift) | (<u64>leaf << 60), space);
  else dropKeys(cache, space, spaceMask, page, pagesLog2, shift, leaf);
}

function dropKeys(cache: usize, space: u64, spaceMask: u64, page: u64, pagesLog2: i32, shift: u64, leaf: i32): void {
  const keysLog2 = pagesLog2 > <i32>shift ? <u64>pagesLog2 - shift : 0;
  const first = ((page >> shift) >> keysLog2 << keysLog2) | (<u64>leaf << 60);
  if (spaceMask != ~(<u64>0) || (<u64>1 << keysLog2) > PROBES) return sweep(cache, space, spaceMask, first, keysLog2);
  for (let i: u64 = 0; i < <u64>1 << keysLog2; i++) dropKey(cache, first + i, space);
}

function dropKey(cache: usize, key0: u64, space: u64): void {
  const found = noting ? LEFT : takeOut(cache, <i32>(key0 >> 60) & 3, key0, space, tagOf(key0, space), LEFT);
  if (found == LEFT) dropOther(cache, key0, space);
  else dropped += found;
}

function dropOther(cache: usize, key0: u64, space: u64): void {
  const slot = find(cache, key0, space, tagOf(key0, space), setOf(cache, key0, space));
  if (slot >= 0) dropSlot(cache, <u32>slot);
}

function dropSlot(cache: usize, slot: u32): void {
  if (noting) {
    const at = load<usize>(cache, CACHE_SLOTS) + slot * SLOT_BYTES;
    noteDropped(load<u64>(at, SLOT_KEY0), load<u64>(at, SLOT_KEY1));
  }
  drop(cache, slot);
  dropped++;
}

function sweep(cache: usize, space: u64, spaceMask: u64, first: u64, keysLog2: u64): void {
  const pad = load<u32>(cache, CACHE_PAD);
  const ways = load<u32>(cache, CACHE_WAYS);
  const total = load<u32>(cache, CACHE_SETS) * pad;
  const tags = load<usize>(cache, CACHE_TAGS);
  const slots = load<usize>(cache, CACHE_SLOTS);
  for (let slot: u32 = 0; slot < total; slot++) {
    if (slot % pad >= ways || load<u32>(tags + (slot << 2)) == 0) continue;
    const at = slots + slot * SLOT_BYTES;
    if (!matches(load<u64>(at, SLOT_KEY1), space, spaceMask)) continue;
    if (load<u64>(at, SLOT_KEY0) >> keysLog2 == first >> keysLog2) dropSlot(cache, slot);
  }
}

/** Entries of one leaf class, in a cache that may hold others too. */
// @ts-ignore: decorator
@inline
function dropClass(cache: usize, leaf: i32, space: u64, spaceMask: u64, page: u64, pagesLog2: i32): void {
  if (cache == 0 || load<i32>(cache + (<usize>leaf << 2), CACHE_RESIDENT) == 0) return;
  const shift = <u64>(load<i32>(unit + (<usize>leaf << 2), UNIT_CLASS_LOG2) - 12);
  dropRange(cache, space, spaceMask, page, pagesLog2, shift, leaf);
}

/** One leaf cache over all classes; `pagesLog2` ≥ 52 is the whole address space. */
function dropLeaves(cache: usize, space: u64, spaceMask: u64, page: u64, pagesLog2: i32): void {
  const classes = load<i32>(unit, UNIT_CLASSES);
  for (let i = 0; i < classes; i++) dropClass(cache, i, space, spaceMask, page, pagesLog2);
}

function dropIotlbs(space: u64, spaceMask: u64, page: u64, pagesLog2: i32): void {
  noting = load<usize>(unit, UNIT_HISTORY) != 0;
  const classes = load<i32>(unit, UNIT_CLASSES);
  for (let i = 0; i < classes; i++) {
    // Split by leaf size, classes have caches of their own; unified, all pointers are the same cache.
    dropClass(load<usize>(unit + (i << 2), UNIT_IOTLB), i, space, spaceMask, page, pagesLog2);
  }
  const l1s = load<usize>(unit, UNIT_L1_FIRST);
  const l1Count = load<u32>(unit, UNIT_L1_COUNT);
  for (let i: u32 = 0; i < l1Count; i++) dropLeaves(load<usize>(l1s + (i << 2)), space, spaceMask, page, pagesLog2);
  const before = dropped; // shadow caches are no hardware
  for (let i = 0; i < classes; i++) dropClass(load<usize>(unit + (i << 2), UNIT_SHADOW), i, space, spaceMask, page, pagesLog2);
  dropped = before;
  noting = false;
}

/**
 * One page of one address space, in a unit that `tellsPages`: what strict unmaps send. Returns the number of entries dropped. Its
 * loops are without calls, which would cost their registers: what `takeOut` leaves is done afterwards.
 */
// @ts-ignore: decorator
@inline
function dropPage(home: usize, stage: i32, space: u64, page: u64, pde: bool): i32 {
  const spaceOf = spaceTag(space);
  const found = dropLeaf(home, page, space, spaceOf);
  if (!pde) return found < LEFT ? found : dropLeft(home, stage, space, page, found);
  const rule = ruleOf(home, stage);
  const levels = cachedLevels(home, stage, rule);
  const all = found + dropPointers(levels, home + (<usize>stage << 5), rule, page << 12, space, spaceOf);
  return all < LEFT ? all : dropLeft(home, stage, space, page, all);
}

/** A page out of the IOTLB. Returns as `dropPage`, with what is left. */
function dropLeaf(home: usize, page: u64, space: u64, spaceOf: u32): i32 {
  let found = 0;
  for (let rest = heldClasses(home); rest != 0; rest &= rest - 1) {
    const i = <usize>ctz(rest);
    const cache = load<usize>(home + (i << 2), UNIT_IOTLB);
    if (cache == 0 || load<i32>(cache + (i << 2), CACHE_RESIDENT) == 0) continue;
    const key0 = (page >> <u64>(load<u32>(home + (i << 2), UNIT_CLASS_LOG2) - 12)) | (<u64>i << 60);
    found += takeOut(cache, <i32>i, key0, space, tagWith(key0, spaceOf), LEFT << <i32>i);
  }
  return found;
}

/** The pointers to a page's tables out of the walk caches of some levels, in the same way. */
function dropPointers(levels: u32, caches: usize, rule: usize, address: u64, space: u64, spaceOf: u32): i32 {
  let found = 0;
  for (let rest = levels; rest != 0; rest &= rest - 1) {
    const level = <usize>ctz(rest);
    const cache = load<usize>(caches + (level << 2), UNIT_PWC);
    if (load<i32>(cache, CACHE_RESIDENT) == 0) continue;
    const key0 = address >> <u64>load<u32>(rule + (level << STEP_LOG2), RULE_STEPS);
    found += takeOut(cache, 0, key0, space, tagWith(key0, spaceOf), LEFT_IN_WALK_CACHE << <i32>level);
  }
  return found;
}

/** Leaf classes (bit i = class i) that the IOTLB may hold: those of a single cache are known at once. */
// @ts-ignore: decorator
@inline
function heldClasses(home: usize): u32 {
  if ((load<i32>(home, UNIT_FLAGS) & UNIT_FLAG_UNIFIED) == 0) return (1 << load<u32>(home, UNIT_CLASSES)) - 1;
  return i32x4.bitmask(i32x4.ne(v128.load(load<usize>(home, UNIT_IOTLB), CACHE_RESIDENT), i32x4.splat(0)));
}

/** Answers of `takeOut` beside numbers of entries, by leaf class and by level of walk cache. */
const LEFT: i32 = 1 << 8;
const LEFT_IN_WALK_CACHE: i32 = LEFT << 4;

/** What `takeOut` has left: see LEFT. Returns the number of entries dropped in all. */
function dropLeft(home: usize, stage: i32, space: u64, page: u64, left: i32): i32 {
  let found = left % LEFT;
  for (let rest: u32 = (left & (LEFT_IN_WALK_CACHE - 1)) / LEFT; rest != 0; rest &= rest - 1) {
    const i = <usize>ctz(rest);
    const key0 = (page >> <u64>(load<u32>(home + (i << 2), UNIT_CLASS_LOG2) - 12)) | (<u64>i << 60);
    found += dropOne(load<usize>(home + (i << 2), UNIT_IOTLB), key0, space);
  }
  const rule = ruleOf(home, stage);
  for (let rest: u32 = left / LEFT_IN_WALK_CACHE; rest != 0; rest &= rest - 1) {
    const level = <usize>ctz(rest);
    const key0 = page >> <u64>(load<u32>(rule + (level << STEP_LOG2), RULE_STEPS) - 12);
    found += dropOne(load<usize>(home + (<usize>stage << 5) + (level << 2), UNIT_PWC), key0, space);
  }
  return found;
}

/** A key of any cache of a unit that tells no causes: 1 if it was there. */
function dropOne(cache: usize, key0: u64, space: u64): i32 {
  const slot = find(cache, key0, space, tagOf(key0, space), setOf(cache, key0, space));
  if (slot >= 0) drop(cache, <u32>slot);
  return slot >= 0 ? 1 : 0;
}

/** Whether a unit has no first-level IOTLBs and tells no causes of misses: then pages are dropped in one go. */
// @ts-ignore: decorator
@inline
function tellsPages(home: usize): bool {
  return (load<usize>(home, UNIT_HISTORY) | load<u32>(home, UNIT_L1_COUNT)) == 0;
}

/** Levels (bit n = level n) that there are walk caches for. */
// @ts-ignore: decorator
@inline
function cachedLevels(home: usize, stage: i32, rule: usize): u32 {
  if (rule == 0) return 0;
  const levels = stage == HOST ? MAX_LEVELS : load<i32>(rule, RULE_LEVELS);
  return load<u32>(home + (<usize>stage << 2), UNIT_PWC_MASK) & ((1 << levels) - 1);
}

/** The rule whose level shifts a stage's walk caches have: of the guest's two the one with more levels, if the unit has it; 0. */
// @ts-ignore: decorator
@inline
function ruleOf(home: usize, stage: i32): usize {
  if (stage == HOST) return load<usize>(home, UNIT_HOST_RULE);
  const five = load<usize>(home, UNIT_GUEST_RULE + 4);
  return five != 0 ? five : load<usize>(home, UNIT_GUEST_RULE);
}

/** Walk caches of a stage: every entry whose span meets the range. A unit without tables of the stage cached nothing. */
function dropWalkCaches(stage: i32, space: u64, spaceMask: u64, page: u64, pagesLog2: i32): void {
  const rule = ruleOf(unit, stage);
  const caches = unit + (stage << 5);
  for (let rest = cachedLevels(unit, stage, rule); rest != 0; rest &= rest - 1) {
    const level = <usize>ctz(rest);
    const cache = load<usize>(caches + (level << 2), UNIT_PWC);
    if (load<i32>(cache, CACHE_RESIDENT) == 0) continue;
    const shift = <u64>(load<i32>(rule + (level << STEP_LOG2), RULE_STEPS) - 12);
    dropRange(cache, space, spaceMask, page, pagesLog2, shift, 0);
  }
}

/**
 * INVALIDATE_IOMMU_PAGES: drops the translations of 2^pagesLog2 pages around `page` (52 = all) in a domain, for one PASID's
 * guest addresses or, with pasid < 0, for host addresses; PDE drops the walk-cache entries of the range too. Host entries
 * below nested translations cannot be found by guest address: then every nested translation of the domain goes.
 * All pages of a PASID: what is cached of its GCR3 entry goes too, which is how Linux announces a new entry (__set_gcr3).
 * `flags`: INVALIDATE_PDE, and INVALIDATE_NO_GUESTS for host addresses of a domain that no guest table translates to, which
 * spares a sweep over all caches. Returns the number of entries dropped.
 */
export function invalidatePages(target: usize, domain: i32, pasid: i32, page: f64, pagesLog2: i32, flags: i32): i32 {
  return dropPages(target, domain, pasid, pageOf(page), pagesLog2, flags);
}

// @ts-ignore: decorator
@inline
export function dropPages(target: usize, domain: i32, pasid: i32, start: u64, pagesLog2: i32, flags: i32): i32 {
  if (pagesLog2 == 0 && tellsPages(target) && (pasid >= 0 || (flags & INVALIDATE_NO_GUESTS) != 0)) {
    const id = <u64>domain & 0xffff;
    const space = pasid >= 0 ? id | (<u64>pasid << 16) | GUEST_SPACES : id;
    return dropPage(target, pasid >= 0 ? GUEST : HOST, space, start, (flags & INVALIDATE_PDE) != 0);
  }
  return dropMany(target, domain, pasid, start, pagesLog2, flags);
}

function dropMany(target: usize, domain: i32, pasid: i32, start: u64, pagesLog2: i32, flags: i32): i32 {
  begin(target, 0, 0);
  dropped = 0;
  const id = <u64>domain & 0xffff;
  const pde = flags & INVALIDATE_PDE;
  const exact = ~(<u64>0);
  if (pasid >= 0) {
    const space = id | (<u64>pasid << 16) | GUEST_SPACES;
    dropIotlbs(space, exact, start, pagesLog2);
    if (pde != 0) dropWalkCaches(GUEST, space, exact, start, pagesLog2);
    if (pagesLog2 >= ALL) dropPasids(domain & 0xffff, pasid);
    return dropped;
  }
  dropIotlbs(id, exact, start, pagesLog2);
  if ((flags & INVALIDATE_NO_GUESTS) != 0) {
    if (pde != 0) dropWalkCaches(HOST, id, exact, start, pagesLog2);
    return dropped;
  }
  dropIotlbs(id | GUEST_SPACES, 0xffff | GUEST_SPACES, 0, ALL);
  dropLeaves(load<usize>(unit, UNIT_NESTED_TLB), id, exact, start, pagesLog2);
  if (pde != 0) dropWalkCaches(HOST, id, exact, start, pagesLog2);
  // Guest walk caches hold system addresses, which the host range may have moved.
  dropWalkCaches(GUEST, id | GUEST_SPACES, 0xffff | GUEST_SPACES, 0, ALL);
  return dropped;
}

/** INVALIDATE_DEVTAB_ENTRY: the device's entry and what was cached of its GCR3 table. Returns the number dropped. */
export function invalidateDevice(target: usize, bdf: i32): i32 {
  begin(target, 0, 0);
  dropped = 0;
  newEpoch();
  const device = load<usize>(unit, UNIT_DEVICE_CACHE);
  if (device != 0) dropKey(device, <u64>bdf, 0);
  const pasid = load<usize>(unit, UNIT_PASID_CACHE);
  if (pasid != 0) sweep(pasid, <u64>bdf, 0xffff, 0, ALL);
  return dropped;
}

/** INVALIDATE_IOMMU_ALL: everything. Returns the number of entries dropped. */
export function invalidateAll(target: usize): i32 {
  begin(target, 0, 0);
  dropped = 0;
  newEpoch();
  dropIotlbs(0, 0, 0, ALL);
  dropLeaves(load<usize>(unit, UNIT_NESTED_TLB), 0, 0, 0, ALL);
  dropWalkCaches(GUEST, 0, 0, 0, ALL);
  dropWalkCaches(HOST, 0, 0, 0, ALL);
  if (load<usize>(unit, UNIT_DEVICE_CACHE) != 0) sweep(load<usize>(unit, UNIT_DEVICE_CACHE), 0, 0, 0, ALL);
  if (load<usize>(unit, UNIT_PASID_CACHE) != 0) sweep(load<usize>(unit, UNIT_PASID_CACHE), 0, 0, 0, ALL);
  return dropped;
}

/** PASID-cache entries of a PASID (-1: any) in a domain (-1: any). Returns the number dropped. */
export function invalidatePasid(target: usize, domain: i32, pasid: i32): i32 {
  begin(target, 0, 0);
  dropped = 0;
  dropPasids(domain, pasid);
  return dropped;
}

/** Which domain a device is in only the device cache knows; without its entry there, the device's PASIDs go too. */
function dropPasids(domain: i32, pasid: i32): void {
  const cache = load<usize>(unit, UNIT_PASID_CACHE);
  if (cache == 0) return;
  const pad = load<u32>(cache, CACHE_PAD);
  const ways = load<u32>(cache, CACHE_WAYS);
  const total = load<u32>(cache, CACHE_SETS) * pad;
  const before = dropped;
  for (let slot: u32 = 0; slot < total; slot++) {
    if (slot % pad >= ways || load<u32>(load<usize>(cache, CACHE_TAGS) + (slot << 2)) == 0) continue;
    const key = load<u64>(load<usize>(cache, CACHE_SLOTS) + slot * SLOT_BYTES, SLOT_KEY1);
    if (pasid >= 0 && key >> 16 != <u64>pasid) continue;
    if (domain >= 0 && isElsewhere(key & 0xffff, domain)) continue;
    dropSlot(cache, slot);
  }
  if (dropped != before) newEpoch();
}

function isElsewhere(bdf: u64, domain: i32): bool {
  const cache = load<usize>(unit, UNIT_DEVICE_CACHE);
  if (cache == 0) return false;
  const slot = find(cache, bdf, 0, tagOf(bdf, 0), setOf(cache, bdf, 0));
  if (slot < 0) return false;
  const word1 = load<u64>(load<usize>(cache, CACHE_SLOTS) + <u32>slot * SLOT_BYTES, SLOT_META);
  return <i32>(word1 & 0xffff) != domain;
}

/**
 * Software has cleared the table entries of `pages` pages from `page` on at `atPs`, and will invalidate later: IOTLB entries that
 * cover one of them are marked, so that hits on them are counted (C_STALE). An entry that is marked keeps its first time.
 */
export function noteUnmapped(target: usize, domain: i32, pasid: i32, page: f64, pages: f64, atPs: f64): void {
  begin(target, 0, 0);
  const id = <u64>domain & 0xffff;
  const space = pasid < 0 ? id : id | (<u64>pasid << 16) | GUEST_SPACES;
  const first = <u64>page;
  const last = first + <u64>pages - 1;
  const mark = max<u64>(<u64>atPs, 1) << META_UNMAPPED_SHIFT;
  const classes = load<i32>(unit, UNIT_CLASSES);
  for (let i = 0; i < classes; i++) {
    const shift = <u64>(load<i32>(unit + (i << 2), UNIT_CLASS_LOG2) - 12);
    const from = (first >> shift) | (<u64>i << 60);
    const to = (last >> shift) | (<u64>i << 60);
    markRange(load<usize>(unit + (i << 2), UNIT_IOTLB), space, from, to, mark);
    const l1s = load<usize>(unit, UNIT_L1_FIRST);
    for (let l: u32 = 0; l < load<u32>(unit, UNIT_L1_COUNT); l++) {
      markRange(load<usize>(l1s + (l << 2)), space, from, to, mark);
    }
  }
}

/** Keys from…to of one leaf class. */
function markRange(cache: usize, space: u64, from: u64, to: u64, mark: u64): void {
  if (cache == 0) return;
  const slots = load<usize>(cache, CACHE_SLOTS);
  if (to - from < PROBES) {
    for (let key0 = from; key0 <= to; key0++) {
      const slot = find(cache, key0, space, tagOf(key0, space), setOf(cache, key0, space));
      if (slot >= 0) markSlot(slots + <u32>slot * SLOT_BYTES, mark);
    }
    return;
  }
  const pad = load<u32>(cache, CACHE_PAD);
  const total = load<u32>(cache, CACHE_SETS) * pad;
  for (let slot: u32 = 0; slot < total; slot++) {
    if (slot % pad >= load<u32>(cache, CACHE_WAYS) || load<u32>(load<usize>(cache, CACHE_TAGS) + (slot << 2)) == 0) continue;
    const at = slots + slot * SLOT_BYTES;
    const key0 = load<u64>(at, SLOT_KEY0);
    if (load<u64>(at, SLOT_KEY1) == space && key0 >= from && key0 <= to) markSlot(at, mark);
  }
}

function markSlot(at: usize, mark: u64): void {
  const meta = load<u64>(at, SLOT_META);
  if (meta >> META_UNMAPPED_SHIFT == 0 && (meta & META_NEGATIVE) == 0) store<u64>(at, meta | mark, SLOT_META);
  store<i32>(unit, 1, UNIT_UNMAPPED);
}
