/**
 * Reads result files: RFC 4180, as csv.ts writes them, in pieces, so that a file larger than memory is no trouble.
 * Records without quotes, nearly all, are split as they are: a third of the time of csv-parse on 300,000 rows of latency.csv.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { basename } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { cellText } from '../format.ts';
import { ReportProblem } from './problem.ts';

const CHUNK_BYTES = 1 << 20;
/** A record longer than this is not ours: quotes that never end must not fill the memory. */
const MOST_RECORD = 1 << 24;

/** Cells of a record by column name. */
export interface Record {
  readonly text: (column: string) => string;
  /** undefined for an empty cell. */
  readonly number: (column: string) => number | undefined;
  readonly has: (column: string) => boolean;
}

/**
 * Calls `each` with every record. `columns` must be there. Throws ReportProblem when the file is missing, cut off,
 * differs from the `sha256` it was written with, or holds what no result file does.
 */
export function readCsv(
  path: string,
  sha256: string | undefined,
  columns: readonly string[],
  each: (record: Record) => void,
): void {
  const name = basename(path);
  let place: Map<string, number> | undefined;
  let cells: readonly string[] = [];
  let line = 0;
  const at = (column: string): string => cells[place!.get(column)!];
  const record: Record = {
    text: (column) => cellText(at(column)),
    number: (column) => numberOf(at(column), column, name, line),
    has: (column) => place!.has(column),
  };
  for (const values of records(path, sha256)) {
    line++;
    if (place === undefined) {
      place = header(values, columns, path);
      continue;
    }
    if (values.length !== place.size) {
      throw new ReportProblem(`${path}: record ${line} has ${values.length} cells, its header ${place.size}`);
    }
    cells = values;
    each(record);
  }
  if (place === undefined) throw new ReportProblem(`${path}: the file is empty; expected a header`);
}

function header(values: readonly string[], columns: readonly string[], path: string): Map<string, number> {
  const missing = columns.filter((column) => !values.includes(column));
  if (missing.length > 0) throw new ReportProblem(`${path}: no column ${missing.join(', ')}`);
  return new Map(values.map((value, i) => [value, i]));
}

function numberOf(cell: string, column: string, file: string, line: number): number | undefined {
  if (cell === '') return undefined;
  const value = Number(cell);
  if (Number.isFinite(value)) return value;
  throw new ReportProblem(`${file}: record ${line}: ${column} is ${JSON.stringify(cell.slice(0, 40))}, not a number`);
}

function* records(path: string, sha256: string | undefined): Generator<string[]> {
  let pending = '';
  for (const text of pieces(path, sha256)) {
    const lines = (pending + text).split('\r\n');
    pending = '';
    // The last line may go on in the next piece.
    const last = lines.pop()!;
    for (const line of lines) {
      const whole = pending === '' ? line : `${pending}\r\n${line}`;
      if (isWhole(whole)) {
        yield cellsOf(whole);
        pending = '';
      } else pending = whole;
    }
    pending = pending === '' ? last : `${pending}\r\n${last}`;
    if (pending.length > MOST_RECORD) throw new ReportProblem(`${path}: a record that does not end`);
  }
  if (pending !== '') throw new ReportProblem(`${path}: the last record is cut off`);
}

/** A record with an odd number of quotes goes on behind its line break. */
function isWhole(record: string): boolean {
  let count = 0;
  for (let i = record.indexOf('"'); i >= 0; i = record.indexOf('"', i + 1)) count++;
  return count % 2 === 0;
}

const CELL = /(?:"((?:[^"]|"")*)"|([^,]*))(?:,|$)/g;

function cellsOf(record: string): string[] {
  if (!record.includes('"')) return record.split(',');
  const cells: string[] = [];
  for (const match of `${record},`.matchAll(CELL)) {
    if (match[0] === '') break;
    cells.push(match[1] === undefined ? match[2] : match[1].replaceAll('""', '"'));
  }
  return cells;
}

/** Text of a file piece by piece; its hash is compared at the end. */
function* pieces(path: string, sha256: string | undefined): Generator<string> {
  const handle = openOrFail(path);
  try {
    const [decoder, hash, buffer] = [new StringDecoder('utf8'), createHash('sha256'), Buffer.alloc(CHUNK_BYTES)];
    for (;;) {
      const length = readSync(handle, buffer, 0, CHUNK_BYTES, null);
      if (length === 0) break;
      hash.update(buffer.subarray(0, length));
      yield decoder.write(buffer.subarray(0, length));
    }
    if (sha256 !== undefined && hash.digest('hex') !== sha256) {
      throw new ReportProblem(`${path}: differs from what the run wrote (sha256 in manifest.json); run it again`);
    }
  } finally {
    closeSync(handle);
  }
}

function openOrFail(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ReportProblem(`${path}: ${code === 'ENOENT' ? 'the file is missing' : (error as Error).message}`);
  }
}
