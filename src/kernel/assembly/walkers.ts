// Which walker takes the next walk, and when it starts.

import { UNIT_NEXT_START, UNIT_START_PS, UNIT_WALKERS, UNIT_WALKER_COUNT } from '../layout';

/**
 * The walker that is free first, the first of several. Times come in blocks of eight, the last one padded with Infinity: no branch
 * on a comparison, which nothing predicts.
 */
// @ts-ignore: decorator
@inline
export function freeWalker(home: usize): usize {
  const first = load<usize>(home, UNIT_WALKERS);
  const end = first + (load<u32>(home, UNIT_WALKER_COUNT) << 3);
  let least = earliest(first);
  for (let block = first + 64; block < end; block += 64) least = f64x2.pmin(least, earliest(block));
  least = f64x2.pmin(least, v128.shuffle<i64>(least, least, 1, 0));
  let block = first;
  while (true) {
    const low = at(block, 0, least) | at(block, 16, least);
    const found = low | at(block, 32, least) | at(block, 48, least);
    if (found != 0) return block + (ctz(found) << 3);
    block += 64;
  }
}

// @ts-ignore: decorator
@inline
function earliest(block: usize): v128 {
  const low = f64x2.pmin(v128.load(block), v128.load(block, 16));
  return f64x2.pmin(low, f64x2.pmin(v128.load(block, 32), v128.load(block, 48)));
}

/** Which walkers of a pair are free at these times, as bits by their place in the block. */
// @ts-ignore: decorator
@inline
function at(block: usize, offset: i32, times: v128): u32 {
  return i64x2.bitmask(f64x2.eq(times, v128.load(block + offset))) << (offset >> 3);
}

/** The larger of two times: no NaN, so one instruction will do. */
// @ts-ignore: decorator
@inline
export function later(a: f64, b: f64): f64 {
  return f64x2.extract_lane(f64x2.pmax(f64x2.splat(a), f64x2.splat(b)), 0);
}

/** The walk engine starts walks no closer together than its start interval. */
// @ts-ignore: decorator
@inline
export function takeStart(home: usize, earliestPs: f64): f64 {
  const interval = load<f64>(home, UNIT_START_PS);
  if (interval == 0) return earliestPs;
  const start = later(earliestPs, load<f64>(home, UNIT_NEXT_START));
  store<f64>(home, start + interval, UNIT_NEXT_START);
  return start;
}
