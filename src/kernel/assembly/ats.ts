// A port whose device keeps translations of its own: ATS and PRI (PCI Express base specification, chapter 10). sim/ats-port.ts says
// what is simulated. Everything here happens at its time: the ATC changes when answers and invalidations come, not before.

import {
  BETWEEN_IMPORT, C_ATC_HITS, C_ATC_LATE, C_ATC_LOOKUPS, C_ATC_MERGED, C_ATS_ABORTED, C_ATS_DISCARDED, C_ATS_EMPTY, C_ATS_REFUSED,
  C_ATS_REQUESTS, C_ATS_TRANSLATIONS, C_PRETRANSLATED, C_PRI_FAILURE, C_PRI_FAULTS, C_PRI_GROUPS, C_PRI_INVALID, C_PRI_PS, C_PRI_REQUESTS,
  C_PRI_RETRIES, C_PRI_SUCCESS, ENGINE_BETWEEN, ENGINE_DRAINED, ENGINE_REQUESTS, ENTRY_COUNT_SHIFT, ENTRY_EARLIEST, ENTRY_KIND,
  ENTRY_LENGTH, ENTRY_OP_MASK, ENTRY_PAGE, ENTRY_TOKEN, PORT_ABORT_PS, PORT_BURSTS, PORT_COMPLETION, PORT_COMPLETION_HEADER,
  PORT_COMPLETION_PS, PORT_CTX, PORT_DEVICE, PORT_DOWN_BUSY, PORT_DOWN_FREE, PORT_EARLIEST, PORT_ENTRIES, PORT_ENTRY, PORT_FLAGS,
  PORT_FLAG_AHEAD, PORT_FLAG_LIMITED, PORT_FLAG_TAGGED, PORT_LEFT, PORT_MAX_PAYLOAD, PORT_MEMORY_READ_PS, PORT_MEMORY_WRITE_PS,
  PORT_PERIOD, PORT_READS, PORT_READ_BYTES, PORT_READ_REQUEST, PORT_REQUEST_PS, PORT_SIZED_BYTES, PORT_SLOT, PORT_STATE, PORT_TAGS,
  PORT_TRANSFERS, PORT_TRANSLATION, PORT_UP_BUSY, PORT_UP_FREE, PORT_WRITES, PORT_WRITE_BYTES, PORT_WRITE_HEADER, READ_ARRIVAL, READ_DONE,
  READ_ISSUE, READ_LENGTH, READ_OP, READ_PAGE, READ_SLOT, READ_STATE, STREAM_BLOCKED, STREAM_IDLE, STREAM_RUNS, CREDITS_COUNT,
} from '../layout';
import {
  ATS_FAULT_HEAD, ATS_FAULT_TAIL, ATS_FREE, ATS_GATHERS, ATS_GATHER_PS, ATS_GROUP, ATS_GROUP_PAGES, ATS_INVALIDATIONS,
  ATS_INVALIDATION_MASK, ATS_INVALIDATION_NEXT, ATS_LOOKUP_PS, ATS_MESSAGE_PS, ATS_MISSES, ATS_MISS_COUNT, ATS_PAGES, ATS_PUMP,
  ATS_READY_HEAD, ATS_READY_TAIL, ATS_READ_BYTES, ATS_RECORDS, ATS_RECORD_COUNT, ATS_ROOM, EVENT_ANSWER, EVENT_ASK, EVENT_GATHER,
  EVENT_GOT, EVENT_INVALIDATE, EVENT_PAGE, EVENT_READ, EVENT_REQUEST, EVENT_RESPOND, EVENT_RESPONSE, GROUP_LAST, GROUP_MASK,
  INVALIDATION_ANSWER_PS, INVALIDATION_BYTES, INVALIDATION_LOG2, INVALIDATION_PAGE, MISS_ACCESS, MISS_ANSWERS, MISS_BYTES, MISS_FAULT_PS,
  MISS_GROUP, MISS_HEAD, MISS_NEXT, MISS_PAGE, MISS_PAGES, MISS_RESULT, MISS_STALE, MISS_STATE, MISS_STATE_ASKED, MISS_STATE_FAULTED,
  MISS_STATE_FREE, MISS_STATE_REQUESTED, MISS_STATUS, MISS_TAIL, PHASE_FREE, PHASE_READS, PHASE_SENT, PHASE_WAITS, READ_NEXT, READ_PHASE,
  READ_VALID, RESPONSE_INVALID, RESPONSE_SUCCESS, RESULT_ALLOWED, RESULT_BYTES, RESULT_LOG2, RESULT_PAGE,
} from '../layout-ats';
import { dropPages, fill, probe, recordsOf, tally } from './atc';
import { addEvent, firstEventPs, takeEvent } from './events';
import { recordPs } from './histogram';
import {
  earliestCredit, finishRequest, giveCredit, nextEntry, openSlot, packets, refill, sizeRead, takeCredit, wireTime,
} from './port';
import { askAts } from './references';
import { addTo, outPermissions, outSizeLog2, result } from './state';
import { isUnrecoverable, preTranslated } from './translate';

