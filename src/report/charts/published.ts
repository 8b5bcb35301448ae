/** Simulated beside published values. */
import type { Chart, Drawing, Row, Spec } from './chart.ts';
import { type Dataset, metric, spread, spreadNote } from './dataset.ts';
import { legendColumns } from './stacked.ts';
import { labelRoom, rowAxis, rowsHeight, tooltip, topAxis, WIDE_POINTS } from './layout.ts';
import { amount, axisTitle, metricText, percent } from './metrics.ts';
import { colour } from './theme.ts';

export const published: Chart = { id: 'published', draw };

const KINDS = [
  { name: 'simulated', colour: colour('c0') },
  { name: 'published', colour: colour('c1') },
];

function draw(data: Dataset): Drawing | undefined {
  const [first] = data.measured;
  if (first === undefined) return undefined;
  const text = metricText(first.metric);
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
    data: { rows },
    table: {
      data: 'rows',
      columns: [
        { field: 'point', heading: 'Point' },
        { field: 'series', heading: 'Which' },
        { field: 'text', heading: title },
        { field: 'error', heading: 'Difference' },
      ],
    },
    series: KINDS,
    spec: (width) => view(rows, labels, title, width),
  };
}

function view(rows: readonly Row[], labels: readonly string[], title: string, width: number): Spec {
  const values = rows.map((row) => row.value as number);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const air = (high - low) * 0.05 || Math.abs(high) * 0.05 || 1;
  const x = {
    field: 'value',
    type: 'quantitative',
    scale: { domain: [low - air, high + air], zero: false, nice: false },
    axis: topAxis(title),
  };
  const names = KINDS.map(({ name }) => name);
  const color = {
    field: 'series',
    type: 'nominal',
    scale: { domain: names, range: KINDS.map((kind) => kind.colour) },
    legend: { symbolType: 'circle', columns: legendColumns(names, width) },
  };
  const shape = {
    field: 'series',
    type: 'nominal',
    scale: { domain: names, range: ['circle', 'diamond'] },
    legend: null,
  };
  return {
    width: width - labelRoom(labels, width) - 24,
    height: rowsHeight(),
    data: { name: 'rows' },
    encoding: { y: rowAxis('point', labels, width) },
    layer: [
      {
        mark: { type: 'point', filled: false, size: 90, strokeWidth: 2, opacity: 1 },
        encoding: {
          x,
          color,
          shape,
          tooltip: tooltip({ Point: 'point', Which: 'series', [title]: 'text', Difference: 'error' }),
        },
      },
    ],
  };
}
