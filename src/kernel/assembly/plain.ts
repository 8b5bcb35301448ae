// Plain caches (CACHE_PLAIN): LRU or FIFO, a power of two of sets chosen by the key's lowest bits. Most walk caches and nested TLBs are.
// cache.ts does the same for every cache; here look-ups and fills are written out, for places where calls would cost too much.

import {
  CACHE_CLOCK, CACHE_EVICTIONS, CACHE_FILLS, CACHE_LINKS, CACHE_MASK, CACHE_OLDEST, CACHE_PAD, CACHE_PLAIN, CACHE_REPLACEMENT, CACHE_SLOTS, CACHE_STAMPS,
  CACHE_TABLE, CACHE_TAGS, REPLACE_LRU, SLOT_BYTES, SLOT_KEY0, SLOT_KEY1, SLOT_META, SLOT_READY, SLOT_VALUE,
} from '../layout';
import { addResident, dropPlain, leastOfEight, leastStamp, stamp } from './cache';
import { enterIndex, findIndexed, makeOldest, moveNewest, takeOldest, unindex, unindexKey } from './indexed';

/** Which of the sixteen words at `at` are these, as bits. */
// @ts-ignore: decorator
@inline
function sixteen(at: usize, wanted: v128): u32 {
  const first = i16x8.narrow_i32x4_s(i32x4.eq(wanted, v128.load(at)), i32x4.eq(wanted, v128.load(at, 16)));
  const second = i16x8.narrow_i32x4_s(i32x4.eq(wanted, v128.load(at, 32)), i32x4.eq(wanted, v128.load(at, 48)));
  return i8x16.bitmask(i8x16.narrow_i16x8_s(first, second));
}

/**
 * Slot of the key, or -1. A scan is written out for CACHE_SCAN_WAYS ways: in a loop tag and place would be computed anew for each few
 * ways. It looks at words behind a set of fewer ways, which are memory of the same cache, and forgets them.
 */
// @ts-ignore: decorator
@inline
export function findPlain(cache: usize, key0: u64, key1: u64, tag: u32): i32 {
  if (load<usize>(cache, CACHE_TABLE) != 0) return <i32>findIndexed(cache, key0, key1, tag) - 1;
  const pad = load<u32>(cache, CACHE_PAD);
  const first = (<u32>key0 & load<u32>(cache, CACHE_MASK)) * pad;
  const tags = load<usize>(cache, CACHE_TAGS) + (first << 2);
  let hits = sixteen(tags, i32x4.splat(<i32>tag)) & ((1 << pad) - 1);
  while (hits != 0) {
    const slot = first + <u32>ctz(hits);
    const at = load<usize>(cache, CACHE_SLOTS) + slot * SLOT_BYTES;
    if (load<u64>(at, SLOT_KEY0) == key0 && load<u64>(at, SLOT_KEY1) == key1) return <i32>slot;
    hits &= hits - 1;
  }
  return -1;
}

/** A use of a slot. */
// @ts-ignore: decorator
@inline
export function usePlain(cache: usize, slot: u32): void {
  if (load<i32>(cache, CACHE_REPLACEMENT) != REPLACE_LRU) return;
  if (load<usize>(cache, CACHE_LINKS) != 0) moveNewest(cache, slot);
  else if (load<u32>(load<usize>(cache, CACHE_STAMPS) + (slot << 2)) != load<u32>(cache, CACHE_CLOCK)) stamp(cache, slot);
}

/** Takes the slot that a set used or filled first, or an empty one, and makes it the newest. */
// @ts-ignore: decorator
@inline
function take(cache: usize, set: u32): u32 {
  const pad = load<u32>(cache, CACHE_PAD);
  const first = set * pad;
  return first + (pad == 8 ? leastOfEight(cache, first) : leastStamp(cache, first, pad));
}

/**
 * Enters a key that is absent, with what it stands for. `single`: the cache holds keys of leaf class 0 only. Returns the cache's clock (0
 * if it has none), which is left to the caller to watch, at the latest after some hundred fills.
 */
// @ts-ignore: decorator
@inline
export function enterPlain(
  single: bool, cache: usize, key0: u64, key1: u64, tag: u32, value: u64, meta: u64, readyPs: f64,
): u32 {
  const set = <u32>key0 & load<u32>(cache, CACHE_MASK);
  const tags = load<usize>(cache, CACHE_TAGS);
  let slot: u32 = 0;
  let clock: u32 = 0;
  if (load<usize>(cache, CACHE_TABLE) != 0) {
    slot = takeOldest(cache, set);
    const old = load<u32>(tags + (slot << 2));
    if (old != 0) unindex(cache, slot, old);
    enterIndex(cache, slot, tag);
  } else {
    slot = take(cache, set);
    clock = load<u32>(cache, CACHE_CLOCK) + 1;
    store<u32>(cache, clock, CACHE_CLOCK);
    store<u32>(load<usize>(cache, CACHE_STAMPS) + (slot << 2), clock);
  }
  const at = tags + (slot << 2);
  const record = load<usize>(cache, CACHE_SLOTS) + slot * SLOT_BYTES;
  if (load<u32>(at) == 0) addResident(cache, single ? 0 : key0, 1);
  else {
    store<f64>(cache, load<f64>(cache, CACHE_EVICTIONS) + 1, CACHE_EVICTIONS);
    if (!single) exchangeResident(cache, load<u64>(record, SLOT_KEY0), key0);
  }
  store<f64>(cache, load<f64>(cache, CACHE_FILLS) + 1, CACHE_FILLS);
  store<u32>(at, tag);
  store<u64>(record, key0, SLOT_KEY0);
  store<u64>(record, key1, SLOT_KEY1);
  store<u64>(record, value, SLOT_VALUE);
  store<u64>(record, meta, SLOT_META);
  store<f64>(record, readyPs, SLOT_READY);
  return clock;
}

// @ts-ignore: decorator
@inline
function exchangeResident(cache: usize, old: u64, key0: u64): void {
  if (old >> 60 == key0 >> 60) return;
  addResident(cache, old, -1);
  addResident(cache, key0, 1);
}

/**
 * Drops a key of a leaf class from any cache: 1 if it was there. `left`: nothing is done, because the cache is not plain, or holds a key
 * whose tag is the same by chance.
 */
// @ts-ignore: decorator
@inline
export function takeOut(cache: usize, leaf: i32, key0: u64, key1: u64, tag: u32, left: i32): i32 {
  if (load<i32>(cache, CACHE_PLAIN) == 0) return left;
  const set = <u32>key0 & load<u32>(cache, CACHE_MASK);
  let slot: u32 = 0;
  if (load<usize>(cache, CACHE_TABLE) != 0) {
    slot = unindexKey(cache, key0, key1, tag) - 1;
    if (slot == <u32>-1) return 0;
    makeOldest(cache, load<usize>(cache, CACHE_OLDEST) + (set << 2), slot);
  } else {
    const pad = load<u32>(cache, CACHE_PAD);
    const first = set * pad;
    const hits = sixteen(load<usize>(cache, CACHE_TAGS) + (first << 2), i32x4.splat(<i32>tag)) & ((1 << pad) - 1);
    if (hits == 0) return 0;
    slot = first + <u32>ctz(hits);
    const at = load<usize>(cache, CACHE_SLOTS) + slot * SLOT_BYTES;
    if (((load<u64>(at, SLOT_KEY0) ^ key0) | (load<u64>(at, SLOT_KEY1) ^ key1)) != 0) return left;
  }
  dropPlain(cache, <usize>slot << 2, leaf);
  return 1;
}
