// One DMA request through the unit: device entry → PASID → IOTLB levels → walk → fill. One call a request.

import {
  CACHE_MASK, CACHE_PAD, CACHE_REPLACEMENT, CACHE_RESIDENT, CACHE_SLOTS, CACHE_STAMPS, CACHE_TABLE, CACHE_TAGS,
  CTX_ALLOWED, CTX_BDF, CTX_CACHE, CTX_CLASS, CTX_CLASS_KEY, CTX_CLASS_SHIFT, CTX_COUNTERS, CTX_EPOCH, CTX_FAST,
  CTX_GUEST_LEVELS, CTX_GUEST_ROOT, CTX_HOST_ROOT, CTX_INDEX, CTX_L1, CTX_MODE, CTX_PASID, CTX_SPACE,
  CTX_SPACE_TAG, CTX_UNIT, C_COLD, C_DEPTH, C_FAST, C_FAST_GUEST, C_FAULTS, C_HITS, C_L1_CLASS, C_LOOKUPS, C_MERGED,
  C_NEGATIVE_FILLS, C_NEGATIVE_HITS, C_PREFETCH_HITS, C_REMEMBERED, C_UNTRANSLATED, C_WALK_PS, C_WALK_WAIT_PS, DEPTH_SLOTS, FAULT_ATS, FAULT_NOT_PRESENT, FAULT_READ,
  FAULT_USER, FAULT_WRITE, LOG_ACCESS, LOG_BDF, LOG_BYTES, LOG_CODE, LOG_DOMAIN, LOG_INDEX, LOG_PAGE, LOG_PASID,
  LOG_TIME, META_ALLOWED_SHIFT, META_NEGATIVE, META_PREFETCHED, REPLACE_FIFO, REPLACE_LRU, REPLACE_RANDOM, SLOT_BYTES, SLOT_KEY0, SLOT_KEY1, SLOT_META, SLOT_READY,
  SLOT_VALUE, TRACE_IOTLB_HIT, TRACE_IOTLB_NEGATIVE, UNIT_CLASSES, UNIT_CLASS_LOG2, UNIT_EPOCH, UNIT_FLAGS,
  UNIT_FLAG_BARE, UNIT_FLAG_NEGATIVE, UNIT_FLAG_NO_FRACTURE, UNIT_FLAG_PLAIN, UNIT_FLAG_UNIFIED, UNIT_FLAG_WATCHED, UNIT_GUEST_RULE, UNIT_HISTORY, UNIT_HIT_PS, UNIT_HOST_RULE, UNIT_IOTLB,
  UNIT_L1_HIT_PS, UNIT_LOG, UNIT_LOG_ENTRIES, UNIT_LOG_HEAD, UNIT_LOG_OVERFLOW, UNIT_OVERHEAD_PS,
  UNIT_PREFETCH, UNIT_SHADOW,
} from '../layout';
import { find, findScanned, indexOf, insert, setOf, spaceTag, tagOf, tagWith, touch } from './cache';
import {
  ALLOWS_ATS, checkTranslated, entryAllows, guestLevels, guestRoot, hostRoot, mode, recall, recallSpace, renew,
  resolveContext, space, useContext,
} from './context';
import { missCause, shadowAccess } from './history';
import { forgetHostLeaf } from './leaf';
import { noteHost, prefetchAfter } from './prefetch';
import { count, record } from './read';
import { UNKNOWN, fillUsual, noteAbsent, rememberedMiss } from './remembered';
import {
  addTo, begin, costPs, ctx, fault, increment, nowPs, outPage, outPermissions, outSizeLog2, pageOf, reads, result, trace, unit,
} from './state';
import { GUEST, HOST, classOf, setHostStage } from './stages';
import { straightGuest, straightStage } from './straight';
import { throughHost, walk, walkGuest } from './walk';
import { freeWalker, later, takeStart } from './walkers';

/** What the last lookup found. */
let hitRecord: usize = 0;
let hitSlot: u32 = 0;
let hitClass: i32 = 0;
let hitCache: usize = 0;
let hitPage: u64 = 0;
let hitUnit: usize = 0;

/**
 * Translates one request of `access` (1 read, 2 write, 3 both) that reaches the unit at `atPs`. Returns the time at which
 * the translation is known, or -1 - time when the request is aborted (lastFault says why; the log has a record).
 */