const OP_WRITE = 2;
const OP_ATOMIC = 3;
const MESSAGE_PAYLOAD = 8;

/** A page request has come to the unit. `group`: its index, + GROUP_LAST in the last of a group. */
// @ts-ignore: decorator
@external("env", "pageRequest")
declare function tellPageRequest(device: i32, page: f64, access: i32, group: i32, atPs: f64): void;

/** See assembly/engine.ts. `op`: 0 asks for a translation, which is then one of 4 KiB that allows everything; OP_TRANSLATED is added. */
// @ts-ignore: decorator
@external("env", "translate")
declare function translateOutside(ctx: usize, page: f64, op: i32, atPs: f64): f64;
const OP_TRANSLATED = 8;

/** Takes the upstream link from `readyPs` on; returns when all has come through. */
function sendUp(port: usize, readyPs: f64, wirePs: f64): f64 {
  const endPs = max(readyPs, load<f64>(port, PORT_UP_FREE)) + wirePs;
  store<f64>(port, endPs, PORT_UP_FREE);
  addTo(port + PORT_UP_BUSY, wirePs);
  return endPs;
}

function sendDown(port: usize, readyPs: f64, wirePs: f64): f64 {
  const endPs = max(readyPs, load<f64>(port, PORT_DOWN_FREE)) + wirePs;
  store<f64>(port, endPs, PORT_DOWN_FREE);
  addTo(port + PORT_DOWN_BUSY, wirePs);
  return endPs;
}

function messagePs(port: usize, payload: i32): f64 {
  return wireTime(port, <f64>(load<i32>(port, PORT_WRITE_HEADER) + payload));
}

// ---- One event -----------------------------------------------------------------------------------------------------------------

/** Handles one event of the port, or lets the stream go on. */
export function atsEvent(engine: usize, port: usize, kind: i32, ref: u32, nowPs: f64): void {
  if (kind == EVENT_REQUEST) arrive(engine, port, ref, nowPs);
  else if (kind == EVENT_READ) complete(port, ref, nowPs);
  else if (kind == EVENT_ASK) lookUp(engine, port, ref, nowPs);
  else if (kind == EVENT_ANSWER) answer(port, ref, nowPs);
  else if (kind == EVENT_GOT) take(engine, port, ref, nowPs);
  else if (kind == EVENT_GATHER) gather(port, nowPs);
  else if (kind == EVENT_PAGE) requestPage(port, ref, nowPs);
  else if (kind == EVENT_RESPOND) {
    const endPs = sendDown(port, nowPs, messagePs(port, 0));
    addEvent(recordsOf(port), EVENT_RESPONSE, ref, endPs + load<f64>(recordsOf(port), ATS_MESSAGE_PS));
  } else if (kind == EVENT_RESPONSE) respond(engine, port, ref, nowPs);
  else invalidate(port, ref, nowPs);
}

// ---- The stream ----------------------------------------------------------------------------------------------------------------

/** Sends what can be sent now: first what has got its translation, then the stream. Leaves when it goes on by itself. */
export function pump(engine: usize, port: usize, nowPs: f64): void {
  const ats = recordsOf(port);
  const lookupPs = load<f64>(ats, ATS_LOOKUP_PS);
  let againPs: f64 = Infinity;
  while (true) {
    // Look-ups are pipelined: the next begins so that it ends when the link is free.
    const gatePs = load<f64>(port, PORT_UP_FREE) - lookupPs;
    if (gatePs > nowPs) {
      againPs = gatePs;
      break;
    }
    const ready = load<usize>(ats, ATS_READY_HEAD);
    if (ready != 0) {
      if (!sendReady(port, ready, nowPs)) break;
      continue;
    }
    againPs = nextOfStream(port, nowPs);
    if (againPs != 0) break;
    if (!enter(port, nowPs)) {
      againPs = Infinity; // until a record is free, which is an event
      break;
    }
  }
  store<f64>(ats, againPs, ATS_PUMP);
}

