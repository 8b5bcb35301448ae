/** Median, 99th and 99.9th percentile of translation and completion latency. */
import type { Chart, Drawing, Row, Spec } from './chart.ts';
import { type Dataset, metric, type Point, spread, spreadNote } from './dataset.ts';
import { logarithmic, panelPx, panels, rowAxis, rowsHeight, tooltip, topAxis, WIDE_POINTS } from './layout.ts';
import { timeText } from '../format.ts';
import { layoutOf, nameLayers, nameLines, type NameLines } from './names.ts';
import { SLIM, WIDE } from './sizes.ts';
import { colour } from './theme.ts';
import { logTicks, marksAt } from './ticks.ts';

export const percentiles: Chart = { id: 'percentiles', draw };

/** Sizes fall, so that marks at one place are seen around each other. */
const MARKS = [
  { name: 'median', suffix: 'p50', colour: colour('c0'), size: 150 },
  { name: 'p99', suffix: 'p99', colour: colour('c1'), size: 75 },
  { name: 'p99.9', suffix: 'p999', colour: colour('c3'), size: 24 },
];
/** What takes no time lies in the histogram's bucket of 1 ps, far from all that takes some. */
const LEAST_NS = 1;
/** A mark of the axis takes so many pixels. */
const TICK_PX = 40;
const LATENCIES = [
  { column: 'translation_ns', title: 'Translation latency (ns)' },
  { column: 'completion_ns', title: 'Completion latency (ns)' },
];

function draw(data: Dataset): Drawing | undefined {
  const shown = spread(data.points, WIDE_POINTS);
  const rows = LATENCIES.flatMap(({ column, title }, panel) =>
    shown.flatMap((point) => rowsOf(point, column, title, panel)),
  );
  if (rows.length === 0) return undefined;
  const labels = shown.map((point) => point.label);
  const used = LATENCIES.map((latency, panel) => ({ ...latency, panel })).filter(({ panel }) =>
    rows.some((row) => row.panel === panel),
  );
  return {
    title: 'Typical and slow requests',
    caption: `Median, 99th and 99.9th percentile of latency; axes with a factor at each step. A latency below 1\u00a0ns has no place on them.${spreadNote(shown.length, data.points.length)}`,
    description: `Dots on a logarithmic axis of nanoseconds, three a point. ${rows.map((row) => `${row.point}, ${row.latency}, ${row.series}: ${row.text}`).join('; ')}.`,
    data: {
      rows,
      names: [WIDE, SLIM].flatMap((width): readonly Row[] => {
        const plot = panelPx(used.length, width, labels);
        return used.flatMap(({ panel }) => namesAbove(rows, panel, plot, width).rows);
      }),
    },
    table: {
      data: 'rows',
      columns: [
        { field: 'point', heading: 'Point' },
        { field: 'latency', heading: 'Latency' },
        { field: 'series', heading: 'Percentile' },
        { field: 'text', heading: 'Value' },
      ],
    },
    series: MARKS.map(({ name, colour: shade }) => ({ name, colour: shade })),
    spec: (width) =>
      panels(used.length, width, labels, (i, plot, first) =>
        view(rows, used[i], plot, width, { labels, shown: first }),
      ),
  };
}

function rowsOf(point: Point, column: string, latency: string, panel: number): Row[] {
  return MARKS.flatMap(({ name, suffix, size }) => {
    const value = metric(point, `${column}_${suffix}`);
    if (value === undefined || value.mean < LEAST_NS) return [];
    const text = timeText(value.mean);
    return [{ panel, point: point.label, latency, series: name, value: value.mean, text, size }];
  });
}

interface Rows {
  readonly labels: readonly string[];
  /** Whether the labels stand beside this panel. */
  readonly shown: boolean;
}

function domainOf(rows: readonly Row[], panel: number): [number, number] {
  const values = rows.filter((row) => row.panel === panel).map((row) => row.value as number);
  return [Math.min(...values) / 1.15, Math.max(...values) * 1.15];
}

/** What the marks are, above the point whose marks lie farthest apart. */
function namesAbove(rows: readonly Row[], panel: number, plot: number, width: number): NameLines {
  const [low, high] = domainOf(rows, panel);
  const { toPx, toValue } = logarithmic(low, high, plot);
  const valueOf = (point: string, name: string): number | undefined =>
    rows.find((row) => row.panel === panel && row.point === point && row.series === name)?.value as number | undefined;
  const apart = (point: string): number => {
    const at = MARKS.flatMap(({ name }) => valueOf(point, name) ?? []).map(toPx);
    return at.length < MARKS.length ? -1 : Math.min(...at.slice(1).map((px, i) => px - at[i]));
  };
  const points = [...new Set(rows.filter((row) => row.panel === panel).map((row) => row.point as string))];
  const clearest = points.reduce((best, point) => (apart(point) > apart(best) ? point : best));
  const names = MARKS.map(({ name, colour: shade }) => {
    return { name, colour: shade, shape: 'circle', px: toPx(valueOf(clearest, name) ?? low) };
  });
  return nameLines(names, plot, toValue, { panel, layout: layoutOf(width) }) ?? { lines: [], rows: [] };
}

function view(
  rows: readonly Row[],
  { panel, title }: { readonly panel: number; readonly title: string },
  plot: number,
  width: number,
  { labels, shown }: Rows,
): Spec {
  const domain = domainOf(rows, panel);
  const ticks = logTicks(...domain, Math.max(2, Math.floor(plot / TICK_PX)), (0.9 * TICK_PX) / plot);
  const scale = { type: 'log', domain, nice: false };
  const x = { type: 'quantitative', scale, axis: topAxis(title, domain[1], marksAt(ticks)) };
  const color = {
    field: 'series',
    type: 'nominal',
    scale: { domain: MARKS.map(({ name }) => name), range: MARKS.map((mark) => mark.colour) },
    legend: null,
  };
  const tip = tooltip({ Point: 'point', Percentile: 'series', [title]: 'text' });
  const { lines } = namesAbove(rows, panel, plot, width);
  const own = { data: { name: 'rows' }, filter: { filter: `datum.panel === ${panel}` } };
  const ends = {
    aggregate: [
      { op: 'min', field: 'value', as: 'least' },
      { op: 'max', field: 'value', as: 'most' },
    ],
    groupby: ['point'],
  };
  return {
    width: plot,
    height: rowsHeight(),
    encoding: { y: rowAxis('point', labels, width, shown, lines) },
    layer: [
      {
        data: own.data,
        transform: [own.filter, ends],
        mark: { type: 'rule', color: colour('rule'), strokeWidth: 2 },
        encoding: { x: { ...x, field: 'least' }, x2: { field: 'most' } },
      },
      {
        data: own.data,
        transform: [own.filter],
        mark: { type: 'point', filled: true, opacity: 1 },
        encoding: {
          x: { ...x, field: 'value' },
          color,
          size: { field: 'size', type: 'quantitative', scale: null },
          tooltip: tip,
        },
      },
      ...nameLayers(x, `datum.panel === ${panel} && datum.layout === '${layoutOf(width)}'`),
    ],
    resolve: { scale: { color: 'independent', shape: 'independent' } },
  };
}
