/**
 * Log-linear latency histograms: 64 buckets of equal width in every octave, so that a bucket's middle is within
 * 1/128 (0.8 %) of every value in it.
 *
 * The bucket of a value is the exponent and the six highest mantissa bits of its double (the kernel counts them:
 * assembly/histogram.ts); 0 and 1 share the first, values from 2^46 ps (70 s) on the last, with exact sum and maximum. The layout is that of HdrHistogram (Tene) with 64 sub-buckets. Byte order
 * is little-endian, as WebAssembly memory is.
 */
import { HISTOGRAM_SUB_LOG2 } from '../kernel/layout.ts';
import type { HistogramData } from './result.ts';

const SUB_BUCKETS = 1 << HISTOGRAM_SUB_LOG2;

const bits = new Float64Array(1);
const words = new Int32Array(bits.buffer);
const SHIFT = 20 - HISTOGRAM_SUB_LOG2;
const BIAS = 1023 * SUB_BUCKETS;

/** Smallest value of a bucket; `bucketLow(HISTOGRAM_BUCKETS)` is the end of the last. */
export function bucketLow(bucket: number): number {
  bits[0] = 0;
  words[1] = (bucket + BIAS) << SHIFT;
  return bits[0];
}

/** A copy of these buckets, without the empty ones at the end. */
export function trimmedHistogram(buckets: Float64Array, sum: number, min: number, max: number): HistogramData {
  let length = buckets.length;
  while (length > 0 && buckets[length - 1] === 0) length--;
  if (length === 0) return emptyHistogram();
  const counts = buckets.slice(0, length);
  return { counts, count: counts.reduce((total, bucketCount) => total + bucketCount, 0), sum, min, max };
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
