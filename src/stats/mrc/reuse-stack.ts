/**
 * LRU stack distances in one pass (Mattson, Gecsei, Slutz, Traiger: "Evaluation techniques for storage hierarchies", IBM
 * Systems Journal 1970), with invalidations.
 *
 * The stack holds the keys by recency; a fully associative LRU cache of n entries holds exactly the n topmost, whatever n
 * is. A reference to the key at depth d therefore hits in caches of d entries or more. An invalidated key leaves a *hole*:
 * an empty entry in every cache that held it. The next key that such a cache misses takes the hole and nothing is evicted.
 * So when a key comes up from depth d, the topmost hole above it is filled (the keys above that hole move down by one, those
 * below it stay), and d becomes a hole, since caches of d entries or more hit and keep theirs.
 *
 * Places are numbered by time of last use. A bit map says which are taken, and a tree of sums over its words counts those above a
 * place in O(log n) (Bennett and Kruskal, IBM J. Res. Dev. 1975). Place numbers are used up by references and given out anew,
 * in the same order, when they have run out.
 *
 * The tree is a binary heap and not Fenwick's: a way up is as long for every place, so that no branch depends on which, and one way up
 * both counts and clears.
 */
const FIRST_PLACES = 1024;
const HOLE = -1;
/** Places for each one taken, at least, when they are given out anew. */
const SLACK = 4;

/** Depth of a reference to a key that the stack does not hold. */
export const ABSENT = 0;

export class ReuseStack {
  /** Keys held (holes are not). */
  size = 0;
  /** Place of each key by its number, -1: not held. */
  private placeOf = new Int32Array(256).fill(-1);
  /** Key at each place, or HOLE; only meaningful where the bit is set. */
  private ownerOf = new Int32Array(FIRST_PLACES);
  private bits = new Int32Array(FIRST_PLACES / 32);
  /** Bits set in each word below `topWord`, from half the length on; before, sums: node n > 1 has children 2n and 2n + 1. */
  private tree = new Int32Array(FIRST_PLACES / 16);
  private topWord = 0;
  /** Bits set in `topWord`. */
  private topCount = 0;
  /** The next place. */
  private top = 0;
  /** Max-heap of the holes' places. */
  private holes: number[] = [];

  /**
   * References a key (a small whole number that the caller gives it) and puts it on top. Returns its depth before, 1 for
   * the topmost: the least number of entries with which a cache hits. ABSENT if it was not held.
   */
  reference(key: number): number {
    const place = key < this.placeOf.length ? this.placeOf[key] : -1;
    if (place >= 0 && place === this.top - 1) return 1;
    const depth = place >= 0 ? this.depthOf(place) : ABSENT;
    if (place < 0) {
      this.size++;
      if (this.holes.length > 0) this.clear(this.takeHole());
    } else if (this.holes.length > 0 && this.holes[0] > place) {
      this.clear(this.takeHole());
      this.dig(place);
    } else {
      this.clear(place);
    }
    this.push(key);
    return depth;
  }

  /** References keys[from … to - 1] in turn; their depths go to the same places of `depths`. Keys below 0 are passed over. */
  referenceAll(keys: Int32Array, from: number, to: number, depths: Int32Array): void {
    let i = from;
    while (i < to) {
      i = this.referenceHeld(keys, i, to, depths);
      if (i === to) return;
      if (keys[i] >= 0) depths[i] = this.reference(keys[i]);
      i++;
    }
  }

  /** The same, `reference` written out for keys that are held while there are no holes, up to one that needs more. */
  private referenceHeld(keys: Int32Array, from: number, to: number, depths: Int32Array): number {
    if (this.holes.length > 0) return from;
    const { placeOf, ownerOf, bits, tree, topWord } = this;
    const words = tree.length >> 1;
    const end = Math.min(ownerOf.length, (topWord + 1) << 5);
    let { top, topCount } = this;
    let i = from;
    for (; i < to; i++) {
      const key = keys[i];
      if (key < 0 || key >= placeOf.length) break;
      const place = placeOf[key];
      if (place === top - 1 && place >= 0) {
        depths[i] = 1;
        continue;
      }
      if (place < 0 || top >= end) break;
      const word = place >> 5;
      let depth = popcount(bits[word] >>> (place & 31));
      bits[word] &= ~(1 << (place & 31));
      if (word !== topWord) {
        depth += topCount++;
        for (let node = words + word; node > 1; node >>= 1) {
          depth += tree[node | 1] & ((node & 1) - 1);
          tree[node]--;
        }
      }
      depths[i] = depth;
      bits[topWord] |= 1 << (top & 31);
      ownerOf[top] = key;
      placeOf[key] = top++;
    }
    this.top = top;
    this.topCount = topCount;
    return i;
  }

  /** An invalidation drops the key; a hole stays. False if it was not held. */
  invalidate(key: number): boolean {
    const place = this.place(key);
    if (place < 0) return false;
    this.placeOf[key] = -1;
    if (--this.size === 0) this.empty();
    else this.dig(place);
    return true;
  }

  /** Takes a key out as if it had never been there: a sample gives it up. */
  forget(key: number): void {
    const place = this.place(key);
    if (place < 0) return;
    this.placeOf[key] = -1;
    this.clear(place);
    this.size--;
  }

