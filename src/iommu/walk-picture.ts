/**
 * A translation as a picture for a terminal: a row for each thing that had to be found (PASID table, guest levels, the page), in it
 * the host levels that were read to find it. So a nested walk is the rectangle that textbooks draw, a single stage one row.
 */
import type { ExplainStep } from './explain.ts';

export interface Ending {
  /** Where the address leads; undefined when the request is aborted. */
  readonly target?: string | undefined;
  readonly fault?: string | undefined;
}

/** How parts stand out; each must keep the text's width on the screen. */
export interface Paint {
  readonly read: (text: string) => string;
  readonly hit: (text: string) => string;
  readonly none: (text: string) => string;
  readonly fault: (text: string) => string;
}

const same = (text: string): string => text;
export const PLAIN: Paint = { read: same, hit: same, none: same, fault: same };

interface Row {
  readonly label: string;
  /** Levels of the table that is walked in this row. */
  readonly cells: ReadonlyMap<number, ExplainStep>;
  /** What the row was walked for: an entry read, or a cache that answered. */
  readonly last?: ExplainStep;
}

const LABEL = 14;
const CELL = 7;

/** Lines of at most 80 columns: heading, rows, legend. */
export function walkPicture(all: readonly ExplainStep[], ending: Ending, paint: Paint = PLAIN): string[] {
  const steps = all.filter(({ source }) => source !== 'prefetch'); // of other pages
  const rows = rowsOf(steps);
  const levels = columnsOf(rows);
  const isNested = rows.some(({ last, cells }) => last?.stage === 'guest' && cells.size > 0);
  const title = `${isNested ? 'host table' : 'table'}, level`;
  const head = levels.length === 0 ? [] : [title, levels.map((level) => centred(String(level))).join('')];
  const draw = (to: Ending | undefined, how: Paint) => (row: Row, i: number) =>
    rowText(row, levels, i === rows.length - 1 ? to : undefined, how).trimEnd();
  const lines = [...head.map((text) => `${' '.repeat(LABEL)}${text}`.trimEnd()), ...rows.map(draw(ending, paint))];
  return [...lines, '', ...legend(steps, rows.map(draw(ending, PLAIN)))];
}

function legend(steps: readonly ExplainStep[], body: readonly string[]): string[] {
  const isThere = (mark: string): boolean => body.some((line) => line.includes(mark));
  return [
    ...(isThere('[') ? ['[n]   the n-th read of memory'] : []),
    ...(isThere('hit') ? ['hit   a cache knew it'] : []),
    ...(steps.some(({ source }) => source === 'nested TLB') ? ['nTLB  the nested TLB knew it'] : []),
    ...(isThere('·') ? ['·     not needed then'] : []),
  ];
}

function rowsOf(steps: readonly ExplainStep[]): Row[] {
  const rows: Row[] = [];
  let cells = new Map<number, ExplainStep>();
  for (const step of steps) {
    if (step.stage === 'host') {
      cells.set(step.level ?? 0, step);
      continue;
    }
    rows.push({ label: labelOf(step), cells, last: step });
    cells = new Map();
  }
  if (cells.size > 0) rows.push({ label: 'page', cells });
  return rows.some((row) => row.cells.size > 0) ? rows : inOneRow(rows);
}

const labelOf = ({ source, stage, level }: ExplainStep): string =>
  stage === 'guest' ? `guest level ${level}` : source;

/** A single stage that is walked as guest tables are (v2): its levels are the columns. */
function inOneRow(rows: readonly Row[]): Row[] {
  const guest = rows.flatMap(({ last }) => (last?.stage === 'guest' ? [last] : []));
  if (guest.length === 0) return [...rows];
  const others = rows.filter(({ last }) => last?.stage !== 'guest');
  return [...others, { label: 'page', cells: new Map(guest.map((step) => [step.level ?? 0, step])) }];
}

/** From the highest level that was walked to the lowest. */
function columnsOf(rows: readonly Row[]): number[] {
  const levels = rows.flatMap(({ cells }) => [...cells.keys()]);
  if (levels.length === 0) return [];
  const [high, low] = [Math.max(...levels), Math.min(...levels)];
  return Array.from({ length: high - low + 1 }, (_, i) => high - i);
}

function rowText(row: Row, levels: readonly number[], ending: Ending | undefined, paint: Paint): string {
  const { label, cells, last } = row;
  const inPlace = cells.size > 0 || last?.stage === 'guest';
  const walked = inPlace ? levels.map((level) => levelText(row, level, paint)) : [];
  const found = last === undefined ? '' : cellText(last, cells.size > 0, paint);
  return `${label.padEnd(LABEL)}${walked.join('')}${found}${endText(last, ending, paint)}`;
}

function levelText({ cells, last }: Row, level: number, paint: Paint): string {
  const step = cells.get(level);
  const first = Math.max(...cells.keys());
  if (step !== undefined) return cellText(step, level < first, paint);
  if (cells.size === 0) return ' '.repeat(CELL);
  if (level > first) return paint.none(centred('·'));
  // Below a large leaf the line goes on to the entry that it leads to.
  return last === undefined ? '' : '─'.repeat(CELL);
}

const centred = (text: string): string => text.padStart(CELL - 1).padEnd(CELL);

/** `──▶[12]`: an arrow from the cell before, and what answered. */
function cellText(step: ExplainStep, joined: boolean, paint: Paint): string {
  const mark = markOf(step);
  const room = CELL - mark.length;
  const arrow = joined ? `${'─'.repeat(Math.max(0, room - 1))}▶` : ' '.repeat(room);
  return arrow + (step.read > 0 ? paint.read(mark) : paint.hit(mark));
}

function markOf({ read, source }: ExplainStep): string {
  if (read > 0) return `[${read}]`;
  return source === 'nested TLB' ? 'nTLB' : 'hit';
}

function endText(last: ExplainStep | undefined, ending: Ending | undefined, paint: Paint): string {
  if (ending?.fault !== undefined) return paint.fault(` ✗ ${ending.fault}`);
  const to = ending?.target ?? (last === undefined ? undefined : last.fields['address']);
  return to === undefined ? '' : ` ▶ ${to}`;
}
