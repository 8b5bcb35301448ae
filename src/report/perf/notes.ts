/** Why a hardware count and its simulated twin may differ: what each event really counts, and what the model leaves out. */
import type { PmuEvent } from '../columns/pmu.ts';

type Pmu = PmuEvent['pmu'];

/** The event that stands for one request, by PMU: counts are compared per 1000 of it. The first that both sides have is taken. */
export const REFERENCES: Readonly<Record<Pmu, readonly string[]>> = {
  amd_iommu: ['mem_trans_total', 'mem_dte_hit'],
  dmar: ['iommu_requests', 'iotlb_lookup'],
  uncore_iio: ['UNC_IIO_IOMMU0.FIRST_LOOKUPS', 'UNC_IIO_IOMMU0.ALL_LOOKUPS'],
  smmuv3_pmcg: ['transaction'],
};

/**
 * What is known about single events. AMD: arch/x86/events/amd/iommu.c and the perf metrics proposed for it in 2026 ("perf
 * jevents: Add IOMMU metrics"), cache structure as in AMD's openSIL firmware; Intel: the event lists of tools/perf/pmu-events and the
 * VT-d specification 4.0, chapter 13. What follows from structure alone is marked as inferred.
 */
const DEFINITIONS: Readonly<Record<string, string>> = {
  mem_trans_total: 'all devices behind the unit, without devid= filter',
  mem_iommu_tlb_pte_hit:
    'the 4 KiB class of the shared IOTLB, on both sides; hits in the TLBs of PCIe ports pass by it (inferred)',
  mem_iommu_tlb_pte_mis:
    'lookups of the walker that prefetches may be in it (on in Genoa: 7 pages, Turin: 1; inferred)',
  mem_iommu_tlb_pde_hit:
    'leaves of 2 MiB and 1 GiB together with upper levels, on both sides; large host leaves of nested walks may be in it (inferred), hits of the nested TLB are not',
  mem_iommu_tlb_pde_mis:
    'leaves of 2 MiB and 1 GiB together with upper levels; the model counts walk-cache misses only',
  page_tbl_read_tot: 'reads of the prefetching walker are in it (inferred); the model counts reads of demanded walks',
  page_tbl_read_nst: 'host tables read on behalf of a guest walk, on both sides',
  tlb_inv: 'TLB invalidations executed; the model counts the commands that ask for them',
  iommu_mrds: 'memory reads for all structures, tables of interrupts too',
  iotlb_lookup: 'lookups, repeated ones too: a request that waited for a walk looks up again',
  'UNC_IIO_IOMMU0.FIRST_LOOKUPS': 'all devices behind the stack, without filter',
  'UNC_IIO_IOMMU0.ALL_LOOKUPS':
    'with lookups repeated after a wait, whose number depends on timing; not in the lists of SPR and EMR',
  'UNC_IIO_IOMMU0.4K_HITS': 'counted on first lookups only',
  'UNC_IIO_IOMMU0.2M_HITS': 'counted on first lookups only',
  'UNC_IIO_IOMMU0.1G_HITS': 'counted on first lookups only',
  'UNC_IIO_IOMMU1.NUM_MEM_ACCESSES':
    'umask 0x40 on Ice Lake, 0xc0 from Sapphire Rapids on, where 0x40 is its low-priority part',
};

/** Patterns of events that the model has no hardware for. */
const MISSING: readonly (readonly [RegExp, string])[] = [
  [/^int_|^vapic_|INT_CACHE/i, 'interrupt remapping is not simulated'],
  [/^smi_|ign_rd_wr_mmio/, 'system-management and register accesses are not simulated'],
  [/clocks|cycles|occupancy|CYC_|_full/i, 'a count of clock cycles; the model counts events and nanoseconds'],
  [/ats|pretrans|pg_req/i, 'the model counts this only where devices with an ATC are simulated'],
  [/excl/, 'exclusion ranges are not simulated'],
  [/NUM_INVAL/i, 'the model has the names of Ice Lake; later parts count invalidations of all granularities as one'],
  [/PWC|PWT|SLPWC/i, 'the model has the names of Ice Lake; walk-cache counts by level are in walks.csv'],
];

export const definitionOf = (name: string): string | undefined =>
  Object.hasOwn(DEFINITIONS, name) ? DEFINITIONS[name] : undefined;

/** Why the simulator has no such event. */
export function missingReason(name: string): string {
  return MISSING.find(([pattern]) => pattern.test(name))?.[1] ?? 'the model has no such event';
}
