/** Whether the seeds of a point meet goals, and how sure that is. */
import type { PointRow } from './points.ts';
import { studentTQuantile } from './student-t.ts';
import { type Estimate, estimate, studentT95 } from './statistics.ts';

/** A metric's limit; `limit` is in the unit of the metric's column. */
export interface GoalLimit {
  readonly text: string;
  readonly metric: string;
  readonly atLeast: boolean;
  readonly limit: number;
}

export type Verdict = 'meets' | 'fails' | 'open';

/** Probability with which one of the verdicts of a search may be wrong. */
const RISK = 0.05;

/**
 * The risk that each single look may take, so that all of them together are right with 95 % (Bonferroni's inequality): a value's
 * interval is looked at after every batch of seeds, and many values are tried. `looks` is the most that a search can need.
 */
export const riskOfLook = (looks: number, goals: number): number => RISK / Math.max(1, looks * goals);

/** Mean and 95 % interval of a metric over the rows that have a value; undefined when none has. */
export function metricEstimate(metric: string, rows: readonly PointRow[]): Estimate | undefined {
  return estimate(rows.map((row) => row[metric]).filter((value) => typeof value === 'number'));
}

/** Half the width of the interval that decides: its one-sided risk is `risk`. Infinity for one seed: its spread is not known. */
export function decidingHalf({ half, count }: Estimate, risk: number): number {
  if (count === 1) return Infinity;
  return half === 0 ? 0 : (half / studentT95(count - 1)) * studentTQuantile(count - 1, risk);
}

/** open = the interval straddles the limit. Without a value a goal is not met. */
export function goalVerdict(goal: GoalLimit, rows: readonly PointRow[], risk: number): Verdict {
  const value = metricEstimate(goal.metric, rows);
  if (value === undefined) return 'fails';
  const half = decidingHalf(value, risk);
  const [worst, best] = goal.atLeast ? [value.mean - half, value.mean + half] : [value.mean + half, value.mean - half];
  if (isMet(worst, goal)) return 'meets';
  return isMet(best, goal) ? 'open' : 'fails';
}

export const isMet = (value: number, { atLeast, limit }: GoalLimit): boolean =>
  atLeast ? value >= limit : value <= limit;

/** All goals together: one that fails decides. `leansTo` is what the means alone say. */
export function judgeGoals(
  goals: readonly GoalLimit[],
  rows: readonly PointRow[],
  risk: number,
): { readonly verdict: Verdict; readonly leansTo: 'meets' | 'fails' } {
  const verdicts = goals.map((goal) => goalVerdict(goal, rows, risk));
  const meansMeet = goals.every((goal) => {
    const value = metricEstimate(goal.metric, rows);
    return value !== undefined && isMet(value.mean, goal);
  });
  const verdict = verdicts.includes('fails') ? 'fails' : verdicts.includes('open') ? 'open' : 'meets';
  return { verdict, leansTo: meansMeet ? 'meets' : 'fails' };
}
