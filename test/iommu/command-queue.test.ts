import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CommandHandler, CommandQueue } from '../../src/iommu/command-queue.ts';
import { ringBytes, ringIn } from '../../src/iommu/command-ring.ts';
import { amdCommands } from '../../src/iommu/commands/amd.ts';
import * as K from '../../src/iommu/commands/command.ts';
import { vtdCommands } from '../../src/iommu/commands/vtd.ts';
import { encodeCommand } from '../../src/iommu/structures/amd-command.ts';
import { halves } from '../../src/iommu/structures/words.ts';

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
  invalidateEverything(at: number): void {
    this.entries.push(`${at} everything`);
  }
  invalidatePasid(domain: number, pasid: number, at: number): void {
    this.entries.push(`${at} pasid ${domain} ${pasid}`);
  }
  invalidateDeviceTlb(bdf: number, pasid: number, page: number, sizeLog2: number, at: number): void {
    this.entries.push(`${at} device tlb ${bdf} ${pasid} ${page} ${sizeLog2}`);
  }
  deviceTlbDoneAt(_bdf: number, at: number): number {
    return at + 400_000;
  }
  prefetch(bdf: number, pasid: number, page: number, sizeLog2: number, count: number, at: number): void {
    this.entries.push(`${at} prefetch ${bdf} ${pasid} ${page} ${sizeLog2} ${count}`);
  }
  completePpr(bdf: number, pasid: number, tag: number, status: number, at: number): void {
    this.entries.push(`${at} ppr ${bdf} ${pasid} ${tag} ${status}`);
  }
  illegalCommand(address: number, at: number): void {
    this.entries.push(`${at} illegal 0x${address.toString(16)}`);
  }
}

