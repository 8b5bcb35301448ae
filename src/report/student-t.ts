/** Quantiles of Student's t for any level: what a verdict needs that was looked for many times. */

/**
 * Share of the distribution within ±t. For whole degrees of freedom the integral is a finite sum: M. Abramowitz and I. A. Stegun,
 * Handbook of Mathematical Functions, 26.7.3 (odd) and 26.7.4 (even).
 */
function within(t: number, degrees: number): number {
  // Sine and cosine of atan(t / √degrees).
  const hypotenuse = Math.sqrt(degrees + t * t);
  const [sine, cosine] = [t / hypotenuse, Math.sqrt(degrees) / hypotenuse];
  const isOdd = degrees % 2 === 1;
  let term = isOdd ? cosine : 1;
  let sum = degrees === 1 ? 0 : term;
  for (let power = isOdd ? 3 : 2; power <= degrees - 2; power += 2) {
    term *= (cosine * cosine * (power - 1)) / power;
    sum += term;
  }
  return isOdd ? (2 / Math.PI) * (Math.atan(t / Math.sqrt(degrees)) + sine * sum) : sine * sum;
}

const LARGEST = 1e9;
const HALVINGS = 80;

/** The t that is exceeded, on one side, with probability `tail`, 0 < tail < 0.5; `degrees` is a whole number from 1. */
export function studentTQuantile(degrees: number, tail: number): number {
  let [low, high] = [0, LARGEST];
  for (let i = 0; i < HALVINGS; i++) {
    const middle = (low + high) / 2;
    if ((1 - within(middle, degrees)) / 2 > tail) low = middle;
    else high = middle;
  }
  return high;
}
