/** Result directories → what a report is made of, from files alone. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Bucket, CapacityRow, Dataset, Interval, Point, Tenant, WalkCount } from '../charts/dataset.ts';
import { spread } from '../charts/dataset.ts';
import { WIDE_POINTS } from '../charts/layout.ts';
import { uniqueLabels } from '../charts/text-width.ts';
import { tableName } from '../../lib/placeholders.ts';
import { SUMMARY_COLUMNS } from '../columns/files.ts';
import { tenantColumns, type TenantMetric } from '../points.ts';
import { type Estimate, estimate } from '../statistics.ts';
import { DEFAULT_TABLE, type Measured } from '../table.ts';
import { type ManifestFile, readManifest } from './manifest-file.ts';
import { ReportProblem } from './problem.ts';
import { readCsv, type Record } from './read-csv.ts';

/** Axes have room for so many characters of a name. */
const LABEL_CHARACTERS = 36;

export interface ResultSet {
  readonly directory: string;
  /** Stands before the names of points; '' when there is only one directory. */
  readonly label: string;
  readonly manifest: ManifestFile;
}

export interface Loaded {
  readonly sets: readonly ResultSet[];
  readonly data: Dataset;
}

/** Reads and checks everything. Throws ReportProblem. */
export function loadResults(directories: readonly string[]): Loaded {
  const manifests = directories.map((directory) => {
    checkFolder(directory);
    return { directory, manifest: readManifest(directory) };
  });
  const labels = setLabels(manifests.map(({ manifest }) => manifest));
  const sets = manifests.map((set, i) => ({ ...set, label: labels[i] }));
  return { sets, data: dataset(sets) };
}

function checkFolder(directory: string): void {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new ReportProblem(`${directory}: no such folder; expected a folder with results, as run leaves it`);
  }
  if (existsSync(join(directory, 'manifest.json'))) return;
  const inside = runsBelow(directory);
  const hint = inside.length > 0 ? `; below it there are: ${inside.join(', ')}` : '';
  throw new ReportProblem(`${directory}: has no manifest.json, so it holds no finished run${hint}`);
}

