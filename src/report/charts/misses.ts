/** Why IOTLB lookups miss. */
import type { Chart, Drawing } from './chart.ts';
import { type Dataset, meanOf, metric, type Point, possible, spreadNote } from './dataset.ts';
import { number } from './metrics.ts';
import { type Part, stacked } from './stacked.ts';
import { colour } from './theme.ts';

export const misses: Chart = { id: 'misses', draw };

const CAUSES: readonly (Part & { readonly column: string })[] = [
  { name: 'cold', column: 'iotlb_misses_cold', colour: colour('c0'), isStrong: true },
  { name: 'capacity', column: 'iotlb_misses_capacity', colour: colour('c1'), isStrong: true },
  { name: 'conflict', column: 'iotlb_misses_conflict', colour: colour('c4'), isStrong: true },
  { name: 'invalidated', column: 'iotlb_misses_invalidated', colour: colour('c3'), isStrong: true },
];

function draw(data: Dataset): Drawing | undefined {
  const shown = data.detailed.filter((point) => {
    return meanOf(point, 'iotlb_lookups') > 0 && metric(point, CAUSES[0].column) !== undefined;
  });
  if (!shown.some((point) => causesOf(point).some((value) => value > 0))) return undefined;
  const bars = shown.map((point) => ({ label: point.label, values: causesOf(point) }));
  return {
    title: 'Why lookups miss',
    caption: `IOTLB misses in a thousand first lookups. A larger IOTLB helps against capacity, more ways against conflict, neither against cold and invalidated.${spreadNote(shown.length, possible(data, shown.length))}`,
    description: `Stacked bars, one a point. ${bars.map(({ label, values }) => `${label}: ${values.map((value, i) => `${CAUSES[i].name} ${number(value)}`).join(', ')}`).join('; ')} in a thousand lookups.`,
    ...stacked({ parts: CAUSES, bars, title: 'Misses in 1000 lookups', unit: '' }),
  };
}

function causesOf(point: Point): number[] {
  return CAUSES.map(({ column }) => (1000 * meanOf(point, column)) / meanOf(point, 'iotlb_lookups'));
}
