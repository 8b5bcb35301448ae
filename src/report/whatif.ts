/** The answer of a search for the largest or smallest value that meets goals, in sentences. */
import { amountText } from './format.ts';
import { metricColumn, type PointRow } from './points.ts';
import type { Estimate } from './statistics.ts';
import { visible } from './visible.ts';
import { type GoalLimit, goalVerdict, metricEstimate, type Verdict } from './whatif-goals.ts';
import { isConstant, stretches, turningPoint } from './whatif-shape.ts';

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
  /** Risk of each verdict of a goal, so that all of a case are right with 95 %. */
  readonly risk: number;
}

export const lastWord = (path: string): string => path.split('.').at(-1)!;
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

export const isUnlimited = ({ tried }: SearchCase): boolean => tried.every(({ leansTo }) => leansTo === 'meets');

function sureness({ surely }: SearchCase, answer: TriedValue, beyond: TriedValue, { text }: WhatifResult): string {
  if (answer.verdict === 'meets' && beyond.verdict === 'fails') return `; ${text(beyond.x)} does not (95 %).`;
  const ends = [surely.meets, surely.fails].map((x) => (x === undefined ? 'no value tried' : text(x)));
  return ` by the mean; ${ends[0]} surely meets it and ${ends[1]} surely does not (95 %).`;
}

/** How near the best value comes to the first goal that it misses. */
function nearest(tried: readonly TriedValue[], { goals, text, risk }: WhatifResult): string {
  const isMissed = (goal: GoalLimit): boolean =>
    tried.every(({ samples }) => goalVerdict(goal, samples, risk) !== 'meets');
  const goal = goals.find(isMissed) ?? goals[0];
  const known = tried.flatMap(({ x, samples }) => {
    const value = metricEstimate(goal.metric, samples);
    return value === undefined ? [] : [{ x, value }];
  });
  if (known.length === 0) return `${goal.metric} has no value there.`;
  const sign = goal.atLeast ? 1 : -1;
  const best = known.reduce((a, b) => (sign * b.value.mean > sign * a.value.mean ? b : a));
  return `Nearest: ${goal.metric} of ${amount(best.value, goal.metric)} at ${text(best.x)}.`;
}

/** What speaks against the answer, or for another question. */
export function caveats(one: SearchCase, result: WhatifResult): string[] {
  const shapes = result.goals.flatMap(({ metric }) => shapeOf(metric, one, result));
  return [...undecided(one, result), ...patchwork(one, result), ...shapes].map((text) => `  ${text}`);
}

export const isMonotonic = (one: SearchCase, result: WhatifResult): boolean =>
  caveats(one, result).every((line) => !line.includes('NOT MONOTONIC'));

function undecided({ answer, beyond }: SearchCase, { seedsMost }: WhatifResult): string[] {
  if (answer === undefined || beyond === undefined) return [];
  if (answer.verdict === 'meets' && beyond.verdict === 'fails') return [];
  const seeds = seedsMost === 1 ? 'one seed does' : `${seedsMost} seeds do`;
  return [`${seeds} not decide between them: longer runs (--set run.requests=…) or --max-seeds narrow it.`];
}

/** The goal is met here and there. */
function patchwork(one: SearchCase, { text, path }: WhatifResult): string[] {
  const parts = stretches(one.tried);
  if (parts.length <= 2) return [];
  const place = (from: number, to: number): string =>
    from === to ? `at ${text(from)}` : `from ${text(from)} to ${text(to)}`;
  const list = parts.map(({ verdict, from, to }) => `${verdict} ${place(from, to)}`).join(', ');
  return [
    `NOT MONOTONIC: ${lastWord(path)} ${list}. The answer is the ${one.edge} that meets the goal; values between may not.`,
  ];
}

function shapeOf(metric: string, { tried }: SearchCase, { text, path }: WhatifResult): string[] {
  const points = tried.map(({ x, samples }) => ({ x, value: metricEstimate(metric, samples) }));
  if (isConstant(points))
    return [`${metric} does not depend on ${lastWord(path)} here: all values tried agree within their intervals.`];
  const turn = turningPoint(points);
  return turn === undefined ? [] : [`NOT MONOTONIC: ${metric} is ${turn.kind} at ${text(turn.x)} and turns there.`];
}

const amount = (value: Estimate, metric: string): string => amountText(value, metricColumn(metric).unit);
