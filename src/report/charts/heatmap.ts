/** Two varied numbers at once: a metric as the colour of cells. */
import type { Chart, Drawing, Row, Spec } from './chart.ts';
import { type Dataset, metric } from './dataset.ts';
import { labelRoom, sideAxis, tooltip } from './layout.ts';
import { amount, axisTitle, metricTextOf, type MetricText, number } from './metrics.ts';
import { NARROW } from './sizes.ts';
import { numericPaths, sweepAxis, type SweepAxis, valueText } from './sweep-axis.ts';
import { textWidth } from './text-width.ts';
import { FONT_SIZE } from './theme.ts';

export const heatmap: Chart = { id: 'heatmap', draw };

/**
 * Cividis (Nuñez, Anderton and Renslow 2018): light and dark for any colour vision. Steps, because a gradient would need an
 * id, and eyes read steps better than shades.
 */
const STEPS = ['#00204d', '#1b376d', '#44516d', '#66696f', '#878478', '#ab9f73', '#d1bc60', '#fde737'];
/** From this step on dark text is read better than light. Cells have the same colours in light and dark. */
const FIRST_PALE = 4;
const [ON_DARK, ON_PALE] = ['#ffffff', '#101418'];
/** Height of a line of text in a cell. */
const TEXT_ROW_PX = 15;
/** Fewer lines than this are better drawn as lines alone. */
const LEAST_ROWS = 4;

function draw(data: Dataset): Drawing | undefined {
  const [across, up] = numericPaths(data.points);
  if (across === undefined || up === undefined) return undefined;
  const [x, y] = [sweepAxis(data.points, across)!, sweepAxis(data.points, up)!];
  if (y.values.length < LEAST_ROWS) return undefined;
  const name = data.table.find((column) => data.points.some((point) => metric(point, column) !== undefined));
  if (name === undefined) return undefined;
  const text = metricTextOf(data.points, name);
  const rows = cells(data, across, up, name);
  if (rows.length === 0) return undefined;
  const [least, most] = [rows.reduce(lower), rows.reduce(higher)];
  const domain = [least.value as number, most.value as number] as const;
  const where = (row: Row): string => `${row.text} at ${x.title} ${row.x}, ${y.title} ${row.y}`;
  return {
    title: `${text.title} over ${x.title} and ${y.title}`,
    caption: `Each cell is a point of the sweep, or the mean of those that differ in something else; from ${least.text} to ${most.text}.`,
    description: `Cells of ${x.values.length} columns and ${y.values.length} rows. Lowest: ${where(least)}. Highest: ${where(most)}.`,
    data: { rows: rows.map((row) => ({ ...row, isPale: stepOf(row, domain) >= FIRST_PALE ? 1 : 0 })) },
    table: {
      data: 'rows',
      columns: [
        { field: 'x', heading: x.title },
        { field: 'y', heading: y.title },
        { field: 'text', heading: text.title },
      ],
    },
    spec: (width) => view(rows, x, y, text, domain, width),
  };
}

const stepOf = ({ value }: Row, [least, most]: readonly [number, number]): number =>
  Math.floor((((value as number) - least) / (most - least || 1)) * STEPS.length);

function view(
  rows: readonly Row[],
  x: SweepAxis,
  y: SweepAxis,
  text: MetricText,
  domain: readonly [number, number],
  width: number,
): Spec {
  const lines = y.values.map(y.text);
  const plot = width - labelRoom(lines, width) - 44;
  const rowPx = Math.max(3, Math.min(24, Math.floor(420 / lines.length)));
  const widest = Math.max(...rows.map((row) => textWidth(row.short as string, FONT_SIZE)));
  const hasNumbers = rowPx >= TEXT_ROW_PX && widest + 8 <= plot / x.values.length;
  const title = axisTitle(text);
  // Numbers in the cells say more than a key of colours.
  const key = { title, orient: 'bottom', type: 'symbol', format: '.3~r', columns: width < NARROW ? 2 : 4 };
  return {
    width: plot,
    height: rowPx * lines.length,
    data: { name: 'rows' },
    encoding: {
      x: { field: 'x', type: 'nominal', sort: x.values.map(x.text), axis: acrossAxis(x, plot) },
      y: { field: 'y', type: 'nominal', sort: [...lines].reverse(), axis: upAxis(y, rowPx) },
      tooltip: tooltip({ [x.title]: 'x', [y.title]: 'y', [title]: 'text' }),
    },
    layer: [
      {
        mark: { type: 'rect' },
        encoding: {
          color: {
            field: 'value',
            type: 'quantitative',
            scale: { type: 'quantize', domain, range: STEPS },
            legend: hasNumbers ? null : key,
          },
        },
      },
      ...(hasNumbers ? [numbersInCells] : []),
    ],
  };
}

const numbersInCells: Spec = {
  mark: { type: 'text', baseline: 'middle' },
  encoding: {
    text: { field: 'short' },
    color: { condition: { test: 'datum.isPale', value: ON_PALE }, value: ON_DARK },
  },
};

/** As many values as there is room for. */
function acrossAxis(x: SweepAxis, plot: number): object {
  const texts = x.values.map(x.text);
  const room = Math.max(...texts.map((text) => textWidth(text, FONT_SIZE))) + 10;
  const step = Math.ceil((texts.length * room) / plot);
  return { title: x.title, ticks: false, labelAngle: 0, values: texts.filter((_, i) => i % step === 0) };
}

function upAxis(y: SweepAxis, rowPx: number): object {
  const step = Math.ceil(16 / rowPx);
  const values = y.values.map(y.text).filter((_, i) => i % step === 0);
  return sideAxis(y.title, 0, { values, titleY: -8, labelExpr: 'datum.label', tickCount: values.length, domain: true });
}

const lower = (a: Row, b: Row): Row => ((b.value as number) < (a.value as number) ? b : a);
const higher = (a: Row, b: Row): Row => ((b.value as number) > (a.value as number) ? b : a);

function cells(data: Dataset, across: string, up: string, name: string): Row[] {
  const text = metricTextOf(data.points, name);
  const sums = new Map<string, { x: number; y: number; sum: number; count: number }>();
  for (const point of data.points) {
    const [x, y, value] = [point.values[across], point.values[up], metric(point, name)];
    if (typeof x !== 'number' || typeof y !== 'number' || value === undefined) continue;
    const old = sums.get(`${x} ${y}`) ?? { x, y, sum: 0, count: 0 };
    sums.set(`${x} ${y}`, { ...old, sum: old.sum + value.mean, count: old.count + 1 });
  }
  const [xText, yText] = [valueText(across), valueText(up)];
  return [...sums.values()].map(({ x, y, sum, count }) => {
    const mean = sum / count;
    return {
      x: xText(x),
      y: yText(y),
      value: mean * text.scale,
      short: number(mean * text.scale),
      text: amount({ mean, half: 0, count }, text),
    };
  });
}
