/** Every result file and its columns. The table of columns in the documentation is made from this list. */
import { C_DEPTH, C_PWC_HITS, C_PWC_LOOKUPS, C_READS } from '../../kernel/layout.ts';
import type { RunSpec } from '../../spec.ts';
import { bucketLow } from '../../stats/histogram.ts';
import type {
  CacheResult,
  CpuResult,
  DeviceResult,
  FaultRecord,
  RunResult,
  TimelineRow,
  UnitResult,
} from '../../stats/result.ts';
import { bdfText, faultName } from '../names.ts';
import { ATS_COLUMNS } from './ats.ts';
import { type Cell, type Column, over, ratio, type ResultFile } from './column.ts';
import { MRC_COLUMNS, mrcRows } from './mrc.ts';
import { PMU_EVENTS, type PmuRow } from './pmu.ts';
import { pmuCountsOf } from './pmu-counts.ts';
import {
  CPU_COLUMNS,
  DETAIL_COLUMNS,
  DRIVER_COLUMNS,
  LATENCY_COLUMNS,
  sumCounters,
  type Totals,
  totalsOf,
  TRANSLATION_COLUMNS,
} from './totals.ts';
import { EXIT_COLUMNS, GUEST_COLUMNS, PRIVATE_SPACE_COLUMN, READER_COLUMNS } from './viommu.ts';

interface InRun {
  readonly run: RunResult;
}

const PS = 1000;
const text = <Row>(name: string, meaning: string, value: (row: Row) => string): Column<Row> => ({
  name,
  unit: '',
  meaning,
  formula: 'from the scenario',
  value,
});
const number = <Row>(
  name: string,
  unit: string,
  meaning: string,
  formula: string,
  value: (row: Row) => number | undefined,
): Column<Row> => ({
  name,
  unit,
  meaning,
  formula,
  value,
});

/** The first columns of every file: which run a row is of. */
const KEY: readonly Column<InRun>[] = [
  text('scenario', 'Name of the scenario', ({ run }) => run.spec.scenario),
  text('point', 'Name of the sweep point; empty without a sweep', ({ run }) => run.spec.point),
  number('seed', '', 'Seed of the run', 'from the scenario', ({ run }) => run.spec.seed),
];

// ---- summary, tenants, devices ----------------------------------------------------------------------------------------
interface RunRow extends InRun {
  readonly totals: Totals;
}
const totalsOfRow = (row: RunRow): Totals => row.totals;
const invalidatedEntries = number<InRun>(
  'invalidated_entries',
  '',
  'Cached entries that invalidations removed',
  'sum over units and caches',
  ({ run }) => run.units.reduce((sum, unit) => sum + unit.invalidatedEntries, 0),
);
const duration = number<InRun>(
  'sim_duration_ns',
  'ns',
  'Measured simulated time, without warm-up',
  'simulated',
  ({ run }) => run.measuredPs / PS,
);

/** Modes of all tenants, each once. */
function modes(spec: RunSpec): string {
  return [...new Set(spec.tenants.map((tenant) => tenant.mode))].join('+');
}

export const SUMMARY_COLUMNS: readonly Column<RunRow>[] = [
  ...KEY,
  text('tenant_mode', 'Translation modes of the tenants, joined by +', ({ run }) => modes(run.spec)),
  duration,
  ...over(TRANSLATION_COLUMNS, totalsOfRow),
  ...over(LATENCY_COLUMNS, totalsOfRow),
  ...over(DRIVER_COLUMNS, totalsOfRow),
  invalidatedEntries,
  ...over(CPU_COLUMNS, totalsOfRow),
  ...over(DETAIL_COLUMNS, totalsOfRow),
  ...over(ATS_COLUMNS, totalsOfRow),
  ...over(EXIT_COLUMNS, totalsOfRow),
  ...over(GUEST_COLUMNS, ({ run }: RunRow) => ({ run, tenants: [...run.spec.tenants.keys()] })),
  PRIVATE_SPACE_COLUMN,
  {
    ...number<InRun>(
      'cpu_utilisation',
      '',
      'Share of time that the CPUs were at work, spinning included',
      'busy time / (sim_duration_ns × CPUs)',
      ({ run }) => utilisation(run),
    ),
    heading: 'CPU use',
  },
  {
    ...number<InRun>(
      'command_utilisation',
      '',
      'Share of time that the command processors were busy',
      'busy time / (sim_duration_ns × units)',
      ({ run }) => ratio(commandBusyPs(run), run.units.length * run.measuredPs),
    ),
    heading: 'cmd use',
  },
  number('warmup_ns', 'ns', 'Simulated time before counting started', 'simulated', ({ run }) => run.warmupPs / PS),
];

