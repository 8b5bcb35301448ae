// Device-table entry and GCR3 table (AMD IOMMU specification, sections 2.2.2 and 2.2.6): what a requester's DMA goes through.

import {
  CACHE_LINKS, CACHE_REPLACEMENT, CACHE_SLOTS, CACHE_STAMPS, CTX_ALLOWED, CTX_BDF, CTX_DTE_STAMP, CTX_EPOCH, CTX_PASID_STAMP,
  CTX_SPACE, C_DTE_HITS, C_DTE_LOOKUPS, C_DTE_READS, C_PASID_HITS,
  C_PASID_LOOKUPS, C_PASID_READS, FAULT_DTE, FAULT_GUEST_TABLE, FAULT_PASID, REPLACE_FIFO, REPLACE_LRU, REPLACE_RANDOM, SLOT_BYTES, SLOT_META,
  SLOT_READY, SLOT_VALUE, TRACE_DTE_HIT, TRACE_DTE_READ, TRACE_PASID_HIT, TRACE_PASID_READ, UNIT_DEVICE_CACHE,
  UNIT_DEVICE_TABLE, UNIT_EPOCH, UNIT_LINE_CACHE, UNIT_PASID_CACHE,
} from '../layout';
import { find, insert, setOf, tagOf, touch } from './cache';
import { count, lineCost, locate, record } from './read';
import { addCost, ctx, outPage, trace, unit } from './state';
import { throughHost } from './walk';

/** First three words of the current requester's device-table entry (the fourth holds no translation fields). */
export let dte0: u64 = 0;
export let dte1: u64 = 0;
export let dte2: u64 = 0;

/** The device or PASID cache changes: no requester may use what it remembers of them. */
export function newEpoch(): void {
  const epoch = load<u32>(unit, UNIT_EPOCH) + 1;
  store<u32>(unit, epoch != 0 ? epoch : 1, UNIT_EPOCH);
}

/** Pointer to the recency stamp of a slot, or 0 where a use leaves none. */
function stampOf(cache: usize, slot: u32): usize {
  const listed = load<usize>(cache, CACHE_LINKS) != 0;
  const lru = load<i32>(cache, CACHE_REPLACEMENT) == REPLACE_LRU;
  return lru && !listed ? load<usize>(cache, CACHE_STAMPS) + (slot << 2) : 0;
}

/** Whether a use of an entry of this cache can be renewed by a stamp alone (or needs nothing at all). */
function simple(cache: usize): bool {
  if (cache == 0) return false;
  const policy = load<i32>(cache, CACHE_REPLACEMENT);
  if (policy == REPLACE_LRU) return load<usize>(cache, CACHE_LINKS) == 0;
  return policy == REPLACE_FIFO || policy == REPLACE_RANDOM;
}

/** The requester may take the short way from now on, until the epoch changes. */
export function shorten(space: u64, guest: bool): void {
  if (!simple(load<usize>(unit, UNIT_DEVICE_CACHE))) return;
  if (guest && !simple(load<usize>(unit, UNIT_PASID_CACHE))) return;
  store<u64>(ctx, space, CTX_SPACE);
  store<i32>(ctx, <i32>(dte0 >> 61) & 3, CTX_ALLOWED);
  store<u32>(ctx, load<u32>(unit, UNIT_EPOCH), CTX_EPOCH);
}

/** Loads the requester's device-table entry into dte0..2; 0 or FAULT_DTE. */
export function deviceEntry(): i32 {
  const bdf = <u64>load<u32>(ctx, CTX_BDF);
  const cache = load<usize>(unit, UNIT_DEVICE_CACHE);
  count(C_DTE_LOOKUPS);
  if (cache == 0) return readDeviceEntry(bdf);
  const tag = tagOf(bdf, 0);
  const set = setOf(cache, bdf, 0);
  const slot = find(cache, bdf, 0, tag, set);
  if (slot < 0) return fetchDeviceEntry(cache, bdf, tag, set);
  touch(cache, <u32>slot);
  store<u32>(ctx, <u32>stampOf(cache, <u32>slot), CTX_DTE_STAMP);
  count(C_DTE_HITS);
  const at = load<usize>(cache, CACHE_SLOTS) + <u32>slot * SLOT_BYTES;
  dte0 = load<u64>(at, SLOT_VALUE);
  dte1 = load<u64>(at, SLOT_META);
  dte2 = load<u64>(at, SLOT_READY);
  if (trace != 0) record(TRACE_DTE_HIT, 0, 0, bdf, dte0, 0);
  return 0;
}

