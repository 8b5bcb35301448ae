// One device at its PCIe port, up to the translation stage and back from it (sim/port.ts says what is simulated). All of this is
// the device's own, so it is worked out as far ahead as it is decided, without events.

import {
  CREDITS_COUNT, CREDITS_HEAD, CREDITS_MASK, CREDITS_TIMES, ENGINE_DRAINED, ENGINE_NOW, ENTRY_BYTES, ENTRY_COUNT_SHIFT,
  ENTRY_EARLIEST, ENTRY_KIND, ENTRY_LENGTH, ENTRY_OP_MASK, ENTRY_PAGE, ENTRY_TOKEN, PLAIN_BYTES_LOG2, PORT_ABORT_PS, PORT_BUFFER, PORT_BUFFER_ENTRIES,
  PORT_BURSTS, PORT_COMPLETION, PORT_COMPLETION_HEADER, PORT_COMPLETION_PS, PORT_DEVICE, PORT_DOWN_BUSY,
  PORT_DOWN_FREE, PORT_EARLIEST, PORT_ENTRIES, PORT_ENTRY, PORT_FLAGS, PORT_FLAG_AHEAD, PORT_FLAG_LIMITED,
  PORT_FLAG_TAGGED, PORT_FREE_READS, PORT_FREE_READ_COUNT, PORT_FREE_SLOTS, PORT_FREE_SLOT_COUNT, PORT_LAST_READ,
  PORT_LAST_WRITE, PORT_LEFT, PORT_MASK, PORT_MAX_PAYLOAD, PORT_MAX_READ_REQUEST, PORT_MEMORY_READ_PS,
  PORT_MEMORY_WRITE_PS, PORT_PATTERN_PAGE, PORT_PATTERN_RANDOM, PORT_PATTERN_SHIFT, PORT_PATTERN_SLOTS, PORT_PENDING, PORT_PENDING_COUNT, PORT_PENDING_HEAD, PORT_PERIOD, PORT_PS_PER_BYTE, PORT_QUEUE,
  PORT_QUEUE_COUNT, PORT_QUEUE_HEAD, PORT_READS, PORT_READ_AT, PORT_READ_BYTES, PORT_READ_ENDS,
  PORT_READ_PLACE, PORT_READ_REQUEST, PORT_READ_WINDOW, PORT_REQUEST_PS, PORT_SIZED_BYTES, PORT_SLOT, PORT_SLOTS,
  PORT_SOFTWARE_AT, PORT_STATE, PORT_STREAM_AT, PORT_TAGS, PORT_TOLD, PORT_TRANSFERS, PORT_TRANSLATION, PORT_UP_BUSY,
  PORT_UP_FREE, PORT_WRITES, PORT_WRITE_ARRIVAL, PORT_WRITE_BYTES, PORT_WRITE_ENDS, PORT_WRITE_HEADER,
  PORT_WRITE_ISSUE, PORT_WRITE_PLACE, PORT_WRITE_WINDOW, READ_ARRIVAL, READ_DONE, READ_ISSUE, READ_LENGTH,
  READ_OP, READ_PAGE, READ_SLOT, READ_STATE, BURST_SLOT_BYTES, SLOT_DONE, SLOT_FAULTED, SLOT_LEFT, SLOT_TOKEN,
  STREAM_BLOCKED, STREAM_FETCHES, STREAM_HOLDS_WRITE, STREAM_IDLE, STREAM_RUNS,
} from '../layout';
import { recordPs } from './histogram';
import { addTo } from './state';

const OP_WRITE = 2;
const OP_ATOMIC = 3;

/** Fills the port's buffer with requests of the model's next burst (bursts, if it is asked ahead): how many; 0 = none now. */
// @ts-ignore: decorator
@external("env", "fetch")
declare function fetchEntries(device: i32, atPs: f64): i32;
/** The last request of a burst has been translated: it is complete at `donePs`. */
// @ts-ignore: decorator
@external("env", "done")
declare function tellDone(device: i32, token: f64, donePs: f64, faulted: i32): void;

