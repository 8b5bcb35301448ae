// Next-page prefetch: a walk also brings in the translations of the pages after the one it was for, as far as what it has read says
// them: table entries come by the 64-byte line, eight at a time. It reads nothing more.

import {
  CACHE_RESIDENT, C_PREFETCHES, META_ALLOWED_SHIFT, META_PREFETCHED, SLOT_META, SLOT_READY, SLOT_VALUE, TRACE_PREFETCH,
  UNIT_CLASSES, UNIT_CLASS_LOG2, UNIT_FLAGS, UNIT_FLAG_NO_FRACTURE, UNIT_GUEST_RULE, UNIT_HISTORY, UNIT_HOST_RULE, UNIT_IOTLB,
  UNIT_PREFETCH,
} from '../layout';
import { find, insert, setOf, tagOf } from './cache';
import { guestLevels, mode, space } from './context';
import { missCause } from './history';
import { isSameLeaf, leafAfter } from './leaf';
import { count, record } from './read';
import { GUEST, HOST, classOf } from './stages';
import { outPage, outPermissions, outSizeLog2, result, trace, unit } from './state';

/** Entries of a 64-byte line, less one. */
const IN_LINE: u64 = 7;

/** The last host-stage translation of a nested walk: from a page of the guest's to one of the system's, and how far it holds. */
let hostFrom: u64 = 0;
let hostTo: u64 = 0;
let hostSize: i32 = 0;
let hostAllowed: i32 = 0;

/** The walk's last step, through the host stage, went from this page to the result that is there now. */
export function noteHost(from: u64): void {
  hostFrom = from;
  hostTo = outPage;
  hostSize = outSizeLog2;
  hostAllowed = outPermissions;
}

/** After the fill of `page`: fills what else the walk can say. Its own result stays. */
export function prefetchAfter(page: u64, readyPs: f64): void {
  const end = page + <u64>load<i32>(unit, UNIT_PREFETCH);
  const last = min(end, page | IN_LINE);
  const to = outPage;
  const size = outSizeLog2;
  const allowed = outPermissions;
  for (let next = page + 1; next <= last; next++) {
    if (translateNext(page, next)) enter(next, readyPs);
  }
  result(to, size, allowed);
}

/** Leaves the result for a page of the same eight; false: what was read does not say it. */
function translateNext(page: u64, next: u64): bool {
  if (guestLevels == 0) return leafAfter(HOST, load<usize>(unit, UNIT_HOST_RULE), page, next) == 0;
  const rule = load<usize>(unit + ((guestLevels - 4) << 2), UNIT_GUEST_RULE);
  if (leafAfter(GUEST, rule, page, next) != 0) return false;
  if (mode == 0) return true;
  const size = outSizeLog2;
  const allowed = outPermissions;
  if (!hostNext(outPage)) return false;
  const fractured = (load<i32>(unit, UNIT_FLAGS) & UNIT_FLAG_NO_FRACTURE) == 0 && outSizeLog2 < size;
  result(outPage, fractured ? outSizeLog2 : size, allowed & outPermissions);
  return true;
}

/** The host stage of another page of the guest's: within the same translation, or by an entry of the same line. */
function hostNext(page: u64): bool {
  if (isSameLeaf(hostFrom, page, hostSize)) {
    const inside = (<u64>1 << <u64>(hostSize - 12)) - 1;
    result((hostTo & ~inside) | (page & inside), hostSize, hostAllowed);
    return true;
  }
  return leafAfter(HOST, load<usize>(unit, UNIT_HOST_RULE), hostFrom, page) == 0;
}

/** Puts the result for a page into the shared IOTLB, unless it is there. Usable at once, but known as not used yet. */
function enter(page: u64, readyPs: f64): void {
  const i = classOf(outSizeLog2);
  const cache = load<usize>(unit + (i << 2), UNIT_IOTLB);
  if (cache == 0 || isHeld(page)) return;
  const key0 = keyOf(page, i);
  let meta = META_PREFETCHED | (<u64>outPermissions << META_ALLOWED_SHIFT);
  if (load<usize>(unit, UNIT_HISTORY) != 0) meta |= <u64>missCause(key0, space) << 4;
  const at = insert(cache, key0, space, tagOf(key0, space), setOf(cache, key0, space));
  const shift = <u64>(load<i32>(unit + (i << 2), UNIT_CLASS_LOG2) - 12);
  store<u64>(at, (outPage >> shift) << shift, SLOT_VALUE);
  store<u64>(at, meta, SLOT_META);
  store<f64>(at, readyPs, SLOT_READY);
  count(C_PREFETCHES);
  if (trace != 0) record(TRACE_PREFETCH, 0, i, page, outPage, 0);
}

// @ts-ignore: decorator
@inline
function keyOf(page: u64, leafClass: i32): u64 {
  return (page >> <u64>(load<i32>(unit + (leafClass << 2), UNIT_CLASS_LOG2) - 12)) | (<u64>leafClass << 60);
}

/** Whether the shared IOTLB has the page, in whatever leaf class. */
function isHeld(page: u64): bool {
  const classes = load<i32>(unit, UNIT_CLASSES);
  for (let i = 0; i < classes; i++) {
    const cache = load<usize>(unit + (i << 2), UNIT_IOTLB);
    if (cache == 0 || load<i32>(cache + (i << 2), CACHE_RESIDENT) == 0) continue;
    const key0 = keyOf(page, i);
    if (find(cache, key0, space, tagOf(key0, space), setOf(cache, key0, space)) >= 0) return true;
  }
  return false;
}
