import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Kernel } from '../../src/kernel/kernel.ts';
import { Regions } from '../../src/kernel/kernel.ts';
import * as layout from '../../src/kernel/layout.ts';
import { RESPONSE_FAILURE, RESPONSE_INVALID, RESPONSE_SUCCESS } from '../../src/kernel/layout-ats.ts';
import { OP_READ, OP_WRITE } from '../../src/request.ts';
import { DeviceTlb } from '../../src/sim/device-tlb.ts';
import { Engine } from '../../src/sim/engine.ts';
import type { AtsSpec, LinkSpec, PriSpec } from '../../src/spec.ts';
import { type Burst, type DeviceModel, NEVER } from '../../src/traffic/device.ts';
import { createKernel } from '../support/kernel.ts';
import { byteLink, machineSpec } from '../support/spec.mjs';

/** One byte takes one nanosecond. */
const link: LinkSpec = byteLink(16);
const ATS: AtsSpec = {
  ...{ entries: 8, ways: 8, replacement: 'lru', index: 'modulo', leafLog2: [12], allowed: true },
  ...{ requestPages: 1, outstanding: 4, invalidateQueue: 32 },
  ...{ lookupNs: 5, messageNs: 100, invalidateNs: 50, invalidateTimeoutNs: 1e9 },
};
const PRI: PriSpec = {
  ...{ outstanding: 4, groupPages: 1, gatherNs: 0, interruptNs: 0, faultNs: 0 },
  ...{ reclaimPerSecond: 0, logEntries: 16 },
};
const DMA_NS = 400;
const WALK_NS = 50;
const TRANSLATED = 8;

type Access = readonly [page: number, op: number, bytes: number, earliestNs: number];

/** One burst for each access. */
class Script implements DeviceModel {
  readonly burstCapacity = 1;
  readonly outstandingBursts = Infinity;
  operations = 0;
  readonly done: [index: number, ns: number, faulted: boolean][] = [];
  private readonly accesses: readonly Access[];

  constructor(accesses: readonly Access[]) {
    this.accesses = accesses;
  }

  start(): void {}

  nextBurst(nowPs: number, burst: Burst): boolean {
    const access = this.accesses[this.operations];
    if (access === undefined) return false;
    burst.count = 1;
    burst.token = this.operations++;
    burst.earliestPs = Math.max(nowPs, access[3] * 1000);
    [burst.page[0], burst.op[0], burst.lengthBytes[0]] = access;
    return true;
  }

  burstDone(token: number, donePs: number, faulted: boolean): void {
    this.done.push([token, donePs / 1000, faulted]);
  }

  softwareAt(): number {
    return NEVER;
  }

  software(): void {}
}

/** What came to the unit: page, what it was, when (ns). */
type Seen = readonly [page: number, access: number, ns: number];

interface World {
  readonly kernel: Kernel;
  readonly engine: Engine;
  readonly script: Script;
  readonly seen: Seen[];
  readonly requested: [page: number, access: number, group: number, last: boolean, ns: number][];
  count(slot: number): number;
}

interface Setting {
  readonly ats?: Partial<AtsSpec>;
  readonly pri?: Partial<PriSpec>;
  /** Whether a page has a translation when it is asked for. */
  readonly present?: (page: number, atPs: number) => boolean;
  readonly timer?: { timerAt(): number; timer(nowPs: number): void };
  readonly respond?: (engine: Engine, group: number, last: boolean, atPs: number) => void;
}

function world(accesses: readonly Access[], setting: Setting = {}): World {
  const kernel = createKernel(2 ** 20);
  const regions = new Regions(2 ** 20);
  const ctx = regions.take(layout.CTX_BYTES);
  const script = new Script(accesses);
  const seen: Seen[] = [];
  const requested: World['requested'] = [];
  const { latency } = machineSpec({});
  const engine: Engine = new Engine({
    kernel,
    regions,
    machine: {
      latency: { ...latency, dmaReadNs: DMA_NS, dmaWriteNs: DMA_NS },
      order: { readWindow: 0, writeWindow: 0 },
    },
    devices: [
      {
        ...{ ctx, link, model: script, ats: { ...ATS, ...setting.ats } },
        ...(setting.pri === undefined ? {} : { pri: { ...PRI, ...setting.pri } }),
        timer: setting.timer ?? { timerAt: () => Infinity, timer: () => {} },
        pager: {
          pageRequest(page, access, group, last, atPs) {
            requested.push([page, access, group, last, atPs / 1000]);
            setting.respond?.(engine, group, last, atPs);
          },
        },
      },
    ],
    commands: { nextAt: () => Infinity, process: () => {} },
    translate(_ctx, page, access, atPs) {
      seen.push([page, access, atPs / 1000]);
      if (access >= TRANSLATED) return atPs;
      const endPs = atPs + WALK_NS * 1000;
      return setting.present?.(page, atPs) === false ? -1 - endPs : endPs;
    },
  });
  const count = (slot: number): number => kernel.f64[(ctx + layout.CTX_COUNTERS) / 8 + slot];
  return { kernel, engine, script, seen, requested, count };
}