/** The larger, without a branch: which link or memory comes later is anyone's guess. */
// @ts-ignore: decorator
@inline
export function later(a: f64, b: f64): f64 {
  return f64x2.extract_lane(f64x2.pmax(f64x2.splat(a), f64x2.splat(b)), 0);
}

// ---- Credits ---------------------------------------------------------------------------------------------------------------

/** When the next credit is there. Only while COUNT > 0. */
// @ts-ignore: decorator
@inline
export function earliestCredit(credits: usize): f64 {
  return load<f64>(load<usize>(credits, CREDITS_TIMES) + (load<u32>(credits, CREDITS_HEAD) << 3));
}

// @ts-ignore: decorator
@inline
export function takeCredit(credits: usize): void {
  store<u32>(credits, (load<u32>(credits, CREDITS_HEAD) + 1) & load<u32>(credits, CREDITS_MASK), CREDITS_HEAD);
  store<u32>(credits, load<u32>(credits, CREDITS_COUNT) - 1, CREDITS_COUNT);
}

/** A credit comes back at `atPs`. Times mostly come back in order, so that an insertion looks at one place. */
// @ts-ignore: decorator
@inline
export function giveCredit(credits: usize, atPs: f64): void {
  const times = load<usize>(credits, CREDITS_TIMES);
  const mask = load<u32>(credits, CREDITS_MASK);
  const head = load<u32>(credits, CREDITS_HEAD);
  const count = load<u32>(credits, CREDITS_COUNT);
  let place = head + count;
  store<u32>(credits, count + 1, CREDITS_COUNT);
  while (place > head) {
    const before = load<f64>(times + (((place - 1) & mask) << 3));
    if (before <= atPs) break;
    store<f64>(times + ((place & mask) << 3), before);
    place--;
  }
  store<f64>(times + ((place & mask) << 3), atPs);
}

// ---- Issue -------------------------------------------------------------------------------------------------------------------

/** Takes the device as far as it is decided now. */
export function settle(engine: usize, port: usize): void {
  if (load<i32>(port, PORT_STATE) <= STREAM_BLOCKED) issue(engine, port);
  while (load<i32>(port, PORT_PENDING_COUNT) > 0 && mayComplete(port)) {
    completeRead(port, takePending(port));
    if (load<i32>(port, PORT_STATE) <= STREAM_BLOCKED) issue(engine, port);
  }
}

// @ts-ignore: decorator
@inline
function takePending(port: usize): usize {
  const head = load<u32>(port, PORT_PENDING_HEAD);
  store<u32>(port, (head + 1) & load<u32>(port, PORT_MASK), PORT_PENDING_HEAD);
  store<u32>(port, load<u32>(port, PORT_PENDING_COUNT) - 1, PORT_PENDING_COUNT);
  return load<usize>(load<usize>(port, PORT_PENDING) + (head << 2));
}

// @ts-ignore: decorator
@inline
function firstPendingDone(port: usize): f64 {
  return load<f64>(load<usize>(load<usize>(port, PORT_PENDING) + (load<u32>(port, PORT_PENDING_HEAD) << 2)), READ_DONE);
}

/** Whether no later read can still be translated before the first pending one (an idle stream waits for software). */
// @ts-ignore: decorator
@inline
function mayComplete(port: usize): bool {
  const donePs = firstPendingDone(port);
  if (donePs > load<f64>(port, PORT_READ_AT) || donePs > load<f64>(port, PORT_STREAM_AT)) return false;
  return load<i32>(port, PORT_STATE) != STREAM_IDLE || donePs <= load<f64>(port, PORT_SOFTWARE_AT);
}

function issue(engine: usize, port: usize): void {
  let state = STREAM_RUNS;
  while (state == STREAM_RUNS) {
    state = load<i32>(port, PORT_LEFT) != 0 ? issueNext(port) : fetch(engine, port);
  }
  store<i32>(port, state, PORT_STATE);
}

