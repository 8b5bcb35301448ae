import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OP_READ, OP_WRITE } from '../../src/request.ts';
import { Engine, type EngineConfig } from '../../src/sim/engine.ts';
import type { LinkSpec } from '../../src/spec.ts';
import { Prng } from '../../src/lib/prng.ts';
import { type Burst, type DeviceModel, NEVER, type UniformPattern } from '../../src/traffic/device.ts';
import { quantileOf } from '../../src/stats/histogram.ts';
import { Regions } from '../../src/kernel/kernel.ts';
import { HEAP_BASE } from '../../src/kernel/layout.ts';
import { createKernel } from '../support/kernel.ts';
import { byteLink } from '../support/spec.mjs';
import { SlowEngine } from '../reference/slow-engine.ts';

/** Histograms are most of it. */
const ENGINE_MEMORY_BYTES = 2 ** 19;
const quiet = { timerAt: () => Infinity, timer: () => {} };
const noCommands = { nextAt: () => Infinity, process: () => {} };
/** One byte takes one nanosecond. */
const link: LinkSpec = byteLink(64);

interface Script {
  /** Requests of each burst: op and bytes. */
  readonly bursts: readonly (readonly (readonly [op: number, bytes: number])[])[];
  readonly earliestNs?: readonly number[];
  readonly outstanding?: number;
  /** Bursts that the software provides at a time, and how long after the last completion it looks. 0 = all are there. */
  readonly batch?: number;
  readonly delayNs?: number;
}

/** Sends the bursts of a script; its software provides them in batches. Logs what it is told. */
class ScriptedDevice implements DeviceModel {
  readonly burstCapacity: number;
  readonly outstandingBursts: number;
  readonly asksAhead: boolean;
  operations = 0;
  readonly done: string[] = [];
  private next = 0;
  private provided: number;
  /** When the software wants to run, for each completion that it has been told of ahead of time. */
  private wakesPs: number[];
  private readonly script: Script;
  private readonly first: number;

  constructor(script: Script, first: number, asksAhead = false) {
    this.script = script;
    this.first = first;
    this.asksAhead = asksAhead;
    this.burstCapacity = Math.max(...script.bursts.map((burst) => burst.length));
    this.outstandingBursts = script.outstanding ?? Infinity;
    this.provided = (script.batch ?? 0) === 0 ? script.bursts.length : 0;
    this.wakesPs = this.provided === 0 ? [1000] : [];
  }

  start(): void {}

  nextBurst(nowPs: number, burst: Burst): boolean {
    if (this.next >= Math.min(this.provided, this.script.bursts.length)) return false;
    const requests = this.script.bursts[this.next];
    burst.count = requests.length;
    burst.earliestPs = Math.max(nowPs, (this.script.earliestNs?.[this.next] ?? 0) * 1000);
    burst.token = this.next++;
    requests.forEach(([op, bytes], i) => {
      burst.op[i] = op;
      burst.lengthBytes[i] = bytes;
      burst.page[i] = this.first + burst.token * 8 + i;
    });
    return true;
  }

  burstDone(token: number, donePs: number, faulted: boolean): void {
    this.done.push(`${token} ${donePs}${faulted ? ' faulted' : ''}`);
    if ((this.script.batch ?? 0) > 0) this.wakesPs.push(donePs + (this.script.delayNs ?? 0) * 1000);
  }

  softwareAt(): number {
    return Math.min(NEVER, ...this.wakesPs);
  }

  software(nowPs: number): void {
    this.done.push(`software ${nowPs}`);
    this.provided += this.script.batch ?? 0;
    this.wakesPs = this.wakesPs.filter((atPs) => atPs > nowPs);
  }
}

interface PlainScript {
  readonly outstanding: number;
  readonly slots: number;
  readonly bytes: number;
  readonly shift: number;
}

/** Reads at random places without end; the kernel draws them if `hasPattern`. */
class PlainDevice implements DeviceModel {
  readonly burstCapacity = 1;
  readonly outstandingBursts: number;
  readonly asksAhead = true;
  readonly plainReads: boolean;
  readonly operations = 0;
  private readonly script: PlainScript;
  private readonly first: number;
  private readonly rng: Prng;
  private readonly hasPattern: boolean;

  constructor(script: PlainScript, device: number, hasPattern: boolean, plainReads = true) {
    this.script = script;
    this.plainReads = plainReads;
    this.first = 100_000 * device;
    this.rng = new Prng(1, device);
    this.hasPattern = hasPattern;
    this.outstandingBursts = script.outstanding;
  }

