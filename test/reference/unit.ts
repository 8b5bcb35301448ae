/**
 * The IOMMU unit as docs/MODEL.md tells it, request by request, in Maps, objects and bigint: no short way, no rule blocks, no
 * SIMD. It reads the same table bytes as the kernel, and must agree with it on every time, fault, target and count.
 */
import * as L from '../../src/kernel/layout.ts';
import type { CacheSpec, MachineSpec } from '../../src/spec.ts';
import type { FaultRecord } from '../../src/stats/result.ts';
import { type Entry, type Key, ReferenceCache } from './cache.ts';
import { ReferenceMissCauses } from './history.ts';

/** Table memory by system address. */
export interface TableMemory {
  /** Place of the bytes (unique; 64-byte lines are places / 64), or undefined when they are not table memory. */
  locate(address: bigint, bytes: number): number | undefined;
  word(place: number): bigint;
}

export interface ReferenceRequester {
  readonly bdf: number;
  readonly pasid: number;
  readonly index: number;
  readonly l1: ReferenceCache<Leaf> | undefined;
  readonly counters: Float64Array;
}

export interface Outcome {
  readonly donePs: number;
  readonly fault: number;
  /** Target page; undefined for a fault. */
  readonly page: number | undefined;
}

interface Permissions {
  readonly read: boolean;
  readonly write: boolean;
}
interface Translated extends Permissions {
  readonly page: number;
  readonly sizeLog2: number;
}
interface Leaf extends Permissions {
  readonly page: number;
  readonly readyPs: number;
  readonly cause: number;
  /** Brought in by a walk for another page, and not used yet. */
  isPrefetched?: boolean;
  /** The page is not present. */
  isNegative?: boolean;
  /** When software unmapped the page without invalidating it. */
  unmappedPs?: number;
}
/** A cache of the IOTLB, for one leaf class or several. */
interface Part {
  readonly cache: ReferenceCache<Leaf> | undefined;
  readonly causes: ReferenceMissCauses | undefined;
}
interface Pointer extends Permissions {
  readonly table: bigint;
  readonly readyPs: number;
}
/** Where a walk of one stage ended: the table and level of the leaf that it read, for this page, under these permissions. */
interface LastLeaf extends Permissions {
  readonly table: bigint;
  readonly level: number;
  readonly page: number;
}
interface DeviceEntry {
  readonly words: readonly bigint[];
  readonly domain: number;
  readonly mode: number;
  readonly root: bigint;
}
interface GuestTable {
  readonly root: bigint;
  readonly levels: number;
}
type Stage = 0 | 1;
const GUEST = 0;
const HOST = 1;
type Fault = number;
/** Seeds of the random replacement by cache, as laid out in kernel memory: `seedAt(UNIT_IOTLB)`. */
export type SeedAt = (unitField: number) => number;

const field = (word: bigint, high: number, low: number): bigint =>
  (word >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);
const ADDRESS = field(-1n, 51, 0) & ~0xfffn;
const GUEST_SPACE = 2 ** L.KEY_GUEST_LOG2;
const ps = (ns: number): number => Math.round(ns * 1000);

export class ReferenceUnit {
  readonly faults: FaultRecord[] = [];
  logOverflow = 0;
  private readonly machine: MachineSpec;
  private readonly memory: TableMemory;
  private readonly deviceTable: bigint;
  /** Levels that the unit's guest tables may have. */
  private readonly guestLevels: readonly number[];
  private readonly requesters: ReferenceRequester[] = [];
  /** By leaf class: the part that holds it, which may be the same for several. */
  private readonly iotlb: readonly Part[];
  private readonly nestedTlb: ReferenceCache<Leaf> | undefined;
  private readonly devices: ReferenceCache<DeviceEntry> | undefined;
  private readonly pasids: ReferenceCache<bigint> | undefined;
  private readonly lines: ReferenceCache<true> | undefined;
  /** [stage][level of the cached table entry]. */
  private readonly walkCaches: (ReferenceCache<Pointer> | undefined)[][];
  private readonly walkerFree: number[];
  private nextStart = 0;

  // The operation that is going on.
  private counters: Float64Array = new Float64Array(L.COUNTERS);
  private now = 0;
  private cost = 0;
  private reads = 0;
  private host = { levels: 0, root: 0n, space: 0 };
  private lastLeaf: (LastLeaf | undefined)[] = [];
  /** Of a nested walk, the host's translation of the data page. */
  private lastHost: { readonly from: number; readonly to: Translated } | undefined;

