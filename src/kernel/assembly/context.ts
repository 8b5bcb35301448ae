// Device-table entry and GCR3 table (AMD IOMMU specification, sections 2.2.2 and 2.2.6): what a requester's DMA goes through.

import {
  CACHE_CLOCK, CACHE_LINKS, CACHE_REPLACEMENT, CACHE_SLOTS, CACHE_STAMPS, CTX_ALLOWED, CTX_BDF, CTX_CACHE,
  CTX_DTE_STAMP, CTX_EPOCH, CTX_FIRST_RULE, CTX_FIRST_START, CTX_GUEST_LEVELS, CTX_GUEST_ROOT, CTX_HOST_ROOT, CTX_LAST_KEY, CTX_LAST_RULE, CTX_LAST_START, CTX_MODE, CTX_PASID, CTX_PASID_STAMP,
  CTX_SPACE, CTX_SPACE_TAG, C_DTE_HITS, C_DTE_LOOKUPS, C_DTE_READS, C_PASID_HITS, C_PASID_LOOKUPS, C_PASID_READS,
  C_REMEMBERED, FAULT_ATS, FAULT_BLOCKED, FAULT_DTE, FAULT_GUEST_TABLE, FAULT_PASID, KEY_GUEST_LOG2, REPLACE_FIFO, REPLACE_LRU,
  REPLACE_RANDOM, SLOT_BYTES, SLOT_META, SLOT_READY, SLOT_VALUE, TRACE_DTE_HIT, TRACE_DTE_READ, TRACE_PASID_HIT,
  TRACE_PASID_READ, UNIT_DEVICE_CACHE, UNIT_DEVICE_TABLE, UNIT_EPOCH, UNIT_GUEST_RULE, UNIT_HOST_RULE,
  UNIT_PASID_CACHE,
} from '../layout';
import { RANK_BASE, find, insert, setOf, spaceTag, stamp, tagOf, touch } from './cache';
import { guestMemoStart, memoKey, memoStart } from './memo';
import { count, locate, readOther, record } from './read';
import { ctx, outPage, trace, unit } from './state';
import { GUEST, HOST, setHostStage } from './stages';
import { throughHost } from './walk';

/** First three words of the current requester's device-table entry (the fourth holds no translation fields). */
let dte0: u64 = 0;
export let dte1: u64 = 0;
let dte2: u64 = 0;

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

function slotOf(cache: usize, record: usize): u32 {
  return <u32>(record - load<usize>(cache, CACHE_SLOTS)) / SLOT_BYTES;
}

/** Whether a use of an entry of this cache can be renewed by a stamp alone (or needs nothing at all). */
function simple(cache: usize): bool {
  if (cache == 0) return false;
  const policy = load<i32>(cache, CACHE_REPLACEMENT);
  if (policy == REPLACE_LRU) return load<usize>(cache, CACHE_LINKS) == 0;
  return policy == REPLACE_FIFO || policy == REPLACE_RANDOM;
}

/** What the current request goes through: host table, guest table or both, and the key of its IOTLB entries. */
export let space: u64 = 0;
export let mode: i32 = 0;
export let hostRoot: u64 = 0;
export let guestLevels: i32 = 0;

/** Keeps the current request's way for the requester's next ones, until the epoch changes. */
function remember(): void {
  if (!simple(load<usize>(unit, UNIT_DEVICE_CACHE))) return;
  if (guestLevels != 0 && !simple(load<usize>(unit, UNIT_PASID_CACHE))) return;
  store<u64>(ctx, space, CTX_SPACE);
  store<u32>(ctx, spaceTag(space), CTX_SPACE_TAG);
  store<u64>(ctx, hostRoot, CTX_HOST_ROOT);
  store<u64>(ctx, guestRoot, CTX_GUEST_ROOT);
  store<i32>(ctx, entryAllows(), CTX_ALLOWED);
  store<i32>(ctx, mode, CTX_MODE);
  store<i32>(ctx, guestLevels, CTX_GUEST_LEVELS);
  store<usize>(ctx, 0, CTX_CACHE);
  rememberWays();
  store<u32>(ctx, load<u32>(unit, UNIT_EPOCH), CTX_EPOCH);
}