  /** Closes every second hole, from the top: those of keys that a sample gave up. */
  halveHoles(): void {
    const ordered = this.holes.sort((a, b) => b - a);
    ordered.forEach((place, i) => {
      if (i % 2 === 0) this.clear(place);
    });
    this.holes = ordered.filter((_, i) => i % 2 === 1);
  }

  holds(key: number): boolean {
    return this.place(key) >= 0;
  }

  /** A stack of its own in the same state. */
  clone(): ReuseStack {
    const copy = new ReuseStack();
    copy.size = this.size;
    copy.placeOf = this.placeOf.slice();
    copy.ownerOf = this.ownerOf.slice();
    copy.bits = this.bits.slice();
    copy.tree = this.tree.slice();
    copy.topWord = this.topWord;
    copy.topCount = this.topCount;
    copy.top = this.top;
    copy.holes = [...this.holes];
    return copy;
  }

  private place(key: number): number {
    return key < this.placeOf.length ? this.placeOf[key] : -1;
  }

  /** Taken places from `place` (which is one) to the top. */
  private depthOf(place: number): number {
    const word = place >> 5;
    const upward = popcount(this.bits[word] >>> (place & 31));
    if (word === this.topWord) return upward;
    const { tree } = this;
    let sum = upward + this.topCount;
    for (let node = (tree.length >> 1) + word; node > 1; node >>= 1) sum += tree[node | 1] & ((node & 1) - 1);
    return sum;
  }

  private clear(place: number): void {
    const word = place >> 5;
    this.bits[word] &= ~(1 << (place & 31));
    if (word === this.topWord) this.topCount--;
    else this.count(word, -1);
  }

  private count(word: number, by: number): void {
    const { tree } = this;
    for (let node = (tree.length >> 1) + word; node > 1; node >>= 1) tree[node] += by;
  }

  private push(key: number): void {
    if (this.top === this.ownerOf.length) this.renumber();
    const place = this.top++;
    const word = place >> 5;
    if (word !== this.topWord) {
      this.count(this.topWord, this.topCount);
      this.topWord = word;
      this.topCount = 0;
    }
    this.topCount++;
    this.bits[word] |= 1 << (place & 31);
    this.ownerOf[place] = key;
    if (key >= this.placeOf.length) this.placeOf = grown(this.placeOf, key + 1, -1);
    this.placeOf[key] = place;
  }

  private dig(place: number): void {
    this.ownerOf[place] = HOLE;
    const { holes } = this;
    let i = holes.length;
    holes.push(place);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (holes[parent] >= place) break;
      holes[i] = holes[parent];
      i = parent;
    }
    holes[i] = place;
  }

  private takeHole(): number {
    const { holes } = this;
    const first = holes[0];
    const last = holes.pop()!;
    const count = holes.length;
    if (count === 0) return first;
    let i = 0;
    for (let child = 1; child < count; child = 2 * i + 1) {
      if (child + 1 < count && holes[child + 1] > holes[child]) child++;
      if (holes[child] <= last) break;
      holes[i] = holes[child];
      i = child;
    }
    holes[i] = last;
    return first;
  }

  private empty(): void {
    this.bits.fill(0);
    this.tree.fill(0);
    this.topWord = 0;
    this.topCount = 0;
    this.top = 0;
    this.holes = [];
  }

  /** Gives out the place numbers anew, in the same order; most of them are free afterwards. */
  private renumber(): void {
    const { ownerOf, bits } = this;
    const taken = this.tree[2] + this.tree[3] + this.topCount;
    let places = ownerOf.length;
    while (places < SLACK * taken) places *= 2;
    const owners = places === ownerOf.length ? ownerOf : new Int32Array(places);
    let next = 0;
    const holes: number[] = [];
    for (let word = 0; word <= this.topWord; word++) {
      for (let left = bits[word]; left !== 0; left &= left - 1) {
        const key = ownerOf[(word << 5) + 31 - Math.clz32(left & -left)];
        if (key === HOLE) holes.push(next);
        else this.placeOf[key] = next;
        owners[next++] = key;
      }
    }
    this.ownerOf = owners;
    this.holes = holes.reverse(); // descending order is a heap
    this.fillBits(places / 32, next);
  }

  /** The first `taken` places are taken. */
  private fillBits(words: number, taken: number): void {
    if (words !== this.bits.length) {
      this.bits = new Int32Array(words);
      this.tree = new Int32Array(2 * words);
    }
    const { bits, tree } = this;
    this.top = taken;
    this.topWord = taken >> 5;
    this.topCount = taken & 31;
    bits.fill(-1, 0, this.topWord).fill(0, this.topWord);
    bits[this.topWord] = (1 << this.topCount) - 1;
    tree.fill(32, words, words + this.topWord).fill(0, words + this.topWord);
    for (let node = words - 1; node > 0; node--) tree[node] = tree[2 * node] + tree[2 * node + 1];
  }
}

function popcount(word: number): number {
  let x = word - ((word >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** A copy with room for at least `least` items. */
export function grown(items: Int32Array, least: number, fill: number): Int32Array<ArrayBuffer> {
  let { length } = items;
  while (length < least) length *= 2;
  const copy = new Int32Array(length).fill(fill, items.length);
  copy.set(items);
  return copy;
}
