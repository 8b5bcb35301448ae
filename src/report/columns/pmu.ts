/**
 * Counts under the names of real PMU events, so that a run can be laid beside `perf stat`.
 *
 * AMD: Linux drivers arch/x86/events/amd/iommu.c. Intel: drivers/iommu/intel/perfmon.c and the IIO event lists of
 * tools/perf/pmu-events/arch/x86/icelakex/uncore-io.json. Arm: drivers/perf/arm_smmuv3_pmu.c. Events whose hardware the
 * model does not have (interrupts, ATS, clocks) are left out.
 */
import {
  C_DTE_HITS,
  C_DTE_LOOKUPS,
  C_DTE_READS,
  C_FAULTS,
  C_HITS,
  C_LOOKUPS,
  C_LOOKUPS_ALL,
  C_MISSES,
  C_NTLB_HITS,
  C_NTLB_LOOKUPS,
  C_PASID_HITS,
  C_PASID_LOOKUPS,
  C_PASID_READS,
  C_PWC_HITS,
  C_PWC_LOOKUPS,
  C_TRANSLATED,
  C_UNTRANSLATED,
} from '../../kernel/layout.ts';
import { hitsOf, readsOf } from './totals.ts';

export interface PmuCounts {
  readonly counters: Float64Array;
  /** Commands that the unit took from its queue, and how many of them invalidate. */
  readonly commands: number;
  readonly invalidations: number;
}

export interface PmuEvent {
  readonly pmu: 'amd_iommu' | 'dmar' | 'uncore_iio' | 'smmuv3_pmcg';
  readonly name: string;
  readonly formula: string;
  readonly value: (counts: PmuCounts) => number;
}

export interface PmuRow extends PmuCounts {
  readonly unit: number;
  readonly event: PmuEvent;
}

const FIRST_STAGE = 0;
const SECOND_STAGE = 8;
const sumOf = (counters: Float64Array, from: number): number => {
  let sum = 0;
  for (let i = 0; i < 8; i++) sum += counters[from + i];
  return sum;
};
const requests = (c: Float64Array): number => c[C_TRANSLATED] + c[C_UNTRANSLATED];
const tableReads = (c: Float64Array): number => readsOf(c, 0) + readsOf(c, 1);
const structureReads = (c: Float64Array): number => c[C_DTE_READS] + c[C_PASID_READS];
const largeHits = (c: Float64Array): number => hitsOf(c) - c[C_HITS];

const event = (pmu: PmuEvent['pmu'], name: string, formula: string, value: (c: Float64Array) => number): PmuEvent => ({
  pmu,
  name,
  formula,
  value: ({ counters }) => value(counters),
});
const pwcLookups = (c: Float64Array, stage: number): number => sumOf(c, C_PWC_LOOKUPS + stage);
const pwcHits = (c: Float64Array, stage: number): number => sumOf(c, C_PWC_HITS + stage);

const AMD: readonly PmuEvent[] = [
  event('amd_iommu', 'mem_pass_untrans', 'requests passed untranslated', (c) => c[C_UNTRANSLATED]),
  event('amd_iommu', 'mem_target_abort', 'faults', (c) => c[C_FAULTS]),
  event('amd_iommu', 'mem_trans_total', 'requests that needed translation', (c) => c[C_TRANSLATED]),
  event('amd_iommu', 'mem_iommu_tlb_pte_hit', 'IOTLB hits on 4 KiB leaves', (c) => c[C_HITS]),
  event('amd_iommu', 'mem_iommu_tlb_pte_mis', 'IOTLB misses', (c) => c[C_MISSES]),
  event('amd_iommu', 'mem_iommu_tlb_pde_hit', 'IOTLB hits on larger leaves and walk-cache hits', (c) => {
    return largeHits(c) + pwcHits(c, FIRST_STAGE) + pwcHits(c, SECOND_STAGE);
  }),
  event('amd_iommu', 'mem_iommu_tlb_pde_mis', 'walk-cache misses', (c) => {
    return (
      pwcLookups(c, FIRST_STAGE) + pwcLookups(c, SECOND_STAGE) - pwcHits(c, FIRST_STAGE) - pwcHits(c, SECOND_STAGE)
    );
  }),
  event('amd_iommu', 'mem_dte_hit', 'device-table cache hits', (c) => c[C_DTE_HITS]),
  event('amd_iommu', 'mem_dte_mis', 'device-table cache misses', (c) => c[C_DTE_LOOKUPS] - c[C_DTE_HITS]),
  event('amd_iommu', 'page_tbl_read_tot', 'page-table entries read', tableReads),
  event('amd_iommu', 'page_tbl_read_nst', 'of these from host tables', (c) => readsOf(c, 1)),
  event('amd_iommu', 'page_tbl_read_gst', 'of these from guest tables', (c) => readsOf(c, 0)),
  { pmu: 'amd_iommu', name: 'cmd_processed', formula: 'commands taken from the queue', value: (u) => u.commands },
  { pmu: 'amd_iommu', name: 'cmd_processed_inv', formula: 'invalidation commands', value: (u) => u.invalidations },
  { pmu: 'amd_iommu', name: 'tlb_inv', formula: 'invalidation commands', value: (u) => u.invalidations },
];

