/**
 * Contract of a mapping policy: when a DMA mapping is made, when it goes away, and when the caches are told.
 *
 * One policy object serves one domain and all the cores that use it. A policy is written over the steps that the
 * domain offers; every step charges the core that does it. `MappedPolicy` has what most policies share.
 */
import type { FlushQueueSpec } from '../spec.ts';
import type { DriverCpu } from './cpu.ts';

export type { DriverCpu };

/** The steps of the DMA API over one address space. Pages are 4 KiB; `iovaPage` = IOVA / 4096. */
export interface DmaSteps {
  /** Takes an IOVA range and writes the table. IOVA page, or -1 (counted as a failure) with nothing left behind. */
  map(cpu: DriverCpu, physicalPage: number, pages: number, prot: number): number;
  /** The same for `count` single pages, wherever they lie: one IOVA range for all (dma_map_sg). */
  mapSg(cpu: DriverCpu, physicalPages: Float64Array, count: number, prot: number): number;
  /** Takes an IOVA range and maps nothing yet. IOVA page, or -1 (counted as a failure). */
  reserve(cpu: DriverCpu, pages: number): number;
  /** Writes the table at a given IOVA. False (counted) if something is mapped there or the table is full. */
  mapAt(cpu: DriverCpu, iovaPage: number, physicalPage: number, pages: number, prot: number): boolean;
  /** Clears the table. Returns true if that freed table pages. */
  clear(cpu: DriverCpu, iovaPage: number, pages: number): boolean;
  /**
   * Sends what the kernel era sends for one unmapped range, and waits until it is done. With `keepWalkCaches` the walk
   * caches stay, whatever the era does, unless tables were freed.
   */
  invalidate(cpu: DriverCpu, iovaPage: number, pages: number, tablesFreed: boolean, keepWalkCaches?: boolean): void;
  /**
   * `clear` and `invalidate` of one page in one go, with its stale window, where the domain's invalidations go to one queue of this
   * unit and nobody holds a lock: the same costs. False: not that case, and nothing is done.
   */
  unmapPage(cpu: DriverCpu, iovaPage: number): boolean;
  /** The same, and `release`. */
  releasePage(cpu: DriverCpu, iovaPage: number): boolean;
  /** Drops everything of the domain from the caches, and waits until it is done. */
  flush(cpu: DriverCpu): void;
  /** Gives the IOVA range back. */
  release(cpu: DriverCpu, iovaPage: number, pages: number): void;
}

export interface MappingPolicy {
  /** Mapping the same buffer again returns the mapping that is there: drivers may recycle buffers without unmapping. */
  readonly keepsMappings: boolean;
  /** IOVA page of a mapping of the buffer, or -1 when there is no room. */
  map(cpu: DriverCpu, physicalPage: number, pages: number, prot: number): number;
  /** Undoes one `map`. */
  unmap(cpu: DriverCpu, iovaPage: number, pages: number): void;
  /** The same at IOVAs that the caller chooses, outside the allocator (trace replay). */
  mapAt(cpu: DriverCpu, iovaPage: number, physicalPage: number, pages: number, prot: number): boolean;
  unmapAt(cpu: DriverCpu, iovaPage: number, pages: number): void;
  /** Lists of single pages; see PageList. False: no room, and nothing of the list is mapped. */
  mapSg(cpu: DriverCpu, list: PageList, prot: number): boolean;
  unmapSg(cpu: DriverCpu, list: PageList): void;
  mapPages(cpu: DriverCpu, list: PageList, prot: number): boolean;
  /** One piece of work from page `from` on; returns the page to go on with. */
  unmapPages(cpu: DriverCpu, list: PageList, from: number): number;
  /** When the policy's timer runs out, ps; Infinity when it is not armed. */
  timerAt(): number;
  /** Runs the timer's work (on the core that armed it). */
  timer(nowPs: number): void;
}

/** `count` single pages and, once mapped, the IOVA page of each. */
export interface PageList {
  readonly physicalPages: Float64Array;
  readonly iovaPages: Float64Array;
  readonly count: number;
}

export interface PolicyContext {
  readonly steps: DmaSteps;
  readonly flushQueue: FlushQueueSpec;
  /** Pages of one range of policy `contiguous`. */
  readonly contiguousPages: number;
}
export type PolicyFactory = (context: PolicyContext) => MappingPolicy;

/** Maps at once and has no timer: what a policy adds is what an unmap means. */
export abstract class MappedPolicy implements MappingPolicy {
  readonly keepsMappings: boolean = false;
  protected readonly steps: DmaSteps;

  constructor(context: PolicyContext) {
    this.steps = context.steps;
  }

  abstract unmap(cpu: DriverCpu, iovaPage: number, pages: number): void;
  abstract unmapAt(cpu: DriverCpu, iovaPage: number, pages: number): void;

  map(cpu: DriverCpu, physicalPage: number, pages: number, prot: number): number {
    return this.steps.map(cpu, physicalPage, pages, prot);
  }

  mapAt(cpu: DriverCpu, iovaPage: number, physicalPage: number, pages: number, prot: number): boolean {
    return this.steps.mapAt(cpu, iovaPage, physicalPage, pages, prot);
  }

  /** dma_map_sg: one IOVA range, however the pages lie. */
  mapSg(cpu: DriverCpu, { physicalPages, iovaPages, count }: PageList, prot: number): boolean {
    const iovaPage = this.steps.mapSg(cpu, physicalPages, count, prot);
    for (let i = 0; i < count; i++) iovaPages[i] = iovaPage + i;
    return iovaPage >= 0;
  }

  unmapSg(cpu: DriverCpu, { iovaPages, count }: PageList): void {
    this.unmap(cpu, iovaPages[0], count);
  }

  /** One dma_map_page after the other. */
  mapPages(cpu: DriverCpu, { physicalPages, iovaPages, count }: PageList, prot: number): boolean {
    for (let i = 0; i < count; i++) {
      iovaPages[i] = this.map(cpu, physicalPages[i], 1, prot);
      if (iovaPages[i] >= 0) continue;
      for (let done = 0; done < i; ) done = this.unmapPages(cpu, { physicalPages, iovaPages, count: i }, done);
      return false;
    }
    return true;
  }

  unmapPages(cpu: DriverCpu, { iovaPages }: PageList, from: number): number {
    this.unmap(cpu, iovaPages[from], 1);
    return from + 1;
  }

  timerAt(): number {
    return Infinity;
  }

  timer(_nowPs: number): void {}
}
