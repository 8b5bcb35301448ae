// Reads of table memory: address → bytes, what the read costs, and the trace that `explain` draws from.

import {
  ARENA_ADDRESS, ARENA_BASE, ARENA_LIMIT, CACHE_CLOCK, CACHE_MASK, CACHE_PAD, CACHE_SETS, CACHE_STAMPS, CACHE_TAGS,
  C_LINE_HITS, C_LINE_MISSES, CTX_COUNTERS, TRACE_ADDRESS, TRACE_BYTES, TRACE_CAPACITY, TRACE_COST,
  TRACE_COUNT, TRACE_ENTRY, TRACE_FIRST, TRACE_KIND, TRACE_LEVEL, TRACE_STAGE, UNIT_LINE_PS,
  UNIT_MEMORY_PS, WINDOW_COUNT, WINDOW_LOG2, WINDOW_TABLE,
} from '../layout';
import { leastStamp, stamp } from './cache';
import { arena, ctx, trace, unit } from './state';

/** wasm offset of `bytes` bytes at this address, or 0 if they are not table memory. */
export function locate(address: u64, bytes: u32): usize {
  if (arena != 0) {
    const offset = address - load<u64>(arena, ARENA_ADDRESS);
    const size = <u64>(load<u32>(arena, ARENA_LIMIT) - load<u32>(arena, ARENA_BASE));
    return offset + bytes <= size && offset < size ? <usize>(load<u32>(arena, ARENA_BASE) + <u32>offset) : 0;
  }
  const window = address >> WINDOW_LOG2;
  if (window >= <u64>WINDOW_COUNT) return 0;
  const at = <usize>WINDOW_TABLE + (<usize>window << 3);
  const offset = <u32>address & ((1 << WINDOW_LOG2) - 1);
  return offset + bytes <= load<u32>(at, 4) ? <usize>(load<u32>(at) + offset) : 0;
}

/**
 * Cost in ps of a read of the 64-byte line at this wasm offset, and its place in the line cache: always LRU, found by line
 * number alone. Inlined: the call cost 2 ns of the 16 ns that a read of a cold nested walk takes.
 */
// @ts-ignore: decorator
@inline
export function lineCost(cache: usize, at: usize): f64 {
  if (cache == 0) return load<f64>(unit, UNIT_MEMORY_PS);
  const line = <u32>(at >> 6);
  const mask = load<i32>(cache, CACHE_MASK);
  const set = mask >= 0 ? line & <u32>mask : line % load<u32>(cache, CACHE_SETS);
  const pad = load<u32>(cache, CACHE_PAD);
  const first = set * pad;
  const tags = load<usize>(cache, CACHE_TAGS) + (first << 2);
  const stamps = load<usize>(cache, CACHE_STAMPS) + (first << 2);
  const wanted = i32x4.splat(<i32>line);
  for (let way: u32 = 0; way < pad; way += 4) {
    const hits = i32x4.bitmask(i32x4.eq(wanted, v128.load(tags + (way << 2))));
    if (hits == 0) continue;
    const slot = way + <u32>ctz(hits);
    // A line that was used last needs no new stamp: neighbouring entries make this common.
    if (load<u32>(stamps + (slot << 2)) != load<u32>(cache, CACHE_CLOCK)) stamp(cache, first + slot);
    count(C_LINE_HITS);
    return load<f64>(unit, UNIT_LINE_PS);
  }
  return missLine(cache, line, first, pad);
}

/** Empty lines have stamp 0 and go first. */
function missLine(cache: usize, line: u32, first: u32, pad: u32): f64 {
  const slot = first + leastStamp(cache, first, pad);
  store<u32>(load<usize>(cache, CACHE_TAGS) + (slot << 2), line);
  stamp(cache, slot);
  count(C_LINE_MISSES);
  return load<f64>(unit, UNIT_MEMORY_PS);
}

/** Adds one to a counter of the current requester. */
export function count(counter: i32): void {
  const at = ctx + CTX_COUNTERS + (<usize>counter << 3);
  store<f64>(at, load<f64>(at) + 1);
}

export function countBy(counter: i32, by: f64): void {
  const at = ctx + CTX_COUNTERS + (<usize>counter << 3);
  store<f64>(at, load<f64>(at) + by);
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