export function translate(requester: usize, page: f64, access: i32, atPs: f64): f64 {
  const input = pageOf(page);
  const done = shortWay(true, requester, input, access, atPs);
  if (done >= 0) return done;
  hitRecord = 0;
  return notHit(requester, input, access, atPs, done);
}

/** Translates what the short way did not, of which it said `done`. */
// @ts-ignore: decorator
@inline
export function notHit(requester: usize, page: u64, access: i32, atPs: f64, done: f64): f64 {
  const missed = done == ABSENT ? rememberedMiss(requester, page, access, atPs) : UNKNOWN;
  return missed != UNKNOWN ? missed : longWay(requester, page, access, atPs, done);
}

/**
 * The end of a request that needs nothing but its remembered context and a hit, or why it needs more. `noted`: what was hit is left for
 * `translatedPage`.
 */
// @ts-ignore: decorator
@inline
export function shortWay(noted: bool, requester: usize, page: u64, access: i32, atPs: f64): f64 {
  const home = load<usize>(requester, CTX_UNIT);
  if (load<u32>(requester, CTX_EPOCH) != load<u32>(home, UNIT_EPOCH)) return NOT_FOUND;
  if (load<usize>(requester, CTX_CACHE) == 0) return NOT_FOUND;
  return shortHit(noted, home, requester, page, access, atPs);
}

/** The same where it is not all as remembered. */
function longWay(requester: usize, page: u64, access: i32, atPs: f64, done: f64): f64 {
  const home = load<usize>(requester, CTX_UNIT);
  if (load<u32>(requester, CTX_EPOCH) == load<u32>(home, UNIT_EPOCH) && (load<i32>(requester, CTX_ALLOWED) & access) == access) {
    const absent = done == ABSENT && holdsOneClass(home, requester);
    if (absent && isPlain(home, requester)) return plainMiss(home, requester, page, access, atPs);
    begin(home, requester, atPs);
    recall();
    return absent ? lookedUp(page, access) : proceed(page, access);
  }
  begin(home, requester, atPs);
  const code = resolveContext(access);
  return code == 0 ? proceed(page, access) : abort(code, page, access, atPs + costPs);
}

/**
 * The way of most requests: context as remembered, a hit in the cache and class of the last hit. It leaves caches and counts as
 * the general way would; NOT_FOUND where that is needed. Written out without calls, which cost registers: 30 M hits/s need it.
 */
// @ts-ignore: decorator
@inline
function shortHit(noted: bool, home: usize, requester: usize, page: u64, access: i32, atPs: f64): f64 {
  const cache = load<usize>(requester, CTX_CACHE);
  const key0 = (page >> <u64>load<u32>(requester, CTX_CLASS_SHIFT)) | load<u64>(requester, CTX_CLASS_KEY);
  const tag = tagWith(key0, load<u32>(requester, CTX_SPACE_TAG));
  const pad = load<u32>(cache, CACHE_PAD);
  const first = (indexOf(cache, key0, load<u64>(requester, CTX_SPACE)) & load<u32>(cache, CACHE_MASK)) * pad;
  const tags = load<usize>(cache, CACHE_TAGS) + (first << 2);
  const wanted = i32x4.splat(<i32>tag);
  let way: u32 = 0;
  let hits = i32x4.bitmask(i32x4.eq(wanted, v128.load(tags)));
  while (hits == 0) {
    way += 4;
    if (way >= pad) {
      noteAbsent(first, tag);
      return ABSENT;
    }
    hits = i32x4.bitmask(i32x4.eq(wanted, v128.load(tags + (way << 2))));
  }
  const slot = first + way + <u32>ctz(hits);
  const at = load<usize>(cache, CACHE_SLOTS) + slot * SLOT_BYTES;
  if (load<u64>(at, SLOT_KEY0) != key0) return NOT_FOUND;
  if (load<u64>(at, SLOT_KEY1) != load<u64>(requester, CTX_SPACE)) return NOT_FOUND;
  const done = atPs + load<f64>(home, UNIT_HIT_PS);
  if (load<f64>(at, SLOT_READY) > done) return NOT_FOUND;
  const allowed = load<i32>(at, SLOT_META) & load<i32>(requester, CTX_ALLOWED);
  if ((allowed & access) != access) return NOT_FOUND;
  if (load<i32>(cache, CACHE_REPLACEMENT) == REPLACE_LRU) renew(cache, load<usize>(cache, CACHE_STAMPS) + (slot << 2));
  useContext(home, requester);
  increment(load<usize>(requester, CTX_FAST));
  if (noted) {
    hitRecord = at;
    hitPage = page;
    hitUnit = home;
  }
  return done;
}