/** 0 if the stream's next request may enter now, else when to ask again; Infinity: after an event, or when software has run. */
function nextOfStream(port: usize, nowPs: f64): f64 {
  const flags = load<i32>(port, PORT_FLAGS);
  if (load<i32>(port, PORT_LEFT) == 0) {
    if ((flags & PORT_FLAG_LIMITED) != 0) {
      if (load<i32>(port + PORT_TRANSFERS, CREDITS_COUNT) == 0) return blocked(port);
      const creditPs = earliestCredit(port + PORT_TRANSFERS);
      if (creditPs > nowPs) return creditPs;
    }
    if (load<i32>(port, PORT_ENTRIES) == 0 && !refill(port, nowPs)) {
      store<i32>(port, STREAM_IDLE, PORT_STATE);
      return Infinity;
    }
    openBurst(port, flags, nowPs);
  }
  if (load<i32>(port, PORT_ENTRIES) == 0) refill(port, nowPs); // the rest of a long burst
  const earliestPs = load<f64>(port, PORT_EARLIEST);
  if (earliestPs > nowPs) return earliestPs;
  const reads = (load<i32>(load<usize>(port, PORT_ENTRY), ENTRY_KIND) & ENTRY_OP_MASK) != OP_WRITE;
  if (reads && (flags & PORT_FLAG_TAGGED) != 0) {
    if (load<i32>(port + PORT_TAGS, CREDITS_COUNT) == 0) return blocked(port);
    const tagPs = earliestCredit(port + PORT_TAGS);
    if (tagPs > nowPs) return tagPs;
  }
  return 0;
}

function blocked(port: usize): f64 {
  store<i32>(port, STREAM_BLOCKED, PORT_STATE);
  return Infinity;
}

function openBurst(port: usize, flags: i32, nowPs: f64): void {
  if ((flags & PORT_FLAG_LIMITED) != 0) takeCredit(port + PORT_TRANSFERS);
  const entry = load<usize>(port, PORT_ENTRY);
  const kind = load<i32>(entry, ENTRY_KIND);
  const count = kind >>> ENTRY_COUNT_SHIFT;
  store<i32>(port, STREAM_RUNS, PORT_STATE);
  store<f64>(port, max(load<f64>(entry, ENTRY_EARLIEST), nowPs), PORT_EARLIEST);
  store<i32>(port, count, PORT_LEFT);
  if ((flags & PORT_FLAG_AHEAD) != 0 && count == 1 && (kind & ENTRY_OP_MASK) != OP_WRITE) store<i32>(port, -1, PORT_SLOT);
  else openSlot(port, count, load<f64>(entry, ENTRY_TOKEN));
}

/** The stream's next request looks its translation up. False, and nothing has happened: there is no record for it. */
function enter(port: usize, nowPs: f64): bool {
  const ats = recordsOf(port);
  const request = load<usize>(ats, ATS_FREE);
  if (request == 0) return false;
  const entry = load<usize>(port, PORT_ENTRY);
  const page = load<f64>(entry, ENTRY_PAGE);
  const op = load<i32>(entry, ENTRY_KIND) & ENTRY_OP_MASK;
  const hit = probe(port, <u64>page, op, nowPs);
  let miss: usize = 0;
  if (!hit) {
    miss = missOf(ats, page);
    if (miss == 0) return false;
  }
  store<usize>(ats, load<usize>(request, READ_NEXT), ATS_FREE);
  if (op != OP_WRITE && (load<i32>(port, PORT_FLAGS) & PORT_FLAG_TAGGED) != 0) takeCredit(port + PORT_TAGS);
  store<f64>(request, nowPs, READ_ISSUE);
  store<f64>(request, page, READ_PAGE);
  store<i32>(request, load<i32>(entry, ENTRY_LENGTH), READ_LENGTH);
  store<i32>(request, op, READ_OP);
  store<i32>(request, load<i32>(port, PORT_SLOT), READ_SLOT);
  store<i32>(request, PHASE_WAITS, READ_PHASE);
  nextEntry(port, entry);
  tally(port, C_ATC_LOOKUPS, 1);
  if (hit) {
    tally(port, C_ATC_HITS, 1);
    send(port, request, nowPs);
  } else {
    if (load<i32>(miss, MISS_STATE) != MISS_STATE_FREE) tally(port, C_ATC_MERGED, 1);
    join(port, miss, request, nowPs);
  }
  return true;
}

/** The first of those whose translation has come. False: it has been invalidated since, and no record is free to ask again. */
function sendReady(port: usize, request: usize, nowPs: f64): bool {
  const ats = recordsOf(port);
  const page = load<f64>(request, READ_PAGE);
  let valid = load<i32>(request, READ_VALID) != 0;
  let miss: usize = 0;
  if (!valid) {
    valid = probe(port, <u64>page, load<i32>(request, READ_OP), nowPs);
    if (!valid) miss = missOf(ats, page);
    if (!valid && miss == 0) return false;
  }
  const next = load<usize>(request, READ_NEXT);
  store<usize>(ats, next, ATS_READY_HEAD);
  if (next == 0) store<usize>(ats, 0, ATS_READY_TAIL);
  if (valid) send(port, request, nowPs);
  else join(port, miss, request, nowPs);
  return true;
}

function appendReady(ats: usize, request: usize, valid: bool): void {
  store<i32>(request, <i32>valid, READ_VALID);
  store<usize>(request, 0, READ_NEXT);
  const tail = load<usize>(ats, ATS_READY_TAIL);
  if (tail == 0) store<usize>(ats, request, ATS_READY_HEAD);
  else store<usize>(tail, request, READ_NEXT);
  store<usize>(ats, request, ATS_READY_TAIL);
}

