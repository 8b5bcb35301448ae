/** Sums over some devices of a run, and the columns that are made of them: the same for a run, a tenant or a device. */
import {
  C_CAPACITY,
  C_COLD,
  C_CONFLICT,
  C_DTE_HITS,
  C_DTE_LOOKUPS,
  C_DTE_READS,
  C_FAULTS,
  C_HITS,
  C_INVALIDATED,
  C_L1_HITS,
  C_LOOKUPS,
  C_LOOKUPS_ALL,
  C_MERGED,
  C_MISSES,
  C_NEGATIVE_FILLS,
  C_NEGATIVE_HITS,
  C_PASID_READS,
  C_PREFETCHES,
  C_PREFETCH_HITS,
  C_PRETRANSLATED,
  C_READS,
  C_TRANSLATED,
  C_UNTRANSLATED,
  C_WALK_PS,
  C_WALK_WAIT_PS,
  C_WALKS,
  COUNTERS,
} from '../../kernel/layout.ts';
import { meanOf, mergeHistograms, quantileOf } from '../../stats/histogram.ts';
import type { DeviceResult, DriverCounts, HistogramData, RunResult } from '../../stats/result.ts';
import { type Column, ratio } from './column.ts';

const PS = 1000;
const LEVELS = 8;

export interface Totals {
  readonly measuredPs: number;
  readonly devices: number;
  readonly counters: Float64Array;
  /** Of the IOTLB: what the counters of leaf classes are about. */
  readonly leafLog2: readonly number[];
  /** Whether causes of misses were told. */
  readonly missCauses: boolean;
  readonly requests: number;
  readonly reads: number;
  readonly writes: number;
  readonly readBytes: number;
  readonly writeBytes: number;
  readonly operations: number;
  readonly linkBusyPs: number;
  readonly translation: HistogramData;
  readonly completion: HistogramData;
  readonly driver: DriverCounts;
}

export function totalsOf(run: RunResult, devices: readonly DeviceResult[]): Totals {
  const sum = (value: (device: DeviceResult) => number): number =>
    devices.reduce((total, device) => total + value(device), 0);
  return {
    measuredPs: run.measuredPs,
    devices: devices.length,
    counters: sumCounters(devices),
    leafLog2: run.spec.machine.iotlb.leafLog2,
    missCauses: run.spec.run.missCauses,
    requests: sum((device) => device.requests),
    reads: sum((device) => device.reads),
    writes: sum((device) => device.writes),
    readBytes: sum((device) => device.readBytes),
    writeBytes: sum((device) => device.writeBytes),
    operations: sum((device) => device.operations),
    linkBusyPs: sum((device) => device.linkBusyPs),
    translation: mergeHistograms(devices.map((device) => device.translation)),
    completion: mergeHistograms(devices.map((device) => device.completion)),
    driver: sumDriver(devices.map((device) => device.driver)),
  };
}

export function sumCounters(devices: readonly DeviceResult[]): Float64Array {
  const total = new Float64Array(COUNTERS);
  for (const { counters } of devices) counters.forEach((count, i) => (total[i] += count));
  return total;
}

const NO_DRIVER: DriverCounts = {
  maps: 0,
  unmaps: 0,
  mapFailures: 0,
  cpuPs: 0,
  cpuMapPs: 0,
  cpuUnmapPs: 0,
  cpuWaitPs: 0,
  invalidationCommands: 0,
  completionWaits: 0,
  vmExits: 0,
  vmExitsMap: 0,
  vmExitsUnmap: 0,
  vmExitsInvalidate: 0,
  hypervisorPs: 0,
  flushes: 0,
  staleUses: 0,
  staleWindows: 0,
  staleWindowPs: 0,
  staleWindowMaxPs: 0,
  cpuLockPs: 0,
  bounces: 0,
  copiedBytes: 0,
};

