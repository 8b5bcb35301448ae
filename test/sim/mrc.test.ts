/** Curves of one run beside as many runs as there are capacities. */
import { describe, expect, it } from 'vitest';
import { C_HITS, C_LOOKUPS, C_MERGED } from '../../src/kernel/layout.ts';
import { OP_MAP, OP_READ, OP_UNMAP, OP_WRITE } from '../../src/request.ts';
import { simulate } from '../../src/sim/simulate.ts';
import type {
  AtsSpec,
  CacheSpec,
  DeviceSpec,
  IotlbSpec,
  MrcSpec,
  NicTraffic,
  PriSpec,
  RunSpec,
  TenantSpec,
  TraceRows,
} from '../../src/spec.ts';
import { sumCounters, sumSlots } from '../../src/stats/counters.ts';
import { HitCurve, type UnitCurves } from '../../src/stats/mrc/curve.ts';
import type { DeviceResult, RunResult } from '../../src/stats/result.ts';
import { kernelModule } from '../support/kernel.ts';
import {
  cacheSpec,
  deviceSpecs,
  machineSpec,
  noCache,
  runLimits,
  runSpec,
  stageSpec,
  tenantSpec,
  uniformTraffic,
  withoutWalkCaches,
} from '../support/spec.mjs';

const MIB = 1 << 20;
const REQUESTS = 6000;
const mrc: MrcSpec = { sampleKeys: 1e6, setCounts: [], ways: 32 };

const iotlb = (cache: CacheSpec, overrides: Partial<IotlbSpec> = {}): IotlbSpec => ({
  ...cache,
  leafLog2: [12, 21, 30],
  fracture: true,
  l1: noCache,
  ...overrides,
});

/** The same run with another IOTLB, or with curves. */
function withIotlb(spec: RunSpec, cache: IotlbSpec): RunSpec {
  return { ...spec, machine: { ...spec.machine, iotlb: cache } };
}
function curvesOf(spec: RunSpec, options: MrcSpec = mrc): readonly UnitCurves[] {
  return simulate({ ...spec, run: { ...spec.run, mrc: options } }, kernelModule).curves!;
}

/** Lookups, and those that found an entry: hits, and misses that waited for a walk under way. */
function counted(devices: readonly DeviceResult[]): { lookups: number; hits: number } {
  const total = sumCounters(devices.map((device) => device.counters));
  return { lookups: total[C_LOOKUPS], hits: sumSlots(total, C_HITS, 4) + total[C_MERGED] };
}
const run = (spec: RunSpec): RunResult => simulate(spec, kernelModule);

function requests(tenant: Partial<TenantSpec>, machine: Parameters<typeof machineSpec>[0] = {}): RunSpec {
  return runSpec({
    machine: machineSpec({ iotlb: iotlb(cacheSpec(256)), ...machine }),
    tenants: [tenantSpec({ memoryBytes: 64 * MIB, ...tenant })],
    run: runLimits({ requests: REQUESTS }),
  });
}

const one = (windowBytes: number, overrides = {}) =>
  deviceSpecs(1, { traffic: { ...uniformTraffic({ windowBytes, outstanding: 1 }), ...overrides } });
/** Requests at given times: their order does not depend on translation, also with many under way. */
const openLoop = (count: number, windowBytes: number) =>
  deviceSpecs(count, {
    traffic: uniformTraffic({ windowBytes, outstanding: 64, ratePerSecond: 3e6, arrivals: 'poisson' }),
  });

