/** Numbers for people; those of files are in csv.test.ts. */
import { describe, expect, it } from 'vitest';
import { amountText, estimateText, shortNumber, signedFixed } from '../../src/report/format.ts';

describe('a number for people', () => {
  it.each([
    [0, '0'],
    [0.000123456, '0.0001235'],
    [207.249, '207.2'],
    [84_264, '84264'],
    [999_999, '999999'],
    [123_456.7, '123500'],
    [999_999.96, '1M'],
    [16_240_000, '16.24M'],
    [-16_870_000, '-16.87M'],
    [1_180_000_000, '1.18G'],
    [2.5e12, '2.5T'],
    [7e15, '7P'],
  ])('%d is %s', (value, text) => expect(shortNumber(value)).toBe(text));

  it('has its interval in the same unit', () => {
    expect(estimateText({ mean: 0.5, half: 0.001525, count: 3 })).toBe('0.5 ±0.0015');
    expect(estimateText({ mean: 16_240_000, half: 3400, count: 3 })).toBe('16.24M ±0.0034M');
    expect(estimateText({ mean: 7, half: 0, count: 3 })).toBe('7');
    expect(estimateText(undefined)).toBe('–');
  });
});

describe('a value in a sentence', () => {
  it.each([
    [207.2, 'ns', '207.2 ns'],
    [999.94, 'ns', '999.9 ns'],
    [999.96, 'ns', '1 µs'],
    [9235, 'ns', '9.235 µs'],
    [213_100, 'ns', '213.1 µs'],
    [2_500_000_000, 'ns', '2.5 s'],
    [16_870_000, 'ns', '16.87 ms'],
    [16_870_000, 'ns/GB', '16.87 ms/GB'],
    [1.18e9, 'ns/GB', '1.18 s/GB'],
    [2 ** 27, 'bytes', '128 MiB'],
    [4096, 'bytes', '4096 bytes'],
    [356.2, 'Gbit/s', '356.2 Gbit/s'],
    [100_200_000, '1/s', '100.2M per s'],
    [84_264, '', '84264'],
  ])('%d %s is %s', (mean, unit, text) => expect(amountText({ mean, half: 0 }, unit)).toBe(text));

  it('has the unit of what it is compared with', () => {
    expect(amountText({ mean: 482_800, half: 0 }, 'ns/GB', 16_870_000)).toBe('0.4828 ms/GB');
    expect(amountText({ mean: 482_800, half: 0 }, 'ns/GB')).toBe('482.8 µs/GB');
  });

  it('has the unit of its mean for the interval too', () => {
    expect(amountText({ mean: 16_870_000, half: 20_000 }, 'ns/GB')).toBe('16.87 ± 0.02 ms/GB');
  });
});

describe('a difference with fixed decimals', () => {
  it.each([
    [1.25, 1, '+1.3'],
    [-29.1, 1, '−29.1'],
    [0, 1, '0.0'],
    [-0.04, 1, '0.0'],
    [0.004, 2, '0.00'],
    [-100, 0, '−100'],
  ])('%d to %d', (value, decimals, text) => expect(signedFixed(value, decimals)).toBe(text));
});
