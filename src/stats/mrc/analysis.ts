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
 *
 * References wait in a batch, so that each step (keys, depths, counts) is a tight loop over columns.
 */
import { powerOfTwo } from '../../lib/bits.ts';
import type { Scope, SetCurves, UnitCurves } from './curve.ts';
import { DepthGrid } from './depth-grid.ts';
import { KEY_HASH, KEY_LIVE, KEY_WORDS, keyHash, KeyTable } from './key-table.ts';
import { ReuseStack } from './reuse-stack.ts';
import { type SetIndex, SetStacks } from './set-stacks.ts';
import { Tags } from './tags.ts';
import { Tally } from './tally.ts';

export interface AnalysisConfig {
  readonly unit: number;
  /** log2 of the pages (4 KiB) of each leaf class, ascending. */
  readonly classPagesLog2: readonly number[];
  readonly tenants: number;
  /** Of a split IOTLB, by leaf class: the smallest class of the part that holds it. Left out: it is not split. */
  readonly partOf?: readonly number[] | undefined;
  /** Keys that are followed at most; above, a sample of them. */
  readonly sampleKeys: number;
  /** Capacities at which also the curves of leaf sizes and tenants are exact (those are in steps below 1 % above 256). */
  readonly exactAt: readonly number[];
  /** Numbers of sets whose curves over ways are wanted, and the most ways. */
  readonly setCounts: readonly number[];
  readonly ways: number;
  readonly index: SetIndex;
}

/** Drops of so few keys look each one up; larger ones go through the live keys. */
const PROBES = 32;
const RATE_LOG2 = 24;
const BATCH = 4096;
/** The low 32 bits of a page are in a tag's reach. */
const LOW_BITS = 4_294_967_296;

export class MrcAnalysis {
  private readonly config: AnalysisConfig;
  private readonly tags = new Tags();
  private readonly keys = new KeyTable();
  private readonly tenantOf: number[] = [];
  private readonly stack = new ReuseStack();
  private readonly all = new Tally();
  private readonly parts: Parts;
  /** The part that all references so far belong to: `all` counts for it too, until there is another one or a sample. */
  private lone: Tally | undefined;
  /** Leaf classes, or parts of a split IOTLB. */
  private readonly leaves: Owners;
  private readonly tenants: Owners;
  private readonly sets: readonly SetAnalysis[];
  /** log2 of the inverse of the sampling rate. */
  private scaleLog2 = 0;
  private threshold = 1 << RATE_LOG2;

  private waiting = 0;
  private readonly tag = new Int32Array(BATCH);
  private readonly low = new Int32Array(BATCH);
  private readonly key = new Int32Array(BATCH);
  private readonly depth = new Int32Array(BATCH);
  /** By tag: whether its leaf class and tenant have been met. */
  private readonly met: boolean[] = [];

  constructor(config: AnalysisConfig) {
    const grid = new DepthGrid(config.exactAt);
    const classes = config.classPagesLog2.length;
    this.config = config;
    this.parts = new Parts(classes, config.tenants, () => new Tally(grid));
    this.leaves = new Owners(this.stack, grid);
    this.tenants = new Owners(this.stack, grid);
    this.sets = config.setCounts.map((sets) => new SetAnalysis(sets, config));
  }

  /** A new address space of a tenant: the number that references and invalidations name it by. */
  openSpace(tenant: number): number {
    return this.tenantOf.push(tenant) - 1;
  }

  /** Counts anew: warm-up is over. Stacks stay. */
  reset(): void {
    this.flush();
    for (const tally of this.tallies()) tally.reset();
    this.parts.unfilled.fill(0);
    for (const set of this.sets) set.reset();
  }

  /** A lookup of 4 KiB page `page`, which lies in a leaf of class `leaf`. */
  reference(space: number, leaf: number, page: number): void {
    const unit = pageOfClass(page, this.config.classPagesLog2[leaf]);
    this.refer(this.tagOf(space, leaf, Math.floor(unit / LOW_BITS)), unit | 0);
  }

  /** What lookups have in common, as a number for `refer`. `high`: the bits above the low 32 of the page in units of the class. */
  tagOf(space: number, leaf: number, high: number): number {
    return this.tags.of(space, leaf, high);
  }