function fetchDeviceEntry(cache: usize, bdf: u64, tag: u32, set: u32): i32 {
  const code = readDeviceEntry(bdf);
  if (code != 0) return code;
  newEpoch();
  const at = insert(cache, bdf, 0, tag, set);
  store<u64>(at, dte0, SLOT_VALUE);
  store<u64>(at, dte1, SLOT_META);
  store<u64>(at, dte2, SLOT_READY); // the third word instead of a time: entries are usable at once
  return 0;
}

function readDeviceEntry(bdf: u64): i32 {
  count(C_DTE_READS);
  const address = load<u64>(unit, UNIT_DEVICE_TABLE) + (bdf << 5);
  const at = locate(address, 32);
  if (at == 0) return FAULT_DTE;
  const ps = lineCost(load<usize>(unit, UNIT_LINE_CACHE), at);
  addCost(ps);
  dte0 = load<u64>(at);
  dte1 = load<u64>(at, 8);
  dte2 = load<u64>(at, 16);
  if (trace != 0) record(TRACE_DTE_READ, 0, 0, address, dte0, ps);
  return 0;
}

/** Root of the guest table of a PASID (an SPA, or a GPA when `nested`) by the GCR3 table of dte0 and dte1. */
export let guestRoot: u64 = 0;

/** Finds guestRoot; 0 or a fault code. Every pointer of a guest's GCR3 table is a GPA. */
export function guestTable(pasid: u64, nested: bool): i32 {
  const key0 = pasid;
  const key1 = <u64>load<u32>(ctx, CTX_BDF);
  const cache = load<usize>(unit, UNIT_PASID_CACHE);
  count(C_PASID_LOOKUPS);
  if (cache == 0) return readGcr3(pasid, nested);
  const tag = tagOf(key0, key1);
  const set = setOf(cache, key0, key1);
  const slot = find(cache, key0, key1, tag, set);
  if (slot < 0) {
    const code = readGcr3(pasid, nested);
    if (code != 0) return code;
    newEpoch();
    store<u64>(insert(cache, key0, key1, tag, set), guestRoot, SLOT_VALUE);
    return 0;
  }
  touch(cache, <u32>slot);
  store<u32>(ctx, <u32>stampOf(cache, <u32>slot), CTX_PASID_STAMP);
  count(C_PASID_HITS);
  guestRoot = load<u64>(load<usize>(cache, CACHE_SLOTS) + <u32>slot * SLOT_BYTES, SLOT_VALUE);
  if (trace != 0) record(TRACE_PASID_HIT, 0, 0, pasid, guestRoot, 0);
  return 0;
}

/** GCR3 table root pointer, split over the entry: bits 14:12, 30:15 and 51:31. */
function gcr3Root(): u64 {
  return (((dte0 >> 58) & 7) << 12) | (((dte1 >> 16) & 0xffff) << 15) | ((dte1 >> 43) << 31);
}

function readGcr3(pasid: u64, nested: bool): i32 {
  const top = <i32>(dte0 >> 56) & 3; // GLX: levels - 1
  if (top == 3) return FAULT_DTE;
  if (pasid >> <u64>(9 * (top + 1)) != 0) return FAULT_PASID;
  let table = gcr3Root();
  for (let level = top; level >= 0; level--) {
    if (nested) {
      if (throughHost(table >> 12) != 0) return FAULT_GUEST_TABLE;
      table = outPage << 12;
    }
    const address = table + (((pasid >> <u64>(9 * level)) & 0x1ff) << 3);
    const at = locate(address, 8);
    count(C_PASID_READS);
    if (at == 0) return FAULT_PASID;
    const ps = lineCost(load<usize>(unit, UNIT_LINE_CACHE), at);
    addCost(ps);
    const entry = load<u64>(at);
    if (trace != 0) record(TRACE_PASID_READ, 0, level, address, entry, ps);
    if ((entry & 1) == 0) return FAULT_PASID;
    table = entry & 0x000ffffffffff000;
  }
  guestRoot = table;
  return 0;
}