/** Maps, unmaps and accesses at times far enough apart that each is over before the next. */
function trace(rows: number): TraceRows {
  let x = 99;
  const random = (n: number): number => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return Math.floor((x / 2 ** 32) * n);
  };
  const mapped = new Set<number>();
  const list = Array.from({ length: rows }, () => {
    const page = random(40);
    if (!mapped.has(page)) {
      mapped.add(page);
      return { page, op: OP_MAP };
    }
    if (random(8) === 0) {
      mapped.delete(page);
      return { page, op: OP_UNMAP };
    }
    return { page, op: random(2) === 0 ? OP_READ : OP_WRITE };
  });
  return {
    issuePs: Float64Array.from(list, (_, i) => i * 1e7),
    page: Float64Array.from(list, ({ page }) => page),
    offset: new Uint16Array(rows),
    lengthBytes: new Uint32Array(rows).fill(64),
    op: Uint8Array.from(list, ({ op }) => op),
  };
}
const replayed = (rows: TraceRows) =>
  deviceSpecs(1, { traffic: { model: 'replay' as const, path: '', outstanding: 0, rows } });

const ATS: AtsSpec = {
  ...{ ...cacheSpec(16), leafLog2: [12, 21], allowed: true, requestPages: 2, outstanding: 8, invalidateQueue: 32 },
  ...{ lookupNs: 5, messageNs: 100, invalidateNs: 50, invalidateTimeoutNs: 90e9 },
};
const withAts = (devices: readonly DeviceSpec[]): DeviceSpec[] => devices.map((device) => ({ ...device, ats: ATS }));
const PRI: PriSpec = {
  ...{ outstanding: 8, groupPages: 4, gatherNs: 500, interruptNs: 1000, faultNs: 2000 },
  ...{ reclaimPerSecond: 0, logEntries: 64 },
};
const NIC: NicTraffic = {
  ...{ model: 'nic', queues: 1, direction: 'both', offeredGbps: 0, mtuBytes: 1500, ringEntries: 64, bufferBytes: 2048 },
  ...{ descriptorBytes: 16, completionBytes: 16, descriptorBatch: 8, pollBatch: 16, flows: 1, burstPackets: 1 },
  ...{ buffersPerDescriptor: 1, completionCpu: 'same', recycle: { pages: 0, order: 'fifo', holdNs: 0 } },
};

const nested: Partial<TenantSpec> = { mode: 'nested', host: stageSpec('amd-v1', 4), guest: stageSpec('amd-v2', 4) };

/**
 * Streams whose order does not depend on how long a translation takes. Without warm-up: it ends with a time step, so in a
 * closed loop the counted part would begin at another request.
 */
const SCENARIOS: readonly (readonly [name: string, spec: RunSpec])[] = [
  ['uniform, 4 KiB leaves', requests({ devices: one(MIB) })],
  ['uniform, 2 MiB leaves', requests({ host: stageSpec('amd-v1', 4, 21), devices: one(48 * MIB) })],
  ['sequential', requests({ devices: one(MIB, { model: 'sequential', strideBytes: 4096 }) })],
  ['zipf', requests({ devices: one(4 * MIB, { model: 'zipf', exponent: 1.1 }) })],
  [
    'amd-v2 with a PASID',
    requests({ host: stageSpec('amd-v2', 4), devices: one(MIB).map((d) => ({ ...d, pasid: 7 })) }),
  ],
  ['nested, 4 KiB leaves', requests({ ...nested, devices: one(MIB) })],
  [
    'nested, 2 MiB guest leaves on 4 KiB',
    requests({ ...nested, guest: stageSpec('amd-v2', 4, 21), devices: one(8 * MIB) }),
  ],
  ['three devices, open loop', requests({ devices: openLoop(3, MIB / 2) })],
  ['nested, two devices, open loop', requests({ ...nested, devices: openLoop(2, MIB) })],
  [
    'leaves of two sizes, no walk caches, recorded behind one entry',
    requests(
      { host: stageSpec('amd-v1', 4, 21), devices: one(2 * MIB + MIB / 4) },
      { ...withoutWalkCaches, lineCache: cacheSpec(16_384, 8), iotlb: iotlb(cacheSpec(1, 1)) },
    ),
  ],
  ['strict maps and unmaps from a trace', requests({ policy: 'strict', devices: replayed(trace(REQUESTS)) })],
  ['strict maps and unmaps in a guest', requests({ ...nested, policy: 'strict', devices: replayed(trace(REQUESTS)) })],
  ['nested, hardware-assisted', requests({ ...nested, mode: 'nested-hw', devices: one(MIB) })],
  // The ATC's misses are all that the IOTLB sees, and do not depend on its capacity while one request is in flight.
  ['ATS, two pages a request', requests({ devices: withAts(one(MIB)) })],
  ['ATS in a guest', requests({ ...nested, devices: withAts(one(MIB)) })],
  ['ATS, strict maps and unmaps', requests({ policy: 'strict', devices: withAts(replayed(trace(REQUESTS))) })],
  ['ATS and PRI', requests({ devices: withAts(one(MIB)).map((device) => ({ ...device, pri: PRI })) })],
];
const CAPACITIES = [1, 8, 30, 64, 200, 700];

