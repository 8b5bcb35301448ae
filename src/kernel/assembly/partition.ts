// Caches whose ways or sets are divided among tenants: each has some of its own, the rest is everybody's. A tenant's entries go into its
// own and the shared ones, and are found wherever they are.

import {
  CACHE_PAD, CACHE_REPLACEMENT, CACHE_STAMPS, CACHE_TAGS, CACHE_WAYS, PARTITION_END, PARTITION_FIRST, PARTITION_RANGES,
  PARTITION_SHARED, PARTITION_TENANTS, REPLACE_PLRU, REPLACE_RANDOM, REPLACE_SRRIP,
} from '../layout';
import { random } from './random';

/** What the domain of a key has of its own: first and end, ways or sets. */
// @ts-ignore: decorator
@inline
function rangeOf(partition: usize, key1: u64): usize {
  const domain = <usize>(key1 & 0xffff);
  const tenant = <usize>load<u16>(load<usize>(partition, PARTITION_TENANTS) + (domain << 1));
  return load<usize>(partition, PARTITION_RANGES) + (tenant << 3);
}

/** The set of a key whose index function gives `index`. */
export function setWithin(partition: usize, key1: u64, index: u64, sets: u32): u32 {
  const range = rangeOf(partition, key1);
  const first = load<u32>(range, PARTITION_FIRST);
  const own = load<u32>(range, PARTITION_END) - first;
  const shared = load<u32>(partition, PARTITION_SHARED);
  const at = <u32>(index % <u64>(own + sets - shared));
  return at < own ? first + at : shared + at - own;
}

/** The ways that the current key may take: first … end - 1, and shared … ways - 1. */
let first: u32 = 0;
let end: u32 = 0;
let shared: u32 = 0;
let ways: u32 = 0;

/** The nth of those ways, in ascending order. */
// @ts-ignore: decorator
@inline
function nth(n: u32): u32 {
  const own = end - first;
  return n < own ? first + n : shared + n - own;
}

/** Whether one of those ways is from … to - 1. */
// @ts-ignore: decorator
@inline
function reaches(from: u32, to: u32): bool {
  return max(from, first) < min(to, end) || max(from, shared) < min(to, ways);
}

/** The slot that a new entry of this set takes: an empty one of its ways, else the policy's victim among them. */
export function victimWithin(cache: usize, partition: usize, set: u32, key1: u64): u32 {
  const range = rangeOf(partition, key1);
  first = load<u32>(range, PARTITION_FIRST);
  end = load<u32>(range, PARTITION_END);
  shared = load<u32>(partition, PARTITION_SHARED);
  ways = load<u32>(cache, CACHE_WAYS);
  const count = end - first + ways - shared;
  const slot = set * load<u32>(cache, CACHE_PAD);
  const tags = load<usize>(cache, CACHE_TAGS) + (slot << 2);
  for (let n: u32 = 0; n < count; n++) if (load<u32>(tags + (nth(n) << 2)) == 0) return slot + nth(n);
  const stamps = load<usize>(cache, CACHE_STAMPS) + (slot << 2);
  const policy = load<i32>(cache, CACHE_REPLACEMENT);
  if (policy == REPLACE_RANDOM) return slot + nth(random(cache, count));
  if (policy == REPLACE_SRRIP) return slot + mostDistantOf(stamps, count);
  if (policy == REPLACE_PLRU) return slot + treeVictimOf(stamps);
  return slot + leastOf(stamps, count); // LRU, FIFO, LFU
}

function leastOf(stamps: usize, count: u32): u32 {
  let best = nth(0);
  for (let n: u32 = 1; n < count; n++) {
    if (load<u32>(stamps + (nth(n) << 2)) < load<u32>(stamps + (best << 2))) best = nth(n);
  }
  return best;
}

/** As in the whole set, but only these ways age. */
function mostDistantOf(stamps: usize, count: u32): u32 {
  while (true) {
    for (let n: u32 = 0; n < count; n++) if (load<u32>(stamps + (nth(n) << 2)) >= 3) return nth(n);
    for (let n: u32 = 0; n < count; n++) {
      const at = stamps + (nth(n) << 2);
      store<u32>(at, load<u32>(at) + 1);
    }
  }
}

/** The tree's way, but never into a half that has none of these ways. */
function treeVictimOf(tree: usize): u32 {
  let node: u32 = 1;
  let way: u32 = 0;
  for (let half = ways >> 1; half != 0; half >>= 1) {
    let upper: u32 = (load<u32>(tree + (node >> 5 << 2)) >> (node & 31)) & 1;
    const from = upper != 0 ? way + half : way;
    if (!reaches(from, from + half)) upper ^= 1;
    node = node * 2 + upper;
    if (upper != 0) way += half;
  }
  return way;
}
