/**
 * Linux's IOVA allocator (drivers/iommu/iova.c, and iommu_dma_alloc_iova of dma-iommu.c), address for address.
 *
 * Requests of up to 32 pages are served from per-CPU stacks ("magazines") of 127 freed ranges for each of six
 * power-of-two sizes, backed by a global depot; everything else comes top-down and size-aligned from a tree of the
 * ranges in use. PCI devices are first tried below 4 GiB. Page numbers are IOVA / 4096; pages are 4 KiB.
 *
 * Left out: the spinlocks (their cost is the caller's), and granules other than 4 KiB.
 */
import {
  MAGAZINE_BYTES,
  MAGAZINE_PAGES,
  MAGAZINE_RANGES as RANGES,
  MAGAZINE_SIZE,
  STOCK_LOADED,
  STOCK_MAGAZINES,
} from '../kernel/layout-driver.ts';
import { log2Ceil, roundUpPowerOfTwo } from '../lib/bits.ts';
import { assert } from '../lib/assert.ts';
import { ANCHOR, NONE, RangeTree } from './range-tree.ts';

/** iova.c: IOVA_MAG_SIZE, IOVA_RANGE_CACHE_MAX_SIZE, IOVA_DEPOT_DELAY; dma-iommu.c: start PFN of a DMA domain. */
export const MAGAZINE_RANGES: number = RANGES;
export const SIZE_CLASSES = 6;
const DEPOT_TRIM_PS = 100e9;
const LOWEST_PAGE = 1;
const PAGES_32BIT = 0x100000; // 4 GiB
const LAST_PAGE_32BIT = PAGES_32BIT - 1;

export interface IovaAllocatorSpec {
  /** CPUs that allocate and free: 0 … cpus - 1. */
  readonly cpus: number;
  /** Bits of IOVA that device and table can use, 32 … 64. */
  readonly maskBits: number;
  /** Skip the attempt below 4 GiB (iommu.forcedac=1). */
  readonly forcedac: boolean;
  /** Magazines a size class keeps in its depot; Infinity: unbounded, and trimmed one every 100 ms (Linux 6.7 on). */
  readonly depotMagazines: number;
  /** Try below 4 GiB again on every call even after it failed (Linux up to 6.3). */
  readonly retry32Bit: boolean;
  /** Page ranges [first, last] that are never handed out (MSI window, HyperTransport hole). */
  readonly reserved: readonly (readonly [number, number])[];
}

/** Kernel memory that the kernel takes single pages from, and gives them back to, by itself (sim/single-pages.ts). */
export interface IovaMemory {
  readonly buffer: ArrayBufferLike;
  /** What it must know: LAST_PAGE and NEXT_TRIM. */
  readonly limits: Float64Array;
  /** Place of STOCK_BYTES, zeroed, for one more CPU; 0: there is none left. */
  takeStock(): number;
}

/** Indices of `limits`: the last page that may be handed out now, and when a depot's timer runs out next (Infinity: none is armed). */
const LAST_PAGE = 0;
const NEXT_TRIM = 1;

/** One stack of freed ranges. */
class Magazine {
  readonly pages: Float64Array;
  private readonly sizes: Int32Array;

  constructor(buffer: ArrayBufferLike = new ArrayBuffer(MAGAZINE_BYTES), at = 0, ranges = RANGES) {
    this.sizes = new Int32Array(buffer, at + MAGAZINE_SIZE, 1);
    this.pages = new Float64Array(buffer, at + MAGAZINE_PAGES, ranges);
  }

  get size(): number {
    return this.sizes[0];
  }
  set size(size) {
    this.sizes[0] = size;
  }

  /** Takes over what another holds. */
  fill(from: Magazine): void {
    this.pages.set(from.pages);
    this.size = from.size;
    from.size = 0;
  }
}

/** Stands for the magazines of a CPU that has not freed anything yet: most CPUs never touch most domains. */
const EMPTY = new Magazine(undefined, 0, 0);

/** The loaded and the previous magazine of a CPU. Full and empty ones are exchanged with the depot by copies: these stay where they are. */
class Stock {
  loaded = EMPTY;
  private spare = EMPTY;
  private place = 0;
  private pointers: Uint32Array | undefined;

  get previous(): Magazine {
    return this.spare;
  }

  /** Kernel memory of it; 0: it lies elsewhere. */
  get at(): number {
    return this.place;
  }

