/** Hit ratios by capacity, from the depths at which references were found. Plain, cloneable data and what reads it. */
import { ABSENT } from './reuse-stack.ts';

/** Whose lookups a curve is of. part: of the leaf sizes that one part of a split IOTLB holds. */
export type Scope = 'all' | 'leaf' | 'part' | 'tenant';
/** shared: its lookups in the cache that all use. own: in a cache of that capacity for itself. */
export type Sharing = 'shared' | 'own';

export interface DepthCounts {
  readonly scope: Scope;
  /** Leaf class, smallest leaf class of a part, or tenant; 0 for `all`. */
  readonly member: number;
  readonly sharing: Sharing;
  /** IOTLB lookups, each request's first. */
  readonly lookups: number;
  /** Of these, hits in the first level, whatever the second level's capacity. */
  readonly upperHits: number;
  /** Of the other ones, those that filled an entry or found one: what the depths are of. */
  readonly references: number;
  /** By depth: weight of the references found there; 0 (ABSENT) = not held. A depth stands for `scale` entries. */
  readonly depths: Float64Array;
  /** Where depths are counted in buckets: the last depth of each; hits are exact there. */
  readonly bounds?: Int32Array | undefined;
  /** Weight of sampled misses by hash group and coarse depth (see coarseDepth); undefined: nothing was sampled. */
  readonly groups: Float64Array | undefined;
}

/** One unit's curves. Depths of fully associative curves count `scale` entries each: 1 / sampling rate. */
export interface UnitCurves {
  readonly unit: number;
  readonly scale: number;
  readonly full: readonly DepthCounts[];
  readonly sets: readonly SetCurves[];
}

/** Depths are ways of sets; nothing is sampled. */
export interface SetCurves {
  readonly sets: number;
  readonly ways: number;
  readonly curves: readonly DepthCounts[];
}

/** Groups of keys, by hash, whose spread gives the error. */
export const GROUPS = 16;
const COARSE_BITS = 3;
/** Buckets a group: 8 for each doubling of the depth. */
export const COARSE_DEPTHS = 32 << COARSE_BITS;
/** Two-sided 95 % of Student's t with GROUPS - 1 degrees of freedom, and of the normal distribution. */
const T_95 = 2.131;
const Z_95 = 1.96;

/** Bucket of a depth ≥ 1: exact up to 8, then eight a doubling; ABSENT has the last. */
export function coarseDepth(depth: number): number {
  if (depth === ABSENT) return COARSE_DEPTHS - 1;
  const log2 = 31 - Math.clz32(depth);
  if (log2 < COARSE_BITS) return depth;
  return ((log2 - COARSE_BITS + 1) << COARSE_BITS) + ((depth >>> (log2 - COARSE_BITS)) & ((1 << COARSE_BITS) - 1));
}

/** Running sums of a curve, for many capacities. */
export class HitCurve {
  readonly counts: DepthCounts;
  readonly scale: number;
  private readonly hitsBelow: Float64Array;

  constructor(counts: DepthCounts, scale: number) {
    this.counts = counts;
    this.scale = scale;
    const { depths, upperHits, references } = counts;
    const sums = new Float64Array(depths.length);
    const weight = depths.reduce((sum, each) => sum + each, 0);
    // What the sample has too much or too little of all references is of keys that hit anyway (SHARDS-adj).
    let hits = upperHits + references - weight;
    for (let depth = 1; depth < depths.length; depth++) sums[depth] = hits += depths[depth];
    sums[0] = upperHits;
    this.hitsBelow = sums;
  }

  /** Least capacity from which on nothing changes any more. */
  get lastEntries(): number {
    return this.hitsBelow.length < 2 ? 0 : this.entriesOf(this.hitsBelow.length - 1);
  }

  /** Hits of a cache of so many entries (ways, in a curve over sets). */
  hits(entries: number): number {
    const place = this.placeOf(this.depthOf(entries));
    return Math.min(this.counts.lookups, Math.max(this.counts.upperHits, this.hitsBelow[place]));
  }

  /** undefined without lookups. */
  hitRatio(entries: number): number | undefined {
    return this.counts.lookups === 0 ? undefined : this.hits(entries) / this.counts.lookups;
  }

  /**
   * Half width of a 95 % interval around the hit ratio; 0 when nothing was sampled. Two independent parts: the spread of
   * the misses over groups of keys, and that of the number of keys that a depth of the sample stands for.
   */
  error(entries: number): number {
    const { lookups, groups } = this.counts;
    if (groups === undefined || lookups === 0) return 0;
    const misses = this.groupMisses(groups, this.depthOf(entries));
    const mean = misses.reduce((sum, each) => sum + each, 0) / GROUPS;
    const variance = misses.reduce((sum, each) => sum + (each - mean) * (each - mean), 0) / (GROUPS - 1);
    const spread = (T_95 * Math.sqrt(variance * GROUPS)) / lookups;
    const width = Z_95 * Math.sqrt(entries * (this.scale - 1)) + this.scale;
    const [low, here, high] = [entries - width, entries, entries + width].map((at) => this.hits(at) / lookups);
    const shift = Math.max(high - here, here - low);
    return Math.min(1, Math.sqrt(spread * spread + shift * shift));
  }

  /** Capacities at which the hits change, ascending. */
  *steps(): Generator<number> {
    const { depths } = this.counts;
    for (let depth = 1; depth < depths.length; depth++) if (depths[depth] > 0) yield this.entriesOf(depth);
  }

  private entriesOf(place: number): number {
    return ((this.counts.bounds?.[place] ?? place) - 1) * this.scale + 1;
  }

  /** The last place that a depth covers. */
  private placeOf(depth: number): number {
    const { bounds } = this.counts;
    const last = this.hitsBelow.length - 1;
    if (bounds === undefined) return Math.min(last, depth);
    let [low, high] = [0, last];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (bounds[middle] <= depth) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private depthOf(entries: number): number {
    return entries < 1 ? 0 : Math.floor((entries - 1) / this.scale) + 1;
  }

  /** Sampled weight of misses at a depth, by group. */
  private groupMisses(groups: Float64Array, depth: number): number[] {
    const from = depth === 0 ? 0 : coarseDepth(depth) + 1;
    return Array.from({ length: GROUPS }, (_, group) =>
      groups.subarray(group * COARSE_DEPTHS + from, (group + 1) * COARSE_DEPTHS).reduce((sum, each) => sum + each, 0),
    );
  }
}
