// The one set-associative cache: lookup, replacement, removal.
//
// Sets of up to CACHE_SCAN_WAYS ways are scanned four tags at a time with SIMD; wider ones (fully associative caches of
// hundreds of entries) are found through a hash index, and keep LRU or FIFO order in a ring (indexed.ts).
// Both ways give the same hits and victims: test/kernel/cache.test.ts holds them against a slow map and each other.

import {
  CACHE_CLOCK, CACHE_DROPPED, CACHE_OLDEST, CACHE_EVICTIONS, CACHE_FILLS, CACHE_INDEX, CACHE_LINKS, CACHE_MASK, CACHE_PAD,
  CACHE_REPLACEMENT, CACHE_RESIDENT, CACHE_SETS, CACHE_SET_PARTITION, CACHE_SLOTS, CACHE_STAMPS, CACHE_STRIDE, CACHE_TABLE,
  CACHE_TAGS, CACHE_WAYS, CACHE_WAY_PARTITION, INDEX_HASH, INDEX_SHIFTED, REPLACE_FIFO, REPLACE_LFU, REPLACE_LRU, REPLACE_PLRU,
  REPLACE_RANDOM, REPLACE_SRRIP, SLOT_BYTES, SLOT_KEY0, SLOT_KEY1,
} from '../layout';
import { enterIndex, findIndexed, moveNewest, moveOldest, unindex } from './indexed';
import { setWithin, victimWithin } from './partition';
import { random } from './random';
import { increment } from './state';

/** The part of a tag that its address space gives (MurmurHash3's multiplier). */
// @ts-ignore: decorator
@inline
export function spaceTag(key1: u64): u32 {
  return <u32>(key1 ^ (key1 >> 32)) * 0x85ebca6b;
}

/** 32-bit tag of a key, never 0: two independent multiplications, short on the hit path. */
// @ts-ignore: decorator
@inline
export function tagWith(key0: u64, spaceTag: u32): u32 {
  return (<u32>(key0 ^ (key0 >> 29)) * 0x9e3779b1 + spaceTag) | 1;
}

export function tagOf(key0: u64, key1: u64): u32 {
  return tagWith(key0, spaceTag(key1));
}

/** What is taken modulo the number of sets; its low 32 bits, which is all that a power of two of sets looks at. */
// @ts-ignore: decorator
@inline
export function indexOf(cache: usize, key0: u64, key1: u64): u32 {
  const kind = load<i32>(cache, CACHE_INDEX);
  if (kind == INDEX_HASH) return hashedIndex(key0, key1);
  return kind == INDEX_SHIFTED ? <u32>(key0 >> 3) : <u32>key0;
}

// @ts-ignore: decorator
@inline
function hashedIndex(key0: u64, key1: u64): u32 {
  return <u32>(((key0 ^ (key1 << 17) ^ key1) * 0x9e3779b97f4a7c15) >> 32);
}

/** All bits of what is taken modulo the number of sets. */
// @ts-ignore: decorator
@inline
function wideIndex(kind: i32, key0: u64, key1: u64): u64 {
  if (kind == INDEX_HASH) return <u64>hashedIndex(key0, key1);
  const page = key0 & 0x0fffffffffffffff; // without the leaf class
  return kind == INDEX_SHIFTED ? page >> 3 : page;
}

// @ts-ignore: decorator
@inline
export function setOf(cache: usize, key0: u64, key1: u64): u32 {
  const mask = load<i32>(cache, CACHE_MASK);
  return mask >= 0 ? indexOf(cache, key0, key1) & <u32>mask : oddSet(cache, key0, key1);
}

/** The same for a number of sets that is no power of two, and for sets that are dealt out. */
function oddSet(cache: usize, key0: u64, key1: u64): u32 {
  const sets = load<u32>(cache, CACHE_SETS);
  const index = wideIndex(load<i32>(cache, CACHE_INDEX), key0, key1);
  const partition = load<usize>(cache, CACHE_SET_PARTITION);
  return partition != 0 ? setWithin(partition, key1, index, sets) : <u32>(index % <u64>sets);
}

/** Slot number of the key, or -1. Does not count as a use. */
export function find(cache: usize, key0: u64, key1: u64, tag: u32, set: u32): i32 {
  if (load<usize>(cache, CACHE_TABLE) != 0) return <i32>findIndexed(cache, key0, key1, tag) - 1;
  return findScanned(cache, key0, key1, tag, set);
}

