// Reads of table memory: address → bytes, what the read costs, and the trace that `explain` draws from.

import {
  CACHE_CLOCK, CACHE_MASK, CACHE_PAD, CACHE_SETS, CACHE_SLOTS, CACHE_STAMPS, CACHE_TAGS, CTX_COUNTERS, C_LINE_HITS, C_LINE_MISSES,
  TRACE_ADDRESS, TRACE_BYTES, TRACE_CAPACITY, TRACE_COST, TRACE_COUNT, TRACE_ENTRY, TRACE_FIRST, TRACE_KIND,
  TRACE_LEVEL, TRACE_STAGE, UNIT_LINE_CACHE, UNIT_LINE_PS, UNIT_MEMORY_PS, WINDOW_COUNT, WINDOW_LOG2, WINDOW_TABLE,
} from '../layout';
import { find, insert, leastStamp, setOf, stamp, tagOf, touch, watchClock } from './cache';
import { addReads, arenaAddress, arenaBase, arenaBytes, ctx, reads, setReads, trace, unit } from './state';

const WINDOW_LAST: u32 = (1 << WINDOW_LOG2) - 1;

/** wasm offset of the entry (8 bytes, aligned) at this address, or 0 if that is not table memory. */
// @ts-ignore: decorator
@inline
export function locate(address: u64): usize {
  if (arenaBytes != 0) {
    const offset = address - arenaAddress;
    return offset < <u64>arenaBytes ? <usize>(arenaBase + <u32>offset) : 0;
  }
  const window = address >> WINDOW_LOG2;
  if (window >= <u64>WINDOW_COUNT) return 0;
  const at = WINDOW_TABLE + (<usize>window << 3);
  const offset = <u32>address & WINDOW_LAST;
  return offset < load<u32>(at, 4) ? <usize>(load<u32>(at) + offset) : 0;
}

/**
 * Line cache: 64-byte lines of table memory, found by number alone, in LRU order (others: accessLine). A set's stamps follow its tags, so that a
 * read touches one host line for both. True if the read hits: then the line is the newest.
 */
function useLine(cache: usize, at: usize): bool {
  const line = <u32>(at >> 6);
  const mask = load<i32>(cache, CACHE_MASK);
  const pad = load<u32>(cache, CACHE_PAD);
  const first = (mask >= 0 ? line & <u32>mask : line % load<u32>(cache, CACHE_SETS)) * pad * 2;
  const tags = load<usize>(cache, CACHE_TAGS) + (first << 2);
  const wanted = i32x4.splat(<i32>line);
  let way: u32 = 0;
  let hits = i32x4.bitmask(i32x4.eq(wanted, v128.load(tags)));
  while (hits == 0) {
    way += 4;
    if (way >= pad) return false;
    hits = i32x4.bitmask(i32x4.eq(wanted, v128.load(tags + (way << 2))));
  }
  const used = load<usize>(cache, CACHE_STAMPS) + ((first + way + <u32>ctz(hits)) << 2);
  const clock = load<u32>(cache, CACHE_CLOCK);
  // A line that was used last needs no new stamp: neighbouring entries make this common.
  if (load<u32>(used) != clock) {
    store<u32>(used, clock + 1);
    store<u32>(cache, clock + 1, CACHE_CLOCK);
  }
  return true;
}

/** The place of a system address, as `locate`; for walks of the hardware. */
// @ts-ignore: decorator
@inline
export function windowed(address: u64): usize {
  const window = address >> WINDOW_LOG2;
  if (window >= <u64>WINDOW_COUNT) return 0;
  const at = WINDOW_TABLE + (<usize>window << 3);
  const offset = <u32>address & WINDOW_LAST;
  return offset < load<u32>(at, 4) ? <usize>(load<u32>(at) + offset) : 0;
}

/** The set of a line, in a line cache of a power of two of sets of eight ways: eight tags, then their eight stamps. */
// @ts-ignore: decorator
@inline
export function lineSet(cache: usize, at: usize): usize {
  return load<usize>(cache, CACHE_TAGS) + ((<u32>(at >> 6) & load<u32>(cache, CACHE_MASK)) << 6);
}

