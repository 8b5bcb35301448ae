/**
 * One instance of the AssemblyScript kernel over the run's shared memory. Pure: the compiled module and the memory are
 * handed in, so that the engine runs in a worker, a test or a browser alike.
 */
import { HEAP_BASE } from './layout.ts';

/**
 * What assembly/index.ts exports. Pointers are wasm offsets of the records of layout.ts; addresses travel as page numbers
 * (address / 4096), exact in a double; times are picoseconds.
 */
export interface KernelExports {
  /** Prepares an empty table: allocates the root. 0 or a negative errno. */
  ptCreate(pt: number): number;
  ptDestroy(pt: number): void;
  /** Maps pages; 0 or a negative errno; all or nothing. `leafHigh:leafLow` are the attribute bits of the leaves. */
  ptMap(pt: number, iovaPage: number, paPage: number, pages: number, leafLow: number, leafHigh: number): number;
  /** The same with leaves of one given size. */
  ptMapSize(
    pt: number,
    iovaPage: number,
    paPage: number,
    sizeLog2: number,
    count: number,
    leafLow: number,
    leafHigh: number,
  ): number;
  /** Unmaps a range; pages unmapped. */
  ptUnmap(pt: number, iovaPage: number, pages: number): number;
  ptUnmapSize(pt: number, iovaPage: number, sizeLog2: number, count: number): number;
  /** Pages mapped by the last map call. */
  lastMapped(): number;
  /** Physical page of an input page, or -1. lastSizeLog2 is the leaf's size. */
  ptLookup(pt: number, iovaPage: number): number;
  /** Walks a table in windowed memory: the physical page, or -1 - FAULT_*. `access`: 1 read, 2 write, 3 both. */
  walkRaw(rule: number, levels: number, rootPage: number, rootOffset: number, page: number, access: number): number;
  /** Nested look-up without caches: the physical page or -1; lastReads() is what it cost. */
  walkNestedRaw(
    guestRule: number,
    guestLevels: number,
    guestRootPage: number,
    hostRule: number,
    hostLevels: number,
    hostRootPage: number,
    page: number,
  ): number;

  /** One request; the time at which its translation is done, or -1 - time when it was aborted (lastFault says why). */
  readonly translate: (ctx: number, page: number, access: number, nowPs: number) => number;
  /** Brings a requester's counters up to date: misses that are alike (C_ALIKE of layout.ts) are counted together. */
  readonly settleMisses: (ctx: number) => void;
  /** Commands; entries dropped. `pagesLog2` 52 = the whole address space, `pasid` -1 = host addresses. */
  invalidatePages(unit: number, domain: number, pasid: number, page: number, pagesLog2: number, flags: number): number;
  invalidateDevice(unit: number, bdf: number): number;
  invalidateAll(unit: number): number;
  /** PASID-cache entries; -1 = any domain, any PASID. */
  invalidatePasid(unit: number, domain: number, pasid: number): number;
  /** `pages` pages from `page` on were unmapped and are not yet invalidated: hits on them count as stale from `atPs` on. */
  noteUnmapped(unit: number, domain: number, pasid: number, page: number, pages: number, atPs: number): void;

  /**
   * The short way of a command queue (QUEUE_* of layout.ts): an invalidation of 2^sizeLog2 bytes around a page (64: everything), a
   * completion wait, and the effects of both up to a time. Return what iommu/command-queue.ts says, -1 = not done; `queueProcess` the
   * number of entries dropped, or -1 - that number where it stopped before a command of another kind.
   */
  queuePages(
    queue: number,
    nowPs: number,
    domain: number,
    pasid: number,
    page: number,
    sizeLog2: number,
    walkCaches: number,
  ): number;
  queueWait(queue: number, nowPs: number): number;
  readonly queueProcess: (queue: number, nowPs: number) => number;

  /**
   * The short way of drivers by the records of layout-driver.ts. Return what SinglePages of driver/domain.ts says.
   */
  readonly driverMap: (stock: number, account: number, physicalPage: number, prot: number) => number;
  readonly driverUnmap: (stock: number, account: number, iovaPage: number, releases: number) => number;

  /** A bare cache: 1 = hit (a miss fills); removal: 1 = it was there. */
  cacheAccess(cache: number, page: number, space: number): number;
  cacheRemove(cache: number, page: number, space: number): number;