  constructor(
    machine: MachineSpec,
    memory: TableMemory,
    deviceTable: bigint,
    guestLevels: readonly number[],
    withCauses: boolean,
    seedAt: SeedAt,
    tenantOf: (domain: number) => number = () => 0,
  ) {
    const cacheOf = <T>(spec: CacheSpec, seed: () => number): ReferenceCache<T> | undefined =>
      spec.entries === 0 ? undefined : new ReferenceCache<T>(spec, seed(), tenantOf);
    this.machine = machine;
    this.guestLevels = guestLevels;
    this.memory = memory;
    this.deviceTable = deviceTable;
    const { iotlb, walkCaches } = machine;
    const parts = new Map<CacheSpec, Part>();
    this.iotlb = iotlb.leafLog2.map((log2, leafClass) => {
      // The highest part that begins at or below this leaf size.
      const spec = iotlb.split?.findLast(({ level }) => 12 + 9 * level <= log2) ?? iotlb;
      if (!parts.has(spec)) {
        const cache = cacheOf<Leaf>(spec, () => seedAt(L.UNIT_IOTLB + 4 * leafClass));
        const isWhole = spec.ways === spec.entries && spec.partition === undefined;
        const needsCompanion = !isWhole || spec.replacement !== 'lru';
        const causes = withCauses ? new ReferenceMissCauses(needsCompanion ? spec.entries : 0) : undefined;
        parts.set(spec, { cache, causes });
      }
      return parts.get(spec)!;
    });
    this.nestedTlb = cacheOf(machine.nestedTlb, () => seedAt(L.UNIT_NESTED_TLB));
    this.devices = cacheOf(machine.deviceCache, () => seedAt(L.UNIT_DEVICE_CACHE));
    this.pasids = cacheOf(machine.pasidCache, () => seedAt(L.UNIT_PASID_CACHE));
    this.lines = cacheOf(machine.lineCache, () => seedAt(L.UNIT_LINE_CACHE));
    this.walkCaches = [walkCaches.guest, walkCaches.host].map((specs, stage) => [
      undefined,
      ...specs.map((spec, i) => cacheOf<Pointer>(spec, () => seedAt(L.UNIT_PWC + 32 * stage + 4 * (i + 1)))),
    ]);
    this.walkerFree = Array.from({ length: machine.walkers }, () => 0);
  }

  requester(bdf: number, pasid: number, index: number, l1Seed: number): ReferenceRequester {
    const spec = this.machine.iotlb.l1;
    const l1 = spec.entries === 0 ? undefined : new ReferenceCache<Leaf>(spec, l1Seed);
    const requester = { bdf, pasid, index, l1, counters: new Float64Array(L.COUNTERS) };
    this.requesters.push(requester);
    return requester;
  }

  // ---- One request -----------------------------------------------------------------------------------------------------