const commandBusyPs = (run: RunResult): number => run.units.reduce((sum, unit) => sum + unit.commandBusyPs, 0);

function utilisation(run: RunResult): number | undefined {
  const cpus = run.units.flatMap((unit) => unit.cpus ?? []);
  const busyPs = cpus.reduce((sum, cpu) => sum + cpu.busyPs, 0);
  return ratio(busyPs, cpus.length * run.measuredPs);
}

export function summaryRow(run: RunResult): RunRow {
  return { run, totals: totalsOf(run, run.devices) };
}

const ALL_TOTALS = [
  ...TRANSLATION_COLUMNS,
  ...LATENCY_COLUMNS,
  ...DRIVER_COLUMNS,
  ...CPU_COLUMNS,
  ...DETAIL_COLUMNS,
  ...ATS_COLUMNS,
  ...EXIT_COLUMNS,
];

interface TenantRow extends RunRow {
  readonly tenant: number;
}
const tenantOf = ({ run, tenant }: { readonly run: RunResult; readonly tenant: number }) => run.spec.tenants[tenant];
const tenantName = text<InRun & { readonly tenant: number }>(
  'tenant',
  'Name of the tenant',
  (row) => tenantOf(row).name,
);

const TENANT_COLUMNS: readonly Column<TenantRow>[] = [
  ...KEY,
  tenantName,
  text('tenant_mode', 'Translation mode', (row) => tenantOf(row).mode),
  text('policy', 'Mapping policy', (row) => tenantOf(row).policy),
  number('devices', '', 'Number of devices', 'from the scenario', ({ totals }) => totals.devices),
  duration,
  ...over(ALL_TOTALS, totalsOfRow),
  ...over(GUEST_COLUMNS, ({ run, tenant }: TenantRow) => ({ run, tenants: [tenant] })),
];

function tenantRows(run: RunResult): TenantRow[] {
  return run.spec.tenants.map((_, tenant) => ({
    run,
    tenant,
    totals: totalsOf(
      run,
      run.devices.filter((device) => device.tenant === tenant),
    ),
  }));
}

/** Columns of tenants.csv that have numbers of the run. */
export const TENANT_METRICS: readonly string[] = TENANT_COLUMNS.slice(KEY.length + 3).map(({ name }) => name);

/** Value of such a column; undefined too if the run has no such tenant. */
export function tenantCell(run: RunResult, tenant: string, metric: string): Cell {
  const row = tenantRows(run).find((each) => tenantOf(each).name === tenant);
  return row === undefined ? undefined : TENANT_COLUMNS.find(({ name }) => name === metric)?.value(row);
}

interface DeviceRow extends RunRow {
  readonly device: DeviceResult;
  readonly tenant: number;
}
const DEVICE_COLUMNS: readonly Column<DeviceRow>[] = [
  ...KEY,
  tenantName,
  text('device', 'Name of the device', ({ device }) => device.name),
  number('device_index', '', 'Number of the device in the run', 'from the scenario', ({ device }) => device.index),
  text('bdf', 'Requester ID: bus:device.function in hex', ({ device }) => bdfText(device.bdf)),
  number('iommu', '', 'Unit that the device sits behind', 'from the scenario', ({ device }) => device.unit),
  duration,
  ...over(ALL_TOTALS, totalsOfRow),
];

