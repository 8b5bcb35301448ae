/**
 * One IOMMU unit as the kernel sees it: lays out its caches, walkers, device table and fault ring from a MachineSpec, and
 * offers what set-up and commands need. The hot path goes straight to `kernel.exports.translate`.
 */
import type { Kernel, Regions } from '../kernel/kernel.ts';
import {
  CACHE_DROPPED,
  CACHE_EVICTIONS,
  CACHE_FILLS,
  C_ATC_HITS,
  C_ATC_LOOKUPS,
  C_ALIKE,
  C_ALIKE_END,
  C_DEPTH,
  C_DTE_HITS,
  C_DTE_LOOKUPS,
  C_FAST,
  C_FAST_GUEST,
  C_HITS,
  C_L1_CLASS,
  C_L1_HITS,
  C_LINE_HITS,
  C_LINE_MISSES,
  C_LOOKUPS,
  C_LOOKUPS_ALL,
  C_MERGED,
  C_MISSES,
  C_NTLB_HITS,
  C_NTLB_LOOKUPS,
  C_PASID_HITS,
  C_PASID_LOOKUPS,
  C_PWC_HITS,
  C_PWC_LOOKUPS,
  C_REMEMBERED,
  C_TRANSLATED,
  C_WALKS,
  CTX_BDF,
  CTX_BYTES,
  CTX_COUNTERS,
  CTX_EPOCH,
  CTX_INDEX,
  CTX_L1,
  CTX_PASID,
  CTX_UNIT,
  COUNTERS,
  DEPTH_SLOTS,
  INVALIDATE_NO_GUESTS,
  INVALIDATE_PDE,
  LOG_ACCESS,
  LOG_BYTES,
  LOG_CODE,
  LOG_DOMAIN,
  LOG_INDEX,
  LOG_PAGE,
  LOG_PASID,
  LOG_TIME,
  UNIT_BYTES,
  UNIT_CLASSES,
  UNIT_CLASS_LOG2,
  UNIT_DEVICE_CACHE,
  UNIT_DEVICE_TABLE,
  UNIT_EPOCH,
  UNIT_FLAGS,
  UNIT_FLAG_BARE,
  UNIT_FLAG_CACHED,
  UNIT_FLAG_NEGATIVE,
  UNIT_FLAG_NO_FRACTURE,
  UNIT_FLAG_PLAIN,
  UNIT_FLAG_STRAIGHT,
  UNIT_FLAG_UNIFIED,
  UNIT_FLAG_USUAL,
  UNIT_FLAG_WATCHED,
  UNIT_GUEST_MEMOS,
  UNIT_GUEST_MEMO_MASK,
  UNIT_GUEST_RULE,
  UNIT_HISTORY,
  UNIT_HISTORY_LIMIT,
  UNIT_HISTORY_LOST,
  UNIT_HISTORY_MASK,
  UNIT_HIT_PS,
  UNIT_HOST_RULE,
  UNIT_IOTLB,
  UNIT_L1_COUNT,
  UNIT_L1_FIRST,
  UNIT_L1_HIT_PS,
  UNIT_LINE_CACHE,
  UNIT_LINE_PS,
  UNIT_LOG,
  UNIT_LOG_ENTRIES,
  UNIT_LOG_HEAD,
  UNIT_LOG_OVERFLOW,
  UNIT_MEMORY_PS,
  UNIT_MEMOS,
  UNIT_MEMO_MASK,
  UNIT_NESTED_TLB,
  UNIT_OVERHEAD_PS,
  UNIT_PASID_CACHE,
  UNIT_PREFETCH,
  UNIT_PWC,
  UNIT_PWC_MASK,
  UNIT_SHADOW,
  UNIT_START_PS,
  UNIT_WALKERS,
  UNIT_WALKER_COUNT,
} from '../kernel/layout.ts';
import { MEMO_BYTES, MEMO_CACHED_BYTES, MEMO_GUEST_BYTES } from '../kernel/layout-memo.ts';
import { assert } from '../lib/assert.ts';
import { PS_PER_NS } from '../request.ts';
import type { CacheSpec, IotlbSpec, MachineSpec } from '../spec.ts';
import type { CacheResult, FaultRecord } from '../stats/result.ts';
import { type CacheUse, cacheBytes, isPlain, layCache } from './cache.ts';

