/** Numbers and text as result files and terminals show them: deterministic, no locale, no exponents. */
import type { Estimate } from './statistics.ts';

/** Significant digits of ratios and other reals in files. Times of whole picoseconds below 10^6 ns stay exact. */
const FILE_DIGITS = 9;

/** Integers in full, other numbers with nine significant digits; '' for no value. */
export function fileNumber(value: number): string {
  if (Number.isInteger(value)) return BigInt(value).toString();
  return Number.isFinite(value) ? decimal(value, FILE_DIGITS) : '';
}

/** `value` rounded to `digits` significant digits and written without exponent or trailing zeros. */
export function decimal(value: number, digits: number): string {
  if (value === 0) return '0';
  // toExponential is exact by specification, unlike logarithms.
  const match = /^(-?)(\d)(?:\.(\d+))?e([+-]\d+)$/.exec(value.toExponential(digits - 1))!;
  const [, sign, first, rest = '', exponentText] = match as unknown as [
    string,
    string,
    string,
    string | undefined,
    string,
  ];
  const figures = (first + rest).replace(/0+$/, '');
  const point = Number(exponentText) + 1;
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${figures}`;
  if (point >= figures.length) return sign + figures + '0'.repeat(point - figures.length);
  return `${sign}${figures.slice(0, point)}.${figures.slice(point)}`;
}

const PREFIXES: readonly (readonly [string, number])[] = [
  ['P', 1e15],
  ['T', 1e12],
  ['G', 1e9],
  ['M', 1e6],
];

/** For people: four significant digits, integers up to six in full, an SI prefix from a million on (16.24M). */
export function shortNumber(value: number): string {
  const [suffix, size] = prefixOf(value);
  if (size > 1) return `${decimal(value / size, 4)}${suffix}`;
  return Number.isInteger(value) ? String(value) : decimal(value, 4);
}

/** A difference: `+1.20`, `−3.00`; what rounds to zero has no sign. */
export function signedFixed(value: number, decimals: number): string {
  const text = Math.abs(value).toFixed(decimals);
  return Number(text) === 0 ? text : `${value < 0 ? '−' : '+'}${text}`;
}

/** By the rounded value: 999999.96 is a million to the reader. */
const prefixOf = (value: number): readonly [string, number] =>
  PREFIXES.find(([, size]) => Math.abs(Number(value.toPrecision(6))) >= size) ?? ['', 1];

/** `0.5 ±0.0015`, `16.24M ±0.34M`; – for no value. */
export function estimateText(value: Estimate | undefined): string {
  if (value === undefined) return '–';
  return value.half > 0
    ? `${shortNumber(value.mean)} ±${spreadText(value.half, prefixOf(value.mean))}`
    : shortNumber(value.mean);
}

/** Two digits are enough for an interval; the prefix is that of its mean. */
const spreadText = (half: number, [suffix, size]: readonly [string, number]): string =>
  `${decimal(half / size, 2)}${suffix}`;

/** Larger units of a unit, the largest first. Times go by thousands; bytes are counted in full up to a million. */
const LARGER: Readonly<Record<string, readonly (readonly [string, number])[]>> = {
  ns: [
    ['s', 1e9],
    ['ms', 1e6],
    ['µs', 1e3],
  ],
  'ns/GB': [
    ['s/GB', 1e9],
    ['ms/GB', 1e6],
    ['µs/GB', 1e3],
  ],
  bytes: [
    ['TiB', 2 ** 40],
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
  ],
};

/** The unit in which a value is read best, and how many of `unit` it is. By the rounded value: 999.96 ns are 1 µs to the reader. */
export const unitFor = (unit: string, value: number): readonly [string, number] =>
  LARGER[unit]?.find(([, size]) => Number(value.toPrecision(4)) >= size) ?? [unit, 1];

/** `207.2 ns`, `1.2 µs` */
export const timeText = (ns: number): string => amountText({ mean: ns, half: 0 }, 'ns');

/**
 * A value with its unit in a sentence: `207.2 ns`, `16.87 ± 0.02 ms/GB`, `1.5M per s`; in the unit that suits `largest`, so
 * that values which are compared share it.
 */
export function amountText(
  { mean, half }: Pick<Estimate, 'mean' | 'half'>,
  unit: string,
  largest: number = Math.abs(mean),
): string {
  const [name, size] = unitFor(unit, largest);
  const [value, spread] = [mean / size, half / size];
  const interval = spread > 0 ? ` ± ${spreadText(spread, prefixOf(value))}` : '';
  return `${shortNumber(value)}${interval}${name === '' ? '' : ` ${name.replace(/^1\//, 'per ')}`}`;
}

/**
 * A text cell that no spreadsheet takes for a formula: text that begins with = + - @, a control character or the mark
 * itself gets the mark ' in front. Removing one leading ' gives the text back.
 */
export function textCell(text: string): string {
  return /^[=+\-@'\u0000-\u001f\u007f]/.test(text) ? `'${text}` : text;
}

/** The text that `textCell` was given. */
export function cellText(cell: string): string {
  return cell.startsWith("'") ? cell.slice(1) : cell;
}