function deviceRows(run: RunResult): DeviceRow[] {
  return run.devices.map((device) => ({ run, device, tenant: device.tenant, totals: totalsOf(run, [device]) }));
}

// ---- units and caches ---------------------------------------------------------------------------------------------------
interface UnitRow extends RunRow {
  readonly unit: UnitResult;
}
const ofUnit = (
  name: string,
  unit: string,
  meaning: string,
  formula: string,
  value: (unit: UnitResult) => number,
): Column<UnitRow> => number(name, unit, meaning, formula, (row) => value(row.unit));

const UNIT_COLUMNS: readonly Column<UnitRow>[] = [
  ...KEY,
  ofUnit('iommu', '', 'Number of the unit', 'from the scenario', (unit) => unit.unit),
  number('devices', '', 'Devices behind it', 'from the scenario', ({ totals }) => totals.devices),
  duration,
  ...over(ALL_TOTALS, totalsOfRow),
  ofUnit('commands', '', 'Commands taken from its queue', 'counted', (unit) => unit.commands),
  number(
    'command_busy_ratio',
    '',
    'Share of time its command processor was busy',
    'busy time / sim_duration_ns',
    ({ run, unit }) => ratio(unit.commandBusyPs, run.measuredPs),
  ),
  ofUnit(
    'command_queue_full',
    '',
    'Times that software found the queue full',
    'counted',
    (unit) => unit.commandQueueFull,
  ),
  ofUnit('event_log_overflow', '', 'Fault records lost', 'counted', (unit) => unit.eventLogOverflow),
  ofUnit(
    'invalidated_entries',
    '',
    'Cached entries that invalidations removed',
    'sum over caches',
    (unit) => unit.invalidatedEntries,
  ),
  ofUnit('table_pages', '', '4 KiB pages of tables at the end', 'counted', (unit) => unit.tablePages),
  ofUnit('mapped_pages', '', 'Mapped 4 KiB pages at the end', 'counted', (unit) => unit.mappedPages),
  ofUnit(
    'effects_delayed',
    '',
    'Effects on other units that waited for the end of a time step',
    'counted',
    (unit) => unit.effectsDelayed,
  ),
  ...READER_COLUMNS,
];

function unitRows(run: RunResult): UnitRow[] {
  return run.units.map((unit) => {
    return {
      run,
      unit,
      totals: totalsOf(
        run,
        run.devices.filter((device) => device.unit === unit.unit),
      ),
    };
  });
}

interface CacheRow extends InRun {
  readonly unit: number;
  readonly cache: CacheResult;
}
const ofCache = (
  name: string,
  meaning: string,
  formula: string,
  value: (cache: CacheResult) => number | undefined,
): Column<CacheRow> => number(name, '', meaning, formula, (row) => value(row.cache));

const CACHE_COLUMNS: readonly Column<CacheRow>[] = [
  ...KEY,
  number('iommu', '', 'Unit of the cache', 'from the scenario', ({ unit }) => unit),
  text('cache', 'Name of the cache', ({ cache }) => cache.name),
  ofCache('entries', 'Entries', 'from the scenario', (cache) => cache.entries),
  ofCache('ways', 'Ways of a set', 'from the scenario', (cache) => cache.ways),
  ofCache('lookups', 'Lookups', 'counted', (cache) => cache.lookups),
  ofCache('hits', 'Lookups that hit', 'counted', (cache) => cache.hits),
  ofCache('hit_ratio', 'Share of lookups that hit', 'hits / lookups', (cache) => ratio(cache.hits, cache.lookups)),
  ofCache('fills', 'Entries written', 'counted', (cache) => cache.fills),
  ofCache('evictions', 'Entries that made room for another', 'counted', (cache) => cache.evictions),
  ofCache('invalidated', 'Entries that invalidations removed', 'counted', (cache) => cache.invalidated),
];

