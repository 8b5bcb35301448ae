/** Simulated beside published values. */
import type { Chart, Drawing, Row, Spec } from './chart.ts';
import { type Dataset, metric, spread, spreadNote } from './dataset.ts';
import { labelRoom, linear, rowAxis, rowsHeight, tooltip, topAxis, WIDE_POINTS } from './layout.ts';
import { amount, axisTitle, metricTextOf, percent } from './metrics.ts';
import { layoutOf, nameLayers, nameLines, type NameLines } from './names.ts';
import { SLIM, WIDE } from './sizes.ts';
import { colour } from './theme.ts';

export const published: Chart = { id: 'published', draw };

const KINDS = [
  { name: 'simulated', colour: colour('c0'), shape: 'circle' },
  { name: 'published', colour: colour('c1'), shape: 'diamond' },
];

function draw(data: Dataset): Drawing | undefined {
  const [first] = data.measured;
  if (first === undefined) return undefined;
  const text = metricTextOf(data.points, first.metric);
  const known = data.points.filter(
    (point) => Object.hasOwn(first.points, point.name) && metric(point, first.metric) !== undefined,
  );
  const shown = spread(known, WIDE_POINTS);
  if (shown.length === 0) return undefined;
  const rows = shown.flatMap((point): Row[] => {
    const value = metric(point, first.metric)!;
    const other = first.points[point.name];
    const error = other === 0 ? '' : percent(value.mean / other - 1);
    const base = { point: point.label, error };
    return [
      { ...base, series: 'simulated', value: value.mean * text.scale, text: amount(value, text) },
      {
        ...base,
        series: 'published',
        value: other * text.scale,
        text: amount({ mean: other, half: 0, count: 1 }, text),
      },
    ];
  });
  const labels = shown.map((point) => point.label);
  const title = axisTitle(text);
  return {
    title: 'Beside published measurements',
    caption: `${text.title}, simulated and published: ${first.source}.${spreadNote(shown.length, known.length)}`,
    description: `Two dots a point. ${rows.map((row) => `${row.point}, ${row.series}: ${row.text}`).join('; ')}.`,
    data: { rows, names: [WIDE, SLIM].flatMap((width) => namesAbove(rows, labels, width).rows) },
    table: {
      data: 'rows',
      columns: [
        { field: 'point', heading: 'Point' },
        { field: 'series', heading: 'Which' },
        { field: 'text', heading: text.title },
        { field: 'error', heading: 'Difference' },
      ],
    },
    series: KINDS.map(({ name, colour: shade }) => ({ name, colour: shade })),
    spec: (width) => view(rows, labels, title, width),
  };
}

/** The axis begins and ends a little outside of what it shows. */
function domainOf(rows: readonly Row[]): [number, number] {
  const values = rows.map((row) => row.value as number);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const air = (high - low) * 0.05 || Math.abs(high) * 0.05 || 1;
  return [low - air, high + air];
}

const plotPx = (labels: readonly string[], width: number): number => width - labelRoom(labels, width) - 24;

/** What the marks are, above the first point. */
function namesAbove(rows: readonly Row[], labels: readonly string[], width: number): NameLines {
  const plot = plotPx(labels, width);
  const { toPx, toValue } = linear(...domainOf(rows), plot);
  const names = KINDS.map(({ name, colour: shade, shape }) => {
    const first = rows.find((row) => row.series === name)!;
    return { name, colour: shade, shape, px: toPx(first.value as number) };
  });
  return nameLines(names, plot, toValue, { layout: layoutOf(width) }) ?? { lines: [], rows: [] };
}

function view(rows: readonly Row[], labels: readonly string[], title: string, width: number): Spec {
  const domain = domainOf(rows);
  const x = {
    field: 'value',
    type: 'quantitative',
    scale: { domain, zero: false, nice: false },
    axis: topAxis(title, domain[1]),
  };
  const names = KINDS.map(({ name }) => name);
  const color = {
    field: 'series',
    type: 'nominal',
    scale: { domain: names, range: KINDS.map((kind) => kind.colour) },
    legend: null,
  };
  const shape = {
    field: 'series',
    type: 'nominal',
    scale: { domain: names, range: KINDS.map((kind) => kind.shape) },
    legend: null,
  };
  return {
    width: plotPx(labels, width),
    height: rowsHeight(),
    encoding: { y: rowAxis('point', labels, width, true, namesAbove(rows, labels, width).lines) },
    layer: [
      {
        data: { name: 'rows' },
        mark: { type: 'point', filled: false, size: 90, strokeWidth: 2, opacity: 1 },
        encoding: {
          x,
          color,
          shape,
          tooltip: tooltip({ Point: 'point', Which: 'series', [title]: 'text', Difference: 'error' }),
        },
      },
      ...nameLayers(x, `datum.layout === '${layoutOf(width)}'`),
    ],
    resolve: { scale: { color: 'independent', shape: 'independent' } },
  };
}
