/** Which value of a sweep is the horizontal axis, and which series are drawn along it. */
import type { Point, Value } from './dataset.ts';
import { bytesText, number } from './metrics.ts';
import { uniqueLabels } from './text-width.ts';

export interface SweepAxis {
  readonly path: string;
  /** `iotlb.entries`, `offeredGbps (Gbit/s)` */
  readonly title: string;
  /** Steps are factors: 64, 128, 256. */
  readonly isLog: boolean;
  readonly values: readonly number[];
  readonly text: (value: number) => string;
  readonly series: readonly SweepSeries[];
}

export interface SweepSeries {
  /** '' when there is only one. */
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly point: Point }[];
}

const LABEL_CHARACTERS = 36;
/** From so many values on, a varied number is an axis. */
const LEAST_VALUES = 3;

/** The varied number with most values; undefined when none has enough of them. */
export function sweepAxis(points: readonly Point[], without?: string): SweepAxis | undefined {
  const best = numericPaths(points).filter((path) => path !== without)[0];
  if (best === undefined) return undefined;
  const values = distinct(points, best);
  return {
    path: best,
    title: axisName(best),
    isLog: isGeometric(values),
    values,
    text: valueText(best),
    series: seriesAlong(points, best),
  };
}

/** Steps that grow, over a range of several doublings: factors, not differences, are what was varied. */
function isGeometric(values: readonly number[]): boolean {
  const [first, second] = values;
  const [last, before] = [values.at(-1)!, values.at(-2)!];
  return first > 0 && last / first >= 8 && last - before >= 3 * (second - first);
}

/** Paths with enough different numbers, those with most first. */
export function numericPaths(points: readonly Point[]): string[] {
  const paths = [...new Set(points.flatMap((point) => Object.keys(point.values)))];
  return paths
    .map((path) => ({ path, count: distinct(points, path).length }))
    .filter(({ count }) => count >= LEAST_VALUES)
    .sort((a, b) => b.count - a.count)
    .map(({ path }) => path);
}

function distinct(points: readonly Point[], path: string): number[] {
  const values = points.map((point) => point.values[path]).filter((value) => typeof value === 'number');
  return [...new Set(values)].sort((a, b) => a - b);
}

/** The last two words of a path say which value it is; the unit is in the name. */
function axisName(path: string): string {
  const words = path.split('.');
  const name = words.slice(words[0] === 'machine' || words[0] === 'os' || words[0] === 'run' ? -2 : -1).join('.');
  const unit = unitOf(path);
  // Sizes carry their unit at each mark.
  return unit === '' || unit === 'bytes' ? name : `${name} (${unit})`;
}

function unitOf(path: string): string {
  if (path.endsWith('Bytes')) return 'bytes';
  if (path.endsWith('Ns')) return 'ns';
  if (/[gG]bps$/.test(path)) return 'Gbit/s';
  return path.endsWith('PerSecond') ? '1/s' : '';
}

export const valueText =
  (path: string) =>
  (value: number): string =>
    unitOf(path) === 'bytes' ? bytesText(value) : number(value);

function seriesAlong(points: readonly Point[], path: string): SweepSeries[] {
  const groups = new Map<string, { names: string[]; points: { x: number; point: Point }[] }>();
  for (const point of points) {
    const { [path]: x, ...rest } = point.values;
    if (typeof x !== 'number') continue;
    const key = JSON.stringify(rest);
    if (!groups.has(key)) groups.set(key, { names: [withoutValue(point.name, path), restText(rest)], points: [] });
    groups.get(key)!.points.push({ x, point });
  }
  const all = [...groups.values()];
  const names = new Set(all.map((group) => group.names[0]));
  // Names of points without the axis tell the series apart unless a scenario names its points by hand.
  const which = names.size === all.length ? 0 : 1;
  const labels = uniqueLabels(
    all.map((group) => group.names[which]),
    LABEL_CHARACTERS,
  );
  return all.map((group, i) => ({ name: labels[i], points: group.points.sort((a, b) => a.x - b.x) }));
}

/** `on windowBytes=64KiB` → `on` */
function withoutValue(name: string, path: string): string {
  const word = `${path.split('.').at(-1)}=`;
  return name
    .split(' ')
    .filter((part) => !part.startsWith(word))
    .join(' ');
}

function restText(rest: Readonly<Record<string, Value>>): string {
  return Object.entries(rest)
    .map(([path, value]) => `${path.split('.').at(-1)}=${typeof value === 'number' ? valueText(path)(value) : value}`)
    .join(' ');
}
