/**
 * Values of `--vary path=…`: a list (`64,128,256`), a range with a factor (`16..65536*2`) or with a step
 * (`64KiB..1MiB+64KiB`), every whole number of a short range (`1..16`), or several of these with commas between them.
 */
import { parseValue } from './document.ts';
import type { QuantityKind } from './quantity-kind.ts';
import { bareQuantity, type Dimension, parseQuantity, show } from './units.ts';

/** `lo..hi`, in the base unit of the kind. At most one of step and factor is there. */
export interface Range {
  readonly lo: number;
  readonly hi: number;
  readonly step?: number;
  readonly factor?: number;
}

/** What a varied path can be set to. */
export type Scalar = string | number | boolean;

export type Parsed<T> = { readonly value: T } | { readonly error: string };

const NUMBER = '[+-]?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d{1,3})?\\s*[A-Za-zµμ]*';
const RANGE = new RegExp(`^\\s*(${NUMBER})\\s*\\.\\.\\s*(${NUMBER})\\s*(?:([*+])\\s*(${NUMBER})\\s*)?$`);
const MAX_VALUES = 10_000;
/** A range of more whole numbers than this without a step is more likely a slip than a wish. */
const MAX_UNIT_STEPS = 1000;
const PAGE = 4096;

const isDimension = (kind: QuantityKind): kind is Dimension => kind !== 'integer' && kind !== 'real';

/** All values of `text`, in its order. Ranges need a kind; words do not. */
export function varyValues(text: string, kind: QuantityKind | undefined): Parsed<Scalar[]> {
  const values: Scalar[] = [];
  for (const item of text.split(',')) {
    const read = item.includes('..') ? rangeValues(item, kind) : single(item);
    if ('error' in read) return read;
    values.push(...read.value);
    if (values.length > MAX_VALUES) return { error: `more than ${MAX_VALUES} values; use a larger step or factor` };
  }
  const repeated = values.find((value, i) => values.indexOf(value) !== i);
  return repeated === undefined ? { value: values } : { error: `the value ${show(repeated)} is there twice` };
}

function single(text: string): Parsed<Scalar[]> {
  const { value, problems } = parseValue(text, '');
  if (problems.length > 0) return { error: problems[0].message };
  if (value === null) return { error: 'expected a value before and after each comma' };
  const isScalar = typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
  return isScalar ? { value: [value] } : { error: `${show(text)} is not a single value` };
}

function rangeValues(text: string, kind: QuantityKind | undefined): Parsed<Scalar[]> {
  if (kind === undefined) return { error: `${show(text)} is a range, but this path takes no numbers; expected a list` };
  const read = parseRange(text, kind);
  if ('error' in read) return read;
  const { lo, hi, step, factor } = read.value;
  if (step === undefined && factor === undefined && (kind !== 'integer' || hi - lo >= MAX_UNIT_STEPS)) {
    return { error: `${show(text)} has no step; expected lo..hi*factor or lo..hi+step` };
  }
  const numbers = rangeNumbers(read.value, kind);
  if (numbers.length > MAX_VALUES) {
    return { error: `${show(text)} has more than ${MAX_VALUES} values; use a larger step or factor` };
  }
  return { value: numbers.map((number) => quantityValue(number, kind)) };
}

/** A range's ends and step in the base unit of `kind`. */
export function parseRange(text: string, kind: QuantityKind): Parsed<Range> {
  const match = RANGE.exec(text);
  if (match === null) return { error: `${show(text)} is not a range; expected lo..hi, lo..hi*factor or lo..hi+step` };
  const [, loText, hiText, sign, by] = match as unknown as [string, string, string, string?, string?];
  const [lo, hi] = [numberOf(loText, kind), numberOf(hiText, kind)];
  if ('error' in lo) return lo;
  if ('error' in hi) return hi;
  const range = { lo: lo.value, hi: hi.value };
  if (range.hi <= range.lo) return { error: `${show(text)} ends before it begins; expected lo..hi with lo below hi` };
  if (by === undefined) return { value: range };
  return sign === '*' ? withFactor(range, by, text) : withStep(range, by, kind, text);
}