/** The same in a cache that is not hash-indexed, for places where a call would cost too much. */
// @ts-ignore: decorator
@inline
export function findScanned(cache: usize, key0: u64, key1: u64, tag: u32, set: u32): i32 {
  const tags = load<usize>(cache, CACHE_TAGS);
  const slots = load<usize>(cache, CACHE_SLOTS);
  const pad = load<u32>(cache, CACHE_PAD);
  const first = set * pad;
  const wanted = i32x4.splat(<i32>tag);
  for (let way: u32 = 0; way < pad; way += 4) {
    let hits = i32x4.bitmask(i32x4.eq(wanted, v128.load(tags + ((first + way) << 2))));
    while (hits != 0) {
      const slot = first + way + <u32>ctz(hits);
      const at = slots + slot * SLOT_BYTES;
      if (load<u64>(at, SLOT_KEY0) == key0 && load<u64>(at, SLOT_KEY1) == key1) return <i32>slot;
      hits &= hits - 1;
    }
  }
  return -1;
}

/** A use of a slot, as its replacement policy remembers it. */
export function touch(cache: usize, slot: u32): void {
  const policy = load<i32>(cache, CACHE_REPLACEMENT);
  if (policy == REPLACE_LRU) {
    if (load<usize>(cache, CACHE_LINKS) != 0) moveNewest(cache, slot);
    else if (load<u32>(load<usize>(cache, CACHE_STAMPS) + (slot << 2)) != load<u32>(cache, CACHE_CLOCK)) stamp(cache, slot);
  } else if (policy >= REPLACE_PLRU) touchOther(cache, slot, policy);
}

/** For users that advance the clock themselves, a few steps at a time. */
export function watchClock(cache: usize): void {
  if (load<u32>(cache, CACHE_CLOCK) >= RANK_BASE - 4096) store<u32>(cache, renumber(cache), CACHE_CLOCK);
}

// @ts-ignore: decorator
@inline
export function stamp(cache: usize, slot: u32): void {
  const clock = load<u32>(cache, CACHE_CLOCK) + 1;
  store<u32>(cache, clock, CACHE_CLOCK);
  store<u32>(load<usize>(cache, CACHE_STAMPS) + (slot << 2), clock);
  if (clock >= RANK_BASE) restamp(cache, slot); // at the end: a call in between costs registers
}

/** The clock is used up. */
function restamp(cache: usize, slot: u32): void {
  const at = load<usize>(cache, CACHE_STAMPS) + (slot << 2);
  store<u32>(at, 0);
  const clock = renumber(cache);
  store<u32>(cache, clock, CACHE_CLOCK);
  store<u32>(at, clock);
}

/** Stamps stay below this; renumbering marks finished ranks by being above it. */
export const RANK_BASE: u32 = 0xffff0000;

/** The 32-bit clock is used up: replaces every set's stamps by their ranks. Returns the next clock value. */
function renumber(cache: usize): u32 {
  const stamps = load<usize>(cache, CACHE_STAMPS);
  const pad = load<u32>(cache, CACHE_PAD);
  const stride = load<u32>(cache, CACHE_STRIDE);
  const sets = load<u32>(cache, CACHE_SETS);
  for (let set: u32 = 0; set < sets; set++) {
    const base = stamps + set * stride * 4;
    for (let rank: u32 = 1; rank <= pad; rank++) {
      let least: u32 = 0xffffffff;
      let at: i32 = -1;
      for (let way: u32 = 0; way < pad; way++) {
        const value = load<u32>(base + way * 4);
        if (value != 0 && load<u32>(base + way * 4) < least && !isRank(value)) {
          least = value;
          at = <i32>way;
        }
      }
      if (at < 0) break;
      store<u32>(base + <u32>at * 4, RANK_BASE + rank);
    }
    for (let way: u32 = 0; way < pad; way++) {
      const value = load<u32>(base + way * 4);
      if (isRank(value)) store<u32>(base + way * 4, value - RANK_BASE);
    }
  }
  return pad + 1;
}

/** Unused lanes (0xffffffff) are not ranks. */
function isRank(value: u32): bool {
  return value > RANK_BASE && value != 0xffffffff;
}

