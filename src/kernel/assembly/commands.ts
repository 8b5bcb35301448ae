// The command queue's short way: what every strict unmap sends, one invalidation of pages and one completion wait, from the
// words in the ring to the effect on the caches. iommu/command-queue.ts does the same for every kind of command over the same
// records, and is asked when something is not as usual here.

import { INVALIDATE_NO_GUESTS, INVALIDATE_PDE } from '../layout';
import {
  PENDING_BYTES, PENDING_DONE, PENDING_KIND, PENDING_WORDS, QUEUE_APPLIED, QUEUE_BUSY_PS, QUEUE_BY_KIND, QUEUE_CAPACITY, QUEUE_COMMANDS, QUEUE_COMMAND_PS,
  QUEUE_DEVICE_TLBS, QUEUE_DOORBELL, QUEUE_DRAINED, QUEUE_FETCH, QUEUE_FETCHED, QUEUE_FULL_STALLS, QUEUE_HALTED,
  QUEUE_IDLE, QUEUE_PENDING, QUEUE_PENDING_MASK, QUEUE_PLAIN, QUEUE_RESERVED_PAGES, QUEUE_RESERVED_PASID,
  QUEUE_RESERVED_WAIT, QUEUE_RING, QUEUE_RING_END, QUEUE_SEMAPHORE, QUEUE_SEMAPHORE_ADDRESS, QUEUE_STALLED_PS,
  QUEUE_STORES, QUEUE_UNIT, QUEUE_VTD, QUEUE_WAITS, QUEUE_WAIT_PS, QUEUE_WRITE, QUEUE_WRITTEN,
} from '../layout-queue';
import { dropPages } from './invalidate';
import { addTo, pageOf } from './state';
import { later } from './translate';

/** Kinds of iommu/commands/command.ts. */
const KIND_ILLEGAL: i32 = 0;
const KIND_WAIT: i32 = 1;
const KIND_PAGES: i32 = 3;
/** The general way must do it. */
const NOT_HERE: f64 = -1;
/** log2 bytes and pages of "all of it". */
const WHOLE_LOG2: i32 = 64;
const ALL_PAGES_LOG2: i32 = 52;

/** AMD 48882 section 2.4: opcode in bits 63:60 of the first half; S, PDE and GN in the second. */
const AMD_WAIT: u64 = 0x1000000000000000;
const AMD_PAGES: u64 = 0x3000000000000000;
const AMD_STORE: u64 = 1;
const AMD_SIZE: u64 = 1;
const AMD_PDE: u64 = 2;
const AMD_GN: u64 = 4;
/** An address whose only zero is bit 63: everything. Larger ranges than this are coded so (build_inv_address). */
const AMD_WHOLE: u64 = 0x7ffffffffffff000;
const AMD_RANGE_MOST: i32 = 52;

/** VT-d 4.1, section 6.5.2: type in bits 3:0, granularity in 5:4. */
const VTD_IOTLB: u64 = 2;
const VTD_WAIT: u64 = 5;
const VTD_PASID_IOTLB: u64 = 6;
const VTD_BY_DOMAIN: u64 = 2 << 4;
const VTD_BY_PAGE: u64 = 3 << 4;
const VTD_STATUS_WRITE: u64 = 1 << 5;
const VTD_FENCE: u64 = 1 << 6;
const VTD_HINT: u64 = 1 << 6;

/**
 * Software sends an invalidation of the 2^sizeLog2 bytes around a page (64: everything) at `nowPs`. Returns when it may go on: then,
 * or later if the ring was full; -1: nothing is done.
 */
export function queuePages(
  queue: usize, nowPs: f64, domain: i32, pasid: i32, page: f64, sizeLog2: i32, walkCaches: i32,
): f64 {
  if (!hasPlaces(queue, 1)) return NOT_HERE;
  const atPs = takeSlot(queue, nowPs);
  sendPages(queue, atPs, domain, pasid, pageOf(page), sizeLog2, walkCaches != 0);
  return atPs;
}

