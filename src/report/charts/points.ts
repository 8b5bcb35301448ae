/** The columns of the result table as bars: modes, or any points, side by side. */
import type { Chart, Drawing, Row, Spec } from './chart.ts';
import { type Dataset, metric, spread, spreadNote } from './dataset.ts';
import { barRoom, panels, rowAxis, rowsHeight, tooltip, topAxis, WIDE_POINTS } from './layout.ts';
import { amount, axisTitle, metricTextOf, type MetricText } from './metrics.ts';
import { sweepAxis } from './sweep-axis.ts';
import { colour } from './theme.ts';

const MOST = 6;

export const points: Chart = { id: 'points', draw };

function draw(data: Dataset): Drawing | undefined {
  // Along an axis of numbers lines say more.
  if (data.points.length < 2 || sweepAxis(data.points) !== undefined) return undefined;
  const shown = spread(data.points, WIDE_POINTS);
  const metrics = data.table
    .filter((name) => shown.some((point) => metric(point, name) !== undefined))
    .slice(0, MOST)
    .map((name) => metricTextOf(data.points, name));
  if (metrics.length === 0) return undefined;
  const rows = metrics.flatMap((text, panel) => shown.flatMap((point) => rowOf(point, text, panel)));
  const labels = shown.map((point) => point.label);
  const seeds = Math.max(...shown.map((point) => point.seeds));
  return {
    title: 'Side by side',
    caption: `Each column of the results as a panel, a bar a point${intervals(seeds)}.${spreadNote(shown.length, data.points.length)}`,
    description: `Bars in ${metrics.length} panels, one bar a point. ${rows.map((row) => `${row.point}, ${row.metric}: ${row.text}`).join('; ')}.`,
    data: { rows },
    table: {
      data: 'rows',
      columns: [
        { field: 'point', heading: 'Point' },
        { field: 'metric', heading: 'Metric' },
        { field: 'text', heading: 'Value' },
      ],
    },
    spec: (width) =>
      panels(metrics.length, width, labels, (i, plot, first) => panel(rows, metrics[i], i, plot, width, first, labels)),
  };
}

const intervals = (seeds: number): string =>
  seeds > 1 ? `; the thin lines are 95 % intervals over ${seeds} seeds` : '';

function rowOf(point: Dataset['points'][number], text: MetricText, panel: number): Row[] {
  const value = metric(point, text.name);
  if (value === undefined) return [];
  const [mean, half] = [value.mean * text.scale, value.half * text.scale];
  return [
    {
      panel,
      point: point.label,
      metric: text.title,
      value: mean,
      low: mean - half,
      high: mean + half,
      text: amount(value, text),
      short: amount({ ...value, half: 0 }, { ...text, unit: '' }),
    },
  ];
}

function panel(
  rows: readonly Row[],
  text: MetricText,
  index: number,
  plot: number,
  width: number,
  first: boolean,
  labels: readonly string[],
): Spec {
  const own = rows.filter((row) => row.panel === index);
  const top = Math.max(0, ...own.map((row) => row.high as number));
  const low = Math.min(0, ...own.map((row) => row.low as number));
  const room = barRoom(
    own.map((row) => row.short as string),
    plot,
  );
  const scale = { domain: [low, (top || 1) * room], nice: false };
  const x = (field: string) => ({ field, type: 'quantitative', scale, axis: topAxis(axisTitle(text), top) });
  const y = rowAxis('point', labels, width, first);
  const tip = tooltip({ Point: 'point', [text.title]: 'text' });
  return {
    width: plot,
    height: rowsHeight(),
    data: { name: 'rows' },
    transform: [{ filter: `datum.panel === ${index}` }],
    encoding: { y },
    layer: [
      { mark: { type: 'bar', color: colour('c0'), height: { band: 0.68 } }, encoding: { x: x('value'), tooltip: tip } },
      { mark: { type: 'rule', color: colour('ink') }, encoding: { x: x('low'), x2: { field: 'high' } } },
      {
        mark: { type: 'text', align: 'left', dx: 5 },
        encoding: { x: x('high'), text: { field: 'short' }, tooltip: tip },
      },
    ],
  };
}