/** Guest and host as the kernel numbers stages. */
export const STAGE_GUEST = 0;
export const STAGE_HOST = 1;
/** The kernel looks at the times of so many walkers at once. */
const WALKER_BLOCK = 8;
/** Levels whose table entries a walk cache may hold. */
const PWC_LEVELS = 6;
const HISTORY_START_SLOTS = 4096;
const READ = 1;
const HISTORY_SLOT_BYTES = 16;

/** Rule blocks (compiled formats in kernel memory) that a unit's walks use; 0 = the unit has no such tables. */
export interface UnitRules {
  readonly host: number;
  readonly guest4: number;
  readonly guest5: number;
}

export interface UnitOptions {
  readonly seed: number;
  readonly rules: UnitRules;
  /** SPA of the device table: 65,536 entries of 32 bytes. */
  readonly deviceTable: bigint;
  /** Pages whose misses are told apart by cause; 0 = causes are not counted. */
  readonly historyPages: number;
  /** Stale uses are counted: `noteUnmapped` may be called. */
  readonly watchesUnmapped?: boolean;
  /** Kernel memory, `memoBytes(memos)` of it and zeroed, in which walks keep so many memos of each kind; 0 = they keep none. */
  readonly memos?: { readonly base: number; readonly count: number };
  /** Index of each domain's tenant: for caches that are divided among tenants. */
  readonly tenantOf?: ReadonlyMap<number, number>;
}

/** What memos of `count` one-stage walks and as many guests' take: kernel memory that only speed depends on. */
export function memoBytes(count: number): number {
  return count * Math.max(MEMO_BYTES + MEMO_GUEST_BYTES, MEMO_CACHED_BYTES);
}

/** Tenant + 1 by domain, 16 bits each. */
const TENANT_TABLE_BYTES = 65_536 * 2;

function isPartitioned({ iotlb, walkCaches, nestedTlb }: MachineSpec): boolean {
  const caches = [iotlb, ...(iotlb.split ?? []), ...walkCaches.host, ...walkCaches.guest, nestedTlb];
  return caches.some(({ partition }) => partition !== undefined);
}

/**
 * Device and PASID caches are scanned up to this size, since a requester's context is remembered and renews its entries by
 * their stamps (assembly/context.ts); the recency list of an indexed cache would have to be relinked for every request.
 */
const CONTEXT_SCAN_WAYS = 1024;

/**
 * Walk caches of up to so many ways whose policy needs no order of uses or fills are scanned: fills and invalidations, of which strict
 * mappings make one at every level for every page, need not keep an index.
 */
const WALK_SCAN_WAYS = 64;

function walkCacheUse({ replacement }: CacheSpec): CacheUse {
  return replacement === 'lru' || replacement === 'fifo' ? {} : { scanWays: WALK_SCAN_WAYS };
}

interface NamedCache {
  readonly name: string;
  readonly spec: CacheSpec;
  readonly pointer: number;
  readonly base: Float64Array;
}

/** Slots of the history of so many pages: at most three quarters full. */
function historySlots(pages: number): number {
  let slots = HISTORY_START_SLOTS;
  while (slots * 0.75 <= pages) slots *= 2;
  return slots;
}

/** The IOTLB's parts: itself, then those that it is split into. `classes`: indices into leafLog2. */
function iotlbParts(iotlb: IotlbSpec): { name: string; spec: CacheSpec; classes: number[] }[] {
  const split = iotlb.split ?? [];
  const all = [{ name: 'iotlb', level: 0, spec: iotlb as CacheSpec }];
  for (const part of split) all.push({ name: `iotlb_level${part.level}`, level: part.level, spec: part });
  return all.map(({ name, spec, level }, i) => {
    const end = all[i + 1]?.level ?? Infinity;
    const classes = iotlb.leafLog2.flatMap((log2, leaf) => (isOfLevels(log2, level, end) ? [leaf] : []));
    return { name, spec, classes };
  });
}

/** A leaf of this size belongs to one of the table levels first … end - 1, nine bits each. */
function isOfLevels(log2: number, first: number, end: number): boolean {
  const level = Math.floor((log2 - 12) / 9);
  return level >= first && level < end;
}

/** A line cache in LRU order that is indexed by the lowest bits needs no slots: its tags are line numbers. */
function isBareLines({ replacement, index }: CacheSpec): boolean {
  return replacement === 'lru' && index === 'modulo';
}

