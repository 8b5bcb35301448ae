/** The whole distribution of latency: the share of requests slower than a time, both axes logarithmic. */
import { coinciding, type PathPoint } from './coincide.ts';
import type { Chart, Drawing, Row, SeriesName, Spec } from './chart.ts';
import { type Bucket, type Dataset, type Point, spread, spreadNote } from './dataset.ts';
import { endLabelRoom, endText, logarithmic, sideAxis, tooltip } from './layout.ts';
import { NARROW, SLIM, WIDE } from './sizes.ts';
import { legendColumns } from './stacked.ts';
import { textWidth } from './text-width.ts';
import { timeText } from '../format.ts';
import { percent } from './metrics.ts';
import { layoutOf } from './names.ts';
import { colour, FONT_SIZE, SERIES } from './theme.ts';
import { logTicks, marksAt, numberLabel } from './ticks.ts';

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
  const parts = LATENCIES.map(({ field, title }, panel): Part => {
    const rows: Row[] = shown.flatMap((point, i) =>
      tail(point, point[field], panel).map((row) => ({ ...row, stroke: WIDTHS[i] })),
    );
    const least = lowestShare(rows);
    // No request is slower than the slowest: the line falls to the end of the axis, which has no 0.
    return { panel, title, least, rows: rows.map((row) => (row.share === 0 ? { ...row, share: least } : row)) };
  }).filter((part) => part.rows.length > 0);
  if (parts.length === 0) return undefined;
  const same = parts.map((part) => groupsOf(part, series));
  // Names beside lines that lie on each other stand in a heap, and say not which is which: a list has them then.
  const isListed = same.some((groups) => groups.length > 0);
  const rows = parts.flatMap((part) => part.rows);
  return {
    title: 'Distribution of latency',
    caption: `Share of requests that are slower than a time; both axes with a factor at each step, so that the tail is seen. A line falls where no request was slower.${sameText(same, series)}${spreadNote(shown.length, data.points.length)}`,
    description: `Falling lines, one a point, in ${parts.length} panels: nanoseconds on the horizontal axis, share of slower requests on the vertical. ${shown.map((point) => describe(point)).join('; ')}.`,
    data: {
      rows,
      labels: isListed ? [] : parts.flatMap((part) => [WIDE, SLIM].flatMap((width) => labelsOf(part, series, width))),
    },
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
      vconcat: parts.map((part, i) => view(part, series, { width, isFirst: i === 0, isListed })),
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
    text: timeText(ns),
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
      if (left === 0) rows.push(row(highNs, 0));
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

interface Part {
  readonly panel: number;
  readonly title: string;
  readonly rows: readonly Row[];
  /** The lower end of the axis. */
  readonly least: number;
}

/** Names beside the ends of lines leave this share of the width to the lines; otherwise a legend has them. */
const MOST_LABEL_SHARE = 0.36;
const LINE_PX = 14;
/** Names are moved in such steps, and not farther from their line than so many. */
const STEP_PX = 7;
const MOST_STEPS_AWAY = 12;
const isLabelled = (series: readonly SeriesName[], width: number): boolean =>
  series.length > 1 && endLabelRoom(series) <= width * MOST_LABEL_SHARE;

function plotOf({ rows, least }: Part, series: readonly SeriesName[], width: number, isListed: boolean) {
  const times = rows.map((row) => row.ns as number);
  const domain: [number, number] = [Math.min(...times), Math.max(...times)];
  const plot = width - 62 - (!isListed && isLabelled(series, width) ? 10 + endLabelRoom(series) : 0);
  return { domain, plot, x: logarithmic(...domain, plot), y: logarithmic(least, 1, HEIGHT_PX) };
}

interface Scales {
  readonly x: ReturnType<typeof logarithmic>;
  readonly y: ReturnType<typeof logarithmic>;
}
const pathsOf = ({ rows }: Part, series: readonly SeriesName[], { x, y }: Scales): PathPoint[][] =>
  series.map(({ name }) => {
    const own = rows.filter((row) => row.series === name);
    return own.map((row) => ({ x: x.toPx(row.ns as number), y: y.toPx(row.share as number) }));
  });

/** Groups of lines that lie on each other, panel by panel. */
const groupsOf = (part: Part, series: readonly SeriesName[]): number[][] =>
  coinciding(pathsOf(part, series, plotOf(part, series, WIDE, true)));

/** Names the lines that lie on each other in all panels. */
function sameText(groups: readonly (readonly number[][])[], series: readonly SeriesName[]): string {
  const keys = series.map((_, i) => groups.map((panel) => panel.findIndex((group) => group.includes(i))));
  const together = new Map<string, string[]>();
  for (const [i, key] of keys.entries()) {
    if (key.includes(-1)) continue;
    together.set(key.join(), [...(together.get(key.join()) ?? []), `“${series[i].name}”`]);
  }
  const lists = [...together.values()].filter((names) => names.length > 1);
  const texts = lists.map((names) => `${names.slice(0, -1).join(', ')} and ${names.at(-1)}`);
  return texts.length === 0
    ? ''
    : ` The lines of ${texts.join(' lie on each other, as do those of ')}${texts.length === 1 ? ' lie on each other' : ''}.`;
}

interface Box {
  readonly left: number;
  readonly right: number;
  readonly at: number;
}

/** The name of each line beside its end, moved up or down to where no other name stands and, if it can be, no line passes. */
function labelsOf(part: Part, series: readonly SeriesName[], width: number): Row[] {
  if (!isLabelled(series, width)) return [];
  const { x, y } = plotOf(part, series, width, false);
  const paths = pathsOf(part, series, { x, y });
  const taken: Box[] = [];
  return series.flatMap(({ name }, i): Row[] => {
    const end = part.rows.findLast((row) => row.series === name && (row.share as number) > part.least);
    const last = paths[i].at(-1);
    if (end === undefined || last === undefined) return [];
    const label = endText(name);
    const boxes = placesFrom(y.toPx(end.share as number)).map((at): Box => {
      return { left: last.x + 5, right: last.x + textWidth(label, FONT_SIZE) + LINE_PX, at };
    });
    const apart = boxes.filter((box) => taken.every((other) => !overlap(box, other)));
    const clear = apart.find((box) => paths.every((path) => !crosses(path, box)));
    const box = clear ?? apart[0] ?? boxes[0];
    taken.push(box);
    const ns = x.toValue(last.x);
    return [{ panel: part.panel, layout: layoutOf(width), series: name, label, ns, share: y.toValue(box.at) }];
  });
}

/** Heights in the plot, the nearest to the wanted one first. */
function placesFrom(wanted: number): number[] {
  const steps = Array.from(
    { length: 2 * MOST_STEPS_AWAY },
    (_, i) => (i % 2 === 0 ? -1 : 1) * STEP_PX * ((i + 1) >> 1),
  );
  return steps.map((step) => wanted + step).filter((at) => at >= 0 && at <= HEIGHT_PX);
}

const overlap = (a: Box, b: Box): boolean => a.right > b.left && a.left < b.right && Math.abs(a.at - b.at) < LINE_PX;

/** Whether a line of steps passes through the text of a box. */
function crosses(path: readonly PathPoint[], { left, right, at }: Box): boolean {
  const [low, high] = [at - LINE_PX / 2, at + LINE_PX / 2];
  return path.some((from, i) => {
    const to = path[i + 1] ?? from;
    const runsThrough = from.y > low && from.y < high && to.x > left && from.x < right;
    const fallsThrough = to.x > left && to.x < right && to.y < high && from.y > low;
    return runsThrough || fallsThrough;
  });
}

interface Look {
  readonly width: number;
  /** Of the panels: it has the list of names. */
  readonly isFirst: boolean;
  readonly isListed: boolean;
}

function view(part: Part, series: readonly SeriesName[], { width, isFirst, isListed }: Look): Spec {
  const { panel, title, least } = part;
  const names = series.map(({ name }) => name);
  const { domain, plot } = plotOf(part, series, width, isListed);
  const x = {
    field: 'ns',
    type: 'quantitative',
    scale: { type: 'log', domain, nice: false },
    axis: {
      title,
      labelExpr: numberLabel(domain[1]),
      ...marksAt(logTicks(...domain, width < NARROW ? 4 : 8)),
      grid: true,
    },
  };
  const y = {
    field: 'share',
    type: 'quantitative',
    scale: { type: 'log', domain: [least, 1], nice: false },
    axis: sideAxis('Slower requests (%)', 100, {
      ...marksAt(logTicks(least, 1, 7)),
      labelExpr: 'format(datum.value * 100, "~r")',
    }),
  };
  const legend =
    isFirst && series.length > 1 && (isListed || !isLabelled(series, width))
      ? { symbolType: 'stroke', symbolStrokeWidth: 3, offset: 16, columns: legendColumns(names, width) }
      : null;
  const scale = { domain: names, range: series.map((one) => one.colour) };
  const color = { field: 'series', type: 'nominal', scale, legend };
  const strokeWidth = { field: 'stroke', type: 'quantitative', scale: null, legend: null };
  const tip = tooltip({ Point: 'series', [title]: 'text', 'Slower requests': 'shareText' });
  const own = { data: { name: 'rows' }, transform: [{ filter: `datum.panel === ${panel}` }] };
  const labels = {
    data: { name: 'labels' },
    transform: [{ filter: `datum.panel === ${panel} && datum.layout === '${layoutOf(width)}'` }],
  };
  const text = { type: 'text', align: 'left', dx: 6, baseline: 'middle', clip: false };
  return {
    width: plot,
    height: HEIGHT_PX,
    layer: [
      { ...own, mark: { type: 'line', interpolate: 'step-after' }, encoding: { x, y, color, strokeWidth } },
      {
        ...own,
        mark: { type: 'point', filled: true, size: 50, opacity: 0 },
        encoding: { x, y, tooltip: tip },
      },
      // Lines that pass below a name leave it readable.
      {
        ...labels,
        mark: { ...text, stroke: colour('paper'), strokeWidth: 4 },
        encoding: { x, y, text: { field: 'label' } },
      },
      { ...labels, mark: text, encoding: { x, y, text: { field: 'label' }, color } },
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