/** The same for a completion wait; returns when its semaphore is written, or -1. */
export function queueWait(queue: usize, nowPs: f64): f64 {
  return hasPlaces(queue, 1) ? sendWait(queue, takeSlot(queue, nowPs)) : NOT_HERE;
}

/**
 * Applies, in order, the commands whose time has come. Returns the number of cache entries dropped; -1 - that number when it stopped
 * before a command of another kind.
 */
export function queueProcess(queue: usize, nowPs: f64): f64 {
  const pending = load<usize>(queue, QUEUE_PENDING);
  const mask = load<u32>(queue, QUEUE_PENDING_MASK);
  const end = load<u32>(queue, QUEUE_FETCHED);
  let dropped = 0;
  for (let seq = load<u32>(queue, QUEUE_APPLIED); seq != end; seq++) {
    const record = pending + (seq & mask) * PENDING_BYTES;
    if (load<f64>(record, PENDING_DONE) > nowPs) break;
    const kind = load<i32>(record, PENDING_KIND);
    if (kind == KIND_PAGES) dropped += applyPages(queue, record);
    else if (kind == KIND_WAIT) applyWait(queue, record);
    else return <f64>(-1 - dropped);
    store<u32>(queue, seq + 1, QUEUE_APPLIED);
  }
  return <f64>dropped;
}

// ---- Software's side ---------------------------------------------------------------------------------------------------------------

/** Whether the short way can be gone at all, with places for what is read of so many more commands. */
// @ts-ignore: decorator
@inline
function hasPlaces(queue: usize, commands: u32): bool {
  if (load<usize>(queue, QUEUE_PENDING) == 0 || load<i32>(queue, QUEUE_HALTED) != 0) return false;
  return load<u32>(queue, QUEUE_FETCHED) - load<u32>(queue, QUEUE_APPLIED) <= load<u32>(queue, QUEUE_PENDING_MASK) + 1 - commands;
}

/** The same for a command and the wait behind it. */
// @ts-ignore: decorator
@inline
export function hasPlacesForTwo(queue: usize): bool {
  return hasPlaces(queue, 2);
}

/** When there is a slot to write to, counted as a stall if that is later. */
// @ts-ignore: decorator
@inline
export function takeSlot(queue: usize, nowPs: f64): f64 {
  const before = load<u32>(queue, QUEUE_WRITTEN) - load<u32>(queue, QUEUE_CAPACITY);
  const record = load<usize>(queue, QUEUE_PENDING) + (before & load<u32>(queue, QUEUE_PENDING_MASK)) * PENDING_BYTES;
  const freeAtPs = load<f64>(record, PENDING_DONE); // 0: never used
  if (freeAtPs <= nowPs) return nowPs;
  addTo(queue + QUEUE_FULL_STALLS, 1);
  addTo(queue + QUEUE_STALLED_PS, freeAtPs - nowPs);
  return freeAtPs;
}

/** The second half of AMD's command, but for its flags. */
function amdRange(page: u64, sizeLog2: i32): u64 {
  if (sizeLog2 > AMD_RANGE_MOST) return AMD_WHOLE | AMD_SIZE;
  if (sizeLog2 <= 12) return page << 12;
  return aligned(page << 12, sizeLog2) + (<u64>1 << <u64>(sizeLog2 - 1)) - 4096 | AMD_SIZE;
}

// @ts-ignore: decorator
@inline
function amdPages(queue: usize, domain: i32, pasid: i32, range: u64, walkCaches: bool): void {
  const tagged = pasid >= 0;
  const first = AMD_PAGES | (<u64>domain << 32) | (tagged ? <u64>pasid : 0);
  read(queue, first, range | (walkCaches ? AMD_PDE : 0) | (tagged ? AMD_GN : 0), QUEUE_RESERVED_PAGES);
}