/** UNIT_FLAG_*: what the machine has not, so that walks need not look for it. */
function flagsOf({ iotlb, lineCache, walkCaches, nestedTlb, prefetchPages = 0 }: MachineSpec): number {
  const sets = lineCache.entries / lineCache.ways;
  const isStraight =
    lineCache.entries === 0 || (isBareLines(lineCache) && lineCache.ways === 8 && (sets & (sets - 1)) === 0);
  const caches = [...walkCaches.host, ...walkCaches.guest, nestedTlb];
  const isBare = isStraight && caches.every(({ entries }) => entries === 0);
  const isCached = isStraight && caches.every((spec) => spec.entries === 0 || isPlain(spec));
  const isNegative = iotlb.negative === true;
  const fillsOne =
    isStraight && iotlb.split === undefined && iotlb.partition === undefined && !isNegative && prefetchPages === 0;
  const isOrdered = iotlb.replacement === 'lru' || iotlb.replacement === 'fifo';
  const isUsual = isBare && fillsOne && isOrdered && lineCache.entries > 0;
  return (
    (iotlb.fracture ? 0 : UNIT_FLAG_NO_FRACTURE) |
    (isNegative ? UNIT_FLAG_NEGATIVE : 0) |
    (isStraight ? UNIT_FLAG_STRAIGHT : 0) |
    (isBare ? UNIT_FLAG_BARE : 0) |
    (isCached ? UNIT_FLAG_CACHED : 0) |
    (fillsOne ? UNIT_FLAG_PLAIN : 0) |
    (isUsual ? UNIT_FLAG_USUAL : 0) |
    (iotlb.split === undefined ? UNIT_FLAG_UNIFIED : 0)
  );
}

/** The cache that tells conflict misses from capacity misses. */
function shadowOf({ entries }: CacheSpec): CacheSpec {
  return { entries, ways: entries, replacement: 'lru', index: 'modulo' };
}

/** Kernel memory of one unit, rounded up, without its device table and page tables. */
export function unitBytes(machine: MachineSpec, requesters: number, historyPages: number): number {
  const { walkCaches } = machine;
  const parts = iotlbParts(machine.iotlb).map(({ spec }) => spec);
  const caches = [...parts, ...parts.map(shadowOf), machine.nestedTlb, machine.deviceCache, machine.pasidCache];
  const all = [...caches, machine.lineCache, ...walkCaches.host, ...walkCaches.guest];
  const tenants = isPartitioned(machine) ? TENANT_TABLE_BYTES : 0;
  const history = historyPages > 0 ? historySlots(historyPages) * HISTORY_SLOT_BYTES * 2 : 0;
  const contexts = requesters * (CTX_BYTES + 64 + cacheBytes(machine.iotlb.l1));
  const queues = machine.eventLogEntries * LOG_BYTES + (machine.walkers + WALKER_BLOCK) * 8;
  return all.reduce((sum, spec) => sum + cacheBytes(spec), 0) + history + contexts + queues + tenants + 65536;
}

export class IommuUnit {
  readonly pointer: number;
  private readonly kernel: Kernel;
  private readonly regions: Regions;
  private readonly machine: MachineSpec;
  private readonly caches: NamedCache[] = [];
  private readonly requesters: number[] = [];
  private readonly l1s: number[] = [];
  private readonly l1List: number;
  private readonly maxRequesters: number;
  private seed: number;
  /** Pointer to tenant + 1 by domain; 0 where no cache is divided. */
  private tenants = 0;

  /** `maxRequesters` bounds the list of first-level IOTLBs. */
  constructor(kernel: Kernel, regions: Regions, machine: MachineSpec, maxRequesters: number, options: UnitOptions) {
    this.kernel = kernel;
    this.regions = regions;
    this.machine = machine;
    this.maxRequesters = maxRequesters;
    this.seed = options.seed;
    this.pointer = regions.take(UNIT_BYTES);
    this.l1List = regions.take(4 * Math.max(1, maxRequesters));
    this.put(UNIT_EPOCH, 1); // contexts start with 0: nothing remembered
    if (isPartitioned(machine)) this.layTenants(options.tenantOf ?? new Map());
    this.layCaches();
    this.layTimes();
    this.layQueues(options);
    if (options.memos !== undefined) this.layMemos(options.memos.base, options.memos.count);
    if (options.historyPages > 0) this.layHistory(options.historyPages);
    if (options.watchesUnmapped === true) this.watch();
  }

