/** Differences of means with 95 % intervals. */
import { type Estimate, estimate, studentT95 } from './statistics.ts';

export interface Difference {
  /** other − base */
  readonly mean: number;
  /** Half the width of its 95 % interval; undefined when a side has one value only: nothing is known of the spread. */
  readonly half: number | undefined;
  readonly method: 'paired' | 'welch' | 'single';
  readonly isSignificant: boolean;
}

/**
 * Runs of the same seeds share their random numbers, so that their differences are compared pair by pair; otherwise Welch's test
 * (B. L. Welch, Biometrika 34, 1947) for two independent samples of unequal variance. `base` and `other` are values by seed.
 */
export function difference(
  base: ReadonlyMap<number, number>,
  other: ReadonlyMap<number, number>,
): Difference | undefined {
  const [a, b] = [estimate([...base.values()]), estimate([...other.values()])];
  if (a === undefined || b === undefined) return undefined;
  const sameSeeds = base.size === other.size && [...base.keys()].every((seed) => other.has(seed));
  if (sameSeeds && base.size > 1) return paired(base, other);
  if (a.count === 1 || b.count === 1) {
    return { mean: b.mean - a.mean, half: undefined, method: 'single', isSignificant: false };
  }
  return welch(a, b);
}

function paired(base: ReadonlyMap<number, number>, other: ReadonlyMap<number, number>): Difference {
  const { mean, half } = estimate([...base].map(([seed, value]) => other.get(seed)! - value))!;
  return { mean, half, method: 'paired', isSignificant: Math.abs(mean) > half };
}

/** Degrees of freedom by Welch and Satterthwaite, rounded down by the table of quantiles. */
function welch(a: Estimate, b: Estimate): Difference {
  const [errorA, errorB] = [squaredError(a), squaredError(b)];
  const sum = errorA + errorB;
  const degrees = sum === 0 ? 1 : (sum * sum) / ((errorA * errorA) / (a.count - 1) + (errorB * errorB) / (b.count - 1));
  const half = sum === 0 ? 0 : studentT95(Math.max(1, Math.floor(degrees))) * Math.sqrt(sum);
  const mean = b.mean - a.mean;
  return { mean, half, method: 'welch', isSignificant: Math.abs(mean) > half };
}

/** Square of the standard error of a mean, from its interval. */
function squaredError({ half, count }: Estimate): number {
  const error = half / studentT95(count - 1);
  return error * error;
}