/** A pre-translated request goes up the link. */
function send(port: usize, request: usize, nowPs: f64): void {
  const ats = recordsOf(port);
  const readyPs = nowPs + load<f64>(ats, ATS_LOOKUP_PS);
  const endPs = sendUp(port, readyPs, requestPs(port, load<i32>(request, READ_OP), load<i32>(request, READ_LENGTH)));
  store<f64>(request, readyPs - load<f64>(request, READ_ISSUE), READ_DONE);
  store<f64>(request, endPs, READ_ARRIVAL);
  store<i32>(request, PHASE_SENT, READ_PHASE);
  addEvent(ats, EVENT_REQUEST, <u32>request, endPs);
}

function requestPs(port: usize, op: i32, bytes: i32): f64 {
  const header = load<i32>(port, PORT_WRITE_HEADER);
  if (op == OP_WRITE) return wireTime(port, <f64>(bytes + header * packets(bytes, load<i32>(port, PORT_MAX_PAYLOAD))));
  if (op == OP_ATOMIC) return wireTime(port, <f64>(header + bytes));
  if (bytes != load<i32>(port, PORT_SIZED_BYTES)) sizeRead(port, bytes);
  return load<f64>(port, PORT_REQUEST_PS);
}

// ---- Pre-translated requests ---------------------------------------------------------------------------------------------------

/** At the unit: only whether the device may send such requests is looked at. */
function arrive(engine: usize, port: usize, request: usize, nowPs: f64): void {
  const page = load<f64>(request, READ_PAGE);
  const op = load<i32>(request, READ_OP);
  const bytes = <f64>load<i32>(request, READ_LENGTH);
  store<f64>(engine, load<f64>(engine, ENGINE_REQUESTS) + 1, ENGINE_REQUESTS);
  tally(port, C_PRETRANSLATED, 1);
  const ctx = load<usize>(port, PORT_CTX);
  const donePs = load<i32>(engine, ENGINE_BETWEEN) == BETWEEN_IMPORT
    ? translateOutside(ctx, page, op | OP_TRANSLATED, nowPs)
    : preTranslated(ctx, page, op, nowPs);
  const aborted = donePs < 0;
  const endPs = aborted ? -1 - donePs : donePs;
  recordPs(port + PORT_TRANSLATION, load<f64>(request, READ_DONE) + endPs - nowPs);
  if (op == OP_WRITE) {
    addTo(port + PORT_WRITES, 1);
    if (!aborted) addTo(port + PORT_WRITE_BYTES, bytes);
    const atPs = aborted ? endPs : endPs + load<f64>(port, PORT_MEMORY_WRITE_PS);
    noteDrained(engine, atPs);
    recordPs(port + PORT_COMPLETION, atPs - load<f64>(request, READ_ISSUE));
    finish(port, request, atPs, <i32>aborted);
    return;
  }
  addTo(port + PORT_READS, 1);
  if (!aborted) addTo(port + PORT_READ_BYTES, bytes);
  const atPs = endPs + load<f64>(port, PORT_MEMORY_READ_PS);
  noteDrained(engine, atPs);
  store<f64>(request, atPs, READ_DONE);
  store<i32>(request, (load<i32>(port, PORT_PERIOD) << 1) | <i32>aborted, READ_STATE);
  store<i32>(request, PHASE_READS, READ_PHASE);
  addEvent(recordsOf(port), EVENT_READ, <u32>request, atPs);
}

function noteDrained(engine: usize, atPs: f64): void {
  if (atPs > load<f64>(engine, ENGINE_DRAINED)) store<f64>(engine, atPs, ENGINE_DRAINED);
}

/** The way back of a read. */
function complete(port: usize, request: usize, nowPs: f64): void {
  const bytes = load<i32>(request, READ_LENGTH);
  if (bytes != load<i32>(port, PORT_SIZED_BYTES)) sizeRead(port, bytes);
  const state = load<i32>(request, READ_STATE);
  const wirePs = (state & 1) != 0 ? load<f64>(port, PORT_ABORT_PS) : load<f64>(port, PORT_COMPLETION_PS);
  const donePs = sendDown(port, nowPs, wirePs);
  if (state >> 1 == load<i32>(port, PORT_PERIOD)) {
    recordPs(port + PORT_COMPLETION, donePs - load<f64>(request, READ_ISSUE));
  }
  finish(port, request, donePs, state & 1);
}

