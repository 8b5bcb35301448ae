/** How many entries walks read: one histogram a point. */
import type { Chart, Drawing, Row } from './chart.ts';
import { type Dataset, type Point, possible, spread, spreadNote } from './dataset.ts';
import { sideAxis, tooltip } from './layout.ts';
import { percent } from './metrics.ts';
import { NARROW } from './sizes.ts';
import { colour } from './theme.ts';
import { fittedLabel } from './ticks.ts';

export const depth: Chart = { id: 'walk-depth', draw };

const MOST = 9;

function draw(data: Dataset): Drawing | undefined {
  const walked = data.detailed.filter((point) => depthsOf(point).length > 0);
  const shown = spread(walked, MOST);
  if (shown.length === 0) return undefined;
  const rows = shown.flatMap(rowsOf);
  const deepest = Math.max(...rows.map((row) => row.reads as number));
  return {
    title: 'How deep walks go',
    caption: `Share of walks by the number of table entries they read; walk caches make them short.${spreadNote(shown.length, possible(data, walked.length))}`,
    description: `Histograms, one a point. ${shown.map((point) => `${point.label}: ${describe(point)}`).join('; ')}.`,
    data: { rows },
    table: {
      data: 'rows',
      columns: [
        { field: 'point', heading: 'Point' },
        { field: 'reads', heading: 'Entries read' },
        { field: 'text', heading: 'Share of walks' },
      ],
    },
    spec: (width) => {
      const names = shown.map((point) => point.label);
      const columns = Math.min(shown.length, width < NARROW ? 1 : 3);
      const plot = Math.floor((width - 60 - (columns - 1) * 46) / columns);
      const x = {
        field: 'reads',
        type: 'quantitative',
        scale: { domain: [0, deepest + 0.5], nice: false },
        axis: {
          title: 'Table entries read',
          grid: false,
          tickMinStep: 1,
          format: 'd',
          tickCount: Math.min(deepest + 1, 8),
        },
      };
      const y = {
        field: 'share',
        type: 'quantitative',
        scale: { domain: [0, 1] },
        axis: sideAxis('Share of walks (%)', 1, { labelExpr: 'format(datum.value * 100, "d")', tickCount: 3 }),
      };
      const bar = Math.max(2, Math.min(18, plot / (deepest + 1) - 2));
      return {
        data: { name: 'rows' },
        facet: {
          field: 'point',
          type: 'nominal',
          sort: names,
          header: { labelAnchor: 'start', labelPadding: 4, labelLimit: 0, labelExpr: fittedLabel(names, plot + 30) },
        },
        columns,
        spacing: { row: 26, column: 46 },
        spec: {
          width: plot,
          height: 96,
          mark: { type: 'bar', color: colour('c0'), size: bar },
          encoding: { x, y, tooltip: tooltip({ Point: 'point', 'Entries read': 'reads', 'Share of walks': 'text' }) },
        },
        resolve: { axis: { x: 'independent', y: 'independent' } },
      };
    },
  };
}

const depthsOf = (point: Point) => point.walks.filter((row) => row.measure === 'walks');

function rowsOf(point: Point): Row[] {
  const depths = depthsOf(point);
  const all = depths.reduce((sum, row) => sum + row.count, 0);
  return depths.map(({ at, count }) => ({
    point: point.label,
    reads: at,
    share: count / all,
    text: percent(count / all),
  }));
}

function describe(point: Point): string {
  return rowsOf(point)
    .sort((a, b) => (b.share as number) - (a.share as number))
    .slice(0, 3)
    .map((row) => `${row.text} read ${row.reads}`)
    .join(', ');
}
