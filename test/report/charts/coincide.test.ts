import { describe, expect, it } from 'vitest';
import { coinciding, type PathPoint } from '../../../src/report/charts/coincide.ts';
import { loadResults } from '../../../src/report/html/load.ts';
import { latencyTail } from '../../../src/report/charts/latency-tail.ts';
import { SLIM, WIDE } from '../../../src/report/charts/sizes.ts';
import { resultFolder } from '../html/folder.ts';

const line = (...points: [number, number][]): PathPoint[] => points.map(([x, y]) => ({ x, y }));

describe('lines that go in steps', () => {
  const falling = line([0, 0], [50, 10], [100, 200]);

  it('coincide when they are nowhere apart, whatever points they are made of', () => {
    const finer = line([0, 1], [20, 1], [50, 10], [51, 100], [100, 200]);
    expect(coinciding([falling, finer])).toEqual([]);
    expect(coinciding([falling, line([0, 1], [20, 1], [51, 1], [51, 11], [99, 11], [99, 200])])).toEqual([[0, 1]]);
  });

  it('do not when one goes on', () => {
    expect(coinciding([falling, line([0, 0], [50, 10], [100, 200], [120, 200])])).toEqual([]);
    expect(coinciding([falling, line([0, 0], [50, 10])])).toEqual([]);
  });

  it('are grouped', () =>
    expect(coinciding([falling, [], line([0, 90], [9, 99]), falling, falling])).toEqual([[0, 3, 4]]));
});

describe('the distribution of latency', () => {
  const drawn = (...hits: number[]) => {
    const points = hits.map((share, i) => ({ name: `point ${i}`, hits: share }));
    return latencyTail.draw(loadResults([resultFolder('tail', { points })]).data)!;
  };
  const legends = (spec: unknown): number => JSON.stringify(spec).match(/"legend":\{/g)?.length ?? 0;

  it('says which lines lie on each other, and lists the names', () => {
    const drawing = drawn(0.5, 0.9, 0.9);
    expect(drawing.caption).toContain(' The lines of “point 1” and “point 2” lie on each other.');
    expect(drawing.data['labels']).toEqual([]);
    for (const width of [WIDE, SLIM]) expect(legends(drawing.spec(width))).toBeGreaterThan(0);
  });

  it('names each such group once', () => {
    const { caption } = drawn(0.5, 0.9, 0.9, 0.5, 0.9);
    const groups = '“point 0” and “point 3” lie on each other, as do those of “point 1”, “point 2” and “point 4”.';
    expect(caption).toContain(` The lines of ${groups}`);
  });

  it('has the names beside lines that are apart', () => {
    const drawing = drawn(0.5, 0.7, 0.9);
    expect(drawing.caption).not.toContain('lie on each other');
    expect(drawing.data['labels'].map(({ label }) => label)).toContain('point 2');
    expect(legends(drawing.spec(WIDE))).toBe(0);
  });
});
