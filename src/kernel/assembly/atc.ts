// A device's address translation cache (ATC): one cache for all its leaf sizes, whose keys are page numbers alone.

import {
  CACHE_PAD, CACHE_RESIDENT, CACHE_SETS, CACHE_SLOTS, CACHE_TAGS, CACHE_WAYS, CTX_COUNTERS, C_STALE, META_UNMAPPED_SHIFT, PORT_ATS,
  PORT_CTX, SLOT_BYTES, SLOT_KEY0, SLOT_META,
} from '../layout';
import {
  ATS_CACHE, ATS_CLASSES, ATS_CLASS_LOG2, RESULT_ALLOWED, RESULT_LOG2, RESULT_PAGE,
} from '../layout-ats';
import { drop, find, insert, setOf, tagOf, touch } from './cache';
import { addTo } from './state';

/** Larger ranges are swept for. */
const PROBES: u64 = 32;

// @ts-ignore: decorator
@inline
export function recordsOf(port: usize): usize {
  return load<usize>(port, PORT_ATS);
}

export function tally(port: usize, counter: i32, by: f64): void {
  addTo(load<usize>(port, PORT_CTX) + CTX_COUNTERS + (<usize>counter << 3), by);
}

function shiftOf(ats: usize, leaf: i32): u64 {
  return <u64>(load<i32>(ats + (<usize>leaf << 2), ATS_CLASS_LOG2) - 12);
}

/** Looks for a translation that allows `access`. A use, if there is one. */
export function probe(port: usize, page: u64, access: i32, nowPs: f64): bool {
  const ats = recordsOf(port);
  const cache = load<usize>(ats, ATS_CACHE);
  if (cache == 0) return false;
  for (let leaf = 0; leaf < load<i32>(ats, ATS_CLASSES); leaf++) {
    if (load<i32>(cache + (<usize>leaf << 2), CACHE_RESIDENT) == 0) continue;
    const key = (page >> shiftOf(ats, leaf)) | (<u64>leaf << 60);
    const slot = find(cache, key, 0, tagOf(key, 0), setOf(cache, key, 0));
    if (slot < 0) continue;
    const meta = load<u64>(load<usize>(cache, CACHE_SLOTS) + <u32>slot * SLOT_BYTES, SLOT_META);
    if ((<i32>meta & access) != access) continue;
    const unmapped = meta >> META_UNMAPPED_SHIFT;
    if (unmapped != 0 && <f64>unmapped <= nowPs) tally(port, C_STALE, 1);
    touch(cache, <u32>slot);
    return true;
  }
  return false;
}

/** The largest leaf size of the ATC that is no larger than what the unit answered. */
export function fill(ats: usize, result: usize): void {
  const cache = load<usize>(ats, ATS_CACHE);
  if (cache == 0) return;
  let leaf = load<i32>(ats, ATS_CLASSES) - 1;
  while (leaf > 0 && load<i32>(ats + (<usize>leaf << 2), ATS_CLASS_LOG2) > load<i32>(result, RESULT_LOG2)) leaf--;
  const key = (<u64>load<f64>(result, RESULT_PAGE) >> shiftOf(ats, leaf)) | (<u64>leaf << 60);
  const tag = tagOf(key, 0);
  const set = setOf(cache, key, 0);
  const slot = find(cache, key, 0, tag, set);
  if (slot >= 0) touch(cache, <u32>slot);
  const at = slot >= 0 ? load<usize>(cache, CACHE_SLOTS) + <u32>slot * SLOT_BYTES : insert(cache, key, 0, tag, set);
  store<u64>(at, <u64>load<i32>(result, RESULT_ALLOWED), SLOT_META);
}

/** Drops what covers some of 2^pagesLog2 pages around `page`. */
export function dropPages(ats: usize, page: u64, pagesLog2: i32): void {
  const cache = load<usize>(ats, ATS_CACHE);
  if (cache == 0) return;
  for (let leaf = 0; leaf < load<i32>(ats, ATS_CLASSES); leaf++) {
    if (load<i32>(cache + (<usize>leaf << 2), CACHE_RESIDENT) == 0) continue;
    const shift = shiftOf(ats, leaf);
    const keysLog2 = <u64>pagesLog2 > shift ? min<u64>(<u64>pagesLog2 - shift, 59) : 0;
    const first = (page >> shift >> keysLog2 << keysLog2) | (<u64>leaf << 60);
    if (<u64>1 << keysLog2 > PROBES) {
      sweep(cache, first, keysLog2);
      continue;
    }
    for (let key = first; key < first + (<u64>1 << keysLog2); key++) {
      const slot = find(cache, key, 0, tagOf(key, 0), setOf(cache, key, 0));
      if (slot >= 0) drop(cache, <u32>slot);
    }
  }
}

function sweep(cache: usize, first: u64, keysLog2: u64): void {
  const pad = load<u32>(cache, CACHE_PAD);
  const slots = load<usize>(cache, CACHE_SLOTS);
  for (let slot: u32 = 0; slot < load<u32>(cache, CACHE_SETS) * pad; slot++) {
    if (slot % pad >= load<u32>(cache, CACHE_WAYS) || load<u32>(load<usize>(cache, CACHE_TAGS) + (slot << 2)) == 0) continue;
    if (load<u64>(slots + slot * SLOT_BYTES, SLOT_KEY0) >> keysLog2 == first >> keysLog2) drop(cache, slot);
  }
}

/** Marks translations of pages that software has unmapped and not yet invalidated: uses of them count as stale. */
export function markUnmapped(port: usize, page: f64, pages: f64, atPs: f64): void {
  const ats = recordsOf(port);
  const cache = load<usize>(ats, ATS_CACHE);
  if (cache == 0) return;
  const mark = max<u64>(<u64>atPs, 1) << META_UNMAPPED_SHIFT;
  for (let leaf = 0; leaf < load<i32>(ats, ATS_CLASSES); leaf++) {
    const shift = shiftOf(ats, leaf);
    const end = <u64>(page + pages - 1) >> shift;
    for (let key = <u64>page >> shift; key <= end; key++) {
      const tagged = key | (<u64>leaf << 60);
      const slot = find(cache, tagged, 0, tagOf(tagged, 0), setOf(cache, tagged, 0));
      if (slot < 0) continue;
      const at = load<usize>(cache, CACHE_SLOTS) + <u32>slot * SLOT_BYTES;
      const meta = load<u64>(at, SLOT_META);
      if (meta >> META_UNMAPPED_SHIFT == 0) store<u64>(at, meta | mark, SLOT_META);
    }
  }
}
