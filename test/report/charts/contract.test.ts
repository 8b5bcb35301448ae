/** What every chart must do: say what it shows, name its axes and their units, and look the same each time. */
import { readdirSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Chart, Drawing, Spec } from '../../../src/report/charts/chart.ts';
import type { Dataset, Point } from '../../../src/report/charts/dataset.ts';
import { pngOf, standaloneSvg } from '../../../src/report/charts/files.ts';
import { CHARTS } from '../../../src/report/charts/index.ts';
import { svgOf } from '../../../src/report/charts/render.ts';
import { SLIM, WIDE } from '../../../src/report/charts/sizes.ts';
import { COLOURS } from '../../../src/report/charts/theme.ts';
import { loadResults } from '../../../src/report/html/load.ts';
import { MODES, resultFolder, SWEEP } from '../html/folder.ts';

const DATA: readonly Dataset[] = [
  loadResults([resultFolder('modes', MODES)]).data,
  loadResults([resultFolder('sweep', SWEEP)]).data,
];
const EMPTY: Dataset = { points: [], detailed: [], table: [], measured: [], intervalNs: 0 };

/** A point that only passed through. */
function idleOf(point: Point): Point {
  return {
    ...point,
    name: 'idle',
    label: 'idle',
    metrics: new Map([...point.metrics].map(([name, value]) => [name, { ...value, mean: 0, half: 0 }])),
    walks: [],
    translation: [],
    completion: [],
    timeline: point.timeline.map((row) => ({ ...row, requests: 0, hits: 0, misses: 0, translationNs: undefined })),
    capacities: point.capacities.map((row) => ({ ...row, lookups: 0, hits: 0 })),
  };
}

function drawingOf(chart: Chart): Drawing {
  const drawing = DATA.map((data) => chart.draw(data)).find((found) => found !== undefined);
  if (drawing === undefined) throw new Error(`${chart.id}: neither data set gives it anything to draw`);
  return drawing;
}

/** Every object in a value, itself first. */
function* objectsIn(value: unknown): Generator<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return;
  yield value as Record<string, unknown>;
  for (const item of Object.values(value)) yield* objectsIn(item);
}

/** Position channels with an axis of numbers. */
function quantitativeAxes(spec: Spec): { title: unknown }[] {
  return [...objectsIn(spec)].flatMap((view) =>
    ['x', 'y'].flatMap((channel) => {
      const encoding = view[channel] as { type?: string; axis?: { title?: unknown } } | undefined;
      return encoding?.type === 'quantitative' && encoding.axis !== undefined ? [{ title: encoding.axis.title }] : [];
    }),
  );
}

/** Words that ask for a unit behind them. */
const NEEDS_UNIT = /latency|time of|throughput|CPU|length of|share|slower/i;

describe('the list of charts', () => {
  it('has every file that declares one', async () => {
    const folder = new URL('../../../src/report/charts/', import.meta.url);
    const files = readdirSync(folder).filter((file) => file.endsWith('.ts') && file !== 'index.ts');
    const modules = await Promise.all(files.map((file) => import(new URL(file, folder).href) as Promise<object>));
    const declared = modules.flatMap((module) => Object.values(module)).filter(isChart);
    expect(new Set(CHARTS)).toEqual(new Set(declared));
  });

  it('names each once, fit for a file', () => {
    const ids = CHARTS.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const id of ids) expect(id).toMatch(/^[a-z][a-z-]{2,30}$/);
  });
});

const isChart = (value: unknown): value is Chart =>
  typeof value === 'object' && value !== null && 'id' in value && 'draw' in value;

describe.each(CHARTS)('$id', (chart) => {
  const drawing = drawingOf(chart);
  let wide: string;
  beforeAll(async () => {
    wide = await svgOf(drawing, WIDE);
  });

  it('says what it shows', () => {
    expect(drawing.title.length).toBeGreaterThan(5);
    expect(drawing.caption).toMatch(/^[^]{20,600}\.$/);
    expect(drawing.description).toMatch(/\d/);
    expect(drawing.description.length).toBeGreaterThan(40);
  });

  it.each([WIDE, SLIM])('names its axes and their units, %i pixels wide', (width) => {
    const spec = drawing.spec(width);
    const titles = quantitativeAxes(spec).map(({ title }) => title);
    const named = titles.filter((title) => typeof title === 'string');
    if (chart.id !== 'heatmap') expect(named.length).toBeGreaterThan(0);
    for (const title of named) {
      expect(title.length).toBeGreaterThan(3);
      if (NEEDS_UNIT.test(title)) expect(title).toMatch(/\((ns|µs|ms|ms\/GB|Gbit\/s|%)\)$/);
    }
    // A missing title must be meant: panels share the one below them.
    expect(titles).not.toContain(undefined);
  });

  it('has its numbers as a table', () => {
    const rows = drawing.data[drawing.table.data];
    expect(rows.length).toBeGreaterThan(0);
    for (const { field, heading } of drawing.table.columns) {
      expect(heading).not.toBe('');
      expect(rows.some((row) => row[field] !== undefined)).toBe(true);
    }
  });

  it('offers only series that it draws', () => {
    const drawn = new Set(Object.values(drawing.data).flatMap((rows) => rows.map((row) => row['series'])));
    for (const { name, colour } of drawing.series ?? []) {
      expect(drawn).toContain(name);
      expect(Object.values(COLOURS).map(([light]) => light)).toContain(colour);
    }
  });

  it('draws the same bytes twice, without ids that two charts of a page could share', async () => {
    expect(await svgOf(drawingOf(chart), WIDE)).toBe(wide);
    expect(wide).toMatch(/^<svg [^>]*viewBox/);
    expect(wide).not.toMatch(/NaN|undefined|Infinity/);
    expect(wide).not.toMatch(/ id="/);
  });

  it('fits its width, with what stands beside the plots', async () => {
    for (const [width, svg] of [
      [WIDE, wide],
      [SLIM, await svgOf(drawing, SLIM)],
    ] as const) {
      const [, drawn] = /viewBox="0 0 ([\d.]+)/.exec(svg)!;
      expect(Number(drawn)).toBeLessThanOrEqual(width * 1.12);
    }
  });

  it('makes a picture file', () => {
    const png = pngOf(standaloneSvg(drawing, wide));
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect(png.readUInt32BE(16)).toBeGreaterThanOrEqual(2 * WIDE);
  });

  it('draws beside a point of which nothing was counted', async () => {
    for (const data of DATA) {
      const idle = idleOf(data.points[0]);
      const drawn = chart.draw({ ...data, points: [idle, ...data.points], detailed: [idle, ...data.detailed] });
      if (drawn !== undefined) expect(await svgOf(drawn, SLIM)).not.toMatch(/NaN|undefined|Infinity/);
    }
  });

  it('has nothing to say about nothing', () => {
    expect(chart.draw(EMPTY)).toBeUndefined();
  });
});
