import { describe, expect, it } from 'vitest';
import { capacities, MRC_COLUMNS, type MrcRow, mrcRows } from '../../src/report/columns/mrc.ts';
import { curveSketch } from '../../src/report/mrc-sketch.ts';
import { wrapped } from '../../src/report/wrap.ts';
import { curvePoints, leastEntries, pointSummary, pointTable } from '../../src/report/mrc-summary.ts';
import { drawTable } from '../../src/report/table.ts';
import { simulate } from '../../src/sim/simulate.ts';
import type { RunSpec } from '../../src/spec.ts';
import type { RunResult } from '../../src/stats/result.ts';
import { kernelModule } from '../support/kernel.ts';
import {
  cacheSpec,
  deviceSpecs,
  machineSpec,
  noCache,
  runLimits,
  runSpec,
  stageSpec,
  tenantSpec,
  uniformTraffic,
} from '../support/spec.mjs';

const MIB = 1 << 20;
const mrc = { sampleKeys: 1e6, setCounts: [4, 16], ways: 8 };

function curves(overrides: Partial<RunSpec> = {}): RunResult {
  const devices = deviceSpecs(1, { traffic: uniformTraffic({ windowBytes: MIB, outstanding: 1 }) });
  return simulate(
    runSpec({ tenants: [tenantSpec({ devices })], run: runLimits({ requests: 20_000, mrc }), ...overrides }),
    kernelModule,
  );
}

const twoTenants = (): RunResult =>
  curves({
    tenants: [
      tenantSpec({ name: 'a', devices: deviceSpecs(1, { traffic: uniformTraffic({ windowBytes: MIB }) }) }),
      tenantSpec({
        name: 'b',
        host: stageSpec('amd-v1', 4, 21),
        devices: deviceSpecs(1, { traffic: uniformTraffic({ windowBytes: 32 * MIB }) }, 1, 1),
      }),
    ],
  });

const value = (row: MrcRow, name: string) => MRC_COLUMNS.find((column) => column.name === name)!.value(row);

describe('mrc.csv', () => {
  it('has a row for every capacity, and hits that grow with it', () => {
    const rows = [...mrcRows(curves())].filter((row) => row.sets === 1 && value(row, 'scope') === 'all');
    expect(rows.map((row) => value(row, 'entries'))).toEqual([...Array.from({ length: 256 }, (_, i) => i + 1), 512]);
    for (const [i, row] of rows.entries()) {
      if (i > 0) expect(row.curve.hits(row.ways)).toBeGreaterThanOrEqual(rows[i - 1].curve.hits(rows[i - 1].ways));
      expect(value(row, 'lookups')).toBe(20_000);
      expect(value(row, 'hit_ratio')).toBe((value(row, 'hits') as number) / 20_000);
      expect([value(row, 'hit_ratio_error'), value(row, 'sampling_rate')]).toEqual([0, 1]);
    }
    expect(value(rows.at(-1)!, 'hits')).toBe(20_000 - 256);
  });

  it('has each number of ways for each number of sets', () => {
    const rows = [...mrcRows(curves())].filter((row) => row.sets > 1 && value(row, 'scope') === 'all');
    expect(rows.map((row) => [row.sets, row.ways, value(row, 'entries')])).toEqual(
      [4, 16].flatMap((sets) => Array.from({ length: 8 }, (_, i) => [sets, i + 1, sets * (i + 1)])),
    );
  });

  it('names leaf sizes and tenants, shared and alone', () => {
    const rows = [...mrcRows(twoTenants())].filter((row) => row.sets === 1);
    const names = (scope: string, column: string): string[] => [
      ...new Set(
        rows
          .filter((row) => value(row, 'scope') === scope)
          .map((row) => `${value(row, column)} ${value(row, 'sharing')}`),
      ),
    ];
    expect(names('tenant', 'tenant')).toEqual(['a shared', 'a own', 'b shared', 'b own']);
    expect(names('leaf', 'leaf_bytes')).toEqual(
      [4096, 2 * MIB, 1024 * MIB].flatMap((bytes) => [`${bytes} shared`, `${bytes} own`]),
    );
  });

  it('gives a part that has the cache for itself the same curve shared and alone', () => {
    const rows = [...mrcRows(curves())].filter((row) => value(row, 'scope') === 'tenant' && row.sets === 1);
    const of = (sharing: string) => rows.filter((row) => value(row, 'sharing') === sharing);
    expect(of('own').map((row) => value(row, 'hits'))).toEqual(of('shared').map((row) => value(row, 'hits')));
    expect(of('own').length).toBeGreaterThan(50);
  });

  it('steps by less than a thousandth above 4096 entries', () => {
    const list = capacities(300_000, [512], 'all');
    expect(list.slice(0, 4096)).toEqual(Array.from({ length: 4096 }, (_, i) => i + 1));
    for (let i = 4096; i < list.length; i++) expect(list[i] / list[i - 1]).toBeLessThan(1.001);
    expect(list.at(-1)).toBe(300_000);
    expect(list.length).toBeLessThan(12_000);
    expect(capacities(0, [], 'all')).toEqual([1]);
    expect(capacities(10, [100], 'tenant').at(-1)).toBe(100);
  });
});

