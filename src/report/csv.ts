/** RFC 4180 text of result files: one header, CRLF after every row, quotes where needed. */
import { stringify } from 'csv-stringify/sync';
import type { RunResult } from '../stats/result.ts';
import type { Cell, Column } from './columns/column.ts';
import type { AnyFile } from './columns/files.ts';
import { fileNumber, textCell } from './format.ts';

const CRLF = '\r\n';
/** Rows turned into text at a time: keeps memory bounded for long timelines. */
const CHUNK_ROWS = 2000;

export function cellOf(value: Cell): string {
  if (value === undefined) return '';
  return typeof value === 'number' ? fileNumber(value) : textCell(value);
}

/** A lone CR or LF needs quotes too (RFC 4180, section 2.6): csv-stringify looks for the whole delimiter only. */
const LINE_BREAK = /[\r\n]/;

const lines = (rows: readonly (readonly string[])[]): string =>
  stringify(rows as string[][], { record_delimiter: CRLF, quoted_match: LINE_BREAK });

/** A table of cells with its header. */
export function csvTable(header: readonly string[], rows: readonly (readonly Cell[])[]): string {
  return lines([header, ...rows.map((row) => row.map(cellOf))]);
}

export function headerOf(columns: readonly Column<never>[]): string {
  return lines([columns.map((column) => column.name)]);
}

/** The rows of one run in pieces of text. */
export function* rowsOf(file: AnyFile, run: RunResult): Generator<string> {
  let chunk: string[][] = [];
  for (const row of file.rows(run)) {
    chunk.push(file.columns.map((column) => cellOf(column.value(row))));
    if (chunk.length < CHUNK_ROWS) continue;
    yield lines(chunk);
    chunk = [];
  }
  if (chunk.length > 0) yield lines(chunk);
}
