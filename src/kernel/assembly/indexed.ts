// Sets of many ways: a hash index finds a slot, a ring keeps the order of uses or fills.
//
// The index is chained: a table of heads by hash, and for each slot the next one of its chain. The ring of a set goes from each slot to
// the next newer one and from the newest to the oldest, so that the oldest becomes the newest when the mark of the oldest moves on.

import {
  CACHE_LINKS, CACHE_NEXT, CACHE_OLDEST, CACHE_PAD, CACHE_SETS, CACHE_SLOTS, CACHE_TABLE, CACHE_TABLE_MASK, SLOT_BYTES, SLOT_KEY0,
  SLOT_KEY1,
} from '../layout';

// ---- Hash index: heads and next hold slot + 1, 0 ends a chain --------------------------------------------------------------

/** Where the chain of a tag begins: the upper half folded in, because the low bits of strided keys repeat. */
// @ts-ignore: decorator
@inline
function headOf(cache: usize, tag: u32): usize {
  return load<usize>(cache, CACHE_TABLE) + ((((tag >> 1) ^ (tag >> 16)) & load<u32>(cache, CACHE_TABLE_MASK)) << 2);
}

/** Slot + 1 of the key, or 0. */
// @ts-ignore: decorator
@inline
export function findIndexed(cache: usize, key0: u64, key1: u64, tag: u32): u32 {
  let entry = load<u32>(headOf(cache, tag));
  while (entry != 0) {
    const record = load<usize>(cache, CACHE_SLOTS) + (entry - 1) * SLOT_BYTES;
    if (((load<u64>(record, SLOT_KEY0) ^ key0) | (load<u64>(record, SLOT_KEY1) ^ key1)) == 0) break;
    entry = load<u32>(load<usize>(cache, CACHE_NEXT) + ((entry - 1) << 2));
  }
  return entry;
}

/** Takes a key out of the index: slot + 1, or 0 if it was not there. */
// @ts-ignore: decorator
@inline
export function unindexKey(cache: usize, key0: u64, key1: u64, tag: u32): u32 {
  const next = load<usize>(cache, CACHE_NEXT);
  let at = headOf(cache, tag);
  let entry = load<u32>(at);
  while (entry != 0) {
    const record = load<usize>(cache, CACHE_SLOTS) + (entry - 1) * SLOT_BYTES;
    const following = next + ((entry - 1) << 2);
    if (((load<u64>(record, SLOT_KEY0) ^ key0) | (load<u64>(record, SLOT_KEY1) ^ key1)) == 0) {
      store<u32>(at, load<u32>(following));
      break;
    }
    at = following;
    entry = load<u32>(at);
  }
  return entry;
}

// @ts-ignore: decorator
@inline
export function enterIndex(cache: usize, slot: u32, tag: u32): void {
  const head = headOf(cache, tag);
  store<u32>(load<usize>(cache, CACHE_NEXT) + (slot << 2), load<u32>(head));
  store<u32>(head, slot + 1);
}

// @ts-ignore: decorator
@inline
export function unindex(cache: usize, slot: u32, tag: u32): void {
  const next = load<usize>(cache, CACHE_NEXT);
  let at = headOf(cache, tag);
  let entry = load<u32>(at);
  while (entry != slot + 1) {
    at = next + ((entry - 1) << 2);
    entry = load<u32>(at);
  }
  store<u32>(at, load<u32>(next + (slot << 2)));
}

// ---- Order of a set: links[slot] = {newer, older}, oldest[set] ----------------------------------------------------------------

// @ts-ignore: decorator
@inline
function oldestOf(cache: usize, slot: u32): usize {
  const sets = load<u32>(cache, CACHE_SETS);
  const set = sets == 1 ? 0 : slot / load<u32>(cache, CACHE_PAD);
  return load<usize>(cache, CACHE_OLDEST) + (set << 2);
}

/** Puts a slot that is not the oldest between the newest and the oldest. */
// @ts-ignore: decorator
@inline
function bringToEnd(links: usize, slot: u32, oldest: u32): void {
  const newer = load<u32>(links + (slot << 3));
  const older = load<u32>(links + (slot << 3), 4);
  store<u32>(links + (newer << 3), older, 4);
  store<u32>(links + (older << 3), newer);
  const newest = load<u32>(links + (oldest << 3), 4);
  store<u32>(links + (newest << 3), slot);
  store<u32>(links + (oldest << 3), slot, 4);
  store<u32>(links + (slot << 3), oldest);
  store<u32>(links + (slot << 3), newest, 4);
}

export function moveNewest(cache: usize, slot: u32): void {
  const links = load<usize>(cache, CACHE_LINKS);
  const at = oldestOf(cache, slot);
  const oldest = load<u32>(at);
  const newer = load<u32>(links + (slot << 3));
  if (slot == oldest) store<u32>(at, newer);
  else if (newer != oldest) bringToEnd(links, slot, oldest);
}

export function moveOldest(cache: usize, slot: u32): void {
  makeOldest(cache, oldestOf(cache, slot), slot);
}

/** The same for a caller that knows where the mark of the set's oldest is, and that cannot afford a call. */
// @ts-ignore: decorator
@inline
export function makeOldest(cache: usize, at: usize, slot: u32): void {
  const links = load<usize>(cache, CACHE_LINKS);
  const oldest = load<u32>(at);
  if (slot == oldest) return;
  if (load<u32>(links + (slot << 3)) != oldest) bringToEnd(links, slot, oldest);
  store<u32>(at, slot);
}

/** Takes the oldest slot of a set, which is the newest from now on. */
// @ts-ignore: decorator
@inline
export function takeOldest(cache: usize, set: u32): u32 {
  const at = load<usize>(cache, CACHE_OLDEST) + (set << 2);
  const slot = load<u32>(at);
  store<u32>(at, load<u32>(load<usize>(cache, CACHE_LINKS) + (slot << 3)));
  return slot;
}
