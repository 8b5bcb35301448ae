/** Which varied number becomes the axis of a chart, and what the lines along it are called. */
import { describe, expect, it } from 'vitest';
import type { Dataset, Point, Value } from '../../../src/report/charts/dataset.ts';
import { heatmap } from '../../../src/report/charts/heatmap.ts';
import { points as pointsChart } from '../../../src/report/charts/points.ts';
import { numericPaths, sweepAxis } from '../../../src/report/charts/sweep-axis.ts';
import { sweep } from '../../../src/report/charts/sweep.ts';
import { loadResults } from '../../../src/report/html/load.ts';
import { resultFolder, SWEEP } from '../html/folder.ts';

const { data } = loadResults([resultFolder('axis', SWEEP)]);

/** Points of a real result under other names and values. */
function pointsOf(values: Readonly<Record<string, Readonly<Record<string, Value>>>>): Point[] {
  return Object.entries(values).map(([name, own], i) => {
    return { ...data.points[i % data.points.length], name, label: name, values: own };
  });
}

const datasetOf = (points: Point[]): Dataset => ({ ...data, points, detailed: points, measured: [] });

describe('cases of which only some set the number', () => {
  const points = pointsOf({
    'no cache': {},
    'cache of 64': { 'a.entries': 64 },
    'cache of 512': { 'a.entries': 512 },
    'cache of 4096': { 'a.entries': 4096 },
    'on demand': { 'a.entries': 4096, 'a.groups': 8 },
  });

  it('have no axis in common', () => {
    expect(sweepAxis(points)).toBeUndefined();
  });

  it('are all drawn side by side', () => {
    const drawing = pointsChart.draw(datasetOf(points))!;
    expect(new Set(drawing.data['rows'].map((row) => row['point']))).toEqual(new Set(points.map(({ name }) => name)));
    expect(sweep.draw(datasetOf(points))).toBeUndefined();
  });
});

describe('numbers that change together', () => {
  const points = pointsOf({
    '4 functions': { 'vf.count': 4, 'link.gbps': 50 },
    '8 functions': { 'vf.count': 8, 'link.gbps': 25 },
    '16 functions': { 'vf.count': 16, 'link.gbps': 12.5 },
    '32 functions': { 'vf.count': 32, 'link.gbps': 6.25 },
  });

  it('are one axis with one line, and no map of cells', () => {
    expect(numericPaths(points)).toEqual(['vf.count']);
    const axis = sweepAxis(points)!;
    expect(axis.series.map((series) => series.points.map(({ x }) => x))).toEqual([[4, 8, 16, 32]]);
    expect(heatmap.draw(datasetOf(points))).toBeUndefined();
  });

  it('are named in the caption', () => {
    expect(sweep.draw(datasetOf(points))!.caption).toContain('against count, with which gbps (Gbit/s) changes');
  });
});

it('crosses numbers that vary apart', () => {
  const points = pointsOf(
    Object.fromEntries(
      [1, 2, 4].flatMap((ways) =>
        [8, 16, 32, 64].map((sets) => [`${ways} ${sets}`, { 'a.ways': ways, 'a.sets': sets }]),
      ),
    ),
  );
  expect(numericPaths(points)).toEqual(['a.sets', 'a.ways']);
  expect(sweepAxis(points)!.together).toEqual([]);
});

it('calls a line by what its points share, never by one of them', () => {
  const points = pointsOf({
    '1 way': { 'p.quiet': 1 },
    '2 ways': { 'p.quiet': 2 },
    '4 ways': { 'p.quiet': 4 },
    '2 sets': { 'p.quiet': 2, 'p.by': 'sets' },
    '4 sets': { 'p.quiet': 4, 'p.by': 'sets' },
  });
  expect(sweepAxis(points)!.series.map(({ name }) => name)).toEqual(['unchanged', 'by=sets']);
});

it('keeps a word that changes with the number as lines of their own', () => {
  const points = pointsOf({
    a: { 'v.count': 1, 'v.policy': 'strict' },
    b: { 'v.count': 2, 'v.policy': 'strict' },
    c: { 'v.count': 4, 'v.policy': 'lazy' },
  });
  expect(sweepAxis(points)!.series.map(({ name }) => name)).toEqual(['policy=strict', 'policy=lazy']);
});
