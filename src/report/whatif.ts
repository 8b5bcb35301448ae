/** The answer of a search for the largest or smallest value that meets goals: sentences, tables, a curve, files. */
import { csvTable } from './csv.ts';
import { decimal, shortNumber } from './format.ts';
import { metricColumn, type PointRow } from './points.ts';
import { curve } from './sparkline.ts';
import { drawTable, type TextColumn, visible } from './table.ts';
import { type Estimate } from './statistics.ts';
import { type GoalLimit, goalVerdict, metricEstimate, type Verdict } from './whatif-goals.ts';
import { stretches, turningPoint } from './whatif-shape.ts';

export interface TriedValue {
  readonly x: number;
  readonly verdict: Verdict;
  readonly leansTo: 'meets' | 'fails';
  /** One a seed, in the order of the seeds. */
  readonly samples: readonly PointRow[];
}

export interface SearchCase {
  /** '' when there is only one. */
  readonly name: string;
  /** The first quantity's number, where two were varied and it has one. */
  readonly at?: number | undefined;
  readonly tried: readonly TriedValue[];
  readonly edge: 'largest' | 'smallest';
  readonly answer: TriedValue | undefined;
  readonly beyond: TriedValue | undefined;
  readonly surely: { readonly meets: number | undefined; readonly fails: number | undefined };
}

export interface WhatifResult {
  readonly path: string;
  readonly lo: number;
  readonly hi: number;
  readonly geometric: boolean;
  readonly goals: readonly GoalLimit[];
  readonly cases: readonly SearchCase[];
  readonly seedsMost: number;
  readonly precision: number;
  /** A value as the scenario takes it. */
  readonly text: (x: number) => string;
  readonly runs: number;
  /** Runs that a grid of the same precision takes. */
  readonly gridRuns: number;
}

const ROWS = 24;
const MARKS: Readonly<Record<Verdict, string>> = { meets: '●', fails: '○', open: '◐' };
const WORDS: Readonly<Record<Verdict, string>> = { meets: 'meets', fails: 'fails', open: 'too close' };

const lastWord = (path: string): string => path.split('.').at(-1)!;
const goalText = ({ goals }: WhatifResult): string => goals.map(({ text }) => text).join(' and ');
const heading = (one: SearchCase): string => (one.name === '' ? '' : `${visible(one.name)}: `);

// ---- sentences -------------------------------------------------------------------------------------------------------
/** The answer of each case, and what speaks against it. */
export function whatifSentences(result: WhatifResult): string[] {
  return result.cases.flatMap((one) => [heading(one) + answerOf(one, result), ...caveats(one, result)]);
}

function answerOf(one: SearchCase, result: WhatifResult): string {
  const { text, path } = result;
  const { answer, beyond, edge, tried } = one;
  const range = `${path} from ${text(result.lo)} to ${text(result.hi)}`;
  if (answer === undefined) return `no value of ${range} meets ${goalText(result)}. ${nearest(tried, result)}`;
  if (isUnlimited(one)) {
    return `every value of ${range} meets ${goalText(result)}, as far as tried: the goal does not limit it here.`;
  }
  const found = `${path} of ${text(answer.x)} is the ${edge} that meets ${goalText(result)}`;
  if (beyond === undefined) return `${found}, and the ${edge === 'largest' ? 'upper' : 'lower'} end of the range.`;
  return `${found}${sureness(one, answer, beyond, result)}`;
}

const isUnlimited = ({ tried }: SearchCase): boolean => tried.every(({ leansTo }) => leansTo === 'meets');

function sureness({ surely }: SearchCase, answer: TriedValue, beyond: TriedValue, { text }: WhatifResult): string {
  if (answer.verdict === 'meets' && beyond.verdict === 'fails') return `; ${text(beyond.x)} does not (95 %).`;
  const ends = [surely.meets, surely.fails].map((x) => (x === undefined ? 'no value tried' : text(x)));
  return ` by the mean; ${ends[0]} surely meets it and ${ends[1]} surely does not (95 %).`;
}

/** How near the best value comes to the first goal that it misses. */
function nearest(tried: readonly TriedValue[], { goals, text }: WhatifResult): string {
  const goal = goals.find((each) => tried.every((point) => goalVerdict(each, point.samples) !== 'meets')) ?? goals[0];
  const known = tried.flatMap(({ x, samples }) => {
    const value = metricEstimate(goal.metric, samples);
    return value === undefined ? [] : [{ x, value }];
  });
  if (known.length === 0) return `${goal.metric} has no value there.`;
  const sign = goal.atLeast ? 1 : -1;
  const best = known.reduce((a, b) => (sign * b.value.mean > sign * a.value.mean ? b : a));
  return `Nearest: ${goal.metric} of ${amount(best.value, goal.metric)} at ${text(best.x)}.`;
}

