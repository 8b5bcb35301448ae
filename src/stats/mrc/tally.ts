/** Counts references by depth, for one part of them. */
import { COARSE_DEPTHS, coarseDepth, type DepthCounts, GROUPS, type Scope, type Sharing } from './curve.ts';
import type { DepthGrid } from './depth-grid.ts';
import { ABSENT } from './reuse-stack.ts';

const FIRST_DEPTHS = 256;

export class Tally {
  lookups = 0;
  upperHits = 0;
  references = 0;
  /** By depth, or by bucket of the grid. */
  private counts = new Float64Array(FIRST_DEPTHS);
  private readonly grid: DepthGrid | undefined;
  private groups: Float64Array | undefined;

  /** With a grid, depths are counted by its buckets. */
  constructor(grid?: DepthGrid) {
    this.grid = grid;
  }

  /** Counts anew: warm-up is over. */
  reset(): void {
    this.lookups = 0;
    this.upperHits = 0;
    this.references = 0;
    this.counts.fill(0);
    this.groups = undefined;
  }

  /** A reference that the sample passes over. */
  passed(): void {
    this.lookups++;
    this.references++;
  }

  referenced(depth: number): void {
    this.lookups++;
    this.references++;
    const at = this.placeOf(depth);
    if (at >= this.counts.length) this.grow(at + 1);
    this.counts[at]++;
  }

  /** The same for depths[from … to - 1]. */
  referencedAll(depths: Int32Array, from: number, to: number): void {
    this.lookups += to - from;
    this.references += to - from;
    let deepest = 0;
    for (let i = from; i < to; i++) if (depths[i] > deepest) deepest = depths[i];
    const last = this.placeOf(deepest);
    if (last >= this.counts.length) this.grow(last + 1);
    const { counts, grid } = this;
    if (grid === undefined) for (let i = from; i < to; i++) counts[depths[i]]++;
    else for (let i = from, { bucketOf } = grid; i < to; i++) counts[bucketOf[depths[i]]]++;
  }

  /** One that stands for `weight` of them; `hash` of its key. */
  sampled(depth: number, weight: number, hash: number): void {
    this.referenced(depth);
    this.counts[this.placeOf(depth)] += weight - 1;
    this.groups ??= new Float64Array(GROUPS * COARSE_DEPTHS);
    this.groups[(hash & (GROUPS - 1)) * COARSE_DEPTHS + coarseDepth(depth)] += weight;
  }

  /** Adds the counts of another one without a grid, in which nothing was sampled. */
  addExact(other: Tally): void {
    this.lookups += other.lookups;
    this.references += other.references;
    for (let depth = 0; depth < other.counts.length; depth++) {
      if (other.counts[depth] === 0) continue;
      const at = this.placeOf(depth);
      if (at >= this.counts.length) this.grow(at + 1);
      this.counts[at] += other.counts[depth];
    }
  }

  /** Adds the counts of another one that has the same places. */
  add(other: Tally): void {
    this.lookups += other.lookups;
    this.upperHits += other.upperHits;
    this.references += other.references;
    if (other.counts.length > this.counts.length) this.grow(other.counts.length);
    other.counts.forEach((count, at) => (this.counts[at] += count));
    if (other.groups === undefined) return;
    const groups = (this.groups ??= new Float64Array(GROUPS * COARSE_DEPTHS));
    other.groups.forEach((count, at) => (groups[at] += count));
  }

  /** A depth stands for twice as many entries from now on. */
  coarsen(): void {
    const { counts, grid } = this;
    const folded = new Float64Array(counts.length);
    folded[ABSENT] = counts[ABSENT];
    for (let at = 1; at < counts.length; at++) {
      if (counts[at] === 0) continue;
      const depth = grid === undefined ? at : grid.bounds[at];
      folded[this.placeOf(((depth - 1) >> 1) + 1)] += counts[at];
    }
    this.counts = folded;
    this.groups = this.groups === undefined ? undefined : coarserGroups(this.groups);
  }

  data(scope: Scope, member: number, sharing: Sharing): DepthCounts {
    const { lookups, upperHits, references, grid, groups } = this;
    let { length } = this.counts;
    while (length > 1 && this.counts[length - 1] === 0) length--;
    const depths = this.counts.slice(0, length);
    const bounds = grid === undefined ? undefined : Int32Array.from(grid.bounds.slice(0, length));
    return { scope, member, sharing, lookups, upperHits, references, depths, bounds, groups: groups?.slice() };
  }

  private placeOf(depth: number): number {
    const { grid } = this;
    if (grid === undefined) return depth;
    if (depth >= grid.bucketOf.length) grid.reach(depth);
    return grid.bucketOf[depth];
  }

  private grow(least: number): void {
    let { length } = this.counts;
    while (length < least) length *= 2;
    const counts = new Float64Array(length);
    counts.set(this.counts);
    this.counts = counts;
  }
}

/** A depth half as large lies eight coarse buckets lower (one lower below eight, as near as that can be said). */
function coarserGroups(groups: Float64Array): Float64Array {
  const folded = new Float64Array(groups.length);
  for (let depth = 1; depth < COARSE_DEPTHS; depth++) {
    const to = depth === COARSE_DEPTHS - 1 ? depth : depth <= 16 ? ((depth - 1) >> 1) + 1 : depth - 8;
    for (let group = 0; group < GROUPS; group++) {
      folded[group * COARSE_DEPTHS + to] += groups[group * COARSE_DEPTHS + depth];
    }
  }
  return folded;
}