  translate(requester: ReferenceRequester, page: number, access: number, atPs: number): Outcome {
    this.begin(atPs);
    this.counters = requester.counters;
    const device = this.deviceEntry(requester.bdf);
    const abort = (fault: Fault, donePs = this.now + this.cost): Outcome => {
      this.count(L.C_FAULTS);
      const { index, pasid } = requester;
      if (this.faults.length === this.machine.eventLogEntries) this.logOverflow++;
      else {
        const domain = device?.domain ?? 0;
        this.faults.push({ timePs: donePs, device: index, domain, pasid, code: fault, access, page });
      }
      return { donePs, fault, page: undefined };
    };
    if (device === undefined) return abort(L.FAULT_DTE);
    const [word0, word1, word2] = device.words as [bigint, bigint, bigint];
    const [valid, hasTranslation] = [field(word0, 0, 0) === 1n, field(word0, 1, 1) === 1n];
    const reserved = field(word0, 6, 2) !== 0n || field(word0, 63, 63) !== 0n;
    if (!valid || !hasTranslation || reserved) return abort(L.FAULT_DTE);
    const granted = { read: field(word0, 61, 61) === 1n, write: field(word0, 62, 62) === 1n };
    if (!allows(granted, access)) return abort(L.FAULT_BLOCKED);
    if (device.mode === 7) return abort(L.FAULT_DTE);

    const { pasid } = requester;
    const hasGuest = field(word0, 55, 55) === 1n && (pasid >= 0 || field(word0, 54, 54) === 1n);
    let space = device.domain;
    let guest: GuestTable | undefined;
    this.host = { levels: device.mode, root: device.root, space: device.domain };
    if (hasGuest) {
      const levels = 4 + Number(field(word2, 55, 54));
      if (!this.guestLevels.includes(levels)) return abort(L.FAULT_DTE);
      const number = Math.max(pasid, 0);
      const root = this.guestTable(requester.bdf, number, word0, word1, device.mode !== 0);
      if (typeof root === 'number') return abort(root);
      guest = { root, levels };
      space = device.domain + number * 2 ** 16 + GUEST_SPACE;
    } else if (pasid >= 0) return abort(L.FAULT_PASID);
    else if (device.mode === 0) {
      this.count(L.C_UNTRANSLATED);
      return { donePs: this.now + this.cost, fault: 0, page };
    }

    const answer = (to: Translated | Leaf, page: number, donePs: number): Outcome => {
      if (allows(to, access)) return { donePs, fault: 0, page };
      // The code names a permission that is missing: write only when reading would have been allowed.
      const canRead = to.read || (access & 1) === 0;
      return abort(canRead ? L.FAULT_WRITE : L.FAULT_READ, donePs);
    };
    this.count(L.C_TRANSLATED);
    this.count(L.C_LOOKUPS);
    this.count(L.C_LOOKUPS_ALL);
    const found = this.lookup(requester, page, space);
    if (found !== undefined) {
      if (found.entry.value.isNegative === true) {
        this.count(L.C_NEGATIVE_HITS);
        return abort(L.FAULT_NOT_PRESENT, found.donePs);
      }
      const pages = this.pagesOf(found.entry.leafClass);
      return answer(found.entry.value, found.entry.value.page + (page % pages), found.donePs);
    }
    const walked = this.miss(requester, page, space, guest);
    if (typeof walked.to === 'number') return abort(walked.to, walked.donePs);
    return answer(walked.to, walked.to.page, walked.donePs);
  }

  private begin(atPs: number): void {
    this.now = atPs;
    this.cost = 0;
    this.reads = 0;
  }

  private count(counter: number, by = 1): void {
    this.counters[counter] += by;
  }

  /** The table word at this address, its read paid for; undefined = not table memory. */
  private read(address: bigint, bytes = 8): bigint | undefined {
    const place = this.memory.locate(address, bytes);
    if (place === undefined) return undefined;
    const { latency } = this.machine;
    if (this.lines === undefined) this.cost += ps(latency.memoryReadNs);
    else if (this.lines.access({ page: Math.floor(place / 64), leafClass: 0, space: 0 }, true)) {
      this.count(L.C_LINE_HITS);
      this.cost += ps(latency.lineHitNs);
    } else {
      this.count(L.C_LINE_MISSES);
      this.cost += ps(latency.memoryReadNs);
    }
    return this.memory.word(place);
  }

  // ---- Device entry and PASID ------------------------------------------------------------------------------------------

  private deviceEntry(bdf: number): DeviceEntry | undefined {
    this.count(L.C_DTE_LOOKUPS);
    const key = { page: bdf, leafClass: 0, space: 0 };
    const cached = this.devices?.find(key);
    if (cached !== undefined) {
      this.count(L.C_DTE_HITS);
      this.devices!.touch(cached);
      return cached.value;
    }
    this.count(L.C_DTE_READS);
    const address = this.deviceTable + 32n * BigInt(bdf);
    if (this.read(address, 32) === undefined) return undefined;
    const place = this.memory.locate(address, 32)!;
    const words = [0, 8, 16].map((offset) => this.memory.word(place + offset));
    const [word0, word1] = words as [bigint, bigint];
    const entry: DeviceEntry = {
      words,
      domain: Number(field(word1, 15, 0)),
      mode: Number(field(word0, 11, 9)),
      root: word0 & ADDRESS,
    };
    this.devices?.insert(key, entry);
    return entry;
  }

