/** Lays out the due times of a number of actors (assembly/times.ts): nobody is due. */
import type { Kernel, Regions } from '../kernel/kernel.ts';
import { TIMES_FANOUT_LOG2, TIMES_LEVEL, TIMES_LEVELS, TIMES_LEVELS_MAX, TIMES_MIN } from '../kernel/layout.ts';
import { assert } from '../lib/assert.ts';
import { alignUp } from '../lib/bits.ts';

const FANOUT = 1 << TIMES_FANOUT_LOG2;

/** Entries of each level, from the actors' own times up to at most eight; each is a multiple of eight. */
function levelSizes(actors: number): number[] {
  const sizes = [alignUp(Math.max(1, actors), FANOUT)];
  for (let size = sizes[0]; size > FANOUT; size = sizes.at(-1)!) sizes.push(alignUp(size / FANOUT, FANOUT));
  return sizes;
}

export function timesBytes(actors: number): number {
  return levelSizes(actors).reduce((sum, size) => sum + 8 * size + 64, 0);
}

export function layTimes(kernel: Kernel, regions: Regions, times: number, actors: number): void {
  const sizes = levelSizes(actors);
  assert(sizes.length <= TIMES_LEVELS_MAX, 'an engine has fewer than 2^36 actors');
  kernel.view.setFloat64(times + TIMES_MIN, Infinity, true);
  kernel.view.setUint32(times + TIMES_LEVELS, sizes.length, true);
  sizes.forEach((size, level) => {
    const at = regions.take(8 * size);
    kernel.f64.fill(Infinity, at / 8, at / 8 + size);
    kernel.view.setUint32(times + TIMES_LEVEL + 4 * level, at, true);
  });
}