function finish(port: usize, request: usize, donePs: f64, aborted: i32): void {
  const ats = recordsOf(port);
  const flags = load<i32>(port, PORT_FLAGS);
  if (load<i32>(request, READ_OP) != OP_WRITE && (flags & PORT_FLAG_TAGGED) != 0) giveCredit(port + PORT_TAGS, donePs);
  store<i32>(request, PHASE_FREE, READ_PHASE);
  store<usize>(request, load<usize>(ats, ATS_FREE), READ_NEXT);
  store<usize>(ats, request, ATS_FREE);
  const slot = load<i32>(request, READ_SLOT);
  if (slot >= 0) {
    finishRequest(port, slot, donePs, aborted);
    return;
  }
  addTo(port + PORT_BURSTS, 1);
  if ((flags & PORT_FLAG_LIMITED) != 0) giveCredit(port + PORT_TRANSFERS, donePs);
}

/** Completes the reads that have been at the unit: the end of the run. */
export function finishAts(port: usize): void {
  const ats = recordsOf(port);
  for (let atPs = firstEventPs(ats); atPs != Infinity; atPs = firstEventPs(ats)) {
    const event = takeEvent(ats);
    if (<i32>(event >> 32) == EVENT_READ) complete(port, <u32>event, atPs);
  }
}

/** The device gives a request up: it has no translation. */
function abandon(engine: usize, port: usize, request: usize, nowPs: f64): void {
  const write = load<i32>(request, READ_OP) == OP_WRITE;
  store<f64>(engine, load<f64>(engine, ENGINE_REQUESTS) + 1, ENGINE_REQUESTS);
  tally(port, C_ATS_ABORTED, 1);
  addTo(port + (write ? PORT_WRITES : PORT_READS), 1);
  recordPs(port + PORT_TRANSLATION, nowPs - load<f64>(request, READ_ISSUE));
  recordPs(port + PORT_COMPLETION, nowPs - load<f64>(request, READ_ISSUE));
  finish(port, request, nowPs, 1);
}

// ---- Translation requests ------------------------------------------------------------------------------------------------------

/** The record that asks for this page already, or a free one; 0: there is none. */
function missOf(ats: usize, page: f64): usize {
  let free: usize = 0;
  let at = load<usize>(ats, ATS_MISSES);
  for (let i = load<i32>(ats, ATS_MISS_COUNT); i > 0; i--, at += MISS_BYTES) {
    if (load<i32>(at, MISS_STATE) == MISS_STATE_FREE) {
      if (free == 0) free = at;
    } else if (page >= load<f64>(at, MISS_PAGE) && page < load<f64>(at, MISS_PAGE) + <f64>load<i32>(at, MISS_PAGES)) return at;
  }
  return free;
}

/** The request waits for the translation, which is asked for if nobody has. */
function join(port: usize, miss: usize, request: usize, nowPs: f64): void {
  const isNew = load<i32>(miss, MISS_STATE) == MISS_STATE_FREE;
  if (isNew) {
    const ats = recordsOf(port);
    store<f64>(miss, load<f64>(request, READ_PAGE), MISS_PAGE);
    store<i32>(miss, load<i32>(ats, ATS_PAGES), MISS_PAGES);
    store<usize>(miss, 0, MISS_HEAD);
    ask(port, miss, nowPs + load<f64>(ats, ATS_LOOKUP_PS));
  }
  wait(miss, request);
}

function wait(miss: usize, request: usize): void {
  store<usize>(request, 0, READ_NEXT);
  if (load<usize>(miss, MISS_HEAD) == 0) store<usize>(miss, request, MISS_HEAD);
  else store<usize>(load<usize>(miss, MISS_TAIL), request, READ_NEXT);
  store<usize>(miss, request, MISS_TAIL);
}

function ask(port: usize, miss: usize, readyPs: f64): void {
  const ats = recordsOf(port);
  store<i32>(miss, MISS_STATE_ASKED, MISS_STATE);
  store<i32>(miss, 0, MISS_STALE);
  const endPs = sendUp(port, readyPs, wireTime(port, <f64>load<i32>(port, PORT_READ_REQUEST)));
  addEvent(ats, EVENT_ASK, <u32>miss, endPs + load<f64>(ats, ATS_MESSAGE_PS));
}

/** At the unit: each page is translated as a request's would be; the first that cannot be ends the answer. */
function lookUp(engine: usize, port: usize, miss: usize, nowPs: f64): void {
  const pages = load<i32>(miss, MISS_PAGES);
  const first = load<f64>(miss, MISS_PAGE);
  let endPs = nowPs;
  let answers = 0;
  store<i32>(miss, 0, MISS_STATUS);
  tally(port, C_ATS_REQUESTS, 1);
  for (let i = 0; i < pages; i++) {
    const page = first + <f64>i;
    if (answers > 0 && covers(lastResult(miss, answers), page)) continue;
    tally(port, C_ATS_TRANSLATIONS, 1);
    const donePs = translateFor(engine, load<usize>(port, PORT_CTX), page, nowPs, i > 0);
    endPs = max(endPs, donePs < 0 ? -1 - donePs : donePs);
    if (donePs < 0) {
      if (i == 0) store<i32>(miss, isUnrecoverable(), MISS_STATUS);
      break;
    }
    if (outPermissions == 0) break;
    const at = miss + MISS_RESULT + <usize>answers * RESULT_BYTES;
    store<f64>(at, page, RESULT_PAGE);
    store<i32>(at, max(12, outSizeLog2), RESULT_LOG2);
    store<i32>(at, outPermissions, RESULT_ALLOWED);
    answers++;
  }
  store<i32>(miss, answers, MISS_ANSWERS);
  if (load<i32>(miss, MISS_STATUS) != 0) tally(port, C_ATS_REFUSED, 1);
  else if (answers == 0) tally(port, C_ATS_EMPTY, 1);
  addEvent(recordsOf(port), EVENT_ANSWER, <u32>miss, endPs);
}

