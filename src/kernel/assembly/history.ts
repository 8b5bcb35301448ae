// Why an IOTLB lookup missed: a set of all leaf entries ever filled, with a mark for those that an invalidation dropped.
//
// cold: never filled before · invalidated: an invalidation dropped it since, or would have if the IOTLB were the shadow cache ·
// conflict: the shadow, a fully associative LRU cache of the same capacity, would have hit · capacity: the rest (Hill's three Cs
// plus invalidation). An IOTLB that is split by leaf size has a shadow for each part. Open addressing in a region that is reserved
// for the largest size and grows by doubling in place: untouched wasm pages cost no memory.
//
// Beside that, hits on entries whose page software has already unmapped: invalidate.ts marks those entries with the time.

import {
  CACHE_SLOTS, CAUSE_CAPACITY, CAUSE_COLD, CAUSE_CONFLICT, CAUSE_INVALIDATED, CTX_L1, C_STALE, META_UNMAPPED_SHIFT, SLOT_BYTES,
  SLOT_META, UNIT_HISTORY, UNIT_HISTORY_LIMIT, UNIT_HISTORY_LOST, UNIT_HISTORY_MASK, UNIT_HISTORY_USED, UNIT_IOTLB, UNIT_SHADOW,
  UNIT_UNMAPPED,
} from '../layout';
import { find, insert, setOf, tagOf, touch } from './cache';
import { count } from './read';
import { ctx, nowPs, unit } from './state';

/** Slots of 16 bytes: key0, then key1 | SEEN | DROPPED. */
const SEEN: u64 = 1 << 62;
const DROPPED: u64 = 1 << 63;

function probe(table: usize, mask: u32, key0: u64, key1: u64): usize {
  const tag = tagOf(key0, key1);
  let at = ((tag >> 1) ^ (tag >> 16)) & mask;
  while (true) {
    const slot = table + (<usize>at << 4);
    const marked = load<u64>(slot, 8);
    if (marked == 0 || (load<u64>(slot) == key0 && (marked & ~(SEEN | DROPPED)) == key1)) return slot;
    at = (at + 1) & mask;
  }
}

/** Cause of the miss that fills this key, and the note that it was filled. */
export function missCause(key0: u64, key1: u64): i32 {
  const table = load<usize>(unit, UNIT_HISTORY);
  const shadowed = shadowLookup(key0, key1);
  const slot = probe(table, load<u32>(unit, UNIT_HISTORY_MASK), key0, key1);
  const marked = load<u64>(slot, 8);
  if (marked == 0) return remember(slot, key0, key1);
  store<u64>(slot, key1 | SEEN, 8);
  if ((marked & DROPPED) != 0) return CAUSE_INVALIDATED;
  return shadowed ? CAUSE_CONFLICT : CAUSE_CAPACITY;
}

function remember(slot: usize, key0: u64, key1: u64): i32 {
  const used = load<u32>(unit, UNIT_HISTORY_USED);
  const slots = load<u32>(unit, UNIT_HISTORY_MASK) + 1;
  if (used >= slots - (slots >> 2)) {
    if (slots >= load<u32>(unit, UNIT_HISTORY_LIMIT)) {
      store<f64>(unit, load<f64>(unit, UNIT_HISTORY_LOST) + 1, UNIT_HISTORY_LOST);
      return CAUSE_COLD;
    }
    grow(slots);
    slot = probe(load<usize>(unit, UNIT_HISTORY), slots * 2 - 1, key0, key1);
  }
  store<u64>(slot, key0);
  store<u64>(slot, key1 | SEEN, 8);
  store<u32>(unit, used + 1, UNIT_HISTORY_USED);
  return CAUSE_COLD;
}

/** Doubles the table in place. Backwards over the old half, every entry is taken out and put where it belongs now. */
function grow(slots: u32): void {
  const table = load<usize>(unit, UNIT_HISTORY);
  const spare = table + (<usize>slots << 5);
  // A copy beside it makes the rehash independent of order: entries of one chain never overtake each other.
  memory.copy(spare, table, <usize>slots << 4);
  memory.fill(table, 0, <usize>slots << 5);
  const mask = slots * 2 - 1;
  for (let i: u32 = 0; i < slots; i++) {
    const from = spare + (<usize>i << 4);
    const marked = load<u64>(from, 8);
    if (marked == 0) continue;
    const to = probe(table, mask, load<u64>(from), marked & ~(SEEN | DROPPED));
    store<u64>(to, load<u64>(from));
    store<u64>(to, marked, 8);
  }
  memory.fill(spare, 0, <usize>slots << 4);
  store<u32>(unit, mask, UNIT_HISTORY_MASK);
}

/** An invalidation dropped this key from the IOTLB or from the shadow cache. */
export function noteDropped(key0: u64, key1: u64): void {
  const table = load<usize>(unit, UNIT_HISTORY);
  if (table == 0) return;
  const slot = probe(table, load<u32>(unit, UNIT_HISTORY_MASK), key0, key1);
  const marked = load<u64>(slot, 8);
  if (marked != 0) store<u64>(slot, marked | DROPPED, 8);
}

/**
 * A hit: the shadow cache sees it too, if it came to the shared level, whose twin it is; and it counts as stale if its page was unmapped
 * before the request came.
 */
export function shadowAccess(key0: u64, key1: u64, inL1: bool): void {
  if (load<i32>(unit, UNIT_UNMAPPED) != 0 && unmappedAt(key0, key1) <= nowPs) count(C_STALE);
  if (!inL1) shadowLookup(key0, key1);
}

/** When the page of an entry that is cached was unmapped; Infinity: it was not. */
function unmappedAt(key0: u64, key1: u64): f64 {
  const tag = tagOf(key0, key1);
  let cache = load<usize>(ctx, CTX_L1);
  let slot = cache != 0 ? find(cache, key0, key1, tag, setOf(cache, key0, key1)) : -1;
  if (slot < 0) {
    cache = load<usize>(unit + (<usize>(key0 >> 60) << 2), UNIT_IOTLB);
    slot = cache != 0 ? find(cache, key0, key1, tag, setOf(cache, key0, key1)) : -1;
  }
  if (slot < 0) return Infinity;
  const at = load<u64>(load<usize>(cache, CACHE_SLOTS) + <u32>slot * SLOT_BYTES, SLOT_META) >> META_UNMAPPED_SHIFT;
  return at != 0 ? <f64>at : Infinity;
}

/** An access of the shadow cache: true if it held the key. Without one every repeated miss is a capacity miss. */
function shadowLookup(key0: u64, key1: u64): bool {
  const shadow = load<usize>(unit + (<usize>(key0 >> 60) << 2), UNIT_SHADOW);
  if (shadow == 0) return false;
  const tag = tagOf(key0, key1);
  const set = setOf(shadow, key0, key1);
  const slot = find(shadow, key0, key1, tag, set);
  if (slot >= 0) touch(shadow, <u32>slot);
  else insert(shadow, key0, key1, tag, set);
  return slot >= 0;
}