/** A queue whose ring of `entries` lies in the middle of some memory. */
function queueInMemory(log: Log, entries: number, encoding = amdCommands) {
  const words = new Int32Array(8 + ringBytes(entries) / 4 + 8).fill(-1);
  const ring = ringIn(words, 8, 0x7000_0000, entries);
  return { words, ring, queue: new CommandQueue({ ...spec, entries }, log, encoding, ring) };
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

describe('the ring', () => {
  it('holds the commands as the hardware reads them, at the places where head and tail say', () => {
    const { words, ring, queue } = queueInMemory(new Log(), 4);
    const slot = (i: number): number[] => [...words.subarray(8 + 4 * i, 12 + 4 * i)];
    const bits = (...record: Parameters<typeof encodeCommand>): number[] => [
      ...Int32Array.from(halves(encodeCommand(...record)), (half) => Number(half) | 0),
    ];
    queue.submitDevice(0, 0x4100);
    queue.submitPages(0, 7, -1, 0x1234, 12, true);
    queue.completionWait(0);
    expect([queue.headAt(0), queue.tail]).toEqual([0, 3]);
    expect(slot(0)).toEqual(bits('INVALIDATE_DEVTAB_ENTRY', { DeviceID: 0x4100 }));
    expect(slot(1)).toEqual(bits('INVALIDATE_IOMMU_PAGES', { DomainID: 7, PDE: 1, address: 0x1234000 }));
    expect(slot(2)).toEqual(bits('COMPLETION_WAIT', { S: 1, store: BigInt(ring.semaphoreAddress), data: 1 }));
    expect([queue.headAt(10_000), queue.headAt(20_000), queue.headAt(130_000)]).toEqual([1, 2, 3]);
    queue.submitAll(1e6, 9, 5);
    queue.submitAll(1e6, 9, 5);
    expect(queue.tail).toBe(1);
    expect(slot(0)).toEqual(slot(3));
    expect([...words.subarray(0, 8), ...words.subarray(-8)]).toEqual(new Array(16).fill(-1));
  });

  it('gets the semaphore when a completion wait has executed', () => {
    const { words, ring, queue } = queueInMemory(new Log(), 4);
    queue.completionWait(0);
    queue.completionWait(0);
    const semaphore = (): number => words[ring.semaphore];
    queue.process(109_999);
    expect(semaphore()).toBe(-1);
    queue.process(110_000);
    expect(semaphore()).toBe(1);
    queue.process(Infinity);
    expect([semaphore(), words[ring.semaphore + 1]]).toEqual([2, 0]);
  });

  it('may be written again before the effects of what stood there have come', () => {
    const log = new Log();
    const { queue } = queueInMemory(log, 3);
    let now = 0;
    for (let i = 0; i < 40; i++) now = queue.submitPages(now, 1, -1, i, 12, true);
    queue.process(Infinity);
    expect(log.entries.map((entry) => Number(entry.split(' ')[4]))).toEqual(Array.from({ length: 40 }, (_, i) => i));
  });
});

describe('commands of every kind', () => {
  const wanted: readonly (readonly [kind: number, fields: Partial<K.Command>, effect: string])[] = [
    [K.DEVICE_TLB, { device: 9, pasid: 3, page: 0x40, sizeLog2: 14 }, 'device tlb 9 3 64 14'],
    [K.PPR_RESPONSE, { device: 9, pasid: 3, data: 17, status: 1 }, 'ppr 9 3 17 1'],
    [K.DEVICE, { device: 9 }, 'device 9'],
  ];

  it.each([amdCommands, vtdCommands])('reach their handler: $name', (encoding) => {
    for (const [kind, fields, effect] of wanted) {
      const log = new Log();
      const { queue } = queueInMemory(log, 8, encoding);
      queue.submit(0, Object.assign(new K.Command().clear(kind), fields));
      queue.process(Infinity);
      expect(log.entries).toEqual([`10000 ${effect}`]);
    }
  });

  it('empty all caches by one command on AMD, by three on VT-d', () => {
    for (const [encoding, effects] of [
      [amdCommands, ['10000 everything']],
      [vtdCommands, ['10000 everything', '20000 pasid -1 -1', '30000 everything']],
    ] as const) {
      const log = new Log();
      const { queue } = queueInMemory(log, 8, encoding);
      queue.submitEverything(0);
      queue.process(Infinity);
      expect(log.entries).toEqual(effects);
    }
  });

  it('drop PASID entries: on AMD with all pages of the PASID, on VT-d by a command of their own', () => {
    const [amd, vtd] = [new Log(), new Log()];
    const queues = [queueInMemory(amd, 8).queue, queueInMemory(vtd, 8, vtdCommands).queue];
    for (const queue of queues) {
      queue.submitPasid(0, 6, 40);
      queue.process(Infinity);
    }
    expect([amd.entries, vtd.entries]).toEqual([['10000 all 6 40'], ['10000 pasid 6 40']]);
  });

  it('prefetch', () => {
    const log = new Log();
    const { queue } = queueInMemory(log, 8);
    queue.submit(0, Object.assign(new K.Command().clear(K.PREFETCH), { device: 3, page: 77, data: 4 }));
    queue.process(Infinity);
    expect(log.entries).toEqual(['10000 prefetch 3 -1 77 12 4']);
  });

  it('make a completion wait wait for the answers of devices', () => {
    const { queue } = queueInMemory(new Log(), 8);
    queue.submit(0, Object.assign(new K.Command().clear(K.DEVICE_TLB), { device: 3 }));
    expect(queue.completionWait(0)).toBe(410_000 + 100_000);
  });

  it('are counted by kind', () => {
    const { queue } = queueInMemory(new Log(), 8);
    queue.submitAll(0, 1, -1);
    queue.submitDevice(0, 1);
    queue.completionWait(0);
    queue.completionWait(0);
    expect([queue.byKind[K.PAGES], queue.byKind[K.DEVICE], queue.byKind[K.WAIT]]).toEqual([1, 1, 2]);
  });

  it.each([amdCommands, vtdCommands])('are counted by granularity: $name', (encoding) => {
    const { queue } = queueInMemory(new Log(), 64, encoding);
    queue.submitPages(0, 1, -1, 77, 12, true);
    queue.submitPages(0, 1, 3, 64, 18, false);
    queue.submitAll(0, 1, -1); // of a domain
    queue.submitAll(0, 1, 3); // of its PASID
    expect([queue.byKind[K.PAGES], queue.wholeDomains, queue.allContexts]).toEqual([4, 2, 0]);
    queue.submitEverything(0);
    const isVtd = encoding === vtdCommands;
    if (isVtd) queue.submit(0, Object.assign(new K.Command().clear(K.CONTEXTS), { domain: 1 }));
    expect([queue.wholeDomains, queue.allContexts, queue.byKind[K.CONTEXTS]]).toEqual([
      2,
      isVtd ? 1 : 0,
      isVtd ? 2 : 0,
    ]);
    queue.resetCounts();
    expect([queue.byKind[K.PAGES], queue.wholeDomains, queue.allContexts]).toEqual([0, 0, 0]);
  });
});

describe('an illegal command', () => {
  /** Opcode 15. */
  const submitIllegal = (queue: CommandQueue, now: number): number => queue.submitWords(now, 0, 15 << 28, 0, 0);

  it('is reported with its address and stops the processor', () => {
    const log = new Log();
    const { ring, queue } = queueInMemory(log, 8);
    queue.submitDevice(0, 1);
    submitIllegal(queue, 0);
    queue.submitDevice(0, 2);
    queue.process(Infinity);
    expect(log.entries).toEqual(['10000 device 1', `20000 illegal 0x${(ring.address + 16).toString(16)}`]);
    expect([queue.isHalted, queue.nextAt(), queue.headAt(1e9)]).toEqual([true, Infinity, 2]);
  });

  it('lets waits give up after 100 ms, and a full ring drop commands, until a restart goes on behind it', () => {
    const log = new Log();
    const { queue } = queueInMemory(log, 4);
    submitIllegal(queue, 0);
    expect(queue.completionWait(1000)).toBe(1000 + 100e9);
    expect(queue.submitDevice(0, 1)).toBe(0);
    expect(queue.submitDevice(5, 2)).toBe(10_000);
    expect(queue.submitDevice(5, 3)).toBe(5 + 100e9);
    expect(queue.timeouts).toBe(2);
    queue.restart(2e12);
    queue.process(Infinity);
    expect(log.entries.slice(1)).toEqual([`${2e12 + 120_000} device 1`, `${2e12 + 130_000} device 2`]);
    expect([queue.isHalted, queue.submitDevice(3e12, 3)]).toEqual([false, 3e12]);
  });

  it('is one with a reserved bit, too', () => {
    const { queue } = queueInMemory(new Log(), 4);
    queue.submitWords(0, 1 << 16, 2 << 28, 0, 0);
    expect(queue.isHalted).toBe(true);
  });
});
