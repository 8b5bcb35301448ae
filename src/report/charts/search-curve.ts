/** What a search tried: a goal's metric along the quantity, its limit, and where the answer lies. */
import { metricEstimate } from '../whatif-goals.ts';
import { lastWord, type SearchCase, type TriedValue, type WhatifResult } from '../whatif.ts';
import type { Drawing, Row, SeriesName, Spec } from './chart.ts';
import { spread } from './dataset.ts';
import { endLabelRoom, endLabels, linearDomain, sideAxis, tooltip } from './layout.ts';
import { amount, axisTitle, metricText, type MetricText } from './metrics.ts';
import { NARROW } from './sizes.ts';
import { uniqueLabels } from './text-width.ts';
import { colour, SERIES } from './theme.ts';
import { logTicks, marksAt, numberLabel } from './ticks.ts';

const PANEL_PX = 220;
const LABEL_CHARACTERS = 36;
const VERDICTS = { meets: 'meets the goals', fails: 'does not', open: 'too close to tell' } as const;

/** One panel a metric of the goals; filled marks meet all goals, hollow ones do not. */
export function searchCurve(result: WhatifResult): Drawing {
  const cases = spread(result.cases, SERIES.length);
  const labels = uniqueLabels(
    cases.map(({ name }) => name),
    LABEL_CHARACTERS,
  );
  const series = labels.map((name, i): SeriesName => ({ name, colour: SERIES[i] }));
  const metrics = [...new Set(result.goals.map(({ metric }) => metric))].map((name) =>
    metricText(name, mostOf(result, name)),
  );
  const rows = metrics.flatMap((text, panel) =>
    cases.flatMap((one, i) => one.tried.flatMap((tried) => rowOf(tried, text, panel, labels[i], result))),
  );
  const limits = metrics.flatMap((text, panel) => limitRows(result, text, panel));
  const answers = metrics.flatMap((_, panel) => cases.flatMap((one, i) => answerRow(one, panel, labels[i], result)));
  const domains = metrics.map((_, panel) => domainOf([...rows, ...limits], panel));
  const left = cases.length < result.cases.length ? ` ${cases.length} of ${result.cases.length} cases.` : '';
  return {
    title: `${metrics.map(({ title }) => title).join(' and ')}, by ${lastWord(result.path)}`,
    caption: `Every value that was tried, with bands of 95 % over its seeds: filled marks meet the goals, hollow ones do not, or are too close to tell. Dashed: the goal, and the answer.${left}`,
    description: `Lines in ${metrics.length === 1 ? 'one panel' : `${metrics.length} panels`}, horizontal axis ${result.path}. ${rows.map((row) => `${row.series === '' ? '' : `${row.series}, `}${row.xText}: ${row.text}, ${row.verdict}`).join('; ')}.`,
    data: {
      rows,
      limits,
      answers,
      labels: metrics.flatMap((_, panel) =>
        endLabels(
          rows.filter((row) => row.panel === panel),
          series,
          'value',
          domains[panel],
          PANEL_PX,
        ),
      ),
    },
    table: {
      data: 'rows',
      columns: [
        ...(series.length > 1 ? [{ field: 'series', heading: 'Case' }] : []),
        { field: 'xText', heading: lastWord(result.path) },
        { field: 'metric', heading: 'Metric' },
        { field: 'text', heading: 'Mean and 95 %' },
        { field: 'seeds', heading: 'Seeds' },
        { field: 'verdict', heading: 'Goals' },
      ],
    },
    ...(series.length > 1 ? { series } : {}),
    spec: (width) => ({
      vconcat: metrics.map((text, i) => panel(result, series, text, i, domains[i], width)),
      spacing: 34,
    }),
  };
}

const mostOf = ({ cases }: WhatifResult, name: string): number =>
  Math.max(0, ...cases.flatMap(({ tried }) => tried.map(({ samples }) => metricEstimate(name, samples)?.mean ?? 0)));

function rowOf(tried: TriedValue, text: MetricText, panel: number, series: string, result: WhatifResult): Row[] {
  const value = metricEstimate(text.name, tried.samples);
  if (value === undefined) return [];
  const [mean, half] = [value.mean * text.scale, value.half * text.scale];
  return [
    {
      panel,
      series,
      x: tried.x,
      xText: result.text(tried.x),
      metric: text.title,
      value: mean,
      low: mean - half,
      high: mean + half,
      text: amount(value, text),
      seeds: tried.samples.length,
      verdict: VERDICTS[tried.verdict],
      isMet: tried.verdict === 'meets' ? 1 : 0,
    },
  ];
}

function limitRows({ goals }: WhatifResult, text: MetricText, panel: number): Row[] {
  return goals
    .filter((goal) => goal.metric === text.name)
    .map(({ atLeast, limit }) => {
      const shown = amount({ mean: limit, half: 0, count: 1 }, text);
      return { panel, value: limit * text.scale, label: `goal: ${atLeast ? 'at least' : 'at most'} ${shown}` };
    });
}

function answerRow({ answer }: SearchCase, panel: number, series: string, { text }: WhatifResult): Row[] {
  return answer === undefined ? [] : [{ panel, series, x: answer.x, label: text(answer.x) }];
}

