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

export class SetStacks {
  readonly sets: number;
  readonly ways: number;
  private readonly shift: number;
  /** Of each entry, most recent first, the page's low 32 bits and the tag (Tags); EMPTY in `tag`: a hole or nothing. */
  private readonly low: Int32Array;
  private readonly tag: Int32Array;
  /** Entries of each set that are in use or holes; what lies behind is nothing. */
  private readonly length: Int32Array;

  constructor(sets: number, ways: number, index: SetIndex) {
    this.sets = sets;
    this.ways = ways;
    this.shift = index === 'shifted' ? 3 : 0;
    this.low = new Int32Array(sets * ways);
    this.tag = new Int32Array(sets * ways).fill(EMPTY);
    this.length = new Int32Array(sets);
  }

  /** References a key; its depth within its set before, or ABSENT. `high`: the page's upper bits, as the tag has them. */
  reference(tag: number, low: number, high: number): number {
    const set = this.setOf(low, high);
    const first = set * this.ways;
    const tags = this.tag;
    const lows = this.low;
    if (tags[first] === tag && lows[first] === low) return 1;
    const end = first + this.length[set];
    let carriedTag = tag;
    let carriedLow = low;
    for (let at = first; at < end; at++) {
      const hereTag = tags[at];
      const hereLow = lows[at];
      tags[at] = carriedTag;
      lows[at] = carriedLow;
      if (hereTag === tag && hereLow === low) return at - first + 1;
      if (hereTag === EMPTY) return this.digAt(tag, low, at + 1, end, first);
      carriedTag = hereTag;
      carriedLow = hereLow;
    }
    if (this.length[set] < this.ways) {
      this.length[set]++;
      tags[end] = carriedTag;
      lows[end] = carriedLow;
    }
    return ABSENT;
  }

  /** A hole above has been filled: if the key is held below, its place becomes a hole. Its depth, or ABSENT. */
  private digAt(tag: number, low: number, from: number, end: number, first: number): number {
    for (let at = from; at < end; at++) {
      if (this.tag[at] !== tag || this.low[at] !== low) continue;
      this.tag[at] = EMPTY;
      return at - first + 1;
    }
    return ABSENT;
  }

  /** References the first `count` keys in turn; their depths go to `depths`. `highOf`: upper bits by tag. */
  referenceAll(tags: Int32Array, lows: Int32Array, highOf: readonly number[], count: number, depths: Int32Array): void {
    for (let i = 0; i < count; i++) depths[i] = this.reference(tags[i], lows[i], highOf[tags[i]]);
  }

  /** Drops the keys of a tag whose low bits are first … first + count - 1. */
  invalidate(tag: number, high: number, first: number, count: number): void {
    if (count <= PROBES) for (let low = first; low < first + count; low++) this.drop(tag, low | 0, high);
    else this.sweep(tag, first, count);
  }

  private sweep(tag: number, first: number, count: number): void {
    for (let set = 0; set < this.sets; set++) {
      const end = set * this.ways + this.length[set];
      for (let at = set * this.ways; at < end; at++) {
        const low = this.low[at] >>> 0;
        if (this.tag[at] === tag && low >= first && low - first < count) this.tag[at] = EMPTY;
      }
    }
  }

  private drop(tag: number, low: number, high: number): void {
    const set = this.setOf(low, high);
    const end = set * this.ways + this.length[set];
    for (let at = set * this.ways; at < end; at++) {
      if (this.tag[at] === tag && this.low[at] === low) this.tag[at] = EMPTY;
    }
  }

  private setOf(low: number, high: number): number {
    const { sets, shift } = this;
    if (high === 0 && low >= 0) return (low >> shift) % sets;
    return Math.floor((high * LOW_BITS + (low >>> 0)) / (1 << shift)) % sets;
  }
}
