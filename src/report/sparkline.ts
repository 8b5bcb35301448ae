/** Series and curves as text for a terminal: no colour, no control characters, never wider than asked for. */

const BLOCKS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const GAP = ' ';

/** One block a value, from the least (low) to the largest (full); equal values are in the middle; gaps for no value. */
export function sparkline(values: readonly (number | undefined)[]): string {
  const known = values.filter((value): value is number => value !== undefined && Number.isFinite(value));
  const low = Math.min(...known);
  const high = Math.max(...known);
  return values.map((value) => block(value, low, high)).join('');
}

function block(value: number | undefined, low: number, high: number): string {
  if (value === undefined || !Number.isFinite(value)) return GAP;
  if (high === low) return BLOCKS[3];
  return BLOCKS[Math.min(BLOCKS.length - 1, Math.floor(((value - low) / (high - low)) * BLOCKS.length))];
}

export interface CurvePoint {
  readonly x: number;
  readonly y: number;
  /** One character. */
  readonly mark: string;
}

export interface CurveOptions {
  readonly points: readonly CurvePoint[];
  /** Logarithmic x axis; all x must be above 0. */
  readonly geometric: boolean;
  /** Horizontal line, such as a goal. */
  readonly limit?: number | undefined;
  readonly xText: (x: number) => string;
  readonly yText: (y: number) => string;
  readonly width?: number;
  readonly height?: number;
}

const WIDTH = 80;
const HEIGHT = 12;

/** A plot with axes of at most `width` columns. '' for fewer than two values of x. */
export function curve({ width = WIDTH, height = HEIGHT, ...options }: CurveOptions): string {
  const points = options.points.filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
  if (new Set(points.map(({ x }) => x)).size < 2) return '';
  const ys = [...points.map(({ y }) => y), ...(options.limit === undefined ? [] : [options.limit])];
  const y = axis(Math.min(...ys), Math.max(...ys), height);
  const labels = rowLabels(y, height, options);
  const margin = Math.max(...labels.map((label) => label.length));
  const columns = width - margin - 2;
  const xs = points.map((point) => point.x);
  const x = axis(...ends(xs, options.geometric), columns);
  const at = (value: number): number => x.at(options.geometric ? Math.log(value) : value);
  const cells = Array.from({ length: height }, () => new Array<string>(columns).fill(' '));
  if (options.limit !== undefined) cells[y.at(options.limit)].fill('┄');
  join(points, at, y.at, cells);
  for (const point of points) cells[y.at(point.y)][at(point.x)] = point.mark;
  const rows = cells.map((row, i) => `${labels[i].padStart(margin)} ┤${row.join('').trimEnd()}`).reverse();
  return [...rows, `${' '.repeat(margin)} └${'─'.repeat(columns)}`, xLabels(xs, margin, columns, options.xText)].join(
    '\n',
  );
}

interface Scale {
  readonly low: number;
  readonly high: number;
  /** Cell of a value, 0 to cells - 1. */
  readonly at: (value: number) => number;
}

function axis(low: number, high: number, cells: number): Scale {
  const span = high - low;
  const at = (value: number): number => (span === 0 ? cells >> 1 : Math.round(((value - low) / span) * (cells - 1)));
  return { low, high, at };
}

function ends(xs: readonly number[], geometric: boolean): [number, number] {
  const [low, high] = [Math.min(...xs), Math.max(...xs)];
  return geometric ? [Math.log(low), Math.log(high)] : [low, high];
}

/** The least and the largest value, and the limit, at their rows. */
function rowLabels(y: Scale, height: number, { limit, yText }: Omit<CurveOptions, 'height'>): string[] {
  const labels = new Array<string>(height).fill('');
  for (const value of [y.low, y.high, ...(limit === undefined ? [] : [limit])]) labels[y.at(value)] = yText(value);
  return labels;
}

/** Dots along straight lines between neighbours. */
function join(
  points: readonly CurvePoint[],
  column: (x: number) => number,
  row: (y: number) => number,
  cells: readonly string[][],
): void {
  const sorted = [...points].sort((a, b) => a.x - b.x);
  for (const [i, to] of sorted.entries()) {
    const from = sorted[i - 1];
    if (from === undefined) continue;
    const [start, end] = [column(from.x), column(to.x)];
    for (let at = start + 1; at < end; at++) {
      const share = (at - start) / (end - start);
      const line = cells[row(from.y + share * (to.y - from.y))];
      line[at] = '·';
    }
  }
}

function xLabels(xs: readonly number[], margin: number, columns: number, text: (x: number) => string): string {
  const [low, high] = [text(Math.min(...xs)), text(Math.max(...xs))];
  const room = Math.max(1, columns - low.length - high.length);
  return `${' '.repeat(margin + 2)}${low}${' '.repeat(room)}${high}`;
}
