// The command queue's short way: what every strict unmap sends, one invalidation of pages and one completion wait, from the
// words in the ring to the effect on the caches. iommu/command-queue.ts does the same for every kind of command over the same
// records, and is asked when something is not as usual here.

import { INVALIDATE_NO_GUESTS, INVALIDATE_PDE } from '../layout';
import {
  PENDING_BYTES, PENDING_DONE, PENDING_KIND, PENDING_WORDS, QUEUE_APPLIED, QUEUE_BUSY_PS, QUEUE_BY_KIND, QUEUE_CAPACITY, QUEUE_COMMANDS, QUEUE_COMMAND_PS,
  QUEUE_DEVICE_TLBS, QUEUE_DOORBELL, QUEUE_DRAINED, QUEUE_FETCH, QUEUE_FETCHED, QUEUE_FULL_STALLS, QUEUE_HALTED,
  QUEUE_IDLE, QUEUE_PENDING, QUEUE_PENDING_MASK, QUEUE_PLAIN, QUEUE_RESERVED_PAGES, QUEUE_RESERVED_PASID,
  QUEUE_RESERVED_WAIT, QUEUE_RING, QUEUE_RING_END, QUEUE_SEMAPHORE, QUEUE_SEMAPHORE_ADDRESS, QUEUE_STALLED_PS,
  QUEUE_STORES, QUEUE_UNIT, QUEUE_VTD, QUEUE_WAITS, QUEUE_WAIT_PS, QUEUE_WAIT_WORDS, QUEUE_WRITE, QUEUE_WRITTEN,
} from '../layout-queue';
import { dropPages } from './invalidate';
import { ONE, addTo, increment, pageOf } from './state';
import { later } from './walkers';

/** Kinds of iommu/commands/command.ts. */
const KIND_ILLEGAL: i32 = 0;
const KIND_WAIT: i32 = 1;
const KIND_PAGES: i32 = 3;
/** The general way must do it. */
const NOT_HERE: f64 = -1;
/** What the commands of an unmap add to QUEUE_COMMANDS and QUEUE_WAITS. */
const TWO_AND_ONE = memory.data<f64>([2, 1], 16);
/** log2 bytes and pages of "all of it". */
const WHOLE_LOG2: i32 = 64;
const ALL_PAGES_LOG2: i32 = 52;

/** AMD 48882 section 2.4: opcode in bits 63:60 of the first half; S, PDE and GN in the second. */
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
const VTD_PASID_IOTLB: u64 = 6;
const VTD_BY_DOMAIN: u64 = 2 << 4;
const VTD_BY_PAGE: u64 = 3 << 4;
const VTD_STATUS_WRITE: u64 = 1 << 5;
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
export function queueProcess(queue: usize, nowPs: f64): i32 {
  let dropped = 0;
  let seq = load<u32>(queue, QUEUE_APPLIED);
  while (seq != load<u32>(queue, QUEUE_FETCHED)) {
    const record = recordOf(queue, seq);
    if (load<f64>(record, PENDING_DONE) > nowPs) break;
    const kind = load<i32>(record, PENDING_KIND);
    if (kind == KIND_PAGES) dropped += applyPages(queue, record);
    else if (kind == KIND_WAIT) applyWait(queue, record);
    else return -1 - dropped;
    store<u32>(queue, ++seq, QUEUE_APPLIED);
  }
  return dropped;
}

// ---- Software's side ---------------------------------------------------------------------------------------------------------------

/** Whether the short way can be gone at all, with places for what is read of so many more commands. */
// @ts-ignore: decorator
@inline
function hasPlaces(queue: usize, commands: u32): bool {
  if (load<usize>(queue, QUEUE_PENDING) == 0 || load<i32>(queue, QUEUE_HALTED) != 0) return false;
  return load<u32>(queue, QUEUE_FETCHED) - load<u32>(queue, QUEUE_APPLIED) <= load<u32>(queue, QUEUE_PENDING_MASK) + 1 - commands;
}

/**
 * Whether a command and the wait behind it can go the short way at `nowPs` without waiting for a slot of the ring, which has more than
 * two. Where the general way keeps what waits, the mask is 0.
 */
// @ts-ignore: decorator
@inline
export function takesTwo(queue: usize, nowPs: f64): bool {
  if (load<i32>(queue, QUEUE_HALTED) != 0) return false;
  const written = load<u32>(queue, QUEUE_WRITTEN);
  if (written - load<u32>(queue, QUEUE_APPLIED) + 1 > load<u32>(queue, QUEUE_PENDING_MASK)) return false;
  // The slot that the second needs: it was used later than the first's, or never (0).
  return load<f64>(recordOf(queue, written + 1 - load<u32>(queue, QUEUE_CAPACITY)), PENDING_DONE) <= nowPs;
}

// @ts-ignore: decorator
@inline
function recordOf(queue: usize, seq: u32): usize {
  return load<usize>(queue, QUEUE_PENDING) + (seq & load<u32>(queue, QUEUE_PENDING_MASK)) * PENDING_BYTES;
}