/** Starts the next burst, when there is a credit for it. */
// @ts-ignore: decorator
@inline
function fetch(engine: usize, port: usize): i32 {
  const nowPs = load<f64>(engine, ENGINE_NOW);
  const flags = load<i32>(port, PORT_FLAGS);
  let atPs = max(load<f64>(port, PORT_UP_FREE), nowPs);
  if ((flags & PORT_FLAG_LIMITED) != 0) {
    if (load<i32>(port + PORT_TRANSFERS, CREDITS_COUNT) == 0) return STREAM_BLOCKED;
    const creditPs = earliestCredit(port + PORT_TRANSFERS);
    if (creditPs > atPs) {
      if (!isEarliest(port, creditPs)) return STREAM_BLOCKED;
      atPs = creditPs;
    }
  }
  if (atPs > nowPs && (flags & PORT_FLAG_AHEAD) == 0) {
    store<f64>(port, atPs, PORT_STREAM_AT);
    return STREAM_FETCHES;
  }
  if (load<i32>(port, PORT_ENTRIES) == 0 && !refill(port, atPs)) return STREAM_IDLE;
  if ((flags & PORT_FLAG_LIMITED) != 0) takeCredit(port + PORT_TRANSFERS);
  const entry = load<usize>(port, PORT_ENTRY);
  const kind = load<i32>(entry, ENTRY_KIND);
  const count = kind >>> ENTRY_COUNT_SHIFT;
  store<f64>(port, max(load<f64>(entry, ENTRY_EARLIEST), atPs), PORT_EARLIEST);
  store<i32>(port, count, PORT_LEFT);
  if ((flags & PORT_FLAG_AHEAD) != 0 && count == 1 && (kind & ENTRY_OP_MASK) != OP_WRITE) store<i32>(port, -1, PORT_SLOT);
  else openSlot(port, count, load<f64>(entry, ENTRY_TOKEN));
  return STREAM_RUNS;
}

export function refill(port: usize, atPs: f64): bool {
  if (load<u32>(port, PORT_PATTERN_SLOTS) != 0) {
    const buffer = load<usize>(port, PORT_BUFFER);
    drawPages(port, buffer + ENTRY_PAGE, PORT_BUFFER_ENTRIES - 1, 0, PORT_BUFFER_ENTRIES);
    store<usize>(port, buffer, PORT_ENTRY);
    store<i32>(port, PORT_BUFFER_ENTRIES, PORT_ENTRIES);
    return true;
  }
  const count = fetchEntries(load<i32>(port, PORT_DEVICE), atPs);
  store<i32>(port, 1, PORT_TOLD);
  store<usize>(port, load<usize>(port, PORT_BUFFER), PORT_ENTRY);
  store<i32>(port, count, PORT_ENTRIES);
  return count != 0;
}

/**
 * Draws the pages of transfers at random places of a window into records `from` … `to` - 1 of a ring (numbers modulo 2^32). Its records, as
 * request entries, are 2^PLAIN_BYTES_LOG2 bytes; `pages` is that of record 0.
 */
export function drawPages(port: usize, pages: usize, mask: u32, from: u32, to: u32): void {
  const slots = load<u32>(port, PORT_PATTERN_SLOTS);
  const shift = load<u32>(port, PORT_PATTERN_SHIFT);
  const first = load<f64>(port, PORT_PATTERN_PAGE);
  let s0 = load<u32>(port, PORT_PATTERN_RANDOM);
  let s1 = load<u32>(port, PORT_PATTERN_RANDOM + 4);
  let s2 = load<u32>(port, PORT_PATTERN_RANDOM + 8);
  let s3 = load<u32>(port, PORT_PATTERN_RANDOM + 12);
  let number = from;
  while (number != to) {
    // lib/prng.ts: xoshiro128**, and Lemire's multiplication.
    const draw = rotl<u32>(s1 * 5, 7) * 9;
    const shifted = s1 << 9;
    s2 ^= s0;
    s3 ^= s1;
    s1 ^= s2;
    s0 ^= s3;
    s2 ^= shifted;
    s3 = rotl<u32>(s3, 11);
    const product = <u64>draw * <u64>slots;
    if (<u32>product < slots) {
      if (<u32>product < <u32>((<u64>1 << 32) % <u64>slots)) continue;
    }
    store<f64>(pages + ((number & mask) << PLAIN_BYTES_LOG2), first + <f64>(<u32>(product >> 32) >> shift));
    number++;
  }
  store<u32>(port, s0, PORT_PATTERN_RANDOM);
  store<u32>(port, s1, PORT_PATTERN_RANDOM + 4);
  store<u32>(port, s2, PORT_PATTERN_RANDOM + 8);
  store<u32>(port, s3, PORT_PATTERN_RANDOM + 12);
}