  start(): void {}

  pattern(): UniformPattern | undefined {
    if (!this.hasPattern) return undefined;
    const { slots, shift, bytes } = this.script;
    return { slots, slotsPerPageLog2: shift, firstPage: this.first, lengthBytes: bytes, random: this.rng.state };
  }

  nextBurst(nowPs: number, burst: Burst): boolean {
    burst.count = 1;
    burst.earliestPs = nowPs;
    burst.page[0] = this.first + (this.rng.below(this.script.slots) >> this.script.shift);
    burst.lengthBytes[0] = this.script.bytes;
    burst.op[0] = OP_READ;
    return true;
  }

  burstDone(): void {}

  softwareAt(): number {
    return NEVER;
  }

  software(): void {}
}

/** What a port counts; but for the time that the upstream link was busy, which depends on how far ahead reads are issued. */
function portCounts(port: Engine['ports'][number]): unknown {
  const { reads, writes, readBytes, writeBytes, bursts, downBusyPs, translation, completion } = port;
  const latencies = [translation.data(), completion.data()];
  return { reads, writes, readBytes, writeBytes, bursts, downBusyPs, latencies };
}

interface Case {
  readonly scripts: readonly Script[];
  readonly readWindow: number;
  readonly writeWindow: number;
  readonly tags: number;
  /** Latencies of translations by page modulo their number, ns; negative: the request is aborted after that time. */
  readonly latencies: readonly number[];
}

function build(kind: Case, asksAhead = false, baseBytes = HEAP_BASE) {
  const calls: string[] = [];
  const models = kind.scripts.map((script, d) => new ScriptedDevice(script, 100_000 * d, asksAhead));
  const kernel = createKernel(baseBytes + ENGINE_MEMORY_BYTES);
  const config = {
    kernel,
    regions: new Regions(baseBytes + ENGINE_MEMORY_BYTES, baseBytes),
    devices: models.map((model, d) => ({ ctx: d, link: { ...link, outstanding: kind.tags }, model, timer: quiet })),
    machine: {
      latency: { dmaReadNs: 100, dmaWriteNs: 50 } as EngineConfig['machine']['latency'],
      order: { readWindow: kind.readWindow, writeWindow: kind.writeWindow },
    },
    translate: (ctx: number, page: number, op: number, nowPs: number) => {
      calls.push(`${ctx} ${page} ${op} ${nowPs}`);
      const ns = kind.latencies[page % kind.latencies.length];
      return ns < 0 ? -1 - (nowPs - ns * 1000) : nowPs + ns * 1000;
    },
    commands: noCommands,
  } satisfies EngineConfig;
  return { config, models, calls };
}

function runFast(kind: Case, asksAhead = false, baseBytes?: number) {
  const { config, models, calls } = build(kind, asksAhead, baseBytes);
  const engine = new Engine(config);
  engine.start();
  engine.run(Infinity, Infinity);
  engine.finish();
  return { calls, done: models.map(({ done }) => [...done].sort()), engine };
}

function runSlow(kind: Case) {
  const { config, models, calls } = build(kind);
  new SlowEngine(config).run(Infinity);
  return { calls, done: models.map(({ done }) => [...done].sort()) };
}

const request = fc.tuple(fc.constantFrom(OP_READ, OP_READ, OP_WRITE), fc.constantFrom(64, 100, 256, 700));
const script = fc.record({
  bursts: fc.array(fc.array(request, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 25 }),
  earliestNs: fc.array(fc.nat(3000), { maxLength: 25 }).map((times) => times.sort((a, b) => a - b)),
  outstanding: fc.constantFrom(1, 2, 5, Infinity),
  batch: fc.constantFrom(0, 0, 1, 3),
  delayNs: fc.nat(300),
});
const anyCase: fc.Arbitrary<Case> = fc.record({
  scripts: fc.array(script, { minLength: 1, maxLength: 4 }),
  readWindow: fc.constantFrom(0, 0, 1, 2, 4),
  writeWindow: fc.constantFrom(0, 1, 3),
  tags: fc.constantFrom(1, 2, 3, 8),
  latencies: fc.array(fc.oneof(fc.integer({ min: 1, max: 900 }), fc.integer({ min: -500, max: -1 })), {
    minLength: 1,
    maxLength: 7,
  }),
});

