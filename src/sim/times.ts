/** Lays out the due times of a number of actors (assembly/times.ts): nobody is due. */
import type { Kernel, Regions } from '../kernel/kernel.ts';
import {
  TIMES_ACTORS,
  TIMES_DUE,
  TIMES_FANOUT_LOG2,
  TIMES_LEVEL,
  TIMES_LEVELS,
  TIMES_LEVELS_MAX,
  TIMES_LIMIT,
  TIMES_NEVER_BITS,
  TIMES_NUMBER,
} from '../kernel/layout.ts';
import { assert } from '../lib/assert.ts';
import { alignUp, powerOfTwo, roundUpPowerOfTwo } from '../lib/bits.ts';

const FANOUT = 1 << TIMES_FANOUT_LOG2;
/** Bits of a whole number in a double. */
const WHOLE_BITS = 53;

/** Entries of each level, from the actors' own times up to at most eight; each is a multiple of eight. */
function levelSizes(actors: number): number[] {
  const sizes = [alignUp(Math.max(1, actors), FANOUT)];
  for (let size = sizes[0]; size > FANOUT; size = sizes.at(-1)!) sizes.push(alignUp(size / FANOUT, FANOUT));
  return sizes;
}

export function timesBytes(actors: number): number {
  return levelSizes(actors).reduce((sum, size) => sum + 8 * size + 64, 8 * actors + 64);
}

export function layTimes(kernel: Kernel, regions: Regions, times: number, actors: number): void {
  const sizes = levelSizes(actors);
  assert(sizes.length <= TIMES_LEVELS_MAX, 'an engine has at most 2^24 actors');
  const { view, f64, i32 } = kernel;
  const numbers = roundUpPowerOfTwo(Math.max(2, sizes[0]));
  view.setFloat64(times + TIMES_LIMIT, powerOfTwo(WHOLE_BITS) / numbers, true);
  view.setUint32(times + TIMES_ACTORS, actors, true);
  view.setUint32(times + TIMES_NUMBER, numbers - 1, true);
  view.setUint32(times + TIMES_LEVELS, sizes.length, true);
  const due = regions.take(8 * actors, 8);
  f64.fill(Infinity, due / 8, due / 8 + actors);
  view.setUint32(times + TIMES_DUE, due, true);
  sizes.forEach((size, level) => {
    const at = regions.take(8 * size);
    for (let i = 0; i < size; i++) {
      i32[at / 4 + 2 * i] = 0; // any actor
      i32[at / 4 + 2 * i + 1] = TIMES_NEVER_BITS;
    }
    view.setUint32(times + TIMES_LEVEL + 4 * level, at, true);
  });
  view.setUint32(times + 4, TIMES_NEVER_BITS, true); // the root
}
