/** Names stand where what they name stands, apart from each other; axes have round marks. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHARTS } from '../../../src/report/charts/index.ts';
import { endText } from '../../../src/report/charts/layout.ts';
import { nameLines, type Name } from '../../../src/report/charts/names.ts';
import { svgOf } from '../../../src/report/charts/render.ts';
import { SLIM, WIDE } from '../../../src/report/charts/sizes.ts';
import { textWidth } from '../../../src/report/charts/text-width.ts';
import { fitted, fittedNames, logTicks } from '../../../src/report/charts/ticks.ts';
import { loadResults } from '../../../src/report/html/load.ts';
import { MODES, resultFolder, SWEEP } from '../html/folder.ts';

const DATA = [
  loadResults([resultFolder('modes-labels', MODES)]).data,
  loadResults([resultFolder('sweep-labels', SWEEP)]).data,
];

/** Charts whose series are lines. */
const LINES = ['sweep', 'hit-ratio-by-capacity', 'latency-distribution', 'timeline'];

/** Legends that a specification asks for, wherever they stand. */
const legendsOf = (spec: unknown): number => JSON.stringify(spec).match(/"legend":\{/g)?.length ?? 0;

describe.each(CHARTS)('$id', (chart) => {
  const drawings = DATA.flatMap((data) => chart.draw(data) ?? []);

  it('names up to six series in the picture itself, without a legend', async () => {
    for (const drawing of drawings) {
      const names = (drawing.series ?? []).map(({ name }) => name);
      // Beside lines that lie on each other names would be a heap (coincide.test.ts).
      if (names.length > 6 || drawing.caption.includes('lie on each other')) continue;
      expect(legendsOf(drawing.spec(WIDE))).toBe(0);
      const svg = await svgOf(drawing, WIDE);
      const written = names.filter((name) => svg.includes(`>${endText(name)}</text>`));
      // A part of bars that is too thin to be seen has no name; lines and marks all have.
      const least = LINES.includes(chart.id) ? names.length : 1;
      if (names.length > 1) expect(written.length).toBeGreaterThanOrEqual(least);
    }
  });
});

describe('names above rows', () => {
  const name = fc.record({ name: fc.string({ minLength: 1, maxLength: 24 }), px: fc.integer({ min: 0, max: 500 }) });
  const toNames = (names: readonly { name: string; px: number }[]): Name[] =>
    names.map((one) => ({ ...one, colour: '#0065a9', shape: 'square' }));

  it('stay in the plot and do not touch each other', () => {
    fc.assert(
      fc.property(fc.array(name, { maxLength: 6 }), fc.integer({ min: 150, max: 600 }), (names, plot) => {
        const placed = nameLines(toNames(names), plot, (px) => px, {});
        if (placed === undefined) return;
        expect(placed.rows).toHaveLength(names.length);
        for (const line of placed.lines) {
          const own = placed.rows.filter((row) => row.point === line);
          for (const [i, row] of own.entries()) {
            const [left, end] = [row.swatchAt as number, (row.nameAt as number) + textWidth(row.series as string, 12)];
            expect(left).toBeGreaterThan(0);
            expect(end).toBeLessThanOrEqual(plot + 0.01);
            if (i > 0) {
              const before = own[i - 1];
              expect(left).toBeGreaterThan((before.nameAt as number) + textWidth(before.series as string, 12));
            }
          }
        }
      }),
    );
  });

  it('leave more than six, or too long ones, to a legend', () => {
    const seven = Array.from({ length: 7 }, (_, i) => ({ name: `p${i}`, px: 0 }));
    expect(nameLines(toNames(seven), 600, (px) => px, {})).toBeUndefined();
    expect(nameLines(toNames([{ name: 'm'.repeat(60), px: 0 }]), SLIM, (px) => px, {})).toBeUndefined();
  });
});

describe('marks of axes', () => {
  it('are round, within the axis, at most as many as fit', () => {
    const span = fc.record({
      low: fc.double({ min: 1e-6, max: 1e6, noNaN: true }),
      factor: fc.double({ min: 1.05, max: 1e6, noNaN: true }),
    });
    fc.assert(
      fc.property(span, fc.integer({ min: 2, max: 9 }), ({ low, factor }, limit) => {
        const ticks = logTicks(low, low * factor, limit);
        expect(ticks.length).toBeLessThanOrEqual(limit);
        for (const [i, tick] of ticks.entries()) {
          expect(tick).toBeGreaterThanOrEqual(low);
          expect(tick).toBeLessThanOrEqual(low * factor);
          expect(Number(tick.toPrecision(3))).toBe(tick);
          if (i > 0) expect(tick).toBeGreaterThan(ticks[i - 1]);
        }
      }),
    );
    expect(logTicks(1e-6, 1, 7)).toEqual([1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1]);
    expect(logTicks(90, 560, 4)).toEqual([100, 200, 300, 500]);
    expect(logTicks(505, 1095, 4)).toEqual([600, 800, 1000]);
    expect(logTicks(145, 405, 6)).toEqual([150, 200, 250, 300, 350, 400]);
    expect(logTicks(145, 405, 6, 0.15)).toEqual([200, 300, 400]);
  });

  it('cut names in the middle, to the width there is', () => {
    expect(fitted('short', 100)).toBe('short');
    const cut = fitted('passthrough offeredGbps=0.3Gbps', 120);
    expect(cut).toMatch(/^pass.*….*Gbps$/);
    expect(textWidth(cut, 12)).toBeLessThanOrEqual(120);
  });
});

describe('names of points that have no room', () => {
  const names = ['lru', 'fifo'].flatMap((policy) => [1, 2].map((mib) => `replacement=${policy} windowBytes=${mib}MiB`));

  it('are their values alone', () => {
    expect(fittedNames(names, 90)).toEqual(['lru 1MiB', 'lru 2MiB', 'fifo 1MiB', 'fifo 2MiB']);
    expect(fittedNames(names, 400)).toEqual(names);
  });

  it('are cut where their values would be the same', () => {
    const same = ['machine.walkers=8', 'machine.iotlb.entries=8'];
    expect(fittedNames(same, 60)).toEqual(same.map((name) => fitted(name, 60)));
  });
});