function caveats(one: SearchCase, result: WhatifResult): string[] {
  const { text, goals, path } = result;
  const found = [...undecided(one, result)];
  const parts = stretches(one.tried);
  if (parts.length > 2) {
    const list = parts.map(
      ({ verdict, from, to }) => `${verdict} ${from === to ? `at ${text(from)}` : `from ${text(from)} to ${text(to)}`}`,
    );
    found.push(
      `  NOT MONOTONIC: ${lastWord(path)} ${list.join(', ')}. The answer is the ${one.edge} that meets the goal; values between may not.`,
    );
  }
  for (const { metric } of goals) {
    const turn = turningPoint(one.tried.map(({ x, samples }) => ({ x, value: metricEstimate(metric, samples) })));
    if (turn !== undefined)
      found.push(`  NOT MONOTONIC: ${metric} is ${turn.kind} at ${text(turn.x)} and turns there.`);
  }
  return found;
}

function undecided({ answer, beyond }: SearchCase, { seedsMost }: WhatifResult): string[] {
  if (answer === undefined || beyond === undefined) return [];
  if (answer.verdict === 'meets' && beyond.verdict === 'fails') return [];
  return [
    `  ${seedsMost} seeds do not decide between them: longer runs (--set run.requests=…) or --max-seeds narrow it.`,
  ];
}

function amount({ mean, half }: Estimate, metric: string): string {
  const { unit } = metricColumn(metric);
  return `${shortNumber(mean)}${half > 0 ? ` ± ${decimal(half, 2)}` : ''}${unit === '' ? '' : ` ${unit}`}`;
}

// ---- tables and curves -------------------------------------------------------------------------------------------------
/** Everything for the terminal, at most 80 columns wide. */
export function whatifText(result: WhatifResult): string {
  const { cases } = result;
  const parts = [
    whatifSentences(result)
      .map((line) => wrapped(line))
      .join('\n'),
  ];
  if (cases.length > 1) parts.push(frontierTable(result), frontierCurve(result));
  else parts.push(responseCurve(cases[0], result), triedTable(cases[0], result));
  parts.push(wrapped(effort(result)));
  return parts.filter((part) => part !== '').join('\n\n');
}

function effort({ runs, gridRuns, precision, cases, seedsMost }: WhatifResult): string {
  const values = cases.reduce((sum, { tried }) => sum + tried.length, 0);
  const share = precision === 0 ? 'every value' : `every ${shortNumber(precision * 100)} %`;
  return `${values} values tried in ${runs} runs, up to ${seedsMost} seeds each; a grid of ${share} takes ${gridRuns} runs`;
}

/** The first goal's metric over the quantity, with its limit. */
function responseCurve(one: SearchCase, result: WhatifResult): string {
  const [goal] = result.goals;
  const points = one.tried.flatMap(({ x, samples, verdict }) => {
    const value = metricEstimate(goal.metric, samples);
    return value === undefined ? [] : [{ x, y: value.mean, mark: MARKS[verdict] }];
  });
  const { geometric, text } = result;
  const drawn = curve({ points, geometric, limit: goal.limit, xText: text, yText: shortNumber });
  return drawn === ''
    ? ''
    : `${goal.metric} by ${lastWord(result.path)} (● meets, ○ fails, ◐ too close; ┄ goal)\n${drawn}`;
}

function frontierCurve(result: WhatifResult): string {
  const { cases, text } = result;
  const points = cases.flatMap(({ at, answer }) =>
    at === undefined || answer === undefined ? [] : [{ x: at, y: answer.x, mark: '●' }],
  );
  const xs = points.map(({ x }) => x);
  const low = Math.min(...xs);
  const geometric = low > 0 && Math.max(...xs) / low >= 8;
  const drawn = curve({ points, geometric, xText: shortNumber, yText: text });
  return drawn === ''
    ? ''
    : `frontier: ${edgesOf(cases)} ${lastWord(result.path)} with which the goal is met\n${drawn}`;
}

function frontierTable(result: WhatifResult): string {
  const { cases, text, path, goals } = result;
  const cell = (x: number | undefined): string => (x === undefined ? '–' : text(x));
  const at =
    (metric: string) =>
    ({ answer }: SearchCase) => {
      const value = answer === undefined ? undefined : metricEstimate(metric, answer.samples);
      return value === undefined ? '–' : estimateText(value);
    };
  const columns: TextColumn[] = [
    { heading: 'case', cells: cases.map(({ name }) => visible(name)) },
    {
      heading: `${edgesOf(cases)} ${lastWord(path)}`,
      cells: cases.map((one) => (isUnlimited(one) ? 'any' : cell(one.answer?.x))),
    },
    { heading: 'surely meets', cells: cases.map((one) => cell(limited(one)?.meets)) },
    { heading: 'surely fails', cells: cases.map((one) => cell(limited(one)?.fails)) },
    ...goals.map(({ metric }) => ({ heading: metric.replaceAll('_', ' '), cells: cases.map(at(metric)) })),
  ];
  return drawTable(columns, 1);
}