describe.each(SCENARIOS)('%s', (_, spec) => {
  const [{ full, scale }] = curvesOf(spec);
  const curve = new HitCurve(full[0], scale);

  it.each(CAPACITIES)('%i fully associative entries: the curve has exactly the hits of a run of its own', (entries) => {
    const alone = counted(run(withIotlb(spec, iotlb(cacheSpec(entries)))).devices);
    expect({ lookups: curve.counts.lookups, hits: curve.hits(entries) }).toEqual(alone);
    expect(alone.lookups).toBeGreaterThan(1000);
  });
});

describe('every number of ways', () => {
  const cases = [SCENARIOS[0], SCENARIOS[5], SCENARIOS[7], SCENARIOS[10]];

  it.each(cases)('for 1, 7 and 16 sets: %s', (_, spec) => {
    const [{ sets }] = curvesOf(spec, { ...mrc, setCounts: [1, 7, 16] });
    for (const { sets: count, curves } of sets) {
      const curve = new HitCurve(curves[0], 1);
      for (const ways of [1, 3, 8]) {
        const alone = run(withIotlb(spec, iotlb(cacheSpec(count * ways, ways))));
        expect(curve.hits(ways)).toBe(counted(alone.devices).hits);
      }
    }
  });

  it('with the shifted index', () => {
    const spec = SCENARIOS[0][1];
    const shifted = (entries: number, ways: number): IotlbSpec => ({
      ...iotlb(cacheSpec(entries, ways)),
      index: 'shifted',
    });
    const [{ sets }] = curvesOf(withIotlb(spec, shifted(64, 4)), { ...mrc, setCounts: [8] });
    const curve = new HitCurve(sets[0].curves[0], 1);
    for (const ways of [2, 6]) {
      expect(curve.hits(ways)).toBe(counted(run(withIotlb(spec, shifted(8 * ways, ways))).devices).hits);
    }
  });
});

describe('behind a first level', () => {
  it.each([SCENARIOS[0], SCENARIOS[7], SCENARIOS[10], SCENARIOS[11]])('%s', (_, spec) => {
    const behind = (entries: number): IotlbSpec => iotlb(cacheSpec(entries), { l1: cacheSpec(16, 4) });
    const [{ full }] = curvesOf(withIotlb(spec, behind(64)));
    const curve = new HitCurve(full[0], 1);
    expect(curve.counts.upperHits).toBeGreaterThan(100);
    for (const entries of [16, 64, 200]) {
      expect(curve.hits(entries)).toBe(counted(run(withIotlb(spec, behind(entries))).devices).hits);
    }
  });
});

describe('parts of the whole', () => {
  const tenants = [
    tenantSpec({ name: 'small', devices: openLoop(1, MIB / 4) }),
    tenantSpec({
      ...nested,
      name: 'large',
      memoryBytes: 64 * MIB,
      devices: openLoop(2, MIB).map((d, i) => ({ ...d, index: i + 1, bdf: 0x200 + i, name: `l${i}` })),
    }),
  ];
  const spec = runSpec({ ...requests({}), tenants });
  const [{ full }] = curvesOf(spec);
  const find = (member: number, sharing: string): HitCurve =>
    new HitCurve(full.find((c) => c.scope === 'tenant' && c.member === member && c.sharing === sharing)!, 1);

  it.each([16, 64, 300])('%i entries shared: each tenant has the hits of the run', (entries) => {
    const { devices } = run(withIotlb(spec, iotlb(cacheSpec(entries))));
    for (const tenant of [0, 1]) {
      const own = devices.filter((device) => device.tenant === tenant);
      expect(find(tenant, 'shared').hits(entries)).toBe(counted(own).hits);
    }
  });

  it.each([16, 64, 300])('%i entries of its own: each tenant does better or as well', (entries) => {
    for (const tenant of [0, 1]) {
      expect(find(tenant, 'own').hits(entries)).toBeGreaterThanOrEqual(find(tenant, 'shared').hits(entries));
    }
  });
});