function translateFor(engine: usize, ctx: usize, page: f64, nowPs: f64, more: bool): f64 {
  if (load<i32>(engine, ENGINE_BETWEEN) != BETWEEN_IMPORT) return askAts(engine, ctx, page, nowPs, more);
  result(<u64>page, 12, 3);
  return translateOutside(ctx, page, 0, nowPs);
}

// @ts-ignore: decorator
@inline
function lastResult(miss: usize, answers: i32): usize {
  return miss + MISS_RESULT + <usize>(answers - 1) * RESULT_BYTES;
}

function covers(result: usize, page: f64): bool {
  const shift = <u64>(load<i32>(result, RESULT_LOG2) - 12);
  return <u64>page >> shift == <u64>load<f64>(result, RESULT_PAGE) >> shift;
}

/** Translation completion: eight bytes a translation, of which there is at least one unless it was refused. */
function answer(port: usize, miss: usize, nowPs: f64): void {
  const ats = recordsOf(port);
  const count = load<i32>(miss, MISS_STATUS) != 0 ? 0 : max(1, load<i32>(miss, MISS_ANSWERS));
  const bytes = load<i32>(port, PORT_COMPLETION_HEADER) + count * MESSAGE_PAYLOAD;
  const endPs = sendDown(port, nowPs, wireTime(port, <f64>bytes));
  addEvent(ats, EVENT_GOT, <u32>miss, endPs + load<f64>(ats, ATS_MESSAGE_PS));
}

/** What the answer lets a waiting request do. */
const GOES = 0; // it is covered, and allowed
const FAULTS = 1; // it is what was asked for first, and may not
const ASKS_AGAIN = 2; // the answer ended before it

function verdict(miss: usize, request: usize): i32 {
  const page = load<f64>(request, READ_PAGE);
  const access = load<i32>(request, READ_OP);
  const answers = load<i32>(miss, MISS_ANSWERS);
  for (let i = 1; i <= answers; i++) {
    const result = lastResult(miss, i);
    if (!covers(result, page)) continue;
    if ((load<i32>(result, RESULT_ALLOWED) & access) == access) return GOES;
    return FAULTS;
  }
  return page == load<f64>(miss, MISS_PAGE) ? FAULTS : ASKS_AGAIN;
}

/** The answer comes to the device. */
function take(engine: usize, port: usize, miss: usize, nowPs: f64): void {
  const ats = recordsOf(port);
  if (load<i32>(miss, MISS_STALE) != 0) {
    // It may be from before the invalidation.
    tally(port, C_ATS_DISCARDED, 1);
    ask(port, miss, nowPs);
    return;
  }
  if (load<i32>(miss, MISS_STATUS) != 0) {
    abandonAll(engine, port, miss, nowPs);
    return;
  }
  for (let i = 1; i <= load<i32>(miss, MISS_ANSWERS); i++) fill(ats, lastResult(miss, i));
  let request = load<usize>(miss, MISS_HEAD);
  let access = 0;
  let page: f64 = -1;
  store<usize>(miss, 0, MISS_HEAD);
  while (request != 0) {
    const next = load<usize>(request, READ_NEXT);
    const is = verdict(miss, request);
    if (is == FAULTS && (page < 0 || page == load<f64>(request, READ_PAGE))) {
      page = load<f64>(request, READ_PAGE);
      access |= load<i32>(request, READ_OP);
      wait(miss, request);
    } else appendReady(ats, request, is == GOES);
    request = next;
  }
  if (access == 0) store<i32>(miss, MISS_STATE_FREE, MISS_STATE);
  else pageFault(engine, port, miss, page, access, nowPs);
}

function abandonAll(engine: usize, port: usize, miss: usize, nowPs: f64): void {
  let request = load<usize>(miss, MISS_HEAD);
  store<usize>(miss, 0, MISS_HEAD);
  store<i32>(miss, MISS_STATE_FREE, MISS_STATE);
  while (request != 0) {
    const next = load<usize>(request, READ_NEXT);
    abandon(engine, port, request, nowPs);
    request = next;
  }
}

// ---- Page requests -------------------------------------------------------------------------------------------------------------

