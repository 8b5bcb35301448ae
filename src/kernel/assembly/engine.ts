// The engine of one unit: devices, cores, timers and commands in the order of simulated time (sim/engine.ts says how).

import {
  ENGINE_BETWEEN, ENGINE_DEVICES, ENGINE_DEVICE_TIMES, ENGINE_NOW, ENGINE_OTHER_TIMES, ENGINE_PORTS, ENGINE_REQUESTS, PORT_ATS,
  PORT_BYTES, PORT_CTX, PORT_DEVICE, PORT_FLAGS, PORT_FLAG_ATS, PORT_FLAG_PLAIN, PORT_READ_AT, PORT_SOFTWARE_AT, PORT_STATE,
  PORT_STREAM_AT, PORT_TOLD, READ_OP, READ_PAGE, STREAM_HOLDS_WRITE, STREAM_IDLE,
} from '../layout';
import {
  ATS_PUMP, EVENT_RESPOND,
} from '../layout-ats';
import { markUnmapped } from './atc';
import { atsEvent, finishAts, pump, startInvalidation, usesOf } from './ats';
import { addEvent, firstEventPs, takeEvent } from './events';
import { finishPlain, runPlain, settlePlain, startPlain } from './plain-port';
import { finishPort, nextRead, readTranslated, resume, settle, writePage, writeTranslated } from './port';
import { translateAside } from './references';
import { firstActor, firstTime, setTime, timeOf } from './times';
import { translate } from './translate';

const OP_WRITE = 2;

/** Runs software, a timer or the command processor (`actor` of ENGINE_OTHER_TIMES), which schedule what comes after. */
// @ts-ignore: decorator
@external("env", "other")
declare function runOther(actor: i32, nowPs: f64): void;

// @ts-ignore: decorator
@inline
function portOf(engine: usize, device: i32): usize {
  return load<usize>(engine, ENGINE_PORTS) + <usize>device * PORT_BYTES;
}

// @ts-ignore: decorator
@inline
function ask(engine: usize, ctx: usize, page: f64, op: i32, atPs: f64): f64 {
  return load<i32>(engine, ENGINE_BETWEEN) != 0 ? translateAside(engine, ctx, page, op, atPs) : translate(ctx, page, op, atPs);
}

/** Handles the events before `untilPs`, at most until `budget` more requests are translated. */
export function engineRun(engine: usize, untilPs: f64, budget: f64): void {
  const devices = engine + ENGINE_DEVICE_TIMES;
  const others = engine + ENGINE_OTHER_TIMES;
  const wanted = load<f64>(engine, ENGINE_REQUESTS) + budget;
  while (load<f64>(engine, ENGINE_REQUESTS) < wanted) {
    const devicePs = firstTime(devices);
    const otherPs = firstTime(others);
    if (devicePs <= otherPs) {
      if (devicePs >= untilPs) break;
      const device = firstActor(devices);
      const port = portOf(engine, device);
      if (isPlain(port)) {
        runPlain(engine, device, min(otherPs, before(untilPs)), wanted);
      } else {
        store<f64>(engine, devicePs, ENGINE_NOW);
        step(engine, port, devicePs);
      }
    } else {
      if (otherPs >= untilPs) break;
      store<f64>(engine, otherPs, ENGINE_NOW);
      const actor = firstActor(others);
      setTime(others, actor, Infinity);
      runOther(actor, otherPs);
    }
  }
  for (let device = 0; device < load<i32>(engine, ENGINE_DEVICES); device++) {
    const port = portOf(engine, device);
    if (isPlain(port)) settlePlain(port);
  }
}

// @ts-ignore: decorator
@inline
function isPlain(port: usize): bool {
  return (load<i32>(port, PORT_FLAGS) & PORT_FLAG_PLAIN) != 0;
}

/** The last time that is less. */
// @ts-ignore: decorator
@inline
function before(ps: f64): f64 {
  return reinterpret<f64>(reinterpret<u64>(ps) - 1);
}

/** Time of the next event; Infinity when nothing will ever happen again. */
export function engineNext(engine: usize): f64 {
  return min(firstTime(engine + ENGINE_DEVICE_TIMES), firstTime(engine + ENGINE_OTHER_TIMES));
}

/** The device's next step at the translation stage. */
function step(engine: usize, port: usize, nowPs: f64): void {
  if ((load<i32>(port, PORT_FLAGS) & PORT_FLAG_ATS) != 0) {
    atsStep(engine, port, nowPs);
    return;
  }
  if (load<f64>(port, PORT_READ_AT) < load<f64>(port, PORT_STREAM_AT)) {
    const read = nextRead(port);
    readTranslated(engine, port, read, translateRead(engine, port, read, nowPs));
  } else if (load<i32>(port, PORT_STATE) == STREAM_HOLDS_WRITE) {
    store<f64>(engine, load<f64>(engine, ENGINE_REQUESTS) + 1, ENGINE_REQUESTS);
    writeTranslated(engine, port, ask(engine, load<usize>(port, PORT_CTX), writePage(port), OP_WRITE, nowPs));
  } else {
    resume(port);
  }
  advance(engine, port);
}

