/**
 * A set-associative cache as one would explain it: sets are arrays of ways, every use is written down with its time, and
 * the victim is looked for. Slow on purpose; holds nothing in common with kernel/assembly/cache.ts but the definitions.
 */
import type { CacheSpec } from '../../src/spec.ts';

/** What an entry is found by: page number in units of its leaf class, the class, and the address space. */
export interface Key {
  readonly page: number;
  readonly leafClass: number;
  readonly space: number;
}

export interface Entry<T> extends Key {
  readonly way: number;
  readonly set: number;
  value: T;
  usedAt: number;
  filledAt: number;
  uses: number;
  /** SRRIP's re-reference prediction: 0 = soon … 3 = never. */
  distance: number;
}

/** Sets of more ways than this keep their empty ways in a list when the kernel does (only `random` can tell). */
const LISTED_ABOVE = 16;

export class ReferenceCache<T> {
  fills = 0;
  evictions = 0;
  dropped = 0;
  private readonly spec: CacheSpec;
  private readonly sets: (Entry<T> | undefined)[][] = [];
  private readonly bySpace = new Map<number, Map<number, Entry<T>>>();
  /** Empty ways in the order in which they will be taken. */
  private readonly free: number[][] = [];
  /** Tree-PLRU: for each range of ways `first..end` the half that the next victim is in. */
  private readonly towardsUpper: Map<string, boolean>[] = [];
  private time = 0;
  private seed: number;
  private readonly tenantOf: (domain: number) => number;

  /** `tenantOf`: index of a domain's tenant, for a cache that is divided among tenants. */
  constructor(spec: CacheSpec, seed = 1, tenantOf: (domain: number) => number = () => 0) {
    this.tenantOf = tenantOf;
    this.spec = spec;
    this.seed = seed;
    for (let set = 0; set < spec.entries / spec.ways; set++) {
      this.sets.push(Array.from({ length: spec.ways }, () => undefined));
      this.free.push(Array.from({ length: spec.ways }, (_, way) => way));
      this.towardsUpper.push(new Map());
    }
  }

  find(key: Key): Entry<T> | undefined {
    return this.bySpace.get(key.space)?.get(inSpace(key));
  }

  touch(entry: Entry<T>): void {
    entry.usedAt = ++this.time;
    entry.uses++;
    entry.distance = 0;
    this.pointAway(entry.set, entry.way);
  }

  entries(): Entry<T>[] {
    return this.sets.flat().filter((entry) => entry !== undefined);
  }

  /** The key must be absent. */
  insert(key: Key, value: T): Entry<T> {
    const set = this.setOf(key);
    const way = this.spec.partition?.by === 'ways' ? this.wayOf(key, set) : (this.free[set].shift() ?? this.evict(set));
    const now = ++this.time;
    const { page, leafClass, space } = key;
    const entry = { page, leafClass, space, set, way, value, usedAt: now, filledAt: now, uses: 1, distance: 2 };
    this.sets[set][way] = entry;
    if (!this.bySpace.has(space)) this.bySpace.set(space, new Map());
    this.bySpace.get(space)!.set(inSpace(key), entry);
    this.pointAway(set, way);
    this.fills++;
    return entry;
  }

  /** Of the ways that the key's tenant may take: the first empty one, or the victim's. */
  private wayOf(key: Key, set: number): number {
    const ways = this.placesOf(key, this.spec.ways);
    const empty = ways.find((way) => this.sets[set][way] === undefined);
    if (empty === undefined) return this.evict(set, ways);
    this.free[set].splice(this.free[set].indexOf(empty), 1);
    return empty;
  }

  /** Ways or sets, of so many, that are the key's tenant's own or shared by all. */
  private placesOf({ space }: Key, total: number): number[] {
    const { minimum } = this.spec.partition!;
    const owners = minimum.flatMap((own, tenant) => new Array<number>(own).fill(tenant));
    const tenant = this.tenantOf(space % 2 ** 16);
    const places = Array.from({ length: total }, (_, place) => place);
    return places.filter((place) => owners[place] === undefined || owners[place] === tenant);
  }

  remove(entry: Entry<T>): void {
    this.take(entry);
    this.dropped++;
    const { free } = this;
    if (this.spec.replacement === 'random' && this.spec.ways > LISTED_ABOVE && this.spec.partition?.by !== 'ways')
      free[entry.set].unshift(entry.way);
    else {
      free[entry.set].push(entry.way);
      free[entry.set].sort((a, b) => a - b);
    }
  }