function sumDriver(parts: readonly DriverCounts[]): DriverCounts {
  const keys = Object.keys(NO_DRIVER) as (keyof DriverCounts)[];
  const sums = Object.fromEntries(keys.map((key) => [key, parts.reduce((sum, part) => sum + (part[key] ?? 0), 0)]));
  const staleWindowMaxPs = parts.reduce((most, part) => Math.max(most, part.staleWindowMaxPs ?? 0), 0);
  return { ...sums, staleWindowMaxPs } as unknown as DriverCounts;
}

/** Reads of page tables by stage: 0 = guest or first stage, 1 = host or second stage. */
export function readsOf(counters: Float64Array, stage: 0 | 1): number {
  let reads = 0;
  for (let level = 0; level < LEVELS; level++) reads += counters[C_READS + LEVELS * stage + level];
  return reads;
}

export function hitsOf(counters: Float64Array): number {
  return counters[C_HITS] + counters[C_HITS + 1] + counters[C_HITS + 2] + counters[C_HITS + 3];
}

/** Hits of the leaf classes from 2^lowLog2 bytes up to below 2^highLog2; `first`: C_HITS, or C_L1_CLASS for those of the first level. */
export function hitsBetween(
  counters: Float64Array,
  leafLog2: readonly number[],
  lowLog2: number,
  highLog2: number,
  first = C_HITS,
): number {
  return leafLog2.reduce(
    (hits, log2, leaf) => hits + (log2 >= lowLog2 && log2 < highLog2 ? counters[first + leaf] : 0),
    0,
  );
}

/** Leaf sizes as PMUs tell them apart, log2 of bytes; what lies between counts as the smaller. */
export const LEAF_2M = 21;
export const LEAF_1G = 30;

const bytesOf = (t: Totals): number => t.readBytes + t.writeBytes;
const dmaApiPs = ({ driver }: Totals): number =>
  driver.cpuMapPs + driver.cpuUnmapPs + driver.cpuWaitPs + (driver.cpuLockPs ?? 0);
const walkReads = (t: Totals): number => readsOf(t.counters, 0) + readsOf(t.counters, 1);
const ns = (ps: number | undefined): number | undefined => (ps === undefined ? undefined : ps / PS);
const quantileNs = (data: HistogramData, q: number): number | undefined =>
  data.count === 0 ? undefined : quantileOf(data, q) / PS;
const meanNs = (data: HistogramData): number | undefined => (data.count === 0 ? undefined : meanOf(data) / PS);

type TotalsColumn = Column<Totals>;
const count = (
  name: string,
  meaning: string,
  formula: string,
  value: (t: Totals) => number,
  heading?: string,
): TotalsColumn => ({
  name,
  unit: '',
  meaning,
  formula,
  value,
  ...(heading === undefined ? {} : { heading }),
});
const counter = (name: string, slot: number, meaning: string): TotalsColumn =>
  count(name, meaning, 'counted', (t) => t.counters[slot]);
/** Empty where causes are not told: a 0 would be a count. */
const cause = (name: string, slot: number, meaning: string): TotalsColumn => ({
  ...counter(name, slot, meaning),
  formula: 'counted; empty with run.missCauses: false',
  value: ({ missCauses, counters }) => (missCauses ? counters[slot] : undefined),
});
const measure = (
  name: string,
  unit: string,
  heading: string,
  meaning: string,
  formula: string,
  value: (t: Totals) => number | undefined,
): TotalsColumn => ({ name, unit, meaning, formula, value, heading });