  /** Root of the PASID's guest table, or a fault. */
  private guestTable(bdf: number, pasid: number, word0: bigint, word1: bigint, isNested: boolean): bigint | Fault {
    this.count(L.C_PASID_LOOKUPS);
    // The index is the sum of both, so that neither many devices nor many PASIDs of one device share a set.
    const key = { page: bdf + pasid, leafClass: 0, space: bdf + pasid * 2 ** 16 };
    const cached = this.pasids?.find(key);
    if (cached !== undefined) {
      this.count(L.C_PASID_HITS);
      this.pasids!.touch(cached);
      return cached.value;
    }
    const glx = Number(field(word0, 57, 56));
    if (glx === 3) return L.FAULT_DTE;
    if (pasid >= 512 ** (glx + 1)) return L.FAULT_PASID;
    let table = (field(word0, 60, 58) << 12n) | (field(word1, 31, 16) << 15n) | (field(word1, 63, 43) << 31n);
    for (let level = glx; level >= 0; level--) {
      if (isNested) {
        const host = this.throughHost(Number(table >> 12n));
        if (typeof host === 'number') return L.FAULT_GUEST_TABLE;
        table = BigInt(host.page) << 12n;
      }
      this.count(L.C_PASID_READS);
      const entry = this.read(table + 8n * BigInt(Math.floor(pasid / 512 ** level) % 512));
      if (entry === undefined || field(entry, 0, 0) === 0n) return L.FAULT_PASID;
      table = entry & ADDRESS;
    }
    this.pasids?.insert(key, table);
    return table;
  }

  // ---- IOTLB -----------------------------------------------------------------------------------------------------------

  private pagesOf(leafClass: number): number {
    return 2 ** (this.machine.iotlb.leafLog2[leafClass] - 12);
  }

  /** Class that a leaf of this size is held in: the largest that is not larger. */
  private classOf(sizeLog2: number): number {
    return Math.max(0, this.machine.iotlb.leafLog2.filter((log2) => log2 <= sizeLog2).length - 1);
  }

  private keyOf(page: number, leafClass: number, space: number): Key {
    return { page: Math.floor(page / this.pagesOf(leafClass)), leafClass, space };
  }

  /** The entry of the smallest leaf; `cacheOf` says where each leaf class is looked for. */
  private probe<T>(
    cacheOf: (leafClass: number) => ReferenceCache<T> | undefined,
    page: number,
    space: number,
  ): Entry<T> | undefined {
    const classes = this.machine.iotlb.leafLog2.map((_, leafClass) => leafClass);
    return classes.map((i) => cacheOf(i)?.find(this.keyOf(page, i, space))).find((entry) => entry !== undefined);
  }

  /** The IOTLB's caches, each once. */
  private parts(): Part[] {
    return [...new Set(this.iotlb)];
  }

  private lookup(
    from: ReferenceRequester,
    page: number,
    space: number,
  ): { entry: Entry<Leaf>; donePs: number } | undefined {
    const { latency } = this.machine;
    let donePs = this.now + this.cost + (from.l1 === undefined ? 0 : ps(latency.iotlbL1HitNs));
    const first = this.probe(() => from.l1, page, space);
    if (first !== undefined) {
      from.l1!.touch(first);
      return this.found(first, donePs, true);
    }
    donePs += ps(latency.iotlbHitNs);
    const second = this.probe((leafClass) => this.iotlb[leafClass].cache, page, space);
    if (second === undefined) return undefined;
    this.iotlb[second.leafClass].cache!.touch(second);
    if (second.value.isPrefetched === true) {
      this.count(L.C_PREFETCH_HITS);
      second.value = { ...second.value, isPrefetched: false };
    }
    from.l1?.insert(second, second.value);
    return this.found(second, donePs, false);
  }

  private found(entry: Entry<Leaf>, donePs: number, isFirst: boolean): { entry: Entry<Leaf>; donePs: number } {
    const { causes } = this.iotlb[entry.leafClass];
    if (!isFirst) causes?.use(entry);
    const { readyPs, cause, unmappedPs = Infinity } = entry.value;
    if (unmappedPs <= this.now) this.count(L.C_STALE);
    if (readyPs <= donePs) {
      if (isFirst) this.count(L.C_L1_HITS);
      if (isFirst) this.count(L.C_L1_CLASS + entry.leafClass);
      this.count(L.C_HITS + entry.leafClass);
      return { entry, donePs };
    }
    this.count(L.C_MISSES);
    this.count(L.C_MERGED);
    this.count(L.C_LOOKUPS_ALL);
    if (causes !== undefined) this.count(L.C_COLD + cause);
    return { entry, donePs: readyPs };
  }

