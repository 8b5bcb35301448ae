/** Goodness of fit, for tests of samplers with fixed seeds. */

/** Pearson's statistic. */
export function chiSquare(observed: ArrayLike<number>, expected: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < observed.length; i++) sum += (observed[i] - expected[i]) ** 2 / expected[i];
  return sum;
}

/** Upper 0.1 % point of the chi-square distribution (Wilson and Hilferty's approximation). */
export function chiSquareLimit(degrees: number): number {
  const t = 2 / (9 * degrees);
  return degrees * (1 - t + 3.09 * Math.sqrt(t)) ** 3;
}