  private put(offset: number, value: number): void {
    this.kernel.view.setUint32(this.pointer + offset, value, true);
  }

  private putPs(offset: number, ns: number): void {
    this.kernel.view.setFloat64(this.pointer + offset, Math.round(ns * PS_PER_NS), true);
  }

  private lay(name: string, spec: CacheSpec, use: CacheUse = {}): number {
    this.seed = (Math.imul(this.seed, 0x9e3779b1) + 0x7f4a7c15) >>> 0;
    const pointer = layCache(this.kernel, this.regions, spec, this.seed, { ...use, tenants: this.tenants });
    if (pointer !== 0) this.caches.push({ name, spec, pointer, base: new Float64Array(3) });
    return pointer;
  }

  private layTenants(tenantOf: ReadonlyMap<number, number>): void {
    this.tenants = this.regions.take(TENANT_TABLE_BYTES);
    for (const [domain, tenant] of tenantOf) this.kernel.view.setUint16(this.tenants + 2 * domain, tenant + 1, true);
  }

  private layCaches(): void {
    const { machine } = this;
    const { iotlb } = machine;
    for (const { name, spec, classes } of iotlbParts(iotlb)) {
      const part = this.lay(name, spec);
      for (const leaf of classes) this.put(UNIT_IOTLB + 4 * leaf, part);
    }
    iotlb.leafLog2.forEach((log2, i) => this.put(UNIT_CLASS_LOG2 + 4 * i, log2));
    this.put(UNIT_CLASSES, iotlb.leafLog2.length);
    this.put(UNIT_FLAGS, flagsOf(machine));
    this.put(UNIT_PREFETCH, machine.prefetchPages ?? 0);
    this.put(UNIT_NESTED_TLB, this.lay('nested_tlb', machine.nestedTlb));
    const context = { scanWays: CONTEXT_SCAN_WAYS };
    this.put(UNIT_DEVICE_CACHE, this.lay('device', machine.deviceCache, context));
    this.put(UNIT_PASID_CACHE, this.lay('pasid', machine.pasidCache, context));
    this.put(UNIT_LINE_CACHE, this.lay('line', machine.lineCache, { lines: isBareLines(machine.lineCache) }));
    this.layWalkCaches('guest', STAGE_GUEST);
    this.layWalkCaches('host', STAGE_HOST);
  }

  private layWalkCaches(name: 'guest' | 'host', stage: number): void {
    let mask = 0;
    this.machine.walkCaches[name].slice(0, PWC_LEVELS - 1).forEach((spec, i) => {
      const level = i + 1;
      this.put(UNIT_PWC + 32 * stage + 4 * level, this.lay(`walk_${name}_level${level}`, spec, walkCacheUse(spec)));
      if (spec.entries > 0) mask |= 1 << level;
    });
    this.put(UNIT_PWC_MASK + 4 * stage, mask);
  }

  private layTimes(): void {
    const { latency, walkStartNs, walkers } = this.machine;
    this.putPs(UNIT_HIT_PS, latency.iotlbHitNs);
    this.putPs(UNIT_L1_HIT_PS, latency.iotlbL1HitNs);
    this.putPs(UNIT_LINE_PS, latency.lineHitNs);
    this.putPs(UNIT_MEMORY_PS, latency.memoryReadNs);
    this.putPs(UNIT_OVERHEAD_PS, latency.walkOverheadNs);
    this.putPs(UNIT_START_PS, walkStartNs);
    const padded = Math.ceil(walkers / WALKER_BLOCK) * WALKER_BLOCK;
    const times = this.regions.take(padded * 8);
    this.put(UNIT_WALKERS, times);
    this.put(UNIT_WALKER_COUNT, walkers);
    this.kernel.f64.fill(Infinity, times / 8 + walkers, times / 8 + padded);
  }

