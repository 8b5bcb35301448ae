/** Whole runs with each organisation of the IOTLB: sum rules hold, and results do not depend on how often one runs. */
import { describe, expect, it } from 'vitest';
import { brokenRules } from '../../src/report/rules.ts';
import { simulate } from '../../src/sim/simulate.ts';
import type { MachineSpec, RunSpec } from '../../src/spec.ts';
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
};

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
