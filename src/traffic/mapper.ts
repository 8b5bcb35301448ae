/**
 * What a device model needs from the driver side: memory to point DMA at, and the DMA API on one core.
 * Implemented by driver/ and handed in, so that traffic/ imports nothing from it.
 */
export const PROT_READ = 1; // device reads (DMA to device)
export const PROT_WRITE = 2; // device writes (DMA from device)

/** `count` single pages (of the tenant's address space) and, once mapped, the IOVA page of each. */
export interface PageList {
  readonly physicalPages: Float64Array;
  readonly iovaPages: Float64Array;
  readonly count: number;
}

export interface Mapper {
  /**
   * Time at which the core is free for this queue, ps; work starts at max(this, event time). Queues that share a core
   * take turns: one that has waited longer is let in a few ps sooner.
   */
  readonly cpuFreePs: number;
  /** The same device's domain and memory on the core of another of its queues; this is queue 0's. */
  forQueue(queue: number): Mapper;
  /** Starts a piece of work at `nowPs` (waits for the core) and charges `costNs`. Returns the time after it, ps. */
  work(nowPs: number, costNs: number): number;
  /** Allocates physically contiguous, naturally aligned DMA memory: its first page in the tenant's address space (SPA, or GPA in a VM). */
  allocate(pages: number): number;
  free(physicalPage: number, pages: number): void;
  /**
   * Maps before the run, without CPU cost. Returns the IOVA page, or -1 when there is no room. May be unmapped later,
   * as a ring's first buffers are.
   */
  mapStatic(physicalPage: number, pages: number, prot: number): number;
  /**
   * dma_map: IOVA page, or -1 when the IOVA space is full. Charges the core, whose time moves on. `lengthBytes` is given
   * for buffers that are not whole pages: for untrusted devices these bounce.
   */
  map(physicalPage: number, pages: number, prot: number, lengthBytes?: number): number;
  /** dma_unmap of exactly one earlier map. Charges the core; in strict mode waits for the invalidation. */
  unmap(iovaPage: number, pages: number): void;
  /**
   * dma_map_sg of scattered pages: one IOVA range and one unmap, where something is translated and not kept. Writes
   * `iovaPages`. False: no room, and nothing of the list is mapped.
   */
  mapSg(list: PageList, prot: number): boolean;
  unmapSg(list: PageList): void;
  /** The pages of one descriptor, each by a dma_map_page of its own; some policies give them one range and one invalidation. */
  mapPages(list: PageList, prot: number): boolean;
  /**
   * Undoes mapPages from the page `from` on, as much as one piece of work: a page, or what goes by one invalidation.
   * Returns the page to go on with; other cores may work in between.
   */
  unmapPages(list: PageList, from: number): number;
  /** mapPages before the run, without CPU cost. */
  mapStaticPages(list: PageList, prot: number): boolean;
  /** mapStatic, map and unmap at IOVAs that the caller chooses, outside the allocator (trace replay); false: already mapped. */
  mapStaticAt(iovaPage: number, physicalPage: number, pages: number, prot: number): boolean;
  mapAt(iovaPage: number, physicalPage: number, pages: number, prot: number): boolean;
  unmapAt(iovaPage: number, pages: number): void;
  /** True when map returns what it returned before without touching tables (static): buffers may be recycled. */
  readonly keepsMappings: boolean;
}