/**
 * Whether such a set holds the line, which then is the newest. All eight stamps are written, not the one: its place would be known
 * only after the tags have come, and until then the processor holds back the loads that follow. The clock is watched elsewhere
 * (`settle`).
 */
// @ts-ignore: decorator
@inline
export function hitsLine(cache: usize, set: usize, at: usize): bool {
  const wanted = i32x4.splat(<i32>(at >> 6));
  const low = i32x4.eq(wanted, v128.load(set));
  const high = i32x4.eq(wanted, v128.load(set, 16));
  if (!v128.any_true(v128.or(low, high))) return false;
  const clock = load<u32>(cache, CACHE_CLOCK) + 1;
  store<u32>(cache, clock, CACHE_CLOCK);
  const newest = i32x4.splat(<i32>clock);
  v128.store(set, v128.bitselect(newest, v128.load(set, 32), low), 32);
  v128.store(set, v128.bitselect(newest, v128.load(set, 48), high), 48);
  return true;
}

/** Brings a line into such a set, in the place of the oldest; empty ways have stamp 0. */
// @ts-ignore: decorator
@inline
export function bringLine(cache: usize, set: usize, at: usize): void {
  const low = v128.load(set, 32);
  const high = v128.load(set, 48);
  let least = i32x4.min_u(low, high);
  least = i32x4.min_u(least, v128.shuffle<i32>(least, least, 2, 3, 0, 1));
  least = i32x4.min_u(least, v128.shuffle<i32>(least, least, 1, 0, 3, 2));
  const ways = i32x4.bitmask(i32x4.eq(least, low)) | (i32x4.bitmask(i32x4.eq(least, high)) << 4);
  const clock = load<u32>(cache, CACHE_CLOCK) + 1;
  store<u32>(cache, clock, CACHE_CLOCK);
  store<u32>(set + (ctz(ways) << 2), <u32>(at >> 6));
  store<u32>(set + (ctz(ways) << 2), clock, 32);
}

/**
 * Both in one, without a branch: whether a last-level entry's line hits is what nothing predicts, and the answer comes late. Returns
 * 1 if it missed.
 */
// @ts-ignore: decorator
@inline
export function renewOrBring(cache: usize, at: usize): i32 {
  return takeLine(cache, linePlace(cache, at), at);
}

/** Where a line is to be found after its next read: where it is, or in the place of the oldest. The address of its tag. */
// @ts-ignore: decorator
@inline
export function linePlace(cache: usize, at: usize): usize {
  const set = lineSet(cache, at);
  const wanted = i32x4.splat(<i32>(at >> 6));
  const held = eight(i32x4.eq(wanted, v128.load(set)), i32x4.eq(wanted, v128.load(set, 16)));
  const low = v128.load(set, 32);
  const high = v128.load(set, 48);
  let least = i32x4.min_u(low, high);
  least = i32x4.min_u(least, v128.shuffle<i32>(least, least, 2, 3, 0, 1));
  least = i32x4.min_u(least, v128.shuffle<i32>(least, least, 1, 0, 3, 2));
  const oldest = eight(i32x4.eq(least, low), i32x4.eq(least, high));
  return set + (<usize>ctz(select<i32>(held, oldest, held != 0)) << 2);
}

/** Reads the line at its place. Returns 1 if it was not there. */
// @ts-ignore: decorator
@inline
export function takeLine(cache: usize, place: usize, at: usize): i32 {
  const clock = load<u32>(cache, CACHE_CLOCK) + 1;
  const line = <u32>(at >> 6);
  const lost = <i32>(load<u32>(place) != line);
  store<u32>(cache, clock, CACHE_CLOCK);
  store<u32>(place, line);
  store<u32>(place, clock, 32);
  return lost;
}

/** Which of eight lanes are set, as bits. */
// @ts-ignore: decorator
@inline
function eight(low: v128, high: v128): i32 {
  return i32x4.bitmask(low) | (i32x4.bitmask(high) << 4);
}

