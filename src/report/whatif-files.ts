/** The answer of a search as files: every value tried, every run behind it, and all of it as JSON. */
import type { Cell } from './columns/column.ts';
import { csvTable } from './csv.ts';
import { decidingHalf, type GoalLimit, goalVerdict, isMet, metricEstimate } from './whatif-goals.ts';
import { isMonotonic, type SearchCase, type TriedValue, type WhatifResult, whatifSentences } from './whatif.ts';

const TRIED = [
  ...['case', 'path', 'value', 'value_text', 'metric', 'goal', 'seeds', 'mean', 'half_95', 'half_verdict', 'verdict'],
  'mean_meets',
];

/** tried.csv: one goal at one value. `half_verdict`: the interval that the verdict rests on; empty for one seed. */
export function triedCsv(result: WhatifResult): string {
  const rows = result.cases.flatMap((one) =>
    one.tried.flatMap((tried) => result.goals.map((goal) => triedRow(one, tried, goal, result))),
  );
  return csvTable(TRIED, rows);
}

function triedRow(
  { name }: SearchCase,
  { x, samples }: TriedValue,
  goal: GoalLimit,
  { path, text, risk }: WhatifResult,
): Cell[] {
  const value = metricEstimate(goal.metric, samples);
  const half = value === undefined ? undefined : decidingHalf(value, risk);
  return [
    ...[name, path, x, text(x), goal.metric, goal.text, samples.length, value?.mean, value?.half, half],
    ...[goalVerdict(goal, samples, risk), String(value !== undefined && isMet(value.mean, goal))],
  ];
}

/** runs.csv: one seed at one value, with the goals' metrics. */
export function runsCsv({ cases, goals, path }: WhatifResult): string {
  const metrics = [...new Set(goals.map(({ metric }) => metric))];
  const rows = cases.flatMap(({ name, tried }) =>
    tried.flatMap(({ x, samples }) =>
      samples.map((row) => [name, path, x, row['seed'], ...metrics.map((metric) => row[metric])]),
    ),
  );
  return csvTable(['case', 'path', 'value', 'seed', ...metrics], rows);
}

/** For answer.json and --json. */
export function whatifObject(result: WhatifResult): object {
  const { path, lo, hi, goals, runs, gridRuns, precision, cases, risk } = result;
  return {
    path,
    range: [lo, hi],
    goals: goals.map((goal) => goal.text),
    precision,
    confidence: { ofEachCase: 0.95, riskOfEachVerdict: risk },
    runs,
    gridRuns,
    answers: whatifSentences(result),
    cases: cases.map((one) => caseObject(one, result)),
  };
}

function caseObject(one: SearchCase, result: WhatifResult): object {
  const { answer, beyond, surely, tried } = one;
  return {
    case: one.name,
    edge: one.edge,
    value: answer?.x ?? null,
    valueText: answer === undefined ? null : result.text(answer.x),
    beyond: beyond?.x ?? null,
    surelyMeets: surely.meets ?? null,
    surelyFails: surely.fails ?? null,
    isMonotonic: isMonotonic(one, result),
    metrics: result.goals.map(({ metric }) => metricObject(metric, answer)),
    tried: tried.map(({ x, verdict, samples }) => ({ value: x, verdict, seeds: samples.length })),
  };
}

function metricObject(metric: string, answer: TriedValue | undefined): object {
  const value = answer === undefined ? undefined : metricEstimate(metric, answer.samples);
  return { metric, mean: value?.mean ?? null, half95: value?.half ?? null, seeds: value?.count ?? 0 };
}
