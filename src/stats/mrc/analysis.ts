/**
 * Miss-ratio curves of one IOMMU unit from the stream of its IOTLB references, in one pass.
 *
 * A reference is the first IOTLB lookup of a request, under the key that the cache uses: address space (domain, PASID), leaf
 * class, page in units of the class. What a reference finds depends only on the order of references and invalidations,
 * so for an LRU cache every capacity's hits are exact for the stream that was seen; another capacity would have the same
 * stream where the order of requests does not depend on how long translations take.
 *
 * Above `sampleKeys` keys the fully associative curves go over to a spatial sample (SHARDS; Waldspurger, Park, Garthwaite,
 * Ahmad, FAST 2015): only keys whose hash is below a threshold are followed, all their references. Whenever too many keys
 * are held, the threshold is halved and half of them are given up. Curves over sets are always exact.
 */
import { type DepthCounts, type Scope, type SetCurves, type UnitCurves } from './curve.ts';
import { keyHash, KeyTable } from './key-table.ts';
import { ReuseStack } from './reuse-stack.ts';
import { type SetIndex, SetStacks } from './set-stacks.ts';
import { Tally } from './tally.ts';

export interface AnalysisConfig {
  readonly unit: number;
  /** log2 of the pages (4 KiB) of each leaf class, ascending. */
  readonly classPagesLog2: readonly number[];
  readonly tenants: number;
  /** Keys that are followed at most; above, a sample of them. */
  readonly sampleKeys: number;
  /** Numbers of sets whose curves over ways are wanted, and the most ways. */
  readonly setCounts: readonly number[];
  readonly ways: number;
  readonly index: SetIndex;
}

/** Drops of so few keys look each one up; larger ones go through the space's live keys. */
const PROBES = 32;
const FULL_RATE_LOG2 = 24;
const CLASS_BITS = 2;

export class MrcAnalysis {
  private readonly config: AnalysisConfig;
  private readonly keys = new KeyTable();
  private readonly tenantOf: number[] = [];
  private readonly stack = new ReuseStack();
  private readonly all = new Tally('all', 0, 'shared');
  private readonly leaves: Members;
  private readonly tenants: Members;
  private readonly sets: readonly SetAnalysis[];
  /** log2 of the inverse of the sampling rate. */
  private scaleLog2 = 0;
  private threshold = 2 ** FULL_RATE_LOG2;

  constructor(config: AnalysisConfig) {
    this.config = config;
    this.leaves = new Members('leaf', config.classPagesLog2.length, this.stack);
    this.tenants = new Members('tenant', config.tenants, this.stack);
    this.sets = config.setCounts.map((sets) => new SetAnalysis(sets, config));
  }

  /** A new address space of a tenant: the number that references and invalidations name it by. */
  openSpace(tenant: number): number {
    return this.tenantOf.push(tenant) - 1;
  }

  /** Counts anew: warm-up is over. Stacks stay. */
  reset(): void {
    for (const tally of this.tallies()) tally.reset();
    for (const set of this.sets) set.reset();
  }

  /** A lookup of 4 KiB page `page`, which lies in a leaf of class `leaf`. */
  reference(space: number, leaf: number, page: number): void {
    const tenant = this.tenantOf[space];
    const unit = pageOfClass(page, this.config.classPagesLog2[leaf]);
    for (const set of this.sets) set.reference(space, leaf, unit, tenant);
    const hash = keyHash(space, leaf, unit);
    if (hash >>> 8 < this.threshold) this.follow(space, leaf, unit, hash, tenant);
    else for (const tally of this.talliesOf(leaf, tenant)) tally.passed();
  }

  /** A lookup that hit in the first level, which does not depend on the capacity asked about. */
  upperHit(space: number, leaf: number): void {
    const tenant = this.tenantOf[space];
    for (const tally of this.talliesOf(leaf, tenant)) tally.upperHit();
    for (const set of this.sets) set.each(leaf, tenant, (tally) => tally.upperHit());
  }

