/**
 * Disjoint ranges of page frame numbers in address order: what Linux keeps in an rbtree of struct iova. Added is, for
 * each range, the room in the gap just below it: the largest naturally aligned power of two of pages that is free there.
 * So the search for size-aligned space takes O(log n) instead of a walk over all neighbours.
 *
 * A treap over typed arrays: nodes are indices, 0 is "none", freed nodes are reused; nothing is allocated per call
 * except when the node pool doubles. Node ANCHOR lies above every address, as Linux's anchor does.
 */
import { roundUpPowerOfTwo } from '../lib/bits.ts';

export const NONE = 0;
export const ANCHOR = 1;
const FIRST_NODE = 2;
/** Above every page of a 64-bit address space. */
const ABOVE_ALL = 4503599627370496;

export class RangeTree {
  /** First and last page of each node. */
  lo: Float64Array;
  hi: Float64Array;
  /** Room between its predecessor (or the floor) and the node, and the most in the node's subtree. */
  private room: Float64Array;
  private widest: Float64Array;
  private left: Int32Array;
  private right: Int32Array;
  private parent: Int32Array;
  /** Neighbours in address order; `next` also links free nodes. */
  private prev: Int32Array;
  private next: Int32Array;
  private rank: Int32Array;
  private root = ANCHOR;
  private freeNodes = NONE;
  private used = FIRST_NODE;
  private shape = 1;
  /** Ranges held, without the anchor. */
  size = 0;

  /** `floor`: the lowest page that counts as free. */
  constructor(floor: number, capacity = 64) {
    this.lo = new Float64Array(capacity);
    this.hi = new Float64Array(capacity);
    this.room = new Float64Array(capacity);
    this.widest = new Float64Array(capacity);
    this.left = new Int32Array(capacity);
    this.right = new Int32Array(capacity);
    this.parent = new Int32Array(capacity);
    this.prev = new Int32Array(capacity);
    this.next = new Int32Array(capacity);
    this.rank = new Int32Array(capacity);
    this.lo[ANCHOR] = this.hi[ANCHOR] = ABOVE_ALL;
    this.hi[NONE] = floor - 1;
    this.rank[ANCHOR] = 0x7fffffff;
    this.setRoom(ANCHOR);
  }

  before(node: number): number {
    return this.prev[node];
  }

  after(node: number): number {
    return this.next[node];
  }

  /** The range that contains `page`, or NONE. */
  find(page: number): number {
    let node = this.root;
    while (node !== NONE) {
      if (page < this.lo[node]) node = this.left[node]!;
      else if (page > this.hi[node]) node = this.right[node]!;
      else return node;
    }
    return NONE;
  }

  /** The lowest range that begins at or above `page`; the anchor when no other does. */
  atOrAbove(page: number): number {
    let node = this.root;
    let found = ANCHOR;
    while (node !== NONE) {
      if (this.lo[node] >= page) {
        found = node;
        node = this.left[node]!;
      } else {
        node = this.right[node]!;
      }
    }
    return found;
  }

  /** The nearest range below `node` (in address order) with room for an aligned block of `pages` (2^n), or NONE. */
  roomBefore(node: number, pages: number): number {
    let at = node;
    const below = this.left[at];
    if (this.widest[below] >= pages) return this.lastRoom(below, pages);
    for (;;) {
      const up = this.parent[at];
      if (up === NONE) return NONE;
      if (this.right[up] === at) {
        if (this.room[up] >= pages) return up;
        const side = this.left[up];
        if (this.widest[side] >= pages) return this.lastRoom(side, pages);
      }
      at = up;
    }
  }

  private lastRoom(subtree: number, pages: number): number {
    let node = subtree;
    for (;;) {
      const right = this.right[node];
      if (this.widest[right] >= pages) node = right;
      else if (this.room[node] >= pages) return node;
      else node = this.left[node]!;
    }
  }

  /** Adds lo … hi, which must be free, just below `above` in address order. Returns its node. */
  insertBefore(above: number, lo: number, hi: number): number {
    const node = this.takeNode();
    const below = this.prev[above];
    this.lo[node] = lo;
    this.hi[node] = hi;
    this.link(below, node);
    this.link(node, above);
    this.attach(node, below, above);
    this.setRoom(node);
    this.setRoom(above);
    this.rotateUp(node);
    this.size++;
    return node;
  }