/** What happens to a request that fails: it is aborted with a record; unless it asks for a translation. */
const ABORTS = 0;
const ASKS = 1; // faults that the device may mend are its own business: R = W = 0
const ASKS_MORE = 2; // pages beyond the one that is needed: no fault is
let purpose = ABORTS;
/** Fault code of the last translation request, if it was one that the unit refuses. */
let refused = 0;

/** Whether an answer with R = W = 0 tells the device of this fault (VT-d 4.1, section 7.1.3: qualified faults). */
function isRecoverable(code: i32): bool {
  return code == FAULT_NOT_PRESENT || code == FAULT_READ || code == FAULT_WRITE || code == FAULT_USER;
}

/** Fault code for which the last translation request was refused (UR or CA); 0. */
export function isUnrecoverable(): i32 {
  return refused;
}

/**
 * A translation request (ATS): which accesses are allowed is the answer (state's outPermissions, outSizeLog2), not a reason
 * to fail. Returns as translate does; -1 - time for a page that has no translation.
 */
export function translateAts(requester: usize, page: f64, atPs: f64, more: bool): f64 {
  const home = load<usize>(requester, CTX_UNIT);
  const input = pageOf(page);
  begin(home, requester, atPs);
  purpose = more ? ASKS_MORE : ASKS;
  refused = 0;
  let code = 0;
  const known = load<u32>(requester, CTX_EPOCH) == load<u32>(home, UNIT_EPOCH);
  if (known) recall();
  else code = resolveContext(0);
  const allowed = known ? load<i32>(requester, CTX_ALLOWED) : entryAllows();
  if (code == 0 && (allowed & ALLOWS_ATS) == 0) code = FAULT_ATS;
  const done = code == 0 ? proceed(input, 0) : abort(code, input, 0, atPs + costPs);
  purpose = ABORTS;
  result(outPage, outSizeLog2, outPermissions & allowed);
  return done;
}

/** A request with a translated address: passed, if the device's entry allows ATS. Returns as translate does. */
export function preTranslated(requester: usize, page: f64, access: i32, atPs: f64): f64 {
  begin(load<usize>(requester, CTX_UNIT), requester, atPs);
  hitRecord = 0;
  const code = checkTranslated();
  if (code == 0) result(pageOf(page), 12, access);
  return code == 0 ? atPs + costPs : abort(code, pageOf(page), access, atPs + costPs);
}

/** The context is known: pass, look up, walk. */
function proceed(page: u64, access: i32): f64 {
  hitRecord = 0;
  if (mode == 0 && guestLevels == 0) {
    count(C_UNTRANSLATED);
    result(page, 12, 3);
    return nowPs + costPs;
  }
  const done = lookup(page, access);
  return done != NOT_FOUND ? done : miss(page, access);
}

/** The short way has looked for it in the only place where it could be. */
// @ts-ignore: decorator
@inline
function lookedUp(page: u64, access: i32): f64 {
  hitRecord = 0;
  count(C_LOOKUPS);
  return miss(page, access);
}

/** Not found the short way, or nowhere in its set. Times are at least 0 (or -1 - time). */
const NOT_FOUND: f64 = -0.5;
const ABSENT: f64 = -0.25;

/** Whether the IOTLB is one cache, with leaves of no other class than the short way looks for (CTX_CACHE is 0 where there is an L1). */
// @ts-ignore: decorator
@inline
function holdsOneClass(home: usize, requester: usize): bool {
  if ((load<i32>(home, UNIT_FLAGS) & UNIT_FLAG_UNIFIED) == 0) return false;
  const held = i32x4.bitmask(i32x4.ne(v128.load(load<usize>(requester, CTX_CACHE), CACHE_RESIDENT), i32x4.splat(0)));
  return (held & ~(1 << load<i32>(requester, CTX_CLASS))) == 0;
}

