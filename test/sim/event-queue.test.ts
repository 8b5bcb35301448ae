import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventQueue } from '../../src/sim/event-queue.ts';

/** The obvious queue: sorts all events for every question. */
class SortedList {
  events: [key: number, actor: number][] = [];
  push(actor: number, key: number): void {
    if (key !== Infinity) this.events.push([key, actor]);
    this.events.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  }
  pop(): number {
    return this.events.shift()![1];
  }
  get topKey(): number {
    return this.events[0]?.[0] ?? Infinity;
  }
}

describe('EventQueue', () => {
  it('gives events by time, then actor, as a sorted list does', () => {
    // Few distinct times (ties), long and short ones mixed: both the ring and the heap are used.
    const step = fc.record({
      actor: fc.nat(40),
      delay: fc.oneof(fc.nat(3), fc.nat(1000), fc.constant(Infinity)),
      pops: fc.nat(2),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 300 }), (steps) => {
        const queue = new EventQueue(8);
        const list = new SortedList();
        let now = 0;
        for (const { actor, delay, pops } of steps) {
          queue.push(actor, now + delay);
          list.push(actor, now + delay);
          for (let i = 0; i < pops && list.topKey < Infinity; i++) {
            now = list.topKey;
            expect(queue.topKey).toBe(now);
            expect(queue.pop()).toBe(list.pop());
          }
          expect(queue.topKey).toBe(list.topKey);
        }
      }),
    );
  });

  it('holds more events than it was made for', () => {
    const queue = new EventQueue(1);
    for (let i = 0; i < 5000; i++) queue.push(i, (i * 7919) % 5003);
    const order: number[] = [];
    while (queue.topKey < Infinity) {
      order.push(queue.topKey);
      queue.pop();
    }
    expect(order).toHaveLength(5000);
    expect(order).toEqual([...order].sort((a, b) => a - b));
  });
});