  /** `reference` with a page's tag and its low 32 bits in units of the class. */
  refer(tag: number, low: number): void {
    const at = this.waiting++;
    this.tag[at] = tag;
    this.low[at] = low;
    if (this.waiting === BATCH) this.flush();
  }

  /** A lookup that hit in the first level, which does not depend on the capacity asked about. */
  upperHit(space: number, leaf: number): void {
    const tally = this.parts.of(leaf, this.tenantOf[space]);
    tally.lookups++;
    tally.upperHits++;
  }

  /** A lookup that missed and whose walk failed: nothing was filled, and no leaf is known. */
  unfilled(space: number): void {
    this.parts.unfilled[this.tenantOf[space]]++;
  }

  /** Drops 2^pagesLog2 pages around `page` (52 and more: all) of a space. */
  invalidate(space: number, page: number, pagesLog2: number): void {
    this.flush();
    const size = powerOfTwo(pagesLog2);
    const start = Math.floor(page / size) * size;
    this.config.classPagesLog2.forEach((log2, leaf) => {
      const first = pageOfClass(start, log2);
      const count = pagesLog2 > log2 ? powerOfTwo(pagesLog2 - log2) : 1;
      for (const tag of this.tags.all(space, leaf)) this.dropTag(tag, first, count);
    });
  }

  result(): UnitCurves {
    this.flush();
    this.settle();
    const { config, parts, leaves, tenants } = this;
    const { lookups, upperHits, references } = parts.whole();
    const all = { ...this.all.data('all', 0, 'shared'), lookups, upperHits, references };
    const byLeaf = config.classPagesLog2.flatMap((_, member) =>
      config.partOf === undefined
        ? leaves.data('leaf', member, parts.ofLeaf(member))
        : [parts.ofLeaf(member).data('leaf', member, 'shared')],
    );
    const byPart = [...new Set(config.partOf)].map((part) => leaves.alone('part', part, this.ofGroup(part)));
    const byTenant = Array.from({ length: config.tenants }, (_, member) =>
      tenants.data('tenant', member, parts.ofTenant(member)),
    );
    return {
      unit: config.unit,
      scale: powerOfTwo(this.scaleLog2),
      full: [all, ...byLeaf, ...byPart, ...byTenant.flat()],
      sets: this.sets.map((set) => set.result(this.parts)),
    };
  }

  // ---- Batches ---------------------------------------------------------------------------------------------------------------

  private flush(): void {
    const { waiting } = this;
    if (waiting === 0) return;
    this.waiting = 0;
    let from = 0;
    while (from < waiting) from = this.follow(from, waiting);
    for (const set of this.sets) this.countSets(set, waiting);
  }

  /** Names keys up to the first reference that changes how the later ones are followed; returns where to go on. */
  private follow(from: number, to: number): number {
    const { keys, tag: tags, low: lows, key: out, threshold } = this;
    let lastTag = -1;
    let seed = 0;
    for (let i = from; i < to; i++) {
      const tag = tags[i];
      const low = lows[i];
      if (tag !== lastTag) {
        if (!this.met[tag]) {
          this.process(from, i);
          this.meet(tag);
          return i;
        }
        lastTag = tag;
        seed = this.tags.seedOf[tag];
      } else if (i > from && low === lows[i - 1]) {
        out[i] = out[i - 1];
        continue;
      }
      const hash = keyHash(seed, low);
      if (hash >>> 8 >= threshold) {
        out[i] = -1;
        continue;
      }
      const key = keys.find(tag, low, hash);
      out[i] = key;
      if (key >= 0 && keys.data[key * KEY_WORDS + KEY_LIVE] !== 0) continue;
      if (this.admit(i, key, hash)) continue;
      this.process(from, i + 1);
      while (keys.count > this.config.sampleKeys) this.sampleLess();
      return i + 1;
    }
    this.process(from, to);
    return to;
  }

  /** Makes reference i's key, which has no number yet if `known` < 0, a live one. False: there are too many now. */
  private admit(i: number, known: number, hash: number): boolean {
    const { keys } = this;
    const key = known < 0 ? keys.add(this.tag[i], this.low[i], hash) : known;
    keys.revive(key);
    this.key[i] = key;
    return keys.count <= this.config.sampleKeys;
  }

