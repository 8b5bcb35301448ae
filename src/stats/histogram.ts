/**
 * Log-linear latency histograms: 64 buckets of equal width in every octave, so that a bucket's middle is within
 * 1/128 (0.8 %) of every value in it.
 *
 * The bucket of a value is the exponent and the six highest mantissa bits of its double: one store, one load, one shift
 * (2–3 ns on Node 20) instead of a logarithm. The layout is that of HdrHistogram (Tene) with 64 sub-buckets. Byte order
 * is little-endian, as WebAssembly memory is.
 */
import type { HistogramData } from './result.ts';

const SUB_LOG2 = 6;
const SUB_BUCKETS = 64;
const OCTAVES = 46;
/** Buckets of one histogram: [0, 2^46) ps is 70 s; longer values count in the last bucket (sum and max stay exact). */
export const HISTOGRAM_BUCKETS = OCTAVES * SUB_BUCKETS;

const bits = new Float64Array(1);
const words = new Int32Array(bits.buffer);
const SHIFT = 20 - SUB_LOG2;
const BIAS = 1023 * SUB_BUCKETS;

/** Bucket of a value ≥ 0 (0 and 1 share the first). */
export function bucketOf(value: number): number {
  bits[0] = value;
  const bucket = (words[1] >> SHIFT) - BIAS;
  if (bucket < 0) return 0;
  return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/** Smallest value of a bucket; `bucketLow(HISTOGRAM_BUCKETS)` is the end of the last. */
export function bucketLow(bucket: number): number {
  bits[0] = 0;
  words[1] = (bucket + BIAS) << SHIFT;
  return bits[0];
}

/** Values that wait to be counted together: recording is then short enough to be inlined, without boxing the value. */
const WAITING = 64;

/** A histogram that grows. Untouched buckets cost no real memory. */
export class Histogram {
  private readonly counts = new Float64Array(HISTOGRAM_BUCKETS);
  private readonly values = new Float64Array(WAITING);
  private waiting = 0;
  private total = 0;
  private min = Infinity;
  private max = -Infinity;

  /** Counts one value ≥ 0. */
  record(value: number): void {
    this.values[this.waiting++] = value;
    if (this.waiting === WAITING) this.countWaiting();
  }

  /** Sum of all values. */
  get sum(): number {
    this.countWaiting();
    return this.total;
  }

  private countWaiting(): void {
    for (let i = 0; i < this.waiting; i++) {
      const value = this.values[i];
      this.counts[bucketOf(value)]++;
      this.total += value;
      if (value < this.min) this.min = value;
      if (value > this.max) this.max = value;
    }
    this.waiting = 0;
  }

  reset(): void {
    this.counts.fill(0);
    this.waiting = 0;
    this.total = 0;
    this.min = Infinity;
    this.max = -Infinity;
  }

  /** A copy without the empty buckets at the end. */
  data(): HistogramData {
    this.countWaiting();
    const counts = trimmed(this.counts);
    const count = counts.reduce((sum, bucketCount) => sum + bucketCount, 0);
    if (count === 0) return emptyHistogram();
    return { counts, count, sum: this.total, min: this.min, max: this.max };
  }
}

function trimmed(counts: Float64Array): Float64Array {
  let length = counts.length;
  while (length > 0 && counts[length - 1] === 0) length--;
  return counts.slice(0, length);
}

/** `min` and `max` of a histogram without values are 0. */
export function emptyHistogram(): HistogramData {
  return { counts: new Float64Array(0), count: 0, sum: 0, min: 0, max: 0 };
}

/** The histogram of all values of all parts. */
export function mergeHistograms(parts: readonly HistogramData[]): HistogramData {
  const filled = parts.filter((part) => part.count > 0);
  if (filled.length === 0) return emptyHistogram();
  const counts = new Float64Array(Math.max(...filled.map((part) => part.counts.length)));
  const total = { counts, count: 0, sum: 0, min: Infinity, max: -Infinity };
  for (const part of filled) {
    part.counts.forEach((bucketCount, bucket) => (counts[bucket] += bucketCount));
    total.count += part.count;
    total.sum += part.sum;
    total.min = Math.min(total.min, part.min);
    total.max = Math.max(total.max, part.max);
  }
  return total;
}

/**
 * Smallest of the recorded integers that a share of at least `quantile` (0…1) does not exceed (nearest rank), within
 * 0.8 %; 0 when there are none. The largest value is exact.
 */
export function quantileOf(data: HistogramData, quantile: number): number {
  if (data.count === 0) return 0;
  const rank = Math.max(1, Math.ceil(quantile * data.count));
  if (rank >= data.count) return data.max;
  let seen = 0;
  let bucket = 0;
  while ((seen += data.counts[bucket]) < rank) bucket++;
  const middle = Math.floor((bucketLow(bucket) + bucketLow(bucket + 1)) / 2);
  return Math.min(data.max, Math.max(data.min, middle));
}

export function meanOf(data: HistogramData): number {
  return data.count === 0 ? 0 : data.sum / data.count;
}