function run({ engine }: World, untilPs = 1e12): void {
  if (engine.nowPs === 0) engine.start();
  engine.run(untilPs, Infinity);
}

const reads = (pages: readonly number[], earliestNs = 0): Access[] =>
  pages.map((page) => [page, OP_READ, 64, earliestNs]);

describe('a device with an ATC', () => {
  it('asks for a translation once, then sends translated requests', () => {
    const it = world([...reads([7]), ...reads([7], 1000)]);
    run(it);
    // 5 look-up + 24 request + 100 | 50 walk | 24 answer + 100 | 5 look-up + 24 request | 400 memory | 80 completion
    expect(it.seen).toEqual([
      [7, 0, 129],
      [7, OP_READ | TRANSLATED, 332],
      [7, OP_READ | TRANSLATED, 1029],
    ]);
    expect(it.script.done).toEqual([
      [0, 812, false],
      [1, 1509, false],
    ]);
    expect([layout.C_ATC_LOOKUPS, layout.C_ATC_HITS, layout.C_ATS_REQUESTS].map(it.count)).toEqual([2, 1, 1]);
  });

  it('lets requests of other pages pass a miss, and those of its page wait for it', () => {
    const it = world([...reads([7]), ...reads([8], 500), ...reads([7, 9, 8, 9], 1000)]);
    run(it);
    expect(it.count(layout.C_ATC_MERGED)).toBe(1); // the second read of page 9
    expect(it.script.done.map(([index]) => index)).toEqual([0, 1, 2, 4, 3, 5]);
    expect(it.seen.filter(([, access]) => access === 0).map(([page]) => page)).toEqual([7, 8, 9]);
  });

  it('sends a write with its payload when it has the translation', () => {
    const it = world([[7, OP_WRITE, 100, 0]]);
    run(it);
    // at 303 the answer is there; 5 look-up + 120 write | 400 memory
    expect(it.seen[1]).toEqual([7, OP_WRITE | TRANSLATED, 428]);
    expect(it.script.done).toEqual([[0, 828, false]]);
  });

  it('asks for several pages at once; one message holds their translations', () => {
    const it = world([...reads([8]), ...reads([9], 2000)], { ats: { requestPages: 4 } });
    run(it);
    expect(it.seen.filter(([, access]) => access === 0)).toEqual([8, 9, 10, 11].map((page) => [page, 0, 129]));
    expect(it.seen[4]).toEqual([8, OP_READ | TRANSLATED, 332 + 24]); // 16 + 4 × 8 bytes instead of 16 + 8
    expect(it.count(layout.C_ATC_HITS)).toBe(1);
  });

  it('counts uses of pages that are unmapped and not yet invalidated', () => {
    const it = world([...reads([7]), ...reads([8], 900), ...reads([7], 1000), ...reads([7], 2000)], {
      timer: { timerAt: () => Infinity, timer: () => {} },
    });
    run(it, 950_000);
    it.engine.noteUnmapped(0, 7, 1, 1_500_000);
    run(it);
    expect(it.count(layout.C_ATC_HITS)).toBe(2);
    expect(it.count(layout.C_STALE)).toBe(1); // the one at 2000 ns
  });

  it('without entries asks for every request', () => {
    const it = world(reads([7, 7]), { ats: { entries: 0, ways: 1 } });
    run(it);
    expect(it.count(layout.C_ATS_REQUESTS) + it.count(layout.C_ATC_MERGED)).toBe(2);
    expect(it.count(layout.C_ATC_HITS)).toBe(0);
  });

  it('gives a request without a translation up', () => {
    const it = world(reads([7, 8]), { present: (page) => page !== 7 });
    run(it);
    expect(it.script.done).toEqual([
      [0, 303, true],
      [1, expect.any(Number), false],
    ]);
    expect([it.count(layout.C_ATS_EMPTY), it.count(layout.C_ATS_ABORTED)]).toEqual([1, 1]);
  });
});

