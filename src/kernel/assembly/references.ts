// What may stand between the engine and the unit: the host's own translate, or a log of the IOTLB's references.
//
// Miss-ratio curves need every reference. A call to JavaScript for each costs more than the request itself, so they are logged here,
// and the host takes a whole log at a time. A reference is told from what the request left behind: its counts, its leaf size.

import {
  BETWEEN_IMPORT, BETWEEN_LOG, CACHE_FILLS, CTX_CLASS, CTX_COUNTERS, CTX_INDEX, CTX_L1, CTX_UNIT, C_LOOKUPS, C_UNTRANSLATED, ENGINE_BETWEEN,
  ENGINE_REFERENCES, ENGINE_REFERENCE_COUNT, FAULT_READ, FAULT_WRITE, REFERENCE_ENTRIES, REFERENCE_HIGH_LOG2, REFERENCE_LOW,
  REFERENCE_UNFILLED, REFERENCE_UPPER, REFERENCE_WHAT, REFERENCE_WHO, UNIT_CLASS_LOG2,
} from '../layout';
import { settleMisses } from './alike';
import { outFault, outSizeLog2, pageOf } from './state';
import { translate, translateAts } from './translate';
import { classOf } from './stages';

/** Translates in place of the unit (tests, and users who watch). */
// @ts-ignore: decorator
@external("env", "translate")
declare function translateOutside(ctx: usize, page: f64, op: i32, atPs: f64): f64;
/** The log is full: the host takes it. */
// @ts-ignore: decorator
@external("env", "recorded")
declare function recorded(): void;

/** A request's translation where something stands between. */
export function translateAside(engine: usize, ctx: usize, page: f64, op: i32, atPs: f64): f64 {
  if (load<i32>(engine, ENGINE_BETWEEN) == BETWEEN_IMPORT) return translateOutside(ctx, page, op, atPs);
  const lookups = countOf(ctx, C_LOOKUPS);
  const untranslated = countOf(ctx, C_UNTRANSLATED);
  const fills = upperFills(ctx);
  const done = translate(ctx, page, op, atPs);
  settleMisses(ctx);
  if (countOf(ctx, C_LOOKUPS) != lookups) {
    // Permission is looked at when the entry is there; all other faults leave none.
    const filled = done >= 0 || outFault == FAULT_READ || outFault == FAULT_WRITE;
    log(engine, ctx, page, filled ? lookedUp(ctx, fills) : REFERENCE_UNFILLED);
  } else if (done >= 0 && countOf(ctx, C_UNTRANSLATED) == untranslated) {
    // The short way: a hit of the class that was hit last, counted elsewhere.
    log(engine, ctx, page, load<i32>(ctx, CTX_CLASS));
  }
  return done;
}

/** A translation request, which asks for no access and so is never denied one. */
export function askAts(engine: usize, ctx: usize, page: f64, atPs: f64, more: bool): f64 {
  if (load<i32>(engine, ENGINE_BETWEEN) != BETWEEN_LOG) return translateAts(ctx, page, atPs, more);
  const lookups = countOf(ctx, C_LOOKUPS);
  const fills = upperFills(ctx);
  const done = translateAts(ctx, page, atPs, more);
  if (countOf(ctx, C_LOOKUPS) != lookups) log(engine, ctx, page, done >= 0 ? lookedUp(ctx, fills) : REFERENCE_UNFILLED);
  return done;
}

// @ts-ignore: decorator
@inline
function countOf(ctx: usize, counter: i32): f64 {
  return load<f64>(ctx + CTX_COUNTERS + (<usize>counter << 3));
}

/** Fills of the requester's first level, if it has one. */
// @ts-ignore: decorator
@inline
function upperFills(ctx: usize): f64 {
  const l1 = load<usize>(ctx, CTX_L1);
  return l1 == 0 ? 0 : load<f64>(l1, CACHE_FILLS);
}

/** The leaf class of what the general way found or filled, and whether the first level had it: whatever it misses, it fills. */
function lookedUp(ctx: usize, fills: f64): i32 {
  const upper = load<usize>(ctx, CTX_L1) != 0 && upperFills(ctx) == fills;
  return classOf(outSizeLog2) | (upper ? REFERENCE_UPPER : 0);
}

// @ts-ignore: decorator
@inline
function log(engine: usize, ctx: usize, page: f64, what: i32): void {
  const size = load<i32>(load<usize>(ctx, CTX_UNIT) + (<usize>(what & 3) << 2), UNIT_CLASS_LOG2);
  const unit = pageOf(page) >> <u64>(size - 12);
  const count = load<i32>(engine, ENGINE_REFERENCE_COUNT);
  const at = load<usize>(engine, ENGINE_REFERENCES) + (<usize>count << 2);
  store<u32>(at, <u32>unit, REFERENCE_LOW);
  store<i32>(at, what | (<i32>(unit >> 32) << REFERENCE_HIGH_LOG2), REFERENCE_WHAT);
  store<i32>(at, load<i32>(ctx, CTX_INDEX), REFERENCE_WHO);
  store<i32>(engine, count + 1, ENGINE_REFERENCE_COUNT);
  if (count + 1 == REFERENCE_ENTRIES) recorded();
}