/** Requests and what the IOMMU did with them. */
export const TRANSLATION_COLUMNS: readonly TotalsColumn[] = [
  count('requests', 'DMA requests, each within 4 KiB', 'counted at completion', (t) => t.requests, 'requests'),
  counter('requests_translated', C_TRANSLATED, 'Requests that needed translation'),
  counter('requests_untranslated', C_UNTRANSLATED, 'Requests passed without translation'),
  counter('requests_pretranslated', C_PRETRANSLATED, 'Requests that arrived translated (ATS)'),
  counter('faults', C_FAULTS, 'Requests aborted by a fault'),
  counter('iotlb_lookups', C_LOOKUPS, 'First IOTLB lookups'),
  counter('iotlb_lookups_all', C_LOOKUPS_ALL, 'First lookups and those repeated after waiting for a walk'),
  count('iotlb_hits', 'First lookups that hit, in either level', 'sum over leaf sizes', (t) => hitsOf(t.counters)),
  counter('iotlb_misses', C_MISSES, 'First lookups that missed'),
  measure(
    'iotlb_hit_ratio',
    '',
    'IOTLB hit ratio',
    'Share of first lookups that hit',
    'iotlb_hits / iotlb_lookups',
    (t) => ratio(hitsOf(t.counters), t.counters[C_LOOKUPS]),
  ),
  cause('iotlb_misses_cold', C_COLD, 'Misses of pages never seen before'),
  cause('iotlb_misses_capacity', C_CAPACITY, 'Misses that a fully associative LRU cache of the same size has too'),
  cause('iotlb_misses_conflict', C_CONFLICT, 'Misses that it would not have'),
  cause('iotlb_misses_invalidated', C_INVALIDATED, 'Misses of entries that an invalidation removed'),
  counter('walks', C_WALKS, 'Page-table walks'),
  count('walk_reads', 'Table entries read by walks', 'walk_reads_stage1 + walk_reads_stage2', walkReads),
  count('walk_reads_stage1', "Of these from guest's (first-stage) tables", 'sum over levels', (t) =>
    readsOf(t.counters, 0),
  ),
  count('walk_reads_stage2', "Of these from host's (second-stage) tables", 'sum over levels', (t) =>
    readsOf(t.counters, 1),
  ),
  measure('reads_per_walk', '', 'reads/ walk', 'Table entries read by a walk', 'walk_reads / walks', (t) =>
    ratio(walkReads(t), t.counters[C_WALKS]),
  ),
  counter('dte_reads', C_DTE_READS, 'Device-table entries read'),
  counter('pasid_reads', C_PASID_READS, 'PASID (GCR3) table entries read'),
];

export const LATENCY_COLUMNS: readonly TotalsColumn[] = [
  measure('translation_ns_mean', 'ns', 'transl. mean ns', 'Time from issue to translated address', 'mean', (t) =>
    meanNs(t.translation),
  ),
  measure('translation_ns_p50', 'ns', 'transl. p50 ns', 'The same, median', 'within 0.8 %', (t) =>
    quantileNs(t.translation, 0.5),
  ),
  measure('translation_ns_p99', 'ns', 'transl. p99 ns', 'The same, 99 %', 'within 0.8 %', (t) =>
    quantileNs(t.translation, 0.99),
  ),
  measure('translation_ns_p999', 'ns', 'transl. p99.9 ns', 'The same, 99.9 %', 'within 0.8 %', (t) =>
    quantileNs(t.translation, 0.999),
  ),
  measure('completion_ns_p99', 'ns', 'compl. p99 ns', 'Time from issue to completion, 99 %', 'within 0.8 %', (t) =>
    quantileNs(t.completion, 0.99),
  ),
  measure(
    'throughput_gbps',
    'Gbit/s',
    'Gbit/s',
    'Payload of the requests that were not aborted',
    '8 × (read_bytes + write_bytes) / sim_duration_ns',
    (t) => ratio(8 * bytesOf(t) * PS, t.measuredPs),
  ),
  measure(
    'link_utilisation',
    '',
    'link use',
    'Share of time the links were busy',
    'busy time / (sim_duration_ns × devices)',
    (t) => ratio(t.linkBusyPs, t.measuredPs * t.devices),
  ),
];

export const DRIVER_COLUMNS: readonly TotalsColumn[] = [
  count('maps', 'DMA-API maps', 'counted', (t) => t.driver.maps, 'maps'),
  count('unmaps', 'DMA-API unmaps', 'counted', (t) => t.driver.unmaps, 'unmaps'),
  count(
    'invalidation_commands',
    'Invalidation commands sent',
    'counted',
    (t) => t.driver.invalidationCommands,
    'invali- dations',
  ),
];

