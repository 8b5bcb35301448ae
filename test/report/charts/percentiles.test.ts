import { expect, it } from 'vitest';
import { percentiles } from '../../../src/report/charts/percentiles.ts';
import { loadResults } from '../../../src/report/html/load.ts';
import { resultFolder } from '../html/folder.ts';

it('leaves out what takes no time: the bucket of 1 ps would stretch the axis over decades of nothing', () => {
  const { data } = loadResults([resultFolder('untranslated', { points: [{ name: 'half' }] })]);
  const [point] = data.points;
  const metrics = new Map(point.metrics).set('translation_ns_p50', { mean: 0.001, half: 0, count: 1 });
  const drawing = percentiles.draw({ ...data, points: [{ ...point, metrics }] })!;
  const values = drawing.data['rows'].map(({ value }) => value as number);
  expect(values).toHaveLength(5);
  expect(Math.min(...values)).toBeGreaterThan(1);
});