  private layQueues(options: UnitOptions): void {
    this.put(UNIT_LOG, this.regions.take(this.machine.eventLogEntries * LOG_BYTES));
    this.put(UNIT_LOG_ENTRIES, this.machine.eventLogEntries);
    this.kernel.view.setBigUint64(this.pointer + UNIT_DEVICE_TABLE, options.deviceTable, true);
    this.put(UNIT_HOST_RULE, options.rules.host);
    this.put(UNIT_GUEST_RULE, options.rules.guest4);
    this.put(UNIT_GUEST_RULE + 4, options.rules.guest5);
  }

  private layMemos(base: number, count: number): void {
    assert((count & (count - 1)) === 0, 'a memo is found by some bits of a number');
    this.put(UNIT_MEMOS, base);
    this.put(UNIT_MEMO_MASK, count - 1);
    // Behind walk caches memos are longer, and guests' walks have none.
    if ((flagsOf(this.machine) & UNIT_FLAG_BARE) === 0) return;
    this.put(UNIT_GUEST_MEMOS, base + count * MEMO_BYTES);
    this.put(UNIT_GUEST_MEMO_MASK, count - 1);
  }

  private layHistory(pages: number): void {
    const slots = historySlots(pages);
    // Twice the table: a copy lies behind it while it grows.
    this.put(UNIT_HISTORY, this.regions.take(slots * HISTORY_SLOT_BYTES * 2));
    this.put(UNIT_HISTORY_MASK, HISTORY_START_SLOTS - 1);
    this.put(UNIT_HISTORY_LIMIT, slots);
    this.put(UNIT_FLAGS, this.flags & ~UNIT_FLAG_USUAL);
    for (const { spec, classes } of iotlbParts(this.machine.iotlb)) {
      const { entries, ways, replacement, partition } = spec;
      const isShadow = ways === entries && replacement === 'lru' && partition === undefined;
      if (entries === 0 || isShadow) continue; // no conflict misses by definition
      const shadow = layCache(this.kernel, this.regions, shadowOf(spec), 1);
      for (const leaf of classes) this.put(UNIT_SHADOW + 4 * leaf, shadow);
    }
  }

  /** A cache outside the unit whose counts belong to it: a device's ATC. */
  addCache(name: string, spec: CacheSpec, pointer: number): void {
    if (pointer !== 0) this.caches.push({ name, spec, pointer, base: new Float64Array(3) });
  }

  /** Makes every hit go the general way, which counts stale uses. */
  private watch(): void {
    this.put(UNIT_FLAGS, this.flags | UNIT_FLAG_WATCHED);
  }

  private get flags(): number {
    return this.kernel.view.getUint32(this.pointer + UNIT_FLAGS, true);
  }

  /** A requester: (device, PASID), with a first-level IOTLB of its own where the machine has one. Returns its context. */
  requester(bdf: number, pasid: number, index: number): number {
    const { view } = this.kernel;
    const ctx = this.regions.take(CTX_BYTES);
    const l1 = this.lay('iotlb_l1', this.machine.iotlb.l1);
    view.setUint32(ctx + CTX_UNIT, this.pointer, true);
    view.setInt32(ctx + CTX_BDF, bdf, true);
    view.setInt32(ctx + CTX_PASID, pasid, true);
    view.setUint32(ctx + CTX_L1, l1, true);
    view.setInt32(ctx + CTX_INDEX, index, true);
    if (l1 !== 0) {
      assert(this.l1s.length < this.maxRequesters, 'a unit has no more requesters than it was laid out for');
      view.setUint32(this.l1List + 4 * this.l1s.length, l1, true);
      this.l1s.push(l1);
      this.put(UNIT_L1_FIRST, this.l1List);
      this.put(UNIT_L1_COUNT, this.l1s.length);
    }
    this.requesters.push(ctx);
    return ctx;
  }

  /** Requesters ask their caches for everything again: what they remember leaves no trace. */
  forgetContexts(): void {
    for (const ctx of this.requesters) this.kernel.view.setUint32(ctx + CTX_EPOCH, 0, true);
  }

  /** `guests`: guest tables may lead through host addresses of the domain; what they translated goes with those. */
  invalidatePages(domain: number, pasid: number, page: number, pagesLog2: number, pde: boolean, guests = true): number {
    const flags = (pde ? INVALIDATE_PDE : 0) | (guests ? 0 : INVALIDATE_NO_GUESTS);
    return this.kernel.exports.invalidatePages(this.pointer, domain, pasid, page, pagesLog2, flags);
  }

