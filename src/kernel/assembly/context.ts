// Device-table entry and GCR3 table (AMD IOMMU specification, sections 2.2.2 and 2.2.6): what a requester's DMA goes through.

import {
  CACHE_SLOTS, CACHE_TAGS, CTX_BDF, CTX_DTE_SLOT, CTX_PASID_SLOT, C_DTE_HITS, C_DTE_LOOKUPS, C_DTE_READS, C_PASID_HITS,
  C_PASID_LOOKUPS, C_PASID_READS, FAULT_DTE, FAULT_GUEST_TABLE, FAULT_PASID, SLOT_BYTES, SLOT_KEY0, SLOT_KEY1, SLOT_META,
  SLOT_READY, SLOT_VALUE, TRACE_DTE_HIT, TRACE_DTE_READ, TRACE_PASID_HIT, TRACE_PASID_READ, UNIT_DEVICE_CACHE,
  UNIT_DEVICE_TABLE, UNIT_PASID_CACHE,
} from '../layout';
import { find, insert, setOf, tagOf, touch } from './cache';
import { count, lineCost, locate, record } from './read';
import { addCost, ctx, outPage, trace, unit } from './state';
import { throughHost } from './walk';

/** First three words of the current requester's device-table entry (the fourth holds no translation fields). */
export let dte0: u64 = 0;
export let dte1: u64 = 0;
export let dte2: u64 = 0;

/** The slot a requester hit last, if the cache still holds this key there: saves the search, changes no count. */
function remembered(cache: usize, hint: u32, key0: u64, key1: u64): i32 {
  if (hint == 0) return -1;
  const slot = hint - 1;
  const at = load<usize>(cache, CACHE_SLOTS) + slot * SLOT_BYTES;
  const live = load<u32>(load<usize>(cache, CACHE_TAGS) + (slot << 2)) != 0;
  return live && load<u64>(at, SLOT_KEY0) == key0 && load<u64>(at, SLOT_KEY1) == key1 ? <i32>slot : -1;
}

/** Loads the requester's device-table entry into dte0..2; 0 or FAULT_DTE. */
export function deviceEntry(): i32 {
  const bdf = <u64>load<u32>(ctx, CTX_BDF);
  const cache = load<usize>(unit, UNIT_DEVICE_CACHE);
  count(C_DTE_LOOKUPS);
  if (cache == 0) return readDeviceEntry(bdf);
  let slot = remembered(cache, load<u32>(ctx, CTX_DTE_SLOT), bdf, 0);
  if (slot < 0) {
    const tag = tagOf(bdf, 0);
    const set = setOf(cache, bdf, 0);
    slot = find(cache, bdf, 0, tag, set);
    if (slot < 0) return fetchDeviceEntry(cache, bdf, tag, set);
    store<u32>(ctx, slot + 1, CTX_DTE_SLOT);
  }
  touch(cache, <u32>slot);
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
  const ps = lineCost(at);
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
  let slot = remembered(cache, load<u32>(ctx, CTX_PASID_SLOT), key0, key1);
  if (slot < 0) {
    const tag = tagOf(key0, key1);
    const set = setOf(cache, key0, key1);
    slot = find(cache, key0, key1, tag, set);
    if (slot < 0) {
      const code = readGcr3(pasid, nested);
      if (code != 0) return code;
      store<u64>(insert(cache, key0, key1, tag, set), guestRoot, SLOT_VALUE);
      return 0;
    }
    store<u32>(ctx, slot + 1, CTX_PASID_SLOT);
  }
  touch(cache, <u32>slot);
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
    const ps = lineCost(at);
    addCost(ps);
    const entry = load<u64>(at);
    if (trace != 0) record(TRACE_PASID_READ, 0, level, address, entry, ps);
    if ((entry & 1) == 0) return FAULT_PASID;
    table = entry & 0x000ffffffffff000;
  }
  guestRoot = table;
  return 0;
}