  /** Makes room for what the CPU frees. */
  open(memory?: IovaMemory): void {
    const at = memory?.takeStock() ?? 0;
    this.place = at;
    if (memory === undefined || at === 0) {
      this.loaded = new Magazine();
      this.spare = new Magazine();
      return;
    }
    const first = at + STOCK_MAGAZINES;
    this.loaded = new Magazine(memory.buffer, first);
    this.spare = new Magazine(memory.buffer, first + MAGAZINE_BYTES);
    this.pointers = new Uint32Array(memory.buffer, at + STOCK_LOADED, 1);
    this.pointers[0] = first;
  }

  swap(): void {
    const { loaded, pointers } = this;
    this.loaded = this.spare;
    this.spare = loaded;
    if (pointers !== undefined) pointers[0] = this.loaded.pages.byteOffset - MAGAZINE_PAGES;
  }
}

/** One size class: a loaded and a previous magazine for each CPU, and the shared depot. */
class SizeClass {
  readonly stocks: readonly Stock[];
  readonly depot: Magazine[] = [];
  /** Empty magazines kept for reuse. */
  readonly spare: Magazine[] = [];
  /** When the depot is looked at next; Infinity: no timer armed. */
  trimAtPs = Infinity;

  constructor(cpus: number) {
    this.stocks = Array.from({ length: cpus }, () => new Stock());
  }
}

export class IovaAllocator {
  readonly spec: IovaAllocatorSpec;
  /** Ranges that the last `allocate` or `free` took from the tree or gave back to it, under its lock. */
  treeOps = 0;
  private readonly tree = new RangeTree(LOWEST_PAGE);
  private readonly classes: SizeClass[] = [];
  private readonly limit: number;
  private readonly memory: IovaMemory | undefined;
  private readonly limits: Float64Array;
  private cachedNode = ANCHOR;
  private cached32Node = ANCHOR;
  private max32Pages = PAGES_32BIT;
  private try32Bit: boolean;

  /** With `memory` the kernel can serve single pages. */
  constructor(spec: IovaAllocatorSpec, memory?: IovaMemory) {
    this.spec = spec;
    this.memory = memory;
    this.limits = memory?.limits ?? new Float64Array(2);
    let limit = 1;
    for (let bit = 12; bit < spec.maskBits; bit++) limit *= 2;
    this.limit = limit - 1;
    this.try32Bit = this.limit > PAGES_32BIT - 1 && !spec.forcedac;
    this.limits[LAST_PAGE] = this.try32Bit ? LAST_PAGE_32BIT : this.limit;
    this.limits[NEXT_TRIM] = Infinity;
    for (let sizeLog2 = 0; sizeLog2 < SIZE_CLASSES; sizeLog2++) this.classes.push(new SizeClass(spec.cpus));
    for (const [first, last] of spec.reserved) this.reserve(first, last);
  }

  /** Whether the last call had to go to the tree. */
  get slow(): boolean {
    return this.treeOps > 0;
  }

  /** Ranges that the tree holds as in use: mapped ones and those waiting in magazines. */
  get ranges(): number {
    return this.tree.size;
  }

  /** Kernel memory of a CPU's single pages (STOCK_*); 0: the kernel cannot serve it. */
  stockOf(cpu: number): number {
    const stock = this.classes[0].stocks[cpu];
    if (this.memory !== undefined) this.open(stock, 0);
    return stock.at;
  }

  private open(stock: Stock, sizeLog2: number): void {
    if (stock.loaded === EMPTY) stock.open(sizeLog2 === 0 ? this.memory : undefined);
  }

  /** First page of a free IOVA range of `pages` (≥ 1), or -1 when there is none. `nowPs` drives the depot's timer. */
  allocate(cpu: number, pages: number, nowPs: number): number {
    if (nowPs >= this.limits[NEXT_TRIM]) this.trimDepots(nowPs);
    this.treeOps = 0;
    // What most calls are: one page, from the loaded magazine, within the limit of this try.
    if (pages === 1) {
      const { loaded } = this.classes[0].stocks[cpu];
      const { size } = loaded;
      if (size > 0) {
        const page = loaded.pages[size - 1];
        if (page <= this.limits[LAST_PAGE]) {
          loaded.size = size - 1;
          return page;
        }
      }
    }
    if (this.try32Bit) {
      const page = this.allocateFast(cpu, pages, PAGES_32BIT - 1, false);
      if (page !== 0) return page;
      if (!this.spec.retry32Bit) {
        this.try32Bit = false;
        this.limits[LAST_PAGE] = this.limit;
      }
    }
    const page = this.allocateFast(cpu, pages, this.limit, true);
    return page !== 0 ? page : -1;
  }