const INTEL: readonly PmuEvent[] = [
  event('dmar', 'iommu_requests', 'requests', requests),
  event('dmar', 'iommu_mrds', 'entries read from page tables and structures', (c) => tableReads(c) + structureReads(c)),
  event('dmar', 'ctxt_cache_lookup', 'device-table cache lookups', (c) => c[C_DTE_LOOKUPS]),
  event('dmar', 'ctxt_cache_hit', 'device-table cache hits', (c) => c[C_DTE_HITS]),
  event('dmar', 'pasid_cache_lookup', 'PASID cache lookups', (c) => c[C_PASID_LOOKUPS]),
  event('dmar', 'pasid_cache_hit', 'PASID cache hits', (c) => c[C_PASID_HITS]),
  event('dmar', 'fs_nonleaf_lookup', 'first-stage walk-cache lookups', (c) => pwcLookups(c, FIRST_STAGE)),
  event('dmar', 'fs_nonleaf_hit', 'first-stage walk-cache hits', (c) => pwcHits(c, FIRST_STAGE)),
  event('dmar', 'ss_nonleaf_lookup', 'second-stage walk-cache lookups', (c) => pwcLookups(c, SECOND_STAGE)),
  event('dmar', 'ss_nonleaf_hit', 'second-stage walk-cache hits', (c) => pwcHits(c, SECOND_STAGE)),
  event('dmar', 'iotlb_lookup', 'all IOTLB lookups', (c) => c[C_LOOKUPS_ALL]),
  event('dmar', 'iotlb_hit', 'first lookups that hit and repeated lookups', (c) => {
    return hitsOf(c) + c[C_LOOKUPS_ALL] - c[C_LOOKUPS];
  }),
  event('dmar', 'hpt_leaf_lookup', 'nested-TLB lookups', (c) => c[C_NTLB_LOOKUPS]),
  event('dmar', 'hpt_leaf_hit', 'nested-TLB hits', (c) => c[C_NTLB_HITS]),
  event('uncore_iio', 'UNC_IIO_IOMMU0.FIRST_LOOKUPS', 'first IOTLB lookups', (c) => c[C_LOOKUPS]),
  event('uncore_iio', 'UNC_IIO_IOMMU0.ALL_LOOKUPS', 'all IOTLB lookups', (c) => c[C_LOOKUPS_ALL]),
  event('uncore_iio', 'UNC_IIO_IOMMU0.4K_HITS', 'hits on 4 KiB leaves', (c) => c[C_HITS]),
  event('uncore_iio', 'UNC_IIO_IOMMU0.2M_HITS', 'hits on 2 MiB leaves', (c) => c[C_HITS + 1]),
  event('uncore_iio', 'UNC_IIO_IOMMU0.1G_HITS', 'hits on 1 GiB leaves', (c) => c[C_HITS + 2]),
  event('uncore_iio', 'UNC_IIO_IOMMU0.MISSES', 'misses', (c) => c[C_MISSES]),
  event('uncore_iio', 'UNC_IIO_IOMMU0.CTXT_CACHE_LOOKUPS', 'device-table cache lookups', (c) => c[C_DTE_LOOKUPS]),
  event('uncore_iio', 'UNC_IIO_IOMMU0.CTXT_CACHE_HITS', 'device-table cache hits', (c) => c[C_DTE_HITS]),
  event('uncore_iio', 'UNC_IIO_IOMMU1.NUM_MEM_ACCESSES', 'page-table entries read', tableReads),
];

const ARM: readonly PmuEvent[] = [
  event('smmuv3_pmcg', 'transaction', 'requests', requests),
  event('smmuv3_pmcg', 'tlb_miss', 'IOTLB misses', (c) => c[C_MISSES]),
  event('smmuv3_pmcg', 'config_cache_miss', 'device-table and PASID cache misses', (c) => {
    return c[C_DTE_LOOKUPS] - c[C_DTE_HITS] + c[C_PASID_LOOKUPS] - c[C_PASID_HITS];
  }),
  event('smmuv3_pmcg', 'trans_table_walk_access', 'page-table entries read', tableReads),
  event('smmuv3_pmcg', 'config_struct_access', 'device-table and PASID entries read', structureReads),
];

export const PMU_EVENTS: readonly PmuEvent[] = [...AMD, ...INTEL, ...ARM];