/**
 * Whether what the requester's short way did not find needs only a walk and a fill: the unit tells no causes and has no walk caches,
 * or no guest's tables are walked, and the IOTLB is in LRU or FIFO order.
 */
// @ts-ignore: decorator
@inline
function isPlain(home: usize, requester: usize): bool {
  const flags = load<i32>(home, UNIT_FLAGS);
  if ((flags & UNIT_FLAG_PLAIN) == 0 || load<usize>(home, UNIT_HISTORY) != 0) return false;
  if ((flags & UNIT_FLAG_BARE) == 0 && load<i32>(requester, CTX_GUEST_LEVELS) != 0) return false;
  return load<i32>(load<usize>(requester, CTX_CACHE), CACHE_REPLACEMENT) <= REPLACE_FIFO;
}

/**
 * `recall`, `proceed` and `miss` in one, for what `isPlain` says: 10 M misses a second leave no time for what it leaves out. It
 * leaves caches and counts as they would.
 */
function plainMiss(home: usize, requester: usize, page: u64, access: i32, atPs: f64): f64 {
  useContext(home, requester);
  const counters = requester + CTX_COUNTERS;
  addTo(counters + (C_LOOKUPS << 3), 1);
  addTo(counters + (C_REMEMBERED << 3) + (load<i32>(requester, CTX_GUEST_LEVELS) != 0 ? 8 : 0), 1);
  const arrivedPs = atPs + load<f64>(home, UNIT_HIT_PS);
  const walker = freeWalker(home);
  const startPs = takeStart(home, later(arrivedPs, load<f64>(walker)));
  begin(home, requester, startPs); // walk-cache entries that come while it waits for a walker are there
  hitRecord = 0;
  const code = plainStages(requester, load<i32>(requester, CTX_GUEST_LEVELS), page);
  const donePs = endWalk(walker, arrivedPs, startPs);
  recallSpace();
  if (code != 0) return abort(code, page, access, donePs);
  fillUsual(home, requester, page, donePs);
  return (outPermissions & access) == access ? donePs : denied(page, access, donePs);
}

/** Both stages of a walk through nothing but entries, or the host's with its walk caches, as `walkStages`. */
// @ts-ignore: decorator
@inline
function plainStages(requester: usize, guest: i32, page: u64): i32 {
  const levels = load<i32>(requester, CTX_MODE);
  const rule = load<usize>(unit, UNIT_HOST_RULE);
  const root = load<u64>(requester, CTX_HOST_ROOT);
  if (guest == 0) {
    if ((load<i32>(unit, UNIT_FLAGS) & UNIT_FLAG_BARE) != 0) return straightStage(HOST, rule, levels - 1, root, page);
    return walk(HOST, rule, levels - 1, root, page, load<u64>(requester, CTX_SPACE), false);
  }
  const guestRule = load<usize>(unit + ((guest - 4) << 2), UNIT_GUEST_RULE);
  const table = load<u64>(requester, CTX_GUEST_ROOT);
  if (levels == 0) return straightStage(GUEST, guestRule, guest - 1, table, page);
  const code = straightGuest(guestRule, guest - 1, table, page, rule, levels - 1, root);
  if (code != 0) return code;
  const size = outSizeLog2;
  const allowed = outPermissions;
  const second = straightStage(HOST, rule, levels - 1, root, outPage);
  if (second != 0) return second;
  const fractured = (load<i32>(unit, UNIT_FLAGS) & UNIT_FLAG_NO_FRACTURE) == 0 && outSizeLog2 < size;
  return result(outPage, fractured ? outSizeLog2 : size, allowed & outPermissions);
}

/** IOTLB levels. Returns the request's end, or NOT_FOUND. */
function lookup(page: u64, access: i32): f64 {
  count(C_LOOKUPS);
  const l1 = load<usize>(ctx, CTX_L1);
  let ps = costPs;
  if (l1 != 0) {
    ps += load<f64>(unit, UNIT_L1_HIT_PS);
    if (probe(page, l1)) return found(page, access, ps, true);
  }
  ps += load<f64>(unit, UNIT_HIT_PS);
  if (!probe(page, 0)) return NOT_FOUND;
  usePrefetched();
  if (l1 != 0) copyToL1(l1);
  else aim(hitCache, hitClass);
  return found(page, access, ps, false);
}

