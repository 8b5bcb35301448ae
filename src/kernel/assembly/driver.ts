// The driver's short way: what it does for one page that it maps, or unmaps in strict mode, with the costs of each step. driver/domain.ts
// does the same for every case, step by step over the same records, and is asked when something is not as usual here.

import { PT_FREED_TABLES, PT_LEVELS } from '../layout';
import {
  ACCOUNT_COMMANDS, ACCOUNT_CPU, ACCOUNT_CPU_MAP, ACCOUNT_CPU_UNMAP, ACCOUNT_CPU_WAIT, ACCOUNT_MAPS, ACCOUNT_UNMAPS, ACCOUNT_WAITS,
  ACCOUNT_WINDOW, ACCOUNT_WINDOWS, ACCOUNT_WINDOW_MAX, CORE_FREE, CORE_SPENT, DOMAIN_ALLOC_PS, DOMAIN_DROPS_WALK_CACHES,
  DOMAIN_FLUSH_LOCK, DOMAIN_ID, DOMAIN_LEAVES, DOMAIN_MAP_PS, DOMAIN_PAGES, DOMAIN_PASID, DOMAIN_POLL_PS, DOMAIN_PROTS,
  DOMAIN_QUEUE, DOMAIN_QUEUE_LOCK, DOMAIN_SUBMIT_PS, DOMAIN_TABLE, DOMAIN_UNMAP_PS, DOMAIN_WAIT_HOLDS_LOCK,
} from '../layout-driver';
import { hasPlacesForTwo, sendPage, sendWait, takeSlot } from './commands';
import { ptMap, ptUnmap } from './map';
import { addTo, pageOf } from './state';

/** Answers: done; done, and the table has gained levels or lost tables; nothing is done, and the general way must see to it. */
const DONE: i32 = 0;
const DONE_TABLES_CHANGED: i32 = 1;
const NOT_HERE: i32 = -1;

/** Maps one page at an IOVA that came from the allocator's magazines. */
export function driverMap(domain: usize, core: usize, account: usize, iovaPage: f64, paPage: f64, prot: i32): i32 {
  if (<u32>prot >= <u32>DOMAIN_PROTS) return NOT_HERE;
  const bits = load<u64>(domain + (<usize>prot << 3), DOMAIN_LEAVES);
  if (bits == ~(<u64>0)) return NOT_HERE;
  const pt = load<usize>(domain, DOMAIN_TABLE);
  const levels = load<i32>(pt, PT_LEVELS);
  if (ptMap(pt, iovaPage, paPage, 1, <i32>bits, <i32>(bits >> 32)) != 0) return NOT_HERE;
  const allocPs = load<f64>(domain, DOMAIN_ALLOC_PS);
  const mapPs = load<f64>(domain, DOMAIN_MAP_PS);
  addBoth(core + CORE_FREE, allocPs, mapPs);
  addBoth(core + CORE_SPENT, allocPs, mapPs);
  addBoth(account + ACCOUNT_CPU, allocPs, mapPs);
  addBoth(account + ACCOUNT_CPU_MAP, allocPs, mapPs);
  addTo(account + ACCOUNT_MAPS, 1);
  addTo(domain + DOMAIN_PAGES, 1);
  return ((load<i32>(pt, PT_LEVELS) ^ levels) | load<i32>(pt, PT_FREED_TABLES)) == 0 ? DONE : DONE_TABLES_CHANGED;
}