/** Three tenants with leaves of three sizes; a fourth shares the smallest. */
const SIZES = [12, 21, 30, 12];
const bySize = SIZES.map((leafLog2, i) => {
  const windowBytes = [MIB / 2, 48 * MIB, 24 * 1024 * MIB, MIB / 4][i];
  const [device] = openLoop(1, windowBytes);
  return tenantSpec({
    name: `t${i}`,
    host: stageSpec('amd-v1', 4, leafLog2),
    memoryBytes: 32 * 1024 * MIB,
    devices: [{ ...device, index: i, bdf: 0x300 + i, name: `d${i}` }],
  });
});
const sizes = runSpec({ ...requests({}), tenants: bySize });
const hitsOf = (result: RunResult, tenants: readonly number[]): number =>
  counted(result.devices.filter(({ tenant }) => tenants.includes(tenant))).hits;

describe('an IOTLB that is split', () => {
  const part = (level: number, entries: number) => ({ level, ...cacheSpec(entries) });
  const split = (entries: number, ...parts: [level: number, entries: number][]): IotlbSpec =>
    iotlb(cacheSpec(entries), { split: parts.map(([level, entries]) => part(level, entries)) });
  const curve = (full: UnitCurves['full'], member: number): HitCurve =>
    new HitCurve(full.find((each) => each.scope === 'part' && each.member === member)!, 1);

  it.each([
    ['in three', [1, 2], [[0, 3], [1], [2]]],
    [
      'in two, the larger sizes together',
      [1],
      [
        [0, 3],
        [1, 2],
      ],
    ],
    ['in two, the smaller sizes together', [2], [[0, 1, 3], [], [2]]],
  ] as const)('%s: each part has exactly the hits of a run with that capacity', (_, levels, tenantsOf) => {
    const of = (entries: readonly number[]): IotlbSpec =>
      split(entries[0], ...levels.map((level): [number, number] => [level, entries[level]]));
    const [{ full }] = curvesOf(withIotlb(sizes, of([64, 8, 4])));
    const members = [0, ...levels];
    expect(full.filter(({ scope }) => scope === 'part').map(({ member }) => member)).toEqual(members);
    for (const entries of [
      [5, 3, 1],
      [40, 20, 2],
      [150, 23, 20],
    ]) {
      const result = run(withIotlb(sizes, of(entries)));
      for (const member of members) {
        const counts = curve(full, member).counts;
        expect(curve(full, member).hits(entries[member])).toBe(hitsOf(result, tenantsOf[member]));
        expect(counts.lookups).toBe(
          counted(result.devices.filter(({ tenant }) => (tenantsOf[member] as readonly number[]).includes(tenant)))
            .lookups,
        );
      }
    }
  });

  it('has the curve of one for all sizes too', () => {
    const [{ full }] = curvesOf(withIotlb(sizes, split(64, [1, 8])));
    const all = new HitCurve(full[0], 1);
    for (const entries of [30, 200]) {
      expect(all.hits(entries)).toBe(hitsOf(run(withIotlb(sizes, iotlb(cacheSpec(entries)))), [0, 1, 2, 3]));
    }
    expect(full.some(({ scope, sharing }) => scope === 'leaf' && sharing === 'own')).toBe(false);
  });

  it('of which one part alone is used has the whole for it', () => {
    const [{ full }] = curvesOf(withIotlb(SCENARIOS[0][1], split(64, [1, 8])));
    expect(curve(full, 0).hits(100)).toBe(new HitCurve(full[0], 1).hits(100));
    expect(curve(full, 1).counts.lookups).toBe(0);
  });

  it('is exact at capacities that are no steps of its curves', () => {
    const large = {
      ...sizes,
      tenants: bySize.map((each, i) => (i === 0 ? { ...each, devices: openLoop(1, 8 * MIB) } : each)),
    };
    const odd = split(1531, [1, 8]);
    const [{ full }] = curvesOf(withIotlb(large, odd));
    expect(curve(full, 0).hits(1531)).toBe(hitsOf(run(withIotlb(large, odd)), [0, 3]));
  });
});