  invalidateDevice(bdf: number): number {
    return this.kernel.exports.invalidateDevice(this.pointer, bdf);
  }

  invalidateAll(): number {
    return this.kernel.exports.invalidateAll(this.pointer);
  }

  /** Walks so many pages of 2^pagesLog2 ahead of use. They fill the caches, but count neither as requests nor as faults. */
  prefetch(ctx: number, page: number, pagesLog2: number, count: number, atPs: number): void {
    const counters = this.liveCounters(ctx);
    const before = counters.slice();
    const head = this.kernel.view.getUint32(this.pointer + UNIT_LOG_HEAD, true);
    for (let i = 0, at = page; i < count; i++, at += 1 << pagesLog2) {
      this.kernel.exports.translate(ctx, at, READ, atPs);
    }
    counters.set(before);
    this.put(UNIT_LOG_HEAD, head);
  }

  /** PASID-cache entries of a PASID (-1: any) in a domain (-1: any). */
  invalidatePasid(domain: number, pasid: number): number {
    return this.kernel.exports.invalidatePasid(this.pointer, domain, pasid);
  }

  /** Pages that software has unmapped without invalidating them: hits on them count as stale (C_STALE) from `atPs` on. */
  noteUnmapped(domain: number, pasid: number, page: number, pages: number, atPs: number): void {
    this.kernel.exports.noteUnmapped(this.pointer, domain, pasid, page, pages, atPs);
  }

  /** Counters of one requester (C_* of kernel/layout.ts), with what the kernel's few counts imply added where it belongs. */
  counters(ctx: number): Float64Array {
    this.kernel.exports.settleMisses(ctx);
    const all = this.liveCounters(ctx).slice();
    for (let i = 0; i < 3; i++) {
      const host = all[C_FAST + i];
      const guest = all[C_FAST_GUEST + i];
      all[C_HITS + i] += host + guest;
      for (const c of [C_LOOKUPS, C_DTE_LOOKUPS, C_DTE_HITS]) all[c] += host + guest;
      for (const c of [C_PASID_LOOKUPS, C_PASID_HITS]) all[c] += guest;
      all[C_FAST + i] = 0;
      all[C_FAST_GUEST + i] = 0;
    }
    all[C_L1_HITS] = sum(all, C_L1_CLASS, 4);
    const walks = sum(all, C_DEPTH, DEPTH_SLOTS);
    const misses = walks + all[C_MERGED];
    all[C_WALKS] = walks;
    all[C_MISSES] = misses;
    all[C_TRANSLATED] = all[C_LOOKUPS];
    all[C_LOOKUPS_ALL] = all[C_LOOKUPS] + misses; // each miss is looked up again when its walk ends
    const [host, guest] = [all[C_REMEMBERED], all[C_REMEMBERED + 1]];
    for (const c of [C_DTE_LOOKUPS, C_DTE_HITS]) all[c] += host + guest;
    for (const c of [C_PASID_LOOKUPS, C_PASID_HITS]) all[c] += guest;
    all.fill(0, C_REMEMBERED, C_REMEMBERED + 2);
    all.fill(0, C_ALIKE, C_ALIKE_END);
    return all;
  }

  private liveCounters(ctx: number): Float64Array {
    return this.kernel.f64.subarray((ctx + CTX_COUNTERS) / 8, (ctx + CTX_COUNTERS) / 8 + COUNTERS);
  }

  /** Takes the fault records written since the last call, oldest first. */
  drainFaults(): FaultRecord[] {
    const { view } = this.kernel;
    const count = view.getUint32(this.pointer + UNIT_LOG_HEAD, true);
    const ring = view.getUint32(this.pointer + UNIT_LOG, true);
    const records: FaultRecord[] = [];
    for (let i = 0; i < count; i++) {
      const at = ring + i * LOG_BYTES;
      records.push({
        timePs: view.getFloat64(at + LOG_TIME, true),
        device: view.getInt32(at + LOG_INDEX, true),
        domain: view.getInt32(at + LOG_DOMAIN, true),
        pasid: view.getInt32(at + LOG_PASID, true),
        code: view.getInt32(at + LOG_CODE, true),
        access: view.getInt32(at + LOG_ACCESS, true),
        page: view.getFloat64(at + LOG_PAGE, true),
      });
    }
    this.put(UNIT_LOG_HEAD, 0);
    return records;
  }