  private miss(
    from: ReferenceRequester,
    page: number,
    space: number,
    guest: GuestTable | undefined,
  ): { to: Translated | Fault; donePs: number } {
    const { latency, walkStartNs } = this.machine;
    this.count(L.C_MISSES);
    this.count(L.C_LOOKUPS_ALL);
    const arrived = this.now + this.cost + ps(latency.iotlbHitNs) + (from.l1 ? ps(latency.iotlbL1HitNs) : 0);
    const free = Math.min(...this.walkerFree);
    const walker = this.walkerFree.indexOf(free);
    const start = Math.max(arrived, free, walkStartNs > 0 ? this.nextStart : 0);
    this.nextStart = start + ps(walkStartNs);

    this.begin(start);
    const to = this.walkStages(page, space, guest);
    const donePs = start + ps(latency.walkOverheadNs) + this.cost;
    this.walkerFree[walker] = donePs;
    this.count(L.C_WALKS);
    this.count(L.C_WALK_PS, donePs - start);
    this.count(L.C_WALK_WAIT_PS, start - arrived);
    this.count(L.C_DEPTH + Math.min(this.reads, L.DEPTH_SLOTS - 1));
    if (typeof to !== 'number') {
      this.fill(from, page, space, to, donePs);
      this.prefetch(page, space, guest !== undefined, donePs);
    } else if (to === L.FAULT_NOT_PRESENT && this.machine.iotlb.negative === true) {
      this.fillNegative(from, page, space, donePs);
    } else if (this.iotlb[0].causes !== undefined) this.count(L.C_COLD);
    return { to, donePs };
  }

  private fill(from: ReferenceRequester, page: number, space: number, to: Translated, readyPs: number): void {
    const key = this.keyOf(page, this.classOf(to.sizeLog2), space);
    const { cache, causes } = this.iotlb[key.leafClass];
    const cause = causes?.miss(key) ?? 0;
    if (causes !== undefined) this.count(L.C_COLD + cause);
    const pages = this.pagesOf(key.leafClass);
    const leaf = { ...to, page: Math.floor(to.page / pages) * pages, readyPs, cause };
    cache?.insert(key, leaf);
    from.l1?.insert(key, leaf);
  }

  private fillNegative(from: ReferenceRequester, page: number, space: number, readyPs: number): void {
    const key = { page, leafClass: 0, space };
    const { cache, causes } = this.iotlb[0];
    const cause = causes?.miss(key) ?? 0;
    if (causes !== undefined) this.count(L.C_COLD + cause);
    const leaf = { page: 0, read: false, write: false, readyPs, cause, isNegative: true };
    cache?.insert(key, leaf);
    from.l1?.insert(key, leaf);
    if (cache !== undefined || from.l1 !== undefined) this.count(L.C_NEGATIVE_FILLS);
  }

  /** Fills the next pages of the same eight, if the walk's lines say where they are and the IOTLB does not know. */
  private prefetch(page: number, space: number, hasGuest: boolean, readyPs: number): void {
    const end = Math.min(page + (this.machine.prefetchPages ?? 0), page - (page % 8) + 7);
    for (let next = page + 1; next <= end; next++) {
      const to = hasGuest ? this.nextByGuest(next) : this.inLine(HOST, next);
      if (to === undefined) continue;
      const key = this.keyOf(next, this.classOf(to.sizeLog2), space);
      const { cache, causes } = this.iotlb[key.leafClass];
      const isHeld = this.probe((leafClass) => this.iotlb[leafClass].cache, next, space) !== undefined;
      if (cache === undefined || isHeld) continue;
      const cause = causes?.miss(key) ?? 0;
      const pages = this.pagesOf(key.leafClass);
      const target = Math.floor(to.page / pages) * pages;
      cache.insert(key, { ...to, page: target, readyPs, cause, isPrefetched: true });
      this.count(L.C_PREFETCHES);
    }
  }

  private nextByGuest(next: number): Translated | undefined {
    const first = this.inLine(GUEST, next);
    if (first === undefined || this.host.levels === 0) return first;
    const { from, to } = this.lastHost!;
    const pages = 2 ** (to.sizeLog2 - 12);
    const isInside = Math.floor(first.page / pages) === Math.floor(from / pages);
    const second = isInside ? { ...to, page: to.page - from + first.page } : this.inLine(HOST, first.page);
    if (second === undefined) return undefined;
    const sizeLog2 = this.machine.iotlb.fracture ? Math.min(first.sizeLog2, second.sizeLog2) : first.sizeLog2;
    return { page: second.page, sizeLog2, read: first.read && second.read, write: first.write && second.write };
  }