function touchOther(cache: usize, slot: u32, policy: i32): void {
  const stamps = load<usize>(cache, CACHE_STAMPS);
  if (policy == REPLACE_SRRIP) store<u32>(stamps + (slot << 2), 0);
  else if (policy == REPLACE_LFU) {
    const uses = load<u32>(stamps + (slot << 2));
    if (uses != 0xfffffffe) store<u32>(stamps + (slot << 2), uses + 1);
  } else if (policy == REPLACE_PLRU) pointAway(cache, slot);
}

/**
 * Tree-PLRU: the bits on the way to this slot point to the other half. Node n has children 2n and 2n + 1; its bit lies in the
 * set's stamp words, of which there are more than enough.
 */
function pointAway(cache: usize, slot: u32): void {
  const pad = load<u32>(cache, CACHE_PAD);
  const ways = load<u32>(cache, CACHE_WAYS);
  const tree = load<usize>(cache, CACHE_STAMPS) + ((slot / pad) * pad << 2);
  const way = slot % pad;
  let node: u32 = 1;
  for (let half = ways >> 1; half != 0; half >>= 1) {
    const upper: u32 = (way & half) != 0 ? 1 : 0;
    const word = tree + (node >> 5 << 2);
    const bit: u32 = 1 << (node & 31);
    store<u32>(word, upper != 0 ? load<u32>(word) & ~bit : load<u32>(word) | bit);
    node = node * 2 + upper;
  }
}

/** The slot that a new entry of this set takes: an empty one if there is one, else the policy's victim. */
function victim(cache: usize, set: u32): u32 {
  const links = load<usize>(cache, CACHE_LINKS);
  const policy = load<i32>(cache, CACHE_REPLACEMENT);
  const pad = load<u32>(cache, CACHE_PAD);
  const ways = load<u32>(cache, CACHE_WAYS);
  const tags = load<usize>(cache, CACHE_TAGS);
  if (links != 0) {
    // Emptied slots are moved to the old end, so the oldest is empty if any is.
    const oldest = load<u32>(load<usize>(cache, CACHE_OLDEST) + (set << 2));
    if (policy != REPLACE_RANDOM || load<u32>(tags + (oldest << 2)) == 0) return oldest;
    return set * pad + random(cache, ways);
  }
  const first = set * pad;
  // Emptied slots have stamp 0, which is less than any used one's.
  if (policy <= REPLACE_FIFO) return first + leastStamp(cache, first, pad);
  const zero = i32x4.splat(0);
  for (let way: u32 = 0; way < pad; way += 4) {
    const empty = i32x4.bitmask(i32x4.eq(zero, v128.load(tags + ((first + way) << 2))));
    if (empty != 0) return first + way + <u32>ctz(empty);
  }
  if (policy == REPLACE_LFU) return first + leastStamp(cache, first, pad);
  if (policy == REPLACE_RANDOM) return first + random(cache, ways);
  if (policy == REPLACE_SRRIP) return first + mostDistant(cache, first, ways);
  return first + treeVictim(cache, first, ways);
}

/** Unused lanes of a set hold stamp 0xffffffff (LRU, FIFO, LFU), so that they are never the least. */
// @ts-ignore: decorator
@inline
export function leastStamp(cache: usize, first: u32, pad: u32): u32 {
  const stamps = load<usize>(cache, CACHE_STAMPS) + (first << 2);
  let least = i32x4.splat(-1);
  for (let way: u32 = 0; way < pad; way += 4) {
    const four = v128.load(stamps + (way << 2));
    if (!i32x4.all_true(four)) return way + <u32>ctz(i32x4.bitmask(i32x4.eq(four, i32x4.splat(0)))); // none is less
    least = i32x4.min_u(least, four);
  }
  least = i32x4.min_u(least, v128.shuffle<i32>(least, least, 2, 3, 0, 1));
  least = i32x4.min_u(least, v128.shuffle<i32>(least, least, 1, 0, 3, 2));
  let way: u32 = 0;
  while (true) {
    const found = i32x4.bitmask(i32x4.eq(least, v128.load(stamps + (way << 2))));
    if (found != 0) return way + <u32>ctz(found);
    way += 4;
  }
}