/** Whether no transfer still under way can end before `creditPs`: writes complete out of order with reads. */
// @ts-ignore: decorator
@inline
function isEarliest(port: usize, creditPs: f64): bool {
  if (creditPs > load<f64>(port, PORT_READ_AT)) return false;
  return load<i32>(port, PORT_PENDING_COUNT) == 0 || creditPs <= firstPendingDone(port);
}

export function openSlot(port: usize, count: i32, token: f64): void {
  const free = load<u32>(port, PORT_FREE_SLOT_COUNT) - 1;
  store<u32>(port, free, PORT_FREE_SLOT_COUNT);
  const index = load<u32>(load<usize>(port, PORT_FREE_SLOTS) + (free << 2));
  store<u32>(port, index, PORT_SLOT);
  const slot = load<usize>(port, PORT_SLOTS) + index * BURST_SLOT_BYTES;
  store<i32>(slot, count, SLOT_LEFT);
  store<i32>(slot, 0, SLOT_FAULTED);
  store<f64>(slot, 0, SLOT_DONE);
  store<f64>(slot, token, SLOT_TOKEN);
}

// @ts-ignore: decorator
@inline
function issueNext(port: usize): i32 {
  if (load<i32>(port, PORT_ENTRIES) == 0) refill(port, load<f64>(port, PORT_UP_FREE)); // the rest of a long burst
  const entry = load<usize>(port, PORT_ENTRY);
  const op = load<i32>(entry, ENTRY_KIND) & ENTRY_OP_MASK;
  const bytes = load<i32>(entry, ENTRY_LENGTH);
  if (op == OP_WRITE) return issueWrite(port, bytes);
  let issuePs = max(load<f64>(port, PORT_UP_FREE), load<f64>(port, PORT_EARLIEST));
  if ((load<i32>(port, PORT_FLAGS) & PORT_FLAG_TAGGED) != 0) {
    if (load<i32>(port + PORT_TAGS, CREDITS_COUNT) == 0) return STREAM_BLOCKED;
    issuePs = max(issuePs, earliestCredit(port + PORT_TAGS));
    takeCredit(port + PORT_TAGS);
  }
  if (bytes != load<i32>(port, PORT_SIZED_BYTES)) sizeRead(port, bytes);
  const wirePs = op == OP_ATOMIC
    ? wireTime(port, <f64>(load<i32>(port, PORT_WRITE_HEADER) + bytes))
    : load<f64>(port, PORT_REQUEST_PS);
  const arrivalPs = issuePs + wirePs;
  addTo(port + PORT_UP_BUSY, wirePs);
  store<f64>(port, arrivalPs, PORT_UP_FREE);

  const free = load<u32>(port, PORT_FREE_READ_COUNT) - 1;
  store<u32>(port, free, PORT_FREE_READ_COUNT);
  const read = load<usize>(load<usize>(port, PORT_FREE_READS) + (free << 2));
  store<f64>(read, arrivalPs, READ_ARRIVAL);
  store<f64>(read, issuePs, READ_ISSUE);
  store<f64>(read, load<f64>(entry, ENTRY_PAGE), READ_PAGE);
  store<i32>(read, bytes, READ_LENGTH);
  store<i32>(read, op, READ_OP);
  store<i32>(read, load<i32>(port, PORT_SLOT), READ_SLOT);
  nextEntry(port, entry);

  const count = load<u32>(port, PORT_QUEUE_COUNT);
  const place = (load<u32>(port, PORT_QUEUE_HEAD) + count) & load<u32>(port, PORT_MASK);
  store<usize>(load<usize>(port, PORT_QUEUE) + (place << 2), read);
  store<u32>(port, count + 1, PORT_QUEUE_COUNT);
  if (count == 0) openRead(port);
  return STREAM_RUNS;
}

