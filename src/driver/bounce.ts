/**
 * Bounce buffers of untrusted devices (swiotlb; iommu_dma_map_page of drivers/iommu/dma-iommu.c): a buffer that does not
 * begin and end on page boundaries would show the device what else lies on its pages, so the data goes through pages of
 * its own. The copy is made at the map, whatever the direction, so that what the device does not write stays as it was,
 * and again at the unmap if the device may have written.
 *
 * Slots are 2 KiB; a mapping takes whole pages of them, all in one segment of 128 slots (kernel/dma/swiotlb.c).
 */
import type { OsCosts } from '../spec.ts';
import type { DriverCpu, MappingPolicy } from './policy.ts';

/** IO_TLB_SEGSIZE × IO_TLB_SIZE: 128 slots of 2 KiB. */
export const SEGMENT_PAGES = 64;
const SLOTS_PER_PAGE = 2;
const KIB = 1024;
const PROT_WRITE = 2;

/** The slots, handed out as pages: a mapping never shares a page. */
export class BouncePool {
  readonly firstPage: number;
  private readonly taken: Uint8Array;
  /** Where the search goes on: pages are used round and round. */
  private next = 0;

  /** `firstPage`: of the memory that the slots lie in. */
  constructor(firstPage: number, slots: number) {
    this.firstPage = firstPage;
    this.taken = new Uint8Array(Math.floor(slots / SLOTS_PER_PAGE));
  }

  /** First of `pages` free pages in one segment, or -1. */
  take(pages: number): number {
    const total = this.taken.length;
    if (pages > SEGMENT_PAGES) return -1;
    for (let tried = 0, at = this.next; tried < total; ) {
      const free = this.freeFrom(at, pages);
      if (free === pages) return this.use(at, pages);
      // Past the page that is taken, or to the segment that begins here.
      const step = at + free < total && this.taken[at + free] === 0 ? free : free + 1;
      tried += step;
      at = at + step >= total ? 0 : at + step;
    }
    return -1;
  }

  give(page: number, pages: number): void {
    this.taken.fill(0, page - this.firstPage, page - this.firstPage + pages);
  }

  /** Free pages from `at` on, up to `pages`, the end of the segment or of the pool. */
  private freeFrom(at: number, pages: number): number {
    const end = Math.min(at + pages, (Math.floor(at / SEGMENT_PAGES) + 1) * SEGMENT_PAGES, this.taken.length);
    let free = 0;
    while (at + free < end && this.taken[at + free] === 0) free++;
    return free;
  }

  private use(at: number, pages: number): number {
    this.taken.fill(1, at, at + pages);
    this.next = at + pages >= this.taken.length ? 0 : at + pages;
    return this.firstPage + at;
  }
}

interface BouncedMapping {
  readonly page: number;
  readonly pages: number;
  readonly lengthBytes: number;
  readonly written: boolean;
}

/** The bounced mappings of one device. */
export class BounceBuffers {
  private readonly pool: BouncePool;
  private readonly policy: MappingPolicy;
  private readonly slotPs: number;
  private readonly kibPs: number;
  /** By IOVA page. */
  private readonly live = new Map<number, BouncedMapping>();

  constructor(pool: BouncePool, policy: MappingPolicy, costs: OsCosts) {
    this.pool = pool;
    this.policy = policy;
    this.slotPs = Math.round(costs.bounceNs * 1000);
    this.kibPs = costs.copyKibNs * 1000;
  }

  /** IOVA page, or -1 (counted) when there are no slots or no IOVAs. */
  map(cpu: DriverCpu, pages: number, prot: number, lengthBytes: number): number {
    const page = this.pool.take(pages);
    cpu.spendMap(this.slotPs);
    if (page < 0) {
      cpu.account.mapFailures++;
      return -1;
    }
    cpu.account.bounces++;
    cpu.spendMap(this.copy(cpu, lengthBytes));
    const iovaPage = this.policy.map(cpu, page, pages, prot);
    if (iovaPage < 0) this.pool.give(page, pages);
    else this.live.set(iovaPage, { page, pages, lengthBytes, written: (prot & PROT_WRITE) !== 0 });
    return iovaPage;
  }

  /** False: the mapping was not bounced. */
  unmap(cpu: DriverCpu, iovaPage: number): boolean {
    const mapping = this.live.get(iovaPage);
    if (mapping === undefined) return false;
    this.live.delete(iovaPage);
    this.policy.unmap(cpu, iovaPage, mapping.pages);
    if (mapping.written) cpu.spendUnmap(this.copy(cpu, mapping.lengthBytes));
    this.pool.give(mapping.page, mapping.pages);
    return true;
  }

  private copy(cpu: DriverCpu, lengthBytes: number): number {
    if (!cpu.setup) cpu.account.copiedBytes += lengthBytes;
    return Math.round((lengthBytes / KIB) * this.kibPs);
  }
}