/** SRRIP (Jaleel et al., ISCA 2010): re-reference value 3 is the victim; if there is none, all age. */
function mostDistant(cache: usize, first: u32, ways: u32): u32 {
  const stamps = load<usize>(cache, CACHE_STAMPS) + (first << 2);
  while (true) {
    for (let way: u32 = 0; way < ways; way++) if (load<u32>(stamps + (way << 2)) >= 3) return way;
    for (let way: u32 = 0; way < ways; way++) {
      store<u32>(stamps + (way << 2), load<u32>(stamps + (way << 2)) + 1);
    }
  }
}

function treeVictim(cache: usize, first: u32, ways: u32): u32 {
  const tree = load<usize>(cache, CACHE_STAMPS) + (first << 2);
  let node: u32 = 1;
  let way: u32 = 0;
  for (let half = ways >> 1; half != 0; half >>= 1) {
    const upper: u32 = (load<u32>(tree + (node >> 5 << 2)) >> (node & 31)) & 1;
    if (upper != 0) way += half;
    node = node * 2 + upper;
  }
  return way;
}

/** Takes a slot for a key that the caller knows to be absent, and writes its keys. Returns the slot's record. */
export function insert(cache: usize, key0: u64, key1: u64, tag: u32, set: u32): usize {
  const isPlain = load<usize>(cache, CACHE_TABLE) == 0 && load<i32>(cache, CACHE_REPLACEMENT) <= REPLACE_FIFO;
  return isPlain ? insertPlain(cache, key0, key1, tag, set * load<u32>(cache, CACHE_PAD), false) : insertAny(cache, key0, key1, tag, set);
}

/**
 * Scanned sets in LRU or FIFO order, from this slot on: what most caches are, in one go. `isLike`: the cache holds no other leaf class
 * than the key's, so that nobody has to wait for the old key.
 */
// @ts-ignore: decorator
@inline
export function insertPlain(cache: usize, key0: u64, key1: u64, tag: u32, first: u32, isLike: bool): usize {
  const pad = load<u32>(cache, CACHE_PAD);
  const slot = first + (pad == 8 ? leastOfEight(cache, first) : leastStamp(cache, first, pad));
  const at = load<usize>(cache, CACHE_TAGS) + (slot << 2);
  const record = load<usize>(cache, CACHE_SLOTS) + slot * SLOT_BYTES;
  if (load<u32>(at) == 0) addResident(cache, key0, 1);
  else {
    increment(cache + CACHE_EVICTIONS);
    if (!isLike) {
      addResident(cache, load<u64>(record, SLOT_KEY0), -1);
      addResident(cache, key0, 1);
    }
  }
  store<u32>(at, tag);
  store<u64>(record, key0, SLOT_KEY0);
  store<u64>(record, key1, SLOT_KEY1);
  increment(cache + CACHE_FILLS);
  stamp(cache, slot);
  return record;
}

// @ts-ignore: decorator
@inline
export function leastOfEight(cache: usize, first: u32): u32 {
  const stamps = load<usize>(cache, CACHE_STAMPS) + (first << 2);
  const low = v128.load(stamps);
  const high = v128.load(stamps, 16);
  let least = i32x4.min_u(low, high);
  least = i32x4.min_u(least, v128.shuffle<i32>(least, least, 2, 3, 0, 1));
  least = i32x4.min_u(least, v128.shuffle<i32>(least, least, 1, 0, 3, 2));
  return <u32>ctz(i32x4.bitmask(i32x4.eq(least, low)) | (i32x4.bitmask(i32x4.eq(least, high)) << 4));
}

function insertAny(cache: usize, key0: u64, key1: u64, tag: u32, set: u32): usize {
  const partition = load<usize>(cache, CACHE_WAY_PARTITION);
  const slot = partition != 0 ? victimWithin(cache, partition, set, key1) : victim(cache, set);
  const tags = load<usize>(cache, CACHE_TAGS);
  const record = load<usize>(cache, CACHE_SLOTS) + slot * SLOT_BYTES;
  const old = load<u32>(tags + (slot << 2));
  const indexed = load<usize>(cache, CACHE_TABLE) != 0;
  if (old != 0) {
    if (indexed) unindex(cache, slot, old);
    addResident(cache, load<u64>(record), -1);
    store<f64>(cache, load<f64>(cache, CACHE_EVICTIONS) + 1, CACHE_EVICTIONS);
  }
  store<u32>(tags + (slot << 2), tag);
  store<u64>(record, key0, SLOT_KEY0);
  store<u64>(record, key1, SLOT_KEY1);
  if (indexed) enterIndex(cache, slot, tag);
  addResident(cache, key0, 1);
  store<f64>(cache, load<f64>(cache, CACHE_FILLS) + 1, CACHE_FILLS);
  filled(cache, slot);
  return record;
}

