/** Results by point: what the table and the answer read. */
import type { RunSpec } from '../spec.ts';
import type { RunResult } from '../stats/result.ts';
import type { Cell, Column } from './columns/column.ts';
import { SUMMARY_COLUMNS, summaryRow } from './columns/files.ts';
import { type Estimate, estimate } from './statistics.ts';

type SummaryRow = ReturnType<typeof summaryRow>;
export type SummaryColumn = Column<SummaryRow>;

/** A row of summary.csv by column: what remains of a run when its counts have gone. */
export type PointRow = Readonly<Record<string, Cell>>;

export interface PointResults {
  readonly name: string;
  /** Varied values by path. */
  readonly values: RunSpec['values'];
  readonly rows: readonly PointRow[];
}

/** A run's row of summary.csv. */
export const rowOfRun = (run: RunResult): PointRow => pointRow(summaryRow(run));

export function pointRow(row: SummaryRow): PointRow {
  return Object.fromEntries(SUMMARY_COLUMNS.map((column) => [column.name, column.value(row)]));
}

/** Points in the order of the runs, each with the rows of its seeds. Takes one result at a time. */
export function byPoint(results: Iterable<RunResult>): PointResults[] {
  const points = new Map<string, { name: string; values: RunSpec['values']; rows: PointRow[] }>();
  for (const run of results) {
    const { point: name, values } = run.spec;
    const rows = points.get(name)?.rows;
    if (rows === undefined) points.set(name, { name, values, rows: [rowOfRun(run)] });
    else rows.push(rowOfRun(run));
  }
  return [...points.values()];
}

/** Throws RangeError for a name that is no column: the scenario check has compared it with METRICS. */
export function metricColumn(name: string): SummaryColumn {
  const column = SUMMARY_COLUMNS.find((candidate) => candidate.name === name);
  if (column === undefined) throw new RangeError(`no column ${name} in summary.csv`);
  return column;
}

/** Mean over the seeds; undefined when no seed has a value. */
export function metricOf(point: PointResults, column: SummaryColumn): Estimate | undefined {
  return estimate(point.rows.map((row) => row[column.name]).filter((value) => typeof value === 'number'));
}

/** The rows of summary.csv as objects, for --json: numbers as numbers, null for no value. */
export function summaryObjects(points: readonly PointResults[]): Record<string, string | number | null>[] {
  const rows = points.flatMap((point) => point.rows);
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, cell ?? null])));
}
