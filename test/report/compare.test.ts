import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { afterAll, describe, expect, it } from 'vitest';
import {
  compareCsv,
  compareMetrics,
  compareObject,
  compareText,
  differentSettings,
  type Group,
  settingsText,
} from '../../src/report/compare.ts';
import { readRunFolder, type RunPoint } from '../../src/report/compare-read.ts';
import { difference } from '../../src/report/compare-statistics.ts';
import { summaryObjects, byPoint } from '../../src/report/points.ts';
import { writeRunDirectory } from '../../src/report/run-directory.ts';
import { simulate } from '../../src/sim/simulate.ts';
import { kernelModule } from '../support/kernel.ts';
import { machineSpec, runLimits, runSpec } from '../support/spec.mjs';

const bySeed = (values: readonly number[], from = 1): Map<number, number> =>
  new Map(values.map((value, i) => [from + i, value]));

describe('a difference', () => {
  // Student's sleep data (Biometrika 6, 1908); intervals as R's t.test gives them.
  const first = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2];
  const second = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];

  it('of equal seeds is compared pair by pair', () => {
    const found = difference(bySeed(first), bySeed(second))!;
    expect(found).toMatchObject({ method: 'paired', isSignificant: true });
    expect(found.mean).toBeCloseTo(1.58, 10);
    expect(found.half).toBeCloseTo((2.4598858 - 0.7001142) / 2, 3);
  });

  it('of other seeds is compared by Welch, with degrees rounded down', () => {
    const found = difference(bySeed(first), bySeed(second, 100))!;
    expect(found).toMatchObject({ method: 'welch', isSignificant: false });
    // R: 17.776 degrees, t = 2.1027; the table has 2.110 for 17.
    expect(found.half).toBeCloseTo(((3.3654832 + 0.2054832) / 2 / 2.10275) * 2.11, 3);
  });

  it('of equal values is none; of constants it is significant', () => {
    expect(difference(bySeed([1, 2]), bySeed([1, 2]))).toMatchObject({ mean: 0, half: 0, isSignificant: false });
    expect(difference(bySeed([1, 1]), bySeed([2, 2], 9))).toMatchObject({ mean: 1, half: 0, isSignificant: true });
  });

  it('of single seeds has no interval and is never significant; without values there is none', () => {
    expect(difference(bySeed([1]), bySeed([5]))).toEqual({
      mean: 4,
      half: undefined,
      method: 'single',
      isSignificant: false,
    });
    expect(difference(bySeed([]), bySeed([5]))).toBeUndefined();
  });
});

