import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { alignDown, alignUp, isPowerOfTwo, log2Ceil, roundUpPowerOfTwo } from '../../src/lib/bits.ts';

const anyInteger = fc.oneof(
  fc.integer({ min: 1, max: 100 }),
  fc.integer({ min: 2 ** 30 - 2, max: 2 ** 30 + 2 }),
  fc.integer({ min: 1, max: 2 ** 52 }),
);

describe('bits', () => {
  it('roundUpPowerOfTwo and log2Ceil agree with bigints', () => {
    fc.assert(
      fc.property(anyInteger, (n) => {
        let log2 = 0;
        while (1n << BigInt(log2) < BigInt(n)) log2++;
        expect(log2Ceil(n)).toBe(log2);
        expect(roundUpPowerOfTwo(n)).toBe(2 ** log2);
        expect(isPowerOfTwo(n)).toBe(BigInt(n) === 1n << BigInt(log2));
      }),
    );
  });

  it('alignDown and alignUp are exact above 2^32', () => {
    fc.assert(
      fc.property(anyInteger, fc.integer({ min: 1, max: 2 ** 20 }), (n, unit) => {
        const down = BigInt(alignDown(n, unit));
        expect(down).toBe((BigInt(n) / BigInt(unit)) * BigInt(unit));
        const up = BigInt(alignUp(n, unit));
        expect(up - BigInt(n) >= 0n && up - BigInt(n) < BigInt(unit) && up % BigInt(unit) === 0n).toBe(true);
      }),
    );
  });
});
