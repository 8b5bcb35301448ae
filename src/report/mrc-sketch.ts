/** A hit-ratio curve for a terminal of 80 columns: filled, ratio over the logarithm of the capacity. */
const BLOCKS = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const EIGHTHS = BLOCKS.length - 1;
const ROWS = 10;
const COLUMNS = 70;
const LINE = 80;

export interface Sketch {
  /** Hit ratio at a capacity, 0 … 1. */
  readonly ratio: (entries: number) => number;
  /** Last capacity that the axis must show. */
  readonly last: number;
  /** The scenario's own, marked below the axis; 0 = no IOTLB. */
  readonly own: number;
}

/** Lines of text, at most 80 wide, without colour. */
export function curveSketch({ ratio, last, own }: Sketch): string {
  const octaves = Math.max(3, Math.ceil(Math.log2(Math.max(2, last, own))));
  const width = Math.max(1, Math.floor(COLUMNS / octaves));
  const columns = octaves * width + 1;
  const eighths = Array.from({ length: columns }, (_, column) =>
    Math.round(ratio(entriesAt(column, width)) * ROWS * EIGHTHS),
  );
  const lines = Array.from({ length: ROWS }, (_, i) => line(ROWS - 1 - i, eighths));
  const marks = own > 0 ? [mark(own, 6 + markColumn(own, width, columns))] : [];
  return [...lines, axis(octaves, width), labels(octaves, width), ...marks].join('\n');
}

/** Capacity of a column: 1 at the first, doubling every `width` columns. */
function entriesAt(column: number, width: number): number {
  const octave = Math.floor(column / width);
  const within = column % width;
  return Math.max(1, Math.floor(2 ** octave * (1 + within / width)));
}

function markColumn(own: number, width: number, columns: number): number {
  let best = 0;
  for (let column = 0; column < columns; column++) if (entriesAt(column, width) <= own) best = column;
  return best;
}

/** An arrow below the scenario's own capacity, with its name on the side that has room. */
function mark(own: number, column: number): string {
  const name = `this scenario: ${own}`;
  return column > name.length ? `${' '.repeat(column - name.length - 1)}${name} ▲` : `${' '.repeat(column)}▲ ${name}`;
}

function line(row: number, eighths: readonly number[]): string {
  const label = row === ROWS - 1 ? '100 %' : row === ROWS / 2 - 1 ? ' 50 %' : '     ';
  const cells = eighths.map((height) => BLOCKS[Math.max(0, Math.min(EIGHTHS, height - EIGHTHS * row))]);
  return `${label}│${cells.join('')}`.trimEnd();
}

function axis(octaves: number, width: number): string {
  return `  0 %└${`┴${'─'.repeat(width - 1)}`.repeat(octaves)}┴`;
}

/** Powers of two below the axis, as many as fit. */
function labels(octaves: number, width: number): string {
  const text = new Array<string>(octaves * width + 12).fill(' ');
  let free = 0;
  for (let octave = 0; octave <= octaves; octave++) {
    const label = capacityLabel(2 ** octave);
    const from = Math.max(0, octave * width - Math.floor(label.length / 2));
    if (from < free || from + label.length > LINE - 6) continue;
    for (let i = 0; i < label.length; i++) text[from + i] = label[i];
    free = from + label.length + 1;
  }
  return `${' '.repeat(6)}${text.join('')}`.trimEnd();
}

/** 512, 4Ki, 2Mi. */
function capacityLabel(entries: number): string {
  if (entries < 1024) return String(entries);
  return entries < 2 ** 20 ? `${entries / 1024}Ki` : `${entries / 2 ** 20}Mi`;
}
