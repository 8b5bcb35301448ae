// Misses that are alike: a requester's walks of which all is as remembered (remembered.ts) mostly take the same reads, one after the other, and
// only the last of a stage may be lost to the line cache. So what they count and cost is worked out where they begin to be alike, a miss
// counts one up, and `settleMisses` counts the rest: eleven counters in seven lines of memory less for each.

import {
  CTX_COUNTERS, CTX_GUEST_LEVELS, CTX_LAST_KEY, CTX_UNIT, C_ALIKE, C_ALIKE_COUNT, C_ALIKE_GUEST_PS, C_ALIKE_PS, C_ALIKE_READS, C_DEPTH, C_LINE_HITS,
  C_LINE_MISSES, C_LOOKUPS, C_READS, C_REMEMBERED, UNIT_LINE_PS, UNIT_MEMORY_PS,
} from '../layout';
import { MEMO_COUNTS, MEMO_LEVEL } from '../layout-memo';
import { addTo } from './state';

/** C_ALIKE: `ALIKE_ANY`, the last stage's top level << 1 | stage, and the level of its leaf; of a guest's stage before: */
const ALIKE_ANY: u32 = 1 << 31;
const ALIKE_LEVEL = 4;
const ALIKE_NESTED: u32 = 1 << 30;
const ALIKE_GUEST_LEVEL = 7; // of the guest's leaf
const ALIKE_GUEST_LEVELS = 10; // of the guest's table

/** The requester's misses are like this one from now on. Returns its counters. */
// @ts-ignore: decorator
@inline
export function alike(requester: usize, memo: usize): usize {
  const counters = requester + CTX_COUNTERS;
  const what = ALIKE_ANY | lastOf(requester, memo);
  if (load<u32>(counters, C_ALIKE << 3) != what) begin(requester, what, 0);
  return counters;
}

/** The same of one through two stages. */
// @ts-ignore: decorator
@inline
export function alikeNested(requester: usize, memo: usize, guest: usize): usize {
  const counters = requester + CTX_COUNTERS;
  const levels = load<u32>(requester, CTX_GUEST_LEVELS);
  const guests = (<u32>load<u8>(guest, MEMO_LEVEL) << ALIKE_GUEST_LEVEL) | (levels << ALIKE_GUEST_LEVELS);
  const what = ALIKE_ANY | ALIKE_NESTED | lastOf(requester, memo) | guests;
  const reads = load<u64>(guest, MEMO_COUNTS);
  const other = <u64>(load<u32>(counters, C_ALIKE << 3) ^ what) | (load<u64>(counters, C_ALIKE_READS << 3) ^ reads);
  if (other != 0) begin(requester, what, reads);
  return counters;
}

// @ts-ignore: decorator
@inline
function lastOf(requester: usize, memo: usize): u32 {
  return (load<u32>(requester, CTX_LAST_KEY) & 15) | (<u32>load<u8>(memo, MEMO_LEVEL) << ALIKE_LEVEL);
}

/** Misses of another kind begin. */
function begin(requester: usize, what: u32, reads: u64): void {
  settleMisses(requester);
  const counters = requester + CTX_COUNTERS;
  const home = load<usize>(requester, CTX_UNIT);
  store<u32>(counters, what, C_ALIKE << 3);
  store<u64>(counters, reads, C_ALIKE_READS << 3);
  price(home, counters + (C_ALIKE_PS << 3), lastReads(what));
  if ((what & ALIKE_NESTED) != 0) price(home, counters + (C_ALIKE_GUEST_PS << 3), guestReads(what, reads));
}

/** What a stage's reads cost, none or one of which the line cache did not hold. */
function price(home: usize, to: usize, reads: f64): void {
  const linePs = load<f64>(home, UNIT_LINE_PS);
  store<f64>(to, reads * linePs);
  store<f64>(to, (reads - 1) * linePs + load<f64>(home, UNIT_MEMORY_PS), 8);
}

function lastReads(what: u32): f64 {
  return <f64>(((what >> 1) & 7) - ((what >> ALIKE_LEVEL) & 7) + 1);
}

/** Reads of a guest's stage: of host tables, and of one entry of the guest's own at each level. */
function guestReads(what: u32, ofHost: u64): f64 {
  let reads = ((what >> ALIKE_GUEST_LEVELS) & 7) - ((what >> ALIKE_GUEST_LEVEL) & 7);
  for (let rest = ofHost; rest != 0; rest >>= 8) reads += <u32>rest & 255;
  return <f64>reads;
}

/** Counts what the requester's misses since the last time stand for. */
export function settleMisses(requester: usize): void {
  const counters = requester + CTX_COUNTERS;
  const what = load<u32>(counters, C_ALIKE << 3);
  const count = counters + (C_ALIKE_COUNT << 3);
  const once = load<f64>(count, 8);
  const twice = load<f64>(count, 16);
  const misses = load<f64>(count) + once + twice;
  if (misses == 0) return;
  memory.fill(count, 0, 24);
  const nested = (what & ALIKE_NESTED) != 0;
  const reads = lastReads(what) + (nested ? guestReads(what, load<u64>(counters, C_ALIKE_READS << 3)) : 0);
  const lost = once + 2 * twice;
  addTo(counters + (C_LOOKUPS << 3), misses);
  addTo(counters + (C_REMEMBERED << 3) + (nested || (what & 1) == 0 ? 8 : 0), misses);
  addTo(counters + (C_LINE_HITS << 3), misses * reads - lost);
  addTo(counters + (C_LINE_MISSES << 3), lost);
  addTo(counters + (C_DEPTH << 3) + (<usize>reads << 3), misses); // at most 41: five levels over six
  countReads(counters, what & 1, (what >> ALIKE_LEVEL) & 7, (what >> 1) & 7, misses);
  if (nested) settleGuest(counters, what, misses);
}

/** The reads of a guest's stage, the walks for its tables included. */
function settleGuest(counters: usize, what: u32, misses: f64): void {
  countReads(counters, 0, (what >> ALIKE_GUEST_LEVEL) & 7, ((what >> ALIKE_GUEST_LEVELS) & 7) - 1, misses);
  const reads = counters + (C_ALIKE_READS << 3);
  for (let level = 0; level < 8; level++) {
    addTo(counters + (<usize>(C_READS + 8 + level) << 3), misses * <f64>load<u8>(reads + level));
  }
}

/** One read of a stage at each of these levels. */
function countReads(counters: usize, stage: i32, lowest: u32, top: u32, misses: f64): void {
  for (let level = lowest; level <= top; level++) addTo(counters + (<usize>(C_READS + (stage << 3) + level) << 3), misses);
}