function* cacheRows(run: RunResult): Generator<CacheRow> {
  for (const { unit, caches } of run.units) for (const cache of caches) yield { run, unit, cache };
}

interface CpuRow extends InRun {
  readonly unit: number;
  readonly cpu: CpuResult;
}
const CPU_FILE_COLUMNS: readonly Column<CpuRow>[] = [
  ...KEY,
  number('iommu', '', 'Unit whose devices it serves', 'from the scenario', ({ unit }) => unit),
  number('cpu', '', 'Number of the CPU among these', 'from the scenario', ({ cpu }) => cpu.cpu),
  number('busy_ns', 'ns', 'Time at work, spinning included', 'simulated', ({ cpu }) => cpu.busyPs / PS),
  number('utilisation', '', 'Share of time at work', 'busy_ns / sim_duration_ns', ({ run, cpu }) =>
    ratio(cpu.busyPs, run.measuredPs),
  ),
];

function* cpuRows(run: RunResult): Generator<CpuRow> {
  for (const { unit, cpus } of run.units) for (const cpu of cpus ?? []) yield { run, unit, cpu };
}

// ---- walks ----------------------------------------------------------------------------------------------------------------
interface WalkRow extends InRun {
  readonly tenant: number;
  readonly measure: 'table_reads' | 'walk_cache_lookups' | 'walk_cache_hits' | 'walks';
  readonly stage: string;
  readonly level?: number;
  readonly depth?: number;
  readonly count: number;
}
const WALK_COLUMNS: readonly Column<WalkRow>[] = [
  ...KEY,
  tenantName,
  text(
    'measure',
    'What is counted: table_reads, walk_cache_lookups, walk_cache_hits by stage and level; walks by depth',
    (row) => row.measure,
  ),
  text('stage', 'guest (first stage) or host (second stage); empty for walks', (row) => row.stage),
  number('level', '', 'Level of the entry; 0 = table of 4 KiB leaves', 'counted', (row) => row.level),
  number('depth', '', 'Table reads of a walk; 47 = 47 or more', 'counted', (row) => row.depth),
  number('count', '', 'How many', 'counted', (row) => row.count),
];

const BY_LEVEL = [
  ['table_reads', C_READS],
  ['walk_cache_lookups', C_PWC_LOOKUPS],
  ['walk_cache_hits', C_PWC_HITS],
] as const;
const DEPTHS = 48;

function* walkRows(run: RunResult): Generator<WalkRow> {
  for (const tenant of run.spec.tenants.keys()) {
    const counters = sumCounters(run.devices.filter((device) => device.tenant === tenant));
    for (const [measure, slot] of BY_LEVEL) {
      for (let i = 0; i < 16; i++) {
        const count = counters[slot + i];
        if (count > 0) yield { run, tenant, measure, stage: i < 8 ? 'guest' : 'host', level: i % 8, count };
      }
    }
    for (let depth = 0; depth < DEPTHS; depth++) {
      const count = counters[C_DEPTH + depth];
      if (count > 0) yield { run, tenant, measure: 'walks', stage: '', depth, count };
    }
  }
}

// ---- latency, timeline, faults -----------------------------------------------------------------------------------------------
interface LatencyRow extends InRun {
  readonly tenant: number;
  readonly latency: 'translation' | 'completion';
  readonly bucket: number;
  readonly count: number;
}
const LATENCY_FILE_COLUMNS: readonly Column<LatencyRow>[] = [
  ...KEY,
  tenantName,
  text('latency', 'translation (issue to address) or completion (issue to done)', (row) => row.latency),
  number('low_ns', 'ns', 'Start of the bucket', 'inclusive', ({ bucket }) =>
    bucket === 0 ? 0 : bucketLow(bucket) / PS,
  ),
  number('high_ns', 'ns', 'End of the bucket', 'exclusive', ({ bucket }) => bucketLow(bucket + 1) / PS),
  number('count', '', 'Requests in the bucket', 'counted', (row) => row.count),
];