/** What is sure about the edge of a case that has one. */
const limited = (one: SearchCase): SearchCase['surely'] | undefined => (isUnlimited(one) ? undefined : one.surely);

const edgesOf = (cases: readonly SearchCase[]): string =>
  [...new Set(cases.filter((one) => !isUnlimited(one)).map(({ edge }) => edge))].join('/ ');

/** Values tried, those nearest to the answer when there are too many. */
function triedTable({ tried, answer }: SearchCase, result: WhatifResult): string {
  const centre = answer === undefined ? 0 : tried.indexOf(answer);
  const from = Math.max(0, Math.min(tried.length - ROWS, centre - (ROWS >> 1)));
  const shown = tried.slice(from, from + ROWS);
  const columns: TextColumn[] = [
    { heading: lastWord(result.path), cells: shown.map(({ x }) => result.text(x)) },
    ...result.goals.map(({ metric }) => ({
      heading: metric.replaceAll('_', ' '),
      cells: shown.map(({ samples }) => estimateText(metricEstimate(metric, samples))),
    })),
    { heading: 'seeds', cells: shown.map(({ samples }) => String(samples.length)) },
    { heading: 'goal', cells: shown.map(({ verdict }) => WORDS[verdict]) },
  ];
  const note = shown.length < tried.length ? `\n(${tried.length - shown.length} more values in tried.csv)` : '';
  return `${drawTable(columns, 1)}${note}`;
}

function estimateText(value: Estimate | undefined): string {
  if (value === undefined) return '–';
  return value.half > 0 ? `${shortNumber(value.mean)} ±${decimal(value.half, 2)}` : shortNumber(value.mean);
}

/** Lines of at most 80 columns; what follows the first is indented. */
function wrapped(line: string): string {
  const indent = /^ */.exec(line)![0];
  const lines = [''];
  for (const word of line.trimStart().split(' ')) {
    const last = lines.at(-1)!;
    if (last !== '' && indent.length + last.length + 1 + word.length > 80) lines.push(`  ${word}`);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.map((text) => indent + text).join('\n');
}

// ---- files and JSON ----------------------------------------------------------------------------------------------------
/** tried.csv: one goal at one value. */
export function triedCsv({ cases, goals, path, text }: WhatifResult): string {
  const header = [
    'case',
    'path',
    'value',
    'value_text',
    'metric',
    'goal',
    'seeds',
    'mean',
    'half_95',
    'verdict',
    'mean_meets',
  ];
  const rows = cases.flatMap(({ name, tried }) =>
    tried.flatMap(({ x, samples }) =>
      goals.map((goal) => {
        const value = metricEstimate(goal.metric, samples);
        const meets = value !== undefined && (goal.atLeast ? value.mean >= goal.limit : value.mean <= goal.limit);
        const verdict = goalVerdict(goal, samples);
        return [
          name,
          path,
          x,
          text(x),
          goal.metric,
          goal.text,
          samples.length,
          value?.mean,
          value?.half,
          verdict,
          String(meets),
        ];
      }),
    ),
  );
  return csvTable(header, rows);
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
  const { path, lo, hi, goals, runs, gridRuns, precision, cases, text } = result;
  return {
    path,
    range: [lo, hi],
    goals: goals.map((goal) => goal.text),
    precision,
    runs,
    gridRuns,
    answers: whatifSentences(result),
    cases: cases.map((one) => ({
      case: one.name,
      edge: one.edge,
      value: one.answer?.x ?? null,
      valueText: one.answer === undefined ? null : text(one.answer.x),
      beyond: one.beyond?.x ?? null,
      surelyMeets: one.surely.meets ?? null,
      surelyFails: one.surely.fails ?? null,
      isMonotonic: caveats(one, result).every((line) => !line.includes('NOT MONOTONIC')),
      metrics: goals.map(({ metric }) => {
        const value = one.answer === undefined ? undefined : metricEstimate(metric, one.answer.samples);
        return { metric, mean: value?.mean ?? null, half95: value?.half ?? null, seeds: value?.count ?? 0 };
      }),
      tried: one.tried.map(({ x, verdict, samples }) => ({ value: x, verdict, seeds: samples.length })),
    })),
  };
}
