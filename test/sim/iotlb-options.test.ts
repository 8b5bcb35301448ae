/** Whole runs with each organisation of the IOTLB: sum rules hold, and results do not depend on how often one runs. */
import { describe, expect, it } from 'vitest';
import {
  C_ATS_ABORTED,
  C_FAULTS,
  C_HITS,
  C_LOOKUPS,
  C_NEGATIVE_FILLS,
  C_PREFETCHES,
  C_PREFETCH_HITS,
  C_WALKS,
} from '../../src/kernel/layout.ts';
import { explainText } from '../../src/iommu/explain-text.ts';
import { walkPicture } from '../../src/iommu/walk-picture.ts';
import { brokenRules } from '../../src/report/rules.ts';
import { explainRequest } from '../../src/sim/explain.ts';
import { simulate } from '../../src/sim/simulate.ts';
import type { AtsSpec, MachineSpec, PartitionSpec, RunSpec, TenantSpec } from '../../src/spec.ts';
import { sumCounters } from '../../src/stats/counters.ts';
import type { RunResult } from '../../src/stats/result.ts';
import { kernelModule } from '../support/kernel.ts';
import {
  cacheSpec,
  deviceSpecs,
  machineSpec,
  nicTraffic,
  noCache,
  runLimits,
  runSpec,
  stageSpec,
  tenantSpec,
  uniformTraffic,
} from '../support/spec.mjs';

const MIB = 1 << 20;
const unified = { ...cacheSpec(64, 8), leafLog2: [12, 21, 30], fracture: true, l1: noCache };
const OPTIONS: Readonly<Record<string, Partial<MachineSpec>>> = {
  split: { iotlb: { ...unified, split: [{ level: 1, ...cacheSpec(8, 2) }] } },
  'split behind a first level': {
    iotlb: { ...unified, l1: cacheSpec(16), split: [{ level: 1, ...cacheSpec(8, 2, 'srrip') }] },
  },
  prefetch: { prefetchPages: 7 },
  'prefetch into a split IOTLB, with a first level': {
    prefetchPages: 3,
    iotlb: { ...unified, l1: cacheSpec(16), split: [{ level: 1, ...cacheSpec(8, 2) }] },
  },
  'ways by tenant': {
    iotlb: { ...unified, partition: { by: 'ways', minimum: [1, 1, 2, 2] } },
    nestedTlb: { ...cacheSpec(64), partition: { by: 'ways', minimum: [0, 0, 16, 0] } },
  },
  'sets by tenant, split, with prefetch': {
    prefetchPages: 7,
    iotlb: {
      ...unified,
      partition: { by: 'sets', minimum: [2, 2, 2, 2] },
      split: [{ level: 1, ...cacheSpec(8, 4), partition: { by: 'ways', minimum: [0, 2, 1, 0] } }],
    },
  },
};

/** With not-present results kept: as resolved, every kernel knows. */
const NEGATIVE = { iotlb: { ...unified, negative: true } };

/** Host devices with small and large leaves, a nested guest, and a strict NIC. */
function specOf(machine: Partial<MachineSpec>): RunSpec {
  const window = uniformTraffic({ windowBytes: 4 * MIB, outstanding: 8 });
  return runSpec({
    machine: machineSpec(machine),
    tenants: [
      tenantSpec({ name: 'small', devices: deviceSpecs(2, { traffic: window }) }),
      tenantSpec({
        name: 'large',
        host: stageSpec('amd-v1', 4, 21),
        devices: deviceSpecs(2, { traffic: window }, 1, 2),
      }),
      tenantSpec({
        name: 'guest',
        mode: 'nested',
        policy: 'static',
        host: stageSpec('amd-v1', 4, 21),
        guest: stageSpec('amd-v2', 4),
        memoryBytes: 256 * MIB,
        devices: deviceSpecs(2, { traffic: window }, 1, 4),
      }),
      tenantSpec({ name: 'nic', policy: 'strict', devices: deviceSpecs(1, { traffic: nicTraffic() }, 1, 6) }),
    ],
    run: { ...runLimits({ requests: 6000, warmupRequests: 1000 }), missCauses: true, debug: true },
  });
}

function run(machine: Partial<MachineSpec>): RunResult {
  return simulate(specOf(machine), kernelModule);
}