describe('Engine', () => {
  it('translates and completes as a plain event simulation does', () => {
    fc.assert(
      fc.property(anyCase, (kind) => {
        const fast = runFast(kind);
        const slow = runSlow(kind);
        expect(fast.calls).toEqual(slow.calls);
        expect(fast.done).toEqual(slow.done);
      }),
      { numRuns: 300 },
    );
  });

  it('does the same for a model that it asks ahead of time', () => {
    const withoutSoftware = anyCase.map((kind) => ({
      ...kind,
      scripts: kind.scripts.map((s) => ({ ...s, batch: 0 })),
    }));
    fc.assert(
      fc.property(withoutSoftware, (kind) => {
        const ahead = runFast(kind, true);
        expect(ahead.calls).toEqual(runSlow(kind).calls);
        const bursts = kind.scripts.map(({ bursts: { length } }) => length);
        expect(ahead.engine.ports.map((port) => port.bursts)).toEqual(bursts);
      }),
    );
  });

  it('does the same where the addresses of its memory have their top bit set', () => {
    fc.assert(
      fc.property(anyCase, (kind) => {
        const high = runFast(kind, false, 2.5 * 2 ** 30);
        const slow = runSlow(kind);
        expect(high.calls).toEqual(slow.calls);
        expect(high.done).toEqual(slow.done);
      }),
      { numRuns: 10 },
    );
  });

  it('does the same for plain reads, drawn by the model or by the kernel, and counts them as any port does', () => {
    const kinds = fc.record({
      devices: fc.array(
        fc.record({ outstanding: fc.integer({ min: 1, max: 9 }), slots: fc.integer({ min: 1, max: 5000 }) }),
        {
          minLength: 1,
          maxLength: 4,
        },
      ),
      bytes: fc.constantFrom(64, 100, 700),
      shift: fc.nat(3),
      latencies: anyCase.map((kind) => kind.latencies),
      stops: fc.array(fc.nat(40), { maxLength: 5 }),
    });
    type Way = 'slow' | 'general' | 'model' | 'kernel';
    const build = (kind: typeof kinds extends fc.Arbitrary<infer T> ? T : never, way: Way) => {
      const calls: string[] = [];
      const kernel = createKernel(ENGINE_MEMORY_BYTES);
      const models = kind.devices.map(
        ({ outstanding, slots }, d) =>
          new PlainDevice({ ...kind, outstanding, slots }, d, way === 'kernel', way !== 'general'),
      );
      const config = {
        kernel,
        regions: new Regions(ENGINE_MEMORY_BYTES),
        devices: models.map((model, ctx) => ({ ctx, link, model, timer: quiet })),
        machine: {
          latency: { dmaReadNs: 100, dmaWriteNs: 50 } as EngineConfig['machine']['latency'],
          order: { readWindow: 0, writeWindow: 0 },
        },
        translate: (ctx: number, page: number, op: number, nowPs: number) => {
          calls.push(`${ctx} ${page} ${op} ${nowPs}`);
          const ns = kind.latencies[page % kind.latencies.length];
          return ns < 0 ? -1 - (nowPs - ns * 1000) : nowPs + ns * 1000;
        },
        commands: noCommands,
      } satisfies EngineConfig;
      return { config, calls };
    };
    fc.assert(
      fc.property(kinds, (kind) => {
        const slow = build(kind, 'slow');
        new SlowEngine(slow.config).run(20_000_000);
        let general: unknown;
        for (const way of ['general', 'model', 'kernel'] as const) {
          const fast = build(kind, way);
          const engine = new Engine(fast.config);
          engine.start();
          // Counting begins anew at each stop, wherever reads are under way.
          const counts: unknown[] = [];
          for (const budget of kind.stops) {
            engine.run(20_000_000, budget);
            counts.push(engine.ports.map(portCounts));
            engine.resetCounts();
          }
          engine.run(20_000_000, Infinity);
          engine.finish();
          counts.push(engine.ports.map(portCounts));
          expect(fast.calls).toEqual(slow.calls);
          general ??= counts;
          expect(counts).toEqual(general);
          if (kind.stops.length > 0) continue;
          engine.ports.forEach(({ bursts, upBusyPs }, d) => {
            const requestPs =
              link.readRequestBytes * ((8 * 1000) / link.gbps) * Math.ceil(kind.bytes / link.maxReadRequestBytes);
            const underWay = upBusyPs / requestPs - bursts;
            expect(Number.isInteger(underWay) && underWay >= 0 && underWay <= kind.devices[d].outstanding).toBe(true);
          });
        }
      }),
      { numRuns: 60 },
    );
  });

  it('stops at a time and at a number of requests, and goes on from there', () => {
    fc.assert(
      fc.property(anyCase, fc.array(fc.tuple(fc.nat(2_000_000), fc.nat(5)), { maxLength: 20 }), (kind, stops) => {
        const { config, calls, models } = build(kind);
        const engine = new Engine(config);
        engine.start();
        let untilPs = 0;
        for (const [stepPs, budget] of stops) {
          untilPs += stepPs;
          const before = calls.length;
          expect(engine.run(untilPs, budget)).toBe(calls.length - before);
          expect(calls.length - before).toBeLessThanOrEqual(budget);
          expect(engine.nowPs).toBeLessThan(Math.max(1, untilPs));
        }
        engine.run(Infinity, Infinity);
        engine.finish();
        const whole = runFast(kind);
        expect(calls).toEqual(whole.calls);
        expect(models.map(({ done }) => [...done].sort())).toEqual(whole.done);
      }),
    );
  });
});

