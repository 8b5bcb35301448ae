/** What a result rests on: every resolved value, with its source, or marked as an estimate. */
import { bytesText } from '../charts/metrics.ts';
import type { ManifestPoint } from './manifest-file.ts';

export interface Assumption {
  readonly path: string;
  readonly value: string;
  /** Where the value comes from; '' = the scenario, or a default that the model documents. */
  readonly source: string;
  readonly isEstimate: boolean;
}

/** All values of machine, os, run and tenants, in the order of the manifest; those that differ between points say so. */
export function assumptionsOf(points: readonly ManifestPoint[]): Assumption[] {
  const { estimates } = points[0].machine;
  const sources = points.flatMap(({ machine }) => machine.sources);
  const values = new Map<string, Set<string>>();
  for (const point of points) {
    for (const [path, value] of leavesOf(point)) {
      const known = values.get(path);
      if (known === undefined) values.set(path, new Set([value]));
      else known.add(value);
    }
  }
  return [...values].map(([path, all]) => {
    const estimated = longest(path, estimates, (name) => name);
    const known = longest(path, sources, ({ path: name }) => name);
    const isEstimate = estimated !== undefined && estimated.length >= (known?.path.length ?? 0);
    const source = isEstimate ? '' : (known?.source ?? '');
    return { path, value: oneOf(all), source, isEstimate };
  });
}

const MOST_VALUES = 4;
function oneOf(values: ReadonlySet<string>): string {
  const all = [...values];
  if (all.length === 1) return all[0];
  const more = all.length > MOST_VALUES ? `, … (${all.length} values)` : '';
  return `${all.slice(0, MOST_VALUES).join(', ')}${more}`;
}

/** The entry whose path is the longest that leads to `path`. */
function longest<Item>(path: string, items: readonly Item[], name: (item: Item) => string): Item | undefined {
  let best: Item | undefined;
  for (const item of items) {
    const prefix = name(item);
    const leads = path === prefix || path.startsWith(`${prefix}.`);
    if (leads && (best === undefined || prefix.length > name(best).length)) best = item;
  }
  return best;
}

type Leaf = readonly [path: string, value: string];

function leavesOf({ machine, os, tenants, run }: ManifestPoint): Leaf[] {
  const { estimates: _, sources: __, ...values } = machine;
  const list = alike(tenants).map(([name, tenant]): Leaf[] => leaves(`tenants.${name}`, tenant));
  const all = [...leaves('machine', values), ...leaves('os', os), ...list.flat(), ...leaves('run', run)];
  return all.map(([path, value]) => [scenarioPath(path), value]);
}

/** Where a scenario says the value: lists count from 0, a scenario's levels from 1, and it calls leaves by their bytes. */
const scenarioPath = (path: string): string =>
  path
    .replace(
      /^(machine\.walkCaches\.\w+)\.(\d+)/,
      (_, stage: string, level: string) => `${stage}.level${Number(level) + 1}`,
    )
    .replace(/^(tenants\..*\.(?:host|guest))\.leafLog2$/, '$1.leafBytes');

/** Tenants that differ in nothing but name and number stand in one line, as devices do. */
function alike(tenants: ManifestPoint['tenants']): [string, object][] {
  const kinds = new Map<string, { count: number; tenant: object; name: string }>();
  for (const { name, ...tenant } of tenants) {
    const shown = withDevices(tenant);
    const key = JSON.stringify(shown);
    const old = kinds.get(key);
    kinds.set(key, { count: (old?.count ?? 0) + 1, tenant: old?.tenant ?? shown, name: old?.name ?? name });
  }
  return [...kinds.values()].map(({ name, count, tenant }) => [name, count === 1 ? tenant : { count, ...tenant }]);
}

/** Devices that differ in nothing but name and number stand in one line. */
function withDevices(tenant: Readonly<Record<string, unknown>>): object {
  const { devices, ...rest } = tenant;
  if (!Array.isArray(devices)) return rest;
  const kinds = new Map<string, { count: number; device: object; name: string }>();
  for (const { name, index: _, bdf: __, unit: ___, ...device } of devices as Record<string, unknown>[]) {
    const key = JSON.stringify(device);
    const old = kinds.get(key);
    kinds.set(key, { count: (old?.count ?? 0) + 1, device, name: old?.name ?? String(name) });
  }
  const all = [...kinds.values()].map(({ name, count, device }) => [name, { count, ...device }] as const);
  const more = all.length - MOST_VALUES;
  const left = more > 0 ? [['…', `${more} more ${more === 1 ? 'kind' : 'kinds'}, in manifest.json`]] : [];
  return { ...rest, devices: Object.fromEntries([...all.slice(0, MOST_VALUES), ...left]) };
}

function leaves(path: string, value: unknown): Leaf[] {
  if (typeof value !== 'object' || value === null) return [[path, scalar(path, value)]];
  if (isCache(value)) return [[path, cacheText(value)]];
  if (Array.isArray(value)) {
    if (value.every((item) => typeof item !== 'object')) return [[path, value.join(', ')]];
    return value.flatMap((item, i) => leaves(`${path}.${i}`, item));
  }
  const rest = isCacheLike(value) ? withoutCache(value) : value;
  const own: Leaf[] = isCacheLike(value) ? [[path, cacheText(value)]] : [];
  return [...own, ...Object.entries(rest).flatMap(([key, item]) => leaves(`${path}.${key}`, item))];
}

function scalar(path: string, value: unknown): string {
  if (typeof value !== 'number') return String(value);
  if (path.endsWith('Bytes')) return bytesText(value);
  if (path.endsWith('leafLog2')) return bytesText(Math.round(Math.exp(value * Math.LN2)));
  // In full: the reader compares it with its source. Twelve digits are more than anyone sets.
  return String(Number(value.toPrecision(12)));
}

interface Cache {
  readonly entries: number;
  readonly ways: number;
  readonly replacement: string;
  readonly index: string;
}
const CACHE_KEYS = ['entries', 'ways', 'replacement', 'index'];
const isCacheLike = (value: object): value is Cache => CACHE_KEYS.every((key) => key in value);
const isCache = (value: object): value is Cache =>
  isCacheLike(value) && Object.keys(value).length === CACHE_KEYS.length;
const withoutCache = (value: object): object =>
  Object.fromEntries(Object.entries(value).filter(([key]) => !CACHE_KEYS.includes(key)));

function cacheText({ entries, ways, replacement, index }: Cache): string {
  if (entries === 0) return 'none';
  return `${entries} entries, ${ways >= entries ? 'fully associative' : `${ways} ways`}, ${replacement}, ${index}`;
}