function pageFault(engine: usize, port: usize, miss: usize, page: f64, access: i32, nowPs: f64): void {
  const ats = recordsOf(port);
  tally(port, C_PRI_FAULTS, 1);
  if (load<i32>(ats, ATS_ROOM) < 0) {
    abandonAll(engine, port, miss, nowPs);
    return;
  }
  store<i32>(miss, MISS_STATE_FAULTED, MISS_STATE);
  store<f64>(miss, page, MISS_PAGE);
  store<i32>(miss, 1, MISS_PAGES);
  store<i32>(miss, access, MISS_ACCESS);
  store<f64>(miss, nowPs, MISS_FAULT_PS);
  store<usize>(miss, 0, MISS_NEXT);
  if (load<usize>(ats, ATS_FAULT_HEAD) == 0) store<usize>(ats, miss, ATS_FAULT_HEAD);
  else store<usize>(load<usize>(ats, ATS_FAULT_TAIL), miss, MISS_NEXT);
  store<usize>(ats, miss, ATS_FAULT_TAIL);
  gatherAt(ats, nowPs + load<f64>(ats, ATS_GATHER_PS));
}

function gatherAt(ats: usize, atPs: f64): void {
  if (load<i32>(ats, ATS_GATHERS) != 0 || load<i32>(ats, ATS_ROOM) == 0) return;
  store<i32>(ats, 1, ATS_GATHERS);
  addEvent(ats, EVENT_GATHER, 0, atPs);
}

/** Sends the page requests that wait, in groups, as many as may be outstanding. */
function gather(port: usize, nowPs: f64): void {
  const ats = recordsOf(port);
  store<i32>(ats, 0, ATS_GATHERS);
  while (load<usize>(ats, ATS_FAULT_HEAD) != 0 && load<i32>(ats, ATS_ROOM) > 0) {
    const group = load<u32>(ats, ATS_GROUP) & GROUP_MASK;
    store<u32>(ats, load<u32>(ats, ATS_GROUP) + 1, ATS_GROUP);
    tally(port, C_PRI_GROUPS, 1);
    for (let left = load<i32>(ats, ATS_GROUP_PAGES); left > 0; left--) {
      const miss = load<usize>(ats, ATS_FAULT_HEAD);
      const next = load<usize>(miss, MISS_NEXT);
      const room = load<i32>(ats, ATS_ROOM) - 1;
      store<usize>(ats, next, ATS_FAULT_HEAD);
      store<i32>(ats, room, ATS_ROOM);
      const isLast = left == 1 || next == 0 || room == 0;
      store<i32>(miss, <i32>group | (isLast ? GROUP_LAST : 0), MISS_GROUP);
      store<i32>(miss, MISS_STATE_REQUESTED, MISS_STATE);
      tally(port, C_PRI_REQUESTS, 1);
      const endPs = sendUp(port, nowPs, messagePs(port, 0));
      addEvent(ats, EVENT_PAGE, <u32>miss, endPs + load<f64>(ats, ATS_MESSAGE_PS));
      if (isLast) break;
    }
  }
}

function requestPage(port: usize, miss: usize, nowPs: f64): void {
  const page = load<f64>(miss, MISS_PAGE);
  tellPageRequest(load<i32>(port, PORT_DEVICE), page, load<i32>(miss, MISS_ACCESS), load<i32>(miss, MISS_GROUP), nowPs);
}

/** The response to a group comes to the device: with success it asks for the translations again. */
function respond(engine: usize, port: usize, ref: u32, nowPs: f64): void {
  const ats = recordsOf(port);
  const group = <i32>ref & GROUP_MASK;
  const code = <i32>(ref >> 16);
  const counter = code == RESPONSE_SUCCESS ? C_PRI_SUCCESS : code == RESPONSE_INVALID ? C_PRI_INVALID : C_PRI_FAILURE;
  tally(port, counter, 1);
  let miss = load<usize>(ats, ATS_MISSES);
  for (let i = load<i32>(ats, ATS_MISS_COUNT); i > 0; i--, miss += MISS_BYTES) {
    if (load<i32>(miss, MISS_STATE) != MISS_STATE_REQUESTED || (load<i32>(miss, MISS_GROUP) & GROUP_MASK) != group) continue;
    store<i32>(ats, load<i32>(ats, ATS_ROOM) + 1, ATS_ROOM);
    tally(port, C_PRI_PS, nowPs - load<f64>(miss, MISS_FAULT_PS));
    if (code == RESPONSE_SUCCESS) {
      tally(port, C_PRI_RETRIES, 1);
      ask(port, miss, nowPs);
    } else abandonAll(engine, port, miss, nowPs);
  }
  if (load<usize>(ats, ATS_FAULT_HEAD) != 0) gatherAt(ats, nowPs);
}

// ---- Invalidations -------------------------------------------------------------------------------------------------------------

