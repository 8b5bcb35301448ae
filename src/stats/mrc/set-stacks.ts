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
/** Drops of so few keys look each one up; larger ones sweep. */
const PROBES = 32;

export class SetStacks {
  readonly sets: number;
  readonly ways: number;
  private readonly shift: number;
  /** Page and (space, class) of each entry, most recent first; EMPTY in `tag`: a hole or nothing. */
  private readonly page: Float64Array;
  private readonly tag: Int32Array;
  /** Entries of each set that are in use or holes; what lies behind is nothing. */
  private readonly length: Int32Array;

  constructor(sets: number, ways: number, index: SetIndex) {
    this.sets = sets;
    this.ways = ways;
    this.shift = index === 'shifted' ? 8 : 1;
    this.page = new Float64Array(sets * ways);
    this.tag = new Int32Array(sets * ways).fill(EMPTY);
    this.length = new Int32Array(sets);
  }

  /** References a key; its depth within its set before, or ABSENT. `tag` names address space and leaf class, ≥ 0. */
  reference(tag: number, page: number): number {
    const set = this.setOf(page);
    const first = set * this.ways;
    const end = first + this.length[set];
    let hole = -1;
    let at = first;
    for (; at < end; at++) {
      if (this.tag[at] === tag && this.page[at] === page) break;
      if (hole < 0 && this.tag[at] === EMPTY) hole = at;
    }
    const found = at < end;
    if (hole >= 0) this.moveDown(first, hole);
    else if (found) this.moveDown(first, at);
    else this.moveDown(first, this.extend(set));
    if (found && hole >= 0) this.tag[at] = EMPTY;
    this.tag[first] = tag;
    this.page[first] = page;
    return found ? at - first + 1 : ABSENT;
  }

  /** Drops the keys of a tag whose pages are first … first + count - 1. */
  invalidate(tag: number, first: number, count: number): void {
    if (count <= PROBES) for (let page = first; page < first + count; page++) this.drop(tag, page);
    else this.sweep(tag, first, count);
  }

  private sweep(tag: number, first: number, count: number): void {
    for (let set = 0; set < this.sets; set++) {
      const end = set * this.ways + this.length[set];
      for (let at = set * this.ways; at < end; at++) {
        const inside = this.page[at] >= first && this.page[at] - first < count;
        if (inside && this.tag[at] === tag) this.tag[at] = EMPTY;
      }
    }
  }

  private drop(tag: number, page: number): void {
    const set = this.setOf(page);
    const end = set * this.ways + this.length[set];
    for (let at = set * this.ways; at < end; at++) {
      if (this.tag[at] === tag && this.page[at] === page) this.tag[at] = EMPTY;
    }
  }

  private setOf(page: number): number {
    return (this.shift === 1 ? page : Math.floor(page / this.shift)) % this.sets;
  }

  /** Index that the last entry of a set moves down to: a new one, or over the last, which is lost. */
  private extend(set: number): number {
    if (this.length[set] < this.ways) this.length[set]++;
    return set * this.ways + this.length[set] - 1;
  }

  /** Entries first … to - 1 move down by one, over the one at `to`. */
  private moveDown(first: number, to: number): void {
    for (let at = to; at > first; at--) {
      this.tag[at] = this.tag[at - 1];
      this.page[at] = this.page[at - 1];
    }
  }
}
