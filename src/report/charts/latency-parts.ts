/** Where the time of a mean request goes. */
import type { Chart, Drawing } from './chart.ts';
import { type Dataset, meanOf, metric, type Point, possible, spreadNote } from './dataset.ts';
import { timeText } from '../format.ts';
import { axisUnit } from './metrics.ts';
import { type Part, stacked } from './stacked.ts';
import { colour } from './theme.ts';

export const latencyParts: Chart = { id: 'latency-parts', draw };

const PARTS: readonly Part[] = [
  { name: 'link and memory', colour: colour('g3'), isStrong: false },
  { name: 'lookups and order', colour: colour('c0'), isStrong: true },
  { name: 'wait for a walker', colour: colour('c4'), isStrong: true },
  { name: 'walks', colour: colour('c1'), isStrong: true },
];

function draw(data: Dataset): Drawing | undefined {
  const shown = data.detailed.filter((point) => metric(point, 'completion_ns_mean') !== undefined);
  if (shown.length === 0) return undefined;
  const bars = shown.map((point) => ({ label: point.label, values: partsOf(point) }));
  const most = Math.max(...shown.map((point) => meanOf(point, 'completion_ns_mean')));
  const { unit, scale } = axisUnit('ns', most);
  const scaled = bars.map(({ label, values }) => ({ label, values: values.map((value) => value * scale) }));
  const sentence = bars.map(
    ({ label, values }) => `${label}: ${values.map((value, i) => `${PARTS[i].name} ${timeText(value)}`).join(', ')}`,
  );
  return {
    title: 'Where the time of a request goes',
    caption: `Mean time from issue to completion; “lookups and order” is all translation time but walks: IOTLB lookups, waits in order and for others' walks.${spreadNote(shown.length, possible(data, shown.length))}`,
    description: `Stacked bars, one a point, time a request. ${sentence.join('; ')}.`,
    ...stacked({ parts: PARTS, bars: scaled, title: `Mean time of a request (${unit})`, unit }),
  };
}

/**
 * The parts add up to completion_ns_mean: walks and waits are totals over walks, spread over all requests. Prefetched
 * walks that no request waited for would count too much, so each part ends where the translation time does.
 */
function partsOf(point: Point): number[] {
  const requests = meanOf(point, 'requests');
  const translation = meanOf(point, 'translation_ns_mean');
  const share = (name: string): number =>
    requests === 0 ? 0 : (meanOf(point, name) * meanOf(point, 'walks')) / requests;
  const walk = Math.min(share('walk_ns_mean'), translation);
  const wait = Math.min(share('walk_wait_ns_mean'), translation - walk);
  return [Math.max(0, meanOf(point, 'completion_ns_mean') - translation), translation - walk - wait, wait, walk];
}
