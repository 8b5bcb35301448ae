import { describe, expect, it } from 'vitest';
import { amountText } from '../../../src/report/format.ts';
import { amount, axisTitle, axisUnit, bytesText, metricText } from '../../../src/report/charts/metrics.ts';

const value = (mean: number, half = 0) => ({ mean, half, count: 3 });

describe('an amount in a report', () => {
  it.each([207.2, 9235, 213_100, 2.5e9])('is written as sentences write it: %d ns', (ns) => {
    expect(amount(value(ns), metricText('translation_ns_mean', ns))).toBe(amountText(value(ns), 'ns'));
  });

  it('has its interval in the same unit', () => {
    expect(amount(value(213_100, 1200), metricText('translation_ns_mean', 213_100))).toBe('213.1 ± 1.2 µs');
  });

  it('stands without a unit where the heading has one, in that unit', () => {
    const text = metricText('translation_ns_mean', 213_100);
    expect(axisTitle(text)).toBe('Translation latency, mean (µs)');
    expect(amount(value(9235), { ...text, unit: '' })).toBe('9.235');
  });
});

describe('the unit of an axis', () => {
  it('stays ns as long as the numbers are short', () =>
    expect(axisUnit('ns', 99_000)).toEqual({ unit: 'ns', scale: 1 }));
  it('is larger for longer ones', () => {
    expect(axisUnit('ns', 213_100)).toEqual({ unit: 'µs', scale: 1e-3 });
    expect(axisUnit('ns', 4e6)).toEqual({ unit: 'ms', scale: 1e-6 });
  });
  it('is that of the column for everything but times', () => {
    expect(axisUnit('Gbit/s', 4e6)).toEqual({ unit: 'Gbit/s', scale: 1 });
  });
});

describe('bytes', () => {
  it.each([
    [64, '64 B'],
    [1500, '1500 B'],
    [4096, '4 KiB'],
    [9000, '9000 B'],
    [2176 * 1024, '2176 KiB'],
    [2 ** 30, '1 GiB'],
    [123_456_789, '117.7 MiB'],
  ])('%d are %s', (value, text) => expect(bytesText(value)).toBe(text));
});
