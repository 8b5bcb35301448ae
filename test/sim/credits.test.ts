import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Credits } from '../../src/sim/credits.ts';

it('Credits: the earliest comes first, as from a sorted list', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 9 }), fc.array(fc.option(fc.nat(20)), { maxLength: 100 }), (count, steps) => {
      const credits = new Credits(count);
      const list = new Array<number>(count).fill(0);
      for (const step of steps) {
        if (step === null && list.length > 0) {
          expect(credits.earliest()).toBe(list[0]);
          credits.take();
          list.shift();
        } else if (step !== null && list.length < count) {
          credits.give(step);
          list.push(step);
          list.sort((a, b) => a - b);
        }
        expect(credits.count).toBe(list.length);
      }
    }),
  );
});
