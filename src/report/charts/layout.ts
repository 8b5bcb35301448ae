/** Pieces that several charts share: rows of bars, direct labels at the ends of lines. */
import type { Row, SeriesName, Spec } from './chart.ts';
import { NARROW } from './sizes.ts';
import { shortened, textWidth } from './text-width.ts';
import { fittedLabel, numberLabel } from './ticks.ts';
import { colour, FONT_SIZE } from './theme.ts';

export const WIDE_POINTS = 24;
const ROW_PX = 26;
/** Between views that stand side by side. */
const GAP_PX = 22;

/** Room that the labels of a nominal axis take. */
export function labelRoom(labels: readonly string[], width: number): number {
  const widest = Math.max(0, ...labels.map((label) => textWidth(label, FONT_SIZE)));
  return Math.ceil(Math.min(widest, width * 0.4, 220)) + 12;
}

/** Nominal axis of rows in the order given; `above` are lines for names before the first. */
export function rowAxis(
  field: string,
  labels: readonly string[],
  width: number,
  shown = true,
  above: readonly string[] = [],
): object {
  const room = labelRoom(labels, width) - 8;
  const axis = {
    title: null,
    domain: false,
    ticks: false,
    labelLimit: 0,
    labelExpr: fittedLabel([...above, ...labels], room),
    labelColor: colour('ink'),
  };
  return { field, type: 'nominal', sort: null, scale: { domain: [...above, ...labels] }, axis: shown ? axis : null };
}

/** A quantitative axis over rows, up to `most`: on top, with few marks. */
export function topAxis(title: string, most: number, extra: object = {}): object {
  return {
    title,
    orient: 'top',
    titleAnchor: 'start',
    titleAlign: 'left',
    grid: true,
    domain: false,
    ticks: false,
    tickCount: 4,
    labelExpr: numberLabel(most),
    ...extra,
  };
}

/** The title of a vertical axis lies above it, to be read without turning the head. */
export function sideAxis(title: string, most: number, extra: object = {}): object {
  return {
    title,
    titleAngle: 0,
    titleAlign: 'left',
    titleAnchor: 'end',
    titleX: 0,
    titleY: -12,
    titleBaseline: 'bottom',
    domain: false,
    ticks: false,
    tickCount: 5,
    labelExpr: numberLabel(most),
    ...extra,
  };
}

export const rowsHeight = (): object => ({ step: ROW_PX });

const columnsOf = (count: number, width: number): number => (width < NARROW ? 1 : Math.min(count, count === 4 ? 2 : 3));

/** Width of a plot of `panels`. */
export function panelPx(count: number, width: number, labels: readonly string[]): number {
  const columns = columnsOf(count, width);
  return Math.floor((width - labelRoom(labels, width) - 24 - (columns - 1) * GAP_PX) / columns);
}

/** Views side by side, or below each other where there is no room; `make` gets the width of a plot and whether it is the first of its line. */
export function panels(
  count: number,
  width: number,
  labels: readonly string[],
  make: (index: number, plotWidth: number, first: boolean) => Spec,
): Spec {
  const columns = columnsOf(count, width);
  const plot = panelPx(count, width, labels);
  const views = Array.from({ length: count }, (_, i) => make(i, plot, i % columns === 0));
  if (columns === 1) return { vconcat: views, spacing: GAP_PX };
  const lines = Array.from({ length: Math.ceil(count / columns) }, (_, line) => ({
    hconcat: views.slice(line * columns, (line + 1) * columns),
    spacing: GAP_PX,
  }));
  return lines.length === 1 ? lines[0] : { vconcat: lines, spacing: GAP_PX };
}

/** Tooltip fields: heading → field that holds text. */
export function tooltip(fields: Readonly<Record<string, string>>): object[] {
  return Object.entries(fields).map(([title, field]) => ({ field, title, type: 'nominal' }));
}

/** Numbers beside the ends of bars; `room` is what the longest of them takes of a plot. */
export function barRoom(texts: readonly string[], plotWidth: number): number {
  const widest = Math.max(0, ...texts.map((text) => textWidth(text, FONT_SIZE))) + 8;
  return 1 / (1 - Math.min(0.6, widest / plotWidth));
}

/**
 * Heights for labels of line ends, moved apart until `gapPx` lies between any two. `toPx` and `toValue` convert between
 * values and pixels from the bottom of a plot that is `heightPx` high.
 */
export function spreadLabels(
  values: readonly number[],
  heightPx: number,
  gapPx: number,
  toPx: (value: number) => number,
  toValue: (px: number) => number,
): number[] {
  const order = values.map((value, i) => ({ i, px: toPx(value) })).sort((a, b) => a.px - b.px || a.i - b.i);
  for (let k = 1; k < order.length; k++) order[k].px = Math.max(order[k].px, order[k - 1].px + gapPx);
  // What was pushed over the top comes back down, and takes those below along.
  let ceiling = heightPx;
  for (let k = order.length - 1; k >= 0; k--) {
    order[k].px = Math.min(order[k].px, ceiling);
    ceiling = order[k].px - gapPx;
  }
  const placed: number[] = [];
  for (const { i, px } of order) placed[i] = toValue(px);
  return placed;
}

/** Names beside lines are cut in the middle to so many characters. */
const LABEL_CHARACTERS = 22;
const LABEL_GAP_PX = 14;

/**
 * A row a series for the text beside the end of its line: `label` to be written, `field` as high as the label fits; all
 * else as in the last of the series' `rows`. None for a single series: the title names it. `domain` is that of `field`, on
 * an axis `heightPx` high.
 */
export function endLabels(
  rows: readonly Row[],
  series: readonly SeriesName[],
  field: string,
  domain: readonly [number, number],
  heightPx: number,
): Row[] {
  if (series.length < 2) return [];
  const ends = series.flatMap(({ name }) => rows.filter((row) => row.series === name).slice(-1));
  const { toPx, toValue } = linear(...domain, heightPx);
  const values = ends.map((row) => row[field] as number);
  const at = spreadLabels(values, heightPx, LABEL_GAP_PX, toPx, toValue);
  return ends.map((row, i) => ({
    ...row,
    label: endText(row.series as string),
    [field]: at[i],
  }));
}

/** What stands beside the end of a line. */
export const endText = (name: string): string => shortened(name, LABEL_CHARACTERS);

/** Room that labels of line ends take beside a plot. */
export const endLabelRoom = (series: readonly SeriesName[]): number =>
  Math.max(...series.map(({ name }) => textWidth(endText(name), FONT_SIZE)));

/** Linear scale over [low, high]. */
export function linear(low: number, high: number, heightPx: number) {
  const span = high - low || 1;
  return {
    toPx: (value: number): number => ((value - low) / span) * heightPx,
    toValue: (px: number): number => low + (px / heightPx) * span,
  };
}

/** Scale over [low, high], 0 < low, on which equal factors are equally long. */
export function logarithmic(low: number, high: number, lengthPx: number) {
  const { toPx, toValue } = linear(Math.log(low), Math.log(high), lengthPx);
  return {
    toPx: (value: number): number => toPx(Math.log(value)),
    toValue: (px: number): number => Math.exp(toValue(px)),
  };
}

/** Lowest and highest of a linear axis: from zero unless all values lie close together, with a little air on top. */
export function linearDomain(values: readonly number[]): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (!Number.isFinite(low)) return [0, 1];
  const base = low >= 0 ? 0 : low * 1.06;
  return [base, high > base ? high + (high - base) * 0.06 : base + 1];
}