/** The entry found may have been prefetched and not used so far: its permissions come into force, and the use is counted. */
// @ts-ignore: decorator
@inline
function usePrefetched(): void {
  const meta = load<u64>(hitRecord, SLOT_META);
  if ((meta & META_PREFETCHED) == 0) return;
  const allowed = (meta >> META_ALLOWED_SHIFT) & 3;
  store<u64>(hitRecord, (meta & ~(META_PREFETCHED | (3 << META_ALLOWED_SHIFT))) | allowed, SLOT_META);
  count(C_PREFETCH_HITS);
}

/**
 * The requester's next request is looked up first where this one hit or was filled, if that cache is a plain one (see shortHit)
 * and the requester's context is remembered.
 */
function aim(cache: usize, leafClass: i32): void {
  if (load<u32>(ctx, CTX_EPOCH) != load<u32>(unit, UNIT_EPOCH)) return;
  const policy = load<i32>(cache, CACHE_REPLACEMENT);
  const scanned = load<usize>(cache, CACHE_TABLE) == 0 && load<i32>(cache, CACHE_MASK) >= 0;
  const plain = scanned && policy <= REPLACE_RANDOM;
  const shadowed = load<usize>(unit + (leafClass << 2), UNIT_SHADOW) != 0;
  const watched = trace != 0 || shadowed || (load<i32>(unit, UNIT_FLAGS) & UNIT_FLAG_WATCHED) != 0;
  store<usize>(ctx, plain && !watched ? cache : 0, CTX_CACHE);
  store<i32>(ctx, leafClass, CTX_CLASS);
  store<u64>(ctx, <u64>leafClass << 60, CTX_CLASS_KEY);
  const fast = load<i32>(ctx, CTX_GUEST_LEVELS) != 0 ? C_FAST_GUEST : C_FAST;
  store<usize>(ctx, ctx + CTX_COUNTERS + (<usize>(fast + leafClass) << 3), CTX_FAST);
  store<i32>(ctx, load<i32>(unit + (leafClass << 2), UNIT_CLASS_LOG2) - 12, CTX_CLASS_SHIFT);
}

/** Looks for the page in one cache (L1) or in the shared level, by leaf class; sets hit*. */
function probe(page: u64, l1: usize): bool {
  const classes = load<i32>(unit, UNIT_CLASSES);
  for (let i = 0; i < classes; i++) {
    const cache = l1 != 0 ? l1 : load<usize>(unit + (i << 2), UNIT_IOTLB);
    if (cache == 0 || load<i32>(cache + (i << 2), CACHE_RESIDENT) == 0) continue;
    const key0 = (page >> <u64>(load<i32>(unit + (i << 2), UNIT_CLASS_LOG2) - 12)) | (<u64>i << 60);
    const tag = tagWith(key0, spaceTag(space));
    const slot = load<usize>(cache, CACHE_TABLE) == 0
      ? findScanned(cache, key0, space, tag, setOf(cache, key0, space))
      : find(cache, key0, space, tag, 0);
    if (slot < 0) continue;
    hitCache = cache;
    hitSlot = <u32>slot;
    hitClass = i;
    hitRecord = load<usize>(cache, CACHE_SLOTS) + <u32>slot * SLOT_BYTES;
    hitPage = page;
    hitUnit = unit;
    return true;
  }
  return false;
}

/** A lookup that found an entry: a hit, or a wait for the walk that is still fetching it. */
function found(page: u64, access: i32, ps: f64, inL1: bool): f64 {
  touch(hitCache, hitSlot);
  const meta = load<u64>(hitRecord, SLOT_META);
  const ready = load<f64>(hitRecord, SLOT_READY);
  const size = load<i32>(unit + (hitClass << 2), UNIT_CLASS_LOG2);
  shadowAccess(load<u64>(hitRecord), load<u64>(hitRecord, 8), inL1);
  const inside = (<u64>1 << <u64>(size - 12)) - 1;
  result(load<u64>(hitRecord, SLOT_VALUE) | (page & inside), size, <i32>meta & 3);
  let done = nowPs + ps;
  if (ready > done) {
    count(C_MERGED);
    if (load<usize>(unit, UNIT_HISTORY) != 0) count(C_COLD + (<i32>(meta >> 4) & 3));
    done = ready;
  } else {
    if (inL1) count(C_L1_CLASS + hitClass);
    count(C_HITS + hitClass);
  }
  if ((meta & META_NEGATIVE) != 0) {
    count(C_NEGATIVE_HITS);
    if (trace != 0) record(TRACE_IOTLB_NEGATIVE, 0, hitClass, page, 0, ps);
    return abort(FAULT_NOT_PRESENT, page, access, done);
  }
  if (trace != 0) record(TRACE_IOTLB_HIT, 0, hitClass, page, load<u64>(hitRecord, SLOT_VALUE), ps);
  return (outPermissions & access) == access ? done : denied(page, access, done);
}