/** When there is a slot to write to, counted as a stall if that is later. */
// @ts-ignore: decorator
@inline
function takeSlot(queue: usize, nowPs: f64): f64 {
  const before = load<u32>(queue, QUEUE_WRITTEN) - load<u32>(queue, QUEUE_CAPACITY);
  const record = recordOf(queue, before);
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

/** Returns when the semaphore will be written. */
// @ts-ignore: decorator
@inline
function sendWait(queue: usize, atPs: f64): f64 {
  const data = load<u32>(queue, QUEUE_STORES) + 1;
  store<u32>(queue, data, QUEUE_STORES);
  increment(queue + QUEUE_WAITS);
  store<f64>(queue, atPs, QUEUE_DOORBELL);
  const isVtd = load<i32>(queue, QUEUE_VTD) != 0;
  const first = load<u64>(queue, QUEUE_WAIT_WORDS) | (isVtd ? <u64>data << 32 : 0);
  read(queue, first, load<u64>(queue, QUEUE_WAIT_WORDS + 8) | (isVtd ? 0 : <u64>data), QUEUE_RESERVED_WAIT);
  return load<f64>(queue, QUEUE_IDLE);
}

/**
 * Sends an invalidation of one 4 KiB page, in the queue's encoding, and a completion wait, as one by one but for what the second finds
 * as the first has left it. Only where `takesTwo`, and of legal fields. Returns when the semaphore will be written.
 */
// @ts-ignore: decorator
@inline
export function sendPageAndWait(queue: usize, atPs: f64, first: u64, second: u64): f64 {
  const data = load<u32>(queue, QUEUE_STORES) + 1;
  store<u32>(queue, data, QUEUE_STORES);
  let waitFirst = load<u64>(queue, QUEUE_WAIT_WORDS);
  let waitSecond = load<u64>(queue, QUEUE_WAIT_WORDS + 8);
  if (load<i32>(queue, QUEUE_VTD) != 0) waitFirst |= <u64>data << 32;
  else waitSecond |= <u64>data;
  store<f64>(queue, atPs, QUEUE_DOORBELL);
  const startPs = lane(f64x2.pmax(f64x2.splat(atPs), v128.load64_zero(queue, QUEUE_IDLE)));
  const commandPs = load<f64>(queue, QUEUE_COMMAND_PS);
  const pagesPs = startPs + commandPs;
  const donePs = afterWait(queue, pagesPs + commandPs);
  const seq = load<u32>(queue, QUEUE_FETCHED);
  const to = load<usize>(queue, QUEUE_WRITE);
  const pending = load<usize>(queue, QUEUE_PENDING);
  const mask = load<u32>(queue, QUEUE_PENDING_MASK);
  lay(to, pending + (seq & mask) * PENDING_BYTES, first, second, KIND_PAGES, pagesPs);
  const waitTo = after(queue, to);
  lay(waitTo, pending + ((seq + 1) & mask) * PENDING_BYTES, waitFirst, waitSecond, KIND_WAIT, donePs);
  v128.store(queue, f64x2.add(v128.load(queue, QUEUE_COMMANDS), v128.load(TWO_AND_ONE)), QUEUE_COMMANDS); // and QUEUE_WAITS
  const one = load<f64>(ONE);
  store<f64>(queue, load<f64>(queue, QUEUE_BY_KIND + 8 * KIND_PAGES) + one, QUEUE_BY_KIND + 8 * KIND_PAGES);
  store<f64>(queue, load<f64>(queue, QUEUE_BY_KIND + 8 * KIND_WAIT) + one, QUEUE_BY_KIND + 8 * KIND_WAIT);
  store<f64>(queue, load<f64>(queue, QUEUE_BUSY_PS) + (pagesPs - startPs) + (donePs - pagesPs), QUEUE_BUSY_PS);
  store<f64>(queue, donePs, QUEUE_IDLE);
  moveTo(queue, after(queue, waitTo), seq + 2);
  return donePs;
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
  const seq = load<u32>(queue, QUEUE_FETCHED);
  const startPs = later(load<f64>(queue, QUEUE_DOORBELL), load<f64>(queue, QUEUE_IDLE));
  let donePs = startPs + load<f64>(queue, QUEUE_COMMAND_PS);
  let kind = KIND_PAGES;
  if (((first & load<u64>(queue + <usize>reserved)) | (second & load<u64>(queue + <usize>reserved, 8))) != 0) {
    kind = KIND_ILLEGAL;
    store<i32>(queue, 1, QUEUE_HALTED);
  } else if (reserved == QUEUE_RESERVED_WAIT) {
    kind = KIND_WAIT;
    donePs = afterWait(queue, donePs);
  }
  lay(to, recordOf(queue, seq), first, second, kind, donePs);
  increment(queue + QUEUE_COMMANDS);
  increment(queue + QUEUE_BY_KIND + (<usize>kind << 3));
  addTo(queue + QUEUE_BUSY_PS, donePs - startPs);
  store<f64>(queue, donePs, QUEUE_IDLE);
  moveTo(queue, after(queue, to), seq + 1);
}

/** A command in the ring, and what the processor knows of it. */
// @ts-ignore: decorator
@inline
function lay(to: usize, record: usize, first: u64, second: u64, kind: i32, donePs: f64): void {
  store<u64>(to, first);
  store<u64>(to, second, 8);
  store<u64>(record, first, PENDING_WORDS);
  store<u64>(record, second, PENDING_WORDS + 8);
  store<f64>(record, donePs, PENDING_DONE);
  store<i32>(record, kind, PENDING_KIND);
}

/** When a wait that the processor comes to the end of at `atPs` has been answered: by requests in flight, by devices. */
// @ts-ignore: decorator
@inline
function afterWait(queue: usize, atPs: f64): f64 {
  const drainedPs = v128.load64_zero(load<usize>(queue, QUEUE_DRAINED));
  const devicesPs = v128.load64_zero(queue, QUEUE_DEVICE_TLBS);
  return lane(f64x2.pmax(f64x2.pmax(f64x2.splat(atPs), drainedPs), devicesPs)) + load<f64>(queue, QUEUE_WAIT_PS);
}

// @ts-ignore: decorator
@inline
function lane(both: v128): f64 {
  return f64x2.extract_lane(both, 0);
}

/** The slot behind one. */
// @ts-ignore: decorator
@inline
function after(queue: usize, slot: usize): usize {
  return slot + 16 == load<usize>(queue, QUEUE_RING_END) ? load<usize>(queue, QUEUE_RING) : slot + 16;
}

/** Head and tail registers, and how many commands they have passed. */
// @ts-ignore: decorator
@inline
function moveTo(queue: usize, slot: usize, seq: u32): void {
  store<usize>(queue, slot, QUEUE_FETCH);
  store<usize>(queue, slot, QUEUE_WRITE);
  store<u32>(queue, seq, QUEUE_FETCHED);
  store<u32>(queue, seq, QUEUE_WRITTEN);
}

// @ts-ignore: decorator
@inline
function applyPages(queue: usize, record: usize): i32 {
  const first = load<u64>(record, PENDING_WORDS);
  const second = load<u64>(record, PENDING_WORDS + 8);
  // One page without a PASID, what most commands name, is read at once.
  if (load<i32>(queue, QUEUE_VTD) == 0) {
    if ((second & (AMD_SIZE | AMD_GN)) == 0) return dropHostPage(queue, <u32>(first >> 32) & 0xffff, second >> 12, (second & AMD_PDE) != 0);
  } else if (((first & (15 | VTD_BY_PAGE)) ^ (VTD_IOTLB | VTD_BY_PAGE) | (second & 63)) == 0) {
    return dropHostPage(queue, <u32>(first >> 16) & 0xffff, second >> 12, (second & VTD_HINT) == 0);
  }
  return applyRange(queue, first, second);
}

// @ts-ignore: decorator
@inline
function dropHostPage(queue: usize, domain: u32, page: u64, pde: bool): i32 {
  const flags = (pde ? INVALIDATE_PDE : 0) | (isPlain(queue, domain) ? INVALIDATE_NO_GUESTS : 0);
  return dropPages(load<usize>(queue, QUEUE_UNIT), domain, -1, page, 0, flags);
}

// @ts-ignore: decorator
@inline
function isPlain(queue: usize, domain: u32): bool {
  return ((load<u32>(load<usize>(queue, QUEUE_PLAIN) + (domain >> 5 << 2)) >> (domain & 31)) & 1) != 0;
}

function applyRange(queue: usize, first: u64, second: u64): i32 {
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
  const flags = (pde ? INVALIDATE_PDE : 0) | (isPlain(queue, domain) ? INVALIDATE_NO_GUESTS : 0);
  return dropPages(load<usize>(queue, QUEUE_UNIT), domain, pasid, page >> <u64>pagesLog2 << <u64>pagesLog2, pagesLog2, flags);
}

/** Completion waits may only store to the semaphore: the rest of memory has no content here. */
// @ts-ignore: decorator
@inline
function applyWait(queue: usize, record: usize): void {
  const first = load<u64>(record, PENDING_WORDS);
  const second = load<u64>(record, PENDING_WORDS + 8);
  const address = load<u64>(queue, QUEUE_SEMAPHORE_ADDRESS);
  if (load<i32>(queue, QUEUE_VTD) != 0) {
    if ((first & VTD_STATUS_WRITE) == 0) return;
    if ((second & ~(<u64>3)) != address) return;
    store<u64>(load<usize>(queue, QUEUE_SEMAPHORE), first >> 32);
  } else {
    if ((first & AMD_STORE) == 0) return;
    if ((first & 0xffffffffffff8) != address) return;
    store<u64>(load<usize>(queue, QUEUE_SEMAPHORE), second & 0xffffffff);
  }
}
