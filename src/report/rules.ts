/** The sum rules of a result: what is counted in several ways must agree. Checked on every run in debug mode. */
import {
  C_DTE_LOOKUPS,
  C_L1_HITS,
  C_LOOKUPS,
  C_LOOKUPS_ALL,
  C_MISSES,
  C_PREFETCHES,
  C_TRANSLATED,
  C_UNTRANSLATED,
  C_WALKS,
} from '../kernel/layout.ts';
import { assert } from '../lib/assert.ts';
import { checkCounters } from '../stats/counters.ts';
import type { RunResult, UnitResult } from '../stats/result.ts';
import { pmuCountsOf } from './columns/pmu-counts.ts';
import { PMU_EVENTS } from './columns/pmu.ts';
import { hitsOf, readsOf } from './columns/totals.ts';

/** What does not hold, in words; empty when all is well. */
export function brokenRules(run: RunResult): string[] {
  const ofDevices = run.devices.flatMap(({ name, counters, requests, reads, writes, translation, completion }) => [
    ...checkCounters(counters, requests).map((rule) => `${name}: ${rule}`),
    ...broken(name, [
      ['reads + writes = requests', reads + writes, requests],
      ['translation histogram = requests', translation.count, requests],
      ['completion histogram = requests', completion.count, requests],
    ]),
  ]);
  return [...ofDevices, ...run.units.flatMap((unit) => brokenOfUnit(run, unit)), ...brokenTimeline(run)];
}

/** Throws AssertionError naming every rule that is broken. */
export function assertRules(run: RunResult): void {
  const rules = brokenRules(run);
  assert(rules.length === 0, `${run.spec.scenario} ${run.spec.point}: ${rules.join('; ')}`);
}

type Rule = readonly [name: string, left: number, right: number];

function broken(what: string, rules: readonly Rule[]): string[] {
  return rules
    .filter(([, left, right]) => left !== right)
    .map(([name, left, right]) => `${what}: ${name}: ${left} and ${right}`);
}

function brokenOfUnit(run: RunResult, unit: UnitResult): string[] {
  const counts = pmuCountsOf(run, unit);
  const c = counts.counters;
  const pmu = (name: string): number => PMU_EVENTS.find((event) => event.name === name)!.value(counts);
  const reads = readsOf(c, 0) + readsOf(c, 1);
  const first = unit.caches.find(({ name }) => name === 'iotlb_l1') ?? unit.caches.find(({ name }) => name === 'iotlb');
  return broken(`unit ${unit.unit}`, [
    ['amd_iommu requests', pmu('mem_trans_total') + pmu('mem_pass_untrans'), c[C_TRANSLATED] + c[C_UNTRANSLATED]],
    ['amd_iommu table reads', pmu('page_tbl_read_tot'), reads],
    ['amd_iommu guest and nested reads', pmu('page_tbl_read_gst') + readsOf(c, 1), reads],
    ['amd_iommu lookups in the shared IOTLB', sharedLookups(pmu), c[C_LOOKUPS] - c[C_L1_HITS]],
    ['amd_iommu device entries', pmu('mem_dte_hit') + pmu('mem_dte_mis'), c[C_DTE_LOOKUPS]],
    ['dmar lookups - hits = misses', pmu('iotlb_lookup') - pmu('iotlb_hit'), c[C_MISSES]],
    ['dmar requests', pmu('iommu_requests'), pmu('transaction')],
    ['dmar walk caches', walkCacheLookups(pmu), pmu('UNC_IIO_IOMMU1.PWT_CACHE_LOOKUPS')],
    ['uncore_iio first lookups', pmu('UNC_IIO_IOMMU0.FIRST_LOOKUPS'), c[C_LOOKUPS]],
    ['uncore_iio hits + misses', iioLookups(pmu), c[C_LOOKUPS]],
    ['uncore_iio all lookups', pmu('UNC_IIO_IOMMU0.ALL_LOOKUPS'), c[C_LOOKUPS_ALL]],
    ['uncore_iio memory accesses', pmu('UNC_IIO_IOMMU1.NUM_MEM_ACCESSES'), reads],
    ['smmuv3_pmcg walk accesses', pmu('trans_table_walk_access'), reads],
    ['uncore_iio invalidations', iioInvalidations(pmu), pmu('tlb_inv')],
    ['commands by kind = commands', sumOfKinds(unit), unit.commands],
    ['IOTLB lookups of caches.csv', first?.lookups ?? c[C_LOOKUPS], c[C_LOOKUPS]],
    ['IOTLB hits of caches.csv', iotlbHits(unit), hitsOf(c)],
    ['IOTLB fills without walk or prefetch', Math.max(0, iotlbFills(unit) - c[C_WALKS] - c[C_PREFETCHES]), 0],
  ]);
}

const walkCacheLookups = (pmu: (name: string) => number): number =>
  pmu('ss_nonleaf_lookup') + pmu('hpt_nonleaf_lookup') + pmu('fs_nonleaf_lookup');

/** Hits of walk caches count with those of large leaves. */
const sharedLookups = (pmu: (name: string) => number): number =>
  pmu('mem_iommu_tlb_pte_hit') +
  pmu('mem_iommu_tlb_pte_mis') +
  pmu('mem_iommu_tlb_pde_hit') -
  pmu('ss_nonleaf_hit') -
  pmu('hpt_nonleaf_hit') -
  pmu('fs_nonleaf_hit');

/** In all levels and parts. */
const iotlbHits = ({ caches }: UnitResult): number =>
  caches.reduce((sum, { name, hits }) => sum + (name.startsWith('iotlb') ? hits : 0), 0);

/** In the parts of the shared level; 0 if commands have filled it too, which count as no walks. */
function iotlbFills({ caches, commandKinds }: UnitResult): number {
  if ((commandKinds?.prefetches ?? 0) > 0) return 0;
  const shared = caches.filter(({ name }) => name === 'iotlb' || name.startsWith('iotlb_level'));
  return shared.reduce((sum, { fills }) => sum + fills, 0);
}

function iioLookups(pmu: (name: string) => number): number {
  const names = ['4K_HITS', '2M_HITS', '1G_HITS', 'MISSES'];
  return names.reduce((total, name) => total + pmu(`UNC_IIO_IOMMU0.${name}`), 0);
}

function iioInvalidations(pmu: (name: string) => number): number {
  return ['GBL', 'DOMAIN', 'PAGE'].reduce((sum, name) => sum + pmu(`UNC_IIO_IOMMU3.NUM_INVAL_${name}`), 0);
}

const sumOfKinds = ({ commands, commandKinds }: UnitResult): number =>
  commandKinds === undefined ? commands : Object.values(commandKinds).reduce((sum, count) => sum + count, 0);

/** The intervals add up to the run. */
function brokenTimeline({ timeline, devices, spec }: RunResult): string[] {
  if (spec.run.intervalNs === 0) return [];
  const requests = devices.reduce((total, device) => total + device.requests, 0);
  const counted = timeline.reduce((total, row) => total + row.requests, 0);
  return broken('timeline', [['requests of all intervals = requests', counted, requests]]);
}