const out = mkdtempSync(join(tmpdir(), 'nestwalk-compare-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

function run(entries: number, points: readonly string[]): string {
  const machine = machineSpec();
  const specs = points.flatMap((name) =>
    [1, 2, 3].map((seed) =>
      runSpec({
        ...{ scenario: 'demo', point: name, seed, run: runLimits({ requests: 400 }) },
        machine: { ...machine, iotlb: { ...machine.iotlb, entries, ways: entries } },
      }),
    ),
  );
  const results = specs.map((spec) => simulate(spec, kernelModule));
  return writeRunDirectory(out, { version: '1.2.3', question: 'What?', specs, results, answers: [], environment: {} });
}

const [small, large] = [run(4, ['one', 'two']), run(64, ['one', 'two'])];

describe('a run folder', () => {
  it('gives back its numbers by metric and seed, and what it was run with', () => {
    const folder = readRunFolder(small);
    expect([folder.scenario, folder.version, folder.points.map(({ name }) => name)]).toEqual([
      'demo',
      '1.2.3',
      ['one', 'two'],
    ]);
    const [point] = folder.points;
    expect(point.metrics.get('requests')).toEqual(bySeed([400, 400, 400]));
    expect(point.settings.get('machine.iotlb.entries')).toBe('4');
    expect([...point.settings.keys()].some((path) => path.startsWith('machine.sources'))).toBe(false);
    expect(point.events.get('uncore_iio UNC_IIO_IOMMU0.FIRST_LOOKUPS')?.size).toBe(3);
  });

  it.each([
    ['nowhere', /nowhere: no such folder; expected results/],
    ['.', /no manifest\.json in it; expected a run folder, such as .* or /],
    ['file', /file: is a file; expected a run folder/],
    ['foreign', /manifest\.json: is not a manifest of nestwalk/],
    ['torn', /manifest\.json: .*JSON.*expected a file as run or sweep writes it/],
    ['empty', /summary\.csv: ENOENT/],
  ])('is told from %s', (name, message) => {
    writeFileSync(join(out, 'file'), '');
    for (const [folder, text] of [
      ['foreign', '{}'],
      ['torn', '{'],
      ['empty', '{"program":"nestwalk"}'],
    ]) {
      mkdirSync(join(out, folder), { recursive: true });
      writeFileSync(join(out, folder, 'manifest.json'), text);
    }
    expect(() => readRunFolder(join(out, name))).toThrow(message);
  });

  it('with broken rows is a mistake with the file named, not a wrong number', () => {
    const broken = join(out, 'broken');
    cpSync(small, broken, { recursive: true });
    writeFileSync(join(broken, 'summary.csv'), 'scenario,point,seed\r\n"demo,x');
    expect(() => readRunFolder(broken)).toThrow(/broken\/summary\.csv: /);
  });
});

describe('a comparison', () => {
  const sides = [small, large].map((path, i) => {
    const folder = readRunFolder(path);
    return { label: 'AB'[i], folder, point: folder.points[0] };
  });
  const group: Group = { name: 'one', sides };
  const rows = compareMetrics(group, undefined);

  it('has means and differences of what the runs measured', () => {
    const hit = rows.find(({ metric }) => metric === 'iotlb_hit_ratio')!;
    expect(hit.values[1]!.mean).toBeGreaterThan(hit.values[0]!.mean);
    expect(hit.differences[0]).toMatchObject({ method: 'paired', isSignificant: true });
    expect(hit.differences[0]!.mean).toBeCloseTo(hit.values[1]!.mean - hit.values[0]!.mean, 12);
    expect(
      rows.some(({ metric }) => metric === 'vm_exits'),
      'what is zero everywhere is left out',
    ).toBe(false);
  });

  it('says what was set differently', () => {
    const paths = differentSettings(group);
    expect(paths).toContainEqual({ path: 'machine.iotlb.entries', values: ['4', '64'] });
    expect(settingsText(group)).toMatch(/^run with different\n {2}machine\.iotlb\.entries: 4 \| 64\n/);
  });

  it('marks what is significant and fits 80 columns, for two sides and for six', () => {
    const text = compareText(group, rows);
    expect(text).toMatch(/iotlb_hit_ratio .* \* │/);
    const many = { name: '', sides: [0, 1, 0, 1, 0, 1].map((i, n) => ({ ...sides[i], label: `side ${n}` })) };
    const wide = compareText(many, compareMetrics(many, undefined));
    for (const line of [...text.split('\n'), ...wide.split('\n')]) expect(line.length).toBeLessThanOrEqual(80);
    for (let n = 1; n < 6; n++) expect(wide).toContain(`side ${n}`);
  });

  it('says that one seed knows no interval', () => {
    const single = (point: RunPoint): RunPoint => ({
      ...point,
      metrics: new Map([['walks', new Map([[1, 5 + point.metrics.size]])]]),
    });
    const alone = { ...group, sides: sides.map((side) => ({ ...side, point: single(side.point) })) };
    expect(compareText(alone, compareMetrics(alone, ['walks']))).toMatch(
      /one seed: no interval; run with --set run\.seeds=5/,
    );
  });

  it('is CSV and JSON with the same numbers', () => {
    const hit = rows.filter(({ metric }) => metric === 'iotlb_hit_ratio');
    const [row] = parse<Record<string, string>>(compareCsv([{ group, rows: hit }]), { columns: true });
    expect(row).toMatchObject({
      point: 'one',
      base: 'A',
      other: 'B',
      base_seeds: '3',
      method: 'paired',
      significant: 'true',
    });
    const object = JSON.parse(JSON.stringify(compareObject(group, hit))) as {
      metrics: { differences: { mean: number }[] }[];
    };
    expect(object.metrics[0].differences[0].mean).toBeCloseTo(Number(row['difference']), 8);
  });
});

describe('rows of points', () => {
  it('are those of summary.csv', () => {
    const spec = runSpec({ point: 'x', run: runLimits({ requests: 100 }) });
    const [row] = summaryObjects(byPoint([simulate(spec, kernelModule)]));
    expect(row).toMatchObject({ point: 'x', requests: 100, reads_per_walk: expect.any(Number) as number });
  });
});
