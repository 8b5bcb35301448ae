/**
 * Numbers for IOTLB keys, 0, 1, 2, … in the order of first use. A key is a tag (Tags: address space, leaf class and upper bits
 * of the page) and the page's low 32 bits. Each key has a hash that depends on the key alone, for spatial sampling, and
 * each tag a list of its live keys, so that an invalidation of a whole domain costs what it drops.
 */
import { grown } from './reuse-stack.ts';

const FIRST_KEYS = 1024;
const NONE = -1;
/** Words of a key's record: what a reference looks at lies in one line of the processor's cache. */
export const KEY_WORDS = 4;
const KEY_LOW = 0;
const KEY_TAG = 1;
export const KEY_HASH = 2;
export const KEY_LIVE = 3;

export class KeyTable {
  /** Keys that have a number. */
  count = 0;
  /** KEY_WORDS for each key. */
  data = new Int32Array(FIRST_KEYS * KEY_WORDS);
  /** Number within its leaf class and its tenant, -1: none yet. */
  localLeaf = new Int32Array(FIRST_KEYS);
  localTenant = new Int32Array(FIRST_KEYS);
  /** Open addressing: number + 1, 0 = empty; at most half full. */
  private slots = new Int32Array(2 * FIRST_KEYS);
  /** Numbers given out: all below. */
  private used = 0;
  private readonly free: number[] = [];
  /** Lists of live keys by tag. */
  private next = new Int32Array(FIRST_KEYS);
  private previous = new Int32Array(FIRST_KEYS);
  private readonly first: number[] = [];

  /** The key's number, or -1. `hash` is `keyHash` of the same key. */
  find(tag: number, low: number, hash: number): number {
    const { slots, data } = this;
    const mask = slots.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const key = slots[at] - 1;
      if (key < 0) return NONE;
      if (data[key * KEY_WORDS + KEY_LOW] === low && data[key * KEY_WORDS + KEY_TAG] === tag) return key;
    }
  }

  /** Gives a key that has none a number. */
  add(tag: number, low: number, hash: number): number {
    const key = this.free.pop() ?? this.used++;
    if (key === this.next.length) this.grow();
    this.count++;
    const at = key * KEY_WORDS;
    this.data[at + KEY_LOW] = low;
    this.data[at + KEY_TAG] = tag;
    this.data[at + KEY_HASH] = hash;
    this.data[at + KEY_LIVE] = 0;
    this.localLeaf[key] = NONE;
    this.localTenant[key] = NONE;
    this.enter(key);
    return key;
  }

  lowOf(key: number): number {
    return this.data[key * KEY_WORDS + KEY_LOW];
  }

  tagOf(key: number): number {
    return this.data[key * KEY_WORDS + KEY_TAG];
  }

  private hashOf(key: number): number {
    return this.data[key * KEY_WORDS + KEY_HASH];
  }

  isLive(key: number): boolean {
    return this.data[key * KEY_WORDS + KEY_LIVE] === 1;
  }

  /** Puts a key that is not live on its tag's list of live keys. */
  revive(key: number): void {
    this.data[key * KEY_WORDS + KEY_LIVE] = 1;
    const tag = this.tagOf(key);
    const head = this.first[tag] ?? NONE;
    this.next[key] = head;
    this.previous[key] = NONE;
    if (head !== NONE) this.previous[head] = key;
    this.first[tag] = key;
  }

  kill(key: number): void {
    if (!this.isLive(key)) return;
    this.data[key * KEY_WORDS + KEY_LIVE] = 0;
    const before = this.previous[key];
    const after = this.next[key];
    if (before === NONE) this.first[this.tagOf(key)] = after;
    else this.next[before] = after;
    if (after !== NONE) this.previous[after] = before;
  }

  /** Live keys of a tag, newest first; the one given out may be killed. */
  *liveKeys(tag: number): Generator<number> {
    let key = this.first[tag] ?? NONE;
    while (key !== NONE) {
      const after = this.next[key];
      yield key;
      key = after;
    }
  }

  /** Takes the number back from every key whose hash is not wanted; `gone` is told first. */
  prune(wanted: (hash: number) => boolean, gone: (key: number) => void): void {
    const given = new Uint8Array(this.used).fill(1);
    for (const key of this.free) given[key] = 0;
    this.slots.fill(0);
    for (let key = 0; key < this.used; key++) {
      if (given[key] === 0) continue;
      if (wanted(this.hashOf(key))) {
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
    let at = this.hashOf(key) & mask;
    while (slots[at] !== 0) at = (at + 1) & mask;
    slots[at] = key + 1;
  }

  private grow(): void {
    const length = 2 * this.next.length;
    this.data = grown(this.data, length * KEY_WORDS, 0);
    this.localLeaf = grown(this.localLeaf, length, NONE);
    this.localTenant = grown(this.localTenant, length, NONE);
    this.next = grown(this.next, length, NONE);
    this.previous = grown(this.previous, length, NONE);
    this.slots = new Int32Array(4 * length);
    for (let key = 0; key < this.used - 1; key++) this.enter(key); // none is free when room runs out
  }
}

/** 32 well-mixed bits of a key (MurmurHash3's finalizer). `seed` is `tagSeed` of its tag. */
export function keyHash(seed: number, low: number): number {
  let x = low ^ seed;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return x ^ (x >>> 16);
}
