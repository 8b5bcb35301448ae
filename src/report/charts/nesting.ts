/** The cost of nesting: what two stages cost beside one, for the same traffic. */
import type { Chart, Drawing, Row, Spec } from './chart.ts';
import { type Dataset, metric, type Point, spread } from './dataset.ts';
import { barRoom, panels, rowAxis, rowsHeight, tooltip, topAxis } from './layout.ts';
import { amount, axisTitle, metricTextOf, type MetricText, number } from './metrics.ts';
import { colour } from './theme.ts';

export const nesting: Chart = { id: 'nesting', draw };

const COLUMNS = [
  'reads_per_walk',
  'walk_ns_mean',
  'translation_ns_mean',
  'throughput_gbps',
  'cpu_ns_per_gb',
  'vm_exits',
];
/** Modes in which a guest's table is walked or copied. */
const GUEST_MODES = ['nested', 'nested-hw', 'shadow'];
const MOST_ROWS = 12;

function draw(data: Dataset): Drawing | undefined {
  const base = data.points.find((point) => point.mode === 'host');
  const guests = data.points.filter((point) => GUEST_MODES.includes(point.mode));
  if (base === undefined || guests.length === 0) return undefined;
  const shown = spread(guests, MOST_ROWS);
  const texts = COLUMNS.map((name) => metricTextOf(data.points, name)).filter(
    ({ name }) => (metric(base, name)?.mean ?? 0) > 0,
  );
  const rows = texts.flatMap((text, panel) => shown.flatMap((point) => rowOf(point, base, text, panel)));
  if (rows.length === 0) return undefined;
  const labels = shown.map((point) => point.label);
  const change = rows.map((row) => `${row.metric} of ${row.point}: ${row.short}, ${row.text}`);
  return {
    title: `The cost of nesting, beside ${base.label}`,
    caption: `Change against one stage of tables (${base.label}), for the same traffic; 0 means that nesting costs nothing.`,
    description: `Bars in ${texts.length} panels: change in per cent against ${base.label}. ${change.join('; ')}.`,
    data: { rows },
    table: {
      data: 'rows',
      columns: [
        { field: 'point', heading: 'Point' },
        { field: 'metric', heading: 'Metric' },
        { field: 'short', heading: 'Change' },
        { field: 'text', heading: 'Values' },
      ],
    },
    spec: (width) =>
      panels(texts.length, width, labels, (i, plot, first) =>
        panel(
          rows.filter((row) => row.panel === i),
          i,
          texts[i].title,
          plot,
          rowAxis('point', labels, width, first),
        ),
      ),
  };
}

function rowOf(point: Point, base: Point, text: MetricText, panel: number): Row[] {
  const [value, other] = [metric(point, text.name), metric(base, text.name)];
  if (value === undefined || other === undefined) return [];
  const change = (value.mean / other.mean - 1) * 100;
  const short = signed(change);
  const both = [value, other].map((each) => amount({ ...each, half: 0 }, text)).join(' instead of ');
  return [{ panel, point: point.label, metric: axisTitle(text), value: change, short, text: both }];
}

/** `+12.3 %`, `−4 %`, `0 %` */
function signed(change: number): string {
  const tenths = Math.round(change * 10) / 10;
  const sign = tenths === 0 ? '' : tenths < 0 ? '−' : '+';
  return `${sign}${number(Math.abs(tenths))} %`;
}

/** Room for the numbers on both sides of zero. */
function panel(rows: readonly Row[], index: number, title: string, plot: number, y: object): Spec {
  const values = rows.map((row) => row.value as number);
  const [low, high] = [Math.min(0, ...values), Math.max(0, ...values)];
  const span = high - low || 1;
  const room =
    (barRoom(
      rows.map((row) => row.short as string),
      plot,
    ) -
      1) *
    span;
  const scale = {
    domain: [low < 0 ? low - room : low, high > 0 ? high + room : high + (low < 0 ? 0 : room)],
    nice: false,
  };
  const x = { field: 'value', type: 'quantitative', scale, axis: topAxis(`${title} (%)`, high, { tickCount: 3 }) };
  const tip = tooltip({ Point: 'point', Metric: 'metric', Change: 'short', Values: 'text' });
  const label = (filter: string, align: string, dx: number): Spec => ({
    transform: [{ filter }],
    mark: { type: 'text', align, dx, baseline: 'middle' },
    encoding: { x, text: { field: 'short' }, tooltip: tip },
  });
  return {
    width: plot,
    height: rowsHeight(),
    data: { name: 'rows' },
    transform: [{ filter: `datum.panel === ${index}` }],
    encoding: { y },
    layer: [
      { mark: { type: 'bar', height: { band: 0.68 }, color: colour('c1') }, encoding: { x, tooltip: tip } },
      label('datum.value >= 0', 'left', 5),
      label('datum.value < 0', 'right', -5),
    ],
  };
}