  /** Another page by the leaf entry that a stage's walk has read last, or its neighbours: eight entries share a line. */
  private inLine(stage: Stage, page: number): Translated | undefined {
    const last = this.lastLeaf[stage];
    if (last === undefined) return undefined;
    const { table, level } = last;
    const index = (page: number): number => Math.floor(page / 512 ** level);
    const isReached =
      level === 0 ? Math.floor(page / 8) === Math.floor(last.page / 8) : index(page) === index(last.page);
    if (!isReached) return undefined;
    const entry = this.memory.word(this.memory.locate(table + 8n * BigInt(index(page) % 512), 8)!);
    const decoded = stage === HOST ? decodeV1(entry, level) : decodeV2(entry, level);
    const { present, reserved, sizeLog2 } = decoded;
    if (!present || reserved || sizeLog2 === undefined) return undefined;
    const pages = 2 ** (sizeLog2 - 12);
    const base = Math.floor(Number((entry & ADDRESS) >> 12n) / pages) * pages;
    const [read, write] = [last.read && decoded.read, last.write && decoded.write];
    return { page: base + (page % pages), sizeLog2, read, write };
  }

  // ---- Walks -----------------------------------------------------------------------------------------------------------

  private walkStages(page: number, space: number, guest: GuestTable | undefined): Translated | Fault {
    const { levels, root } = this.host;
    if (guest === undefined) return this.walk(HOST, levels, root, page, space, false);
    const first = this.walk(GUEST, guest.levels, guest.root, page, space, levels !== 0);
    if (typeof first === 'number' || levels === 0) return first;
    this.lastLeaf[HOST] = undefined;
    const second = this.throughHost(first.page);
    if (typeof second === 'number') return second;
    this.lastHost = { from: first.page, to: second };
    const sizeLog2 = this.machine.iotlb.fracture ? Math.min(first.sizeLog2, second.sizeLog2) : first.sizeLog2;
    return { page: second.page, sizeLog2, read: first.read && second.read, write: first.write && second.write };
  }

  private walk(
    stage: Stage,
    levels: number,
    root: bigint,
    page: number,
    space: number,
    isNested: boolean,
  ): Translated | Fault {
    if (page >= 2 ** Math.min(52, 9 * levels)) return L.FAULT_WIDTH;
    const start = this.askWalkCaches(stage, levels, page, space);
    const { pointer } = start;
    let { level } = start;
    let isSystemAddress = !isNested || pointer !== undefined;
    let { table, read, write } = pointer ?? { table: root, read: true, write: true };
    let pointerLevel = 0; // of the entry that `table` was just read from
    for (;;) {
      if (!isSystemAddress) {
        const host = this.throughHost(Number(table >> 12n));
        if (typeof host === 'number') return L.FAULT_GUEST_TABLE;
        table = BigInt(host.page) << 12n;
      }
      isSystemAddress = !isNested;
      if (start.mayFill.has(pointerLevel)) {
        const readyPs = this.now + this.cost;
        this.walkCaches[stage][pointerLevel]!.insert(pointerKey(page, pointerLevel, space), {
          table,
          read,
          write,
          readyPs,
        });
      }
      this.count(L.C_READS + 8 * stage + level);
      this.reads++;
      const entry = this.read(table + 8n * BigInt(Math.floor(page / 512 ** level) % 512));
      if (entry === undefined) return L.FAULT_MEMORY;
      const decoded = stage === HOST ? decodeV1(entry, level) : decodeV2(entry, level);
      if (!decoded.present) return L.FAULT_NOT_PRESENT;
      if (decoded.reserved) return L.FAULT_RESERVED;
      if (decoded.sizeLog2 !== undefined) this.lastLeaf[stage] = { table, level, page, read, write };
      read &&= decoded.read;
      write &&= decoded.write;
      if (decoded.sizeLog2 !== undefined) {
        const pages = 2 ** (decoded.sizeLog2 - 12);
        const base = Math.floor(Number((entry & ADDRESS) >> 12n) / pages) * pages;
        return { page: base + (page % pages), sizeLog2: decoded.sizeLog2, read, write };
      }
      const next = decoded.nextLevel;
      // The entry names the level above the table it points to; the page's index at every level it skips must be 0.
      if (next > level || next === 0 || Math.floor(page / 512 ** next) % 512 ** (level - next) !== 0)
        return L.FAULT_LEVEL;
      table = entry & ADDRESS;
      pointerLevel = next;
      level = next - 1;
    }
  }

