// Events of one port, by time and, at one time, by the order in which they were added: a binary heap.

import {
  ATS_EVENTS, ATS_HEAP, ATS_SEQ, EVENT_BYTES, EVENT_KIND, EVENT_REF, EVENT_SEQ, EVENT_TIME,
} from '../layout-ats';

// @ts-ignore: decorator
@inline
function isEarlier(a: usize, b: usize): bool {
  const aPs = load<f64>(a, EVENT_TIME);
  const bPs = load<f64>(b, EVENT_TIME);
  return aPs < bPs || (aPs == bPs && load<u32>(a, EVENT_SEQ) < load<u32>(b, EVENT_SEQ));
}

// @ts-ignore: decorator
@inline
function move(to: usize, from: usize): void {
  memory.copy(to, from, EVENT_BYTES);
}

/** `ats`: the record that has the heap, with room for all that can be under way (sim/ats-port.ts). */
export function addEvent(ats: usize, kind: i32, ref: u32, atPs: f64): void {
  const heap = load<usize>(ats, ATS_HEAP);
  const count = load<u32>(ats, ATS_EVENTS);
  const seq = load<u32>(ats, ATS_SEQ);
  store<u32>(ats, seq + 1, ATS_SEQ);
  store<u32>(ats, count + 1, ATS_EVENTS);
  // The place behind the last is used to hold the new one while it looks for its own.
  const own = heap + (count + 1) * EVENT_BYTES;
  store<f64>(own, atPs, EVENT_TIME);
  store<u32>(own, seq, EVENT_SEQ);
  store<i32>(own, kind, EVENT_KIND);
  store<u32>(own, ref, EVENT_REF);
  let at = count;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!isEarlier(own, heap + parent * EVENT_BYTES)) break;
    move(heap + at * EVENT_BYTES, heap + parent * EVENT_BYTES);
    at = parent;
  }
  move(heap + at * EVENT_BYTES, own);
}

/** Time of the first event; Infinity. */
export function firstEventPs(ats: usize): f64 {
  return load<u32>(ats, ATS_EVENTS) == 0 ? Infinity : load<f64>(load<usize>(ats, ATS_HEAP), EVENT_TIME);
}

/** Takes the first event off; kind and ref. Only if there is one. */
export function takeEvent(ats: usize): u64 {
  const heap = load<usize>(ats, ATS_HEAP);
  const taken = (<u64>load<u32>(heap, EVENT_KIND) << 32) | load<u32>(heap, EVENT_REF);
  const count = load<u32>(ats, ATS_EVENTS) - 1;
  store<u32>(ats, count, ATS_EVENTS);
  const last = heap + count * EVENT_BYTES;
  let at: u32 = 0;
  while (true) {
    let child: u32 = 2 * at + 1;
    if (child >= count) break;
    if (child + 1 < count && isEarlier(heap + (child + 1) * EVENT_BYTES, heap + child * EVENT_BYTES)) child++;
    if (!isEarlier(heap + child * EVENT_BYTES, last)) break;
    move(heap + at * EVENT_BYTES, heap + child * EVENT_BYTES);
    at = child;
  }
  move(heap + at * EVENT_BYTES, last);
  return taken;
}