/** Adds counts and costs of reads: so many in all, and of them so many that the line cache missed. */
// @ts-ignore: decorator
@inline
export function settle(lines: usize, all: i32, missed: i32): void {
  if (lines == 0) {
    addReads(<f64>all * load<f64>(unit, UNIT_MEMORY_PS), all);
    return;
  }
  watchClock(lines);
  const hits = <f64>(all - missed);
  const at = ctx + CTX_COUNTERS;
  store<f64>(at, load<f64>(at, C_LINE_HITS << 3) + hits, C_LINE_HITS << 3);
  let ps = hits * load<f64>(unit, UNIT_LINE_PS);
  if (missed != 0) {
    store<f64>(at, load<f64>(at, C_LINE_MISSES << 3) + <f64>missed, C_LINE_MISSES << 3);
    ps += <f64>missed * load<f64>(unit, UNIT_MEMORY_PS);
  }
  addReads(ps, all);
}

/** One read through any line cache: true if it hit, or there is none. Counted and paid. */
export function readLine(at: usize): bool {
  const cache = load<usize>(unit, UNIT_LINE_CACHE);
  if (cache == 0) {
    addReads(load<f64>(unit, UNIT_MEMORY_PS), 1);
    return true;
  }
  const isPlain = load<usize>(cache, CACHE_SLOTS) == 0;
  const hit = isPlain ? useLine(cache, at) : accessLine(cache, at);
  if (isPlain && !hit) fetchLine(cache, at);
  settle(cache, 1, hit ? 0 : 1);
  return hit;
}

/** Brings the missing line of a read in; empty lines have stamp 0 and go first. */
function fetchLine(cache: usize, at: usize): void {
  const line = <u32>(at >> 6);
  const mask = load<i32>(cache, CACHE_MASK);
  const pad = load<u32>(cache, CACHE_PAD);
  const first = (mask >= 0 ? line & <u32>mask : line % load<u32>(cache, CACHE_SETS)) * pad * 2;
  const slot = first + leastStamp(cache, first, pad);
  store<u32>(load<usize>(cache, CACHE_TAGS) + (slot << 2), line);
  stamp(cache, slot);
}

/** A line cache with a policy or index of its own is a cache like the others. True if it held the line; it does now. */
function accessLine(cache: usize, at: usize): bool {
  const line = <u64>(at >> 6);
  const tag = tagOf(line, 0);
  const set = setOf(cache, line, 0);
  const slot = find(cache, line, 0, tag, set);
  if (slot >= 0) touch(cache, <u32>slot);
  else insert(cache, line, 0, tag, set);
  return slot >= 0;
}

/** What one read cost. */
export function readPs(hit: bool): f64 {
  const cached = hit && load<usize>(unit, UNIT_LINE_CACHE) != 0;
  return cached ? load<f64>(unit, UNIT_LINE_PS) : load<f64>(unit, UNIT_MEMORY_PS);
}

/** A read outside the walk (device entry, GCR3 table): its cost, which does not count as a table read. */
export function readOther(at: usize): f64 {
  const before = reads;
  const hit = readLine(at);
  setReads(before);
  return readPs(hit);
}

/** Adds one to a counter of the current requester. */
export function count(counter: i32): void {
  const at = ctx + CTX_COUNTERS + (<usize>counter << 3);
  store<f64>(at, load<f64>(at) + 1);
}

/** Appends to the trace; only called when there is one. */
export function record(kind: i32, stage: i32, level: i32, address: u64, entry: u64, ps: f64): void {
  const at = load<i32>(trace, TRACE_COUNT);
  if (at >= load<i32>(trace, TRACE_CAPACITY)) return;
  store<i32>(trace, at + 1, TRACE_COUNT);
  const to = trace + TRACE_FIRST + at * TRACE_BYTES;
  store<i32>(to, stage, TRACE_STAGE);
  store<i32>(to, level, TRACE_LEVEL);
  store<u64>(to, address, TRACE_ADDRESS);
  store<u64>(to, entry, TRACE_ENTRY);
  store<f64>(to, ps, TRACE_COST);
  store<i32>(to, kind, TRACE_KIND);
}
