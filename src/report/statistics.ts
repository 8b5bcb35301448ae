/** Several seeds of one point: mean and 95 % confidence interval. */

/** Two-sided 95 % quantiles of Student's t for 1 to 30 degrees of freedom, then for 40, 60, 120 and infinitely many. */
const T95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145, 2.131, 2.12, 2.11,
  2.101, 2.093, 2.086, 2.08, 2.074, 2.069, 2.064, 2.06, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/** Between table entries the next smaller number of degrees counts: the interval is never too narrow. */
export function studentT95(degrees: number): number {
  if (degrees <= 30) return T95[degrees - 1];
  if (degrees < 40) return T95[29];
  if (degrees < 60) return 2.021;
  return degrees < 120 ? 2.0 : 1.98;
}

export interface Estimate {
  readonly mean: number;
  /** Half the width of the 95 % interval; 0 for a single value. */
  readonly half: number;
  readonly count: number;
}

/** undefined for no values. */
export function estimate(values: readonly number[]): Estimate | undefined {
  const count = values.length;
  if (count === 0) return undefined;
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  if (count === 1) return { mean, half: 0, count };
  const squares = values.reduce((sum, value) => sum + (value - mean) * (value - mean), 0);
  const error = Math.sqrt(squares / (count - 1) / count);
  // Equal values whose sum was rounded: what is left is not a spread.
  if (error <= Math.abs(mean) * 1e-14) return { mean: values[0], half: 0, count };
  return { mean, half: studentT95(count - 1) * error, count };
}