function copyToL1(l1: usize): void {
  const from = hitRecord;
  const key0 = load<u64>(from);
  const at = insert(l1, key0, space, tagOf(key0, space), setOf(l1, key0, space));
  put(at, load<u64>(from, SLOT_VALUE), load<u64>(from, SLOT_META), load<f64>(from, SLOT_READY));
}

/** A walk: takes the walker that is free first, reads the tables, fills the IOTLB. */
function miss(page: u64, access: i32): f64 {
  let arrivedPs = nowPs + costPs + load<f64>(unit, UNIT_HIT_PS);
  if (load<usize>(ctx, CTX_L1) != 0) arrivedPs += load<f64>(unit, UNIT_L1_HIT_PS);
  const walker = freeWalker(unit);
  const startPs = takeStart(unit, later(arrivedPs, load<f64>(walker)));
  begin(unit, ctx, startPs);

  const code = walkStages(page);
  const donePs = endWalk(walker, arrivedPs, startPs);
  if (code != 0) {
    if (code == FAULT_NOT_PRESENT && (load<i32>(unit, UNIT_FLAGS) & UNIT_FLAG_NEGATIVE) != 0) fillNegative(page, donePs);
    else if (load<usize>(unit, UNIT_HISTORY) != 0) count(C_COLD); // nothing was filled: such a page is never seen
    return abort(code, page, access, donePs);
  }
  fill(page, donePs);
  if (load<i32>(unit, UNIT_PREFETCH) != 0) prefetchAfter(page, donePs);
  return (outPermissions & access) == access ? donePs : denied(page, access, donePs);
}

/** Pays and counts a walk; returns when it is done. */
// @ts-ignore: decorator
@inline
function endWalk(walker: usize, arrivedPs: f64, startPs: f64): f64 {
  const donePs = startPs + load<f64>(unit, UNIT_OVERHEAD_PS) + costPs;
  const counters = ctx + CTX_COUNTERS;
  store<f64>(walker, donePs);
  addTo(counters + (C_WALK_PS << 3), donePs - startPs);
  addTo(counters + (C_WALK_WAIT_PS << 3), startPs - arrivedPs);
  addTo(counters + ((C_DEPTH + min(reads, DEPTH_SLOTS - 1)) << 3), 1);
  return donePs;
}

/** Both stages as the context asks; leaves target, size and permissions of the whole translation. */
function walkStages(page: u64): i32 {
  const host = load<usize>(unit, UNIT_HOST_RULE);
  if (guestLevels == 0) return walk(HOST, host, mode - 1, hostRoot, page, space, false);
  if (mode != 0) setHostStage(host, mode, hostRoot, space & 0xffff);
  const rule = guestLevels == 4 ? load<usize>(unit, UNIT_GUEST_RULE) : load<usize>(unit, UNIT_GUEST_RULE + 4);
  const code = mode != 0
    ? walkGuest(rule, guestLevels, guestRoot, page, space)
    : walk(GUEST, rule, guestLevels - 1, guestRoot, page, space, false);
  if (code != 0 || mode == 0) return code;
  const size = outSizeLog2;
  const allowed = outPermissions;
  const guestPage = outPage;
  forgetHostLeaf();
  const second = throughHost(guestPage);
  if (second != 0) return second;
  noteHost(guestPage);
  const fractured = (load<i32>(unit, UNIT_FLAGS) & UNIT_FLAG_NO_FRACTURE) == 0 && outSizeLog2 < size;
  return result(outPage, fractured ? outSizeLog2 : size, allowed & outPermissions);
}