describe('the sketch', () => {
  const half = { ratio: (entries: number) => Math.min(1, entries / 1024), last: 1024, own: 512 };

  it('fits 80 columns, whatever it shows', () => {
    for (const last of [0, 1, 3, 100, 5000, 1e6, 3e7]) {
      for (const own of [0, 1, 117, 1024, 1536, 60_000]) {
        const text = curveSketch({ ratio: (n) => n / (n + 50), last, own });
        for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
        expect(text.includes('▲')).toBe(own > 0);
      }
    }
  });

  it('is full where all hits and empty where nothing does', () => {
    const all = curveSketch({ ...half, ratio: () => 1 }).split('\n');
    expect(all.slice(0, 10).every((line) => /│█+$/.test(line))).toBe(true);
    expect(curveSketch({ ...half, ratio: () => 0 })).not.toMatch(/[▁-█]/);
  });

  it('has its half height where half of the lookups hit', () => {
    const lines = curveSketch(half).split('\n');
    const column = lines.at(-1)!.indexOf('▲');
    const filled = lines.slice(0, 10).filter((line) => '▁▂▃▄▅▆▇█'.includes(line[column] ?? ' '));
    expect(filled).toHaveLength(5);
    expect(lines[4].startsWith('     │')).toBe(true);
    expect(lines[5].startsWith(' 50 %│')).toBe(true);
    expect(lines.at(-2)).toContain('512');
  });

  it('breaks sentences at 80 columns', () => {
    const text = wrapped('word '.repeat(60).trim());
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    expect(text.replaceAll('\n  ', ' ')).toBe('word '.repeat(60).trim());
  });
});

describe('the summary', () => {
  it('says what the scenario has, what nine tenths need and what all need', () => {
    const [point] = curvePoints([curves()]).map(pointSummary);
    expect(point.last).toBe(256);
    expect(point.sentences[0]).toMatch(
      /^This scenario's IOTLB, 512 entries, 8 ways, lru: 98\.72 % of lookups found an entry/,
    );
    expect(point.sentences[1]).toMatch(
      /^2\d\d entries give 8\d\.\d+ %; 256 entries give all that any capacity can: 98\.72 %\.$/,
    );
  });

  it('says when nothing was translated', () => {
    const [point] = curvePoints([curves({ tenants: [tenantSpec({ mode: 'passthrough' })] })]).map(pointSummary);
    expect(point.ratio).toBeUndefined();
    expect(point.sentences).toEqual(['No request needed translation: there is no hit ratio.']);
    expect(drawTable(pointTable([point]), 1)).toContain('–');
  });

  it('says what a first level hits', () => {
    const iotlb = { ...cacheSpec(64), leafLog2: [12], fracture: true, l1: cacheSpec(32) };
    const [point] = curvePoints([curves({ machine: machineSpec({ iotlb }) })]).map(pointSummary);
    expect(point.sentences[1]).toMatch(/^The first level hits 12\.\d+ % of lookups/);
  });

  it('says how good a sample is', () => {
    const run = runLimits({ requests: 20_000, mrc: { ...mrc, sampleKeys: 64 } });
    const [point] = curvePoints([curves({ run })]).map(pointSummary);
    expect(point.sentences.at(-1)).toMatch(
      /^Sampled: one page in [48] was followed; at 512 entries the error is at most/,
    );
  });

  it('lays tenants and leaf sizes beside each other', () => {
    const [point] = curvePoints([twoTenants()]).map(pointSummary);
    const texts = point.tables.map(({ columns, texts }) => drawTable(columns, texts));
    expect(texts).toHaveLength(3);
    expect(texts[0]).toMatch(/sets .* 1 way .* 8 ways/);
    expect(texts[1]).toMatch(/leaf .* lookups .* 512 .* 512[^]*size .* shared .* alone/);
    expect(texts[1]).toMatch(/4 KiB[^]*2 MiB/);
    expect(texts[2]).toMatch(/tenant[^]*a[^]*b/);
    for (const text of texts) for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('finds the least capacity for a ratio', () => {
    for (const [wanted, least] of [
      [0, 1],
      [0.5, 512],
      [1, 1024],
    ]) {
      expect(leastEntries((n) => n / 1024, 1024, wanted)).toBe(least);
    }
  });
});

it('has no conflict with an IOTLB that is not there', () => {
  const iotlb = { ...noCache, leafLog2: [12], fracture: true, l1: noCache };
  const [point] = curvePoints([curves({ machine: machineSpec({ iotlb }) })]).map(pointSummary);
  expect(point.sentences[0]).toBe("This scenario's IOTLB, none: 0 % of lookups found an entry.");
  expect(point.last).toBe(256);
});
