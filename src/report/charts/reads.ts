/** What walks read: table entries by stage and level, for each translated request. */
import type { Chart, Drawing } from './chart.ts';
import { countOf, type Dataset, type Point, possible, spreadNote } from './dataset.ts';
import { number } from './metrics.ts';
import { type Part, stacked } from './stacked.ts';
import { colour, type Token } from './theme.ts';

export const reads: Chart = { id: 'reads', draw };

const STAGES = [
  { stage: 'guest', token: 'g' },
  { stage: 'host', token: 'h' },
] as const;
const STRONGEST_PALE = 2;
const PALEST = 4;

function draw(data: Dataset): Drawing | undefined {
  const shown = data.detailed.filter((point) => walksOf(point) > 0);
  if (shown.length === 0) return undefined;
  const levels = STAGES.flatMap(({ stage, token }) => levelsOf(shown, stage).map((level) => ({ stage, token, level })));
  const parts = levels.map(
    ({ stage, token, level }): Part => ({
      name: `${stage} level ${level}`,
      colour: colour(`${token}${Math.min(level, PALEST)}` as Token),
      isStrong: level < STRONGEST_PALE,
    }),
  );
  const bars = shown.map((point) => ({
    label: point.label,
    values: levels.map(({ stage, level }) => readsAt(point, stage, level) / walksOf(point)),
  }));
  const total = (values: readonly number[]): string => number(values.reduce((sum, value) => sum + value, 0));
  return {
    title: 'Table entries that a walk reads',
    caption: `Mean reads a walk by stage and level; level 0 is the table that holds 4 KiB leaves.${spreadNote(shown.length, possible(data, shown.length))}`,
    description: `Stacked bars, one a point. ${bars.map(({ label, values }) => `${label}: ${total(values)} reads a walk, of which ${values.map((value, i) => `${number(value)} at ${parts[i].name}`).join(', ')}`).join('; ')}.`,
    ...stacked({ parts, bars, title: 'Table entries read a walk', unit: '' }),
  };
}

const walksOf = (point: Point): number => countOf(point, (row) => row.measure === 'walks');
const readsAt = (point: Point, stage: string, level: number): number =>
  countOf(point, (row) => row.measure === 'table_reads' && row.stage === stage && row.at === level);

function levelsOf(points: readonly Point[], stage: string): number[] {
  const levels = points.flatMap((point) =>
    point.walks.filter((row) => row.measure === 'table_reads' && row.stage === stage).map((row) => row.at),
  );
  return [...new Set(levels)].sort((a, b) => a - b);
}