/** Where memos of the requester's walks are to be looked for. */
function rememberWays(): void {
  const guestRule = guestLevels != 0 ? load<usize>(unit + ((guestLevels - 4) << 2), UNIT_GUEST_RULE) : 0;
  const isGuests = mode == 0;
  store<u64>(ctx, isGuests ? memoKey(guestRoot, guestLevels - 1, GUEST) : memoKey(hostRoot, mode - 1, HOST), CTX_LAST_KEY);
  store<usize>(ctx, isGuests ? guestRule : load<usize>(unit, UNIT_HOST_RULE), CTX_LAST_RULE);
  store<u32>(ctx, memoStart(isGuests ? guestRoot : hostRoot), CTX_LAST_START);
  store<usize>(ctx, isGuests ? 0 : guestRule, CTX_FIRST_RULE);
  store<u32>(ctx, guestMemoStart(guestRoot, hostRoot), CTX_FIRST_START);
}

/** What the device-table entry allows: bit 0 reads (IR), bit 1 writes (IW), bit 2 ATS (I). */
export function entryAllows(): i32 {
  return (<i32>(dte0 >> 61) & 3) | (<i32>(dte1 >> 30) & ALLOWS_ATS);
}
export const ALLOWS_ATS = 4;

/** Whether a request of this device may come translated: its device-table entry alone decides. Returns 0 or a fault code. */
export function checkTranslated(): i32 {
  if (load<u32>(ctx, CTX_EPOCH) == load<u32>(unit, UNIT_EPOCH)) {
    space = load<u64>(ctx, CTX_SPACE) & 0xffff;
    renew(load<usize>(unit, UNIT_DEVICE_CACHE), load<usize>(ctx, CTX_DTE_STAMP));
    count(C_REMEMBERED);
    return (load<i32>(ctx, CTX_ALLOWED) & ALLOWS_ATS) != 0 ? 0 : FAULT_ATS;
  }
  const code = deviceEntry();
  space = code == 0 ? dte1 & 0xffff : 0;
  if (code != 0 || (dte0 & 3) != 3 || (dte0 & DTE_RESERVED) != 0) return FAULT_DTE;
  return (entryAllows() & ALLOWS_ATS) != 0 ? 0 : FAULT_ATS;
}

/** Takes up what the requester remembers, and counts and renews the uses of its device and PASID entries. */
export function recall(): void {
  space = load<u64>(ctx, CTX_SPACE);
  mode = load<i32>(ctx, CTX_MODE);
  hostRoot = load<u64>(ctx, CTX_HOST_ROOT);
  guestRoot = load<u64>(ctx, CTX_GUEST_ROOT);
  guestLevels = load<i32>(ctx, CTX_GUEST_LEVELS);
  useContext(unit, ctx);
  count(guestLevels != 0 ? C_REMEMBERED + 1 : C_REMEMBERED);
}

/** Renews the uses of the requester's device and PASID entries. */
// @ts-ignore: decorator
@inline
export function useContext(home: usize, requester: usize): void {
  renew(load<usize>(home, UNIT_DEVICE_CACHE), load<usize>(requester, CTX_DTE_STAMP));
  if (load<i32>(requester, CTX_GUEST_LEVELS) != 0) renew(load<usize>(home, UNIT_PASID_CACHE), load<usize>(requester, CTX_PASID_STAMP));
}

/** Takes up the key of the requester's IOTLB entries alone. */
// @ts-ignore: decorator
@inline
export function recallSpace(): void {
  space = load<u64>(ctx, CTX_SPACE);
}

/** A use of a device or PASID entry, known by its recency stamp. */
// @ts-ignore: decorator
@inline
export function renew(cache: usize, at: usize): void {
  if (at == 0) return;
  const clock = load<u32>(cache, CACHE_CLOCK) + 1;
  if (clock >= RANK_BASE) {
    stamp(cache, <u32>((at - load<usize>(cache, CACHE_STAMPS)) >> 2));
    return;
  }
  store<u32>(cache, clock, CACHE_CLOCK);
  store<u32>(at, clock);
}

