/** Bars of one row a point, made of parts whose names stand above them, with the total behind the end. */
import type { Drawing, Row, Spec } from './chart.ts';
import { barRoom, labelRoom, rowAxis, rowsHeight, tooltip, topAxis } from './layout.ts';
import { amountText } from '../format.ts';
import { number } from './metrics.ts';
import { layoutOf, type Name, nameLayers, nameLines, type NameLines } from './names.ts';
import { SLIM, WIDE } from './sizes.ts';
import { textWidth } from './text-width.ts';
import { colour, FONT_SIZE } from './theme.ts';

export interface Part {
  readonly name: string;
  readonly colour: string;
  /** Whether light text is read on it, in light mode. */
  readonly isStrong: boolean;
}

export interface StackedInput {
  readonly parts: readonly Part[];
  /** Point label → one value a part. */
  readonly bars: readonly { readonly label: string; readonly values: readonly number[] }[];
  /** Of the axis. */
  readonly title: string;
  /** '' for pure numbers. */
  readonly unit: string;
}

/** Width that a part needs to carry its number, and to be seen. */
const NUMBER_PX = 38;
const SEEN_PX = 1.5;

type Stacked = Pick<Drawing, 'data' | 'table' | 'spec' | 'series'>;

/** Parts that are zero everywhere need no entry in the legend. */
function withoutEmpty(input: StackedInput): StackedInput {
  const used = input.parts.map((_, i) => input.bars.some(({ values }) => values[i] > 0));
  const parts = input.parts.filter((_, i) => used[i]);
  return {
    ...input,
    parts,
    bars: input.bars.map(({ label, values }) => ({ label, values: values.filter((_, i) => used[i]) })),
  };
}

/** A part's number is written on it where it fits. */
export function stacked(all: StackedInput): Stacked {
  const input = withoutEmpty(all);
  const { parts, bars, unit } = input;
  const rows = bars.flatMap(({ label, values }) =>
    parts.map((part, i) => ({
      point: label,
      series: part.name,
      value: values[i],
      order: i,
      text: amountText({ mean: values[i], half: 0 }, unit),
      short: number(values[i]),
      onStrong: part.isStrong ? 1 : 0,
    })),
  );
  return {
    data: { rows, names: [WIDE, SLIM].flatMap((width): readonly Row[] => namesAbove(input, width)?.rows ?? []) },
    table: {
      data: 'rows',
      columns: [
        { field: 'point', heading: 'Point' },
        { field: 'series', heading: 'Part' },
        { field: 'text', heading: input.title },
      ],
    },
    series: parts.map(({ name, colour: shade }) => ({ name, colour: shade })),
    spec: (width) => view(input, width),
  };
}

/** Pixels of the plot, and the value at its end. */
function measures({ bars }: StackedInput, width: number): { labels: string[]; plot: number; most: number } {
  const labels = bars.map(({ label }) => label);
  const plot = width - labelRoom(labels, width) - 24;
  const totals = bars.map(({ values }) => values.reduce((sum, value) => sum + value, 0));
  return { labels, plot, most: (Math.max(...totals) || 1) * barRoom(totals.map(number), plot) };
}

/** Each part that can be seen, named above the first bar that shows all of them, or above the bar that shows it best. */
function namesAbove(input: StackedInput, width: number): NameLines | undefined {
  const { parts, bars } = input;
  const { plot, most } = measures(input, width);
  const px = (value: number): number => (value / most) * plot;
  const seen = parts.map((_, i) => i).filter((i) => bars.some(({ values }) => px(values[i]) >= SEEN_PX));
  const first = bars.find(({ values }) => seen.every((i) => px(values[i]) >= SEEN_PX));
  const names = seen.map((i): Name => {
    const { values } = first ?? bars.reduce((best, bar) => (bar.values[i] > best.values[i] ? bar : best));
    const before = values.slice(0, i).reduce((sum, value) => sum + value, 0);
    return { name: parts[i].name, colour: parts[i].colour, shape: 'square', px: px(before + values[i] / 2) };
  });
  return nameLines(names, plot, (at) => (at / plot) * most, { layout: layoutOf(width) });
}

function view(input: StackedInput, width: number): Spec {
  const { parts, title } = input;
  const { labels, plot, most } = measures(input, width);
  const above = namesAbove(input, width);
  const scale = { domain: [0, most], nice: false };
  // One part alone is as long as the bar, whose number stands behind it.
  const fits = parts.length === 1 ? most : (most * NUMBER_PX) / plot;
  const x = { field: 'value', type: 'quantitative', stack: 'zero', scale, axis: topAxis(title, most) };
  const order = { field: 'order', type: 'quantitative' };
  const names = parts.map((part) => part.name);
  const color = { field: 'series', type: 'nominal', scale: { domain: names, range: parts.map((part) => part.colour) } };
  const legend = above === undefined ? { columns: legendColumns(names, width) } : null;
  return {
    width: plot,
    height: rowsHeight(),
    encoding: { y: rowAxis('point', labels, width, true, above?.lines) },
    layer: [
      {
        data: { name: 'rows' },
        mark: { type: 'bar', height: { band: 0.72 } },
        encoding: {
          x,
          order,
          color: { ...color, legend },
          tooltip: tooltip({ Point: 'point', Part: 'series', [title]: 'text' }),
        },
      },
      {
        data: { name: 'rows' },
        mark: { type: 'text', align: 'right', dx: -5, baseline: 'middle', fontSize: 11 },
        encoding: {
          x,
          order,
          detail: { field: 'series' },
          text: { condition: { test: `datum.value > ${fits}`, field: 'short' }, value: '' },
          color: { condition: { test: 'datum.onStrong', value: colour('onstrong') }, value: colour('onpale') },
        },
      },
      {
        data: { name: 'rows' },
        transform: [{ aggregate: [{ op: 'sum', field: 'value', as: 'total' }], groupby: ['point'] }],
        mark: { type: 'text', align: 'left', dx: 5, baseline: 'middle' },
        encoding: {
          x: { field: 'total', type: 'quantitative', scale },
          text: { field: 'total', type: 'quantitative', format: '.4~r' },
        },
      },
      ...nameLayers({ type: 'quantitative', scale }, `datum.layout === '${layoutOf(width)}'`),
    ],
    resolve: { scale: { color: 'independent', shape: 'independent' } },
  };
}

/** As many legend entries in a line as fit. */
export function legendColumns(names: readonly string[], width: number): number {
  const widest = Math.max(1, ...names.map((name) => textWidth(name, FONT_SIZE))) + 36;
  return Math.max(1, Math.min(names.length, Math.floor((width - 20) / widest)));
}