function domainOf(rows: readonly Row[], panel: number): [number, number] {
  const own = rows.filter((row) => row.panel === panel);
  return linearDomain(own.flatMap((row) => [row.value, row.high ?? row.value] as number[]));
}

/** What the layers of a panel share: its place, its encodings. */
interface Panel {
  readonly index: number;
  readonly x: Spec;
  readonly y: Spec;
  readonly color: Spec;
}

function panel(
  result: WhatifResult,
  series: readonly SeriesName[],
  text: MetricText,
  index: number,
  domain: readonly [number, number],
  width: number,
): Spec {
  const { lo, hi } = result;
  const isNamed = series.length > 1;
  const at = { index, x: quantityAxis(result, width), y: metricAxis(text, domain), color: seriesColour(series) };
  // Beside the line of the answer, on the side where there is room.
  const isLate = `datum.x > ${isLogarithmic(result) ? Math.sqrt(lo * hi) : (lo + hi) / 2}`;
  return {
    width: width - 62 - (isNamed ? 12 + endLabelRoom(series) : 12),
    height: PANEL_PX,
    layer: [
      band(at),
      ...goals(at),
      { ...only('answers', at), mark: DASHED, encoding: { x: at.x, color: at.color } },
      answerLabel(at, domain[0], `!(${isLate})`, 'left', 5),
      answerLabel(at, domain[0], isLate, 'right', -5),
      {
        ...only('rows', at),
        mark: { type: 'line', strokeWidth: 1.6 },
        encoding: { x: at.x, y: at.y, color: at.color },
      },
      points(at, pointTooltip(result, text, isNamed)),
      ...(isNamed ? [endNames(at, hi)] : []),
    ],
  };
}

const DASHED: Spec = { type: 'rule', strokeDash: [5, 4] };

const isLogarithmic = ({ geometric, lo }: WhatifResult): boolean => geometric && lo > 0;

function quantityAxis(result: WhatifResult, width: number): Spec {
  const { lo, hi, path } = result;
  const isLog = isLogarithmic(result);
  const ticks = isLog ? marksAt(logTicks(lo, hi, width < NARROW ? 4 : 8)) : { tickCount: 5 };
  const scale = isLog ? { type: 'log', domain: [lo, hi], nice: false } : { domain: [lo, hi], zero: false, nice: false };
  const axis = { title: lastWord(path), grid: false, labelExpr: numberLabel(hi), ...ticks };
  return { field: 'x', type: 'quantitative', scale, axis };
}

const metricAxis = (text: MetricText, domain: readonly [number, number]): Spec => ({
  field: 'value',
  type: 'quantitative',
  scale: { domain, nice: false },
  axis: sideAxis(axisTitle(text), domain[1]),
});

const seriesColour = (series: readonly SeriesName[]): Spec => ({
  field: 'series',
  type: 'nominal',
  scale: { domain: series.map(({ name }) => name), range: series.map((one) => one.colour) },
  legend: null,
});

/** Rows of a data set that belong to the panel, and to `filter` if there is one. */
function only(name: string, { index }: Panel, filter = ''): Spec {
  const own = `datum.panel === ${index}`;
  return { data: { name }, transform: [{ filter: filter === '' ? own : `${own} && ${filter}` }] };
}

const pointTooltip = ({ path }: WhatifResult, text: MetricText, isNamed: boolean): unknown =>
  tooltip({
    ...(isNamed ? { Case: 'series' } : {}),
    [lastWord(path)]: 'xText',
    [text.title]: 'text',
    Goals: 'verdict',
  });

const band = (at: Panel): Spec => ({
  ...only('rows', at),
  mark: { type: 'area', opacity: 0.22 },
  encoding: { x: at.x, y: { ...at.y, field: 'low' }, y2: { field: 'high' }, color: at.color },
});

const goals = (at: Panel): Spec[] => [
  { ...only('limits', at), mark: { ...DASHED, color: colour('ink') }, encoding: { y: at.y } },
  {
    ...only('limits', at),
    mark: { type: 'text', align: 'left', dx: 4, dy: -4, baseline: 'bottom' },
    encoding: { x: { value: 0 }, y: at.y, text: { field: 'label' } },
  },
];

const answerLabel = (at: Panel, bottom: number, filter: string, align: string, dx: number): Spec => ({
  ...only('answers', at, filter),
  mark: { type: 'text', align, dx, dy: -6, baseline: 'bottom', fontWeight: 'bold' },
  encoding: { x: at.x, y: { datum: bottom, type: 'quantitative' }, text: { field: 'label' }, color: at.color },
});

/** Filled where all goals are met. */
const points = (at: Panel, tip: unknown): Spec => ({
  ...only('rows', at),
  mark: { type: 'point', size: 44, opacity: 1, strokeWidth: 1.6 },
  encoding: {
    x: at.x,
    y: at.y,
    stroke: at.color,
    fill: { condition: { test: 'datum.isMet', ...at.color }, value: colour('paper') },
    tooltip: tip,
  },
});

const endNames = (at: Panel, right: number): Spec => ({
  ...only('labels', at),
  mark: { type: 'text', align: 'left', dx: 8, baseline: 'middle' },
  encoding: { x: { datum: right, type: 'quantitative' }, y: at.y, text: { field: 'label' }, color: at.color },
});