/** Device-entry bits that must be zero (those that QEMU and Linux treat as reserved in word 0). */
const DTE_RESERVED: u64 = 0x800000000000007c;
const TABLE_ADDRESS: u64 = 0x000ffffffffff000;

/** Finds out from device entry and GCR3 table what the requester's DMA goes through. Returns 0 or a fault code. */
export function resolveContext(access: i32): i32 {
  const code = deviceEntry();
  space = code == 0 ? dte1 & 0xffff : 0; // the domain, also for the fault record
  if (code != 0 || (dte0 & 3) != 3 || (dte0 & DTE_RESERVED) != 0) return FAULT_DTE;
  if ((<i32>(dte0 >> 61) & access) != access) return FAULT_BLOCKED;
  mode = <i32>(dte0 >> 9) & 7;
  if (mode == 7) return FAULT_DTE;
  const pasid = load<i32>(ctx, CTX_PASID);
  hostRoot = dte0 & TABLE_ADDRESS;
  guestLevels = 0;
  // GV: guest table valid. GIOV: a request without PASID uses PASID 0's.
  if (((dte0 >> 55) & 1) != 0 && (pasid >= 0 || ((dte0 >> 54) & 1) != 0)) {
    const paging = <i32>(dte2 >> 54) & 3; // GuestPagingMode: 0 = four levels, 1 = five
    if (paging > 1 || load<usize>(unit + (<usize>paging << 2), UNIT_GUEST_RULE) == 0) return FAULT_DTE;
    guestLevels = 4 + paging;
    setHostStage(load<usize>(unit, UNIT_HOST_RULE), mode, hostRoot, space);
    const index = pasid < 0 ? 0 : <u64>pasid;
    const unknown = guestTable(index, mode != 0);
    if (unknown != 0) return unknown;
    space |= (index << 16) | (<u64>1 << KEY_GUEST_LOG2);
  } else if (pasid >= 0) return FAULT_PASID;
  remember();
  return 0;
}

/** Loads the requester's device-table entry into dte0..2; 0 or FAULT_DTE. */
function deviceEntry(): i32 {
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
  store<u32>(ctx, <u32>stampOf(cache, slotOf(cache, at)), CTX_DTE_STAMP);
  store<u64>(at, dte0, SLOT_VALUE);
  store<u64>(at, dte1, SLOT_META);
  store<u64>(at, dte2, SLOT_READY); // the third word instead of a time: entries are usable at once
  return 0;
}

function readDeviceEntry(bdf: u64): i32 {
  count(C_DTE_READS);
  const address = load<u64>(unit, UNIT_DEVICE_TABLE) + (bdf << 5);
  const at = locate(address);
  if (at == 0) return FAULT_DTE;
  const ps = readOther(at);
  dte0 = load<u64>(at);
  dte1 = load<u64>(at, 8);
  dte2 = load<u64>(at, 16);
  if (trace != 0) record(TRACE_DTE_READ, 0, 0, address, dte0, ps);
  return 0;
}

/** Root of the guest table of a PASID (an SPA, or a GPA when `nested`) by the GCR3 table of dte0 and dte1. */
export let guestRoot: u64 = 0;

/** Finds guestRoot; 0 or a fault code. Every pointer of a guest's GCR3 table is a GPA. */
function guestTable(pasid: u64, nested: bool): i32 {
  // The index is their sum, so that neither many devices with PASID 0 nor many PASIDs of one device share a set.
  const bdf = <u64>load<u32>(ctx, CTX_BDF);
  const key0 = bdf + pasid;
  const key1 = bdf | (pasid << 16);
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
    const at = insert(cache, key0, key1, tag, set);
    store<u32>(ctx, <u32>stampOf(cache, slotOf(cache, at)), CTX_PASID_STAMP);
    store<u64>(at, guestRoot, SLOT_VALUE);
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
    const at = locate(address);
    count(C_PASID_READS);
    if (at == 0) return FAULT_PASID;
    const ps = readOther(at);
    const entry = load<u64>(at);
    if (trace != 0) record(TRACE_PASID_READ, 0, level, address, entry, ps);
    if ((entry & 1) == 0) return FAULT_PASID;
    table = entry & 0x000ffffffffff000;
  }
  guestRoot = table;
  return 0;
}