// @ts-ignore: decorator
@inline
export function nextEntry(port: usize, entry: usize): void {
  store<usize>(port, entry + ENTRY_BYTES, PORT_ENTRY);
  store<i32>(port, load<i32>(port, PORT_ENTRIES) - 1, PORT_ENTRIES);
  store<i32>(port, load<i32>(port, PORT_LEFT) - 1, PORT_LEFT);
}

/** The write stays the next entry until it is translated. */
function issueWrite(port: usize, bytes: i32): i32 {
  const issuePs = max(load<f64>(port, PORT_UP_FREE), load<f64>(port, PORT_EARLIEST));
  const headers = load<i32>(port, PORT_WRITE_HEADER) * packets(bytes, load<i32>(port, PORT_MAX_PAYLOAD));
  const wirePs = wireTime(port, <f64>(bytes + headers));
  const arrivalPs = issuePs + wirePs;
  addTo(port + PORT_UP_BUSY, wirePs);
  store<f64>(port, arrivalPs, PORT_UP_FREE);
  store<f64>(port, issuePs, PORT_WRITE_ISSUE);
  store<f64>(port, arrivalPs, PORT_WRITE_ARRIVAL);
  let startPs = arrivalPs;
  if (load<i32>(port, PORT_WRITE_WINDOW) != 0) {
    startPs = max(startPs, load<f64>(load<usize>(port, PORT_WRITE_ENDS) + (load<u32>(port, PORT_WRITE_PLACE) << 3)));
  }
  store<f64>(port, startPs, PORT_STREAM_AT);
  return STREAM_HOLDS_WRITE;
}

/** Time on the wire, a whole number of picoseconds. */
// @ts-ignore: decorator
@inline
export function wireTime(port: usize, bytes: f64): f64 {
  return floor(bytes * load<f64>(port, PORT_PS_PER_BYTE) + 0.5);
}

/** Packets that `bytes` need. */
// @ts-ignore: decorator
@inline
export function packets(bytes: i32, limitBytes: i32): i32 {
  return bytes <= limitBytes ? 1 : (bytes + limitBytes - 1) / limitBytes;
}

export function sizeRead(port: usize, bytes: i32): void {
  const requests = packets(bytes, load<i32>(port, PORT_MAX_READ_REQUEST));
  const completions = packets(bytes, load<i32>(port, PORT_MAX_PAYLOAD));
  store<i32>(port, bytes, PORT_SIZED_BYTES);
  store<f64>(port, wireTime(port, <f64>(load<i32>(port, PORT_READ_REQUEST) * requests)), PORT_REQUEST_PS);
  const completionBytes = bytes + load<i32>(port, PORT_COMPLETION_HEADER) * completions;
  store<f64>(port, wireTime(port, <f64>completionBytes), PORT_COMPLETION_PS);
}

// ---- Translation -------------------------------------------------------------------------------------------------------------

/** Takes the read whose turn it is out of the queue. */
// @ts-ignore: decorator
@inline
export function nextRead(port: usize): usize {
  const head = load<u32>(port, PORT_QUEUE_HEAD);
  store<u32>(port, (head + 1) & load<u32>(port, PORT_MASK), PORT_QUEUE_HEAD);
  store<u32>(port, load<u32>(port, PORT_QUEUE_COUNT) - 1, PORT_QUEUE_COUNT);
  return load<usize>(load<usize>(port, PORT_QUEUE) + (head << 2));
}

