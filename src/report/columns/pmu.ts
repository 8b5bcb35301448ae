/**
 * Counts under the names and codes of real PMU events, so that a run can be laid beside `perf stat`. The table of events in the
 * documentation is made from this list.
 *
 * AMD: Linux drivers arch/x86/events/amd/iommu.c. Intel: drivers/iommu/intel/perfmon.c and the IIO event lists of
 * tools/perf/pmu-events/arch/x86/icelakex/uncore-io.json. Arm: drivers/perf/arm_smmuv3_pmu.c. Events whose hardware the
 * model does not have (interrupts, clocks, exclusion ranges, system management) are left out.
 */
import {
  C_ATS_REQUESTS,
  C_DTE_HITS,
  C_DTE_LOOKUPS,
  C_DTE_READS,
  C_FAULTS,
  C_L1_CLASS,
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
  C_PRETRANSLATED,
  C_PRI_REQUESTS,
} from '../../kernel/layout.ts';
import type { UnitResult } from '../../stats/result.ts';
import { hitsBetween, hitsOf, LEAF_1G, LEAF_2M, readsOf } from './totals.ts';

export interface PmuCounts {
  /** Sum over the devices behind the unit. */
  readonly counters: Float64Array;
  /** Of these, the devices whose translations go through two stages. */
  readonly nested: Float64Array;
  /** Leaf classes of the IOTLB. */
  readonly leafLog2: readonly number[];
  readonly unit: UnitResult;
}

export interface PmuEvent {
  readonly pmu: 'amd_iommu' | 'dmar' | 'uncore_iio' | 'smmuv3_pmcg';
  readonly name: string;
  /** As perf takes it: pmu/code/. */
  readonly code: string;
  /** What the model counts for it. */
  readonly formula: string;
  readonly value: (counts: PmuCounts) => number;
}