/** All that a device with an ATC has to do now. */
function atsStep(engine: usize, port: usize, nowPs: f64): void {
  const ats = load<usize>(port, PORT_ATS);
  if (firstEventPs(ats) <= nowPs) {
    const event = takeEvent(ats);
    atsEvent(engine, port, <i32>(event >> 32), <u32>event, nowPs);
  }
  advanceAts(engine, port, nowPs);
}

function advanceAts(engine: usize, port: usize, nowPs: f64): void {
  pump(engine, port, nowPs);
  tellSoftware(engine, port);
  scheduleAts(engine, port);
}

/** Waits for the port's next event. */
function scheduleAts(engine: usize, port: usize): void {
  const ats = load<usize>(port, PORT_ATS);
  setTime(engine + ENGINE_DEVICE_TIMES, load<i32>(port, PORT_DEVICE), min(firstEventPs(ats), load<f64>(ats, ATS_PUMP)));
}

/** The response of software to a page request group leaves the unit at `atPs`. */
export function atsRespond(engine: usize, device: i32, group: i32, code: i32, atPs: f64): void {
  const port = portOf(engine, device);
  addEvent(load<usize>(port, PORT_ATS), EVENT_RESPOND, (<u32>code << 16) | <u32>group, max(atPs, load<f64>(engine, ENGINE_NOW)));
  scheduleAts(engine, port);
}

/** The unit sends an invalidation of 2^pagesLog2 pages at `atPs`, and will take it for done at `answerPs`. */
export function atsInvalidate(engine: usize, device: i32, page: f64, pagesLog2: i32, atPs: f64, answerPs: f64): void {
  const port = portOf(engine, device);
  startInvalidation(port, page, pagesLog2, max(atPs, load<f64>(engine, ENGINE_NOW)), answerPs);
  scheduleAts(engine, port);
}

/** How many requests of these pages are between the device and memory after `atPs`, as far as is known now. */
export function atsUses(engine: usize, device: i32, page: f64, pagesLog2: i32, atPs: f64): i32 {
  return usesOf(portOf(engine, device), page, pagesLog2, atPs);
}

/** `pages` pages from `page` on were unmapped and are not yet invalidated: uses of the ATC's entries count as stale from `atPs` on. */
export function atsUnmapped(engine: usize, device: i32, page: f64, pages: f64, atPs: f64): void {
  markUnmapped(portOf(engine, device), page, pages, atPs);
}

// @ts-ignore: decorator
@inline
function translateRead(engine: usize, port: usize, read: usize, nowPs: f64): f64 {
  store<f64>(engine, load<f64>(engine, ENGINE_REQUESTS) + 1, ENGINE_REQUESTS);
  return ask(engine, load<usize>(port, PORT_CTX), load<f64>(read, READ_PAGE), load<i32>(read, READ_OP), nowPs);
}

/** Takes the device as far as it is decided, and waits for its next step. */
// @ts-ignore: decorator
@inline
function advance(engine: usize, port: usize): void {
  if (isPlain(port)) startPlain(port, load<f64>(engine, ENGINE_NOW));
  else settle(engine, port);
  const device = load<i32>(port, PORT_DEVICE);
  tellSoftware(engine, port);
  const streamPs = load<f64>(port, PORT_STREAM_AT);
  const readPs = load<f64>(port, PORT_READ_AT);
  setTime(engine + ENGINE_DEVICE_TIMES, device, streamPs < readPs ? streamPs : readPs);
}

// @ts-ignore: decorator
@inline
function tellSoftware(engine: usize, port: usize): void {
  if (load<i32>(port, PORT_TOLD) == 0) return;
  store<i32>(port, 0, PORT_TOLD);
  engineSchedule(engine, load<i32>(port, PORT_DEVICE), load<f64>(port, PORT_SOFTWARE_AT));
}

/** Makes `atPs` (now, if it has passed) the one time at which an actor that is not a device is due. */
export function engineSchedule(engine: usize, actor: i32, atPs: f64): void {
  const duePs = max(atPs, load<f64>(engine, ENGINE_NOW));
  const times = engine + ENGINE_OTHER_TIMES;
  if (timeOf(times, actor) != duePs) setTime(times, actor, duePs);
}

/** The device's software has run (or the engine starts): a stream that was idle asks the model again. */
export function engineWake(engine: usize, device: i32): void {
  const port = portOf(engine, device);
  if (load<i32>(port, PORT_STATE) == STREAM_IDLE) resume(port);
  if ((load<i32>(port, PORT_FLAGS) & PORT_FLAG_ATS) != 0) {
    advanceAts(engine, port, load<f64>(engine, ENGINE_NOW));
    return;
  }
  advance(engine, port);
}

/** Completes the reads that have been translated: the end of the run. */
export function engineFinish(engine: usize): void {
  for (let device = 0; device < load<i32>(engine, ENGINE_DEVICES); device++) {
    const port = portOf(engine, device);
    if ((load<i32>(port, PORT_FLAGS) & PORT_FLAG_ATS) != 0) finishAts(port);
    else if (isPlain(port)) finishPlain(port);
    else finishPort(port);
  }
}
