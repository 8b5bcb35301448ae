/** A column of a result file: the one place that knows its name, unit, meaning, formula and value. */
import type { RunSpec } from '../../spec.ts';

export type Cell = string | number | undefined;

export interface Column<Row> {
  readonly name: string;
  /** '' for names and pure numbers. */
  readonly unit: string;
  readonly meaning: string;
  /** How the value comes from counts, in words of other columns or of the model. */
  readonly formula: string;
  /** undefined = there is no value (nothing divided by nothing): an empty cell. */
  readonly value: (row: Row) => Cell;
  /** Short heading for a terminal. */
  readonly heading?: string;
}

/** A result file: its rows come from one run each. `C` is the context that all columns of the file read. */
export interface ResultFile<Run, Row> {
  readonly file: string;
  /** What one row is. */
  readonly row: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: (run: Run) => Iterable<Row>;
  /** Written only where one of the runs asks for it; undefined = always. */
  readonly asked?: (spec: RunSpec) => boolean;
}

/** The same columns over a larger row, of which `part` is what they read. */
export function over<Row, Part>(columns: readonly Column<Part>[], part: (row: Row) => Part): Column<Row>[] {
  return columns.map((column) => ({ ...column, value: (row) => column.value(part(row)) }));
}

/** undefined when there is nothing to divide by. */
export function ratio(numerator: number, denominator: number): number | undefined {
  return denominator === 0 ? undefined : numerator / denominator;
}
