/** Lays out one set-associative cache (kernel/assembly/cache.ts) in kernel memory. */
import type { Kernel, Regions } from '../kernel/kernel.ts';
import {
  CACHE_BYTES,
  CACHE_CLOCK,
  CACHE_DROPPED,
  CACHE_EVICTIONS,
  CACHE_FILLS,
  CACHE_INDEX,
  CACHE_LINKS,
  CACHE_MASK,
  CACHE_NEXT,
  CACHE_OLDEST,
  CACHE_PAD,
  CACHE_PLAIN,
  CACHE_REPLACEMENT,
  CACHE_RESIDENT,
  CACHE_SCAN_WAYS,
  CACHE_SEED,
  CACHE_SETS,
  CACHE_SET_PARTITION,
  CACHE_SLOTS,
  CACHE_STAMPS,
  CACHE_STRIDE,
  CACHE_TABLE,
  CACHE_TABLE_MASK,
  CACHE_TAGS,
  CACHE_WAYS,
  CACHE_WAY_PARTITION,
  INDEX_HASH,
  INDEX_MODULO,
  INDEX_SHIFTED,
  PARTITION_BYTES,
  PARTITION_END,
  PARTITION_FIRST,
  PARTITION_RANGES,
  PARTITION_RANGE_BYTES,
  PARTITION_SHARED,
  PARTITION_TENANTS,
  REPLACE_FIFO,
  REPLACE_LFU,
  REPLACE_LRU,
  REPLACE_PLRU,
  REPLACE_RANDOM,
  REPLACE_SRRIP,
  SLOT_BYTES,
} from '../kernel/layout.ts';
import { assert } from '../lib/assert.ts';
import type { CacheSpec, IndexFunction, PartitionSpec, Replacement } from '../spec.ts';

const REPLACEMENT: Record<Replacement, number> = {
  lru: REPLACE_LRU,
  fifo: REPLACE_FIFO,
  random: REPLACE_RANDOM,
  plru: REPLACE_PLRU,
  srrip: REPLACE_SRRIP,
  lfu: REPLACE_LFU,
};
const INDEX: Record<IndexFunction, number> = { modulo: INDEX_MODULO, shifted: INDEX_SHIFTED, hash: INDEX_HASH };
const NONE = 0xffffffff;

/** Bytes that `layCache` takes for this cache, rounded up: for estimates. */
export function cacheBytes(spec: CacheSpec): number {
  if (spec.entries === 0) return 0;
  const slots = (spec.entries / spec.ways) * padOf(spec);
  // The index has up to five words a slot, the ring two and one more a set.
  const indexBytes = isIndexed(spec, CACHE_SCAN_WAYS) ? 32 : 0;
  return 1024 + slots * (SLOT_BYTES + 8 + indexBytes) + partitionBytes(spec);
}

/** Ways rounded up to what one comparison takes. */
const padOf = ({ ways }: CacheSpec): number => Math.ceil(ways / 4) * 4;

/** Ways that are divided are looked for through the index: its entries need no order within their set. */
function isIndexed({ ways, partition }: CacheSpec, scanWays: number): boolean {
  return ways > scanWays || partition?.by === 'ways';
}

/** CACHE_PLAIN. */
export function isPlain(spec: CacheSpec, { scanWays = CACHE_SCAN_WAYS }: CacheUse = {}): boolean {
  const { entries, ways, index, replacement, partition } = spec;
  const sets = entries / ways;
  const isLow = sets === 1 || (index === 'modulo' && (sets & (sets - 1)) === 0);
  const isFound = ways <= CACHE_SCAN_WAYS || isIndexed(spec, scanWays);
  return isLow && isFound && partition === undefined && (replacement === 'lru' || replacement === 'fifo');
}

function partitionBytes({ partition }: CacheSpec): number {
  return partition === undefined ? 0 : 128 + (partition.minimum.length + 1) * PARTITION_RANGE_BYTES;
}

/** What a cache is for, where that decides how it is laid out. */
export interface CacheUse {
  /** Bare line numbers without slots; always scanned. */
  readonly lines?: boolean;
  /** Sets with more ways than this are found through a hash index. */
  readonly scanWays?: number;
  /** Of a cache that is divided among tenants: pointer to tenant + 1 by domain (PARTITION_TENANTS). */
  readonly tenants?: number;
}

/**
 * Lays out an empty cache and returns its pointer; 0 for a cache of no entries. `seed` (not 0) starts the random
 * replacement.
 */
export function layCache(
  kernel: Kernel,
  regions: Regions,
  spec: CacheSpec,
  seed: number,
  { lines = false, scanWays = CACHE_SCAN_WAYS, tenants = 0 }: CacheUse = {},
): number {
  if (spec.entries === 0) return 0;
  const { view } = kernel;
  const sets = spec.entries / spec.ways;
  const pad = padOf(spec);
  const slots = sets * pad;
  const cache = regions.take(CACHE_BYTES);
  const put = (offset: number, value: number): void => view.setUint32(cache + offset, value, true);
  put(CACHE_SETS, sets);
  put(CACHE_WAYS, spec.ways);
  put(CACHE_PAD, pad);
  put(CACHE_MASK, (sets & (sets - 1)) === 0 ? sets - 1 : NONE);
  put(CACHE_INDEX, INDEX[spec.index]);
  put(CACHE_REPLACEMENT, REPLACEMENT[spec.replacement]);
  const tags = regions.take(slots * 8);
  put(CACHE_TAGS, tags);
  put(CACHE_STAMPS, tags + (lines ? pad : slots) * 4);
  put(CACHE_STRIDE, lines ? 2 * pad : pad);
  put(CACHE_SLOTS, lines ? 0 : regions.take(slots * SLOT_BYTES));
  put(CACHE_SEED, seed >>> 0 || 1);
  if (isIndexed(spec, scanWays) && !lines) layIndex(kernel, regions, spec, cache, slots, put);
  put(CACHE_PLAIN, isPlain(spec, { scanWays }) ? 1 : 0);
  if (spec.partition !== undefined) layPartition(kernel, regions, spec.partition, sets, spec.ways, tenants, put);
  clearCache(kernel, cache);
  return cache;
}