describe.each(Object.entries(OPTIONS))('%s', (_, machine) => {
  it('keeps the sum rules, and gives the same result again', () => {
    const result = run(machine);
    expect(brokenRules(result)).toEqual([]);
    expect(run(machine)).toEqual(result);
  });
});

it('large leaves have a part of their own in caches.csv', () => {
  const { caches } = run(OPTIONS.split).units[0];
  const [small, large] = ['iotlb', 'iotlb_level1'].map((wanted) => caches.find(({ name }) => name === wanted)!);
  expect(large).toMatchObject({ entries: 8, ways: 2, lookups: small.lookups });
  expect(small.hits).toBeGreaterThan(0);
  expect(large.hits).toBeGreaterThan(0);
});

it('fracture: false keeps a 2 MiB guest leaf whole on 4 KiB host leaves', () => {
  const hitsOf = (fracture: boolean): number[] => {
    const guest = { mode: 'nested' as const, policy: 'static' as const, memoryBytes: 256 * MIB };
    const devices = deviceSpecs(1, { traffic: uniformTraffic({ windowBytes: 4 * MIB, outstanding: 1 }) });
    const stages = { host: stageSpec('amd-v1', 4), guest: stageSpec('amd-v2', 4, 21) };
    const spec = runSpec({
      machine: machineSpec({ iotlb: { ...unified, fracture } }),
      tenants: [tenantSpec({ ...guest, ...stages, devices })],
      run: runLimits({ requests: 2000 }),
    });
    return [...simulate(spec, kernelModule).devices[0].counters.subarray(C_HITS, C_HITS + 3)];
  };
  const [cut, whole] = [true, false].map(hitsOf);
  expect([cut[1], whole[0]]).toEqual([0, 0]);
  expect(whole[1]).toBeGreaterThan(1990);
  expect(cut[0]).toBeLessThan(400);
});

it('a share of the IOTLB keeps the hits of a tenant beside others', () => {
  const hitRatios = (partition?: PartitionSpec): number[] => {
    const window = (windowBytes: number, outstanding: number) => uniformTraffic({ windowBytes, outstanding });
    const iotlb = { ...unified, ...cacheSpec(64, 16), index: 'hash' as const };
    const spec = runSpec({
      machine: machineSpec({ iotlb: { ...iotlb, ...(partition === undefined ? {} : { partition }) } }),
      tenants: [
        tenantSpec({ name: 'quiet', devices: deviceSpecs(1, { traffic: window(64 * 1024, 1) }) }),
        tenantSpec({ name: 'noisy', devices: deviceSpecs(3, { traffic: window(16 * MIB, 16) }, 1, 1) }),
      ],
      run: runLimits({ requests: 60_000, warmupRequests: 5000 }),
    });
    const { devices } = simulate(spec, kernelModule);
    return devices.map(({ counters }) => counters[C_HITS] / counters[C_LOOKUPS]);
  };
  const [shared] = hitRatios();
  const [divided, noisy] = hitRatios({ by: 'ways', minimum: [12, 0] });
  expect(shared).toBeLessThan(0.3);
  expect(divided).toBeGreaterThan(0.95);
  expect(noisy).toBeLessThan(0.02);
});

it('what walks prefetch saves walks of a device that goes through its pages in order', () => {
  const traffic = {
    ...uniformTraffic({ windowBytes: 4 * MIB, outstanding: 1 }),
    model: 'sequential' as const,
    strideBytes: 4096,
  };
  const walksWith = (prefetchPages: number): Float64Array => {
    const spec = runSpec({
      machine: machineSpec({ prefetchPages }),
      tenants: [tenantSpec({ devices: deviceSpecs(1, { traffic }) })],
      run: runLimits({ requests: 8000 }),
    });
    return simulate(spec, kernelModule).devices[0].counters;
  };
  const [none, one, seven] = [0, 1, 7].map(walksWith);
  expect([none[C_WALKS], one[C_WALKS], seven[C_WALKS]]).toEqual([8000, 4000, 1000]);
  expect([none, one, seven].map((each) => each[C_PREFETCHES])).toEqual([0, 4000, 7000]);
  expect([none, one, seven].map((each) => each[C_PREFETCH_HITS])).toEqual([0, 4000, 7000]);
});

