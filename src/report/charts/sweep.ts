/** Metrics along the varied number of a sweep: a line a series, intervals as bands, published values as hollow marks. */
import type { Chart, Drawing, Row, SeriesName, Spec } from './chart.ts';
import { type Dataset, metric, spread } from './dataset.ts';
import { endLabelRoom, endLabels, linearDomain, sideAxis, tooltip } from './layout.ts';
import { amount, axisTitle, metricTextOf, type MetricText } from './metrics.ts';
import { NARROW } from './sizes.ts';
import { sweepAxis, type SweepAxis } from './sweep-axis.ts';
import { textWidth } from './text-width.ts';
import { FONT_SIZE, SERIES } from './theme.ts';

const MOST_PANELS = 4;
const PANEL_PX = 190;
/** More marks than this hide their lines. */
const MOST_MARKS = 400;

export const sweep: Chart = { id: 'sweep', draw };

function draw(data: Dataset): Drawing | undefined {
  const whole = sweepAxis(data.points);
  if (whole === undefined) return undefined;
  const axis = { ...whole, series: spread(whole.series, SERIES.length) };
  const known = data.table
    .map((name) => metricTextOf(data.points, name))
    .filter(({ name }) => valuesOf(data, name).size > 0);
  // A value that is the same everywhere needs no picture where another one changes.
  const changing = known.filter(({ name }) => valuesOf(data, name).size > 1);
  const metrics = (changing.length > 0 ? changing : known).slice(0, MOST_PANELS);
  if (metrics.length === 0) return undefined;
  const left =
    whole.series.length > axis.series.length
      ? ` ${axis.series.length} of ${whole.series.length} lines, evenly spaced.`
      : '';
  const series = seriesNames(axis);
  const rows = metrics.flatMap((text, panel) => lineRows(axis, series, text, panel));
  const published = metrics.flatMap((text, panel) => measuredRows(data, axis, series, text, panel));
  const domains = metrics.map((_, panel) =>
    linearDomain(
      [...rows, ...published].filter((row) => row.panel === panel).map((row) => (row.high ?? row.value) as number),
    ),
  );
  const labels = metrics.flatMap((_, panel) => {
    const own = rows.filter((row) => row.panel === panel);
    return endLabels(own, series, 'value', domains[panel], PANEL_PX);
  });
  const source = data.measured.find((row) => metrics.some((text) => text.name === row.metric))?.source;
  return {
    title: `${metrics[0].title}${metrics.length > 1 ? ' and more' : ''}, by ${axis.title}`,
    caption: `${caption(metrics, axis, rows, published.length > 0 ? source : undefined)}${left}`,
    description: describe(metrics, axis, rows),
    data: { rows, labels, published },
    table: {
      data: 'rows',
      columns: [
        ...(series.length > 1 ? [{ field: 'series', heading: 'Series' }] : []),
        { field: 'xText', heading: axis.title },
        { field: 'metric', heading: 'Metric' },
        { field: 'text', heading: 'Value' },
      ],
    },
    ...(series.length > 1 ? { series } : {}),
    spec: (width) => ({
      vconcat: metrics.map((text, i) =>
        panel(axis, series, text, i, domains[i], rows.length <= MOST_MARKS, i === metrics.length - 1, width),
      ),
      spacing: 34,
    }),
  };
}

const valuesOf = (data: Dataset, name: string): ReadonlySet<number> =>
  new Set(data.points.flatMap((point) => metric(point, name)?.mean ?? []));

const seriesNames = ({ series }: SweepAxis): SeriesName[] => series.map(({ name }, i) => ({ name, colour: SERIES[i] }));

function lineRows(axis: SweepAxis, series: readonly SeriesName[], text: MetricText, panel: number): Row[] {
  return axis.series.flatMap(({ points }, i) =>
    points.flatMap(({ x, point }) => {
      const value = metric(point, text.name);
      if (value === undefined) return [];
      const [mean, half] = [value.mean * text.scale, value.half * text.scale];
      const band = half > 0 ? { low: mean - half, high: mean + half } : {};
      return [
        {
          panel,
          series: series[i].name,
          x,
          xText: axis.text(x),
          metric: text.title,
          value: mean,
          text: amount(value, text),
          ...band,
        },
      ];
    }),
  );
}

function measuredRows(
  data: Dataset,
  axis: SweepAxis,
  series: readonly SeriesName[],
  text: MetricText,
  panel: number,
): Row[] {
  const published = data.measured.filter((row) => row.metric === text.name);
  return axis.series.flatMap(({ points }, i) =>
    points.flatMap(({ x, point }) =>
      published
        .filter((row) => Object.hasOwn(row.points, point.name))
        .map((row) => {
          const value = row.points[point.name] * text.scale;
          const shown = amount({ mean: row.points[point.name], half: 0, count: 1 }, text);
          return { panel, series: series[i].name, x, xText: axis.text(x), value, text: shown };
        }),
    ),
  );
}

