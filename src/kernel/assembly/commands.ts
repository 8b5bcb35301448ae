// The command queue's short way: what every strict unmap sends, one invalidation of pages and one completion wait, from the driver's
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
import { pageOf } from './state';

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
  const atPs = takeSlot(queue, nowPs);
  if (atPs < 0) return NOT_HERE;
  sendPages(queue, atPs, domain, pasid, pageOf(page), sizeLog2, walkCaches != 0);
  return atPs;
}

/** The same for a completion wait; returns when its semaphore is written, or -1. */
export function queueWait(queue: usize, nowPs: f64): f64 {
  const atPs = takeSlot(queue, nowPs);
  if (atPs < 0) return NOT_HERE;
  return sendWait(queue, atPs);
}

/** One page, and a completion wait behind it, if there is room for both now. Returns as queueWait. */
export function queueFlush(queue: usize, nowPs: f64, domain: i32, pasid: i32, page: f64, walkCaches: i32): f64 {
  if (!hasRoom(queue, nowPs)) return NOT_HERE;
  sendPages(queue, nowPs, domain, pasid, pageOf(page), 12, walkCaches != 0);
  return sendWait(queue, nowPs);
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

/** When there is a slot to write to, counted as a stall if that is later; -1: the general way must see to it. */
// @ts-ignore: decorator
@inline
function takeSlot(queue: usize, nowPs: f64): f64 {
  const fetched = load<u32>(queue, QUEUE_FETCHED);
  const mask = load<u32>(queue, QUEUE_PENDING_MASK);
  const pending = load<usize>(queue, QUEUE_PENDING);
  if (pending == 0 || load<i32>(queue, QUEUE_HALTED) != 0 || fetched - load<u32>(queue, QUEUE_APPLIED) > mask) return -1;
  const before = load<u32>(queue, QUEUE_WRITTEN) - load<u32>(queue, QUEUE_CAPACITY);
  const freeAtPs = load<f64>(pending + (before & mask) * PENDING_BYTES, PENDING_DONE); // 0: never used
  if (freeAtPs <= nowPs) return nowPs;
  add(queue + QUEUE_FULL_STALLS, 1);
  add(queue + QUEUE_STALLED_PS, freeAtPs - nowPs);
  return freeAtPs;
}

function amdPages(to: usize, domain: i32, pasid: i32, page: u64, sizeLog2: i32, walkCaches: bool): void {
  let target = page << 12;
  if (sizeLog2 > AMD_RANGE_MOST) target = AMD_WHOLE | AMD_SIZE;
  else if (sizeLog2 > 12) target = aligned(target, sizeLog2) + (<u64>1 << <u64>(sizeLog2 - 1)) - 4096 | AMD_SIZE;
  store<u64>(to, AMD_PAGES | (<u64>domain << 32) | (pasid < 0 ? 0 : <u64>pasid));
  store<u64>(to, target | (walkCaches ? AMD_PDE : 0) | (pasid < 0 ? 0 : AMD_GN), 8);
}

function vtdPages(to: usize, domain: i32, pasid: i32, page: u64, sizeLog2: i32, walkCaches: bool): void {
  const all = sizeLog2 >= WHOLE_LOG2;
  const type = (pasid < 0 ? VTD_IOTLB : VTD_PASID_IOTLB) | (all ? VTD_BY_DOMAIN : VTD_BY_PAGE);
  store<u64>(to, type | (<u64>domain << 16) | (pasid < 0 ? 0 : <u64>pasid << 32));
  const range = aligned(page << 12, sizeLog2) | <u64>(sizeLog2 - 12) | (walkCaches ? 0 : VTD_HINT);
  store<u64>(to, all ? 0 : range, 8);
}

// @ts-ignore: decorator
@inline
function aligned(address: u64, sizeLog2: i32): u64 {
  return sizeLog2 < 64 ? address >> <u64>sizeLog2 << <u64>sizeLog2 : 0;
}

/** Whether two slots are free now, and two places for what is read of them. */
// @ts-ignore: decorator
@inline
function hasRoom(queue: usize, nowPs: f64): bool {
  const fetched = load<u32>(queue, QUEUE_FETCHED);
  const mask = load<u32>(queue, QUEUE_PENDING_MASK);
  const pending = load<usize>(queue, QUEUE_PENDING);
  if (pending == 0 || load<i32>(queue, QUEUE_HALTED) != 0 || fetched - load<u32>(queue, QUEUE_APPLIED) >= mask) return false;
  // The processor is done with commands in their order: if with the one before the second slot, then with all before it.
  const before = load<u32>(queue, QUEUE_WRITTEN) + 1 - load<u32>(queue, QUEUE_CAPACITY);
  return load<u32>(queue, QUEUE_CAPACITY) > 1 && load<f64>(pending + (before & mask) * PENDING_BYTES, PENDING_DONE) <= nowPs;
}

// @ts-ignore: decorator
@inline
function sendPages(queue: usize, atPs: f64, domain: i32, pasid: i32, page: u64, sizeLog2: i32, walkCaches: bool): void {
  const to = load<usize>(queue, QUEUE_WRITE);
  if (load<i32>(queue, QUEUE_VTD) != 0) vtdPages(to, domain, pasid, page, sizeLog2, walkCaches);
  else amdPages(to, domain, pasid, page, sizeLog2, walkCaches);
  store<f64>(queue, atPs, QUEUE_DOORBELL);
  fetch(queue);
}

/** Returns when the semaphore will be written. */
// @ts-ignore: decorator
@inline
function sendWait(queue: usize, atPs: f64): f64 {
  const data = load<u32>(queue, QUEUE_STORES) + 1;
  store<u32>(queue, data, QUEUE_STORES);
  add(queue + QUEUE_WAITS, 1);
  const to = load<usize>(queue, QUEUE_WRITE);
  const address = load<u64>(queue, QUEUE_SEMAPHORE_ADDRESS);
  if (load<i32>(queue, QUEUE_VTD) != 0) {
    const stores: u64 = address != 0 ? VTD_STATUS_WRITE : 0;
    store<u64>(to, VTD_WAIT | VTD_FENCE | stores | (<u64>data << 32));
    store<u64>(to, address, 8);
  } else {
    store<u64>(to, AMD_WAIT | address | (address != 0 ? AMD_STORE : 0));
    store<u64>(to, <u64>data, 8);
  }
  store<f64>(queue, atPs, QUEUE_DOORBELL);
  fetch(queue);
  return load<f64>(queue, QUEUE_IDLE);
}

// ---- The processor -----------------------------------------------------------------------------------------------------------------

/** Reads the command that the tail has just passed, and books its time. */
// @ts-ignore: decorator
@inline
function fetch(queue: usize): void {
  const seq = load<u32>(queue, QUEUE_FETCHED);
  const from = load<usize>(queue, QUEUE_FETCH);
  const record = load<usize>(queue, QUEUE_PENDING) + (seq & load<u32>(queue, QUEUE_PENDING_MASK)) * PENDING_BYTES;
  // By halves, as they were written: a load of both at once would have to wait until the stores are done.
  const first = load<u64>(from);
  const second = load<u64>(from, 8);
  store<u64>(record, first, PENDING_WORDS);
  store<u64>(record, second, PENDING_WORDS + 8);
  const kind = kindOf(queue, first, second);
  const startPs = max<f64>(load<f64>(queue, QUEUE_DOORBELL), load<f64>(queue, QUEUE_IDLE));
  let donePs = startPs + load<f64>(queue, QUEUE_COMMAND_PS);
  if (kind == KIND_WAIT) {
    const drainedPs = load<f64>(load<usize>(queue, QUEUE_DRAINED));
    donePs = max<f64>(max<f64>(donePs, drainedPs), load<f64>(queue, QUEUE_DEVICE_TLBS)) + load<f64>(queue, QUEUE_WAIT_PS);
  } else if (kind == KIND_ILLEGAL) store<i32>(queue, 1, QUEUE_HALTED);
  add(queue + QUEUE_COMMANDS, 1);
  add(queue + QUEUE_BY_KIND + (<usize>kind << 3), 1);
  add(queue + QUEUE_BUSY_PS, donePs - startPs);
  store<f64>(queue, donePs, QUEUE_IDLE);
  store<f64>(record, donePs, PENDING_DONE);
  store<i32>(record, kind, PENDING_KIND);
  const next = from + 16 == load<usize>(queue, QUEUE_RING_END) ? load<usize>(queue, QUEUE_RING) : from + 16;
  store<usize>(queue, next, QUEUE_FETCH);
  store<usize>(queue, next, QUEUE_WRITE);
  store<u32>(queue, seq + 1, QUEUE_FETCHED);
  store<u32>(queue, seq + 1, QUEUE_WRITTEN);
}

/** What the words say, which are those of a wait or of an invalidation of pages unless reserved bits are set. */
// @ts-ignore: decorator
@inline
function kindOf(queue: usize, first: u64, second: u64): i32 {
  let kind = KIND_PAGES;
  let reserved = queue + QUEUE_RESERVED_PAGES;
  if (load<i32>(queue, QUEUE_VTD) != 0) {
    const type = first & 15;
    if (type == VTD_PASID_IOTLB) reserved = queue + QUEUE_RESERVED_PASID;
    if (type == VTD_WAIT) kind = KIND_WAIT;
  } else if (first >> 60 == 1) kind = KIND_WAIT;
  if (kind == KIND_WAIT) reserved = queue + QUEUE_RESERVED_WAIT;
  return ((first & load<u64>(reserved)) | (second & load<u64>(reserved, 8))) != 0 ? KIND_ILLEGAL : kind;
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

// @ts-ignore: decorator
@inline
function add(counter: usize, by: f64): void {
  store<f64>(counter, load<f64>(counter) + by);
}