it('explain shows what a walk prefetched', () => {
  const devices = deviceSpecs(1, { traffic: uniformTraffic({ windowBytes: 4 * MIB }) });
  const spec = runSpec({ machine: machineSpec({ prefetchPages: 2 }), tenants: [tenantSpec({ devices })] });
  const first = { device: 'dev0', pasid: undefined, access: 1, afterNs: 0 };
  const { page } = explainRequest(spec, kernelModule, { ...first, page: undefined });
  const { steps, targetPage } = explainRequest(spec, kernelModule, { ...first, page: page - (page % 8) });
  const brought = steps.filter(({ source }) => source === 'prefetch');
  expect(brought.map(({ meaning }) => meaning)).toEqual(
    [1, 2].map((i) => `${hexPage(page - (page % 8) + i)} is at ${hexPage(targetPage + i)}`),
  );
  const picture = walkPicture(steps, { target: hexPage(targetPage) }).join('\n');
  expect(picture).not.toContain('prefetch');
  expect(explainText(steps, 0).join('\n')).toMatch(/ prefetch  .*0\.0 ns/);
  expect(brought.map(({ read, costNs }) => [read, costNs])).toEqual([
    [0, 0],
    [0, 0],
  ]);
});

const hexPage = (page: number): string => `0x${(page * 4096).toString(16)}`;

describe('a unit that keeps not-present results', () => {
  /** A NIC in strict mode; every kernel under such a unit flushes what it maps. */
  const nic = (mode: TenantSpec['mode'], machine: Partial<MachineSpec>): RunResult => {
    const npCache = machine === NEGATIVE;
    const host = stageSpec('amd-v1', 4, mode === 'nested' ? 21 : 12);
    const stages = { mode, host, guest: stageSpec('amd-v2', 4), memoryBytes: 256 * MIB };
    const spec = runSpec({
      machine: machineSpec(machine),
      tenants: [
        tenantSpec({
          ...stages,
          ...(npCache && mode !== 'shadow' ? { npCache } : {}),
          policy: 'strict',
          devices: deviceSpecs(1, { traffic: nicTraffic() }),
        }),
      ],
      run: { ...runLimits({ requests: 4000, warmupRequests: 500 }), missCauses: true, debug: true },
    });
    return simulate(spec, kernelModule);
  };

  it.each(['host', 'nested', 'nested-hw', 'shadow'] as const)(
    'costs an invalidation more a map, and no fault: %s',
    (mode) => {
      const [plain, negative] = [{}, NEGATIVE].map((machine) => nic(mode, machine));
      expect(brokenRules(negative)).toEqual([]);
      expect(sumCounters([negative.devices[0].counters])[C_FAULTS]).toBe(0);
      const perMap = ({ devices: [{ driver }], units }: RunResult): number =>
        units[0].commandKinds!.pages / driver.maps;
      // In shadow mode the commands are the hypervisor's.
      expect(perMap(plain)).toBeGreaterThan(0.9);
      expect(perMap(plain)).toBeLessThan(1.1);
      expect(perMap(negative)).toBeGreaterThan(1.9);
      expect(perMap(negative)).toBeLessThan(2.1);
    },
  );

  it('lets pages come in on demand: the map of a page request takes the result with it', () => {
    const ats: AtsSpec = {
      ...{ ...cacheSpec(64), leafLog2: [12, 21], allowed: true, requestPages: 1, outstanding: 8, invalidateQueue: 32 },
      ...{ lookupNs: 5, messageNs: 100, invalidateNs: 50, invalidateTimeoutNs: 90e9 },
    };
    const pri = { outstanding: 8, groupPages: 4, gatherNs: 100, interruptNs: 2000, faultNs: 1500 };
    const demand = { ...pri, reclaimPerSecond: 20_000, logEntries: 64 };
    const device = { ats, pri: demand, traffic: uniformTraffic({ windowBytes: MIB / 2, outstanding: 8 }) };
    const spec = runSpec({
      machine: machineSpec(NEGATIVE),
      tenants: [tenantSpec({ policy: 'static', npCache: true, devices: deviceSpecs(1, device) })],
      run: { ...runLimits({ requests: 8000 }), missCauses: true, debug: true },
    });
    const result = simulate(spec, kernelModule);
    const { counters, requests } = result.devices[0];
    expect(brokenRules(result)).toEqual([]);
    expect(requests).toBe(8000);
    expect(counters[C_NEGATIVE_FILLS]).toBeGreaterThan(100);
    expect([counters[C_FAULTS], counters[C_ATS_ABORTED]]).toEqual([0, 0]);
  });
});