  remove(node: number): void {
    const above = this.next[node];
    while (this.left[node] !== NONE || this.right[node] !== NONE) this.rotate(this.heavierChild(node));
    const up = this.parent[node];
    if (this.left[up] === node) this.left[up] = NONE;
    else this.right[up] = NONE;
    this.refresh(up);
    this.link(this.prev[node], above);
    this.setRoom(above);
    this.next[node] = this.freeNodes;
    this.freeNodes = node;
    this.size--;
  }

  private link(below: number, above: number): void {
    if (below !== NONE) this.next[below] = above;
    this.prev[above] = below;
  }

  /** As a leaf: neighbours in order always offer a free child on one side. */
  private attach(node: number, below: number, above: number): void {
    if (this.left[above] === NONE) {
      this.left[above] = node;
      this.parent[node] = above;
    } else {
      this.right[below] = node;
      this.parent[node] = below;
    }
  }

  private setRoom(node: number): void {
    this.room[node] = largestBlock(this.hi[this.prev[node]] + 1, this.lo[node]);
    this.refresh(node);
  }

  /** Brings `widest` up to date from `node` to the root, as far as it changes. */
  private refresh(node: number): void {
    for (let at = node; at !== NONE; at = this.parent[at]!) {
      const widest = this.widestOf(at);
      if (widest === this.widest[at]) return;
      this.widest[at] = widest;
    }
  }

  private widestOf(node: number): number {
    return Math.max(this.room[node], this.widest[this.left[node]], this.widest[this.right[node]]);
  }

  private rotateUp(node: number): void {
    while (this.parent[node] !== NONE && this.rank[this.parent[node]] < this.rank[node]) this.rotate(node);
  }

  private heavierChild(node: number): number {
    const left = this.left[node];
    const right = this.right[node];
    if (left === NONE) return right;
    if (right === NONE) return left;
    return this.rank[left] > this.rank[right] ? left : right;
  }

  /** Lifts `node` over its parent. */
  private rotate(node: number): void {
    const down = this.parent[node];
    const up = this.parent[down];
    if (this.left[down] === node) {
      this.adopt(down, this.right[node], this.left);
      this.right[node] = down;
    } else {
      this.adopt(down, this.left[node], this.right);
      this.left[node] = down;
    }
    this.parent[down] = node;
    this.parent[node] = up;
    if (up === NONE) this.root = node;
    else if (this.left[up] === down) this.left[up] = node;
    else this.right[up] = node;
    this.widest[down] = this.widestOf(down);
    this.widest[node] = this.widestOf(node);
  }

  private adopt(node: number, child: number, side: Int32Array): void {
    side[node] = child;
    if (child !== NONE) this.parent[child] = node;
  }

  private takeNode(): number {
    let node = this.freeNodes;
    if (node !== NONE) {
      this.freeNodes = this.next[node]!;
    } else {
      if (this.used === this.lo.length) this.grow();
      node = this.used++;
    }
    this.left[node] = this.right[node] = NONE;
    this.room[node] = this.widest[node] = -1; // no real value: setRoom sees a change
    // The treap's priorities: any well-mixed sequence will do, results do not depend on the tree's shape.
    this.shape = (Math.imul(this.shape, 1664525) + 1013904223) | 0;
    this.rank[node] = this.shape >>> 1;
    return node;
  }

  private grow(): void {
    const capacity = this.lo.length * 2;
    const wide = (old: Float64Array): Float64Array => copyInto(new Float64Array(capacity), old);
    const narrow = (old: Int32Array): Int32Array => copyInto(new Int32Array(capacity), old);
    this.lo = wide(this.lo);
    this.hi = wide(this.hi);
    this.room = wide(this.room);
    this.widest = wide(this.widest);
    this.left = narrow(this.left);
    this.right = narrow(this.right);
    this.parent = narrow(this.parent);
    this.prev = narrow(this.prev);
    this.next = narrow(this.next);
    this.rank = narrow(this.rank);
  }
}

/** The largest naturally aligned power of two of pages inside first … end - 1; 0 if there is none. */
function largestBlock(first: number, end: number): number {
  if (end <= first) return 0;
  let block = roundUpPowerOfTwo(end - first + 1) / 2;
  while (Math.ceil(first / block) * block + block > end) block /= 2;
  return block;
}

function copyInto<T extends Float64Array | Int32Array>(target: T, source: T): T {
  target.set(source);
  return target;
}