describe('page requests', () => {
  it('are answered by software, and the translation is asked for again', () => {
    const it = world(reads([7]), {
      pri: {},
      present: (_, atPs) => atPs > 500_000,
      respond: (engine, group) => engine.respond(0, group, RESPONSE_SUCCESS, 1_000_000),
    });
    run(it);
    expect(it.requested).toEqual([[7, 1, 0, true, 423]]); // 303 + 20 message + 100
    // the response: 1000 + 20 + 100; ask 24 + 100, walk 50, answer 24 + 100, look-up 5, request 24, memory 400, 80
    expect(it.script.done).toEqual([[0, 1120 + 124 + 50 + 124 + 29 + 480, false]]);
    expect(it.count(layout.C_PRI_PS)).toBe((1120 - 303) * 1000);
    expect(it.count(layout.C_PRI_RETRIES)).toBe(1);
  });

  it.each([RESPONSE_INVALID, RESPONSE_FAILURE])('answered with %i end the request', (code) => {
    const respond: Setting['respond'] = (engine, group, _, atPs) => engine.respond(0, group, code, atPs);
    const it = world(reads([7]), { pri: {}, present: () => false, respond });
    run(it);
    expect(it.script.done).toEqual([[0, 423 + 20 + 100, true]]);
    const counter = code === RESPONSE_INVALID ? layout.C_PRI_INVALID : layout.C_PRI_FAILURE;
    expect(it.count(counter)).toBe(1);
  });

  it('go in groups, and no more are outstanding than may be', () => {
    const it = world(reads([7, 8, 9, 10]), {
      pri: { groupPages: 2, gatherNs: 500, outstanding: 3 },
      present: () => false,
    });
    run(it);
    expect(it.requested.map(([page, , group, last]) => [page, group, last])).toEqual([
      [7, 0, false],
      [8, 0, true],
      [9, 1, true], // no room for the fourth
    ]);
    it.engine.respond(0, 0, RESPONSE_INVALID, it.engine.nowPs);
    run(it);
    expect(it.requested.slice(3).map(([page, , group, last]) => [page, group, last])).toEqual([[10, 2, true]]);
    expect([it.count(layout.C_PRI_GROUPS), it.count(layout.C_PRI_REQUESTS)]).toEqual([3, 4]);
  });
});

describe('the answer to an invalidation', () => {
  const tlb = (ats: Partial<AtsSpec> = {}) => new DeviceTlb({ ...ATS, ...ats }, link, machineSpec({}));
  const idle = () => false;

  it('comes after both ways and the work of those before it', () => {
    const it = tlb();
    expect(it.invalidate(0, idle).answerPs).toBe((128 + 50 + 120) * 1000);
    expect(it.invalidate(10_000, idle).answerPs).toBe((128 + 100 + 120) * 1000);
  });

  it('waits for requests under way', () => {
    expect(tlb().invalidate(0, () => true).answerPs).toBeGreaterThan(tlb().invalidate(0, idle).answerPs + DMA_NS * 500);
  });

  it('is waited for so long and no longer', () => {
    const times = tlb({ invalidateNs: 1e6, invalidateTimeoutNs: 1000 }).invalidate(5000, idle);
    expect(times).toEqual({ answerPs: 1_005_000, timedOut: true });
  });

  it('makes room in the queue', () => {
    const it = tlb({ invalidateQueue: 2 });
    const first = it.invalidate(0, idle).answerPs;
    expect(it.roomAt(1000)).toBe(1000);
    it.invalidate(1000, idle);
    expect(it.roomAt(2000)).toBe(first);
  });
});

/** Times at which a page was granted, and at which an invalidation of it came to the device. */
class SlowAtc {
  readonly grants = new Map<number, number[]>();
  readonly drops = new Map<number, number[]>();

  /** A use decided at `ns` is right if the page has been granted after the last drop before it; at one instant any order is. */
  allows(page: number, ns: number): boolean {
    const last = (times: number[] | undefined): number => Math.max(-1, ...(times ?? []).filter((at) => at < ns));
    return last(this.grants.get(page)) > last(this.drops.get(page));
  }
}

