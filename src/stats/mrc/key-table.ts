/**
 * Numbers for IOTLB keys: (address space, leaf class, page in units of the class) → 0, 1, 2, … in the order of first use.
 * Each key also has a hash that depends on the key alone, for spatial sampling, and each space a list of its live keys, so
 * that an invalidation of a whole domain costs what it drops.
 */
import { grown } from './reuse-stack.ts';

const FIRST_KEYS = 1024;
const NONE = -1;
const LOW_BITS = 4_294_967_296;

/** Leaf classes of a key: two bits. */
const CLASS_BITS = 2;

export class KeyTable {
  /** Keys that have a number. */
  count = 0;
  /** Numbers given out: all below. */
  private used = 0;
  private readonly free: number[] = [];
  private low = new Int32Array(FIRST_KEYS);
  /** Upper bits of the page | class. */
  private high = new Int32Array(FIRST_KEYS);
  private space = new Int32Array(FIRST_KEYS);
  private hash = new Int32Array(FIRST_KEYS);
  /** Lists of live keys by space. */
  private next = new Int32Array(FIRST_KEYS).fill(NONE);
  private previous = new Int32Array(FIRST_KEYS).fill(NONE);
  private live = new Uint8Array(FIRST_KEYS);
  private readonly first: number[] = [];
  /** Open addressing: number + 1, 0 = empty; at most half full. */
  private slots = new Int32Array(2 * FIRST_KEYS);

  /** The key's number, or -1. `hash` is `keyHash` of the same key. */
  find(space: number, leaf: number, page: number, hash: number): number {
    const low = page | 0;
    const high = highOf(leaf, page);
    const { slots } = this;
    const mask = slots.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const key = slots[at] - 1;
      if (key < 0) return NONE;
      if (this.low[key] === low && this.high[key] === high && this.space[key] === space) return key;
    }
  }

  /** Gives a key that has none a number. */
  add(space: number, leaf: number, page: number, hash: number): number {
    const key = this.free.pop() ?? this.used++;
    if (key === this.low.length) this.grow();
    this.count++;
    this.low[key] = page | 0;
    this.high[key] = highOf(leaf, page);
    this.space[key] = space;
    this.hash[key] = hash;
    this.enter(key);
    return key;
  }

  leafOf(key: number): number {
    return this.high[key] & ((1 << CLASS_BITS) - 1);
  }

  pageOf(key: number): number {
    return (this.high[key] >>> CLASS_BITS) * LOW_BITS + (this.low[key] >>> 0);
  }

  /** Puts the key on its space's list of live keys. */
  revive(key: number): void {
    if (this.live[key] === 1) return;
    this.live[key] = 1;
    const space = this.space[key];
    const head = this.first[space] ?? NONE;
    this.next[key] = head;
    this.previous[key] = NONE;
    if (head !== NONE) this.previous[head] = key;
    this.first[space] = key;
  }

  kill(key: number): void {
    if (this.live[key] === 0) return;
    this.live[key] = 0;
    const [before, after] = [this.previous[key], this.next[key]];
    if (before === NONE) this.first[this.space[key]] = after;
    else this.next[before] = after;
    if (after !== NONE) this.previous[after] = before;
  }

  isLive(key: number): boolean {
    return this.live[key] === 1;
  }

  /** Live keys of a space, newest first; the one given out may be killed. */
  *liveKeys(space: number): Generator<number> {
    let key = this.first[space] ?? NONE;
    while (key !== NONE) {
      const after = this.next[key];
      yield key;
      key = after;
    }
  }

  /** Takes the number back from every key whose hash is not wanted; `gone` is told first. */
  prune(wanted: (hash: number) => boolean, gone: (key: number) => void): void {
    const was = new Uint8Array(this.used).fill(1);
    for (const key of this.free) was[key] = 0;
    this.slots.fill(0);
    for (let key = 0; key < this.used; key++) {
      if (was[key] === 0) continue;
      if (wanted(this.hash[key])) {
        this.enter(key);
        continue;
      }
      gone(key);
      this.kill(key);
      this.free.push(key);
      this.count--;
    }
  }

  private enter(key: number): void {
    const { slots } = this;
    const mask = slots.length - 1;
    let at = this.hash[key] & mask;
    while (slots[at] !== 0) at = (at + 1) & mask;
    slots[at] = key + 1;
  }

  private grow(): void {
    const length = 2 * this.low.length;
    for (const name of ['low', 'high', 'space', 'hash'] as const) this[name] = grown(this[name], length, 0);
    this.next = grown(this.next, length, NONE);
    this.previous = grown(this.previous, length, NONE);
    const live = new Uint8Array(length);
    live.set(this.live);
    this.live = live;
    this.slots = new Int32Array(2 * length);
    for (let key = 0; key < this.used - 1; key++) this.enter(key); // none is free when room runs out
  }
}

function highOf(leaf: number, page: number): number {
  return (Math.floor(page / LOW_BITS) << CLASS_BITS) | leaf;
}

/** 32 well-mixed bits of a key (MurmurHash3's finalizer over its parts). */
export function keyHash(space: number, leaf: number, page: number): number {
  const upper = Math.floor(page / LOW_BITS) ^ (leaf << 24);
  let x = (page | 0) ^ Math.imul(upper, 0x85ebca6b) ^ Math.imul(space + 1, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