  /** Runs an engine (ENGINE_* of layout.ts) until a time or a number of requests; calls back through EngineHost. */
  engineRun(engine: number, untilPs: number, budget: number): void;
  /** Time of its next event; Infinity. */
  engineNext(engine: number): number;
  /** Makes `atPs`, or now, the time at which an actor is due. */
  engineSchedule(engine: number, actor: number, atPs: number): void;
  /** A device whose stream may be idle goes on. */
  engineWake(engine: number, device: number): void;
  engineFinish(engine: number): void;
  /** The response to a page request group of a device's leaves the unit. */
  atsRespond(engine: number, device: number, group: number, code: number, atPs: number): void;
  /** An invalidation of 2^pagesLog2 pages leaves for a device at `atPs`; the unit takes it for done at `answerPs`. */
  atsInvalidate(engine: number, device: number, page: number, pagesLog2: number, atPs: number, answerPs: number): void;
  /** Requests of these pages that are between a device and memory after `atPs`, as far as is known now. */
  atsUses(engine: number, device: number, page: number, pagesLog2: number, atPs: number): number;
  /** noteUnmapped for a device's own cache. */
  atsUnmapped(engine: number, device: number, page: number, pages: number, atPs: number): void;
  /** Counts a value ≥ 0 in a histogram (HISTOGRAM_* of layout.ts); such values wait until there are many, or `histogramFlush`. */
  histogramRecord(histogram: number, value: number): void;
  histogramFlush(histogram: number): void;

  /** Results of the last call beside its return value. */
  lastFault(): number;
  lastPage(): number;
  lastSizeLog2(): number;
  lastPermissions(): number;
  lastReads(): number;
  /** Where translate writes its trace (TRACE_* of layout.ts); 0 = nowhere. */
  setTrace(trace: number): void;
}

export type KernelMemory = WebAssembly.Memory;

/** `initialPages`: wasm pages (64 KiB) that exist from the start; untouched pages cost nothing. */
export function createMemory(initialPages: number): KernelMemory {
  return new WebAssembly.Memory({ initial: initialPages, maximum: 65536, shared: true });
}

/** What a running engine asks for. */
export interface EngineHost {
  /** Requests that the device's model gives now, put into its port's buffer: how many; 0 = none. */
  fetch(device: number, atPs: number): number;
  /** A burst is complete. */
  done(device: number, token: number, donePs: number, faulted: number): void;
  /** Runs an actor that is not a device. */
  other(actor: number, nowPs: number): void;
  /** A page request has come to the unit; `group` has GROUP_LAST set in the last of its group. `access`: 1 read, 2 write. */
  pageRequest(device: number, page: number, access: number, group: number, atPs: number): void;
  /**
   * For engines with BETWEEN_IMPORT. Of ports with ATS: access 0 is a translation request, whose answer is 4 KiB with all rights; 8
   * is added in a pre-translated request.
   */
  readonly translate: KernelExports['translate'];
  /** For engines with BETWEEN_LOG: the log is full and must be taken. */
  recorded(): void;
}

const NO_HOST: EngineHost = {
  fetch: () => 0,
  done: () => {},
  other: () => {},
  pageRequest: () => {},
  translate: () => 0,
  recorded: () => {},
};

export class Kernel {
  /** The engine that runs. */
  host: EngineHost = NO_HOST;
  readonly exports: KernelExports;
  readonly memory: KernelMemory;
  readonly view: DataView;
  readonly i32: Int32Array;
  readonly f64: Float64Array;

  constructor(module: WebAssembly.Module, memory: KernelMemory) {
    this.memory = memory;
    const env = {
      memory,
      fetch: (device: number, atPs: number) => this.host.fetch(device, atPs),
      done: (device: number, token: number, donePs: number, faulted: number) =>
        this.host.done(device, token, donePs, faulted),
      other: (actor: number, nowPs: number) => this.host.other(actor, nowPs),
      pageRequest: (device: number, page: number, access: number, group: number, atPs: number) =>
        this.host.pageRequest(device, page, access, group, atPs),
      translate: (ctx: number, page: number, op: number, atPs: number) => this.host.translate(ctx, page, op, atPs),
      recorded: () => this.host.recorded(),
    };
    this.exports = new WebAssembly.Instance(module, { env }).exports as unknown as KernelExports;
    this.view = new DataView(memory.buffer);
    this.i32 = new Int32Array(memory.buffer);
    this.f64 = new Float64Array(memory.buffer);
  }
}

/** Hands out regions of kernel memory during set-up, in an order fixed by the spec. Never frees. */
export class Regions {
  next: number;
  readonly limit: number;

  constructor(limitBytes: number, base: number = HEAP_BASE) {
    this.next = base;
    this.limit = limitBytes;
  }

  /** Throws RangeError when the memory is used up: the estimate before the run must have prevented that. */
  take(bytes: number, alignBytes = 64): number {
    const at = Math.ceil(this.next / alignBytes) * alignBytes;
    if (at + bytes > this.limit) {
      throw new RangeError(`kernel memory: ${bytes} bytes wanted, ${this.limit - at} left`);
    }
    this.next = at + bytes;
    return at;
  }
}
