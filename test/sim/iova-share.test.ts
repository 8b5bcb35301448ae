import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { othersPages } from '../../src/sim/iova-share.ts';

describe('the IOVAs of a domain behind several units', () => {
  it('are dealt so that every page is one unit’s, and each has some below 4 GiB', () => {
    const setting = fc.record({ units: fc.integer({ min: 1, max: 64 }), maskBits: fc.integer({ min: 32, max: 57 }) });
    fc.assert(
      fc.property(setting, fc.nat(), ({ units, maskBits }, where) => {
        const end = 2 ** (maskBits - 12);
        for (const page of [1, 0xfffff, end - 1, 1 + (where % (end - 1)), 1 + (where % 0xfffff)]) {
          const owners = Array.from({ length: units }, (_, unit) => othersPages(unit, units, maskBits)).filter(
            (others) => !others.some(([first, last]) => page >= first && page <= last),
          );
          expect(owners.length).toBe(1);
        }
        for (let unit = 0; unit < units; unit++) {
          const low = othersPages(unit, units, 32).reduce((sum, [first, last]) => sum + last - first + 1, 0);
          expect(0xfffff - low).toBeGreaterThanOrEqual(Math.floor(0xfffff / units));
        }
      }),
    );
  });
});