/** `translatedPs` is what `translate` said of the read: the end of its translation, or -1 - that time if it was aborted. */
// @ts-ignore: decorator
@inline
export function readTranslated(engine: usize, port: usize, read: usize, translatedPs: f64): void {
  const aborted = translatedPs < 0;
  let donePs = aborted ? -1 - translatedPs : translatedPs;
  const window = load<u32>(port, PORT_READ_WINDOW);
  if (window != 0) {
    // In order: it ends no earlier than its predecessor, and its end lets a later one into the window.
    donePs = max(donePs, load<f64>(port, PORT_LAST_READ));
    store<f64>(port, donePs, PORT_LAST_READ);
    const place = load<u32>(port, PORT_READ_PLACE);
    store<f64>(load<usize>(port, PORT_READ_ENDS) + (place << 3), donePs);
    store<u32>(port, place + 1 == window ? 0 : place + 1, PORT_READ_PLACE);
  }
  store<f64>(read, donePs, READ_DONE);
  store<i32>(read, (load<i32>(port, PORT_PERIOD) << 1) | <i32>aborted, READ_STATE);
  addTo(port + PORT_READS, 1);
  if (!aborted) addTo(port + PORT_READ_BYTES, <f64>load<i32>(read, READ_LENGTH));
  recordPs(port + PORT_TRANSLATION, donePs - load<f64>(read, READ_ARRIVAL));
  const memoryPs = donePs + load<f64>(port, PORT_MEMORY_READ_PS);
  store<f64>(engine, max(load<f64>(engine, ENGINE_DRAINED), memoryPs), ENGINE_DRAINED);
  openRead(port);
  if (window != 0) completeRead(port, read);
  else addPending(port, read, donePs);
}

/** Works out when the first queued read may be translated. */
// @ts-ignore: decorator
@inline
function openRead(port: usize): void {
  let atPs: f64 = Infinity;
  if (load<i32>(port, PORT_QUEUE_COUNT) != 0) {
    const first = load<usize>(load<usize>(port, PORT_QUEUE) + (load<u32>(port, PORT_QUEUE_HEAD) << 2));
    atPs = load<f64>(first, READ_ARRIVAL);
    if (load<i32>(port, PORT_READ_WINDOW) != 0) {
      atPs = max(atPs, load<f64>(load<usize>(port, PORT_READ_ENDS) + (load<u32>(port, PORT_READ_PLACE) << 3)));
    }
  }
  store<f64>(port, atPs, PORT_READ_AT);
}

/** Puts a translated read among those that later ones may overtake, by the end of its translation. */
// @ts-ignore: decorator
@inline
function addPending(port: usize, read: usize, donePs: f64): void {
  const pending = load<usize>(port, PORT_PENDING);
  const mask = load<u32>(port, PORT_MASK);
  const head = load<u32>(port, PORT_PENDING_HEAD);
  const count = load<u32>(port, PORT_PENDING_COUNT);
  store<u32>(port, count + 1, PORT_PENDING_COUNT);
  let place = head + count;
  while (place > head) {
    const before = load<usize>(pending + (((place - 1) & mask) << 2));
    if (load<f64>(before, READ_DONE) <= donePs) break;
    store<usize>(pending + ((place & mask) << 2), before);
    place--;
  }
  store<usize>(pending + ((place & mask) << 2), read);
}

/** Memory and the way back. Called in the order in which completions take the downstream link. */
function completeRead(port: usize, read: usize): void {
  const bytes = load<i32>(read, READ_LENGTH);
  if (bytes != load<i32>(port, PORT_SIZED_BYTES)) sizeRead(port, bytes);
  const state = load<i32>(read, READ_STATE);
  const wirePs = (state & 1) != 0 ? load<f64>(port, PORT_ABORT_PS) : load<f64>(port, PORT_COMPLETION_PS);
  const readyPs = load<f64>(read, READ_DONE) + load<f64>(port, PORT_MEMORY_READ_PS);
  const donePs = max(readyPs, load<f64>(port, PORT_DOWN_FREE)) + wirePs;
  store<f64>(port, donePs, PORT_DOWN_FREE);
  if (state >> 1 == load<i32>(port, PORT_PERIOD)) {
    addTo(port + PORT_DOWN_BUSY, wirePs);
    recordPs(port + PORT_COMPLETION, donePs - load<f64>(read, READ_ISSUE));
  }
  const free = load<u32>(port, PORT_FREE_READ_COUNT);
  store<u32>(port, free + 1, PORT_FREE_READ_COUNT);
  store<usize>(load<usize>(port, PORT_FREE_READS) + (free << 2), read);
  const flags = load<i32>(port, PORT_FLAGS);
  if ((flags & PORT_FLAG_TAGGED) != 0) giveCredit(port + PORT_TAGS, donePs);
  const slot = load<i32>(read, READ_SLOT);
  if (slot >= 0) {
    finishRequest(port, slot, donePs, state & 1);
    return;
  }
  addTo(port + PORT_BURSTS, 1);
  if ((flags & PORT_FLAG_LIMITED) != 0) giveCredit(port + PORT_TRANSFERS, donePs);
}

