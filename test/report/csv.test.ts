import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AnyFile } from '../../src/report/columns/files.ts';
import { cellOf, headerOf, rowsOf } from '../../src/report/csv.ts';
import { cellText, decimal, fileNumber, shortNumber, textCell } from '../../src/report/format.ts';
import type { RunResult } from '../../src/stats/result.ts';

const DANGEROUS = /^[=+\-@\t\r\n\u0000-\u001f\u007f]/;

/** A file of one row of these cells. */
function fileOf(cells: readonly (string | number | undefined)[], copies = 1): AnyFile {
  const columns = cells.map((cell, i) => ({ name: `c${i}`, unit: '', meaning: '', formula: '', value: () => cell }));
  return { file: 'x.csv', row: '', columns, rows: () => Array.from({ length: copies }, () => 0) };
}

const textOf = (file: AnyFile): string => headerOf(file.columns) + [...rowsOf(file, {} as RunResult)].join('');

describe('CSV text', () => {
  it('ends every row with CRLF and quotes only what needs quotes', () => {
    expect(textOf(fileOf(['plain', 'a,b', 'say "x"', 'two\nlines', ' kept ', undefined, 1.5]))).toBe(
      'c0,c1,c2,c3,c4,c5,c6\r\nplain,"a,b","say ""x""","two\nlines", kept ,,1.5\r\n',
    );
  });

  it('is the header alone without rows', () => {
    expect(textOf(fileOf(['x'], 0))).toBe('c0\r\n');
  });

  it('keeps every row of a long file', () => {
    const rows = textOf(fileOf([7], 4001)).split('\r\n');
    expect(rows.length).toBe(1 + 4001 + 1);
    expect(new Set(rows.slice(1, -1))).toEqual(new Set(['7']));
  });

  it('comes back from a reader of RFC 4180 as it was, whatever the text', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary' }), { minLength: 2, maxLength: 5 }), (cells) => {
        const [, row] = parse(Buffer.from(textOf(fileOf(cells)), 'utf8'), { record_delimiter: '\r\n' });
        expect(row.map(cellText)).toEqual(cells.map((cell) => Buffer.from(cell, 'utf8').toString('utf8')));
      }),
    );
  });
});

describe('text cells', () => {
  it.each([
    ['=1+1', "'=1+1"],
    ['+1', "'+1"],
    ['-1', "'-1"],
    ['@SUM(A1)', "'@SUM(A1)"],
    ['\t=1', "'\t=1"],
    ['\r', "'\r"],
    ['\u0000', "'\u0000"],
    ['\u007f', "'\u007f"],
    ["'quoted", "''quoted"],
    ['a=1', 'a=1'],
    ['', ''],
  ])('%j is written %j', (text, cell) => {
    expect(textCell(text)).toBe(cell);
    expect(cellText(cell)).toBe(text);
  });

  it('never begin as a formula and always come back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('', '=', '+', '-', '@', '\t', "'"), (text, first) => {
        const cell = textCell(first + text);
        expect(cell).not.toMatch(DANGEROUS);
        expect(cellText(cell)).toBe(first + text);
      }),
    );
  });

  it('are not what numbers become: a negative number has no mark', () => {
    expect([cellOf(-5), cellOf(-0.25), cellOf('-5')]).toEqual(['-5', '-0.25', "'-5"]);
  });
});

describe('numbers in files', () => {
  it.each([
    [0, '0'],
    [-0, '0'],
    [2 ** 53, '9007199254740992'],
    [1e21, '1000000000000000000000'],
    [0.1, '0.1'],
    [1 / 3, '0.333333333'],
    [123456.789, '123456.789'],
    [1e-9 / 3, '0.000000000333333333'],
    [999999.99996, '1000000'],
    [NaN, ''],
    [Infinity, ''],
  ])('%f is %s', (value, text) => expect(fileNumber(value)).toBe(text));

  it('have nine digits, no exponent, and read back as the rounded number', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e30, max: 1e30 }), (value) => {
        const text = fileNumber(value);
        expect(text).toMatch(/^-?\d+(\.\d*[1-9])?$/);
        expect(Number(text)).toBe(Number.isInteger(value) ? value + 0 : Number(value.toPrecision(9)) + 0);
      }),
    );
  });

  it('for people have four digits, whole ones six, and an SI prefix from there', () => {
    expect([1234567, 999999, 1234.567, 0.00012346].map(shortNumber)).toEqual(['1.235M', '999999', '1235', '0.0001235']);
    expect(decimal(-0.5, 2)).toBe('-0.5');
  });
});