/** Unmaps one page, sends its invalidation and a completion wait, and polls until that is done. Nobody else holds a lock that it takes. */
export function driverUnmap(domain: usize, core: usize, account: usize, iovaPage: f64): i32 {
  const queue = load<usize>(domain, DOMAIN_QUEUE);
  const lock = load<usize>(domain, DOMAIN_QUEUE_LOCK);
  const flushLock = load<usize>(domain, DOMAIN_FLUSH_LOCK);
  const clearedPs = load<f64>(core, CORE_FREE) + load<f64>(domain, DOMAIN_UNMAP_PS);
  if (load<f64>(lock) > clearedPs || !hasPlacesForTwo(queue)) return NOT_HERE;
  if (flushLock != 0 && load<f64>(flushLock) > clearedPs) return NOT_HERE;
  const pt = load<usize>(domain, DOMAIN_TABLE);
  addTo(domain + DOMAIN_PAGES, -ptUnmap(pt, iovaPage, 1));
  bookUnmap(domain, core, account);
  const walkCaches = (load<i32>(domain, DOMAIN_DROPS_WALK_CACHES) | load<i32>(pt, PT_FREED_TABLES)) != 0;
  const sentPs = takeSlot(queue, load<f64>(core, CORE_FREE));
  sendPage(queue, sentPs, load<i32>(domain, DOMAIN_ID), load<i32>(domain, DOMAIN_PASID), pageOf(iovaPage), walkCaches);
  waitUntil(core, account, sentPs);
  const freePs = load<f64>(core, CORE_FREE);
  const donePs = sendWait(queue, takeSlot(queue, freePs));
  const holdsLock = load<i32>(domain, DOMAIN_WAIT_HOLDS_LOCK) != 0;
  if (!holdsLock) store<f64>(lock, freePs);
  pollUntil(core, account, donePs, load<f64>(domain, DOMAIN_POLL_PS));
  const endPs = load<f64>(core, CORE_FREE);
  if (holdsLock) store<f64>(lock, endPs);
  if (flushLock != 0) store<f64>(flushLock, endPs);
  const windowPs = endPs - clearedPs;
  addTo(account + ACCOUNT_WINDOWS, 1);
  addTo(account + ACCOUNT_WINDOW, windowPs);
  if (windowPs > load<f64>(account, ACCOUNT_WINDOW_MAX)) store<f64>(account, windowPs, ACCOUNT_WINDOW_MAX);
  return DONE;
}

/** Counts and costs of clearing the entry and sending the command. */
// @ts-ignore: decorator
@inline
function bookUnmap(domain: usize, core: usize, account: usize): void {
  const unmapPs = load<f64>(domain, DOMAIN_UNMAP_PS);
  const submitPs = load<f64>(domain, DOMAIN_SUBMIT_PS);
  addBoth(core + CORE_FREE, unmapPs, submitPs);
  addBoth(core + CORE_SPENT, unmapPs, submitPs);
  addBoth(account + ACCOUNT_CPU, unmapPs, submitPs);
  addBoth(account + ACCOUNT_CPU_UNMAP, unmapPs, submitPs);
  addTo(account + ACCOUNT_UNMAPS, 1);
  addTo(account + ACCOUNT_COMMANDS, 1);
  addTo(account + ACCOUNT_WAITS, 1);
}

/** DriverCpu.waitUntil. */
// @ts-ignore: decorator
@inline
function waitUntil(core: usize, account: usize, atPs: f64): void {
  const freePs = load<f64>(core, CORE_FREE);
  if (atPs <= freePs) return;
  const ps = atPs - freePs;
  store<f64>(core, freePs + ps, CORE_FREE);
  addTo(core + CORE_SPENT, ps);
  addTo(account + ACCOUNT_CPU, ps);
  addTo(account + ACCOUNT_CPU_WAIT, ps);
}

/** DriverCpu.pollUntil. */
// @ts-ignore: decorator
@inline
function pollUntil(core: usize, account: usize, atPs: f64, pollPs: f64): void {
  const fromPs = load<f64>(core, CORE_FREE);
  const looks = pollPs > 0 ? Math.ceil((atPs - fromPs) / pollPs) : 0;
  waitUntil(core, account, looks > 0 ? fromPs + looks * pollPs : atPs);
}

/** One after the other, as the steps add them: sums of times that are no whole picoseconds depend on the order. */
// @ts-ignore: decorator
@inline
function addBoth(cell: usize, first: f64, second: f64): void {
  store<f64>(cell, load<f64>(cell) + first + second);
}