function* latencyRows(run: RunResult): Generator<LatencyRow> {
  for (const tenant of run.spec.tenants.keys()) {
    const totals = totalsOf(
      run,
      run.devices.filter((device) => device.tenant === tenant),
    );
    for (const latency of ['translation', 'completion'] as const) {
      for (const [bucket, count] of totals[latency].counts.entries()) {
        if (count > 0) yield { run, tenant, latency, bucket, count };
      }
    }
  }
}

interface TimeRow extends InRun {
  readonly tenant: number;
  readonly device: DeviceResult;
  readonly time: TimelineRow;
}
const ofTime = (
  name: string,
  unit: string,
  meaning: string,
  formula: string,
  value: (time: TimelineRow) => number | undefined,
): Column<TimeRow> => number(name, unit, meaning, formula, (row) => value(row.time));

const TIMELINE_COLUMNS: readonly Column<TimeRow>[] = [
  ...KEY,
  tenantName,
  text('device', 'Name of the device', ({ device }) => device.name),
  ofTime(
    'time_ns',
    'ns',
    'Start of the interval, from the start of measurement',
    'simulated',
    (time) => time.timePs / PS,
  ),
  ofTime('requests', '', 'Requests completed', 'counted', (time) => time.requests),
  ofTime('bytes', 'bytes', 'Payload moved', 'counted', (time) => time.bytes),
  ofTime('iotlb_hits', '', 'First lookups that hit', 'counted', (time) => time.iotlbHits),
  ofTime('iotlb_misses', '', 'First lookups that missed', 'counted', (time) => time.iotlbMisses),
  ofTime('translation_ns_mean', 'ns', 'Time from issue to translated address', 'mean', (time) =>
    ratio(time.translationPs / PS, time.requests),
  ),
];

function* timelineRows(run: RunResult): Generator<TimeRow> {
  const byIndex = new Map(run.devices.map((device) => [device.index, device]));
  for (const time of run.timeline) {
    const device = byIndex.get(time.device)!;
    yield { run, time, device, tenant: device.tenant };
  }
}

interface FaultRow extends InRun {
  readonly fault: FaultRecord;
  /** Not there for what the command processor found: no device asked for it. */
  readonly device: DeviceResult | undefined;
}
const ACCESS = ['', 'r', 'w', 'a'];
const FAULT_COLUMNS: readonly Column<FaultRow>[] = [
  ...KEY,
  number('time_ns', 'ns', 'When the fault was found', 'simulated', ({ fault }) => fault.timePs / PS),
  text('tenant', 'Name of the tenant', ({ run, device }) =>
    device === undefined ? '' : run.spec.tenants[device.tenant].name,
  ),
  text('device', 'Name of the device; empty for an illegal command', ({ device }) => device?.name ?? ''),
  text('bdf', 'Requester ID: bus:device.function in hex', ({ device }) =>
    device === undefined ? '' : bdfText(device.bdf),
  ),
  number('domain', '', 'Domain', 'from the device entry', ({ fault }) => fault.domain),
  number('pasid', '', 'PASID; empty without', 'from the request', ({ fault }) =>
    fault.pasid < 0 ? undefined : fault.pasid,
  ),
  text('fault', 'Why the request was aborted', ({ fault }) => faultName(fault.code)),
  text('access', 'r, w or a (atomic)', ({ fault }) => ACCESS[fault.access] ?? ''),
  text('event', "The hardware record's event; VT-d: DMA_READ or DMA_WRITE", ({ fault }) => fault.event ?? ''),
  text('flags', 'Its flags as Linux prints them; VT-d: the fault reason; hex', ({ fault }) =>
    fault.flags === undefined ? '' : `0x${fault.flags.toString(16)}`,
  ),
  text('iova', 'Start of the 4 KiB page, hex', ({ fault }) => `0x${(BigInt(fault.page) << 12n).toString(16)}`),
];

