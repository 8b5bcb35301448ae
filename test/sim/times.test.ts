import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Regions } from '../../src/kernel/kernel.ts';
import { Engine } from '../../src/sim/engine.ts';
import { createKernel } from '../support/kernel.ts';
import { byteLink } from '../support/spec.mjs';

/** A hundred ports with their histograms. */
const MEMORY_BYTES = 8 << 20;

describe('due times', () => {
  it('give actors by time, then number', () => {
    // Few distinct times (ties), long and short delays mixed, some longer than keys can tell apart.
    const step = fc.record({
      actor: fc.nat(200),
      delay: fc.oneof(fc.nat(3), fc.nat(1000), fc.constantFrom(Infinity, 35e12, 35e12 + 1, 42e12)),
      events: fc.nat(2),
    });
    const counts = fc.constantFrom(1, 2, 8, 9, 64, 65, 201);
    fc.assert(
      fc.property(counts, fc.array(step, { minLength: 1, maxLength: 200 }), (actors, steps) => {
        const kernel = createKernel(MEMORY_BYTES);
        const engine = idleEngine(kernel, actors);
        const due = new Array<number>(actors).fill(Infinity);
        let nowPs = 0;
        let ran: [number, number][] = [];
        kernel.host = {
          fetch: () => 0,
          done: () => {},
          pageRequest: () => {},
          translate: () => 0,
          recorded: () => {},
          other: (a, at) => ran.push([a, at]),
        };
        for (const { actor, delay, events } of steps) {
          due[actor % actors] = nowPs + delay;
          kernel.exports.engineSchedule(engine.pointer, actor % actors, nowPs + delay);
          const expected: [number, number][] = [];
          for (let i = 0; i < events; i++) {
            const first = Math.min(...due);
            expect(kernel.exports.engineNext(engine.pointer)).toBe(first);
            if (first === Infinity) break;
            // Ties run in one go, in the order of their numbers.
            nowPs = first;
            due.forEach((at, a) => {
              if (at !== first) return;
              expected.push([a, at]);
              due[a] = Infinity;
            });
            kernel.exports.engineRun(engine.pointer, first + 0.5, 1);
          }
          expect(ran).toEqual(expected);
          ran = [];
        }
      }),
    );
  });

  it('stay in order when one comes before the time that keys count from', () => {
    const kernel = createKernel(MEMORY_BYTES);
    const engine = idleEngine(kernel, 9);
    const ran: number[] = [];
    kernel.host = {
      fetch: () => 0,
      done: () => {},
      pageRequest: () => {},
      translate: () => 0,
      recorded: () => {},
      other: (actor) => ran.push(actor),
    };
    const { engineSchedule, engineNext, engineRun } = kernel.exports;
    engineSchedule(engine.pointer, 7, 2 ** 52);
    expect(engineNext(engine.pointer)).toBe(2 ** 52); // from now on keys count from here
    for (const actor of [5, 2, 3]) engineSchedule(engine.pointer, actor, 10);
    expect(engineNext(engine.pointer)).toBe(10);
    engineRun(engine.pointer, Infinity, 1);
    expect(ran).toEqual([2, 3, 5, 7]);
  });
});

/** An engine whose timers and software can be scheduled at will: (actors - 1) / 2 devices, rounded up, that never send. */
function idleEngine(kernel: ReturnType<typeof createKernel>, actors: number): Engine {
  const model = {
    burstCapacity: 1,
    outstandingBursts: 1,
    operations: 0,
    start: () => {},
    nextBurst: () => false,
    burstDone: () => {},
    softwareAt: () => Infinity,
    software: () => {},
  };
  const link = byteLink(1);
  const timer = { timerAt: () => Infinity, timer: () => {} };
  return new Engine({
    kernel,
    regions: new Regions(MEMORY_BYTES),
    devices: Array.from({ length: Math.ceil((actors - 1) / 2) }, () => ({ ctx: 0, link, model, timer })),
    machine: {
      latency: { dmaReadNs: 1, dmaWriteNs: 1 } as never,
      order: { readWindow: 0, writeWindow: 0 },
    },
    commands: { nextAt: () => Infinity, process: () => {} },
  });
}
