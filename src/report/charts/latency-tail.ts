/** The whole distribution of latency: the share of requests slower than a time, both axes logarithmic. */
import type { Chart, Drawing, Row, SeriesName, Spec } from './chart.ts';
import { NARROW } from './chart.ts';
import { type Bucket, type Dataset, type Point, spread, spreadNote } from './dataset.ts';
import { sideAxis, NUMBER_LABEL, tooltip } from './layout.ts';
import { legendColumns } from './stacked.ts';
import { number, percent } from './metrics.ts';
import { SERIES } from './theme.ts';

export const latencyTail: Chart = { id: 'latency-distribution', draw };

/** Rarer than one request in a million is the accident of a run. */
const RAREST = 1e-6;
/** Lines begin where this share of requests is slower. */
const BEGIN = 0.995;
const HEIGHT_PX = 240;
/** Lines that lie on each other are seen side by side: the later ones are thinner. */
const WIDTHS = [4.4, 3.6, 3, 2.4, 1.8, 1.2];
/** Steps closer than this factor on either axis are not seen. */
const CLOSE = 1.02;

const LATENCIES = [
  { field: 'completion', title: 'Completion latency (ns)' },
  { field: 'translation', title: 'Translation latency (ns)' },
] as const;

function draw(data: Dataset): Drawing | undefined {
  const shown = spread(data.detailed, SERIES.length);
  const series = shown.map((point, i): SeriesName => ({ name: point.label, colour: SERIES[i] }));
  const parts = LATENCIES.map(({ field, title }, panel) => ({
    panel,
    title,
    rows: shown.flatMap((point, i) => tail(point, point[field], panel).map((row) => ({ ...row, stroke: WIDTHS[i] }))),
  })).filter((part) => part.rows.length > 0);
  if (parts.length === 0) return undefined;
  const rows = parts.flatMap((part) => part.rows);
  return {
    title: 'Distribution of latency',
    caption: `Share of requests that are slower than a time; both axes with a factor at each step, so that the tail is seen.${spreadNote(shown.length, data.points.length)}`,
    description: `Falling lines, one a point, in ${parts.length} panels: nanoseconds on the horizontal axis, share of slower requests on the vertical. ${shown.map((point) => describe(point)).join('; ')}.`,
    data: { rows },
    table: {
      data: 'rows',
      columns: [
        { field: 'series', heading: 'Point' },
        { field: 'latency', heading: 'Latency' },
        { field: 'text', heading: 'Time' },
        { field: 'shareText', heading: 'Slower requests' },
      ],
    },
    series,
    spec: (width) => ({
      vconcat: parts.map((part, i) => view(part, series, width, series.length > 1 && i === 0)),
      spacing: 34,
    }),
  };
}

/** Histogram → share of requests at or above the end of each bucket, as few steps as the eye needs. */
function tail(point: Point, buckets: readonly Bucket[], panel: number): Row[] {
  const all = buckets.reduce((sum, { count }) => sum + count, 0);
  const timed = buckets.filter(({ highNs }) => highNs > 1);
  if (all === 0 || timed.length === 0) return [];
  const base = { panel, series: point.label, latency: LATENCIES[panel].title };
  const row = (ns: number, share: number): Row => ({
    ...base,
    ns,
    share,
    text: `${number(ns)} ns`,
    shareText: percent(share),
  });
  let left = timed.reduce((sum, { count }) => sum + count, 0);
  // The few fastest requests would stretch the axis over nothing.
  let skipped = 0;
  while (skipped < timed.length - 1 && left - timed[skipped].count >= all * BEGIN) left -= timed[skipped++].count;
  const rows = [row(Math.max(1, timed[skipped].lowNs), left / all)];
  let last = rows[0];
  for (const { highNs, count } of timed.slice(skipped)) {
    left -= count;
    if (left / all < RAREST) {
      rows.push(row(highNs, Math.max(RAREST, (left + count) / all)));
      break;
    }
    const isSeen = highNs / (last.ns as number) > CLOSE || (last.share as number) / (left / all) > CLOSE;
    if (isSeen) rows.push((last = row(highNs, left / all)));
  }
  return rows;
}

/** The lower end of the axis: a whole power of ten. */
function lowestShare(rows: readonly Row[]): number {
  const least = Math.min(0.1, ...rows.map((row) => row.share as number).filter((share) => share > 0));
  return [0.1, 0.01, 0.001, 1e-4, 1e-5].find((power) => power <= least * 1.0001) ?? RAREST;
}

function view(
  { panel, title, rows }: { readonly panel: number; readonly title: string; readonly rows: readonly Row[] },
  series: readonly SeriesName[],
  width: number,
  withLegend: boolean,
): Spec {
  const names = series.map(({ name }) => name);
  const times = rows.map((row) => row.ns as number);
  const scale = { type: 'log', domain: [Math.min(...times), Math.max(...times)], nice: false };
  const x = {
    field: 'ns',
    type: 'quantitative',
    scale,
    axis: { title, labelExpr: NUMBER_LABEL, tickCount: width < NARROW ? 4 : 8, grid: true },
  };
  const y = {
    field: 'share',
    type: 'quantitative',
    scale: { type: 'log', domain: [lowestShare(rows), 1], nice: false },
    axis: sideAxis('Slower requests (%)', { tickCount: 6, labelExpr: 'format(datum.value * 100, "~r")' }),
  };
  const legend = withLegend
    ? { symbolType: 'stroke', symbolStrokeWidth: 3, offset: 16, columns: legendColumns(names, width) }
    : null;
  const domain = names;
  const color = { field: 'series', type: 'nominal', scale: { domain, range: series.map((one) => one.colour) }, legend };
  const strokeWidth = { field: 'stroke', type: 'quantitative', scale: null, legend: null };
  const tip = tooltip({ Point: 'series', [title]: 'text', 'Slower requests': 'shareText' });
  return {
    width: width - 62,
    height: HEIGHT_PX,
    data: { name: 'rows' },
    transform: [{ filter: `datum.panel === ${panel}` }],
    layer: [
      { mark: { type: 'line', interpolate: 'step-after' }, encoding: { x, y, color, strokeWidth } },
      {
        mark: { type: 'point', filled: true, size: 50, opacity: 0 },
        encoding: { x, y, tooltip: tip },
      },
    ],
  };
}

/** The share of requests slower than the slowest time that the line reaches. */
function describe(point: Point): string {
  const parts = LATENCIES.flatMap(({ field, title }, panel) => {
    const last = tail(point, point[field], panel).at(-1);
    return last === undefined ? [] : [`${title.toLowerCase()} reaches ${last.text}`];
  });
  return `${point.label}: ${parts.length === 0 ? 'no latency' : parts.join(', ')}`;
}
