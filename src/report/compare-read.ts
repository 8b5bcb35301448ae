/** Run folders as a comparison reads them: summary.csv, pmu.csv and the manifest, from files alone. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { cellText } from './format.ts';

/** A folder that is no run, or a file in it that cannot be read; `message` begins with the path and ends with the remedy. */
export class RunFolderError extends Error {
  override readonly name = 'RunFolderError';
}

type Json = null | boolean | number | string | Json[] | { readonly [key: string]: Json };

/** One point of a run folder. */
export interface RunPoint {
  readonly name: string;
  /** Values of summary.csv by metric and seed; without those that have none. */
  readonly metrics: ReadonlyMap<string, ReadonlyMap<number, number>>;
  /** Counts of pmu.csv, all units together, by `pmu event` and seed. */
  readonly events: ReadonlyMap<string, ReadonlyMap<number, number>>;
  /** What it was run with, by path. */
  readonly settings: ReadonlyMap<string, string>;
}

export interface RunFolder {
  readonly path: string;
  readonly scenario: string;
  readonly version: string;
  /** Columns of the scenario's own table. */
  readonly table: readonly string[];
  readonly points: readonly RunPoint[];
}

/** Throws RunFolderError. */
export function readRunFolder(path: string): RunFolder {
  const manifest = readManifest(path);
  const summary = readCsv(join(path, 'summary.csv'));
  const pmu = existsSync(join(path, 'pmu.csv')) ? readCsv(join(path, 'pmu.csv')) : [];
  const names = [...new Set(summary.map((row) => row['point'] ?? ''))];
  const points = names.map((name) => ({
    name,
    metrics: metricsOf(summary.filter((row) => (row['point'] ?? '') === name)),
    events: eventsOf(pmu.filter((row) => (row['point'] ?? '') === name)),
    settings: settingsOf(manifest, name),
  }));
  const table = Array.isArray(manifest['table']) ? manifest['table'].map(String) : [];
  return { path, scenario: text(manifest['scenario']), version: text(manifest['version']), table, points };
}

const text = (value: Json | undefined): string => (typeof value === 'string' ? value : '');

function readManifest(path: string): { readonly [key: string]: Json } {
  if (!existsSync(path)) throw new RunFolderError(`${path}: no such folder; expected results/<scenario>/<run-id>`);
  if (!statSync(path).isDirectory()) throw new RunFolderError(`${path}: is a file; expected a run folder`);
  const file = join(path, 'manifest.json');
  if (!existsSync(file))
    throw new RunFolderError(`${path}: no manifest.json in it; expected a run folder${inside(path)}`);
  const manifest = attempt(file, () => JSON.parse(readFileSync(file, 'utf8')) as Json);
  if (
    typeof manifest !== 'object' ||
    manifest === null ||
    Array.isArray(manifest) ||
    manifest['program'] !== 'nestwalk'
  ) {
    throw new RunFolderError(`${file}: is not a manifest of nestwalk; expected a folder that run or sweep has written`);
  }
  return manifest;
}

function inside(path: string): string {
  const runs = runFoldersBelow(path);
  return runs.length === 0 ? '' : `, such as ${runs.slice(0, 3).join(' or ')}`;
}

/** Run folders one or two levels below, for people who name results/ or results/<scenario>; none below what is no folder. */
export function runFoldersBelow(path: string): string[] {
  const folders = foldersIn(path);
  return [...folders, ...folders.flatMap(foldersIn)].filter((folder) => existsSync(join(folder, 'manifest.json')));
}

function foldersIn(path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
    .map((entry) => join(path, entry.name))
    .sort();
}

function attempt<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new RunFolderError(`${file}: ${(error as Error).message}; expected a file as run or sweep writes it`);
  }
}

type CsvRow = Readonly<Record<string, string | undefined>>;

function readCsv(file: string): CsvRow[] {
  return attempt(file, () =>
    parse<CsvRow>(readFileSync(file), {
      columns: true,
      cast: (value, { header, column }) => (header || !TEXTS.has(String(column)) ? value : cellText(value)),
    }),
  );
}

/** Columns of text: their mark against spreadsheet formulas is taken off. */
const TEXTS = new Set(['scenario', 'point', 'tenant_mode', 'pmu', 'event']);

function metricsOf(rows: readonly CsvRow[]): Map<string, Map<number, number>> {
  const metrics = new Map<string, Map<number, number>>();
  for (const row of rows) {
    for (const [name, cell] of Object.entries(row)) {
      if (TEXTS.has(name) || name === 'seed' || cell === undefined || cell === '') continue;
      const value = Number(cell);
      if (Number.isFinite(value)) put(metrics, name, Number(row['seed']), value);
    }
  }
  return metrics;
}

function eventsOf(rows: readonly CsvRow[]): Map<string, Map<number, number>> {
  const events = new Map<string, Map<number, number>>();
  for (const row of rows) put(events, `${row['pmu']} ${row['event']}`, Number(row['seed']), Number(row['count']));
  return events;
}

/** Rows of the same name and seed (units of a machine) are added up. */
function put(map: Map<string, Map<number, number>>, name: string, seed: number, value: number): void {
  const bySeed = map.get(name) ?? new Map<number, number>();
  bySeed.set(seed, (bySeed.get(seed) ?? 0) + value);
  map.set(name, bySeed);
}

/** Facts about a preset rather than values of the run. */
const NO_SETTINGS = /^machine\.(estimates|sources)\b/;

function settingsOf(manifest: { readonly [key: string]: Json }, name: string): Map<string, string> {
  const points = Array.isArray(manifest['points']) ? manifest['points'] : [];
  const point = points.find(
    (each) => typeof each === 'object' && each !== null && !Array.isArray(each) && each['point'] === name,
  );
  const settings = new Map<string, string>();
  if (typeof point !== 'object' || point === null || Array.isArray(point)) return settings;
  for (const section of ['machine', 'os', 'tenants', 'run']) flatten(section, point[section] ?? null, settings);
  return settings;
}

function flatten(path: string, value: Json, out: Map<string, string>): void {
  if (NO_SETTINGS.test(path)) return;
  if (typeof value !== 'object' || value === null) {
    out.set(path, String(value));
    return;
  }
  // Tenants and devices are known by their names.
  const entries = Array.isArray(value)
    ? value.map((item, i) => [nameOf(item) ?? String(i), item] as const)
    : Object.entries(value);
  for (const [key, item] of entries) flatten(`${path}.${key}`, item, out);
}

function nameOf(value: Json): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return typeof value['name'] === 'string' ? value['name'] : undefined;
}
