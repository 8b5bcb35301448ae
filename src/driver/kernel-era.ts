/**
 * What the IOMMU driver of a Linux version does on unmap, as data. An unmap of one range sends one invalidation to each
 * target (unit, or device with its own domain ID), then one completion wait to each unit.
 *
 * Which table pages an unmap frees is the page-table code's matter (iommu/formats: the versions of Linux that they follow).
 * AMD 6.12 invalidates as 6.1 does, with the IOVA allocator of 6.7. Intel 7.2 is as 6.12.
 *
 * Sources: drivers/iommu/amd/iommu.c build_inv_iommu_pages and amd_iommu_iotlb_sync (6.1, 6.12, 7.2);
 * drivers/iommu/intel/iommu.c iommu_flush_iotlb_psi and dmar.c qi_flush_iotlb (6.1), intel/cache.c (6.12);
 * drivers/iommu/iova.c and dma-iommu.c.
 */
import type { KernelEra } from '../spec.ts';

export type WalkCacheRule = 'always' | 'when-tables-freed';

export interface KernelEraRules {
  /** Ranges of more than one page are flushed as their whole domain (AMD before 5.14). */
  readonly onlySinglePages: boolean;
  /** Largest range command, log2 bytes; above it the whole domain is flushed. */
  readonly maxSizeLog2: number;
  /** Drop the walk caches of the range always (PDE = 1; IH = 0), or only if the unmap freed table pages. */
  readonly walkCaches: WalkCacheRule;
  /** The same for first-stage tables, which are flushed by PASID. */
  readonly firstStageWalkCaches: WalkCacheRule;
  /** The domain's lock is held over the whole flush, completion wait included (amd_iommu_iotlb_sync). */
  readonly flushHoldsDomainLock: boolean;
  /** The unit's command-queue lock is held while the completion is polled (iommu_completion_wait up to 6.18). */
  readonly waitHoldsQueueLock: boolean;
  /** Magazines in each depot of the IOVA allocator; unbounded from 6.7 on. */
  readonly depotMagazines: number;
  /** Every allocation tries below 4 GiB again, up to 6.3; later the first failure is for good. */
  readonly retry32Bit: boolean;
  /** IOVA pages [first, last] that the driver reserves. */
  readonly reserved: readonly (readonly [number, number])[];
}

/** The MSI window 0xfee00000–0xfeefffff, and AMD's HyperTransport hole 0xfd00000000–0xffffffffff. */
const MSI_WINDOW = [0xfee00, 0xfeeff] as const;
const HT_HOLE = [0xfd00000, 0xfffffff] as const;

const UP_TO_6_3 = { depotMagazines: 32, retry32Bit: true } as const;
const FROM_6_7 = { depotMagazines: Infinity, retry32Bit: false } as const;
const AMD = {
  maxSizeLog2: 52,
  reserved: [MSI_WINDOW, HT_HOLE],
  flushHoldsDomainLock: true,
  waitHoldsQueueLock: true,
} as const;
const ALWAYS = { walkCaches: 'always', firstStageWalkCaches: 'always' } as const;
const WHEN_FREED = { walkCaches: 'when-tables-freed', firstStageWalkCaches: 'when-tables-freed' } as const;
/** VT-d: CAP_REG.MAMV = 18 is what server parts report: 2^18 pages. qi_submit_sync polls with its lock dropped. */
const INTEL = {
  onlySinglePages: false,
  maxSizeLog2: 30,
  reserved: [MSI_WINDOW],
  flushHoldsDomainLock: false,
  waitHoldsQueueLock: false,
} as const;

export const KERNEL_ERAS: Readonly<Record<KernelEra, KernelEraRules>> = {
  'amd-5.13': { ...AMD, ...UP_TO_6_3, ...ALWAYS, onlySinglePages: true },
  'amd-6.1': { ...AMD, ...UP_TO_6_3, ...ALWAYS, onlySinglePages: false },
  'amd-6.12': { ...AMD, ...FROM_6_7, ...ALWAYS, onlySinglePages: false },
  'amd-7.2': {
    ...AMD,
    ...FROM_6_7,
    ...WHEN_FREED,
    onlySinglePages: false,
    // "iommu/amd: move wait_on_sem() out of spinlock", merged for 6.19.
    waitHoldsQueueLock: false,
  },
  // The queued second-stage path hard-codes IH = 0; the one by PASID passes the caller's hint on.
  'intel-6.1': { ...INTEL, ...UP_TO_6_3, walkCaches: 'always', firstStageWalkCaches: 'when-tables-freed' },
  'intel-6.12': { ...INTEL, ...FROM_6_7, ...WHEN_FREED },
};

/** Whether every unmap drops the walk caches of its range. `firstStage`: the table is a first stage, by PASID. */
export function dropsWalkCaches(rules: KernelEraRules, firstStage: boolean): boolean {
  return (firstStage ? rules.firstStageWalkCaches : rules.walkCaches) === 'always';
}

/**
 * log2 bytes of the one command that covers `pages` from `page`: the enclosing naturally aligned power of two, from the
 * highest address bit in which first and last byte differ. -1: the whole domain must be flushed instead.
 */
export function invalidationSizeLog2(rules: KernelEraRules, page: number, pages: number): number {
  if (pages === 1) return 12;
  if (rules.onlySinglePages) return -1;
  const last = page + pages - 1;
  let sizeLog2 = 12;
  for (let unit = 1; Math.floor(page / unit) !== Math.floor(last / unit); unit *= 2) sizeLog2++;
  return sizeLog2 <= rules.maxSizeLog2 ? sizeLog2 : -1;
}

/**
 * The range cut into naturally aligned powers of two, [page, log2 bytes] each, as a driver under a vIOMMU sends them: the
 * enclosing block would make the hypervisor look at pages that did not change (amd_iommu_domain_flush_pages with NpCache,
 * Linux 5.15 on).
 */
export function* alignedPieces(page: number, pages: number): Generator<readonly [page: number, sizeLog2: number]> {
  let at = page;
  const end = page + pages;
  while (at < end) {
    let size = 1;
    let sizeLog2 = 12;
    while (at % (2 * size) === 0 && at + 2 * size <= end) {
      size *= 2;
      sizeLog2++;
    }
    yield [at, sizeLog2];
    at += size;
  }
}