export interface PmuRow extends PmuCounts {
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
/** AMD's counters sit in the shared level (L2A, L2B): what a port's own TLB hits does not come there. */
const sharedHits = (c: Float64Array, { leafLog2 }: PmuCounts, low: number, high: number): number =>
  hitsBetween(c, leafLog2, low, high) - hitsBetween(c, leafLog2, low, high, C_L1_CLASS);
const pwcLookups = (c: Float64Array, stage: number): number => sumOf(c, C_PWC_LOOKUPS + stage);
const pwcHits = (c: Float64Array, stage: number): number => sumOf(c, C_PWC_HITS + stage);
const pwcHitsAt = (c: Float64Array, level: number): number => c[C_PWC_HITS + level] + c[C_PWC_HITS + 8 + level];
const pwcFills = ({ caches }: UnitResult): number =>
  caches.reduce((sum, { name, fills }) => sum + (name.startsWith('walk_') ? fills : 0), 0);
const kinds = (
  { commandKinds }: UnitResult,
  names: readonly (keyof NonNullable<UnitResult['commandKinds']>)[],
): number => names.reduce((sum, name) => sum + (commandKinds?.[name] ?? 0), 0);

type Value = (c: Float64Array, counts: PmuCounts) => number;
const event =
  (pmu: PmuEvent['pmu'], codeOf: (code: number, group: number) => string) =>
  (code: number, group: number, name: string, formula: string, value: Value): PmuEvent => ({
    pmu,
    name,
    code: codeOf(code, group),
    formula,
    value: (counts) => value(counts.counters, counts),
  });
const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;
const amd = event('amd_iommu', (code) => `csource=${hex(code, 2)}`);
const dmar = event('dmar', (code, group) => `event_group=${hex(group, 1)},event=${hex(code, 3)}`);
const iio = event('uncore_iio', (umask, code) => `event=${hex(code, 2)},umask=${hex(umask, 2)}`);
const smmu = event('smmuv3_pmcg', (code) => `event=${hex(code, 1)}`);

const AMD: readonly PmuEvent[] = [
  amd(0x01, 0, 'mem_pass_untrans', 'requests passed untranslated', (c) => c[C_UNTRANSLATED]),
  amd(0x02, 0, 'mem_pass_pretrans', 'requests that arrived translated (ATS)', (c) => c[C_PRETRANSLATED]),
  amd(0x04, 0, 'mem_target_abort', 'requests aborted by a fault', (c) => c[C_FAULTS]),
  amd(
    0x05,
    0,
    'mem_trans_total',
    'requests that needed translation; with ATS, the pages that are asked for',
    (c) => c[C_TRANSLATED],
  ),
  amd(0x06, 0, 'mem_iommu_tlb_pte_hit', 'lookups in the shared IOTLB that hit a 4 KiB leaf', (c, counts) => {
    return sharedHits(c, counts, 0, LEAF_2M);
  }),
  amd(0x07, 0, 'mem_iommu_tlb_pte_mis', 'first lookups that missed, of all leaf sizes', (c) => c[C_MISSES]),
  amd(
    0x08,
    0,
    'mem_iommu_tlb_pde_hit',
    'lookups in the shared IOTLB that hit a larger leaf, and walk-cache hits of both stages',
    (c, counts) => {
      return sharedHits(c, counts, LEAF_2M, Infinity) + pwcHits(c, FIRST_STAGE) + pwcHits(c, SECOND_STAGE);
    },
  ),
  amd(0x09, 0, 'mem_iommu_tlb_pde_mis', 'walk-cache lookups of both stages that missed', (c) => {
    return (
      pwcLookups(c, FIRST_STAGE) + pwcLookups(c, SECOND_STAGE) - pwcHits(c, FIRST_STAGE) - pwcHits(c, SECOND_STAGE)
    );
  }),
  amd(0x0a, 0, 'mem_dte_hit', 'device-table cache hits', (c) => c[C_DTE_HITS]),
  amd(0x0b, 0, 'mem_dte_mis', 'device-table cache lookups that missed', (c) => c[C_DTE_LOOKUPS] - c[C_DTE_HITS]),
  amd(0x0c, 0, 'page_tbl_read_tot', 'page-table entries read by walks', tableReads),
  amd(0x0d, 0, 'page_tbl_read_nst', 'of these from host tables, for devices with two stages', (_, { nested }) =>
    readsOf(nested, 1),
  ),
  amd(0x0e, 0, 'page_tbl_read_gst', 'of these from guest (v2) tables', (c) => readsOf(c, 0)),
  amd(0x11, 0, 'cmd_processed', 'commands taken from the queue', (_, { unit }) => unit.commands),
  amd(0x12, 0, 'cmd_processed_inv', 'of these, invalidations of any kind', (_, { unit }) => kinds(unit, INVALIDATIONS)),
  amd(0x13, 0, 'tlb_inv', 'of these, invalidations of translations', (_, { unit }) => kinds(unit, OF_TRANSLATIONS)),
];
const OF_TRANSLATIONS = ['pages', 'domains', 'allPages', 'everything'] as const;
const INVALIDATIONS = [
  ...OF_TRANSLATIONS,
  'devices',
  'contexts',
  'allContexts',
  'pasids',
  'deviceTlbs',
  'interrupts',
] as const;

const single = (counts: PmuCounts, of: (c: Float64Array) => number): number => of(counts.counters) - of(counts.nested);
const hostLookups = (c: Float64Array): number => pwcLookups(c, SECOND_STAGE);
const hostHits = (c: Float64Array): number => pwcHits(c, SECOND_STAGE);

const DMAR: readonly PmuEvent[] = [
  dmar(
    0x002,
    0,
    'iommu_requests',
    'requests, translated or passed untranslated; with ATS, the pages that are asked for',
    requests,
  ),
  dmar(0x001, 1, 'iommu_mrds', 'entries read from page tables, device table and PASID tables', (c) => {
    return tableReads(c) + structureReads(c);
  }),
  dmar(0x040, 1, 'pg_req_posted', 'page requests (PRI)', (c) => c[C_PRI_REQUESTS]),
  dmar(0x001, 2, 'ctxt_cache_lookup', 'device-table cache lookups', (c) => c[C_DTE_LOOKUPS]),
  dmar(0x002, 2, 'ctxt_cache_hit', 'device-table cache hits', (c) => c[C_DTE_HITS]),
  dmar(0x004, 2, 'pasid_cache_lookup', 'PASID cache lookups', (c) => c[C_PASID_LOOKUPS]),
  dmar(0x008, 2, 'pasid_cache_hit', 'PASID cache hits', (c) => c[C_PASID_HITS]),
  dmar(0x010, 2, 'ss_nonleaf_lookup', 'host walk-cache lookups, devices with one stage', (_, counts) =>
    single(counts, hostLookups),
  ),
  dmar(0x020, 2, 'ss_nonleaf_hit', 'host walk-cache hits, devices with one stage', (_, counts) =>
    single(counts, hostHits),
  ),
  dmar(0x040, 2, 'fs_nonleaf_lookup', 'guest (first-stage) walk-cache lookups', (c) => pwcLookups(c, FIRST_STAGE)),
  dmar(0x080, 2, 'fs_nonleaf_hit', 'guest (first-stage) walk-cache hits', (c) => pwcHits(c, FIRST_STAGE)),
  dmar(0x100, 2, 'hpt_nonleaf_lookup', 'host walk-cache lookups, devices with two stages', (_, { nested }) =>
    hostLookups(nested),
  ),
  dmar(0x200, 2, 'hpt_nonleaf_hit', 'host walk-cache hits, devices with two stages', (_, { nested }) =>
    hostHits(nested),
  ),
  dmar(0x001, 3, 'iotlb_lookup', 'all IOTLB lookups', (c) => c[C_LOOKUPS_ALL]),
  dmar(0x002, 3, 'iotlb_hit', 'first lookups that hit, and repeated lookups', (c) => {
    return hitsOf(c) + c[C_LOOKUPS_ALL] - c[C_LOOKUPS];
  }),
  dmar(0x004, 3, 'hpt_leaf_lookup', 'nested-TLB lookups', (c) => c[C_NTLB_LOOKUPS]),
  dmar(0x008, 3, 'hpt_leaf_hit', 'nested-TLB hits', (c) => c[C_NTLB_HITS]),
];

const IIO: readonly PmuEvent[] = [
  iio(0x01, 0x40, 'UNC_IIO_IOMMU0.FIRST_LOOKUPS', 'first IOTLB lookups', (c) => c[C_LOOKUPS]),
  iio(0x02, 0x40, 'UNC_IIO_IOMMU0.ALL_LOOKUPS', 'all IOTLB lookups', (c) => c[C_LOOKUPS_ALL]),
  iio(0x04, 0x40, 'UNC_IIO_IOMMU0.4K_HITS', 'first lookups that hit a 4 KiB leaf', (c, { leafLog2 }) => {
    return hitsBetween(c, leafLog2, 0, LEAF_2M);
  }),
  iio(0x08, 0x40, 'UNC_IIO_IOMMU0.2M_HITS', 'the same, 2 MiB', (c, { leafLog2 }) => {
    return hitsBetween(c, leafLog2, LEAF_2M, LEAF_1G);
  }),
  iio(0x10, 0x40, 'UNC_IIO_IOMMU0.1G_HITS', 'the same, 1 GiB', (c, { leafLog2 }) => {
    return hitsBetween(c, leafLog2, LEAF_1G, Infinity);
  }),
  iio(0x20, 0x40, 'UNC_IIO_IOMMU0.MISSES', 'first lookups that missed', (c) => c[C_MISSES]),
  iio(0x40, 0x40, 'UNC_IIO_IOMMU0.CTXT_CACHE_LOOKUPS', 'device-table cache lookups', (c) => c[C_DTE_LOOKUPS]),
  iio(0x80, 0x40, 'UNC_IIO_IOMMU0.CTXT_CACHE_HITS', 'device-table cache hits', (c) => c[C_DTE_HITS]),
  iio(0x01, 0x41, 'UNC_IIO_IOMMU1.PWT_CACHE_LOOKUPS', 'walk-cache lookups of both stages', (c) => {
    return pwcLookups(c, FIRST_STAGE) + pwcLookups(c, SECOND_STAGE);
  }),
  iio(0x02, 0x41, 'UNC_IIO_IOMMU1.PWC_4K_HITS', 'walk-cache hits that lead to a table of 4 KiB leaves', (c) => {
    return pwcHitsAt(c, 1);
  }),
  iio(0x04, 0x41, 'UNC_IIO_IOMMU1.PWC_2M_HITS', 'the same, table one level up', (c) => pwcHitsAt(c, 2)),
  iio(0x08, 0x41, 'UNC_IIO_IOMMU1.PWC_1G_HITS', 'the same, two levels up', (c) => pwcHitsAt(c, 3)),
  iio(0x10, 0x41, 'UNC_IIO_IOMMU1.PWC_512G_HITS', 'the same, three levels up', (c) => pwcHitsAt(c, 4)),
  iio(0x20, 0x41, 'UNC_IIO_IOMMU1.PWC_CACHE_FILLS', 'walk-cache entries written', (_, { unit }) => pwcFills(unit)),
  iio(0x40, 0x41, 'UNC_IIO_IOMMU1.NUM_MEM_ACCESSES', 'page-table entries read by walks', tableReads),
  iio(0x01, 0x43, 'UNC_IIO_IOMMU3.NUM_INVAL_GBL', 'invalidations of all translations', (_, { unit }) =>
    kinds(unit, ['allPages', 'everything']),
  ),
  iio(
    0x02,
    0x43,
    'UNC_IIO_IOMMU3.NUM_INVAL_DOMAIN',
    'invalidations of all of a domain, or of a PASID of it',
    (_, { unit }) => kinds(unit, ['domains']),
  ),
  iio(0x04, 0x43, 'UNC_IIO_IOMMU3.NUM_INVAL_PAGE', 'invalidations of a range of pages', (_, { unit }) =>
    kinds(unit, ['pages']),
  ),
  iio(
    0x08,
    0x43,
    'UNC_IIO_IOMMU3.NUM_CTXT_CACHE_INVAL_GBL',
    'invalidations of all device-table entries',
    (_, { unit }) => kinds(unit, ['allContexts', 'everything']),
  ),
  iio(0x10, 0x43, 'UNC_IIO_IOMMU3.NUM_CTXT_CACHE_INVAL_DOMAIN', "invalidations of a domain's entries", (_, { unit }) =>
    kinds(unit, ['contexts']),
  ),
  iio(0x20, 0x43, 'UNC_IIO_IOMMU3.NUM_CTXT_CACHE_INVAL_DEVICE', "invalidations of one device's entry", (_, { unit }) =>
    kinds(unit, ['devices']),
  ),
];

const ARM: readonly PmuEvent[] = [
  smmu(
    0x1,
    0,
    'transaction',
    'requests, translated or passed untranslated; with ATS, the pages that are asked for',
    requests,
  ),
  smmu(0x2, 0, 'tlb_miss', 'first IOTLB lookups that missed', (c) => c[C_MISSES]),
  smmu(0x3, 0, 'config_cache_miss', 'device-table and PASID cache lookups that missed', (c) => {
    return c[C_DTE_LOOKUPS] - c[C_DTE_HITS] + c[C_PASID_LOOKUPS] - c[C_PASID_HITS];
  }),
  smmu(0x4, 0, 'trans_table_walk_access', 'page-table entries read by walks', tableReads),
  smmu(0x5, 0, 'config_struct_access', 'device-table and PASID entries read', structureReads),
  smmu(0x6, 0, 'pcie_ats_trans_rq', 'translation requests of devices (ATS)', (c) => c[C_ATS_REQUESTS]),
  smmu(0x7, 0, 'pcie_ats_trans_passed', 'requests that arrived translated (ATS)', (c) => c[C_PRETRANSLATED]),
];

export const PMU_EVENTS: readonly PmuEvent[] = [...AMD, ...DMAR, ...IIO, ...ARM];