export const CPU_COLUMNS: readonly TotalsColumn[] = [
  count('vm_exits', 'Exits to the hypervisor', 'counted', (t) => t.driver.vmExits, 'VM exits'),
  measure('cpu_ns_total', 'ns', 'CPU ns', 'CPU time of driver and DMA API', 'sum over cores', (t) =>
    ns(t.driver.cpuPs),
  ),
  measure(
    'cpu_ns_per_gb',
    'ns/GB',
    'CPU ns/GB',
    'The same a gigabyte moved',
    'cpu_ns_total / ((read_bytes + write_bytes) / 1e9)',
    (t) => ratio(t.driver.cpuPs / PS, bytesOf(t) / 1e9),
  ),
];

/** More than scripts rely on. */
export const DETAIL_COLUMNS: readonly TotalsColumn[] = [
  measure('completion_ns_mean', 'ns', 'compl. mean ns', 'Time from issue to completion', 'mean', (t) =>
    meanNs(t.completion),
  ),
  measure('completion_ns_p50', 'ns', 'compl. p50 ns', 'The same, median', 'within 0.8 %', (t) =>
    quantileNs(t.completion, 0.5),
  ),
  measure('completion_ns_p999', 'ns', 'compl. p99.9 ns', 'The same, 99.9 %', 'within 0.8 %', (t) =>
    quantileNs(t.completion, 0.999),
  ),
  measure('walk_ns_mean', 'ns', 'walk ns', 'Length of a walk, without waiting for a walker', 'walk time / walks', (t) =>
    ns(ratio(t.counters[C_WALK_PS], t.counters[C_WALKS])),
  ),
  measure(
    'walks_in_flight_mean',
    '',
    'walks in flight',
    'Walks under way at a time, without those that wait for a walker',
    'walk time / sim_duration_ns',
    (t) => ratio(t.counters[C_WALK_PS], t.measuredPs),
  ),
  measure('walk_wait_ns_mean', 'ns', 'walk wait ns', 'Wait of a walk for a walker', 'waiting time / walks', (t) =>
    ns(ratio(t.counters[C_WALK_WAIT_PS], t.counters[C_WALKS])),
  ),
  ...(
    [
      ['4k', '4 KiB', 0, LEAF_2M],
      ['2m', '2 MiB', LEAF_2M, LEAF_1G],
      ['1g', '1 GiB', LEAF_1G, Infinity],
    ] as const
  ).map(([name, size, low, high]) =>
    count(`iotlb_hits_${name}`, `First lookups that hit an entry of ${size}`, 'counted', (t) =>
      hitsBetween(t.counters, t.leafLog2, low, high),
    ),
  ),
  counter('iotlb_l1_hits', C_L1_HITS, 'Hits in the first-level IOTLB (part of iotlb_hits)'),
  counter('iotlb_misses_merged', C_MERGED, 'Misses that waited for a walk already in flight'),
  counter('iotlb_negative_fills', C_NEGATIVE_FILLS, 'Not-present results that went into the IOTLB'),
  counter('iotlb_negative_hits', C_NEGATIVE_HITS, 'Lookups that found such a result (part of iotlb_hits, or merged)'),
  counter('iotlb_prefetches', C_PREFETCHES, 'Translations that walks brought into the IOTLB beside their own'),
  counter('iotlb_prefetch_hits', C_PREFETCH_HITS, 'Of these, used while they were there (each once)'),
  measure('dte_hit_ratio', '', 'DTE hit ratio', 'Hit ratio of the device-table cache', 'hits / lookups', (t) =>
    ratio(t.counters[C_DTE_HITS], t.counters[C_DTE_LOOKUPS]),
  ),
  count('reads', 'Requests that read memory (atomics too)', 'counted', (t) => t.reads),
  count('writes', 'Requests that write memory', 'counted', (t) => t.writes),
  {
    ...count('read_bytes', 'Payload of the reads that were not aborted', 'counted', (t) => t.readBytes),
    unit: 'bytes',
  },
  {
    ...count('write_bytes', 'Payload of the writes that were not aborted', 'counted', (t) => t.writeBytes),
    unit: 'bytes',
  },
  count('operations', 'Transfers or packets completed', 'counted', (t) => t.operations, 'operations'),
  measure(
    'operations_per_s',
    '1/s',
    'ops/s',
    'Transfers or packets a second',
    'operations / (sim_duration_ns / 1e9)',
    (t) => ratio(t.operations * 1e12, t.measuredPs),
  ),
  count('map_failures', 'Maps that found no IOVA', 'counted', (t) => t.driver.mapFailures),
  measure('cpu_ns_map', 'ns', 'map CPU ns', 'CPU time of maps', 'sum', (t) => ns(t.driver.cpuMapPs)),
  measure('cpu_ns_unmap', 'ns', 'unmap CPU ns', 'CPU time of unmaps without waiting', 'sum', (t) =>
    ns(t.driver.cpuUnmapPs),
  ),
  measure('cpu_ns_wait', 'ns', 'wait CPU ns', 'CPU time spent waiting for invalidations', 'sum', (t) =>
    ns(t.driver.cpuWaitPs),
  ),
  measure('cpu_ns_lock', 'ns', 'lock CPU ns', 'CPU time spent waiting for locks that another core held', 'sum', (t) =>
    ns(t.driver.cpuLockPs),
  ),
  measure(
    'cpu_ns_per_operation',
    'ns',
    'CPU ns/op',
    'CPU time of driver and DMA API a transfer or packet',
    'cpu_ns_total / operations',
    (t) => ns(ratio(t.driver.cpuPs, t.operations)),
  ),
  measure(
    'dma_cpu_ns_per_operation',
    'ns',
    'DMA-API CPU ns/op',
    'The same without the work outside the DMA API',
    '(cpu_ns_map + cpu_ns_unmap + cpu_ns_wait + cpu_ns_lock) / operations',
    (t) => ns(ratio(dmaApiPs(t), t.operations)),
  ),
  measure('cpu_ns_per_map', 'ns', 'ns/map', 'CPU time of a map', 'cpu_ns_map / maps', (t) =>
    ns(ratio(t.driver.cpuMapPs, t.driver.maps)),
  ),
  measure(
    'cpu_ns_per_unmap',
    'ns',
    'ns/unmap',
    'CPU time of an unmap, waiting for invalidations and locks included',
    '(cpu_ns_unmap + cpu_ns_wait + cpu_ns_lock) / unmaps',
    (t) => ns(ratio(dmaApiPs(t) - t.driver.cpuMapPs, t.driver.unmaps)),
  ),
  count('bounces', 'Mappings through bounce buffers', 'counted', (t) => t.driver.bounces ?? 0, 'bounces'),
  {
    ...count('copied_bytes', 'Bytes copied to and from bounce buffers', 'counted', (t) => t.driver.copiedBytes ?? 0),
    unit: 'bytes',
  },
  measure(
    'stale_ns_mean',
    'ns',
    'stale mean ns',
    'Time from the unmap of a range to the end of its invalidation',
    'mean over unmaps',
    (t) => ns(ratio(t.driver.staleWindowPs ?? 0, t.driver.staleWindows ?? 0)),
  ),
  measure('stale_ns_max', 'ns', 'stale max ns', 'The same, longest', 'largest', (t) =>
    (t.driver.staleWindows ?? 0) > 0 ? ns(t.driver.staleWindowMaxPs) : undefined,
  ),
  measure(
    'wait_ns_per_completion',
    'ns',
    'wait ns',
    'CPU time spent waiting for one completion (and for queue slots)',
    'cpu_ns_wait / completion_waits',
    (t) => ns(ratio(t.driver.cpuWaitPs, t.driver.completionWaits)),
  ),
  count('completion_waits', 'Completion waits sent', 'counted', (t) => t.driver.completionWaits),
  count('flushes', 'Flushes of a whole domain (lazy mode)', 'counted', (t) => t.driver.flushes),
  count('stale_uses', 'Translations through mappings already unmapped', 'counted', (t) => t.driver.staleUses),
];
