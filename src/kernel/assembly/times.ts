// When each of a number of actors is due, and who is first: a tree of minima with eight children a node.
//
// A binary heap costs 40–55 ns a replacement with 64 actors: which child is smaller is a coin toss that the branch predictor
// loses, and a sorted ring loses as much when new times fall among the others. Here nothing is compared by a branch: 64 actors
// take two levels of four SIMD minima each.

import { TIMES_FANOUT_LOG2, TIMES_FIRST, TIMES_LEVEL, TIMES_LEVELS, TIMES_MIN } from '../layout';

/** Lane masks: row i has all bits of lane i set, which makes a NaN of it, and `pmin` passes over NaNs. */
const LANE_MASKS = memory.data<u64>([
  -1, 0, 0, 0, 0, 0, 0, 0,
  0, -1, 0, 0, 0, 0, 0, 0,
  0, 0, -1, 0, 0, 0, 0, 0,
  0, 0, 0, -1, 0, 0, 0, 0,
  0, 0, 0, 0, -1, 0, 0, 0,
  0, 0, 0, 0, 0, -1, 0, 0,
  0, 0, 0, 0, 0, 0, -1, 0,
  0, 0, 0, 0, 0, 0, 0, -1,
]);
const NODE_LOG2 = 6; // bytes of a node

/**
 * Sets an actor's time. The new value takes part as a register, and its old lane is masked: a vector load that overlaps the
 * scalar store before it would wait for that to reach the cache (13 cycles, on the way from each event to the next).
 */
// @ts-ignore: decorator
@inline
export function setTime(times: usize, actor: i32, atPs: f64): void {
  let index = <usize>actor;
  let least = atPs;
  let level = load<usize>(times, TIMES_LEVEL);
  const top = times + (load<u32>(times, TIMES_LEVELS) << 2);
  for (let at = times + 4; at < top; at += 4) {
    const node = level + ((index >> TIMES_FANOUT_LOG2) << NODE_LOG2);
    const masks = LANE_MASKS + ((index & 7) << NODE_LOG2);
    const mine = f64x2.splat(least);
    const place = level + (index << 3);
    const four = f64x2.pmin(
      f64x2.pmin(f64x2.pmin(mine, others(node, masks, 0)), others(node, masks, 16)),
      f64x2.pmin(f64x2.pmin(mine, others(node, masks, 32)), others(node, masks, 48)),
    );
    store<f64>(place, least);
    least = lower(four);
    index >>= TIMES_FANOUT_LOG2;
    level = load<usize>(at, TIMES_LEVEL);
  }
  const masks = LANE_MASKS + (index << NODE_LOG2);
  const mine = f64x2.splat(least);
  const a = others(level, masks, 0);
  const b = others(level, masks, 16);
  const c = others(level, masks, 32);
  const d = others(level, masks, 48);
  store<f64>(level + (index << 3), least);
  const first = lower(f64x2.pmin(f64x2.pmin(f64x2.pmin(mine, a), b), f64x2.pmin(f64x2.pmin(mine, c), d)));
  const all = f64x2.splat(first);
  const equal = (<u32>(least == first) << <u32>index) | laneBits(all, a, b, c, d);
  store<f64>(times, first, TIMES_MIN);
  store<u32>(times, ctz(equal), TIMES_FIRST);
}

// @ts-ignore: decorator
@inline
function others(node: usize, masks: usize, at: usize): v128 {
  return v128.or(v128.load(node + at), v128.load(masks + at));
}

// @ts-ignore: decorator
@inline
function lower(pair: v128): f64 {
  return f64x2.extract_lane(f64x2.pmin(pair, v128.shuffle<u64>(pair, pair, 1, 0)), 0);
}

// @ts-ignore: decorator
@inline
function laneBits(all: v128, a: v128, b: v128, c: v128, d: v128): u32 {
  return i64x2.bitmask(f64x2.eq(all, a)) | (i64x2.bitmask(f64x2.eq(all, b)) << 2) |
    (i64x2.bitmask(f64x2.eq(all, c)) << 4) | (i64x2.bitmask(f64x2.eq(all, d)) << 6);
}

/** The first actor that is due at TIMES_MIN. */
// @ts-ignore: decorator
@inline
export function firstActor(times: usize): i32 {
  const least = f64x2.splat(load<f64>(times, TIMES_MIN));
  let index = load<usize>(times, TIMES_FIRST);
  for (let at = times + ((load<u32>(times, TIMES_LEVELS) - 1) << 2); at > times; at -= 4) {
    const node = load<usize>(at, TIMES_LEVEL - 4) + (index << NODE_LOG2);
    const bits = laneBits(least, v128.load(node), v128.load(node, 16), v128.load(node, 32), v128.load(node, 48));
    index = (index << TIMES_FANOUT_LOG2) + <usize>ctz(bits);
  }
  return <i32>index;
}