// @ts-ignore: decorator
@inline
export function addResident(cache: usize, key0: u64, by: i32): void {
  const at = cache + ((<usize>(key0 >> 60) & 3) << 2);
  store<i32>(at, load<i32>(at, CACHE_RESIDENT) + by, CACHE_RESIDENT);
}

/** Replacement state of a slot that has just been filled. */
function filled(cache: usize, slot: u32): void {
  const policy = load<i32>(cache, CACHE_REPLACEMENT);
  if (load<usize>(cache, CACHE_LINKS) != 0) moveNewest(cache, slot);
  else if (policy <= REPLACE_FIFO) stamp(cache, slot);
  else if (policy == REPLACE_SRRIP) store<u32>(load<usize>(cache, CACHE_STAMPS) + (slot << 2), 2);
  else if (policy == REPLACE_LFU) store<u32>(load<usize>(cache, CACHE_STAMPS) + (slot << 2), 1);
  else if (policy == REPLACE_PLRU) pointAway(cache, slot);
}

/** Empties a slot, whose tag lies at `offset`, of a key of a leaf class in a cache in LRU or FIFO order; out of its index already, if it has one. */
// @ts-ignore: decorator
@inline
export function dropPlain(cache: usize, offset: usize, leaf: i32): void {
  const resident = cache + (<usize>leaf << 2);
  store<i32>(resident, load<i32>(resident, CACHE_RESIDENT) - 1, CACHE_RESIDENT);
  store<u32>(load<usize>(cache, CACHE_TAGS) + offset, 0);
  store<u32>(load<usize>(cache, CACHE_STAMPS) + offset, 0);
  store<f64>(cache, load<f64>(cache, CACHE_DROPPED) + 1, CACHE_DROPPED);
}

/** Empties a slot. */
export function drop(cache: usize, slot: u32): void {
  const tags = load<usize>(cache, CACHE_TAGS);
  const tag = load<u32>(tags + (slot << 2));
  if (load<usize>(cache, CACHE_TABLE) != 0) {
    unindex(cache, slot, tag);
    if (load<usize>(cache, CACHE_LINKS) != 0) moveOldest(cache, slot);
  }
  addResident(cache, load<u64>(load<usize>(cache, CACHE_SLOTS) + slot * SLOT_BYTES), -1);
  store<u32>(tags + (slot << 2), 0);
  if (load<i32>(cache, CACHE_REPLACEMENT) <= REPLACE_FIFO) store<u32>(load<usize>(cache, CACHE_STAMPS) + (slot << 2), 0);
  store<f64>(cache, load<f64>(cache, CACHE_DROPPED) + 1, CACHE_DROPPED);
}

// ---- For TypeScript: set-up helpers and tests ----------------------------------------------------------------------------

/** One access of a bare cache as a test or a miss-ratio oracle makes it: 1 = hit; a miss fills. */
export function cacheAccess(cache: usize, page: f64, space: f64): i32 {
  const key0 = <u64>page;
  const key1 = <u64>space;
  const tag = tagOf(key0, key1);
  const set = setOf(cache, key0, key1);
  const slot = find(cache, key0, key1, tag, set);
  if (slot >= 0) {
    touch(cache, <u32>slot);
    return 1;
  }
  insert(cache, key0, key1, tag, set);
  return 0;
}

/** Removes a key from a bare cache: 1 = it was there. */
export function cacheRemove(cache: usize, page: f64, space: f64): i32 {
  const key0 = <u64>page;
  const key1 = <u64>space;
  const slot = find(cache, key0, key1, tagOf(key0, key1), setOf(cache, key0, key1));
  if (slot < 0) return 0;
  drop(cache, <u32>slot);
  return 1;
}
