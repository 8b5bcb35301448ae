/** Results by point: what the table and the answer read. */
import { tableMetric } from '../lib/placeholders.ts';
import type { RunSpec } from '../spec.ts';
import type { RunResult } from '../stats/result.ts';
import type { Cell, Column } from './columns/column.ts';
import { SUMMARY_COLUMNS, summaryRow, tenantCell } from './columns/files.ts';
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
  /** Of some tenants, values by seed: those that were asked for. */
  readonly ofTenants?: readonly (TenantMetric & { readonly cells: readonly Cell[] })[];
}

/** A column of tenants.csv and the tenant that it is wanted of. */
export interface TenantMetric {
  readonly metric: string;
  readonly tenant: string;
}

/** A run's row of summary.csv. */
export const rowOfRun = (run: RunResult): PointRow => pointRow(summaryRow(run));

export function pointRow(row: SummaryRow): PointRow {
  return Object.fromEntries(SUMMARY_COLUMNS.map((column) => [column.name, column.value(row)]));
}

/** Points in the order of the runs, each with the rows of its seeds. Takes one result at a time. */
export function byPoint(results: Iterable<RunResult>, wanted: readonly TenantMetric[] = []): PointResults[] {
  const points = new Map<string, ReturnType<typeof emptyPoint>>();
  for (const run of results) {
    const { point: name } = run.spec;
    const point = points.get(name) ?? emptyPoint(run.spec, wanted);
    points.set(name, point);
    point.rows.push(rowOfRun(run));
    for (const { tenant, metric, cells } of point.ofTenants) cells.push(tenantCell(run, tenant, metric));
  }
  return [...points.values()];
}

function emptyPoint({ point: name, values }: RunSpec, wanted: readonly TenantMetric[]) {
  const ofTenants = wanted.map(({ metric, tenant }) => ({ metric, tenant, cells: [] as Cell[] }));
  return { name, values, rows: [] as PointRow[], ofTenants };
}

/** Throws RangeError for a name that is no column: the scenario check has compared it with METRICS. */
export function metricColumn(name: string): SummaryColumn {
  const column = SUMMARY_COLUMNS.find((candidate) => candidate.name === name);
  if (column === undefined) throw new RangeError(`no column ${name} in summary.csv`);
  return column;
}

/** Mean over the seeds, of the run or of one tenant of those that were asked for; undefined when no seed has a value. */
export function metricOf(point: PointResults, column: SummaryColumn, tenant?: string): Estimate | undefined {
  const cells =
    tenant === undefined
      ? point.rows.map((row) => row[column.name])
      : (point.ofTenants?.find((each) => each.tenant === tenant && each.metric === column.name)?.cells ?? []);
  return estimate(cells.filter((value) => typeof value === 'number'));
}

/** What the columns of a table ask of single tenants. */
export function tenantColumns(table: readonly string[]): TenantMetric[] {
  return table.flatMap((name) => {
    const { metric, tenant } = tableMetric(name) ?? {};
    return metric === undefined || tenant === undefined ? [] : [{ metric, tenant }];
  });
}

/** A column of the table: `metric`, or `metric of tenant`. */
export interface TableColumn {
  readonly column: SummaryColumn;
  readonly tenant: string | undefined;
}

/** Throws RangeError as metricColumn does. */
export function tableColumn(name: string): TableColumn {
  const { metric, tenant } = tableMetric(name) ?? { metric: name, tenant: undefined };
  return { column: metricColumn(metric), tenant };
}

/** The rows of summary.csv as objects, for --json: numbers as numbers, null for no value. */
export function summaryObjects(points: readonly PointResults[]): Record<string, string | number | null>[] {
  const rows = points.flatMap((point) => point.rows);
  return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, cell]) => [name, cell ?? null])));
}