function panel(
  axis: SweepAxis,
  series: readonly SeriesName[],
  text: MetricText,
  index: number,
  domain: readonly [number, number],
  withMarks: boolean,
  isLast: boolean,
  width: number,
): Spec {
  const names = series.map(({ name }) => name);
  const room = series.length > 1 ? 12 + endLabelRoom(series) : 0;
  const x = { field: 'x', type: 'quantitative', scale: xScale(axis), axis: xAxis(axis, isLast, width) };
  const y = {
    field: 'value',
    type: 'quantitative',
    scale: { domain, nice: false },
    axis: sideAxis(axisTitle(text), domain[1]),
  };
  const color = {
    field: 'series',
    type: 'nominal',
    scale: { domain: names, range: series.map((one) => one.colour) },
    legend: null,
  };
  const detail = { field: 'series', type: 'nominal' };
  const tip = tooltip({
    ...(series.length > 1 ? { Series: 'series' } : {}),
    [axis.title]: 'xText',
    [text.title]: 'text',
  });
  const only = (name: string) => ({ data: { name }, transform: [{ filter: `datum.panel === ${index}` }] });
  const reach = { type: 'point', filled: true, size: withMarks ? 34 : 60, opacity: withMarks ? 1 : 0 };
  return {
    width: width - 62 - room,
    height: PANEL_PX,
    layer: [
      {
        ...only('rows'),
        mark: { type: 'area', opacity: 0.22 },
        encoding: { x, y: { ...y, field: 'low' }, y2: { field: 'high' }, color, detail },
      },
      {
        ...only('rows'),
        mark: { type: 'line', strokeWidth: 2, interpolate: 'linear' },
        encoding: { x, y, color, detail },
      },
      { ...only('rows'), mark: reach, encoding: { x, y, color, tooltip: tip } },
      {
        ...only('published'),
        mark: { type: 'point', filled: false, size: 80, strokeWidth: 1.6 },
        encoding: { x, y, color, tooltip: tooltip({ Published: 'text', [axis.title]: 'xText' }) },
      },
      {
        ...only('labels'),
        mark: { type: 'text', align: 'left', dx: 8, baseline: 'middle' },
        encoding: {
          x: { datum: axis.values.at(-1), type: 'quantitative', scale: xScale(axis) },
          y,
          text: { field: 'label' },
          color,
        },
      },
    ],
  };
}

function xScale({ isLog, values }: SweepAxis): object {
  return isLog
    ? { type: 'log', base: 2, domain: [values[0], values.at(-1)], nice: false }
    : { domain: [values[0], values.at(-1)], nice: false, zero: false };
}

/** Marks at values that were run, as many as there is room for. The panels share the title below the last. */
function xAxis(axis: SweepAxis, isLast: boolean, width: number): object {
  const texts = axis.values.map(axis.text);
  const room = Math.max(...texts.map((text) => textWidth(text, FONT_SIZE))) + 10;
  const step = Math.max(1, Math.ceil((axis.values.length * room) / (width < NARROW ? 230 : 560)));
  const shown = axis.isLog || axis.values.length <= 12 ? axis.values.filter((_, i) => i % step === 0) : undefined;
  const words = new Map((shown ?? []).map((value) => [value, axis.text(value)]));
  const cases = [...words].map(([value, text]) => `datum.value === ${value} ? ${JSON.stringify(text)} : `).join('');
  const labels = shown === undefined ? { tickCount: 6 } : { values: shown, labelExpr: `${cases}datum.label` };
  return { title: isLast ? axis.title : null, grid: false, labelFlush: true, ...labels };
}

function caption(
  metrics: readonly MetricText[],
  axis: SweepAxis,
  rows: readonly Row[],
  source: string | undefined,
): string {
  const bands = rows.some((row) => row.low !== undefined) ? '; bands are 95 % intervals over the seeds' : '';
  const marks = source === undefined ? '' : `; hollow circles are published measurements (${source})`;
  const others =
    axis.together.length === 0
      ? ''
      : `, with which ${axis.together.join(' and ')} change${axis.together.length === 1 ? 's' : ''}`;
  return `${metrics.map(({ title }) => title).join('; ')}: against ${axis.title}${others}${bands}${marks}.`;
}

/** First and last value of each line. */
function describe(metrics: readonly MetricText[], axis: SweepAxis, rows: readonly Row[]): string {
  const parts = metrics.flatMap((text, panel) =>
    axis.series.flatMap(({ name }) => {
      const own = rows.filter((row) => row.panel === panel && row.series === name);
      const [first, last] = [own[0], own.at(-1)];
      if (first === undefined || last === undefined) return [];
      return [
        `${text.title}${name === '' ? '' : ` of ${name}`}: ${first.text} at ${first.xText}, ${last.text} at ${last.xText}`,
      ];
    }),
  );
  return `Lines in ${metrics.length} panels, horizontal axis ${axis.title}. ${parts.join('; ')}.`;
}