  /** Gives back what one `allocate` of `pages` returned, on any CPU. */
  free(cpu: number, page: number, pages: number, nowPs: number): void {
    if (nowPs >= this.limits[NEXT_TRIM]) this.trimDepots(nowPs);
    this.treeOps = 0;
    // As `push`, for what most calls are.
    if (pages === 1) {
      const { loaded } = this.classes[0].stocks[cpu];
      const { size } = loaded;
      if (size < loaded.pages.length) {
        loaded.pages[size] = page;
        loaded.size = size + 1;
        return;
      }
    }
    const sizeLog2 = log2Ceil(pages);
    if (sizeLog2 < SIZE_CLASSES) this.push(sizeLog2, cpu, page, nowPs);
    else this.removeRange(page);
  }

  /** Takes first … last out of use for good; ranges that overlap are merged. */
  private reserve(first: number, last: number): void {
    let lo = first;
    let hi = last;
    for (let node = this.tree.atOrAbove(lo); this.tree.lo[node] <= hi; node = this.tree.atOrAbove(lo)) {
      hi = Math.max(hi, this.tree.hi[node]);
      this.tree.remove(node);
    }
    const above = this.tree.atOrAbove(lo);
    const below = this.tree.before(above);
    if (below !== NONE && this.tree.hi[below] >= lo) {
      lo = this.tree.lo[below]!;
      hi = Math.max(hi, this.tree.hi[below]);
      this.tree.remove(below);
    }
    this.tree.insertBefore(above, lo, hi);
  }

  /** alloc_iova_fast. 0 = none. */
  private allocateFast(cpu: number, pages: number, limit: number, flush: boolean): number {
    // Cacheable sizes are rounded up, so that what comes back always fits its class.
    const size = pages < 1 << (SIZE_CLASSES - 1) ? roundUpPowerOfTwo(pages) : pages;
    const sizeLog2 = log2Ceil(size);
    if (sizeLog2 < SIZE_CLASSES) {
      const page = this.pop(sizeLog2, cpu, limit + 1 - size);
      if (page !== 0) return page;
    }
    const page = this.insertRange(size, limit + 1);
    if (page !== 0 || !flush) return page;
    this.flushCaches();
    return this.insertRange(size, limit + 1);
  }

  /** __iova_rcache_get. */
  private pop(sizeLog2: number, cpu: number, limit: number): number {
    const { stocks, depot, spare } = this.classes[sizeLog2];
    const stock = stocks[cpu];
    if (stock.loaded.size === 0) {
      if (stock.previous.size > 0) {
        stock.swap();
      } else {
        const refill = depot.pop();
        if (refill === undefined) return 0;
        this.open(stock, sizeLog2);
        stock.loaded.fill(refill);
        spare.push(refill);
      }
    }
    return popMagazine(stock.loaded, limit);
  }

  /** __iova_rcache_insert. */
  private push(sizeLog2: number, cpu: number, page: number, nowPs: number): void {
    const sizeClass = this.classes[sizeLog2];
    const stock = sizeClass.stocks[cpu];
    this.open(stock, sizeLog2);
    if (stock.loaded.size === MAGAZINE_RANGES) {
      if (stock.previous.size < MAGAZINE_RANGES) stock.swap();
      else this.storeLoaded(sizeClass, stock.loaded, nowPs);
    }
    const { loaded } = stock;
    const { size } = loaded;
    loaded.pages[size] = page;
    loaded.size = size + 1;
  }

  /** Moves what the full loaded magazine holds to the depot, or back to the tree when the depot is full. */
  private storeLoaded(sizeClass: SizeClass, full: Magazine, nowPs: number): void {
    if (sizeClass.depot.length < this.spec.depotMagazines) {
      const stored = sizeClass.spare.pop() ?? new Magazine();
      stored.fill(full);
      sizeClass.depot.push(stored);
      if (this.spec.depotMagazines === Infinity && sizeClass.trimAtPs === Infinity) {
        this.armTrim(sizeClass, nowPs + DEPOT_TRIM_PS);
      }
    } else {
      this.emptyMagazine(full);
    }
  }

  private armTrim(sizeClass: SizeClass, atPs: number): void {
    sizeClass.trimAtPs = atPs;
    if (atPs < this.limits[NEXT_TRIM]) this.limits[NEXT_TRIM] = atPs;
  }

  /** iova_depot_work_func, for every timer that has run out by `nowPs`, in order of time. */
  private trimDepots(nowPs: number): void {
    const { limits } = this;
    while (limits[NEXT_TRIM] <= nowPs) {
      const atPs = limits[NEXT_TRIM];
      limits[NEXT_TRIM] = Infinity;
      for (const sizeClass of this.classes) {
        if (sizeClass.trimAtPs <= atPs) this.trimDepot(sizeClass, atPs);
        if (sizeClass.trimAtPs < limits[NEXT_TRIM]) limits[NEXT_TRIM] = sizeClass.trimAtPs;
      }
    }
  }