  /** References with their keys: depths, and what they count for. */
  private process(from: number, to: number): void {
    const { key: keys, depth: depths } = this;
    this.stack.referenceAll(keys, from, to, depths);
    if (this.scaleLog2 === 0) this.countExact(from, to);
    else this.countSampled(from, to);
    if (this.leaves.several) this.processOwn(this.leaves, this.groupOfTag, this.keys.localLeaf, from, to);
    if (this.tenants.several) this.processOwn(this.tenants, this.memberOfTag, this.keys.localTenant, from, to);
  }

  /** Runs of references with the same tag count for the same part. */
  private countExact(from: number, to: number): void {
    const { tag: tags, depth: depths } = this;
    this.all.referencedAll(depths, from, to);
    if (this.lone !== undefined) return;
    for (let start = from; start < to; ) {
      const tag = tags[start];
      let end = start + 1;
      while (end < to && tags[end] === tag) end++;
      this.partOf(tag).referencedAll(depths, start, end);
      start = end;
    }
  }

  private countSampled(from: number, to: number): void {
    const { key: keys, depth: depths } = this;
    for (let i = from; i < to; i++) {
      const part = this.partOf(this.tag[i]);
      if (keys[i] < 0) part.passed();
      else {
        this.count(this.all, depths[i], keys[i]);
        this.count(part, depths[i], keys[i]);
      }
    }
  }

  /** Tenant by tag. */
  private readonly memberOfTag: number[] = [];
  /** Leaf class by tag, or the part that holds it. */
  private readonly groupOfTag: number[] = [];

  /** What a leaf class, or a part, has counted in the shared cache. */
  private ofGroup(group: number): Tally {
    const { partOf } = this.config;
    return this.parts.sum((leaf) => (partOf?.[leaf] ?? leaf) === group);
  }

  private processOwn(owners: Owners, memberOf: readonly number[], locals: Int32Array, from: number, to: number): void {
    for (let i = from; i < to; i++) {
      const key = this.key[i];
      if (key < 0) continue;
      const own = owners.own(memberOf[this.tag[i]])!;
      if (locals[key] < 0) locals[key] = own.nextLocal++;
      this.count(own.tally, own.stack.reference(locals[key]), key);
    }
  }

  private countSets({ stacks, parts }: SetAnalysis, count: number): void {
    const { tag: tags, depth: depths } = this;
    stacks.referenceAll(tags, this.low, this.tags.highOf, count, depths);
    for (let start = 0; start < count; ) {
      const tag = tags[start];
      let end = start + 1;
      while (end < count && tags[end] === tag) end++;
      parts.of(this.tags.leafOf[tag], this.memberOfTag[tag]).referencedAll(depths, start, end);
      start = end;
    }
  }

  private count(tally: Tally, depth: number, key: number): void {
    if (this.scaleLog2 === 0) tally.referenced(depth);
    else tally.sampled(depth, powerOfTwo(this.scaleLog2), this.keys.data[key * KEY_WORDS + KEY_HASH]);
  }

  private partOf(tag: number): Tally {
    return this.parts.of(this.tags.leafOf[tag], this.memberOfTag[tag]);
  }

  /** Leaf class and tenant of a new tag are about to reference the shared stack. */
  private meet(tag: number): void {
    const leaf = this.tags.leafOf[tag];
    const tenant = this.tenantOf[this.tags.spaceOf[tag]];
    const group = this.config.partOf?.[leaf] ?? leaf;
    this.memberOfTag[tag] = tenant;
    this.groupOfTag[tag] = group;
    this.meetPart(this.parts.of(leaf, tenant));
    this.met[tag] = true;
    const { keys, groupOfTag, memberOfTag, parts } = this;
    this.leaves.meet(group, keys, groupOfTag, keys.localLeaf, (member) => this.ofGroup(member));
    this.tenants.meet(tenant, keys, memberOfTag, keys.localTenant, (member) => parts.ofTenant(member));
  }

  private meetPart(part: Tally): void {
    if (this.met.length === 0) this.lone = part;
    else if (part !== this.lone) this.settle();
  }

  /** From now on parts are counted by themselves. */
  private settle(): void {
    this.lone?.addExact(this.all);
    this.lone = undefined;
  }

  // ---- Invalidations and sampling ------------------------------------------------------------------------------------------------

