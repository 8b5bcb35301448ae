// Ports of plain reads (PORT_FLAG_PLAIN), which most simulated requests come through: each device has a fixed number of reads of one length
// under way, and issues the next when one completes.
//
// Completions leave in the order in which translations end, and each gives its credit to the device's next read. A device looks at
// them only when none of its reads waits for translation (`turnAround`): by then all that can be complete is known, it is worked out
// in one go, and the events in between touch little memory. `settlePlain` does what is left of it before anyone looks at counts.

import {
  ENGINE_BETWEEN, ENGINE_DEVICE_TIMES, ENGINE_DRAINED, ENGINE_NOW, ENGINE_PORTS, ENGINE_REQUESTS, ENTRY_BYTES, ENTRY_LENGTH, ENTRY_PAGE,
  PLAIN_ARRIVAL, PLAIN_BYTES_LOG2, PLAIN_COMPLETED, PLAIN_DONE, PLAIN_ISSUED, PLAIN_PAGE, PLAIN_RING, PLAIN_SETTLED,
  PLAIN_STATE, PLAIN_TRANSLATED, PORT_ABORT_PS, PORT_BUFFER, PORT_BURSTS, PORT_BYTES, PORT_COMPLETION, PORT_COMPLETION_PS, PORT_CTX, PORT_DOWN_BUSY,
  PORT_DOWN_FREE, PORT_ENTRIES, PORT_ENTRY, PORT_FLAGS, PORT_FLAG_PLAIN, PORT_MASK, PORT_MEMORY_READ_PS, PORT_PATTERN_SLOTS, PORT_PERIOD, PORT_READS,
  PORT_READ_AT, PORT_READ_BYTES, PORT_REQUEST_PS, PORT_SIZED_BYTES, PORT_STATE, PORT_TRANSFERS, PORT_TRANSLATION, PORT_UP_BUSY,
  PORT_UP_FREE, CREDITS_COUNT, STREAM_BLOCKED, TIMES_BASE, TIMES_LIMIT,
} from '../layout';
import { recordPs } from './histogram';
import { drawPages, later, refill, sizeRead } from './port';
import { translateAside } from './references';
import { addTo, pageOf } from './state';
import { actorOf, leastOther, place } from './times';
import { notHit, shortWay } from './translate';

const READ: i32 = 1;

// @ts-ignore: decorator
@inline
function recordAt(port: usize, number: u32): usize {
  return recordIn(load<usize>(port, PLAIN_RING), load<u32>(port, PORT_MASK), number);
}

// @ts-ignore: decorator
@inline
function recordIn(ring: usize, mask: u32, number: u32): usize {
  return ring + ((number & mask) << PLAIN_BYTES_LOG2);
}

/**
 * Handles events of plain ports from that of device `first` on, until `wanted` requests are translated, or the next event is one of
 * another port or later than `lastPs`. The next device is found before the event of this one is handled, so that its memory comes meanwhile.
 */
export function runPlain(engine: usize, first: i32, lastPs: f64, wanted: f64): void {
  const times = engine + ENGINE_DEVICE_TIMES;
  const ports = load<usize>(engine, ENGINE_PORTS);
  const aside = load<i32>(engine, ENGINE_BETWEEN) != 0;
  // Keys are little more than times since the base.
  const end = min(floor(lastPs) - load<f64>(times, TIMES_BASE) + 1, load<f64>(times, TIMES_LIMIT));
  let requests = load<f64>(engine, ENGINE_REQUESTS);
  let drainedPs = load<f64>(engine, ENGINE_DRAINED);
  let device = first;
  let port = ports + <usize>device * PORT_BYTES;
  let read = recordAt(port, load<u32>(port, PLAIN_TRANSLATED));
  let page = load<f64>(read, PLAIN_PAGE);
  while (true) {
    const second = leastOther(times, device);
    const next = actorOf(times, second);
    const nextPort = ports + <usize>next * PORT_BYTES;
    const nextRead = recordAt(nextPort, load<u32>(nextPort, PLAIN_TRANSLATED));
    const nextPage = load<f64>(nextRead, PLAIN_PAGE);

    const nowPs = load<f64>(read, PLAIN_ARRIVAL);
    store<f64>(engine, nowPs, ENGINE_NOW);
    const answer = aside
      ? translateAside(engine, load<usize>(port, PORT_CTX), page, READ, nowPs)
      : translatePlain(load<usize>(port, PORT_CTX), pageOf(page), nowPs);
    let endPs = answer;
    let aborted = 0;
    if (answer < 0) {
      endPs = -1 - answer;
      aborted = 1;
      addTo(port + PORT_READ_BYTES, -<f64>load<i32>(port, PORT_SIZED_BYTES)); // which `settlePlain` counts for every read
    }
    requests += 1;
    drainedPs = later(endPs + load<f64>(port, PORT_MEMORY_READ_PS), drainedPs);
    const key = place(times, device, translated(port, read, nowPs, endPs, aborted));
    if (key < second) {
      read = recordAt(port, load<u32>(port, PLAIN_TRANSLATED));
      page = load<f64>(read, PLAIN_PAGE);
      if (key >= end) break;
    } else {
      device = next;
      port = nextPort;
      read = nextRead;
      page = nextPage;
      if (second >= end || (load<i32>(port, PORT_FLAGS) & PORT_FLAG_PLAIN) == 0) break;
    }
    if (requests >= wanted) break;
  }
  store<f64>(engine, requests, ENGINE_REQUESTS);
  store<f64>(engine, drainedPs, ENGINE_DRAINED);
}