type Put = (offset: number, value: number) => void;

function layIndex(kernel: Kernel, regions: Regions, spec: CacheSpec, cache: number, slots: number, put: Put): void {
  let table = 8;
  while (table * 2 <= slots * 4) table *= 2;
  put(CACHE_TABLE, regions.take(table * 4));
  put(CACHE_TABLE_MASK, table - 1);
  put(CACHE_NEXT, regions.take(slots * 4));
  const listed = spec.replacement === 'lru' || spec.replacement === 'fifo' || spec.replacement === 'random';
  // The oldest of a set may be another tenant's: there stamps tell the order.
  if (!listed || spec.partition?.by === 'ways') return;
  put(CACHE_LINKS, regions.take(slots * 8));
  put(CACHE_OLDEST, regions.take((slots / kernel.view.getUint32(cache + CACHE_PAD, true)) * 4));
}

function layPartition(
  { view }: Kernel,
  regions: Regions,
  { by, minimum }: PartitionSpec,
  sets: number,
  ways: number,
  tenants: number,
  put: Put,
): void {
  const total = by === 'ways' ? ways : sets;
  const partition = regions.take(PARTITION_BYTES);
  const ranges = regions.take((minimum.length + 1) * PARTITION_RANGE_BYTES);
  let next = 0;
  minimum.forEach((own, tenant) => {
    const range = ranges + (tenant + 1) * PARTITION_RANGE_BYTES;
    view.setUint32(range + PARTITION_FIRST, next, true);
    view.setUint32(range + PARTITION_END, (next += own), true);
  });
  assert(next <= total, 'the tenants have no more than there is');
  // Domains of no tenant have no traffic, but commands may name them: some place must come out.
  view.setUint32(ranges + PARTITION_END, next === total ? total : 0, true);
  view.setUint32(partition + PARTITION_TENANTS, tenants, true);
  view.setUint32(partition + PARTITION_RANGES, ranges, true);
  view.setUint32(partition + PARTITION_SHARED, next, true);
  put(by === 'ways' ? CACHE_WAY_PARTITION : CACHE_SET_PARTITION, partition);
  if (by === 'sets') put(CACHE_MASK, NONE);
}

/** Empties a cache and its counts; also writes the marks of unused lanes and the rings. */
export function clearCache(kernel: Kernel, cache: number): void {
  const { view } = kernel;
  const get = (offset: number): number => view.getUint32(cache + offset, true);
  const words = new Uint32Array(kernel.memory.buffer);
  const [sets, ways, pad] = [get(CACHE_SETS), get(CACHE_WAYS), get(CACHE_PAD)];
  const [tags, stamps, oldest] = [get(CACHE_TAGS) / 4, get(CACHE_STAMPS) / 4, get(CACHE_OLDEST) / 4];
  const stride = get(CACHE_STRIDE);
  for (let set = 0; set < sets; set++) {
    for (const lanes of [tags + set * stride, stamps + set * stride]) {
      words.fill(0, lanes, lanes + ways);
      words.fill(NONE, lanes + ways, lanes + pad);
    }
    if (oldest !== 0) linkSet(words, get(CACHE_LINKS) / 4, oldest + set, set * pad, ways);
  }
  if (get(CACHE_SLOTS) !== 0) markUnused(view, get(CACHE_SLOTS), sets, ways, pad);
  if (get(CACHE_TABLE) !== 0) words.fill(0, get(CACHE_TABLE) / 4, get(CACHE_TABLE) / 4 + get(CACHE_TABLE_MASK) + 1);
  view.setUint32(cache + CACHE_CLOCK, 0, true);
  words.fill(0, (cache + CACHE_RESIDENT) / 4, (cache + CACHE_RESIDENT) / 4 + 4);
  for (const offset of [CACHE_FILLS, CACHE_EVICTIONS, CACHE_DROPPED]) view.setFloat64(cache + offset, 0, true);
}

/** Keys that no lookup asks for, so that a tag that happens to equal an unused lane's mark finds nothing. */
function markUnused(view: DataView, slots: number, sets: number, ways: number, pad: number): void {
  for (let set = 0; set < sets; set++) {
    for (let way = ways; way < pad; way++) {
      view.setBigUint64(slots + (set * pad + way) * SLOT_BYTES, 0xffffffffffffffffn, true);
    }
  }
}

/** A set's ring: way 0 is the oldest, so that empty ways fill in order. */
function linkSet(words: Uint32Array, links: number, oldest: number, first: number, ways: number): void {
  for (let way = 0; way < ways; way++) {
    const at = links + (first + way) * 2;
    words[at] = first + ((way + 1) % ways);
    words[at + 1] = first + ((way + ways - 1) % ways);
  }
  words[oldest] = first;
}
