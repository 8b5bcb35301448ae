/** Text from scenarios that would like to be more than text: what users see of it, and what other programs read. */
import { parse } from 'csv-parse/sync';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { cellText } from '../../src/report/format.ts';
import { inside } from './inside.ts';
import { newFolder } from '../support/folders.ts';
import { SMALL } from './support.ts';

const folder = newFolder();

const NAMES = [
  "=cmd|' /C calc'!A0",
  '+1',
  '-1',
  '@sum',
  "'quoted'",
  '\ttab',
  '\u001b[31mred\u0007\u009b1m',
  '<script>alert(1)</script>"&',
  '\u202eright to left\u202c שלום',
  '日本語の名前',
  'a, "b"\r\nc',
  'x'.repeat(10_000),
];
const cases = Object.fromEntries(NAMES.map((name) => [name, {}]));
const question = NAMES.slice(0, 10).join(' ');
const scenario = {
  sweep: { cases },
  answer: [{ metric: 'iotlb_hit_ratio', of: NAMES[0], against: NAMES[7] }, { says: 'S'.repeat(10_000) }],
  measured: [{ metric: 'iotlb_hit_ratio', source: question, points: { '+1': 0.9 } }],
};
/** A file whose own name would colour the terminal. */
mkdirSync(join(folder, 'text'));
const file = join(folder, 'text', '\u001b[31m=red\u202e.yaml');
const sections = Object.entries(scenario).map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`);
writeFileSync(file, SMALL.replace('What?', JSON.stringify(question)) + sections.join(''));

/** What may not reach a terminal, line breaks aside. */
const ACTING = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;

describe('text from a scenario', () => {
  it('shows as text on the terminal, in a table of 80 columns', async () => {
    const { code, out, err } = await inside(
      'run',
      file,
      '--no-report',
      '--no-progress',
      '--out',
      join(folder, 'shown'),
    );
    expect([code, err]).toEqual([0, '']);
    expect(out).not.toMatch(ACTING);
    expect(out).toContain("│ =cmd|' /C calc'!A0 ");
    expect(out).toContain(`│ ${'x'.repeat(39)}… │`);
    // Borders of all rows stand below each other: wide characters count twice.
    const rows = out.split('\n').filter((line) => line.startsWith('│'));
    expect(new Set(rows.filter((line) => /^[ -~│…]*$/.test(line)).map((line) => line.length)).size).toBe(1);
    expect(Math.max(...rows.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('comes back from every CSV file as it was, and no cell of text begins as a formula does', async () => {
    const { out } = await inside('run', file, '--no-report', '--json', '--no-progress', '--out', join(folder, 'csv'));
    expect(out).not.toMatch(ACTING);
    const { directory, summary } = JSON.parse(out) as { directory: string; summary: { point: string }[] };
    expect(summary.map(({ point }) => point)).toEqual(NAMES);
    for (const name of readdirSync(directory).filter((each) => each.endsWith('.csv'))) {
      const [header, ...rows]: string[][] = parse(readFileSync(join(directory, name)));
      const at = header.indexOf('point');
      const points = new Set(rows.map((row) => row[at]));
      if (rows.length > 0 && at >= 0) expect([...points].map(cellText), name).toEqual(NAMES);
      const texts = rows.flat().filter((cell) => cell !== '' && !Number.isFinite(Number(cell)));
      expect(
        texts.filter((cell) => /^[=+\-@\u0000-\u001f]/.test(cell)),
        name,
      ).toEqual([]);
    }
  });

  it('in names of files and in mistakes does nothing to the terminal either', async () => {
    const bad = join(folder, 'text', '\u001b[32mbad.yaml');
    writeFileSync(bad, SMALL.replace('uniform', '"\\e[31mmodel\\u202e"'));
    const { code, out, err } = await inside('check', bad);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/\?\[32mbad\.yaml:\d+:\d+: .*u001b\[31mmodel/);
    expect(err).not.toMatch(ACTING);
    expect((await inside('check', file)).out).not.toMatch(ACTING);
    expect((await inside('run', '\u001b[31mnone')).err).not.toMatch(ACTING);
  });
});
