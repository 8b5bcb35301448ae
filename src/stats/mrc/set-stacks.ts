/**
 * LRU depths within sets: one pass gives the hits of every number of ways for one number of sets (all-associativity; Hill and
 * Smith: "Evaluating associativity in CPU caches", IEEE Transactions on Computers 1989). Each set is a list in the order of use,
 * as long as the most ways asked for; deeper keys miss in all of them, so they need not be kept. Invalidations leave holes
 * (see ReuseStack).
 */
import { ABSENT } from './reuse-stack.ts';

/** Which set a key falls into, as the kernel's caches compute it. */
export type SetIndex = 'modulo' | 'shifted';

const EMPTY = -1;
const LOW_BITS = 4_294_967_296;
/** Drops of so few keys look each one up; larger ones sweep. */
const PROBES = 32;
/** Cells of the filter for each entry, and the most of them. */
const CELLS = 8;
const MOST_CELLS_LOG2 = 20;

export class SetStacks {
  readonly sets: number;
  readonly ways: number;
  private readonly shift: number;
  /** Each set's entries lie in a ring of 2^ringLog2, the most recent one at `head`, so that one that comes new moves none. */
  private readonly ringLog2: number;
  private readonly head: Int32Array;
  /** Of each entry the page's low 32 bits and the tag (Tags); EMPTY in `tag`: a hole or nothing. */
  private readonly low: Int32Array;
  private readonly tag: Int32Array;
  /** Entries of each set that are in use or holes; what lies behind is nothing. And the holes alone. */
  private readonly length: Int32Array;
  private readonly holes: Int32Array;
  /** Keys held, counted by a hash: most keys that are not held are known from a 0 here, without a look at the set. */
  private readonly filter: Int32Array;
  private readonly filterShift: number;

  constructor(sets: number, ways: number, index: SetIndex) {
    this.sets = sets;
    this.ways = ways;
    this.shift = index === 'shifted' ? 3 : 0;
    this.ringLog2 = ceilLog2(ways);
    this.head = new Int32Array(sets);
    this.low = new Int32Array(sets << this.ringLog2);
    this.tag = new Int32Array(sets << this.ringLog2).fill(EMPTY);
    this.length = new Int32Array(sets);
    this.holes = new Int32Array(sets);
    const cellsLog2 = Math.min(MOST_CELLS_LOG2, ceilLog2(CELLS * sets * ways));
    this.filter = new Int32Array(1 << cellsLog2);
    this.filterShift = 32 - cellsLog2;
  }

  /** References a key; its depth within its set before, or ABSENT. `high`: the page's upper bits, as the tag has them. */
  reference(tag: number, low: number, high: number): number {
    const { tag: tags, low: lows, ringLog2 } = this;
    const set = this.setOf(low, high);
    const first = set << ringLog2;
    const head = this.head[set];
    if (tags[first + head] === tag && lows[first + head] === low) return 1;
    if (this.filter[this.cellOf(tag, low)] === 0) return this.enter(set, tag, low);
    if (this.holes[set] > 0) return this.referencePastHoles(set, tag, low);
    const length = this.length[set];
    const mask = (1 << ringLog2) - 1;
    let carriedTag = tag;
    let carriedLow = low;
    for (let depth = 0; depth < length; depth++) {
      const at = first + ((head + depth) & mask);
      const hereTag = tags[at];
      const hereLow = lows[at];
      tags[at] = carriedTag;
      lows[at] = carriedLow;
      if (hereLow === low && hereTag === tag) return depth + 1;
      carriedTag = hereTag;
      carriedLow = hereLow;
    }
    return this.pushOut(set, carriedTag, carriedLow, this.cellOf(tag, low));
  }

  /** The filter was wrong and all entries have moved down: the last one takes a new place, or goes. */
  private pushOut(set: number, tag: number, low: number, newCell: number): number {
    this.filter[newCell]++;
    if (this.length[set] === this.ways) {
      this.filter[this.cellOf(tag, low)]--;
      return ABSENT;
    }
    const at = this.at(set, this.length[set]++);
    this.tag[at] = tag;
    this.low[at] = low;
    return ABSENT;
  }

  /** If a hole lies above the key, that is filled and the key's place becomes one. */
  private referencePastHoles(set: number, tag: number, low: number): number {
    const length = this.length[set];
    for (let depth = 0; depth < length; depth++) {
      const at = this.at(set, depth);
      if (this.tag[at] !== tag || this.low[at] !== low) continue;
      const hole = this.firstHole(set, depth);
      if (hole < depth) this.tag[at] = EMPTY;
      this.putOnTop(set, hole, tag, low);
      return depth + 1;
    }
    return this.enter(set, tag, low);
  }