const PAGES = 6;
const step = fc.record({
  page: fc.nat(PAGES - 1),
  write: fc.boolean(),
  gapNs: fc.oneof(fc.nat(60), fc.nat(600)),
});
const change = fc.record({
  page: fc.nat(PAGES - 1),
  kind: fc.constantFrom('map', 'map', 'unmap', 'unmap', 'unmap all'),
  gapNs: fc.oneof(fc.nat(100), fc.nat(800)),
});

describe('after an invalidation has come to the device', () => {
  it('no request is sent through what it dropped, in any interleaving', () => {
    const sizes = fc.record({
      entries: fc.constantFrom(0, 1, 2, 8),
      requestPages: fc.constantFrom(1, 2, 4),
      outstanding: fc.constantFrom(1, 2, 4),
      pri: fc.boolean(),
      groupPages: fc.constantFrom(1, 3),
    });
    const steps = fc.array(step, { minLength: 1, maxLength: 80 });
    fc.assert(
      fc.property(sizes, steps, fc.array(change, { maxLength: 40 }), (size, requests, changes) => {
        check(size, requests, changes);
      }),
      { numRuns: 400 },
    );
  });
});

interface Sizes {
  readonly entries: number;
  readonly requestPages: number;
  readonly outstanding: number;
  readonly pri: boolean;
  readonly groupPages: number;
}
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

function accessesOf(steps: readonly Step[]): Access[] {
  let ns = 0;
  return steps.map(({ page, write, gapNs }) => [page, write ? OP_WRITE : OP_READ, 64, (ns += gapNs)]);
}

function check(size: Sizes, steps: readonly Step[], changes: readonly Change[]): void {
  const model = new SlowAtc();
  const mapped = new Set(Array.from({ length: PAGES }, (_, page) => page));
  const { entries, requestPages, outstanding, groupPages } = size;
  const tlb = new DeviceTlb(ATS, link, machineSpec({}));
  const due = changes.map((each) => ({ ...each }));
  let nextNs = due[0]?.gapNs ?? Infinity;
  const timer = {
    timerAt: () => nextNs * 1000,
    timer(nowPs: number): void {
      const { page, kind } = due.shift()!;
      nextNs = due.length === 0 ? Infinity : nowPs / 1000 + due[0].gapNs;
      if (kind === 'map') return void mapped.add(page);
      const log2 = kind === 'unmap' ? 0 : 52;
      for (let each = 0; each < PAGES; each++) {
        if (log2 === 0 && each !== page) continue;
        mapped.delete(each);
        model.drops.set(each, [...(model.drops.get(each) ?? []), nowPs / 1000 + 20 + 8 + 100]);
      }
      const { answerPs } = tlb.invalidate(nowPs, (atPs) => it.engine.uses(0, page, log2, atPs));
      it.engine.invalidate(0, page, log2, nowPs, answerPs);
    },
  };
  const it = world(accessesOf(steps), {
    ats: { entries, ways: Math.max(1, entries), requestPages, outstanding },
    ...(size.pri ? { pri: { groupPages, gatherNs: 30, outstanding: 3 } } : {}),
    timer,
    present: (page, atPs) => {
      if (!mapped.has(page)) return false;
      model.grants.set(page, [...(model.grants.get(page) ?? []), atPs / 1000]);
      return true;
    },
    respond(engine, group, last, atPs) {
      for (const [page] of it.requested.slice(-1)) mapped.add(page);
      if (last) engine.respond(0, group, RESPONSE_SUCCESS, atPs + 700_000);
    },
  });
  run(it);
  for (const [page, access, ns] of it.seen) {
    if (access < TRANSLATED) continue;
    const wireNs = access - TRANSLATED === OP_WRITE ? 84 : 24;
    expect(model.allows(page, ns - wireNs - 5), `page ${page}, which came at ${ns} ns`).toBe(true);
  }
  // Nothing is lost: every request ends, and with page requests none is given up.
  expect(it.script.done.map(([index]) => index).sort((a, b) => a - b)).toEqual(steps.map((_, index) => index));
  if (size.pri) expect(it.script.done.some(([, , faulted]) => faulted)).toBe(false);
  const { count } = it;
  expect(count(layout.C_ATC_HITS) + count(layout.C_ATC_MERGED)).toBeLessThanOrEqual(count(layout.C_ATC_LOOKUPS));
  expect(count(layout.C_ATC_LOOKUPS)).toBe(steps.length);
}
