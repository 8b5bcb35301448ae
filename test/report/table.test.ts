import { describe, expect, it } from 'vitest';
import { METRICS } from '../../src/report/columns/files.ts';
import { agreement, DEFAULT_TABLE, resultTable } from '../../src/report/table.ts';
import { point } from './support.ts';

const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));
const seeds = [
  { hits: 333, gbps: 123456 },
  { hits: 334, gbps: 654321 },
];

describe('the result table', () => {
  it('shows a row a point and a dash for no value', () => {
    const text = resultTable(['iotlb_hit_ratio'], [point('warm', [{ hits: 750 }]), point('off', [{}])]);
    expect(text).toMatch(/│ warm +│ +0\.75 │/);
    expect(text).toMatch(/│ off +│ +– │/);
  });

  it('shows columns of single tenants, named after them', () => {
    const ofTenants = [{ metric: 'iotlb_hit_ratio', tenant: 'quiet', cells: [0.4, 0.4] }];
    const points = [{ ...point('warm', [{ hits: 20 }]), ofTenants }];
    const text = resultTable(['iotlb_hit_ratio', 'iotlb_hit_ratio of quiet'], points);
    expect(text).toMatch(/│ warm +│ +0\.02 │ +0\.4 │/);
    expect(text).toContain('quiet');
  });

  it('leaves out the column of names when there is one nameless point', () => {
    expect(resultTable(['iotlb_hit_ratio'], [point('', [{ hits: 750 }])])).not.toContain('point');
  });

  it('shows mean and interval of several seeds', () => {
    // 0.4 and 0.6: deviation √0.02, t(1) = 12.706: half 12.706 × √0.02 / √2 = 1.27
    expect(resultTable(['iotlb_hit_ratio'], [point('', [{ hits: 400 }, { hits: 600 }])])).toContain('0.5 ±1.3');
  });

  it('is at most 80 wide and says how many columns it leaves out', () => {
    const points = [point('a point of some length', seeds), point('b', seeds)];
    const few = resultTable(DEFAULT_TABLE, points);
    const all = resultTable(METRICS, points);
    expect(widest(few)).toBeLessThanOrEqual(80);
    expect(widest(all)).toBeLessThanOrEqual(80);
    const [, dropped] = /\((\d+) more columns in summary.csv\)/.exec(all)!;
    expect(all.split('\n')[0].split('┬').length - 1 + Number(dropped)).toBe(METRICS.length);
  });

  it('cuts no value', () => {
    const text = resultTable(['throughput_gbps'], [point('x', [{ gbps: 123456 }])]);
    expect(text).toContain('123456');
  });

  it('shows long names whole, over several lines', () => {
    const names = ['16GiB', '64GiB'].map((size) => `nested 4K host entries=2048 memoryBytes=${size}`);
    const lines = resultTable(
      ['iotlb_hit_ratio'],
      names.map((name) => point(name, [{ hits: 750 }])),
    ).split('\n');
    const first = lines.map((line) => line.split('│')[1]?.trim());
    expect(first.slice(-5, -1)).toEqual([
      'nested 4K host entries=2048',
      'memoryBytes=16GiB',
      'nested 4K host entries=2048',
      'memoryBytes=64GiB',
    ]);
    expect(widest(lines.join('\n'))).toBeLessThanOrEqual(80);
  });

  it('cuts only words that fit no line', () => {
    const text = resultTable(['faults'], [point(`a ${'x'.repeat(90)}`, [{}])]);
    expect(text).toContain(`│ ${'x'.repeat(39)}… │`);
  });

  it('lets no name act on the terminal', () => {
    expect(resultTable(['faults'], [point('a\u001b[31mb\nc', [{}])])).toContain('a?[31mb?c');
  });
});

describe('published numbers', () => {
  const measured = { metric: 'iotlb_hit_ratio', source: 'a paper', points: { a: 0.5, b: 0.8 }, tolerance: 0.1 };
  const points = [point('a', [{ hits: 525 }]), point('b', [{ hits: 760 }]), point('c', [{ hits: 1 }])];

  it('stand beside the simulated ones with the error of each', () => {
    const text = resultTable(['iotlb_hit_ratio'], points, [measured]);
    expect(text).toMatch(/│ a +│ +0\.525 │ +0\.5 │ +\+5\.00 │/);
    expect(text).toMatch(/│ b +│ +0\.76 │ +0\.8 │ +−5\.00 │/);
    expect(text).toMatch(/│ c +│ +0\.001 │ +│ +│/);
  });

  it('have no sign where there is no error', () => {
    const text = resultTable(['iotlb_hit_ratio'], [point('a', [{ hits: 500 }])], [measured]);
    expect(text).toMatch(/│ +0\.5 │ +0\.5 │ +0\.00 │/);
  });

  it('are compared in one sentence, with the worst point', () => {
    expect(agreement(measured, points)).toBe(
      'iotlb_hit_ratio differs from a paper by at most 5.00 % (within 10.00 %), at a; 2 points.',
    );
    expect(agreement({ ...measured, tolerance: 0.01 }, points)).toContain('(NOT within 1.00 %)');
    expect(agreement({ ...measured, points: { zzz: 1 } }, points)).toBeUndefined();
  });
});
