// The driver's short way: what it does for one page that it maps, or unmaps in strict mode, with the costs of each step, from the
// core's stock of IOVAs to the completed invalidation. driver/domain.ts does the same for every case, step by step over the same
// records, and is asked when something is not as usual here.

import { PT_FREED_TABLES, PT_LEVELS } from '../layout';
import {
  ACCOUNT_CPU, ACCOUNT_CPU_MAP, ACCOUNT_CPU_UNMAP, ACCOUNT_CPU_WAIT, ACCOUNT_MAPS, ACCOUNT_UNMAPS, ACCOUNT_WAITS,
  ACCOUNT_WINDOW, ACCOUNT_WINDOW_MAX, CORE_FREE, CORE_SPENT, DOMAIN_ALLOC_PS, DOMAIN_DROPS_WALK_CACHES, DOMAIN_FLUSH_LOCK,
  DOMAIN_FREE_PS, DOMAIN_LAST_PAGE, DOMAIN_LEAVES, DOMAIN_MAP_PS, DOMAIN_PAGES, DOMAIN_PAGE_FIRST, DOMAIN_PAGE_SECOND, DOMAIN_POLL_PS,
  DOMAIN_PROTS, DOMAIN_QUEUE, DOMAIN_QUEUE_LOCK, DOMAIN_SUBMIT_PS, DOMAIN_TABLE, DOMAIN_TRIM_PS, DOMAIN_UNMAP_PS,
  DOMAIN_WAIT_HOLDS_LOCK, MAGAZINE_RANGES, MAGAZINE_SIZE, STOCK_CORE, STOCK_DOMAIN, STOCK_LOADED,
} from '../layout-driver';
import { sendPageAndWait, takesTwo } from './commands';
import { mapNear, ptMap } from './map';
import { ONE, addTo, pageOf } from './state';
import { later } from './walkers';
import { ptUnmap, unmapNear } from './unmap';

/** Answer of both: nothing is done, and the general way must see to it. */
const NOT_HERE: i32 = -1;
/** Of an unmap: done, with the IOVA given back; done, and the IOVA is still taken. */
const RELEASED: i32 = 0;
const KEPT: i32 = 1;

const ONES = memory.data<f64>([1, 1], 16);

/**
 * Maps one page at the newest IOVA of the core's stock. Returns its page; -2 - that page if the table has gained levels or lost tables
 * as well; or NOT_HERE.
 */
export function driverMap(stock: usize, account: usize, paPage: f64, prot: i32): f64 {
  const iovaPage = newest(stock, prot);
  if (iovaPage < 0) return NOT_HERE;
  const domain = load<usize>(stock, STOCK_DOMAIN);
  const pt = load<usize>(domain, DOMAIN_TABLE);
  const bits = load<u64>(domain + (<usize>prot << 3), DOMAIN_LEAVES);
  let answer = iovaPage;
  if (!mapNear(pt, iovaPage, paPage, bits)) {
    answer = mapFar(pt, iovaPage, paPage, bits);
    if (answer == NOT_HERE) return NOT_HERE;
  }
  const loaded = load<usize>(stock, STOCK_LOADED);
  store<u32>(loaded, load<u32>(loaded, MAGAZINE_SIZE) - 1, MAGAZINE_SIZE);
  bookMap(stock, account);
  return answer;
}

/** The IOVA that the next map takes; -1: the general way must find one. */
// @ts-ignore: decorator
@inline
function newest(stock: usize, prot: i32): f64 {
  if (<u32>prot >= <u32>DOMAIN_PROTS) return NOT_HERE;
  const loaded = load<usize>(stock, STOCK_LOADED);
  const size = load<u32>(loaded, MAGAZINE_SIZE);
  if (size == 0) return NOT_HERE;
  const domain = load<usize>(stock, STOCK_DOMAIN);
  if (load<u64>(domain + (<usize>prot << 3), DOMAIN_LEAVES) == ~(<u64>0)) return NOT_HERE;
  if (load<f64>(load<usize>(stock, STOCK_CORE), CORE_FREE) >= load<f64>(domain, DOMAIN_TRIM_PS)) return NOT_HERE;
  const page = load<f64>(loaded + (<usize>size << 3)); // the first lies 8 bytes in
  return page > load<f64>(domain, DOMAIN_LAST_PAGE) ? NOT_HERE : page;
}

