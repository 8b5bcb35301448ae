/** Numbers and text as result files and terminals show them: deterministic, no locale, no exponents. */

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

/** For people: four significant digits, integers up to six in full. */
export function shortNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  return decimal(value, 4);
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