  /** Drops pages first … first + count - 1 (in units of the tag's class) as far as the tag reaches. */
  private dropTag(tag: number, first: number, count: number): void {
    const high = this.tags.highOf[tag];
    const low = Math.max(0, first - high * LOW_BITS);
    const end = Math.min(LOW_BITS, first + count - high * LOW_BITS);
    if (end <= low) return;
    for (const set of this.sets) set.stacks.invalidate(tag, high, low, end - low);
    if (end - low <= PROBES) for (let at = low; at < end; at++) this.drop(tag, at | 0);
    else this.dropRange(tag, low, end);
  }

  private drop(tag: number, low: number): void {
    const hash = keyHash(this.tags.seedOf[tag], low);
    if (hash >>> 8 >= this.threshold) return;
    const key = this.keys.find(tag, low, hash);
    if (key >= 0 && this.keys.isLive(key)) this.dropKey(key);
  }

  private dropRange(tag: number, low: number, end: number): void {
    for (const key of this.keys.liveKeys(tag)) {
      const at = this.keys.lowOf(key) >>> 0;
      if (at >= low && at < end) this.dropKey(key);
    }
  }

  private dropKey(key: number): void {
    const { keys } = this;
    const tag = keys.tagOf(key);
    keys.kill(key);
    this.stack.invalidate(key);
    this.leaves.own(this.groupOfTag[tag])?.stack.invalidate(keys.localLeaf[key]);
    this.tenants.own(this.memberOfTag[tag])?.stack.invalidate(keys.localTenant[key]);
  }

  /** Halves the sampling rate. */
  private sampleLess(): void {
    const { keys, stack, leaves, tenants } = this;
    this.settle();
    this.threshold >>= 1;
    this.scaleLog2++;
    keys.prune(
      (hash) => hash >>> 8 < this.threshold,
      (key) => {
        stack.forget(key);
        leaves.own(this.groupOfTag[keys.tagOf(key)])?.stack.forget(keys.localLeaf[key]);
        tenants.own(this.memberOfTag[keys.tagOf(key)])?.stack.forget(keys.localTenant[key]);
      },
    );
    for (const each of [stack, ...leaves.stacks(), ...tenants.stacks()]) each.halveHoles();
    for (const tally of this.tallies()) tally.coarsen();
  }

  private tallies(): Tally[] {
    return [this.all, ...this.parts.tallies(), ...this.leaves.tallies(), ...this.tenants.tallies()];
  }
}

/** References of each leaf class of each tenant, in the shared cache. */
class Parts {
  /** Lookups whose walk failed, by tenant. */
  readonly unfilled: Float64Array;
  private readonly classes: number;
  private readonly tenants: number;
  private readonly create: () => Tally;
  private readonly list: (Tally | undefined)[];

  constructor(classes: number, tenants: number, create: () => Tally) {
    this.classes = classes;
    this.tenants = tenants;
    this.create = create;
    this.unfilled = new Float64Array(tenants);
    this.list = new Array<Tally | undefined>(classes * tenants).fill(undefined);
  }

  of(leaf: number, tenant: number): Tally {
    return (this.list[leaf * this.tenants + tenant] ??= this.create());
  }

  ofLeaf(leaf: number): Tally {
    return this.sum((each) => each === leaf);
  }

  ofTenant(tenant: number): Tally {
    const sum = this.sum((_, each) => each === tenant);
    sum.lookups += this.unfilled[tenant];
    return sum;
  }

  sum(wanted: (leaf: number, tenant: number) => boolean): Tally {
    const sum = this.create();
    for (let leaf = 0; leaf < this.classes; leaf++) {
      for (let tenant = 0; tenant < this.tenants; tenant++) {
        const part = this.list[leaf * this.tenants + tenant];
        if (part !== undefined && wanted(leaf, tenant)) sum.add(part);
      }
    }
    return sum;
  }

  /** Everything: what it counts is what the curve of all lookups counts. */
  whole(): Tally {
    const sum = this.sum(() => true);
    for (const count of this.unfilled) sum.lookups += count;
    return sum;
  }

  get sizes(): { readonly classes: number; readonly tenants: number } {
    return { classes: this.classes, tenants: this.tenants };
  }

  tallies(): Tally[] {
    return this.list.filter((tally) => tally !== undefined);
  }
}