/** One device, so that times can be worked out by hand (1 ns a byte on the link, 100 ns of memory, 50 ns for a write). */
function alone(bursts: Script['bursts'], overrides: Partial<Case> & { outstanding?: number } = {}) {
  const { outstanding = Infinity, ...rest } = overrides;
  const kind = {
    readWindow: 0,
    writeWindow: 0,
    tags: 64,
    latencies: [10],
    ...rest,
    scripts: [{ bursts, outstanding }],
  };
  const { calls, done, engine } = runFast(kind);
  return { starts: calls.map((call) => Number(call.split(' ')[3]) / 1000), done: done[0], port: engine.ports[0] };
}

describe('link', () => {
  it('of a read: request up, completion down', () => {
    // 24 B up; translated at 34; memory until 134; 64 + 16 B down.
    const { starts, done, port } = alone([[[OP_READ, 64]]]);
    expect(starts).toEqual([24]);
    expect(done).toEqual(['0 214000']);
    expect([port.upBusyPs, port.downBusyPs]).toEqual([24_000, 80_000]);
    expect(quantileOf(port.translation.data(), 1)).toBe(10_000);
    expect(quantileOf(port.completion.data(), 1)).toBe(214_000);
  });

  it('of a write: header and payload up, nothing down', () => {
    const { starts, done, port } = alone([[[OP_WRITE, 256]]]);
    expect(starts).toEqual([276]);
    expect(done).toEqual([`0 ${(276 + 10 + 50) * 1000}`]);
    expect([port.upBusyPs, port.downBusyPs]).toEqual([276_000, 0]);
  });

  it('pays a header for each packet of a long request', () => {
    // 1,000 B read: two requests of at most 512 B up, four completions of at most 256 B down.
    expect(alone([[[OP_READ, 1000]]]).port).toMatchObject({ upBusyPs: 48_000, downBusyPs: 1_064_000 });
    // 600 B written: three packets.
    expect(alone([[[OP_WRITE, 600]]]).port).toMatchObject({ upBusyPs: 660_000 });
  });

  it('carries one thing at a time in each direction', () => {
    // Requests leave at 0, 24, 48; completions are ready at 134, 158, 182 but take 528 each.
    const read = [OP_READ, 512] as const;
    const { starts, done } = alone([[read], [read], [read]]);
    expect(starts).toEqual([24, 48, 72]);
    expect(done).toEqual([`0 ${(134 + 544) * 1000}`, `1 ${(134 + 2 * 544) * 1000}`, `2 ${(134 + 3 * 544) * 1000}`]);
  });

  it('answers an aborted read with a header', () => {
    const { done, port } = alone([[[OP_READ, 512]]], { latencies: [-10] });
    expect(done).toEqual([`0 ${(24 + 10 + 100 + 16) * 1000} faulted`]);
    expect(port.downBusyPs).toBe(16_000);
  });

  it('counts the payload of what is not aborted', () => {
    const bursts: Script['bursts'] = [
      [
        [OP_READ, 512],
        [OP_READ, 64],
      ],
      [
        [OP_WRITE, 256],
        [OP_WRITE, 100],
      ],
    ];
    // The first request of each burst is aborted.
    const { port } = alone(bursts, { latencies: [-10, 10, 10, 10, 10, 10, 10, 10] });
    expect(port).toMatchObject({ reads: 2, readBytes: 64, writes: 2, writeBytes: 100 });
  });
});

