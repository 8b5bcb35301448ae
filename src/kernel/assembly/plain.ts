// Plain caches (CACHE_PLAIN): scanned, in LRU or FIFO order, a power of two of sets chosen by the key's lowest bits. Most walk caches
// and nested TLBs are. cache.ts does the same for every cache; here a look-up and a fill need no call, and see sixteen ways at a time.

import {
  CACHE_CLOCK, CACHE_EVICTIONS, CACHE_FILLS, CACHE_MASK, CACHE_PAD, CACHE_REPLACEMENT, CACHE_SLOTS, CACHE_STAMPS, CACHE_TAGS,
  REPLACE_LRU, SLOT_BYTES, SLOT_KEY0, SLOT_KEY1, SLOT_META, SLOT_READY, SLOT_VALUE,
} from '../layout';
import { addResident, leastOfEight, leastStamp, stamp } from './cache';

/** Which of the sixteen words at `at` are these, as bits. */
// @ts-ignore: decorator
@inline
function sixteen(at: usize, wanted: v128): u32 {
  const first = i16x8.narrow_i32x4_s(i32x4.eq(wanted, v128.load(at)), i32x4.eq(wanted, v128.load(at, 16)));
  const second = i16x8.narrow_i32x4_s(i32x4.eq(wanted, v128.load(at, 32)), i32x4.eq(wanted, v128.load(at, 48)));
  return i8x16.bitmask(i8x16.narrow_i16x8_s(first, second));
}

/** Slot of the key, or -1. Looks at words behind a set of fewer ways, which are memory of the same cache, and forgets them. */
// @ts-ignore: decorator
@inline
export function findPlain(cache: usize, key0: u64, key1: u64, tag: u32): i32 {
  const pad = load<u32>(cache, CACHE_PAD);
  const first = (<u32>key0 & load<u32>(cache, CACHE_MASK)) * pad;
  const tags = load<usize>(cache, CACHE_TAGS) + (first << 2);
  const wanted = i32x4.splat(<i32>tag);
  for (let way: u32 = 0; way < pad; way += 16) {
    let hits = sixteen(tags + (way << 2), wanted);
    if (pad - way < 16) hits &= (1 << (pad - way)) - 1;
    while (hits != 0) {
      const slot = first + way + <u32>ctz(hits);
      const at = load<usize>(cache, CACHE_SLOTS) + slot * SLOT_BYTES;
      if (load<u64>(at, SLOT_KEY0) == key0 && load<u64>(at, SLOT_KEY1) == key1) return <i32>slot;
      hits &= hits - 1;
    }
  }
  return -1;
}

/** A use of a slot. */
// @ts-ignore: decorator
@inline
export function usePlain(cache: usize, slot: u32): void {
  if (load<i32>(cache, CACHE_REPLACEMENT) != REPLACE_LRU) return;
  if (load<u32>(load<usize>(cache, CACHE_STAMPS) + (slot << 2)) != load<u32>(cache, CACHE_CLOCK)) stamp(cache, slot);
}

/** The way of a set that was used or filled first; an empty one, whose stamp is 0, if there is one. */
// @ts-ignore: decorator
@inline
function oldest(cache: usize, first: u32, pad: u32): u32 {
  if (pad == 8) return leastOfEight(cache, first);
  if ((pad & 15) != 0) return leastStamp(cache, first, pad);
  const stamps = load<usize>(cache, CACHE_STAMPS) + (first << 2);
  const end = stamps + (pad << 2);
  let least = i32x4.splat(-1);
  for (let at = stamps; at < end; at += 64) {
    const low = i32x4.min_u(v128.load(at), v128.load(at, 16));
    least = i32x4.min_u(least, i32x4.min_u(low, i32x4.min_u(v128.load(at, 32), v128.load(at, 48))));
  }
  least = i32x4.min_u(least, v128.shuffle<i32>(least, least, 2, 3, 0, 1));
  least = i32x4.min_u(least, v128.shuffle<i32>(least, least, 1, 0, 3, 2));
  let at = stamps;
  let found = sixteen(at, least);
  while (found == 0) {
    at += 64;
    found = sixteen(at, least);
  }
  return ((at - stamps) >> 2) + <u32>ctz(found);
}

/** Enters a key that is absent, with what it stands for. Leaves it to the caller to watch the clock, at the latest after some hundred fills. */
// @ts-ignore: decorator
@inline
export function enterPlain(cache: usize, key0: u64, key1: u64, tag: u32, value: u64, meta: u64, readyPs: f64): void {
  const pad = load<u32>(cache, CACHE_PAD);
  const first = (<u32>key0 & load<u32>(cache, CACHE_MASK)) * pad;
  const slot = first + oldest(cache, first, pad);
  const at = load<usize>(cache, CACHE_TAGS) + (slot << 2);
  const record = load<usize>(cache, CACHE_SLOTS) + slot * SLOT_BYTES;
  if (load<u32>(at) == 0) addResident(cache, key0, 1);
  else {
    store<f64>(cache, load<f64>(cache, CACHE_EVICTIONS) + 1, CACHE_EVICTIONS);
    const old = load<u64>(record, SLOT_KEY0);
    if (old >> 60 != key0 >> 60) {
      addResident(cache, old, -1);
      addResident(cache, key0, 1);
    }
  }
  store<f64>(cache, load<f64>(cache, CACHE_FILLS) + 1, CACHE_FILLS);
  const clock = load<u32>(cache, CACHE_CLOCK) + 1;
  store<u32>(cache, clock, CACHE_CLOCK);
  store<u32>(load<usize>(cache, CACHE_STAMPS) + (slot << 2), clock);
  store<u32>(at, tag);
  store<u64>(record, key0, SLOT_KEY0);
  store<u64>(record, key1, SLOT_KEY1);
  store<u64>(record, value, SLOT_VALUE);
  store<u64>(record, meta, SLOT_META);
  store<f64>(record, readyPs, SLOT_READY);
}