function* faultRows(run: RunResult): Generator<FaultRow> {
  const byIndex = new Map(run.devices.map((device) => [device.index, device]));
  for (const fault of run.faults) {
    yield { run, fault, device: byIndex.get(fault.device) };
  }
}

// ---- events under their hardware names, values of the points -------------------------------------------------------------------
const PMU_COLUMNS: readonly Column<InRun & PmuRow>[] = [
  ...KEY,
  number('iommu', '', 'Unit', 'from the scenario', (row) => row.unit.unit),
  text('pmu', 'Name of the perf PMU, without the unit number', (row) => row.event.pmu),
  text('event', 'Name of the event', (row) => row.event.name),
  text('code', 'Its code, as perf takes it', (row) => row.event.code),
  number('count', '', 'What the counter would show, without multiplexing', 'see the table of events', (row) =>
    row.event.value(row),
  ),
];

function* pmuRows(run: RunResult): Generator<InRun & PmuRow> {
  for (const unit of run.units) {
    const counts = pmuCountsOf(run, unit);
    for (const event of PMU_EVENTS) yield { run, event, ...counts };
  }
}

interface ValueRow extends InRun {
  readonly path: string;
  readonly value: string | number | boolean;
}
const POINT_COLUMNS: readonly Column<ValueRow>[] = [
  ...KEY,
  text('path', 'Path of the varied value in the scenario', (row) => row.path),
  {
    ...text<ValueRow>('value', "Value, in the unit of the path's last word", () => ''),
    value: ({ value }) => (typeof value === 'boolean' ? String(value) : value),
  },
];

function* pointRows(run: RunResult): Generator<ValueRow> {
  for (const [path, value] of Object.entries(run.spec.values)) yield { run, path, value };
}

/** Erases the row type: a list of files of different rows. */
function file<Row>(
  name: string,
  row: string,
  columns: readonly Column<Row>[],
  rows: (run: RunResult) => Iterable<Row>,
  asked?: (spec: RunSpec) => boolean,
): AnyFile {
  return { file: name, row, columns, rows, asked } as unknown as AnyFile;
}
export type AnyFile = ResultFile<RunResult, unknown>;

export const RESULT_FILES: readonly AnyFile[] = [
  file('summary.csv', 'one run: a point and a seed', SUMMARY_COLUMNS, (run) => [summaryRow(run)]),
  file('points.csv', 'one varied value of a run', POINT_COLUMNS, pointRows),
  file('tenants.csv', 'one tenant of a run', TENANT_COLUMNS, tenantRows),
  file('devices.csv', 'one device of a run', DEVICE_COLUMNS, deviceRows),
  file('iommus.csv', 'one IOMMU unit of a run', UNIT_COLUMNS, unitRows),
  file('caches.csv', 'one cache of a unit', CACHE_COLUMNS, cacheRows),
  file('cpus.csv', 'one CPU that serves the devices behind a unit', CPU_FILE_COLUMNS, cpuRows),
  file('walks.csv', 'one count of a tenant', WALK_COLUMNS, walkRows),
  file('latency.csv', 'one bucket of a histogram that is not empty', LATENCY_FILE_COLUMNS, latencyRows),
  file('timeline.csv', 'one device in one interval', TIMELINE_COLUMNS, timelineRows),
  file('pmu.csv', 'one event of a unit', PMU_COLUMNS, pmuRows),
  file('faults.csv', 'one fault record', FAULT_COLUMNS, faultRows),
  file('mrc.csv', 'one capacity of a curve', [...KEY, ...MRC_COLUMNS], mrcRows, ({ run }) => run.mrc !== undefined),
];

/** Columns of summary.csv that scenarios may name as metrics: those with numbers. */
export const METRICS: readonly string[] = SUMMARY_COLUMNS.slice(KEY.length + 1).map((column) => column.name);