/** Runs one or two folders down: results/ or results/<scenario>/ was meant. */
function runsBelow(directory: string): string[] {
  const folders = (path: string): string[] =>
    readdirSync(path, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map((entry) => join(path, entry.name));
  const near = folders(directory);
  return [...near, ...near.flatMap(folders)].filter((path) => existsSync(join(path, 'manifest.json'))).slice(0, 8);
}

/** Scenarios tell sets apart; runs of one scenario need their id too. */
function setLabels(manifests: readonly ManifestFile[]): string[] {
  if (manifests.length === 1) return [''];
  const names = manifests.map(({ scenario }) => scenario);
  return uniqueLabels(
    manifests.map(({ scenario, runId }) =>
      names.filter((name) => name === scenario).length > 1 ? `${scenario} ${runId.slice(0, 6)}` : scenario,
    ),
    LABEL_CHARACTERS,
  );
}

function dataset(sets: readonly ResultSet[]): Dataset {
  const parts = sets.map(pointsOf);
  const raw = parts.flat();
  const labels = uniqueLabels(
    raw.map((point) => point.name),
    LABEL_CHARACTERS,
  );
  const points = raw.map((point, i) => ({ ...point, label: labels[i] }));
  const tables = [...new Set(sets.flatMap(({ manifest }) => manifest.table))];
  return {
    points,
    detailed: points.filter((point) => point.isDetailed),
    table: tables.length > 0 ? tables : DEFAULT_TABLE,
    measured: sets.flatMap(({ manifest, label }) => manifest.measured.map((row) => withPrefix(row, label))),
    intervalNs: Math.max(...sets.flatMap(({ manifest }) => manifest.points.map((point) => point.run.intervalNs))),
  };
}

function withPrefix(row: ManifestFile['measured'][number], label: string): Measured {
  return { ...row, points: Object.fromEntries(Object.entries(row.points).map(([k, v]) => [pointName(label, k), v])) };
}

const pointName = (label: string, name: string): string =>
  label === '' ? name : name === '' ? label : `${label}: ${name}`;

/** A point while its files are read. */
interface Draft {
  name: string;
  mode: string;
  readonly columns: Map<string, number[]>;
  readonly seeds: Set<number>;
  readonly walks: Map<string, WalkCount>;
  readonly translation: Map<number, Bucket>;
  readonly completion: Map<number, Bucket>;
  readonly tenants: Map<string, { mode: string; columns: Map<string, number[]> }>;
  readonly timeline: Map<number, Interval & { translationSum: number }>;
  timelineSeed: number | undefined;
  readonly capacities: CapacityRow[];
}

const newDraft = (name: string, mode: string): Draft => ({
  name,
  mode,
  columns: new Map(),
  seeds: new Set(),
  walks: new Map(),
  translation: new Map(),
  completion: new Map(),
  tenants: new Map(),
  timeline: new Map(),
  timelineSeed: undefined,
  capacities: [],
});

type LoadedPoint = Omit<Point, 'label'> & { readonly isDetailed: boolean };

const TEXT_COLUMNS = ['scenario', 'point', 'seed', 'tenant_mode'];
const NUMBERS = SUMMARY_COLUMNS.map((column) => column.name).filter((name) => !TEXT_COLUMNS.includes(name));

function pointsOf(set: ResultSet): LoadedPoint[] {
  const drafts = new Map<string, Draft>();
  const read = (file: string, columns: readonly string[], each: (draft: Draft, record: Record) => void): void => {
    readCsv(join(set.directory, file), set.manifest.files[file], ['point', 'seed', ...columns], (record) => {
      const draft = drafts.get(record.text('point'));
      if (draft !== undefined) each(draft, record);
    });
  };
  readSummary(set, drafts);
  const kept = new Set(spread([...drafts.values()], WIDE_POINTS));
  const detailed = (each: (draft: Draft, record: Record) => void) => (draft: Draft, record: Record) => {
    if (kept.has(draft)) each(draft, record);
  };
  read('walks.csv', ['measure', 'stage', 'level', 'depth', 'count'], detailed(addWalk));
  read('latency.csv', ['latency', 'low_ns', 'high_ns', 'count'], detailed(addLatency));
  const asked = tenantColumns(set.manifest.table);
  read('tenants.csv', ['tenant', 'tenant_mode'], (draft, record) => {
    if (kept.has(draft)) addTenant(draft, record);
    addAsked(draft, record, asked);
  });
  read('timeline.csv', ['time_ns', 'requests', 'bytes', 'iotlb_hits', 'iotlb_misses'], detailed(addInterval));
  if ('mrc.csv' in set.manifest.files) read('mrc.csv', MRC_COLUMNS, detailed(addCapacity));
  const values = new Map(set.manifest.points.map((point) => [point.point, point.values]));
  return [...drafts.values()].map((draft) => finished(draft, set, values.get(draft.name) ?? {}, kept.has(draft)));
}

function readSummary({ directory, manifest }: ResultSet, drafts: Map<string, Draft>): void {
  const expected = new Set(manifest.points.map(({ point }) => point));
  const path = join(directory, 'summary.csv');
  let names: readonly string[] = [];
  readCsv(path, manifest.files['summary.csv'], TEXT_COLUMNS, (record) => {
    const name = record.text('point');
    if (!drafts.has(name)) drafts.set(name, newDraft(name, record.text('tenant_mode')));
    const draft = drafts.get(name)!;
    draft.seeds.add(record.number('seed') ?? 0);
    if (names.length === 0) names = NUMBERS.filter((column) => record.has(column));
    addNumbers(draft.columns, record, names);
    expected.delete(name);
  });
  if (expected.size > 0) {
    const [first] = expected;
    throw new ReportProblem(`${path}: has no row of point ${JSON.stringify(first)}, which manifest.json names`);
  }
}

function addNumbers(columns: Map<string, number[]>, record: Record, names: readonly string[]): void {
  for (const name of names) addNumber(columns, name, record.number(name));
}

function addNumber(columns: Map<string, number[]>, name: string, value: number | undefined): void {
  if (value === undefined) return;
  const list = columns.get(name);
  if (list === undefined) columns.set(name, [value]);
  else list.push(value);
}

function addWalk({ walks }: Draft, record: Record): void {
  const [measure, stage] = [record.text('measure'), record.text('stage')];
  const at = record.number('level') ?? record.number('depth') ?? 0;
  const key = `${measure} ${stage} ${at}`;
  const count = (walks.get(key)?.count ?? 0) + (record.number('count') ?? 0);
  walks.set(key, { measure, stage, at, count });
}

function addLatency(draft: Draft, record: Record): void {
  const buckets = record.text('latency') === 'translation' ? draft.translation : draft.completion;
  const lowNs = record.number('low_ns') ?? 0;
  const count = (buckets.get(lowNs)?.count ?? 0) + (record.number('count') ?? 0);
  buckets.set(lowNs, { lowNs, highNs: record.number('high_ns') ?? lowNs, count });
}

function addTenant({ tenants }: Draft, record: Record): void {
  const name = record.text('tenant');
  if (!tenants.has(name)) tenants.set(name, { mode: record.text('tenant_mode'), columns: new Map() });
  addNumbers(tenants.get(name)!.columns, record, TENANT_NUMBERS);
}

/** Tenants' numbers that the table shows stand beside those of the run, under the names that it gives them. */
function addAsked({ columns }: Draft, record: Record, asked: readonly TenantMetric[]): void {
  const tenant = record.text('tenant');
  for (const one of asked) {
    if (one.tenant === tenant && record.has(one.metric)) addNumber(columns, tableName(one), record.number(one.metric));
  }
}
const TENANT_NUMBERS = ['throughput_gbps', 'translation_ns_mean', 'translation_ns_p99', 'iotlb_hit_ratio'];

/** Devices of one seed are added up: means over seeds would smooth away what a timeline is looked at for. */
function addInterval(draft: Draft, record: Record): void {
  const seed = record.number('seed') ?? 0;
  draft.timelineSeed ??= seed;
  if (seed !== draft.timelineSeed) return;
  const timeNs = record.number('time_ns') ?? 0;
  const old = draft.timeline.get(timeNs);
  const requests = record.number('requests') ?? 0;
  const translationSum = (old?.translationSum ?? 0) + (record.number('translation_ns_mean') ?? 0) * requests;
  const all = (old?.requests ?? 0) + requests;
  draft.timeline.set(timeNs, {
    timeNs,
    requests: all,
    bytes: (old?.bytes ?? 0) + (record.number('bytes') ?? 0),
    hits: (old?.hits ?? 0) + (record.number('iotlb_hits') ?? 0),
    misses: (old?.misses ?? 0) + (record.number('iotlb_misses') ?? 0),
    translationSum,
    translationNs: all === 0 ? undefined : translationSum / all,
  });
}

const MRC_COLUMNS = ['iommu', 'scope', 'sets', 'entries', 'lookups', 'hits'];
function addCapacity({ capacities }: Draft, record: Record): void {
  if (record.text('scope') !== 'all') return;
  const number = (column: string): number => record.number(column) ?? 0;
  const sets = number('sets');
  capacities.push({
    curve: sets === 1 ? '' : `${sets} sets`,
    source: `${record.text('iommu')} ${record.text('seed')}`,
    entries: number('entries'),
    lookups: number('lookups'),
    hits: number('hits'),
  });
}

function finished(draft: Draft, set: ResultSet, values: Point['values'], isDetailed: boolean): LoadedPoint {
  const run = set.label === '' ? {} : { run: set.label };
  return {
    name: pointName(set.label, draft.name) || set.manifest.scenario,
    values: { ...run, ...values },
    mode: draft.mode,
    metrics: estimates(draft.columns),
    seeds: draft.seeds.size,
    walks: [...draft.walks.values()],
    translation: ascending(draft.translation),
    completion: ascending(draft.completion),
    tenants: [...draft.tenants].map(
      ([name, { mode, columns }]): Tenant => ({ name, mode, metrics: estimates(columns) }),
    ),
    timeline: [...draft.timeline.values()].sort((a, b) => a.timeNs - b.timeNs),
    capacities: draft.capacities,
    isDetailed,
  };
}

function estimates(columns: ReadonlyMap<string, readonly number[]>): Map<string, Estimate> {
  return new Map([...columns].map(([name, values]) => [name, estimate(values)!]));
}

const ascending = (buckets: ReadonlyMap<number, Bucket>): Bucket[] =>
  [...buckets.values()].sort((a, b) => a.lowNs - b.lowNs);