// @ts-ignore: decorator
@inline
function translatePlain(ctx: usize, page: u64, atPs: f64): f64 {
  const done = shortWay(false, ctx, page, READ, atPs);
  return done >= 0 ? done : notHit(ctx, page, READ, atPs, done);
}

/** The translation of the first waiting read has ended. Returns when that of the next may begin. */
// @ts-ignore: decorator
@inline
function translated(port: usize, read: usize, nowPs: f64, endPs: f64, aborted: i32): f64 {
  const ring = load<usize>(port, PLAIN_RING);
  const mask = load<u32>(port, PORT_MASK);
  const number = load<u32>(port, PLAIN_TRANSLATED);
  store<u32>(port, number + 1, PLAIN_TRANSLATED);
  store<f64>(read, endPs, PLAIN_DONE);
  store<i32>(read, (load<i32>(port, PORT_PERIOD) << 1) | aborted, PLAIN_STATE);
  recordPs(port + PORT_TRANSLATION, endPs - nowPs);
  if (number != load<u32>(port, PLAIN_COMPLETED)) {
    if (load<f64>(recordIn(ring, mask, number - 1), PLAIN_DONE) > endPs) overtake(port, number);
  }
  if (number + 1 == load<u32>(port, PLAIN_ISSUED)) return turnAround(port);
  return load<f64>(recordIn(ring, mask, number + 1), PLAIN_ARRIVAL);
}

/** Puts the last translated read in its place among those that it overtakes. */
function overtake(port: usize, last: u32): void {
  const own = recordAt(port, last);
  const low = v128.load(own);
  const high = v128.load(own, 16);
  const donePs = load<f64>(own, PLAIN_DONE);
  const first = load<u32>(port, PLAIN_COMPLETED);
  let number = last;
  let to = own;
  while (number != first) {
    const before = recordAt(port, number - 1);
    if (load<f64>(before, PLAIN_DONE) <= donePs) break;
    v128.store(to, v128.load(before));
    v128.store(to, v128.load(before, 16), 16);
    to = before;
    number--;
  }
  v128.store(to, low);
  v128.store(to, high, 16);
}

/**
 * Completes what no later read can overtake any more, and issues a read for each. Returns when the first read that waits may be
 * translated.
 */
function turnAround(port: usize): f64 {
  const ring = load<usize>(port, PLAIN_RING);
  const mask = load<u32>(port, PORT_MASK);
  const memoryReadPs = load<f64>(port, PORT_MEMORY_READ_PS);
  const requestPs = load<f64>(port, PORT_REQUEST_PS);
  const completionPs = load<f64>(port, PORT_COMPLETION_PS);
  const state = load<i32>(port, PORT_PERIOD) << 1;
  const end = load<u32>(port, PLAIN_TRANSLATED);
  let number = load<u32>(port, PLAIN_COMPLETED);
  let issued = load<u32>(port, PLAIN_ISSUED);
  let readAtPs = issued != end ? load<f64>(recordIn(ring, mask, end), PLAIN_ARRIVAL) : Infinity;
  let downPs = load<f64>(port, PORT_DOWN_FREE);
  let upPs = load<f64>(port, PORT_UP_FREE);
  while (number != end) {
    const read = recordIn(ring, mask, number);
    const endPs = load<f64>(read, PLAIN_DONE);
    if (endPs > readAtPs) break;
    const freePs = later(endPs + memoryReadPs, downPs);
    const issuePs = load<f64>(read, PLAIN_ARRIVAL) - requestPs;
    if (load<i32>(read, PLAIN_STATE) == state) {
      downPs = freePs + completionPs;
      recordPs(port + PORT_COMPLETION, downPs - issuePs);
    } else {
      downPs = freePs + unusual(port, read, freePs - issuePs, state);
    }
    number++;
    upPs = later(upPs, downPs) + requestPs;
    store<f64>(recordIn(ring, mask, issued), upPs, PLAIN_ARRIVAL);
    if (issued == end) readAtPs = upPs;
    issued++;
  }
  givePages(port, load<u32>(port, PLAIN_ISSUED), issued);
  store<f64>(port, downPs, PORT_DOWN_FREE);
  store<f64>(port, upPs, PORT_UP_FREE);
  store<u32>(port, number, PLAIN_COMPLETED);
  store<u32>(port, issued, PLAIN_ISSUED);
  return readAtPs;
}

