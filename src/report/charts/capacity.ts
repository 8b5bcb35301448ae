/** Miss-ratio curve: the IOTLB hit ratio for every capacity, from one pass. */
import type { Chart, Drawing, Row, SeriesName, Spec } from './chart.ts';
import { type CapacityRow, type Dataset, spread, spreadNote } from './dataset.ts';
import { endLabelRoom, endLabels, sideAxis, tooltip } from './layout.ts';
import { number } from './metrics.ts';
import { NARROW } from './sizes.ts';
import { SERIES } from './theme.ts';

export const capacity: Chart = { id: 'hit-ratio-by-capacity', draw };

const HEIGHT_PX = 260;
const MOST_STEPS = 400;

function draw(data: Dataset): Drawing | undefined {
  // A point that only passes through has no lookups, and so no curve.
  const curves = data.detailed
    .flatMap((point) => curvesOf(point.label, point.capacities))
    .filter(({ steps }) => steps.length > 0);
  const shown = spread(curves, SERIES.length);
  if (shown.length === 0) return undefined;
  const series = shown.map(({ name }, i): SeriesName => ({ name, colour: SERIES[i] }));
  const rows = shown.flatMap(({ name, steps }) =>
    spread(steps, MOST_STEPS).map(
      ({ entries, hitRatio }): Row => ({
        series: name,
        entries,
        ratio: hitRatio,
        text: number(hitRatio),
        entriesText: number(entries),
      }),
    ),
  );
  const labels = endLabels(rows, series, 'ratio', [0, 1], HEIGHT_PX);
  return {
    title: 'Hit ratio by capacity',
    caption: `The IOTLB hit ratio that each number of entries would give, from one pass over the same lookups.${spreadNote(shown.length, curves.length)}`,
    description: `Rising lines; horizontal axis: IOTLB entries, logarithmic. ${shown.map(({ name, steps }) => `${name}: ${number(steps[0].hitRatio)} with ${number(steps[0].entries)} entries, ${number(steps.at(-1)!.hitRatio)} with ${number(steps.at(-1)!.entries)}`).join('; ')}.`,
    data: { rows, labels },
    table: {
      data: 'rows',
      columns: [
        { field: 'series', heading: 'Point' },
        { field: 'entriesText', heading: 'IOTLB entries' },
        { field: 'text', heading: 'Hit ratio' },
      ],
    },
    ...(series.length > 1 ? { series } : {}),
    spec: (width) => view(rows, series, width),
  };
}

function view(rows: readonly Row[], series: readonly SeriesName[], width: number): Spec {
  const domain = series.map(({ name }) => name);
  const isSingle = series.length < 2;
  const color = {
    field: 'series',
    type: 'nominal',
    scale: { domain, range: series.map((one) => one.colour) },
    legend: null,
  };
  const x = { field: 'entries', type: 'quantitative', ...entriesAxis(rows, width) };
  const y = { field: 'ratio', type: 'quantitative', scale: { domain: [0, 1] }, axis: sideAxis('IOTLB hit ratio', 1) };
  const tip = tooltip({ Point: 'series', 'IOTLB entries': 'entriesText', 'Hit ratio': 'text' });
  const [data, labels] = [{ name: 'rows' }, { name: 'labels' }];
  const text = { mark: { type: 'text', align: 'left', dx: 8, baseline: 'middle' }, data: labels };
  return {
    width: width - 62 - (isSingle ? 8 : 14 + endLabelRoom(series)),
    height: HEIGHT_PX,
    layer: [
      { data, mark: { type: 'line', strokeWidth: 2, interpolate: 'step-after' }, encoding: { x, y, color } },
      { data, mark: { type: 'point', filled: true, size: 50, opacity: 0 }, encoding: { x, y, color, tooltip: tip } },
      ...(isSingle ? [] : [{ ...text, encoding: { x, y, text: { field: 'label' }, color } }]),
    ],
  };
}

function entriesAxis(rows: readonly Row[], width: number): object {
  const all = rows.map((row) => row.entries as number);
  return {
    scale: { type: 'log', base: 2, domain: [Math.min(...all), Math.max(...all)], nice: false },
    axis: { title: 'IOTLB capacity (entries)', format: 'd', grid: true, tickCount: width < NARROW ? 5 : 10 },
  };
}

interface Curve {
  readonly name: string;
  readonly steps: readonly { readonly entries: number; readonly hitRatio: number }[];
}

/** Units and seeds of a point together: their hits at each capacity that any of them has a row for. */
function curvesOf(label: string, rows: readonly CapacityRow[]): Curve[] {
  return [...new Set(rows.map((row) => row.curve))].map((curve) => {
    const own = rows.filter((row) => row.curve === curve).sort((a, b) => a.entries - b.entries);
    return { name: curve === '' ? label : `${label}, ${curve}`, steps: added(own) };
  });
}

/** Rows ascend. Between its rows, and behind the last, a curve stays what it was. */
function added(rows: readonly CapacityRow[]): Curve['steps'] {
  const last = new Map<string, CapacityRow>();
  const lookups = new Map(rows.map((row) => [row.source, row.lookups]));
  const all = [...lookups.values()].reduce((sum, count) => sum + count, 0);
  const steps = new Map<number, number>();
  let hits = 0;
  for (const row of rows) {
    hits += row.hits - (last.get(row.source)?.hits ?? 0);
    last.set(row.source, row);
    if (all > 0) steps.set(row.entries, hits / all);
  }
  return [...steps].map(([entries, hitRatio]) => ({ entries, hitRatio }));
}