  /** Removes every entry that matches; returns them. */
  removeIf(matches: (entry: Entry<T>) => boolean): Entry<T>[] {
    const found = this.sets.flat().filter((entry) => entry !== undefined && matches(entry)) as Entry<T>[];
    for (const entry of found) this.remove(entry);
    return found;
  }

  /** One access that fills on a miss; true = hit. */
  access(key: Key, value: T): boolean {
    const entry = this.find(key);
    if (entry === undefined) this.insert(key, value);
    else this.touch(entry);
    return entry !== undefined;
  }

  private take(entry: Entry<T>): void {
    this.sets[entry.set][entry.way] = undefined;
    this.bySpace.get(entry.space)!.delete(inSpace(entry));
  }

  private setOf(key: Key): number {
    if (this.spec.partition?.by !== 'sets') return this.indexOf(key, this.sets.length);
    const sets = this.placesOf(key, this.sets.length);
    return sets[this.indexOf(key, sets.length)];
  }

  private indexOf({ page, leafClass, space }: Key, sets: number): number {
    if (this.spec.index === 'modulo') return page % sets;
    if (this.spec.index === 'shifted') return Math.floor(page / 8) % sets;
    const [key0, key1] = [BigInt(page) | (BigInt(leafClass) << 60n), BigInt(space)];
    const mixed = BigInt.asUintN(64, (key0 ^ (key1 << 17n) ^ key1) * 0x9e3779b97f4a7c15n);
    return Number((mixed >> 32n) % BigInt(sets));
  }

  private evict(set: number, ways?: readonly number[]): number {
    const way = ways === undefined ? this.victim(set) : this.victimOf(set, ways);
    this.take(this.sets[set][way]!);
    this.evictions++;
    return way;
  }

  private victimOf(set: number, ways: readonly number[]): number {
    if (this.spec.replacement === 'plru') return this.treeVictim(set, 0, this.spec.ways, ways);
    return ways[
      this.victim(
        set,
        ways.map((way) => this.sets[set][way]!),
      )
    ];
  }

  /** Index of the policy's victim among these entries; of the whole set if not given. */
  private victim(set: number, entries = this.sets[set] as Entry<T>[]): number {
    switch (this.spec.replacement) {
      case 'lru':
        return least(entries, (entry) => entry.usedAt);
      case 'fifo':
        return least(entries, (entry) => entry.filledAt);
      case 'lfu':
        return least(entries, (entry) => entry.uses);
      case 'srrip':
        while (!entries.some((entry) => entry.distance >= 3)) for (const entry of entries) entry.distance++;
        return entries.findIndex((entry) => entry.distance >= 3);
      case 'random':
        return Number((BigInt(this.random()) * BigInt(entries.length)) >> 32n);
      case 'plru':
        return this.treeVictim(set, 0, entries.length);
    }
  }

  /** xorshift32 with Marsaglia's triple (13, 17, 5). */
  private random(): number {
    let x = BigInt(this.seed);
    x ^= BigInt.asUintN(32, x << 13n);
    x ^= x >> 17n;
    x ^= BigInt.asUintN(32, x << 5n);
    this.seed = Number(x);
    return this.seed;
  }

  private pointAway(set: number, way: number): void {
    if (this.spec.replacement !== 'plru') return;
    let [first, end] = [0, this.spec.ways];
    while (end - first > 1) {
      const middle = (first + end) / 2;
      const inUpper = way >= middle;
      this.towardsUpper[set].set(`${first}..${end}`, !inUpper);
      if (inUpper) first = middle;
      else end = middle;
    }
  }

  /** Halves without a way that may be taken are not entered. */
  private treeVictim(set: number, first: number, end: number, ways?: readonly number[]): number {
    if (end - first === 1) return first;
    const middle = (first + end) / 2;
    const wanted = this.towardsUpper[set].get(`${first}..${end}`) ?? false;
    const has = (from: number, to: number): boolean => ways?.some((way) => way >= from && way < to) ?? true;
    const upper = wanted ? has(middle, end) : !has(first, middle);
    return upper ? this.treeVictim(set, middle, end, ways) : this.treeVictim(set, first, middle, ways);
  }
}

function inSpace({ page, leafClass }: Key): number {
  return page * 4 + leafClass;
}

/** Index of the smallest; the first of equals. */
function least<E>(entries: readonly E[], measure: (entry: E) => number): number {
  let best = 0;
  for (let i = 1; i < entries.length; i++) if (measure(entries[i]) < measure(entries[best])) best = i;
  return best;
}
