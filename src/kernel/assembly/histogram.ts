// Latency histograms (sim/latency.ts lays them out, stats/histogram.ts says what a bucket is).

import {
  HISTOGRAM_BUCKETS, HISTOGRAM_COUNTS, HISTOGRAM_LAST, HISTOGRAM_MAX, HISTOGRAM_MIN, HISTOGRAM_RUN, HISTOGRAM_SLOTS,
  HISTOGRAM_SUB_LOG2, HISTOGRAM_SUM, HISTOGRAM_VALUES, HISTOGRAM_WAITING,
} from '../layout';
import { increment } from './state';

/** Longer values do not wait. */
const U32_LIMIT: f64 = 4294967296;

/** Counts a value ≥ 0, a whole number of ps. Hits of an idle unit all take the same time: such a value is only counted up. */
// @ts-ignore: decorator
@inline
export function recordPs(histogram: usize, value: f64): void {
  if (value == load<f64>(histogram, HISTOGRAM_LAST)) {
    increment(histogram + HISTOGRAM_RUN);
    return;
  }
  recordOther(histogram, value);
}

// @ts-ignore: decorator
@inline
function recordOther(histogram: usize, value: f64): void {
  if (value >= U32_LIMIT) {
    countValue(histogram, value, 1);
    return;
  }
  const waiting = load<u32>(histogram, HISTOGRAM_WAITING);
  // The low bits of value + 2^52 are the number: a checked conversion takes twenty instructions.
  store<u32>(histogram + (waiting << 2), <u32>reinterpret<u64>(value + 4503599627370496.0), HISTOGRAM_VALUES);
  store<u32>(histogram, waiting + 1, HISTOGRAM_WAITING);
  if (waiting == HISTOGRAM_SLOTS - 1) histogramFlush(histogram);
}

/** Counts one value ≥ 0 for TypeScript. */
export function histogramRecord(histogram: usize, value: f64): void {
  recordPs(histogram, value);
}

/** Counts the values that wait; the last of them is the next to be only counted up. */
export function histogramFlush(histogram: usize): void {
  const run = load<f64>(histogram, HISTOGRAM_RUN);
  if (run != 0) {
    countValue(histogram, load<f64>(histogram, HISTOGRAM_LAST), run);
    store<f64>(histogram, 0, HISTOGRAM_RUN);
  }
  const end = histogram + (load<u32>(histogram, HISTOGRAM_WAITING) << 2);
  if (end == histogram) return;
  const counts = load<usize>(histogram, HISTOGRAM_COUNTS);
  let sum: f64 = 0;
  let value: f64 = 0;
  let least: u32 = 0xffffffff;
  let most: u32 = 0;
  for (let at = histogram; at < end; at += 4) {
    const whole = load<u32>(at, HISTOGRAM_VALUES);
    value = <f64>whole;
    const count = counts + (<usize>bucketOf(value) << 3);
    store<f64>(count, load<f64>(count) + 1);
    sum += value;
    least = select<u32>(whole, least, whole < least);
    most = select<u32>(whole, most, whole > most);
  }
  store<u32>(histogram, 0, HISTOGRAM_WAITING);
  store<f64>(histogram, value, HISTOGRAM_LAST);
  store<f64>(histogram, load<f64>(histogram, HISTOGRAM_SUM) + sum, HISTOGRAM_SUM);
  store<f64>(histogram, min(load<f64>(histogram, HISTOGRAM_MIN), <f64>least), HISTOGRAM_MIN);
  store<f64>(histogram, max(load<f64>(histogram, HISTOGRAM_MAX), <f64>most), HISTOGRAM_MAX);
}

/** Exponent and highest mantissa bits of the double. */
// @ts-ignore: decorator
@inline
function bucketOf(value: f64): i32 {
  const bucket = <i32>(reinterpret<u64>(value) >> (52 - HISTOGRAM_SUB_LOG2)) - (1023 << HISTOGRAM_SUB_LOG2);
  return select<i32>(bucket, 0, bucket > 0);
}

function countValue(histogram: usize, value: f64, times: f64): void {
  const bucket = min(bucketOf(value), HISTOGRAM_BUCKETS - 1);
  const count = load<usize>(histogram, HISTOGRAM_COUNTS) + (<usize>bucket << 3);
  store<f64>(count, load<f64>(count) + times);
  store<f64>(histogram, load<f64>(histogram, HISTOGRAM_SUM) + value * times, HISTOGRAM_SUM);
  store<f64>(histogram, min(load<f64>(histogram, HISTOGRAM_MIN), value), HISTOGRAM_MIN);
  store<f64>(histogram, max(load<f64>(histogram, HISTOGRAM_MAX), value), HISTOGRAM_MAX);
}
