import fc from 'fast-check';
import * as hdr from 'hdr-histogram-js';
import { describe, expect, it } from 'vitest';
import { Regions } from '../../src/kernel/kernel.ts';
import { HISTOGRAM_BUCKETS, HISTOGRAM_BYTES } from '../../src/kernel/layout.ts';
import { LatencyHistogram } from '../../src/sim/latency.ts';
import { bucketLow, emptyHistogram, meanOf, mergeHistograms, quantileOf } from '../../src/stats/histogram.ts';
import { createKernel } from '../support/kernel.ts';

const QUANTILES = [0, 0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1];

const kernel = createKernel();
const regions = new Regions(kernel.memory.buffer.byteLength);
const histogram = new LatencyHistogram(kernel, regions.take(HISTOGRAM_BYTES)).lay(regions);

/** As the kernel counts these values. */
function histogramOf(values: readonly number[]) {
  histogram.reset();
  for (const value of values) kernel.exports.histogramRecord(histogram.pointer, value);
  return histogram.data();
}

function bucketOf(value: number): number {
  return histogramOf([value]).counts.length - 1;
}

/** Nearest-rank quantile of the values themselves. */
function exactQuantile(values: readonly number[], quantile: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(quantile * sorted.length)) - 1];
}

/** Latencies over six decades, in ps. */
const latency = fc.integer({ min: 0, max: 2 ** 31 - 1 }).chain((top) => fc.integer({ min: 0, max: top }));

describe('buckets', () => {
  it('hold every value between their bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 46 - 1 }), (value) => {
        const bucket = bucketOf(value);
        expect(bucketLow(bucket)).toBeLessThanOrEqual(value);
        expect(bucketLow(bucket + 1)).toBeGreaterThan(value);
        expect(bucketLow(bucket + 1) / bucketLow(bucket)).toBeLessThanOrEqual(1 + 1 / 64);
      }),
    );
  });

  it('clamp what lies outside', () => {
    expect(bucketOf(0)).toBe(0);
    expect(bucketOf(2 ** 46)).toBe(HISTOGRAM_BUCKETS - 1);
    expect(bucketOf(1e300)).toBe(HISTOGRAM_BUCKETS - 1);
    expect(bucketLow(0)).toBe(1);
  });
});

describe('quantiles', () => {
  it('are within 1 % (or 1 ps) of the exact ones', () => {
    fc.assert(
      fc.property(fc.array(latency, { minLength: 1, maxLength: 400 }), (values) => {
        const data = histogramOf(values);
        for (const quantile of QUANTILES) {
          const exact = exactQuantile(values, quantile);
          expect(Math.abs(quantileOf(data, quantile) - exact)).toBeLessThanOrEqual(Math.max(1, exact * 0.01));
        }
        expect(data.count).toBe(values.length);
        expect(data.sum).toBe(values.reduce((total, value) => total + value, 0));
        expect([data.min, data.max]).toEqual([Math.min(...values), Math.max(...values)]);
      }),
    );
  });

  it('agree with HdrHistogram on a long-tailed distribution', () => {
    const reference = hdr.build({
      highestTrackableValue: 2 ** 40,
      numberOfSignificantValueDigits: 3,
      useWebAssembly: false,
    });
    const values: number[] = [];
    let state = 12345;
    for (let i = 0; i < 50_000; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      values.push(500_000 + Math.floor(1_000_000 / (0.0001 + state / 2 ** 32)));
    }
    for (const value of values) reference.recordValue(value);
    const data = histogramOf(values);
    for (const quantile of [0.5, 0.9, 0.99, 0.999]) {
      const expected = reference.getValueAtPercentile(quantile * 100);
      expect(Math.abs(quantileOf(data, quantile) / expected - 1)).toBeLessThan(0.01);
    }
    expect(meanOf(data) / reference.mean).toBeCloseTo(1, 3);
  });

  it('of nothing are 0', () => {
    expect(quantileOf(emptyHistogram(), 0.5)).toBe(0);
    expect(meanOf(emptyHistogram())).toBe(0);
  });
});

describe('a merge', () => {
  it('equals one histogram of all values', () => {
    fc.assert(
      fc.property(fc.array(fc.array(latency, { maxLength: 50 }), { maxLength: 5 }), (parts) => {
        expect(mergeHistograms(parts.map(histogramOf))).toEqual(histogramOf(parts.flat()));
      }),
    );
  });
});

it('a reset histogram is empty', () => {
  kernel.exports.histogramRecord(histogram.pointer, 1000);
  histogram.reset();
  expect(histogram.data()).toEqual(emptyHistogram());
});