/** One cost after the other, as the steps add them: sums of times that are no whole picoseconds depend on the order. */
// @ts-ignore: decorator
@inline
function bookMap(stock: usize, account: usize): void {
  const domain = load<usize>(stock, STOCK_DOMAIN);
  const core = load<usize>(stock, STOCK_CORE);
  const allocPs = load<f64>(domain, DOMAIN_ALLOC_PS);
  const mapPs = load<f64>(domain, DOMAIN_MAP_PS);
  const one = load<f64>(ONE);
  store<f64>(core, load<f64>(core, CORE_FREE) + allocPs + mapPs, CORE_FREE);
  store<f64>(core, load<f64>(core, CORE_SPENT) + allocPs + mapPs, CORE_SPENT);
  store<f64>(account, load<f64>(account, ACCOUNT_CPU) + allocPs + mapPs, ACCOUNT_CPU);
  store<f64>(account, load<f64>(account, ACCOUNT_CPU_MAP) + allocPs + mapPs, ACCOUNT_CPU_MAP);
  store<f64>(account, load<f64>(account, ACCOUNT_MAPS) + one, ACCOUNT_MAPS);
  store<f64>(domain, load<f64>(domain, DOMAIN_PAGES) + one, DOMAIN_PAGES);
}

function mapFar(pt: usize, iovaPage: f64, paPage: f64, bits: u64): f64 {
  const levels = load<i32>(pt, PT_LEVELS);
  if (ptMap(pt, iovaPage, paPage, 1, <i32>bits, <i32>(bits >> 32)) != 0) return NOT_HERE;
  return ((load<i32>(pt, PT_LEVELS) ^ levels) | load<i32>(pt, PT_FREED_TABLES)) == 0 ? iovaPage : -2 - iovaPage;
}

/**
 * Unmaps one page, sends its invalidation and a completion wait, polls until that is done, and puts the IOVA into the core's stock if
 * it is to be released and there is room. Nobody else holds a lock that it takes, and it waits for no slot of the ring.
 */
export function driverUnmap(stock: usize, account: usize, iovaPage: f64, releases: i32): i32 {
  if (!isClear(stock)) return NOT_HERE;
  const domain = load<usize>(stock, STOCK_DOMAIN);
  const pt = load<usize>(domain, DOMAIN_TABLE);
  if (unmapNear(pt, iovaPage)) store<f64>(domain, load<f64>(domain, DOMAIN_PAGES) - load<f64>(ONE), DOMAIN_PAGES);
  else unmapFar(stock, iovaPage);
  const unmapPs = load<f64>(domain, DOMAIN_UNMAP_PS);
  const submitPs = load<f64>(domain, DOMAIN_SUBMIT_PS);
  const core = load<usize>(stock, STOCK_CORE);
  const clearedPs = load<f64>(core, CORE_FREE) + unmapPs;
  const sentPs = clearedPs + submitPs;
  const flags = load<u64>(domain + invalidation(domain, pt), DOMAIN_PAGE_SECOND);
  const queue = load<usize>(domain, DOMAIN_QUEUE);
  const donePs = sendPageAndWait(queue, sentPs, load<u64>(domain, DOMAIN_PAGE_FIRST), flags | pageOf(iovaPage) << 12);
  const waitedPs = waited(sentPs, donePs, load<f64>(domain, DOMAIN_POLL_PS));
  const endPs = sentPs + waitedPs;
  dropLocks(domain, sentPs, endPs);
  let freePs: f64 = 0;
  let answer = KEPT;
  if (releases != 0 && release(stock, domain, iovaPage, endPs)) {
    freePs = load<f64>(domain, DOMAIN_FREE_PS);
    answer = RELEASED;
  }
  store<f64>(core, endPs + freePs, CORE_FREE);
  store<f64>(core, load<f64>(core, CORE_SPENT) + unmapPs + submitPs + waitedPs + freePs, CORE_SPENT);
  store<f64>(account, load<f64>(account, ACCOUNT_CPU) + unmapPs + submitPs + waitedPs + freePs, ACCOUNT_CPU);
  store<f64>(account, load<f64>(account, ACCOUNT_CPU_UNMAP) + unmapPs + submitPs + freePs, ACCOUNT_CPU_UNMAP);
  store<f64>(account, load<f64>(account, ACCOUNT_CPU_WAIT) + waitedPs, ACCOUNT_CPU_WAIT);
  countUnmap(account, endPs - clearedPs);
  return answer;
}