/** The unit sends an invalidation; messages do not wait for completions on the link. sim/device-tlb.ts knows when it is done. */
export function startInvalidation(port: usize, page: f64, pagesLog2: i32, atPs: f64, answerPs: f64): void {
  const ats = recordsOf(port);
  const index = load<u32>(ats, ATS_INVALIDATION_NEXT) & load<u32>(ats, ATS_INVALIDATION_MASK);
  store<u32>(ats, load<u32>(ats, ATS_INVALIDATION_NEXT) + 1, ATS_INVALIDATION_NEXT);
  const at = load<usize>(ats, ATS_INVALIDATIONS) + index * INVALIDATION_BYTES;
  store<f64>(at, page, INVALIDATION_PAGE);
  store<f64>(at, answerPs, INVALIDATION_ANSWER_PS);
  store<i32>(at, pagesLog2, INVALIDATION_LOG2);
  const wirePs = messagePs(port, MESSAGE_PAYLOAD);
  store<f64>(port, load<f64>(port, PORT_DOWN_FREE) + wirePs, PORT_DOWN_FREE);
  addTo(port + PORT_DOWN_BUSY, wirePs);
  addEvent(ats, EVENT_INVALIDATE, <u32>at, atPs + wirePs + load<f64>(ats, ATS_MESSAGE_PS));
}

function meets(firstA: u64, lastA: u64, firstB: u64, lastB: u64): bool {
  return firstA <= lastB && firstB <= lastA;
}

// @ts-ignore: decorator
@inline
function firstOf(page: u64, pagesLog2: i32): u64 {
  return pagesLog2 >= 52 ? 0 : page >> <u64>pagesLog2 << <u64>pagesLog2;
}

// @ts-ignore: decorator
@inline
function lastOf(page: u64, pagesLog2: i32): u64 {
  return pagesLog2 >= 52 ? 0xfffffffffffff : firstOf(page, pagesLog2) + ((<u64>1 << <u64>pagesLog2) - 1);
}

/** From here on nothing of the range is used: entries go, answers on their way are asked for again, what is ready looks up again. */
function invalidate(port: usize, at: usize, nowPs: f64): void {
  const ats = recordsOf(port);
  const pagesLog2 = load<i32>(at, INVALIDATION_LOG2);
  const page = <u64>load<f64>(at, INVALIDATION_PAGE);
  const first = firstOf(page, pagesLog2);
  const last = lastOf(page, pagesLog2);
  dropPages(ats, first, pagesLog2);
  let miss = load<usize>(ats, ATS_MISSES);
  for (let i = load<i32>(ats, ATS_MISS_COUNT); i > 0; i--, miss += MISS_BYTES) {
    if (load<i32>(miss, MISS_STATE) != MISS_STATE_ASKED) continue;
    const from = <u64>load<f64>(miss, MISS_PAGE);
    if (meets(from, from + load<i32>(miss, MISS_PAGES) - 1, first, last)) store<i32>(miss, 1, MISS_STALE);
  }
  for (let request = load<usize>(ats, ATS_READY_HEAD); request != 0; request = load<usize>(request, READ_NEXT)) {
    const used = <u64>load<f64>(request, READ_PAGE);
    if (used >= first && used <= last) store<i32>(request, 0, READ_VALID);
  }
  const late = usesAfter(port, first, last, load<f64>(at, INVALIDATION_ANSWER_PS));
  if (late > 0) tally(port, C_ATC_LATE, <f64>late);
  sendUp(port, nowPs, messagePs(port, 0));
}

/** Requests of these pages that are between the device and memory, and are there after `atPs`. */
function usesAfter(port: usize, first: u64, last: u64, atPs: f64): i32 {
  const ats = recordsOf(port);
  let uses = 0;
  let request = load<usize>(ats, ATS_RECORDS);
  for (let i = load<i32>(ats, ATS_RECORD_COUNT); i > 0; i--, request += ATS_READ_BYTES) {
    const phase = load<i32>(request, READ_PHASE);
    if (phase < PHASE_SENT) continue;
    const page = <u64>load<f64>(request, READ_PAGE);
    if (page < first || page > last) continue;
    const write = load<i32>(request, READ_OP) == OP_WRITE;
    const memoryPs = write ? load<f64>(port, PORT_MEMORY_WRITE_PS) : load<f64>(port, PORT_MEMORY_READ_PS);
    const endPs = phase == PHASE_READS ? load<f64>(request, READ_DONE) : load<f64>(request, READ_ARRIVAL) + memoryPs;
    if (endPs > atPs) uses++;
  }
  return uses;
}

/** Whether requests of 2^pagesLog2 pages around `page` are between the device and memory after `atPs`. */
export function usesOf(port: usize, page: f64, pagesLog2: i32, atPs: f64): i32 {
  return usesAfter(port, firstOf(<u64>page, pagesLog2), lastOf(<u64>page, pagesLog2), atPs);
}