function vtdPages(queue: usize, domain: i32, pasid: i32, page: u64, sizeLog2: i32, walkCaches: bool): void {
  const all = sizeLog2 >= WHOLE_LOG2;
  const tagged = pasid >= 0;
  const type = (tagged ? VTD_PASID_IOTLB : VTD_IOTLB) | (all ? VTD_BY_DOMAIN : VTD_BY_PAGE);
  const first = type | (<u64>domain << 16) | (tagged ? <u64>pasid << 32 : 0);
  const range = aligned(page << 12, sizeLog2) | <u64>(sizeLog2 - 12) | (walkCaches ? 0 : VTD_HINT);
  read(queue, first, all ? 0 : range, tagged ? QUEUE_RESERVED_PASID : QUEUE_RESERVED_PAGES);
}

// @ts-ignore: decorator
@inline
function aligned(address: u64, sizeLog2: i32): u64 {
  return sizeLog2 < 64 ? address >> <u64>sizeLog2 << <u64>sizeLog2 : 0;
}

// @ts-ignore: decorator
@inline
function sendPages(queue: usize, atPs: f64, domain: i32, pasid: i32, page: u64, sizeLog2: i32, walkCaches: bool): void {
  store<f64>(queue, atPs, QUEUE_DOORBELL);
  if (load<i32>(queue, QUEUE_VTD) != 0) vtdPages(queue, domain, pasid, page, sizeLog2, walkCaches);
  else amdPages(queue, domain, pasid, amdRange(page, sizeLog2), walkCaches);
}

/** An invalidation of one page of 4 KiB. */
// @ts-ignore: decorator
@inline
export function sendPage(queue: usize, atPs: f64, domain: i32, pasid: i32, page: u64, walkCaches: bool): void {
  store<f64>(queue, atPs, QUEUE_DOORBELL);
  if (load<i32>(queue, QUEUE_VTD) != 0) vtdPages(queue, domain, pasid, page, 12, walkCaches);
  else amdPages(queue, domain, pasid, page << 12, walkCaches);
}

/** Returns when the semaphore will be written. */
// @ts-ignore: decorator
@inline
export function sendWait(queue: usize, atPs: f64): f64 {
  const data = load<u32>(queue, QUEUE_STORES) + 1;
  store<u32>(queue, data, QUEUE_STORES);
  addTo(queue + QUEUE_WAITS, 1);
  store<f64>(queue, atPs, QUEUE_DOORBELL);
  const address = load<u64>(queue, QUEUE_SEMAPHORE_ADDRESS);
  const isVtd = load<i32>(queue, QUEUE_VTD) != 0;
  const stores: u64 = address == 0 ? 0 : isVtd ? VTD_STATUS_WRITE : AMD_STORE;
  const first = isVtd ? VTD_WAIT | VTD_FENCE | stores | (<u64>data << 32) : AMD_WAIT | address | stores;
  read(queue, first, isVtd ? address : <u64>data, QUEUE_RESERVED_WAIT);
  return load<f64>(queue, QUEUE_IDLE);
}

// ---- The processor -----------------------------------------------------------------------------------------------------------------

/**
 * Software writes the two halves of a command, and the processor, which has read all others, reads it and books its time. `reserved`:
 * where the queue's record says which bits must be zero; it also says whether it is a wait.
 */