  private askWalkCaches(stage: Stage, levels: number, page: number, space: number) {
    const mayFill = new Set<number>();
    for (let level = 1; level < levels; level++) {
      const cache = this.walkCaches[stage][level];
      if (cache === undefined) continue;
      this.count(L.C_PWC_LOOKUPS + 8 * stage + level);
      const entry = cache.find(pointerKey(page, level, space));
      if (entry === undefined) mayFill.add(level);
      else if (entry.value.readyPs <= this.now + this.cost) {
        cache.touch(entry);
        this.count(L.C_PWC_HITS + 8 * stage + level);
        return { level: level - 1, pointer: entry.value, mayFill };
      }
    }
    return { level: levels - 1, pointer: undefined, mayFill };
  }

  /** A guest-physical page through nested TLB or host table. */
  private throughHost(page: number): Translated | Fault {
    const { levels, root, space } = this.host;
    if (this.nestedTlb === undefined) return this.walk(HOST, levels, root, page, space, false);
    this.count(L.C_NTLB_LOOKUPS);
    let isPending = false;
    for (let leafClass = 0; leafClass < this.machine.iotlb.leafLog2.length; leafClass++) {
      const entry = this.nestedTlb.find(this.keyOf(page, leafClass, space));
      if (entry === undefined) continue;
      if (entry.value.readyPs > this.now + this.cost) {
        isPending = true;
        continue;
      }
      this.nestedTlb.touch(entry);
      this.count(L.C_NTLB_HITS);
      const sizeLog2 = this.machine.iotlb.leafLog2[leafClass];
      return { ...entry.value, page: entry.value.page + (page % this.pagesOf(leafClass)), sizeLog2 };
    }
    const to = this.walk(HOST, levels, root, page, space, false);
    if (typeof to === 'number' || isPending) return to;
    const key = this.keyOf(page, this.classOf(to.sizeLog2), space);
    const pages = this.pagesOf(key.leafClass);
    const leaf = { ...to, page: Math.floor(to.page / pages) * pages, readyPs: this.now + this.cost, cause: 0 };
    this.nestedTlb.insert(key, leaf);
    return to;
  }

  // ---- Invalidation ----------------------------------------------------------------------------------------------------

  /** Entries dropped. `pasid` < 0: host addresses. */
  invalidatePages(domain: number, pasid: number, page: number, pagesLog2: number, pde: boolean): number {
    const space = pasid < 0 ? domain : domain + pasid * 2 ** 16 + GUEST_SPACE;
    const start = Math.floor(page / 2 ** pagesLog2) * 2 ** pagesLog2;
    const end = start + 2 ** pagesLog2;
    const isGuestOfDomain = (key: Key): boolean => key.space >= GUEST_SPACE && key.space % 2 ** 16 === domain;
    const meets = (key: Key, pages: number): boolean =>
      key.space === space && key.page * pages < end && (key.page + 1) * pages > start;
    const meetsLeaf = (key: Key): boolean => meets(key, this.pagesOf(key.leafClass));
    let dropped = this.dropLeaves((key) => meetsLeaf(key) || (pasid < 0 && isGuestOfDomain(key)));
    if (pde) dropped += this.dropPointers(pasid < 0 ? HOST : GUEST, meets);
    if (pasid >= 0) return dropped + (pagesLog2 >= 52 ? this.invalidatePasid(domain, pasid) : 0);
    dropped += this.nestedTlb?.removeIf(meetsLeaf).length ?? 0;
    return dropped + this.dropPointers(GUEST, isGuestOfDomain);
  }

  /** Of a PASID (-1: any) in a domain (-1: any). A device whose entry is not cached may be in any domain. */
  invalidatePasid(domain: number, pasid: number): number {
    const isElsewhere = (bdf: number): boolean => {
      const entry = this.devices?.find({ page: bdf, leafClass: 0, space: 0 });
      return entry !== undefined && entry.value.domain !== domain;
    };
    const dropped = this.pasids?.removeIf(({ space }) => {
      const bdf = space % 2 ** 16;
      if (pasid >= 0 && (space - bdf) / 2 ** 16 !== pasid) return false;
      return domain < 0 || !isElsewhere(bdf);
    });
    return dropped?.length ?? 0;
  }

