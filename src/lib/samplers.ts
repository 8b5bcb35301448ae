/** Distributions over a Prng. Only Math.exp and Math.log: their results are the same on every supported Node. */
import type { Prng } from './prng.ts';

/** Exponential variate with the given mean (same unit as the mean), ≥ 0 and finite. */
export function exponential(rng: Prng, mean: number): number {
  return -Math.log((rng.next53() + 1) * (1 / 9007199254740992)) * mean;
}

/** Shuffles the first `count` items in place, every order equally likely (Fisher–Yates). */
export function shuffle(rng: Prng, items: Float64Array, count: number = items.length): void {
  for (let last = count - 1; last > 0; last--) {
    const other = rng.below(last + 1);
    const item = items[last];
    items[last] = items[other]!;
    items[other] = item;
  }
}

/**
 * Zipf variates by rejection-inversion (Hörmann and Derflinger, "Rejection-inversion to generate variates from monotone
 * discrete distributions", ACM TOMACS 1996): exact, no tables, about 1.1 draws a variate.
 */
export class Zipf {
  readonly items: number;
  readonly exponent: number;
  private readonly hFirst: number;
  private readonly hLast: number;
  private readonly accept: number;

  /** Ranks 0 … items - 1 with probability ∝ 1 / (rank + 1)^exponent; exponent ≥ 0, items ≥ 1. */
  constructor(items: number, exponent: number) {
    this.items = items;
    this.exponent = exponent;
    this.hFirst = this.integral(1.5) - 1;
    this.hLast = this.integral(items + 0.5);
    this.accept = 2 - this.integralInverse(this.integral(2.5) - this.density(2));
  }

  next(rng: Prng): number {
    for (;;) {
      const u = this.hLast + rng.nextFloat() * (this.hFirst - this.hLast);
      const x = this.integralInverse(u);
      let k = Math.floor(x + 0.5);
      if (k < 1) k = 1;
      else if (k > this.items) k = this.items;
      if (k - x <= this.accept || u >= this.integral(k + 0.5) - this.density(k)) return k - 1;
    }
  }

  /** ∫ from 1 to x of t^-exponent dt; the series near exponent = 1 keeps it smooth. */
  private integral(x: number): number {
    const log = Math.log(x);
    const t = (1 - this.exponent) * log;
    return log * expm1Ratio(t);
  }

  private density(x: number): number {
    return Math.exp(-this.exponent * Math.log(x));
  }

  private integralInverse(value: number): number {
    const t = Math.max(-1, value * (1 - this.exponent));
    return Math.exp(value * log1pRatio(t));
  }
}

/** (e^t - 1) / t. */
function expm1Ratio(t: number): number {
  return Math.abs(t) > 1e-3 ? (Math.exp(t) - 1) / t : 1 + (t / 2) * (1 + (t / 3) * (1 + t / 4));
}

/** log(1 + t) / t. */
function log1pRatio(t: number): number {
  return Math.abs(t) > 1e-3 ? Math.log(1 + t) / t : 1 - t * (1 / 2 - t * (1 / 3 - t / 4));
}

/**
 * A fixed pseudo-random permutation of 0 … items - 1 without a table: mixing steps that are each a bijection of the
 * next power of two, walked until the image lies below `items` (cycle walking, under two steps on average).
 */
export class Permutation {
  readonly items: number;
  private readonly maskBits: number;
  private readonly multiplier: number;
  private readonly offset: number;

  /** 1 ≤ items ≤ 2^32. */
  constructor(items: number, rng: Prng) {
    this.items = items;
    this.maskBits = items <= 1 ? 1 : 32 - Math.clz32(items - 1);
    this.multiplier = (rng.nextU32() | 1) >>> 0;
    this.offset = rng.nextU32();
  }

  at(index: number): number {
    let image = index;
    do image = this.mix(image);
    while (image >= this.items);
    return image;
  }

  private mix(index: number): number {
    const drop = 32 - this.maskBits;
    const half = (this.maskBits >> 1) + 1;
    // Left-aligned arithmetic keeps only the low maskBits: (x << drop) >>> drop.
    let x = ((index + this.offset) << drop) >>> drop;
    x ^= x >>> half;
    x = (Math.imul(x, this.multiplier) << drop) >>> drop;
    x ^= x >>> half;
    x = (Math.imul(x, 0x9e3779b1) << drop) >>> drop;
    return (x ^ (x >>> half)) >>> 0;
  }
}