// @ts-ignore: decorator
@inline
function read(queue: usize, first: u64, second: u64, reserved: i32): void {
  const to = load<usize>(queue, QUEUE_WRITE);
  store<u64>(to, first);
  store<u64>(to, second, 8);
  const seq = load<u32>(queue, QUEUE_FETCHED);
  const record = load<usize>(queue, QUEUE_PENDING) + (seq & load<u32>(queue, QUEUE_PENDING_MASK)) * PENDING_BYTES;
  store<u64>(record, first, PENDING_WORDS);
  store<u64>(record, second, PENDING_WORDS + 8);
  const startPs = later(load<f64>(queue, QUEUE_DOORBELL), load<f64>(queue, QUEUE_IDLE));
  let donePs = startPs + load<f64>(queue, QUEUE_COMMAND_PS);
  let kind = KIND_PAGES;
  if (((first & load<u64>(queue + <usize>reserved)) | (second & load<u64>(queue + <usize>reserved, 8))) != 0) {
    kind = KIND_ILLEGAL;
    store<i32>(queue, 1, QUEUE_HALTED);
  } else if (reserved == QUEUE_RESERVED_WAIT) {
    kind = KIND_WAIT;
    const drainedPs = load<f64>(load<usize>(queue, QUEUE_DRAINED));
    donePs = later(later(donePs, drainedPs), load<f64>(queue, QUEUE_DEVICE_TLBS)) + load<f64>(queue, QUEUE_WAIT_PS);
  }
  addTo(queue + QUEUE_COMMANDS, 1);
  addTo(queue + QUEUE_BY_KIND + (<usize>kind << 3), 1);
  addTo(queue + QUEUE_BUSY_PS, donePs - startPs);
  store<f64>(queue, donePs, QUEUE_IDLE);
  store<f64>(record, donePs, PENDING_DONE);
  store<i32>(record, kind, PENDING_KIND);
  const next = to + 16 == load<usize>(queue, QUEUE_RING_END) ? load<usize>(queue, QUEUE_RING) : to + 16;
  store<usize>(queue, next, QUEUE_FETCH);
  store<usize>(queue, next, QUEUE_WRITE);
  store<u32>(queue, seq + 1, QUEUE_FETCHED);
  store<u32>(queue, seq + 1, QUEUE_WRITTEN);
}

function applyPages(queue: usize, record: usize): i32 {
  const first = load<u64>(record, PENDING_WORDS);
  const second = load<u64>(record, PENDING_WORDS + 8);
  let domain = <u32>(first >> 16) & 0xffff;
  let pasid = -1;
  let page = second >> 12;
  let pagesLog2 = 0;
  let pde = true;
  if (load<i32>(queue, QUEUE_VTD) != 0) {
    if ((first & 15) == VTD_PASID_IOTLB) pasid = <i32>(first >> 32) & 0xfffff;
    pagesLog2 = (first & VTD_BY_PAGE) == VTD_BY_PAGE ? <i32>(second & 63) : ALL_PAGES_LOG2;
    pde = pagesLog2 >= ALL_PAGES_LOG2 || (second & VTD_HINT) == 0;
  } else {
    domain = <u32>(first >> 32) & 0xffff;
    if ((second & AMD_GN) != 0) pasid = <i32>first & 0xfffff;
    if ((second & AMD_SIZE) != 0) pagesLog2 = 1 + <i32>ctz(~page);
    pde = (second & AMD_PDE) != 0;
  }
  // All of a domain: what guests translated through it too.
  if (pagesLog2 >= ALL_PAGES_LOG2) return dropPages(load<usize>(queue, QUEUE_UNIT), domain, pasid, 0, ALL_PAGES_LOG2, INVALIDATE_PDE);
  const plain = load<u32>(load<usize>(queue, QUEUE_PLAIN) + (domain >> 5 << 2)) >> (domain & 31);
  const flags = (pde ? INVALIDATE_PDE : 0) | ((plain & 1) != 0 ? INVALIDATE_NO_GUESTS : 0);
  return dropPages(load<usize>(queue, QUEUE_UNIT), domain, pasid, page >> <u64>pagesLog2 << <u64>pagesLog2, pagesLog2, flags);
}

/** Completion waits may only store to the semaphore: the rest of memory has no content here. */
// @ts-ignore: decorator
@inline
function applyWait(queue: usize, record: usize): void {
  const first = load<u64>(record, PENDING_WORDS);
  const second = load<u64>(record, PENDING_WORDS + 8);
  const vtd = load<i32>(queue, QUEUE_VTD) != 0;
  const stores = vtd ? (first & VTD_STATUS_WRITE) != 0 : (first & AMD_STORE) != 0;
  const address = vtd ? second & ~(<u64>3) : first & 0xffffffffffff8;
  if (!stores || address != load<u64>(queue, QUEUE_SEMAPHORE_ADDRESS)) return;
  store<u64>(load<usize>(queue, QUEUE_SEMAPHORE), vtd ? first >> 32 : second & 0xffffffff);
}
