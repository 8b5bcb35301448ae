/** Counts references by depth, for one scope. */
import { COARSE_DEPTHS, coarseDepth, type DepthCounts, GROUPS, type Scope, type Sharing } from './curve.ts';
import { ABSENT } from './reuse-stack.ts';

const FIRST_DEPTHS = 256;

export class Tally {
  private readonly scope: Scope;
  private readonly member: number;
  private readonly sharing: Sharing;
  private lookups = 0;
  private upperHits = 0;
  private references = 0;
  private depths = new Float64Array(FIRST_DEPTHS);
  private groups: Float64Array | undefined;

  constructor(scope: Scope, member: number, sharing: Sharing) {
    this.scope = scope;
    this.member = member;
    this.sharing = sharing;
  }

  /** Counts anew: warm-up is over. */
  reset(): void {
    this.lookups = 0;
    this.upperHits = 0;
    this.references = 0;
    this.depths.fill(0);
    this.groups = undefined;
  }

  /** A lookup that the first level hit. */
  upperHit(): void {
    this.lookups++;
    this.upperHits++;
  }

  /** A lookup that missed and filled nothing. */
  unfilled(): void {
    this.lookups++;
  }

  /** A reference that the sample passes over. */
  passed(): void {
    this.lookups++;
    this.references++;
  }

  referenced(depth: number): void {
    this.passed();
    if (depth >= this.depths.length) this.grow(depth + 1);
    this.depths[depth]++;
  }

  /** One that stands for `weight` of them; `hash` of its key. */
  sampled(depth: number, weight: number, hash: number): void {
    this.passed();
    if (depth >= this.depths.length) this.grow(depth + 1);
    this.depths[depth] += weight;
    this.groups ??= new Float64Array(GROUPS * COARSE_DEPTHS);
    this.groups[(hash & (GROUPS - 1)) * COARSE_DEPTHS + coarseDepth(depth)] += weight;
  }

  /** A depth stands for twice as many entries from now on. */
  coarsen(): void {
    const { depths } = this;
    const folded = new Float64Array(depths.length);
    folded[ABSENT] = depths[ABSENT];
    for (let depth = 1; depth < depths.length; depth++) folded[((depth - 1) >> 1) + 1] += depths[depth];
    this.depths = folded;
    this.groups = this.groups === undefined ? undefined : coarserGroups(this.groups);
  }

  /** The same counts under another name. */
  copy(sharing: Sharing): Tally {
    const copy = new Tally(this.scope, this.member, sharing);
    copy.lookups = this.lookups;
    copy.upperHits = this.upperHits;
    copy.references = this.references;
    copy.depths = this.depths.slice();
    copy.groups = this.groups?.slice();
    return copy;
  }

  data(): DepthCounts {
    const { scope, member, sharing, lookups, upperHits, references } = this;
    let { length } = this.depths;
    while (length > 1 && this.depths[length - 1] === 0) length--;
    const depths = this.depths.slice(0, length);
    return { scope, member, sharing, lookups, upperHits, references, depths, groups: this.groups?.slice() };
  }

  private grow(least: number): void {
    let { length } = this.depths;
    while (length < least) length *= 2;
    const depths = new Float64Array(length);
    depths.set(this.depths);
    this.depths = depths;
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
