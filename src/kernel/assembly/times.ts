// When each of a number of actors is due, and who is first: a tree of least keys with eight children a node.
//
// A binary heap costs 40–55 ns a replacement with 64 actors: which child is smaller is a coin toss that the branch predictor
// loses, and a sorted ring loses as much when new times fall among the others. Here nothing is compared by a branch. A key is a
// time and its actor's number in one double (layout.ts), so that the least key says who is first, ties by number; and an
// actor's place among the others is worked out (`leastOther`) before its own new time is known (`place`), so that its event and
// the next can overlap.

import {
  TIMES_ACTORS, TIMES_BASE, TIMES_DUE, TIMES_FANOUT_LOG2, TIMES_FAR_BITS, TIMES_LEVEL, TIMES_LEVELS, TIMES_LIMIT, TIMES_NEVER_BITS, TIMES_NUMBER,
  TIMES_OTHERS, TIMES_ROOT,
} from '../layout';

const NODE_LOG2 = 6; // bytes of a node
const FAR = reinterpret<f64>(<u64>TIMES_FAR_BITS << 32);
const NEVER = reinterpret<f64>(<u64>TIMES_NEVER_BITS << 32);

/**
 * The least key but the actor's; a later one than all if there is none. What `place` needs is left in TIMES_OTHERS. Two levels, 64
 * actors, are written out: a loop costs its test for interrupts.
 */
// @ts-ignore: decorator
@inline
export function leastOther(times: usize, actor: i32): f64 {
  const levels = load<u32>(times, TIMES_LEVELS);
  const own = f64x2.splat(load<f64>(load<usize>(times, TIMES_LEVEL) + (<usize>actor << 3)));
  let least = beside(times, own, <usize>actor >> TIMES_FANOUT_LOG2, 0);
  if (levels > 1) {
    least = f64x2.pmin(least, beside(times, own, <usize>actor >> (2 * TIMES_FANOUT_LOG2), 1));
    if (levels > 2) least = f64x2.pmin(least, upperOthers(times, own, actor, levels));
  }
  return f64x2.extract_lane(least, 0);
}

function upperOthers(times: usize, own: v128, actor: i32, levels: u32): v128 {
  let least = f64x2.splat(NEVER);
  let node = <usize>actor >> (2 * TIMES_FANOUT_LOG2);
  for (let level: u32 = 2; level < levels; level++) {
    node >>= TIMES_FANOUT_LOG2;
    least = f64x2.pmin(least, beside(times, own, node, level));
  }
  return least;
}

/** The least key of a node but the actor's own, which wherever it is the least stands in the actor's place. */
// @ts-ignore: decorator
@inline
function beside(times: usize, own: v128, node: usize, level: usize): v128 {
  const none = f64x2.splat(NEVER);
  const at = load<usize>(times + (level << 2), TIMES_LEVEL) + (node << NODE_LOG2);
  const four = f64x2.pmin(
    f64x2.pmin(f64x2.pmin(none, unlike(own, v128.load(at))), unlike(own, v128.load(at, 16))),
    f64x2.pmin(f64x2.pmin(none, unlike(own, v128.load(at, 32))), unlike(own, v128.load(at, 48))),
  );
  const least = f64x2.pmin(four, v128.shuffle<u64>(four, four, 1, 0));
  store<f64>(times + (level << 3), f64x2.extract_lane(least, 0), TIMES_OTHERS);
  return least;
}

/** NaN, which `pmin` passes over, in place of the key. */
// @ts-ignore: decorator
@inline
function unlike(own: v128, keys: v128): v128 {
  return v128.or(keys, f64x2.eq(keys, own));
}

