/** Counting why lookups miss takes the general way for every miss: it must change nothing but these counts, which add up to the misses. */
import { describe, expect, it } from 'vitest';
import { C_COLD, C_MISSES } from '../../src/kernel/layout.ts';
import { simulate } from '../../src/sim/simulate.ts';
import type { RunSpec, TenantSpec } from '../../src/spec.ts';
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
  withoutWalkCaches,
} from '../support/spec.mjs';

const CAUSES = 4;
const MIB = 1 << 20;
const traffics = {
  windows: uniformTraffic({ windowBytes: 4 * MIB, outstanding: 8 }),
  'NICs, strict': nicTraffic({ ringEntries: 64, flows: 2, pollBatch: 8 }),
};
const v1 = stageSpec('amd-v1', 4);
const v2 = stageSpec('amd-v2', 4);
const modes: Record<string, Partial<TenantSpec>> = {
  'host tables': { mode: 'host', host: v1 },
  'nested tables': { mode: 'nested', host: v1, guest: v2, memoryBytes: 64 * MIB },
};
const oneSet = { ...cacheSpec(16), leafLog2: [12], fracture: true, l1: noCache };
const machines = {
  'walk caches': { walkers: 2 },
  'no walk caches': { walkers: 2, ...withoutWalkCaches },
  // Here nothing but the causes themselves makes a miss special: conflicts need no shadow of the cache.
  'no walk caches, one set, line cache': {
    walkers: 2,
    ...withoutWalkCaches,
    iotlb: oneSet,
    lineCache: cacheSpec(1024, 8),
  },
};

const cases = Object.entries(traffics).flatMap(([what, traffic]) =>
  Object.entries(modes).flatMap(([how, mode]) =>
    Object.entries(machines).map(([where, machine]) => {
      const devices = deviceSpecs(4, { traffic });
      const policy = what.endsWith('strict') ? { policy: 'strict' as const } : {};
      const spec = (missCauses: boolean): RunSpec =>
        runSpec({
          machine: machineSpec(machine),
          tenants: [tenantSpec({ ...mode, ...policy, devices })],
          run: { ...runLimits({ requests: 4000, warmupRequests: 200 }), missCauses },
        });
      return [`${what}, ${how}, ${where}`, spec] as const;
    }),
  ),
);

/** All results but the spec and the causes. */
function restOf({ spec: _, ...rest }: RunResult): unknown {
  for (const { counters } of rest.devices) counters.fill(0, C_COLD, C_COLD + CAUSES);
  return rest;
}

describe('counting miss causes changes nothing else', () => {
  it.each(cases)('%s', (_, spec) => {
    const causes = simulate(spec(true), kernelModule);
    expect(causes.devices.some(({ counters }) => counters[C_COLD] > 0)).toBe(true);
    for (const { counters } of causes.devices) {
      const counted = counters.subarray(C_COLD, C_COLD + CAUSES).reduce((sum, count) => sum + count, 0);
      expect(counted).toBe(counters[C_MISSES]);
    }
    expect(restOf(simulate(spec(false), kernelModule))).toEqual(restOf(causes));
  });
});