  /** A lookup that missed and whose walk failed: nothing was filled, and no leaf is known. */
  unfilled(space: number): void {
    const tenant = this.tenantOf[space];
    for (const tally of [this.all, ...this.tenants.talliesOf(tenant)]) tally.unfilled();
    for (const set of this.sets) set.unfilled(tenant);
  }

  /** Drops 2^pagesLog2 pages around `page` (52 and more: all) of a space. */
  invalidate(space: number, page: number, pagesLog2: number): void {
    const bytes = 2 ** pagesLog2;
    const start = Math.floor(page / bytes) * bytes;
    this.config.classPagesLog2.forEach((log2, leaf) => {
      const first = pageOfClass(start, log2);
      const count = pagesLog2 > log2 ? 2 ** (pagesLog2 - log2) : 1;
      for (const set of this.sets) set.stacks.invalidate(tagOf(space, leaf), first, count);
      if (count <= PROBES) for (let i = 0; i < count; i++) this.drop(space, leaf, first + i);
      else this.dropRange(space, leaf, first, count);
    });
  }

  result(): UnitCurves {
    return {
      unit: this.config.unit,
      scale: 2 ** this.scaleLog2,
      full: [this.all, ...this.leaves.tallies(), ...this.tenants.tallies()].map((tally) => tally.data()),
      sets: this.sets.map((set) => set.result()),
    };
  }

  private follow(space: number, leaf: number, page: number, hash: number, tenant: number): void {
    const { keys } = this;
    let key = keys.find(space, leaf, page, hash);
    if (key < 0) key = keys.add(space, leaf, page, hash);
    this.leaves.meet(leaf);
    this.tenants.meet(tenant);
    const depth = this.stack.reference(key);
    keys.revive(key);
    this.record(this.all, depth, hash);
    this.record(this.leaves.shared(leaf), depth, hash);
    this.record(this.tenants.shared(tenant), depth, hash);
    this.recordOwn(this.leaves.own(leaf), key, hash);
    this.recordOwn(this.tenants.own(tenant), key, hash);
    while (keys.count > this.config.sampleKeys) this.sampleLess();
  }

  private record(tally: Tally, depth: number, hash: number): void {
    if (this.scaleLog2 === 0) tally.referenced(depth);
    else tally.sampled(depth, 2 ** this.scaleLog2, hash);
  }

  private recordOwn(own: Own | undefined, key: number, hash: number): void {
    if (own !== undefined) this.record(own.tally, own.stack.reference(key), hash);
  }

  private drop(space: number, leaf: number, page: number): void {
    const hash = keyHash(space, leaf, page);
    if (hash >>> 8 >= this.threshold) return;
    const key = this.keys.find(space, leaf, page, hash);
    if (key >= 0 && this.keys.isLive(key)) this.dropKey(space, leaf, key);
  }

  private dropRange(space: number, leaf: number, first: number, count: number): void {
    for (const key of this.keys.liveKeys(space)) {
      const page = this.keys.pageOf(key);
      if (this.keys.leafOf(key) === leaf && page >= first && page - first < count) this.dropKey(space, leaf, key);
    }
  }

  private dropKey(space: number, leaf: number, key: number): void {
    this.keys.kill(key);
    this.stack.invalidate(key);
    this.leaves.own(leaf)?.stack.invalidate(key);
    this.tenants.own(this.tenantOf[space])?.stack.invalidate(key);
  }

  /** Halves the sampling rate. */
  private sampleLess(): void {
    this.threshold /= 2;
    this.scaleLog2++;
    const stacks = [this.stack, ...this.leaves.stacks(), ...this.tenants.stacks()];
    this.keys.prune(
      (hash) => hash >>> 8 < this.threshold,
      (key) => {
        for (const stack of stacks) stack.forget(key);
      },
    );
    for (const stack of stacks) stack.halveHoles();
    for (const tally of this.tallies()) tally.coarsen();
  }

  private tallies(): Tally[] {
    return [this.all, ...this.leaves.tallies(), ...this.tenants.tallies()];
  }

