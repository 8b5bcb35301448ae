import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../../src/sim/event-queue.ts';

/** The obvious queue: looks at all actors for every question. */
class Table {
  readonly due: number[] = new Array<number>(41).fill(Infinity);
  get topKey(): number {
    return Math.min(...this.due);
  }
  pop(): number {
    const actor = this.due.indexOf(this.topKey);
    this.due[actor] = Infinity;
    return actor;
  }
}

/** The first event that is not outdated. */
function popValid(queue: EventQueue): [key: number, actor: number] {
  for (;;) {
    const key = queue.topKey;
    const actor = queue.pop();
    if (actor >= 0) return [key, actor];
  }
}

describe('EventQueue', () => {
  it('gives actors by time, then number', () => {
    // Few distinct times (ties), long and short delays mixed: both the ring and the heap are used.
    const step = fc.record({
      actor: fc.nat(40),
      delay: fc.oneof(fc.nat(3), fc.nat(1000), fc.constant(Infinity)),
      pops: fc.nat(2),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 300 }), (steps) => {
        const queue = new EventQueue(41);
        const table = new Table();
        let now = 0;
        for (const { actor, delay, pops } of steps) {
          queue.due[actor] = table.due[actor] = now + delay;
          queue.push(actor);
          for (let i = 0; i < pops && table.topKey < Infinity; i++) {
            now = table.topKey;
            expect(popValid(queue)).toEqual([now, table.pop()]);
          }
          expect(queue.topKey).toBeLessThanOrEqual(table.topKey);
        }
      }),
    );
  });

  it('holds more events than it has actors', () => {
    const queue = new EventQueue(1);
    for (let i = 0; i < 5000; i++) {
      queue.due[0] = (i * 7919) % 5003;
      queue.push(0);
    }
    let last = -1;
    let events = 0;
    let valid = 0;
    for (; queue.topKey < Infinity; events++) {
      expect(queue.topKey).toBeGreaterThanOrEqual(last);
      last = queue.topKey;
      if (queue.pop() === 0) valid++;
    }
    expect([events, valid]).toEqual([5000, 1]);
  });
});
