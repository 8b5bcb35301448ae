/** Results by point: what the table and the answer read. */
import type { RunResult } from '../stats/result.ts';
import type { Column } from './columns/column.ts';
import { SUMMARY_COLUMNS, summaryRow } from './columns/files.ts';
import { type Estimate, estimate } from './statistics.ts';

type SummaryRow = ReturnType<typeof summaryRow>;
export type SummaryColumn = Column<SummaryRow>;

export interface PointResults {
  readonly name: string;
  readonly rows: readonly SummaryRow[];
}

/** Points in the order of the runs, each with the rows of its seeds. */
export function byPoint(results: readonly RunResult[]): PointResults[] {
  const points = new Map<string, SummaryRow[]>();
  for (const run of results) {
    const rows = points.get(run.spec.point);
    if (rows === undefined) points.set(run.spec.point, [summaryRow(run)]);
    else rows.push(summaryRow(run));
  }
  return [...points].map(([name, rows]) => ({ name, rows }));
}

/** Throws RangeError for a name that is no column: the scenario check has compared it with METRICS. */
export function metricColumn(name: string): SummaryColumn {
  const column = SUMMARY_COLUMNS.find((candidate) => candidate.name === name);
  if (column === undefined) throw new RangeError(`no column ${name} in summary.csv`);
  return column;
}

/** Mean over the seeds; undefined when no seed has a value. */
export function metricOf(point: PointResults, column: SummaryColumn): Estimate | undefined {
  return estimate(point.rows.map((row) => column.value(row)).filter((value) => typeof value === 'number'));
}

/** The rows of summary.csv as objects, for --json: numbers as numbers, null for no value. */
export function summaryObjects(results: readonly RunResult[]): Record<string, string | number | null>[] {
  return results.map((run) => {
    const row = summaryRow(run);
    return Object.fromEntries(SUMMARY_COLUMNS.map((column) => [column.name, column.value(row) ?? null]));
  });
}