/** A cache of its own for one leaf class or tenant. Its keys have numbers of their own: few of many. */
interface Own {
  readonly stack: ReuseStack;
  readonly tally: Tally;
  nextLocal: number;
}

/**
 * Leaf classes, or tenants, each in a cache of its own. As long as only one member has been met, its own cache is the
 * shared one, and nothing is kept twice.
 */
class Owners {
  several = false;
  private readonly sharedStack: ReuseStack;
  private readonly grid: DepthGrid;
  private readonly owns = new Map<number, Own>();
  private only = -1;

  constructor(sharedStack: ReuseStack, grid: DepthGrid) {
    this.sharedStack = sharedStack;
    this.grid = grid;
  }

  /** A member is about to reference the shared stack. `shared` gives what a member has counted there. */
  meet(
    member: number,
    keys: KeyTable,
    memberOfTag: readonly number[],
    locals: Int32Array,
    shared: (member: number) => Tally,
  ): void {
    if (this.only < 0) this.only = member;
    if (member === this.only && !this.several) return;
    if (!this.several) {
      this.several = true;
      this.owns.set(this.only, this.copyOfShared(shared(this.only)));
      // Its own numbers are the shared ones as far as they go.
      for (let key = 0; key < locals.length; key++) if (memberOfTag[keys.tagOf(key)] === this.only) locals[key] = key;
      this.owns.get(this.only)!.nextLocal = locals.length;
    }
    if (!this.owns.has(member)) {
      this.owns.set(member, { stack: new ReuseStack(), tally: new Tally(this.grid), nextLocal: 0 });
    }
  }

  own(member: number): Own | undefined {
    return this.owns.get(member);
  }

  stacks(): ReuseStack[] {
    return [...this.owns.values()].map(({ stack }) => stack);
  }

  tallies(): Tally[] {
    return [...this.owns.values()].map(({ tally }) => tally);
  }

  /** Shared and, where it differs, own. */
  data(scope: Scope, member: number, shared: Tally): UnitCurves['full'] {
    const data = shared.data(scope, member, 'shared');
    const own = this.owns.get(member);
    if (own === undefined) return [data];
    const { lookups, upperHits, references } = data;
    return [data, { ...own.tally.data(scope, member, 'own'), lookups, upperHits, references }];
  }

  /** Own, which is shared where no other member has been met. */
  alone(scope: Scope, member: number, shared: Tally): UnitCurves['full'][number] {
    return { ...this.data(scope, member, shared).at(-1)!, sharing: 'own' };
  }

  private copyOfShared(counted: Tally): Own {
    const tally = new Tally(this.grid);
    tally.add(counted);
    return { stack: this.sharedStack.clone(), tally, nextLocal: 0 };
  }
}

class SetAnalysis {
  readonly stacks: SetStacks;
  readonly parts: Parts;

  constructor(sets: number, config: AnalysisConfig) {
    this.stacks = new SetStacks(sets, config.ways, config.index);
    this.parts = new Parts(config.classPagesLog2.length, config.tenants, () => new Tally());
  }

  reset(): void {
    for (const tally of this.parts.tallies()) tally.reset();
  }

  /** `full`: what the fully associative curves counted of lookups that reach no set. */
  result(full: Parts): SetCurves {
    const { parts } = this;
    const curve = (scope: Scope, member: number, depths: Tally, counted: Tally) => {
      const { lookups, upperHits, references } = counted;
      return { ...depths.data(scope, member, 'shared'), lookups, upperHits, references };
    };
    const { classes, tenants } = full.sizes;
    const leaves = Array.from({ length: classes }, (_, i) => curve('leaf', i, parts.ofLeaf(i), full.ofLeaf(i)));
    const byTenant = Array.from({ length: tenants }, (_, i) => curve('tenant', i, parts.ofTenant(i), full.ofTenant(i)));
    const all = curve('all', 0, parts.whole(), full.whole());
    return { sets: this.stacks.sets, ways: this.stacks.ways, curves: [all, ...leaves, ...byTenant] };
  }
}

/** Number of the leaf-class page that a 4 KiB page lies in. */
function pageOfClass(page: number, log2: number): number {
  return log2 === 0 ? page : Math.floor(page / powerOfTwo(log2));
}