  /** A key that is not held takes the topmost hole, or a new place; then the last of a full set goes. */
  private enter(set: number, tag: number, low: number): number {
    this.filter[this.cellOf(tag, low)]++;
    if (this.holes[set] > 0) {
      this.holes[set]--;
      this.putOnTop(set, this.firstHole(set, this.length[set]), tag, low);
      return ABSENT;
    }
    if (this.length[set] < this.ways) this.length[set]++;
    else this.forget(this.at(set, this.ways - 1));
    const head = (this.head[set] - 1) & ((1 << this.ringLog2) - 1);
    this.head[set] = head;
    const at = (set << this.ringLog2) + head;
    this.tag[at] = tag;
    this.low[at] = low;
    return ABSENT;
  }

  /** Moves what lies above `depth` down by one, over what is there. */
  private putOnTop(set: number, depth: number, tag: number, low: number): void {
    const { tag: tags, low: lows, ringLog2 } = this;
    const first = set << ringLog2;
    const head = this.head[set];
    const mask = (1 << ringLog2) - 1;
    let to = first + ((head + depth) & mask);
    for (let above = depth - 1; above >= 0; above--) {
      const from = first + ((head + above) & mask);
      tags[to] = tags[from];
      lows[to] = lows[from];
      to = from;
    }
    tags[to] = tag;
    lows[to] = low;
  }

  /** The topmost hole above `end`, or `end`. */
  private firstHole(set: number, end: number): number {
    let depth = 0;
    while (depth < end && this.tag[this.at(set, depth)] !== EMPTY) depth++;
    return depth;
  }

  private at(set: number, depth: number): number {
    return (set << this.ringLog2) + ((this.head[set] + depth) & ((1 << this.ringLog2) - 1));
  }

  private cellOf(tag: number, low: number): number {
    return Math.imul(low ^ Math.imul(tag, 0x85ebca6b), 0x9e3779b1) >>> this.filterShift;
  }

  private forget(at: number): void {
    this.filter[this.cellOf(this.tag[at], this.low[at])]--;
  }

  /** References the first `count` keys in turn; their depths go to `depths`. `highOf`: upper bits by tag. */
  referenceAll(tags: Int32Array, lows: Int32Array, highOf: readonly number[], count: number, depths: Int32Array): void {
    let lastTag = -1;
    let high = 0;
    for (let i = 0; i < count; i++) {
      const tag = tags[i];
      if (tag !== lastTag) {
        lastTag = tag;
        high = highOf[tag];
      }
      depths[i] = this.reference(tag, lows[i], high);
    }
  }

  /** Drops the keys of a tag whose low bits are first … first + count - 1. */
  invalidate(tag: number, high: number, first: number, count: number): void {
    if (count <= PROBES) for (let low = first; low < first + count; low++) this.drop(tag, low | 0, high);
    else this.sweep(tag, first, count);
  }

  private sweep(tag: number, first: number, count: number): void {
    for (let set = 0; set < this.sets; set++) {
      for (let depth = 0; depth < this.length[set]; depth++) {
        const at = this.at(set, depth);
        const low = this.low[at] >>> 0;
        if (this.tag[at] === tag && low >= first && low - first < count) this.dig(set, at);
      }
    }
  }

  private drop(tag: number, low: number, high: number): void {
    if (this.filter[this.cellOf(tag, low)] === 0) return;
    const set = this.setOf(low, high);
    for (let depth = 0; depth < this.length[set]; depth++) {
      const at = this.at(set, depth);
      if (this.tag[at] === tag && this.low[at] === low) this.dig(set, at);
    }
  }

  private dig(set: number, at: number): void {
    this.forget(at);
    this.tag[at] = EMPTY;
    this.holes[set]++;
  }

  private setOf(low: number, high: number): number {
    const { sets, shift } = this;
    if ((sets & (sets - 1)) === 0 && shift === 0) return low & (sets - 1);
    if (high === 0 && low >= 0) return (low >> shift) % sets;
    return Math.floor((high * LOW_BITS + (low >>> 0)) / (1 << shift)) % sets;
  }
}

function ceilLog2(x: number): number {
  return 32 - Math.clz32(x - 1);
}