/** Time on the wire of a read that was aborted, or translated in another period, which does not count. `tookPs`: until then. */
function unusual(port: usize, read: usize, tookPs: f64, current: i32): f64 {
  const state = load<i32>(read, PLAIN_STATE);
  const usualPs = load<f64>(port, PORT_COMPLETION_PS); // which `settlePlain` counts for every read
  const wirePs = (state & 1) != 0 ? load<f64>(port, PORT_ABORT_PS) : usualPs;
  const counts = state >> 1 == current >> 1;
  addTo(port + PORT_DOWN_BUSY, (counts ? wirePs : 0) - usualPs);
  if (counts) recordPs(port + PORT_COMPLETION, tookPs + wirePs);
  return wirePs;
}

/** The pages of reads `from` … `to` - 1. */
// @ts-ignore: decorator
@inline
function givePages(port: usize, from: u32, to: u32): void {
  if (load<u32>(port, PORT_PATTERN_SLOTS) == 0) takePages(port, from, to);
  else drawPages(port, load<usize>(port, PLAIN_RING) + PLAIN_PAGE, load<u32>(port, PORT_MASK), from, to);
}

/** Takes them from the buffer, as the model gave them. */
function takePages(port: usize, from: u32, to: u32): void {
  for (let number = from; number != to; number++) {
    if (load<i32>(port, PORT_ENTRIES) == 0) refill(port, load<f64>(port, PORT_UP_FREE));
    const entry = load<usize>(port, PORT_ENTRY);
    store<i32>(port, load<i32>(port, PORT_ENTRIES) - 1, PORT_ENTRIES);
    store<usize>(port, entry + ENTRY_BYTES, PORT_ENTRY);
    store<f64>(recordAt(port, number), load<f64>(entry, ENTRY_PAGE), PLAIN_PAGE);
  }
}

/** Issues the device's first reads, once. */
export function startPlain(port: usize, nowPs: f64): void {
  if (load<i32>(port, PORT_STATE) == STREAM_BLOCKED) return;
  store<i32>(port, STREAM_BLOCKED, PORT_STATE);
  if (load<u32>(port, PORT_PATTERN_SLOTS) == 0) refill(port, nowPs);
  sizeRead(port, load<i32>(load<usize>(port, PORT_BUFFER), ENTRY_LENGTH)); // that of all reads
  const reads = load<u32>(port + PORT_TRANSFERS, CREDITS_COUNT);
  let upPs = max(load<f64>(port, PORT_UP_FREE), nowPs);
  for (let number: u32 = 0; number < reads; number++) {
    upPs += load<f64>(port, PORT_REQUEST_PS);
    store<f64>(recordAt(port, number), upPs, PLAIN_ARRIVAL);
  }
  givePages(port, 0, reads);
  store<u32>(port, reads, PLAIN_ISSUED);
  store<f64>(port, upPs, PORT_UP_FREE);
  store<f64>(port, load<f64>(recordAt(port, 0), PLAIN_ARRIVAL), PORT_READ_AT);
}

/** Completes what can be, and counts what happened since the last time. */
export function settlePlain(port: usize): void {
  turnAround(port);
  const settled = port + PLAIN_SETTLED;
  const completed = since(port, settled, PLAIN_COMPLETED, 0);
  const reads = since(port, settled, PLAIN_TRANSLATED, 4);
  const issued = since(port, settled, PLAIN_ISSUED, 8);
  addTo(port + PORT_READS, reads);
  addTo(port + PORT_READ_BYTES, reads * <f64>load<i32>(port, PORT_SIZED_BYTES));
  addTo(port + PORT_BURSTS, completed);
  addTo(port + PORT_DOWN_BUSY, completed * load<f64>(port, PORT_COMPLETION_PS));
  addTo(port + PORT_UP_BUSY, issued * load<f64>(port, PORT_REQUEST_PS));
}

// @ts-ignore: decorator
@inline
function since(port: usize, settled: usize, number: usize, place: usize): f64 {
  const before = load<u32>(settled + place);
  const now = load<u32>(port + number);
  store<u32>(settled + place, now);
  return <f64>(now - before);
}

/** Completes the reads that have been translated: the end of the run. */
export function finishPlain(port: usize): void {
  settlePlain(port);
  const state = load<i32>(port, PORT_PERIOD);
  const end = load<u32>(port, PLAIN_TRANSLATED);
  for (let number = load<u32>(port, PLAIN_COMPLETED); number != end; number++) {
    const read = recordAt(port, number);
    const wirePs = (load<i32>(read, PLAIN_STATE) & 1) != 0 ? load<f64>(port, PORT_ABORT_PS) : load<f64>(port, PORT_COMPLETION_PS);
    const donePs = max(load<f64>(read, PLAIN_DONE) + load<f64>(port, PORT_MEMORY_READ_PS), load<f64>(port, PORT_DOWN_FREE)) + wirePs;
    store<f64>(port, donePs, PORT_DOWN_FREE);
    addTo(port + PORT_BURSTS, 1);
    if (load<i32>(read, PLAIN_STATE) >> 1 != state) continue;
    addTo(port + PORT_DOWN_BUSY, wirePs);
    recordPs(port + PORT_COMPLETION, donePs - load<f64>(read, PLAIN_ARRIVAL) + load<f64>(port, PORT_REQUEST_PS));
  }
  store<u32>(port, end, PLAIN_COMPLETED);
  store<u32>(port, end, PLAIN_SETTLED);
}
