/**
 * What a device model needs from the driver side: memory to point DMA at, and the DMA API on one core.
 * Implemented by driver/ and handed in, so that traffic/ imports nothing from it.
 */
export const PROT_READ = 1; // device reads (DMA to device)
export const PROT_WRITE = 2; // device writes (DMA from device)

export interface Mapper {
  /** Time at which the core is free, ps; work starts at max(this, event time). */
  readonly cpuFreePs: number;
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
  /** dma_map: IOVA page, or -1 when the IOVA space is full. Charges the core, whose time moves on. */
  map(physicalPage: number, pages: number, prot: number): number;
  /** dma_unmap of exactly one earlier map. Charges the core; in strict mode waits for the invalidation. */
  unmap(iovaPage: number, pages: number): void;
  /** The same three at IOVAs that the caller chooses, outside the allocator (trace replay); false: already mapped. */
  mapStaticAt(iovaPage: number, physicalPage: number, pages: number, prot: number): boolean;
  mapAt(iovaPage: number, physicalPage: number, pages: number, prot: number): boolean;
  unmapAt(iovaPage: number, pages: number): void;
  /** True when map returns what it returned before without touching tables (static): buffers may be recycled. */
  readonly keepsMappings: boolean;
}