describe('an IOTLB that is divided among tenants', () => {
  it.each([
    [4, 20, 6, 30],
    [100, 12, 30, 70],
  ])("ways %j, all of them somebody's: each tenant has exactly the hits of its own curve", (...minimum) => {
    const entries = minimum.reduce((sum, each) => sum + each, 0);
    const divided = { ...iotlb(cacheSpec(entries)), partition: { by: 'ways' as const, minimum } };
    const [{ full }] = curvesOf(withIotlb(sizes, divided));
    const result = run(withIotlb(sizes, divided));
    const together = run(withIotlb(sizes, iotlb(cacheSpec(entries))));
    const of = (member: number, sharing: string): HitCurve =>
      new HitCurve(
        full.find((each) => each.scope === 'tenant' && each.member === member && each.sharing === sharing)!,
        1,
      );
    for (const [tenant, share] of minimum.entries()) {
      expect(of(tenant, 'own').hits(share)).toBe(hitsOf(result, [tenant]));
      expect(of(tenant, 'shared').hits(entries)).toBe(hitsOf(together, [tenant]));
    }
  });
});

describe('any stream', () => {
  it('gives, at the capacity it was taken at, what the run itself counted: a closed loop of many, two units', () => {
    const machine = machineSpec({ iotlb: iotlb(cacheSpec(96)), units: 2 });
    const devices = deviceSpecs(6, { traffic: uniformTraffic({ windowBytes: MIB, outstanding: 16 }) }, 2);
    const spec = runSpec({
      machine,
      tenants: [tenantSpec({ devices })],
      run: runLimits({ requests: 20_000, warmupRequests: 3000, mrc }),
    });
    const result = run(spec);
    expect(result.curves!.map(({ unit }) => unit)).toEqual([0, 1]);
    for (const { unit, full } of result.curves!) {
      const behind = counted(result.devices.filter((device) => device.unit === unit));
      const curve = new HitCurve(full[0], 1);
      expect({ lookups: curve.counts.lookups, hits: curve.hits(96) }).toEqual(behind);
    }
  });

  it.each(['strict', 'static'] as const)(
    'counts the translation requests of devices with a cache of their own: %s',
    (policy) => {
      const traffic = policy === 'strict' ? NIC : uniformTraffic({ windowBytes: MIB, outstanding: 16 });
      const devices = deviceSpecs(3, { traffic, ats: ATS });
      const spec = requests({ devices, policy }, { iotlb: iotlb(cacheSpec(96)) });
      const result = run({ ...spec, run: { ...spec.run, mrc, debug: true } });
      const curve = new HitCurve(result.curves![0].full[0], 1);
      const total = counted(result.devices);
      expect({ lookups: curve.counts.lookups, hits: curve.hits(96) }).toEqual(total);
      expect(total.hits).toBeGreaterThan(100);
      expect(total.lookups - total.hits).toBeGreaterThan(100);
    },
  );

  it.each([SCENARIOS[0], SCENARIOS[9]])('leaves the run as it was: %s', (_, spec) => {
    const { curves, ...watched } = run({ ...spec, run: { ...spec.run, mrc } });
    expect(curves).toHaveLength(1);
    expect({ ...watched, spec }).toEqual(run(spec));
  });
});
