/** Whether the seeds of a point meet goals, and how sure that is. */
import type { PointRow } from './points.ts';
import { type Estimate, estimate } from './statistics.ts';

/** A metric's limit; `limit` is in the unit of the metric's column. */
export interface GoalLimit {
  readonly text: string;
  readonly metric: string;
  readonly atLeast: boolean;
  readonly limit: number;
}

export type Verdict = 'meets' | 'fails' | 'open';

/** Mean and 95 % interval of a metric over the rows that have a value; undefined when none has. */
export function metricEstimate(metric: string, rows: readonly PointRow[]): Estimate | undefined {
  return estimate(rows.map((row) => row[metric]).filter((value) => typeof value === 'number'));
}

/** open = the interval straddles the limit. Without a value a goal is not met. */
export function goalVerdict({ metric, atLeast, limit }: GoalLimit, rows: readonly PointRow[]): Verdict {
  const value = metricEstimate(metric, rows);
  if (value === undefined) return 'fails';
  const { mean, half } = value;
  const [worst, best] = atLeast ? [mean - half, mean + half] : [mean + half, mean - half];
  if (isMet(worst, atLeast, limit)) return 'meets';
  return isMet(best, atLeast, limit) ? 'open' : 'fails';
}

const isMet = (value: number, atLeast: boolean, limit: number): boolean => (atLeast ? value >= limit : value <= limit);

/** All goals together: one that fails decides. `leansTo` is what the means alone say. */
export function judgeGoals(
  goals: readonly GoalLimit[],
  rows: readonly PointRow[],
): { readonly verdict: Verdict; readonly leansTo: 'meets' | 'fails' } {
  const verdicts = goals.map((goal) => goalVerdict(goal, rows));
  const meansMeet = goals.every(({ metric, atLeast, limit }) => {
    const value = metricEstimate(metric, rows);
    return value !== undefined && isMet(value.mean, atLeast, limit);
  });
  const verdict = verdicts.includes('fails') ? 'fails' : verdicts.includes('open') ? 'open' : 'meets';
  return { verdict, leansTo: meansMeet ? 'meets' : 'fails' };
}