describe('limits', () => {
  it('a read waits for a tag', () => {
    const read = [OP_READ, 64] as const;
    const { starts } = alone([[read], [read], [read]], { tags: 1 });
    expect(starts).toEqual([24, 214 + 24, 428 + 24]);
  });

  it('a burst waits for one in flight to end', () => {
    const burst = [
      [OP_READ, 64],
      [OP_READ, 64],
    ] as const;
    // The first burst ends with its second completion: ready at 158, but the link carries the first until 214.
    expect(alone([burst, burst], { outstanding: 1 }).starts).toEqual([24, 48, 294 + 24, 294 + 48]);
  });
});

describe('translation order', () => {
  const read = [OP_READ, 64] as const;
  const write = [OP_WRITE, 64] as const;

  it('without a window lets hits pass a miss', () => {
    const { starts, done } = alone([[read], [read], [read]], {
      latencies: [500, 500, 500, 500, 500, 500, 500, 500, 10],
    });
    expect(starts).toEqual([24, 48, 72]); // pages 0, 8, 16 → 500, 10, 500
    expect(done).toEqual(['0 704000', '1 238000', '2 784000']);
  });

  it('with a window holds up hits behind a miss', () => {
    const latencies = [500, 500, 500, 500, 500, 500, 500, 500, 10];
    const { starts, done } = alone([[read], [read], [read]], { latencies, readWindow: 2 });
    // The third may start when the first has ended; the second ends with it.
    expect(starts).toEqual([24, 48, 524]);
    expect(done).toEqual(['0 704000', '1 784000', `2 ${(524 + 500 + 100 + 80) * 1000}`]);
  });

  it('a write that waits for its window holds up the link behind it', () => {
    const { starts } = alone([[write], [write], [read]], { latencies: [500], writeWindow: 1 });
    // 84 B a write; the second stays on the link until 584; the read's request follows.
    expect(starts).toEqual([84, 584, 584 + 24]);
  });

  it('a write passes reads that wait for theirs', () => {
    const { starts } = alone([[read], [read], [write]], { latencies: [500], readWindow: 1 });
    expect(starts).toEqual([24, 48 + 84, 524]);
  });
});

describe('counting', () => {
  it('begins anew at a reset: reads under way count where they were translated', () => {
    const read = [OP_READ, 64] as const;
    const kind = {
      readWindow: 0,
      writeWindow: 0,
      tags: 64,
      latencies: [500],
      scripts: [{ bursts: [[read], [read], [read]] }],
    };
    const { config } = build(kind);
    const engine = new Engine(config);
    engine.start();
    engine.run(50_000, Infinity); // two have been translated, none is complete
    engine.resetCounts();
    engine.run(Infinity, Infinity);
    engine.finish();
    const port = engine.ports[0];
    expect([port.reads, port.readBytes, port.translation.data().count, port.completion.data().count]).toEqual([
      1, 64, 1, 1,
    ]);
    expect(port.downBusyPs).toBe(80_000);
  });

  it('knows when everything translated is done with memory', () => {
    const { config } = build({
      readWindow: 0,
      writeWindow: 0,
      tags: 64,
      latencies: [10],
      scripts: [{ bursts: [[[OP_READ, 64]]] }],
    });
    const engine = new Engine(config);
    engine.start();
    expect(engine.drainedPs).toBe(0);
    engine.run(Infinity, Infinity);
    expect(engine.drainedPs).toBe(134_000);
  });
});

describe('actors', () => {
  it('timers and commands run at their times and may arm each other', () => {
    const log: string[] = [];
    let timerPs = 5000;
    let commandPs = Infinity;
    const timer = {
      timerAt: () => timerPs,
      timer: (nowPs: number) => {
        log.push(`timer ${nowPs}`);
        timerPs = nowPs < 20_000 ? nowPs + 10_000 : Infinity;
        commandPs = nowPs + 1000;
      },
    };
    const commands = {
      nextAt: () => commandPs,
      process: (nowPs: number) => {
        log.push(`command ${nowPs}`);
        commandPs = Infinity;
      },
    };
    const { config } = build({
      readWindow: 0,
      writeWindow: 0,
      tags: 1,
      latencies: [1],
      scripts: [{ bursts: [[[OP_READ, 64]]] }],
    });
    const engine = new Engine({ ...config, devices: [{ ...config.devices[0], timer }], commands });
    engine.start();
    engine.run(Infinity, Infinity);
    expect(log).toEqual(['timer 5000', 'command 6000', 'timer 15000', 'command 16000', 'timer 25000', 'command 26000']);
    expect(engine.nextPs).toBe(Infinity);
  });
});