  private talliesOf(leaf: number, tenant: number): Tally[] {
    return [this.all, ...this.leaves.talliesOf(leaf), ...this.tenants.talliesOf(tenant)];
  }
}

interface Own {
  readonly stack: ReuseStack;
  readonly tally: Tally;
}

/**
 * Curves of each leaf class, or each tenant: its lookups in the shared cache, and in a cache of its own. As long as only
 * one member has been met, its own cache is the shared one, and nothing is kept twice.
 */
class Members {
  private readonly sharedStack: ReuseStack;
  private readonly sharedTallies: readonly Tally[];
  private readonly owns: (Own | undefined)[];
  private only = -1;
  private several = false;

  constructor(scope: Scope, count: number, sharedStack: ReuseStack) {
    this.sharedStack = sharedStack;
    this.sharedTallies = Array.from({ length: count }, (_, member) => new Tally(scope, member, 'shared'));
    this.owns = new Array<Own | undefined>(count).fill(undefined);
  }

  /** A member that is about to reference the shared stack. */
  meet(member: number): void {
    if (this.only === member && !this.several) return;
    if (this.only < 0) {
      this.only = member;
      return;
    }
    if (this.owns[member] !== undefined) return;
    if (!this.several) {
      this.several = true;
      this.owns[this.only] = { stack: this.sharedStack.clone(), tally: this.sharedTallies[this.only].copy('own') };
    }
    // What it counted before (lookups that reach no stack) is in the shared tally.
    this.owns[member] = { stack: new ReuseStack(), tally: this.sharedTallies[member].copy('own') };
  }

  shared(member: number): Tally {
    return this.sharedTallies[member];
  }

  own(member: number): Own | undefined {
    return this.owns[member];
  }

  stacks(): ReuseStack[] {
    return this.owns.flatMap((own) => (own === undefined ? [] : [own.stack]));
  }

  talliesOf(member: number): Tally[] {
    const own = this.owns[member];
    return own === undefined ? [this.sharedTallies[member]] : [this.sharedTallies[member], own.tally];
  }

  /** Shared and own of every member; own is a copy of shared where they are the same. */
  tallies(): Tally[] {
    return this.sharedTallies.flatMap((_, member) => this.talliesOf(member));
  }
}

class SetAnalysis {
  readonly stacks: SetStacks;
  private readonly all = new Tally('all', 0, 'shared');
  private readonly leaves: readonly Tally[];
  private readonly tenants: readonly Tally[];

  constructor(sets: number, config: AnalysisConfig) {
    this.stacks = new SetStacks(sets, config.ways, config.index);
    this.leaves = config.classPagesLog2.map((_, leaf) => new Tally('leaf', leaf, 'shared'));
    this.tenants = Array.from({ length: config.tenants }, (_, tenant) => new Tally('tenant', tenant, 'shared'));
  }

  reference(space: number, leaf: number, page: number, tenant: number): void {
    const depth = this.stacks.reference(tagOf(space, leaf), page);
    this.each(leaf, tenant, (tally) => tally.referenced(depth));
  }

  unfilled(tenant: number): void {
    this.all.unfilled();
    this.tenants[tenant].unfilled();
  }

  each(leaf: number, tenant: number, visit: (tally: Tally) => void): void {
    visit(this.all);
    visit(this.leaves[leaf]);
    visit(this.tenants[tenant]);
  }

  reset(): void {
    for (const tally of this.tallies()) tally.reset();
  }

  result(): SetCurves {
    const curves: DepthCounts[] = this.tallies().map((tally) => tally.data());
    return { sets: this.stacks.sets, ways: this.stacks.ways, curves };
  }

  private tallies(): Tally[] {
    return [this.all, ...this.leaves, ...this.tenants];
  }
}

const tagOf = (space: number, leaf: number): number => (space << CLASS_BITS) | leaf;

/** Number of the leaf-class page that a 4 KiB page lies in. */
function pageOfClass(page: number, log2: number): number {
  return log2 === 0 ? page : Math.floor(page / 2 ** log2);
}