function withFactor(range: Range, by: string, text: string): Parsed<Range> {
  const factor = Number(by);
  if (!(factor > 1) || factor > 1e9) return { error: `the factor ${show(by.trim())} is not a number above 1` };
  if (range.lo <= 0)
    return { error: `${show(text)} multiplies from ${range.lo}; expected a start above 0, or a +step` };
  return { value: { ...range, factor } };
}

function withStep(range: Range, by: string, kind: QuantityKind, text: string): Parsed<Range> {
  const step = numberOf(by, kind);
  if ('error' in step) return step;
  return step.value > 0
    ? { value: { ...range, step: step.value } }
    : { error: `the step of ${show(text)} is not above 0` };
}

function numberOf(text: string, kind: QuantityKind): Parsed<number> {
  const bare = Number(text);
  if (!isDimension(kind)) {
    const fits = text.trim() !== '' && (kind === 'real' ? Number.isFinite(bare) : Number.isSafeInteger(bare));
    return fits ? { value: bare } : { error: `${show(text.trim())} is not a ${kind === 'real' ? '' : 'whole '}number` };
  }
  return Number.isNaN(bare) ? parseQuantity(text, kind) : bareQuantity(bare, kind);
}

/** The numbers of a range; one more than MAX_VALUES when there are too many. */
export function rangeNumbers(range: Range, kind: QuantityKind): number[] {
  const { lo, hi, step = 1, factor } = range;
  const round = rounding(range, kind);
  const numbers: number[] = [];
  // The end belongs to the range even if rounding puts the last step a hair behind it.
  const end = hi * (1 + 1e-12);
  for (let i = 0, next = lo; next <= end && numbers.length <= MAX_VALUES; i++) {
    const number = Math.min(hi, round(next));
    if (numbers.at(-1) !== number) numbers.push(number);
    next = factor === undefined ? lo + (i + 1) * step : next * factor;
  }
  return numbers;
}

/** Rounds to what the kind can hold: whole numbers, pages where both ends are pages, picoseconds. */
export function rounding({ lo, hi }: Range, kind: QuantityKind): (value: number) => number {
  const granule = granuleOf(lo, hi, kind);
  if (granule !== undefined) return (value) => Math.round(value / granule) * granule;
  // Twelve digits take away what adding 0.1 ten times leaves behind.
  if (kind === 'ns') return (value) => Math.round(value * 1000) / 1000;
  return (value) => Number(value.toPrecision(12));
}

/** Distance of neighbouring values of a kind that has whole ones only; undefined for the others. */
export function granuleOf(lo: number, hi: number, kind: QuantityKind): number | undefined {
  if (kind === 'bytes') return lo >= PAGE && lo % PAGE === 0 && hi % PAGE === 0 ? PAGE : 1;
  return kind === 'integer' ? 1 : undefined;
}

/** The value as a scenario takes it: with its unit where the kind has one. */
export function quantityValue(number: number, kind: QuantityKind): number | string {
  return isDimension(kind) ? quantityText(number, kind) : number;
}

const STEPS: Readonly<Record<Dimension, readonly (readonly [string, number])[]>> = {
  bytes: [
    ['TiB', 1024 ** 4],
    ['GiB', 1024 ** 3],
    ['MiB', 1024 ** 2],
    ['KiB', 1024],
    ['B', 1],
  ],
  ns: [
    ['s', 1e9],
    ['ms', 1e6],
    ['us', 1e3],
    ['ns', 1],
  ],
  gbps: [['Gbps', 1]],
};

/** `64KiB`, `2us`, `100Gbps`: in the largest unit of which it is a whole multiple. */
export function quantityText(number: number, dimension: Dimension): string {
  const units = STEPS[dimension];
  const [unit, size] = units.find(([, bytes]) => number !== 0 && number % bytes === 0) ?? units.at(-1)!;
  return `${number / size}${unit}`;
}
