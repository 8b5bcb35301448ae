import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { curve, sparkline } from '../../src/report/sparkline.ts';
import { sweepSketch } from '../../src/report/sparkline-sweep.ts';
import { point } from './support.ts';

const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));
const plain = (value: number): string => value.toFixed(2);

describe('a sparkline', () => {
  it('goes from the least to the largest value and leaves gaps', () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7])).toBe('▁▂▃▄▅▆▇█');
    expect(sparkline([5, undefined, 9, NaN])).toBe('▁ █ ');
  });

  it('is flat where nothing changes, and empty for nothing', () => {
    expect([sparkline([3, 3, 3]), sparkline([])]).toEqual(['▄▄▄', '']);
  });
});

describe('a curve', () => {
  const marks = (text: string): number => text.split('●').length - 1;

  it('shows each value, the limit, and both ends of both axes', () => {
    const points = [1, 10, 100, 1000].map((x) => ({ x, y: Math.log10(x), mark: '●' }));
    const text = curve({ points, geometric: true, limit: 2.5, xText: String, yText: plain });
    const lines = text.split('\n');
    expect(marks(text)).toBe(4);
    expect(lines[0]).toMatch(/^3\.00 ┤ .*●$/);
    expect(lines[11]).toMatch(/^0\.00 ┤●/);
    expect(lines.filter((line) => line.includes('┄┄┄'))).toEqual([expect.stringMatching(/^2\.50 ┤/)]);
    expect(lines.at(-1)).toMatch(/^ +1 +1000$/);
    // On a logarithmic axis these are equally far apart, in a straight line.
    const columns = lines
      .flatMap((line) => Array.from(line, (char, i) => (char === '●' ? i : -1)).filter((i) => i >= 0))
      .sort((a, b) => a - b);
    expect(columns.slice(1).map((column, i) => column - columns[i])).toEqual([24, 25, 24]);
  });

  it('is never wider than 80 columns, whatever the values', () => {
    const value = fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e12, max: 1e12 });
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value), { minLength: 2, maxLength: 30 }), (pairs) => {
        const points = pairs.map(([x, y]) => ({ x, y, mark: '●' }));
        const text = curve({ points, geometric: false, xText: plain, yText: plain });
        if (new Set(pairs.map(([x]) => x)).size > 1) expect(widest(text)).toBeLessThanOrEqual(80);
        else expect(text).toBe('');
      }),
    );
  });

  it('draws a flat line, and nothing for one value of x', () => {
    const flat = [1, 2].map((x) => ({ x, y: 5, mark: '●' }));
    expect(marks(curve({ points: flat, geometric: false, xText: String, yText: plain }))).toBe(2);
    expect(curve({ points: flat.slice(1), geometric: false, xText: String, yText: plain })).toBe('');
  });
});

describe('the sketch of a sweep', () => {
  const at = (name: string, entries: number, hits: number) => ({
    ...point(name, [{ hits }]),
    values: { 'machine.iotlb.entries': entries },
  });

  it('is a curve for one case', () => {
    const points = [16, 32, 64, 128].map((x) => at(`entries=${x}`, x, x));
    const text = sweepSketch(points, ['iotlb_hit_ratio']);
    expect(text).toMatch(/^iotlb_hit_ratio by entries\n/);
    expect([widest(text) <= 80, text.includes('●')]).toEqual([true, true]);
  });

  it('is a curve of a single tenant, where the table is', () => {
    const points = [1, 2, 3, 4].map((entries) => ({
      ...at('', entries, 20),
      ofTenants: [{ metric: 'iotlb_hit_ratio', tenant: 'quiet', cells: [entries / 4] }],
    }));
    const text = sweepSketch(points, ['iotlb_hit_ratio', 'iotlb_hit_ratio of quiet']);
    expect(text.split('\n')[0]).toBe('iotlb_hit_ratio of quiet by entries');
  });

  it('is a sparkline for each of several cases, by rising x', () => {
    const points = [64, 16, 32, 128].flatMap((x) => [at(`on entries=${x}`, x, x), at(`off entries=${x}`, x, 500)]);
    expect(sweepSketch(points, ['iotlb_hit_ratio', 'throughput_gbps']).split('\n').slice(0, 3)).toEqual([
      'iotlb_hit_ratio by entries',
      `  ${'on'.padEnd(24)} ▁▂▄█ 0.016 … 0.128`,
      `  ${'off'.padEnd(24)} ▄▄▄▄ 0.5 … 0.5`,
    ]);
  });

  it('is nothing without four numbers of one quantity, or without values', () => {
    expect(sweepSketch([at('a', 1, 1), at('b', 2, 2), at('c', 3, 3)], ['iotlb_hit_ratio'])).toBe('');
    const words = ['a', 'b', 'c', 'd'].map((name) => ({ ...point(name, [{ hits: 1 }]), values: { x: name } }));
    expect(sweepSketch(words, ['iotlb_hit_ratio'])).toBe('');
    expect(
      sweepSketch(
        [1, 2, 3, 4].map((x) => at(`entries=${x}`, x, 1)),
        ['reads_per_walk'],
      ),
    ).toBe('');
  });
});
