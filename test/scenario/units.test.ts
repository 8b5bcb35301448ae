import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bareQuantity, dimensionOf, parseQuantity, show } from '../../src/scenario/units.ts';

const value = (text: string, dimension: Parameters<typeof parseQuantity>[1]) => {
  const parsed = parseQuantity(text, dimension);
  return 'value' in parsed ? parsed.value : parsed.error;
};

describe('parseQuantity', () => {
  it.each([
    ['4KiB', 'bytes', 4096],
    ['1.5MiB', 'bytes', 1_572_864],
    ['2 GB', 'bytes', 2e9],
    ['0x10B', 'bytes', 0x10b], // hex digits win: 0x10B has no unit
    ['100Gbps', 'gbps', 100],
    ['1.6Tbps', 'gbps', 1600],
    ['500Mbps', 'gbps', 0.5],
    ['2us', 'ns', 2000],
    ['2µs', 'ns', 2000],
    ['1500ps', 'ns', 1.5],
    ['0.1ns', 'ns', 0.1],
    ['10ms', 'ns', 1e7],
    ['1e3ns', 'ns', 1000],
  ] as const)('reads %s', (text, dimension, expected) => {
    if (text === '0x10B') expect(value(text, dimension)).toMatch(/has no unit/);
    else expect(value(text, dimension)).toBe(expected);
  });

  it.each([
    ['4', 'bytes', /has no unit/],
    ['4K', 'bytes', /unknown unit "K"; expected one of B, KiB/],
    ['4kib', 'bytes', /unknown unit/],
    ['', 'bytes', /is not a size/],
    ['KiB', 'bytes', /is not a size/],
    ['1.5B', 'bytes', /not a whole number of bytes/],
    ['0.5ps', 'ns', /not a whole number of picoseconds/],
    ['1e999s', 'ns', /not a finite number/],
    ['4KiB', 'ns', /unknown unit/],
    ['1 000 B', 'bytes', /is not a size/],
  ] as const)('refuses %s', (text, dimension, message) => {
    expect(value(text, dimension)).toMatch(message);
  });

  it('agrees with exact integer arithmetic on whole numbers of every unit', () => {
    const units = { B: 1n, KiB: 1024n, MiB: 1024n ** 2n, GiB: 1024n ** 3n, kB: 1000n, MB: 10n ** 6n };
    fc.assert(
      fc.property(fc.nat(4_000_000), fc.constantFrom(...Object.keys(units)), (count, unit) => {
        const exact = BigInt(count) * units[unit as keyof typeof units];
        expect(value(`${count}${unit}`, 'bytes')).toBe(Number(exact));
      }),
    );
  });

  it('never throws, whatever the text', () => {
    fc.assert(
      fc.property(fc.string(), fc.constantFrom('bytes', 'ns', 'gbps'), (text, dimension) => {
        const parsed = parseQuantity(text, dimension);
        expect('value' in parsed ? Number.isFinite(parsed.value) : parsed.error.length > 0).toBe(true);
      }),
    );
  });
});

describe('bareQuantity', () => {
  it('takes the number in the base unit', () => {
    expect(bareQuantity(2.5, 'ns')).toEqual({ value: 2.5 });
    expect(bareQuantity(2.5, 'bytes')).toHaveProperty('error');
  });
});

describe('dimensionOf', () => {
  it.each([
    ['windowBytes', 'bytes'],
    ['walkStartNs', 'ns'],
    ['gbps', 'gbps'],
    ['offeredGbps', 'gbps'],
    ['entries', undefined],
  ])('%s', (key, dimension) => expect(dimensionOf(key)).toBe(dimension));
});

describe('show', () => {
  it('makes control characters and direction overrides visible, and long text short', () => {
    expect(show('a\u001b[31m\u202e\u007f')).toBe('"a\\u001b[31m\\u202e\\u007f"');
    expect(show('x'.repeat(500)).length).toBeLessThanOrEqual(60);
    expect(show(18446744073709551616n)).toBe('18446744073709551616');
  });
});