  private trimDepot(sizeClass: SizeClass, atPs: number): void {
    sizeClass.trimAtPs = Infinity;
    if (sizeClass.depot.length <= this.spec.cpus) return;
    const magazine = sizeClass.depot.pop()!;
    this.emptyMagazine(magazine);
    sizeClass.spare.push(magazine);
    sizeClass.trimAtPs = atPs + DEPOT_TRIM_PS;
  }

  /** free_cpu_cached_iovas for each CPU, then free_global_cached_iovas. */
  private flushCaches(): void {
    for (let cpu = 0; cpu < this.spec.cpus; cpu++) {
      for (const { stocks } of this.classes) {
        this.emptyMagazine(stocks[cpu].loaded);
        this.emptyMagazine(stocks[cpu].previous);
      }
    }
    const oldestFirst = this.spec.depotMagazines !== Infinity; // an array up to 6.6, then a list used as a stack
    for (const { depot, spare } of this.classes) {
      while (depot.length > 0) {
        const magazine = (oldestFirst ? depot.shift() : depot.pop())!;
        this.emptyMagazine(magazine);
        spare.push(magazine);
      }
    }
  }

  private emptyMagazine(magazine: Magazine): void {
    for (let i = 0; i < magazine.size; i++) this.removeRange(magazine.pages[i]);
    magazine.size = 0;
  }

  /** __alloc_and_insert_iova_range with size_aligned; `limit` is exclusive. 0 = no room. */
  private insertRange(size: number, limit: number): number {
    this.treeOps++;
    const low32 = limit <= PAGES_32BIT;
    if (low32 && size >= this.max32Pages) return 0;
    const start = low32 ? this.cached32Node : this.cachedNode;
    const retryPage = this.tree.hi[start];
    let above = this.fitBelow(start, size, limit, LOWEST_PAGE);
    if (above === NONE && retryPage < limit) above = this.fitBelow(ANCHOR, size, limit, retryPage + 1);
    if (above === NONE) {
      this.max32Pages = size;
      return 0;
    }
    const page = this.placeBelow(above, size, limit);
    const node = this.tree.insertBefore(above, page, page + size - 1);
    if (page + size - 1 < PAGES_32BIT) this.cached32Node = node;
    else this.cachedNode = node;
    return page;
  }

  /**
   * The highest range at or below `start` that has room for a size-aligned range just below it, under `limit` and not
   * below `low`; NONE if there is none. Linux finds it by stepping from range to range.
   */
  private fitBelow(start: number, size: number, limit: number, low: number): number {
    const tree = this.tree;
    // A size between two powers of two needs more than the lower one, aligned to the upper one: several tries then.
    const align = roundUpPowerOfTwo(size);
    const block = size === align ? align : align / 2;
    let above = tree.lo[start] >= limit ? tree.atOrAbove(limit) : start;
    while (above !== NONE) {
      const page = this.placeBelow(above, size, limit);
      if (page < low) return NONE;
      if (page > tree.hi[tree.before(above)]) return above;
      above = tree.roomBefore(above, block);
    }
    return NONE;
  }

  private placeBelow(above: number, size: number, limit: number): number {
    const align = roundUpPowerOfTwo(size);
    return Math.floor((Math.min(limit, this.tree.lo[above]) - size) / align) * align;
  }

  /** remove_iova with __cached_rbnode_delete_update. */
  private removeRange(page: number): void {
    this.treeOps++;
    const tree = this.tree;
    const node = tree.find(page);
    assert(node > ANCHOR && tree.lo[node] === page, 'a freed IOVA range must be one that was allocated');
    const lo = tree.lo[node];
    const cached32 = this.cached32Node;
    if (node === cached32 || (tree.hi[node] < PAGES_32BIT && lo >= tree.lo[cached32])) {
      this.cached32Node = tree.after(node);
    }
    if (lo < PAGES_32BIT) this.max32Pages = PAGES_32BIT;
    if (lo >= tree.lo[this.cachedNode]) this.cachedNode = tree.after(node);
    tree.remove(node);
  }
}

/** iova_magazine_pop: the newest range at or below `limit`; the top one fills its hole. 0 = none. */
function popMagazine(magazine: Magazine, limit: number): number {
  const pages = magazine.pages;
  let i = magazine.size - 1;
  while (pages[i] > limit) {
    if (i === 0) return 0;
    i--;
  }
  const page = pages[i];
  pages[i] = pages[--magazine.size]!;
  return page;
}
