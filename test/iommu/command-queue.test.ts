import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CommandHandler, CommandQueue } from '../../src/iommu/command-queue.ts';

/** Writes down what is applied. */
class Log implements CommandHandler {
  readonly entries: string[] = [];
  drainedPs = 0;

  invalidatePages(
    domain: number,
    pasid: number,
    page: number,
    sizeLog2: number,
    walkCaches: boolean,
    at: number,
  ): void {
    this.entries.push(`${at} pages ${domain} ${pasid} ${page} ${sizeLog2} ${walkCaches}`);
  }
  invalidateAll(domain: number, pasid: number, at: number): void {
    this.entries.push(`${at} all ${domain} ${pasid}`);
  }
  invalidateDevice(bdf: number, at: number): void {
    this.entries.push(`${at} device ${bdf}`);
  }
  drainedAt(): number {
    return this.drainedPs;
  }
}

const spec = { entries: 8, commandNs: 10, completionWaitNs: 100 };

describe('CommandQueue', () => {
  it('applies effects in order, at the time at which each command has executed', () => {
    const log = new Log();
    const queue = new CommandQueue(spec, log);
    expect(queue.submitPages(1000, 5, -1, 0x1234, 13, true)).toBe(1000);
    expect(queue.submitPages(1000, 5, 7, 0x1234, 12, false)).toBe(1000);
    expect(queue.submitAll(1000, 6, -1)).toBe(1000);
    expect(queue.submitDevice(1000, 0x100)).toBe(1000);
    expect(queue.nextAt()).toBe(11_000);
    queue.process(10_999);
    expect(log.entries).toEqual([]);
    queue.process(31_000);
    expect(log.entries).toEqual(['11000 pages 5 -1 4660 13 true', '21000 pages 5 7 4660 12 false', '31000 all 6 -1']);
    expect(queue.nextAt()).toBe(41_000);
    queue.process(Infinity);
    expect(log.entries.at(-1)).toBe('41000 device 256');
    expect(queue.nextAt()).toBe(Infinity);
  });

  it('tells a completion wait when everything before it has executed', () => {
    const queue = new CommandQueue(spec, new Log());
    queue.submitAll(0, 1, -1);
    queue.submitAll(0, 1, -1);
    expect(queue.completionWait(0)).toBe(20_000 + 10_000 + 100_000);
    expect(queue.completionWait(500_000)).toBe(610_000);
  });

  it('lets a completion wait drain the requests in flight', () => {
    const log = new Log();
    const queue = new CommandQueue(spec, log);
    log.drainedPs = 1_000_000;
    expect(queue.completionWait(0)).toBe(1_100_000);
    expect(queue.submitAll(0, 1, -1)).toBe(0);
    expect(queue.completionWait(0)).toBe(1_110_000 + 110_000);
  });

  it('makes the submitter wait for a slot: a ring of 8 holds 7', () => {
    const queue = new CommandQueue(spec, new Log());
    for (let i = 0; i < 7; i++) expect(queue.submitAll(0, 1, -1)).toBe(0);
    expect(queue.submitAll(0, 1, -1)).toBe(10_000);
    expect(queue.submitAll(10_000, 1, -1)).toBe(20_000);
    expect([queue.fullStalls, queue.stalledPs]).toEqual([2, 20_000]);
    expect(queue.submitAll(85_000, 1, -1)).toBe(85_000);
  });

  it('counts commands, waits and busy time, and forgets counts but not commands', () => {
    const log = new Log();
    const queue = new CommandQueue(spec, log);
    queue.submitAll(0, 1, -1);
    queue.completionWait(0);
    expect([queue.commands, queue.completionWaits, queue.busyPs]).toEqual([2, 1, 120_000]);
    queue.resetCounts();
    expect([queue.commands, queue.completionWaits, queue.busyPs, queue.fullStalls]).toEqual([0, 0, 0, 0]);
    queue.process(Infinity);
    expect(log.entries).toEqual(['10000 all 1 -1']);
  });

  it('agrees with a list of all commands, whatever the order of submissions and effects', () => {
    const step = fc.record({
      kind: fc.constantFrom('pages', 'all', 'wait', 'process'),
      delay: fc.integer({ min: 0, max: 30_000 }),
      page: fc.nat(),
    });
    const steps = fc.array(step, { maxLength: 300 });
    fc.assert(
      fc.property(steps, fc.integer({ min: 2, max: 9 }), (list, entries) => {
        const log = new Log();
        const queue = new CommandQueue({ ...spec, entries }, log);
        const done: number[] = [];
        const expected: { at: number; text: string }[] = [];
        const submit = (now: number, costPs: number): number => {
          const slotFree = done.length < entries - 1 ? 0 : done[done.length - (entries - 1)];
          const at = Math.max(now, slotFree);
          done.push(Math.max(at, done.at(-1) ?? 0) + costPs);
          return at;
        };
        let now = 0;
        for (const { kind, delay, page } of list) {
          now += delay;
          if (kind === 'pages') {
            expect(queue.submitPages(now, 1, -1, page, 12, true)).toBe(submit(now, 10_000));
            expected.push({ at: done.at(-1)!, text: `${done.at(-1)} pages 1 -1 ${page} 12 true` });
          } else if (kind === 'all') {
            expect(queue.submitAll(now, 2, 3)).toBe(submit(now, 10_000));
            expected.push({ at: done.at(-1)!, text: `${done.at(-1)} all 2 3` });
          } else if (kind === 'wait') {
            submit(now, 110_000);
            expect(queue.completionWait(now)).toBe(done.at(-1));
          } else {
            queue.process(now);
            expect(log.entries).toEqual(expected.filter(({ at }) => at <= now).map(({ text }) => text));
          }
        }
        queue.process(Infinity);
        expect(log.entries).toEqual(expected.map(({ text }) => text));
      }),
    );
  });
});