/** Page of the write that the stream holds. */
// @ts-ignore: decorator
@inline
export function writePage(port: usize): f64 {
  return load<f64>(load<usize>(port, PORT_ENTRY), ENTRY_PAGE);
}

/** `translatedPs` is what `translate` said of the write that the stream held. */
export function writeTranslated(engine: usize, port: usize, translatedPs: f64): void {
  const aborted = translatedPs < 0;
  let donePs = aborted ? -1 - translatedPs : translatedPs;
  const window = load<u32>(port, PORT_WRITE_WINDOW);
  if (window != 0) {
    donePs = max(donePs, load<f64>(port, PORT_LAST_WRITE));
    store<f64>(port, donePs, PORT_LAST_WRITE);
    const place = load<u32>(port, PORT_WRITE_PLACE);
    store<f64>(load<usize>(port, PORT_WRITE_ENDS) + (place << 3), donePs);
    store<u32>(port, place + 1 == window ? 0 : place + 1, PORT_WRITE_PLACE);
    store<f64>(port, load<f64>(port, PORT_STREAM_AT), PORT_UP_FREE); // it left the link when the window let it in
  }
  const entry = load<usize>(port, PORT_ENTRY);
  addTo(port + PORT_WRITES, 1);
  if (!aborted) addTo(port + PORT_WRITE_BYTES, <f64>load<i32>(entry, ENTRY_LENGTH));
  nextEntry(port, entry);
  recordPs(port + PORT_TRANSLATION, donePs - load<f64>(port, PORT_WRITE_ARRIVAL));
  if (!aborted) donePs += load<f64>(port, PORT_MEMORY_WRITE_PS);
  store<f64>(engine, max(load<f64>(engine, ENGINE_DRAINED), donePs), ENGINE_DRAINED);
  recordPs(port + PORT_COMPLETION, donePs - load<f64>(port, PORT_WRITE_ISSUE));
  finishRequest(port, load<i32>(port, PORT_SLOT), donePs, <i32>aborted);
  resume(port);
}

/** The stream goes on after what it waited for. */
export function resume(port: usize): void {
  store<i32>(port, STREAM_RUNS, PORT_STATE);
  store<f64>(port, Infinity, PORT_STREAM_AT);
}

/** One request of a burst is complete; with the last one the model is told. */
export function finishRequest(port: usize, index: i32, endPs: f64, aborted: i32): void {
  const slot = load<usize>(port, PORT_SLOTS) + index * BURST_SLOT_BYTES;
  const donePs = max(load<f64>(slot, SLOT_DONE), endPs);
  const faulted = load<i32>(slot, SLOT_FAULTED) | aborted;
  const left = load<i32>(slot, SLOT_LEFT) - 1;
  store<f64>(slot, donePs, SLOT_DONE);
  store<i32>(slot, faulted, SLOT_FAULTED);
  store<i32>(slot, left, SLOT_LEFT);
  if (left > 0) return;
  const free = load<u32>(port, PORT_FREE_SLOT_COUNT);
  store<u32>(port, free + 1, PORT_FREE_SLOT_COUNT);
  store<i32>(load<usize>(port, PORT_FREE_SLOTS) + (free << 2), index);
  addTo(port + PORT_BURSTS, 1);
  const flags = load<i32>(port, PORT_FLAGS);
  if ((flags & PORT_FLAG_LIMITED) != 0) giveCredit(port + PORT_TRANSFERS, donePs);
  if ((flags & PORT_FLAG_AHEAD) != 0) return;
  tellDone(load<i32>(port, PORT_DEVICE), load<f64>(slot, SLOT_TOKEN), donePs, faulted);
  store<i32>(port, 1, PORT_TOLD);
}

/** Completes the reads that have been translated: the end of the run. */
export function finishPort(port: usize): void {
  while (load<i32>(port, PORT_PENDING_COUNT) > 0) completeRead(port, takePending(port));
}