/** Whether what an unmap needs is free when it needs it. */
// @ts-ignore: decorator
@inline
function isClear(stock: usize): bool {
  const domain = load<usize>(stock, STOCK_DOMAIN);
  const clearedPs = load<f64>(load<usize>(stock, STOCK_CORE), CORE_FREE) + load<f64>(domain, DOMAIN_UNMAP_PS);
  if (load<f64>(load<usize>(domain, DOMAIN_QUEUE_LOCK)) > clearedPs) return false;
  const flushLock = load<usize>(domain, DOMAIN_FLUSH_LOCK);
  if (flushLock != 0) {
    if (load<f64>(flushLock) > clearedPs) return false;
  }
  return takesTwo(load<usize>(domain, DOMAIN_QUEUE), clearedPs + load<f64>(domain, DOMAIN_SUBMIT_PS));
}

function unmapFar(stock: usize, iovaPage: f64): void {
  const domain = load<usize>(stock, STOCK_DOMAIN);
  addTo(domain + DOMAIN_PAGES, -ptUnmap(load<usize>(domain, DOMAIN_TABLE), iovaPage, 1));
}

/** Which of DOMAIN_PAGE_SECOND an unmap sends, in bytes from the first. */
// @ts-ignore: decorator
@inline
function invalidation(domain: usize, pt: usize): usize {
  return <usize>((load<i32>(domain, DOMAIN_DROPS_WALK_CACHES) | load<i32>(pt, PT_FREED_TABLES)) != 0) << 3;
}

/** How long a core waits that looks every `pollPs`, at once for the first time, for what comes at `atPs` (DriverCpu.pollUntil). */
// @ts-ignore: decorator
@inline
function waited(fromPs: f64, atPs: f64, pollPs: f64): f64 {
  let seenPs = atPs;
  if (pollPs > 0) seenPs = fromPs + Math.ceil((atPs - fromPs) / pollPs) * pollPs;
  return later(seenPs - fromPs, 0);
}

// @ts-ignore: decorator
@inline
function dropLocks(domain: usize, sentPs: f64, endPs: f64): void {
  let unlockPs = endPs;
  if (load<i32>(domain, DOMAIN_WAIT_HOLDS_LOCK) == 0) unlockPs = sentPs;
  store<f64>(load<usize>(domain, DOMAIN_QUEUE_LOCK), unlockPs);
  const flushLock = load<usize>(domain, DOMAIN_FLUSH_LOCK);
  if (flushLock != 0) store<f64>(flushLock, endPs);
}

/** IovaAllocator.free, of a page that the core's magazine has room for. */
// @ts-ignore: decorator
@inline
function release(stock: usize, domain: usize, iovaPage: f64, atPs: f64): bool {
  if (atPs >= load<f64>(domain, DOMAIN_TRIM_PS)) return false;
  const loaded = load<usize>(stock, STOCK_LOADED);
  const size = load<u32>(loaded, MAGAZINE_SIZE);
  if (size == MAGAZINE_RANGES) return false;
  store<f64>(loaded + (<usize>size << 3), iovaPage, 8);
  store<u32>(loaded, size + 1, MAGAZINE_SIZE);
  return true;
}

/** One unmap with one command, one wait and one stale window: counts that lie side by side. */
// @ts-ignore: decorator
@inline
function countUnmap(account: usize, windowPs: f64): void {
  const ones = v128.load(ONES);
  v128.store(account, f64x2.add(v128.load(account, ACCOUNT_UNMAPS), ones), ACCOUNT_UNMAPS);
  v128.store(account, f64x2.add(v128.load(account, ACCOUNT_WAITS), ones), ACCOUNT_WAITS);
  store<f64>(account, load<f64>(account, ACCOUNT_WINDOW) + windowPs, ACCOUNT_WINDOW);
  if (windowPs > load<f64>(account, ACCOUNT_WINDOW_MAX)) store<f64>(account, windowPs, ACCOUNT_WINDOW_MAX);
}
