/** A quantity that is searched: its range, and the values that lie between two others. */
import type { QuantityKind } from './quantity-kind.ts';
import { show } from './units.ts';
import { granuleOf, type Parsed, parseRange, quantityValue, type Range, rangeNumbers, rounding } from './vary.ts';

export interface Axis {
  readonly path: string;
  readonly kind: QuantityKind;
  readonly lo: number;
  readonly hi: number;
  /** Steps grow with the value: for ranges that span a factor of 8 and more. */
  readonly geometric: boolean;
  /** How many values there are; Infinity for quantities that can be divided further and further. */
  readonly size: number;
  /** As the scenario takes it. */
  value(number: number): number | string;
  /** At most `count` values strictly between two, evenly spread, ascending; none when they are neighbours. */
  between(low: number, high: number, count: number): number[];
}

const GEOMETRIC_FROM = 8;
const MAX_LIST = 10_000;

/** `lo..hi`, with `*factor` or `+step` where only some values are possible, or an ascending list of numbers. */
export function parseAxis(path: string, text: string, kind: QuantityKind): Parsed<Axis> {
  if (!text.includes('..')) return { error: `${show(text)} is not a range; expected lo..hi, such as 16..65536` };
  const read = parseRange(text, kind);
  if ('error' in read) return read;
  const range = read.value;
  if (range.factor !== undefined || range.step !== undefined) {
    const values = rangeNumbers(range, kind);
    if (values.length > MAX_LIST)
      return { error: `${show(text)} has more than ${MAX_LIST} values; leave the step out` };
    if (values.length < 2) return { error: `${show(text)} has one value only; use a smaller step or factor` };
    return { value: listAxis(path, values, kind) };
  }
  return { value: rangeAxis(path, range, kind) };
}

/** Values that were listed or stepped: between is by place, so that no other value is ever tried. */
function listAxis(path: string, values: readonly number[], kind: QuantityKind): Axis {
  const [lo, hi] = [values[0], values.at(-1)!];
  return {
    path,
    kind,
    lo,
    hi,
    geometric: lo > 0 && hi / lo >= GEOMETRIC_FROM,
    size: values.length,
    value: (number) => quantityValue(number, kind),
    between(low, high, count) {
      const [from, to] = [values.indexOf(low), values.indexOf(high)];
      const places = spread(count, (share) => Math.round(from + share * (to - from)));
      return distinct(places, from, to).map((place) => values[place]);
    },
  };
}

function rangeAxis(path: string, range: Range, kind: QuantityKind): Axis {
  const { lo, hi } = range;
  const granule = granuleOf(lo, hi, kind);
  const geometric = lo > 0 && hi / lo >= GEOMETRIC_FROM;
  const exact = rounding(range, kind);
  // Five digits make values that people can read; finer than any answer is sure.
  const round = granule === undefined ? (value: number) => exact(Number(value.toPrecision(5))) : exact;
  return {
    path,
    kind,
    lo,
    hi,
    geometric,
    size: granule === undefined ? Infinity : Math.floor((hi - lo) / granule) + 1,
    value: (number) => quantityValue(number, kind),
    between(low, high, count) {
      const byFactor = geometric || (low > 0 && high / low >= GEOMETRIC_FROM);
      const point = (share: number): number =>
        byFactor ? low * Math.exp(share * Math.log(high / low)) : low + share * (high - low);
      return distinct(
        spread(count, (share) => round(point(share))),
        low,
        high,
      );
    },
  };
}

const spread = (count: number, at: (share: number) => number): number[] =>
  Array.from({ length: count }, (_, i) => at((i + 1) / (count + 1)));

const distinct = (values: readonly number[], low: number, high: number): number[] =>
  values.filter((value, i) => value > low && value < high && value !== values[i - 1]);
