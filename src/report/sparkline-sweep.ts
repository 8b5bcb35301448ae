/** How metrics go along a varied quantity, for a terminal: one curve, or a sparkline for each case. */
import { shortNumber } from './format.ts';
import { metricOf, type PointResults, tableColumn } from './points.ts';
import { curve, sparkline } from './sparkline.ts';
import { clipped, padded, visible } from './visible.ts';

const LEAST_VALUES = 4;
const METRICS = 2;
const CASES = 8;
const WIDTH = 80;
const NAME = 24;

interface Series {
  /** The other values that its points share. */
  readonly name: string;
  readonly points: readonly { readonly x: number; readonly point: PointResults }[];
}

/** '' when no quantity has at least four numbers, or no metric has values. Lines of at most 80 columns. */
export function sweepSketch(points: readonly PointResults[], metrics: readonly string[]): string {
  const path = variedPath(points);
  if (path === undefined) return '';
  const series = seriesAlong(path, points);
  const known = metrics.filter((metric) => series.some((one) => changes(valuesOf(one, metric))));
  if (known.length === 0) return '';
  return series.length === 1 ? curveOf(series[0], known[0], path) : sparklines(series, known.slice(0, METRICS), path);
}

/** The path with the most different numbers. */
function variedPath(points: readonly PointResults[]): string | undefined {
  const paths = [...new Set(points.flatMap(({ values }) => Object.keys(values)))];
  const counts = paths.map((path) => {
    const numbers = points.map(({ values }) => values[path]).filter((value) => typeof value === 'number');
    return { path, count: numbers.length === points.length ? new Set(numbers).size : 0 };
  });
  const most = counts.reduce((a, b) => (b.count > a.count ? b : a), { path: '', count: 0 });
  return most.count >= LEAST_VALUES ? most.path : undefined;
}

function seriesAlong(path: string, points: readonly PointResults[]): Series[] {
  const series = new Map<string, { name: string; points: { x: number; point: PointResults }[] }>();
  const label = path.split('.').at(-1)!;
  for (const point of points) {
    const { [path]: x, ...others } = point.values;
    // A case and the path together make the name; without the path's part it is the name of the series.
    const name = point.name
      .split(' ')
      .filter((word) => !word.startsWith(`${label}=`) && !word.startsWith(`${path}=`))
      .join(' ');
    const key = JSON.stringify([name, others]);
    const found = series.get(key) ?? { name, points: [] };
    found.points.push({ x: x as number, point });
    series.set(key, found);
  }
  return [...series.values()].map(({ name, points: own }) => ({ name, points: own.sort((a, b) => a.x - b.x) }));
}

function valuesOf({ points }: Series, metric: string): (number | undefined)[] {
  const { column, tenant } = tableColumn(metric);
  return points.map(({ point }) => metricOf(point, column, tenant)?.mean);
}

/** A metric that is the same everywhere has nothing to draw. */
function changes(values: readonly (number | undefined)[]): boolean {
  return new Set(values.filter((value) => value !== undefined)).size > 1;
}

function curveOf(series: Series, metric: string, path: string): string {
  const values = valuesOf(series, metric);
  const points = series.points.flatMap(({ x }, i) => {
    const y = values[i];
    return y === undefined ? [] : [{ x, y, mark: '●' }];
  });
  const xs = points.map(({ x }) => x);
  const geometric = Math.min(...xs) > 0 && Math.max(...xs) / Math.min(...xs) >= 8;
  const drawn = curve({ points, geometric, xText: shortNumber, yText: shortNumber });
  return drawn === '' ? '' : `${metric} by ${path.split('.').at(-1)}\n${drawn}`;
}

function sparklines(series: readonly Series[], metrics: readonly string[], path: string): string {
  const shown = series.slice(0, CASES);
  const blocks = metrics.map((metric) => {
    const lines = shown.map((one) => sparklineOf(one, metric));
    return [`${metric} by ${path.split('.').at(-1)}`, ...lines].join('\n');
  });
  const more = series.length > CASES ? [`(${series.length - CASES} more cases in summary.csv)`] : [];
  return [...blocks, ...more].join('\n');
}

function sparklineOf(series: Series, metric: string): string {
  const values = valuesOf(series, metric);
  const known = values.filter((value) => value !== undefined);
  const name = padded(clipped(visible(series.name), NAME), NAME);
  if (known.length === 0) return `  ${name} no value`;
  const range = ` ${shortNumber(Math.min(...known))} … ${shortNumber(Math.max(...known))}`;
  return `  ${name} ${sparkline(thinned(values, WIDTH - NAME - 3 - range.length))}${range}`;
}

/** At most `count` values, evenly chosen, the first and the last among them. */
function thinned<T>(values: readonly T[], count: number): T[] {
  if (values.length <= count) return [...values];
  return Array.from({ length: count }, (_, i) => values[Math.round((i * (values.length - 1)) / (count - 1))]);
}
