/** What happened when: throughput, hit ratio and latency over simulated time. */
import type { Chart, Drawing, Row, SeriesName, Spec } from './chart.ts';
import { type Dataset, type Interval, type Point, spread, spreadNote } from './dataset.ts';
import { endLabelRoom, endLabels, linearDomain, sideAxis, tooltip } from './layout.ts';
import { number } from './metrics.ts';
import { SERIES } from './theme.ts';

export const timeline: Chart = { id: 'timeline', draw };

const HEIGHT_PX = 150;
/** More intervals are joined: a line has no more pixels. */
const MOST_INTERVALS = 240;

interface Measure {
  readonly title: string;
  readonly value: (interval: Interval, lengthNs: number) => number | undefined;
}

const MEASURES: readonly Measure[] = [
  { title: 'Throughput (Gbit/s)', value: ({ bytes }, lengthNs) => (8 * bytes) / lengthNs },
  { title: 'IOTLB hit ratio', value: ({ hits, misses }) => (hits + misses === 0 ? undefined : hits / (hits + misses)) },
  { title: 'Translation latency, mean (ns)', value: ({ translationNs }) => translationNs },
];

function draw(data: Dataset): Drawing | undefined {
  const timed = data.detailed.filter((point) => point.timeline.length > 2);
  const shown = spread(timed, SERIES.length);
  if (shown.length === 0 || data.intervalNs <= 0) return undefined;
  const series = shown.map((point, i): SeriesName => ({ name: point.label, colour: SERIES[i] }));
  const unit = timeUnit(Math.max(...shown.map((point) => point.timeline.at(-1)!.timeNs)));
  const rows = shown.flatMap((point) => rowsOf(point, data.intervalNs, unit));
  const panels = MEASURES.map((measure, panel) => ({
    measure,
    panel,
    own: rows.filter((row) => row.panel === panel),
  })).filter(({ own }) => own.length > 0);
  return {
    title: 'Over time',
    caption: `Intervals of simulated time from the start of measurement, all devices together, first seed; without the last, unfinished one.${spreadNote(shown.length, data.points.length)}`,
    description: `Lines in ${panels.length} panels over simulated time in ${unit.name}. ${panels.map(({ measure, own }) => `${measure.title}: ${number(Math.min(...own.map((row) => row.value as number)))} to ${number(Math.max(...own.map((row) => row.value as number)))}`).join('; ')}.`,
    data: { rows, labels: panels.flatMap(({ own }) => endLabels(own, series, 'value', domainOf(own), HEIGHT_PX)) },
    table: {
      data: 'rows',
      columns: [
        { field: 'series', heading: 'Point' },
        { field: 'timeText', heading: 'Time' },
        { field: 'metric', heading: 'Metric' },
        { field: 'text', heading: 'Value' },
      ],
    },
    ...(series.length > 1 ? { series } : {}),
    spec: (width) => ({
      vconcat: panels.map(({ measure, panel, own }) => view(measure, panel, own, series, unit, width)),
      spacing: 34,
    }),
  };
}

interface TimeUnit {
  readonly name: string;
  readonly ns: number;
}
function timeUnit(lastNs: number): TimeUnit {
  if (lastNs >= 2e6) return { name: 'ms', ns: 1e6 };
  return lastNs >= 2e3 ? { name: 'µs', ns: 1e3 } : { name: 'ns', ns: 1 };
}

function rowsOf(point: Point, intervalNs: number, unit: TimeUnit): Row[] {
  // A run ends within an interval: its last one looks like a collapse.
  const whole = point.timeline.slice(0, -1);
  const joined = join(whole, Math.ceil(whole.length / MOST_INTERVALS));
  return joined.flatMap(({ interval, count }) =>
    MEASURES.flatMap(({ title, value }, panel) => {
      const amount = value(interval, intervalNs * count);
      if (amount === undefined) return [];
      const time = interval.timeNs / unit.ns;
      return [
        {
          panel,
          series: point.label,
          time,
          timeText: `${number(time)} ${unit.name}`,
          metric: title,
          value: amount,
          text: number(amount),
        },
      ];
    }),
  );
}

function join(intervals: readonly Interval[], size: number): { interval: Interval; count: number }[] {
  if (size <= 1) return intervals.map((interval) => ({ interval, count: 1 }));
  return Array.from({ length: Math.ceil(intervals.length / size) }, (_, i) => {
    const part = intervals.slice(i * size, (i + 1) * size);
    const sum = (value: (one: Interval) => number): number => part.reduce((all, one) => all + value(one), 0);
    const requests = sum((one) => one.requests);
    const translation = sum((one) => (one.translationNs ?? 0) * one.requests);
    const interval = {
      timeNs: part[0].timeNs,
      requests,
      bytes: sum((one) => one.bytes),
      hits: sum((one) => one.hits),
      misses: sum((one) => one.misses),
      translationNs: requests === 0 ? undefined : translation / requests,
    };
    return { interval, count: part.length };
  });
}

const domainOf = (own: readonly Row[]): [number, number] => linearDomain(own.map((row) => row.value as number));

function view(
  measure: Measure,
  panel: number,
  own: readonly Row[],
  series: readonly SeriesName[],
  unit: TimeUnit,
  width: number,
): Spec {
  const names = series.map(({ name }) => name);
  const room = series.length > 1 ? 14 + endLabelRoom(series) : 8;
  const last = Math.max(...own.map((row) => row.time as number));
  const x = {
    field: 'time',
    type: 'quantitative',
    scale: { domain: [0, last], nice: false },
    axis: { title: `Simulated time (${unit.name})`, grid: false, tickCount: 6 },
  };
  const domain = domainOf(own);
  const y = {
    field: 'value',
    type: 'quantitative',
    scale: { domain, nice: false },
    axis: sideAxis(measure.title, domain[1], { tickCount: 4 }),
  };
  const color = {
    field: 'series',
    type: 'nominal',
    scale: { domain: names, range: series.map((one) => one.colour) },
    legend: null,
  };
  const only = (name: string) => ({ data: { name }, transform: [{ filter: `datum.panel === ${panel}` }] });
  const tip = tooltip({ Point: 'series', Time: 'timeText', [measure.title]: 'text' });
  const label = {
    ...only('labels'),
    mark: { type: 'text', align: 'left', dx: 8, baseline: 'middle' },
    encoding: { x, y, text: { field: 'label' }, color },
  };
  return {
    width: width - 62 - room,
    height: HEIGHT_PX,
    layer: [
      { ...only('rows'), mark: { type: 'line', strokeWidth: 1.6 }, encoding: { x, y, color } },
      {
        ...only('rows'),
        mark: { type: 'point', filled: true, size: 50, opacity: 0 },
        encoding: { x, y, color, tooltip: tip },
      },
      ...(series.length > 1 ? [label] : []),
    ],
  };
}