  /** Marks what is cached of these pages; the first mark stays. */
  noteUnmapped(domain: number, pasid: number, page: number, pages: number, atPs: number): void {
    const space = pasid < 0 ? domain : domain + pasid * 2 ** 16 + GUEST_SPACE;
    for (const cache of [...this.parts().map(({ cache }) => cache), ...this.requesters.map(({ l1 }) => l1)]) {
      for (const entry of cache?.entries() ?? []) {
        const size = this.pagesOf(entry.leafClass);
        const meets = entry.page * size < page + pages && (entry.page + 1) * size > page;
        if (entry.space === space && meets && entry.value.isNegative !== true)
          entry.value = { ...entry.value, unmappedPs: entry.value.unmappedPs ?? atPs };
      }
    }
  }

  invalidateDevice(bdf: number): number {
    const devices = this.devices?.removeIf((entry) => entry.page === bdf) ?? [];
    const pasids = this.pasids?.removeIf((entry) => entry.space % 2 ** 16 === bdf) ?? [];
    return devices.length + pasids.length;
  }

  invalidateAll(): number {
    const all = (): boolean => true;
    const leaves = this.dropLeaves(all) + (this.nestedTlb?.removeIf(all).length ?? 0);
    const pointers = this.dropPointers(GUEST, all) + this.dropPointers(HOST, all);
    return leaves + pointers + (this.devices?.removeIf(all).length ?? 0) + (this.pasids?.removeIf(all).length ?? 0);
  }

  private dropLeaves(matches: (key: Key) => boolean): number {
    const parts = this.parts();
    const levels = [...parts.map(({ cache }) => cache), ...this.requesters.map(({ l1 }) => l1)];
    const dropped = levels.flatMap((cache) => cache?.removeIf(matches) ?? []);
    for (const part of parts) {
      const ofPart = (key: Key): boolean => this.iotlb[key.leafClass] === part;
      part.causes?.invalidate(dropped.filter(ofPart), (key) => ofPart(key) && matches(key));
    }
    return dropped.length;
  }

  private dropPointers(stage: Stage, meets: (key: Key, pages: number) => boolean): number {
    const drop = (cache: ReferenceCache<Pointer> | undefined, level: number): number =>
      cache?.removeIf((key) => meets(key, 512 ** level)).length ?? 0;
    return this.walkCaches[stage].map(drop).reduce((sum, count) => sum + count, 0);
  }
}

function pointerKey(page: number, level: number, space: number): Key {
  return { page: Math.floor(page / 512 ** level), leafClass: 0, space };
}

function allows({ read, write }: Permissions, access: number): boolean {
  return (read || (access & 1) === 0) && (write || (access & 2) === 0);
}

interface Decoded extends Permissions {
  readonly present: boolean;
  readonly reserved: boolean;
  /** Of a leaf. */
  readonly sizeLog2: number | undefined;
  /** Of a pointer: 1-based level of the table it points to. */
  readonly nextLevel: number;
}

/** AMD 48882, section 2.2.3. */
function decodeV1(entry: bigint, level: number): Decoded {
  const nextLevel = Number(field(entry, 11, 9));
  return {
    present: field(entry, 0, 0) === 1n,
    reserved: field(entry, 58, 52) !== 0n,
    read: field(entry, 61, 61) === 1n,
    write: field(entry, 62, 62) === 1n,
    sizeLog2: nextLevel === 0 ? 12 + 9 * level : nextLevel === 7 ? codedSize(entry) : undefined,
    nextLevel,
  };
}

/** A size of 2^k is coded by a zero in address bit k - 1 below which all address bits are one. */
function codedSize(entry: bigint): number {
  let bit = 12;
  while (bit < 52 && field(entry, bit, bit) === 1n) bit++;
  return bit + 1;
}

/** Intel SDM volume 3A, section 4.5, as AMD 48882 section 2.2.6 uses it; DMA requests are user requests. */
function decodeV2(entry: bigint, level: number): Decoded {
  const isLarge = field(entry, 7, 7) === 1n;
  const isLeaf = level === 0 || (level <= 2 && isLarge);
  const offsetBits = level === 0 || !isLeaf ? 0n : field(entry, 11 + 9 * level, 13);
  const user = field(entry, 2, 2) === 1n;
  return {
    present: field(entry, 0, 0) === 1n,
    reserved: (level > 2 && isLarge) || offsetBits !== 0n,
    read: user,
    write: user && field(entry, 1, 1) === 1n,
    sizeLog2: isLeaf ? 12 + 9 * level : undefined,
    nextLevel: level,
  };
}