// @ts-ignore: decorator
@inline
function fill(page: u64, readyPs: f64): void {
  const i = classOf(outSizeLog2);
  const shift = <u64>(load<i32>(unit + (i << 2), UNIT_CLASS_LOG2) - 12);
  const key0 = (page >> shift) | (<u64>i << 60);
  const tag = tagWith(key0, spaceTag(space));
  let meta = <u64>outPermissions;
  if (load<usize>(unit, UNIT_HISTORY) != 0) {
    const cause = missCause(key0, space);
    count(C_COLD + cause);
    meta |= <u64>cause << 4;
  }
  const value = (outPage >> shift) << shift;
  const shared = load<usize>(unit + (i << 2), UNIT_IOTLB);
  const l1 = load<usize>(ctx, CTX_L1);
  if (shared != 0) {
    put(insert(shared, key0, space, tag, setOf(shared, key0, space)), value, meta, readyPs);
    if (l1 == 0 && load<usize>(ctx, CTX_CACHE) == 0) aim(shared, i);
  }
  if (l1 != 0) put(insert(l1, key0, space, tag, setOf(l1, key0, space)), value, meta, readyPs);
}

/** A page of 4 KiB that is not present, in all levels, until it is invalidated or evicted. */
function fillNegative(page: u64, readyPs: f64): void {
  const tag = tagOf(page, space);
  let meta: u64 = META_NEGATIVE;
  if (load<usize>(unit, UNIT_HISTORY) != 0) {
    const cause = missCause(page, space);
    count(C_COLD + cause);
    meta |= <u64>cause << 4;
  }
  const shared = load<usize>(unit, UNIT_IOTLB);
  const l1 = load<usize>(ctx, CTX_L1);
  if (shared != 0) put(insert(shared, page, space, tag, setOf(shared, page, space)), 0, meta, readyPs);
  if (l1 != 0) put(insert(l1, page, space, tag, setOf(l1, page, space)), 0, meta, readyPs);
  if (shared != 0 || l1 != 0) count(C_NEGATIVE_FILLS);
}

// @ts-ignore: decorator
@inline
function put(at: usize, value: u64, meta: u64, readyPs: f64): void {
  store<u64>(at, value, SLOT_VALUE);
  store<u64>(at, meta, SLOT_META);
  store<f64>(at, readyPs, SLOT_READY);
}

function denied(page: u64, access: i32, atPs: f64): f64 {
  return abort((outPermissions & access & 1) == (access & 1) ? FAULT_WRITE : FAULT_READ, page, access, atPs);
}

/** Ends a request with a record in the event ring; a full ring loses the record, not the count. */
function abort(code: i32, page: u64, access: i32, atPs: f64): f64 {
  fault(code);
  if (purpose != ABORTS) {
    if (purpose == ASKS_MORE || isRecoverable(code)) return -1 - atPs;
    refused = code;
  }
  count(C_FAULTS);
  const head = load<u32>(unit, UNIT_LOG_HEAD);
  if (head >= load<u32>(unit, UNIT_LOG_ENTRIES)) {
    store<f64>(unit, load<f64>(unit, UNIT_LOG_OVERFLOW) + 1, UNIT_LOG_OVERFLOW);
    return -1 - atPs;
  }
  store<u32>(unit, head + 1, UNIT_LOG_HEAD);
  const at = load<usize>(unit, UNIT_LOG) + head * LOG_BYTES;
  store<f64>(at, atPs, LOG_TIME);
  store<f64>(at, <f64>page, LOG_PAGE);
  store<i32>(at, load<i32>(ctx, CTX_INDEX), LOG_INDEX);
  store<i32>(at, load<i32>(ctx, CTX_BDF), LOG_BDF);
  store<i32>(at, <i32>(space & 0xffff), LOG_DOMAIN);
  store<i32>(at, load<i32>(ctx, CTX_PASID), LOG_PASID);
  store<i32>(at, code, LOG_CODE);
  store<i32>(at, access, LOG_ACCESS);
  return -1 - atPs;
}

/** Result of the last request, also when it came the short way. */
export function translatedPage(): u64 {
  if (hitRecord == 0) return outPage;
  const i = load<u64>(hitRecord) >> 60;
  const shift = <u64>load<i32>(hitUnit + (<usize>i << 2), UNIT_CLASS_LOG2) - 12;
  return load<u64>(hitRecord, SLOT_VALUE) | (hitPage & ((<u64>1 << shift) - 1));
}