  /** Fault records lost because the ring was full, and pages whose miss cause was lost because the history was. */
  get logOverflow(): number {
    return this.kernel.view.getFloat64(this.pointer + UNIT_LOG_OVERFLOW, true);
  }

  get historyLost(): number {
    return this.kernel.view.getFloat64(this.pointer + UNIT_HISTORY_LOST, true);
  }

  /** Starts counting anew: warm-up is over. Cache contents stay. */
  resetCounters(): void {
    for (const ctx of this.requesters) this.liveCounters(ctx).fill(0);
    for (const { pointer, base } of this.caches) this.readCounts(pointer, base);
  }

  private readCounts(pointer: number, into: Float64Array): void {
    const { view } = this.kernel;
    into[0] = view.getFloat64(pointer + CACHE_FILLS, true);
    into[1] = view.getFloat64(pointer + CACHE_EVICTIONS, true);
    into[2] = view.getFloat64(pointer + CACHE_DROPPED, true);
  }

  private leafClasses(cache: string): readonly number[] | undefined {
    return iotlbParts(this.machine.iotlb).find(({ name }) => name === cache)?.classes;
  }

  /** Counts of each cache since the counters were reset. */
  cacheResults(): CacheResult[] {
    const total = new Float64Array(COUNTERS);
    for (const ctx of this.requesters) this.counters(ctx).forEach((value, i) => (total[i] += value));
    const now = new Float64Array(3);
    const rows = this.caches.map(({ name, spec, pointer, base }) => {
      this.readCounts(pointer, now);
      return {
        name,
        entries: spec.entries,
        ways: spec.ways,
        ...lookupsOf(name, total, this.leafClasses(name)),
        fills: name === 'line' ? total[C_LINE_MISSES] : now[0] - base[0],
        evictions: now[1] - base[1],
        invalidated: now[2] - base[2],
      };
    });
    return sumByName(rows);
  }
}

function sum(counters: Float64Array, first: number, slots: number): number {
  let total = 0;
  for (let slot = first; slot < first + slots; slot++) total += counters[slot];
  return total;
}

/** Lookups and hits of a cache, from the sum of its unit's requesters. `classes`: leaf classes that a part of the IOTLB holds. */
function lookupsOf(
  name: string,
  total: Float64Array,
  classes: readonly number[] | undefined,
): { lookups: number; hits: number } {
  const l1Hits = total[C_L1_HITS];
  if (classes !== undefined) {
    // Every part is asked by every lookup.
    const hits = classes.reduce((hits, leaf) => hits + total[C_HITS + leaf] - total[C_L1_CLASS + leaf], 0);
    return { lookups: total[C_LOOKUPS] - l1Hits, hits };
  }
  if (name === 'atc') return { lookups: total[C_ATC_LOOKUPS], hits: total[C_ATC_HITS] };
  if (name === 'iotlb_l1') return { lookups: total[C_LOOKUPS], hits: l1Hits };
  if (name === 'nested_tlb') return { lookups: total[C_NTLB_LOOKUPS], hits: total[C_NTLB_HITS] };
  if (name === 'device') return { lookups: total[C_DTE_LOOKUPS], hits: total[C_DTE_HITS] };
  if (name === 'pasid') return { lookups: total[C_PASID_LOOKUPS], hits: total[C_PASID_HITS] };
  if (name === 'line') return { lookups: total[C_LINE_HITS] + total[C_LINE_MISSES], hits: total[C_LINE_HITS] };
  const stage = name.startsWith('walk_guest') ? STAGE_GUEST : STAGE_HOST;
  const at = 8 * stage + Number(name.slice(-1));
  return { lookups: total[C_PWC_LOOKUPS + at], hits: total[C_PWC_HITS + at] };
}

/** One row a name: first-level IOTLBs are counted together, their lookups once. */
function sumByName(rows: readonly CacheResult[]): CacheResult[] {
  const byName = new Map<string, CacheResult>();
  for (const row of rows) {
    const { fills, evictions, invalidated } = byName.get(row.name) ?? { fills: 0, evictions: 0, invalidated: 0 };
    byName.set(row.name, {
      ...row,
      fills: row.fills + fills,
      evictions: row.evictions + evictions,
      invalidated: row.invalidated + invalidated,
    });
  }
  return [...byName.values()];
}