/** Puts the actor's new time in, after `leastOther`. Returns its key. */
// @ts-ignore: decorator
@inline
export function place(times: usize, actor: i32, atPs: f64): f64 {
  store<f64>(load<usize>(times, TIMES_DUE) + (<usize>actor << 3), atPs);
  const key = keyOf(times, actor, atPs);
  const levels = load<u32>(times, TIMES_LEVELS);
  store<f64>(load<usize>(times, TIMES_LEVEL) + (<usize>actor << 3), key);
  let least = lesser(f64x2.splat(key), times, 0);
  if (levels > 1) {
    store<f64>(load<usize>(times, TIMES_LEVEL + 4) + ((<usize>actor >> TIMES_FANOUT_LOG2) << 3), f64x2.extract_lane(least, 0));
    least = lesser(least, times, 1);
    if (levels > 2) least = placeUpper(times, least, actor, levels);
  }
  store<f64>(times, f64x2.extract_lane(least, 0), TIMES_ROOT);
  return key;
}

function placeUpper(times: usize, lower: v128, actor: i32, levels: u32): v128 {
  let least = lower;
  let index = <usize>actor >> TIMES_FANOUT_LOG2;
  for (let level: u32 = 2; level < levels; level++) {
    index >>= TIMES_FANOUT_LOG2;
    store<f64>(load<usize>(times + (level << 2), TIMES_LEVEL) + (index << 3), f64x2.extract_lane(least, 0));
    least = lesser(least, times, level);
  }
  return least;
}

// @ts-ignore: decorator
@inline
function lesser(least: v128, times: usize, level: usize): v128 {
  return f64x2.pmin(least, v128.load_splat<f64>(times + (level << 3), TIMES_OTHERS));
}

// @ts-ignore: decorator
@inline
function keyOf(times: usize, actor: i32, atPs: f64): f64 {
  let key = atPs - load<f64>(times, TIMES_BASE);
  if (key >= load<f64>(times, TIMES_LIMIT)) key = atPs == Infinity ? NEVER : FAR;
  return reinterpret<f64>(reinterpret<u64>(key) | <u64>actor);
}

/** The actor that a key names. */
// @ts-ignore: decorator
@inline
export function actorOf(times: usize, key: f64): i32 {
  return <i32>(<u32>reinterpret<u64>(key) & load<u32>(times, TIMES_NUMBER));
}

/** Sets an actor's time: a whole number of ps, not before that of the last event; or Infinity. */
export function setTime(times: usize, actor: i32, atPs: f64): void {
  if (atPs < load<f64>(times, TIMES_BASE)) countFrom(times, atPs);
  renew(times, actor, atPs);
}

// @ts-ignore: decorator
@inline
function renew(times: usize, actor: i32, atPs: f64): void {
  leastOther(times, actor);
  place(times, actor, atPs);
}

/** The actor that is due first, after `firstTime`. */
// @ts-ignore: decorator
@inline
export function firstActor(times: usize): i32 {
  return actorOf(times, load<f64>(times, TIMES_ROOT));
}

/** When the first actor is due; Infinity. */
// @ts-ignore: decorator
@inline
export function firstTime(times: usize): f64 {
  const root = load<f64>(times, TIMES_ROOT);
  if (root >= FAR) {
    if (root >= NEVER) return Infinity;
    countFrom(times, earliest(times));
  }
  return timeOf(times, firstActor(times));
}

// @ts-ignore: decorator
@inline
export function timeOf(times: usize, actor: i32): f64 {
  return load<f64>(load<usize>(times, TIMES_DUE) + (<usize>actor << 3));
}

function earliest(times: usize): f64 {
  const actors = load<i32>(times, TIMES_ACTORS);
  let least = Infinity;
  for (let actor = 0; actor < actors; actor++) least = min(least, timeOf(times, actor));
  return least;
}

/** Keys count from another time on. */
function countFrom(times: usize, basePs: f64): void {
  const actors = load<i32>(times, TIMES_ACTORS);
  store<f64>(times, basePs, TIMES_BASE);
  for (let actor = 0; actor < actors; actor++) renew(times, actor, timeOf(times, actor));
}
