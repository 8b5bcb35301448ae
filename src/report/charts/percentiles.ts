/** Median, 99th and 99.9th percentile of translation and completion latency. */
import type { Chart, Drawing, Row, Spec } from './chart.ts';
import { type Dataset, metric, type Point, spread, spreadNote } from './dataset.ts';
import { legendColumns } from './stacked.ts';
import { panels, rowAxis, rowsHeight, tooltip, topAxis, WIDE_POINTS } from './layout.ts';
import { number } from './metrics.ts';
import { colour } from './theme.ts';

export const percentiles: Chart = { id: 'percentiles', draw };

const MARKS = [
  { name: 'median', suffix: 'p50', colour: colour('c0') },
  { name: 'p99', suffix: 'p99', colour: colour('c1') },
  { name: 'p99.9', suffix: 'p999', colour: colour('c3') },
];
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
    caption: `Median, 99th and 99.9th percentile of latency; axes with a factor at each step. A latency of 0 has no place on them.${spreadNote(shown.length, data.points.length)}`,
    description: `Dots on a logarithmic axis of nanoseconds, three a point. ${rows.map((row) => `${row.point}, ${row.latency}, ${row.series}: ${row.text}`).join('; ')}.`,
    data: { rows },
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
        view(rows, used[i], plot, rowAxis('point', labels, width, first), i === 0 ? width : 0),
      ),
  };
}

function rowsOf(point: Point, column: string, latency: string, panel: number): Row[] {
  return MARKS.flatMap(({ name, suffix }) => {
    const value = metric(point, `${column}_${suffix}`);
    if (value === undefined || value.mean <= 0) return [];
    return [{ panel, point: point.label, latency, series: name, value: value.mean, text: `${number(value.mean)} ns` }];
  });
}

function view(
  rows: readonly Row[],
  { panel, title }: { readonly panel: number; readonly title: string },
  plot: number,
  y: object,
  legendWidth: number,
): Spec {
  const values = rows.filter((row) => row.panel === panel).map((row) => row.value as number);
  const domain = [Math.min(...values) / 1.15, Math.max(...values) * 1.15];
  const x = {
    field: 'value',
    type: 'quantitative',
    scale: { type: 'log', domain, nice: false },
    axis: topAxis(title),
  };
  const names = MARKS.map(({ name }) => name);
  const legend = legendWidth === 0 ? null : { symbolType: 'circle', columns: legendColumns(names, legendWidth) };
  const color = {
    field: 'series',
    type: 'nominal',
    scale: { domain: names, range: MARKS.map((mark) => mark.colour) },
    legend,
  };
  const tip = tooltip({ Point: 'point', Percentile: 'series', [title]: 'text' });
  return {
    width: plot,
    height: rowsHeight(),
    data: { name: 'rows' },
    transform: [{ filter: `datum.panel === ${panel}` }],
    encoding: { y },
    layer: [
      {
        transform: [
          {
            aggregate: [
              { op: 'min', field: 'value', as: 'least' },
              { op: 'max', field: 'value', as: 'most' },
            ],
            groupby: ['point'],
          },
        ],
        mark: { type: 'rule', color: colour('rule'), strokeWidth: 2 },
        encoding: { x: { ...x, field: 'least' }, x2: { field: 'most' } },
      },
      { mark: { type: 'point', filled: true, size: 90, opacity: 1 }, encoding: { x, color, tooltip: tip } },
    ],
  };
}
