/** Reads what csv.ts writes, whole or not at all. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'csv-stringify/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cellOf } from '../../../src/report/csv.ts';
import { readCsv } from '../../../src/report/html/read-csv.ts';
import { newFolder } from '../../support/folders.ts';

const scratch = newFolder();

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');

function read(text: string, columns: readonly string[], sha256: string | undefined = hash(text)): string[][] {
  const path = join(scratch, 'file.csv');
  writeFileSync(path, text);
  const rows: string[][] = [];
  readCsv(path, sha256, columns, (record) => rows.push(columns.map((column) => record.text(column))));
  return rows;
}

const write = (rows: readonly (readonly string[])[]): string =>
  stringify(rows as string[][], { record_delimiter: '\r\n', quoted_match: /[\r\n]/ });

describe('readCsv', () => {
  it('gives back any text that result files hold', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom('', '"', '""', ',', '\r\n', '=1+1', "'", '-', '<b>', 'שלום', '😀', '@'),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { maxLength: 20 }), (rows) => {
        const cells = rows.map(([a, b]) => ['x', cellOf(a), cellOf(b)]);
        const whole = rows.map(([a, b]) => ['x', a, b]);
        // The decoder replaces lone surrogates, as every UTF-8 file does.
        const expected = whole.map((row) => row.map((cell) => Buffer.from(cell).toString()));
        expect(read(write([['k', 'a', 'b'], ...cells]), ['k', 'a', 'b'])).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  it('joins records that lie across the pieces it reads', () => {
    const long = `${'ü'.repeat(700_000)}"\r\n${'x'.repeat(500_000)}`;
    expect(read(write([['a'], [long], ['end']]), ['a'])).toEqual([[long], ['end']]);
  });

  it.each([
    ['an empty file', '', /empty/],
    ['a missing column', 'b\r\n1\r\n', /no column a/],
    ['a row with too few cells', 'a,b\r\n1\r\n', /record 2 has 1 cells, its header 2/],
    ['a file without its last line break', 'a\r\n1', /cut off/],
    ['quotes that never end', 'a\r\n"1\r\n2\r\n', /cut off/],
  ])('refuses %s', (_, text, message) => {
    expect(() => read(text, ['a'])).toThrow(message);
  });

  it('refuses a file that was changed', () => {
    expect(() => read('a\r\n1\r\n', ['a'], hash('a\r\n2\r\n'))).toThrow(/differs from what the run wrote/);
  });

  it('refuses words where numbers belong, and says where', () => {
    const path = join(scratch, 'words.csv');
    writeFileSync(path, 'a\r\n1\r\ntwo\r\n');
    const readNumbers = () => readCsv(path, undefined, ['a'], (record) => record.number('a'));
    expect(readNumbers).toThrow('words.csv: record 3: a is "two", not a number');
  });

  it('names a missing file', () => {
    expect(() => readCsv(join(scratch, 'none.csv'), undefined, [], () => undefined)).toThrow(
      /none\.csv: the file is missing/,
    );
  });
});
