/** Which value of a sweep is the horizontal axis, and which series are drawn along it. */
import type { Point, Value } from './dataset.ts';
import { bytesText, number } from './metrics.ts';
import { uniqueLabels } from './text-width.ts';

export interface SweepAxis {
  readonly path: string;
  /** `iotlb.entries`, `offeredGbps (Gbit/s)` */
  readonly title: string;
  /** Numbers that change with it, named in the same way. */
  readonly together: readonly string[];
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
/** A series whose points change nothing but the axis. */
const UNCHANGED = 'unchanged';
/** From so many values on, a varied number is an axis. */
const LEAST_VALUES = 3;

/** The varied number with most values, or the given one; undefined when none has enough of them. */
export function sweepAxis(points: readonly Point[], path?: string): SweepAxis | undefined {
  const best = path ?? numericPaths(points)[0];
  if (best === undefined) return undefined;
  const values = distinct(points, best);
  const together = followers(points, best);
  return {
    path: best,
    title: axisName(best),
    together: together.filter((other) => distinct(points, other).length > 1).map(axisName),
    isLog: isGeometric(values),
    values,
    text: valueText(best),
    series: seriesAlong(points, best, together),
  };
}

/** Steps that grow, over a range of several doublings: factors, not differences, are what was varied. */
function isGeometric(values: readonly number[]): boolean {
  const [first, second] = values;
  const [last, before] = [values.at(-1)!, values.at(-2)!];
  return first > 0 && last / first >= 8 && last - before >= 3 * (second - first);
}

/**
 * Paths with enough different numbers, those with most first. Every point has a place on such an axis: cases of which only
 * some set the number are compared as they are. Of numbers that change together (a count, and each one's share) the first
 * stands for all.
 */
export function numericPaths(points: readonly Point[]): string[] {
  const paths = [...new Set(points.flatMap((point) => Object.keys(point.values)))];
  const numbers = paths
    .filter((path) => points.every((point) => typeof point.values[path] === 'number'))
    .map((path) => ({ path, count: distinct(points, path).length }))
    .filter(({ count }) => count >= LEAST_VALUES)
    .sort((a, b) => b.count - a.count)
    .map(({ path }) => path);
  return numbers.filter((path, i) => !numbers.slice(0, i).some((before) => follows(points, path, before)));
}

/** Other numbers of which each value of `path` has one. */
function followers(points: readonly Point[], path: string): string[] {
  const others = Object.entries(points[0].values).filter(([, value]) => typeof value === 'number');
  return others.map(([other]) => other).filter((other) => other !== path && follows(points, other, path));
}

/** Each value of the number `leader` has one value of `path`. */
function follows(points: readonly Point[], path: string, leader: string): boolean {
  const known = new Map<Value | undefined, Value | undefined>();
  for (const { values } of points) {
    if (!known.has(values[leader])) known.set(values[leader], values[path]);
    else if (known.get(values[leader]) !== values[path]) return false;
  }
  return true;
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

function seriesAlong(points: readonly Point[], path: string, together: readonly string[]): SweepSeries[] {
  const groups = new Map<string, { names: Set<string>; rest: string; points: { x: number; point: Point }[] }>();
  for (const point of points) {
    const { [path]: x, ...others } = point.values;
    if (typeof x !== 'number') continue;
    const rest = Object.entries(others).filter(([other]) => !together.includes(other));
    const key = JSON.stringify(rest);
    if (!groups.has(key)) groups.set(key, { names: new Set(), rest: restText(rest), points: [] });
    groups.get(key)!.names.add(withoutValue(point.name, path));
    groups.get(key)!.points.push({ x, point });
  }
  const labels = seriesLabels([...groups.values()]);
  return [...groups.values()].map((group, i) => ({
    name: labels[i],
    points: group.points.sort((a, b) => a.x - b.x),
  }));
}

/** What all points of a series are called, without the axis; where a scenario names its points by hand, their other values. */
function seriesLabels(groups: readonly { readonly names: ReadonlySet<string>; readonly rest: string }[]): string[] {
  const names = new Set(groups.flatMap((group) => [...group.names]));
  const areShared = groups.every((group) => group.names.size === 1) && names.size === groups.length;
  const labels = groups.map((group) => (areShared ? [...group.names][0] : group.rest));
  return groups.length === 1
    ? labels
    : uniqueLabels(
        labels.map((label) => label || UNCHANGED),
        LABEL_CHARACTERS,
      );
}

/** `on windowBytes=64KiB` → `on` */
function withoutValue(name: string, path: string): string {
  const word = `${path.split('.').at(-1)}=`;
  return name
    .split(' ')
    .filter((part) => !part.startsWith(word))
    .join(' ');
}

function restText(rest: readonly (readonly [string, Value])[]): string {
  return rest
    .map(([path, value]) => `${path.split('.').at(-1)}=${typeof value === 'number' ? valueText(path)(value) : value}`)
    .join(' ');
}
