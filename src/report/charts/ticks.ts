/** Marks of axes: where they stand, and how their numbers are written. */
import { shortened, textWidth } from './text-width.ts';
import { FONT_SIZE } from './theme.ts';

const FULL_BELOW = 100_000;
const FULL = 'format(datum.value, ",.4~r")';
const SHORT = 'format(datum.value, ".3~s")';

/** Expression for the labels of an axis that reaches `most`: thousands in full, from a hundred thousand on all shortened. */
export const numberLabel = (most: number): string => (Math.abs(most) < FULL_BELOW ? FULL : SHORT);

/** Leading digits of the marks of a decade, the densest first; the last ones leave decades out. */
const PER_DECADE: readonly (readonly number[])[] = [
  ...[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1].map((step) =>
    Array.from({ length: Math.round(9 / step) }, (_, i) => Number((1 + i * step).toFixed(2))),
  ),
  [1, 2, 3, 5],
  [1, 2, 5],
  [1, 3],
  [1],
];

/**
 * At most `limit` round numbers in [low, high], 0 < low: as many as fit, on an axis with a factor at each step. Each takes
 * `share` of the axis at least.
 */
export function logTicks(low: number, high: number, limit: number, share = 0): number[] {
  const [first, last] = [decadeOf(low), decadeOf(high)];
  const decades = Array.from({ length: last - first + 1 }, (_, i) => first + i);
  const ticks = (leading: readonly number[]): number[] =>
    decades
      .flatMap((decade) => leading.map((digits) => Number(`${digits}e${decade}`)))
      .filter((value) => value >= low && value <= high);
  const choices = PER_DECADE.map(ticks);
  const factor = Math.exp(Math.log(high / low) * share);
  const isApart = (values: readonly number[]): boolean =>
    values.every((value, i) => i === 0 || value / values[i - 1] >= factor);
  const fitting = choices.find((values) => values.length <= limit && values.length > 0 && isApart(values));
  // Within a decade the next choice may have a single one: then every other of those that were too many.
  const dense = choices.findLast((values) => values.length > limit);
  if (fitting !== undefined && (fitting.length > 1 || dense === undefined)) return fitting;
  const all = dense ?? choices.findLast((values) => values.length > 0) ?? [];
  const step = Math.ceil(all.length / limit);
  return all.filter((_, i) => i % step === 0);
}

/** The part of an axis that puts marks there; told of fewer, Vega leaves every other one out. */
export const marksAt = (values: readonly number[]): object => ({ values, tickCount: values.length });

/** 10 to this power is the largest that is not above `value`. Logarithms of powers of ten differ between libraries; this does not. */
const decadeOf = (value: number): number => Number(value.toExponential().split('e')[1]);

/** `text` in at most `px` pixels, cut in the middle, where names differ least. */
export function fitted(text: string, px: number): string {
  let length = Array.from(text).length;
  let short = text;
  while (length > 3 && textWidth(short, FONT_SIZE) > px) short = shortened(text, --length);
  return short;
}

/**
 * Each of `names` in at most `px` pixels. Where not all have room, points are called by their values alone (`lru 2MiB` for
 * `replacement=lru windowBytes=2MiB`), as long as that tells them apart: a cut in the middle leaves the same words of all.
 */
export function fittedNames(names: readonly string[], px: number): string[] {
  const short = names.map((name) => fitted(name, px));
  if (short.every((text, i) => text === names[i])) return short;
  const values = names.map((name) => name.replace(/(^| )[\w.]+=(?=\S)/g, '$1'));
  return new Set(values).size === new Set(names).size ? values.map((name) => fitted(name, px)) : short;
}

/** Expression for the labels of a nominal axis or header: each of `names` as `fittedNames` makes it. */
export function fittedLabel(names: readonly string[], px: number): string {
  const short = fittedNames(names, px);
  if (short.every((text, i) => text === names[i])) return 'datum.value';
  return `${JSON.stringify(short)}[indexof(${JSON.stringify(names)}, datum.value)]`;
}
