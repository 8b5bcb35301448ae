import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HEAP_BASE } from '../../src/kernel/layout.ts';
import { GIB, type MemoryPlan, planMemory } from '../../src/sim/memory-plan.ts';
import { simulate } from '../../src/sim/simulate.ts';
import type { RunSpec } from '../../src/spec.ts';
import { kernelModule } from '../support/kernel.ts';
import {
  cacheSpec,
  deviceSpecs,
  machineSpec,
  runLimits,
  runSpec,
  stageSpec,
  tenantSpec,
  uniformTraffic,
} from '../support/spec.mjs';

type Range = readonly [from: number, to: number];

function expectDisjoint(ranges: readonly Range[]): void {
  const sorted = ranges.filter(([from, to]) => to > from).sort((a, b) => a[0] - b[0]);
  for (let i = 1; i < sorted.length; i++) expect(sorted[i][0]).toBeGreaterThanOrEqual(sorted[i - 1][1]);
}

/** Everything that has a place of its own in the kernel's memory. */
function kernelRanges(plan: MemoryPlan): Range[] {
  const guests = plan.tenants.flatMap(({ guest }) => (guest?.host === undefined ? [] : [guest.host.structures]));
  const regions = [plan.rules, ...plan.spaces, ...plan.units.map(({ structures }) => structures), ...guests];
  return regions.map(({ base, bytes }) => [base, base + bytes]);
}

/** Host physical memory, in bytes: table windows, guests, and buffers of devices without a guest. */
function spaRanges(plan: MemoryPlan): Range[] {
  const tables = plan.spaces.map(({ spa, bytes }): Range => [spa, spa + bytes]);
  const guests = plan.tenants.flatMap(({ guest }): Range[] =>
    guest === undefined ? [] : [[guest.firstPage * 4096, (guest.firstPage + guest.pages) * 4096]],
  );
  const devices = plan.units
    .flatMap((unit) => unit.devices)
    .filter(({ tenant }) => plan.tenants[tenant].guest === undefined);
  return [
    ...tables,
    ...guests,
    ...devices.map((d): Range => [d.firstPage * 4096, (d.firstPage + d.footprint.memoryPages) * 4096]),
  ];
}

const tenant = fc.record({
  mode: fc.constantFrom('host', 'nested', 'passthrough'),
  count: fc.integer({ min: 1, max: 5 }),
  windowBytes: fc.integer({ min: 4096, max: 2 ** 27 }),
  hostLeaf: fc.constantFrom(12, 21, 30),
  memoryBytes: fc.integer({ min: 2 ** 20, max: 2 ** 31 }),
});
const spec: fc.Arbitrary<RunSpec> = fc
  .record({ tenants: fc.array(tenant, { minLength: 1, maxLength: 4 }), units: fc.integer({ min: 1, max: 3 }) })
  .map(({ tenants, units }) => {
    let first = 0;
    const built = tenants.map(({ mode, count, windowBytes, hostLeaf, memoryBytes }) => {
      const devices = deviceSpecs(count, { traffic: uniformTraffic({ windowBytes }) }, units, first);
      first += count;
      return tenantSpec({ mode: mode as 'host', devices, memoryBytes, host: stageSpec('amd-v1', 4, hostLeaf) });
    });
    return runSpec({ machine: machineSpec({ units }), tenants: built });
  });

describe('a memory plan', () => {
  it('gives everything a place of its own', () => {
    fc.assert(
      fc.property(spec, (run) => {
        const plan = planMemory(run);
        const ranges = kernelRanges(plan);
        expectDisjoint(ranges);
        expectDisjoint(spaRanges(plan));
        expect(Math.min(...ranges.map(([from]) => from))).toBeGreaterThanOrEqual(HEAP_BASE);
        expect(Math.max(...ranges.map(([, to]) => to))).toBeLessThanOrEqual(plan.totalBytes);
        expect(plan.totalBytes).toBeLessThanOrEqual(2 ** 32);
        for (const space of plan.spaces) expect(space.spa % GIB).toBe(0);
      }),
    );
  });

  it("keeps a guest's buffers and tables apart in GPA, the tables above its memory", () => {
    fc.assert(
      fc.property(spec, (run) => {
        const plan = planMemory(run);
        plan.tenants.forEach(({ guest, spec: { memoryBytes } }, index) => {
          if (guest === undefined) return;
          const devices = plan.units.flatMap((unit) => unit.devices).filter(({ tenant: owner }) => owner === index);
          const buffers = devices.map(
            (d): Range => [d.firstPage * 4096, (d.firstPage + d.footprint.memoryPages) * 4096],
          );
          const tables = guest.spaces.map(({ gpa, bytes }): Range => [gpa, gpa + bytes]);
          expectDisjoint([...buffers, ...tables]);
          expect(guest.pages * 4096).toBeGreaterThanOrEqual(memoryBytes);
          for (const [from] of tables) expect(from).toBeGreaterThanOrEqual(guest.pages * 4096);
        });
      }),
    );
  });

  it('does not depend on anything but the spec', () => {
    fc.assert(
      fc.property(spec, (run) => {
        expect(planMemory(structuredClone(run))).toEqual(planMemory(run));
      }),
      { numRuns: 20 },
    );
  });

  it('refuses more tables than 4 GiB', () => {
    const devices = deviceSpecs(4, { traffic: uniformTraffic({ windowBytes: 2 ** 40 }) });
    expect(() => planMemory(runSpec({ tenants: [tenantSpec({ devices, memoryBytes: 2 ** 42 })] }))).toThrow(
      /more than 4294967296/,
    );
  });
});

const cache = fc
  .record({
    sets: fc.constantFrom(1, 3, 64, 8192),
    ways: fc.constantFrom(0, 1, 5, 8, 32),
    replacement: fc.constantFrom('lru', 'fifo', 'random', 'plru', 'srrip', 'lfu'),
  })
  .map(({ sets, ways, replacement }) => ({
    ...cacheSpec(sets * ways, ways),
    replacement,
  }));

describe('the memory of a unit', () => {
  it('has room for every organisation of its caches, and for those that tell causes of misses', () => {
    const [small, large] = [cacheSpec(8), cacheSpec(2 ** 16, 8)];
    const example = { iotlb: large, l1: small, nestedTlb: small, walk: small, lineCache: small };
    const caches = fc.record({ iotlb: cache, l1: cache, nestedTlb: cache, walk: cache, lineCache: cache });
    fc.assert(
      fc.property(caches, fc.boolean(), ({ iotlb, l1, nestedTlb, walk, lineCache }, missCauses) => {
        const machine = machineSpec({
          iotlb: { ...iotlb, leafLog2: [12, 21, 30], fracture: true, l1 },
          nestedTlb,
          lineCache,
          walkCaches: { host: [walk, walk], guest: [walk, walk] },
        });
        const tenants = [tenantSpec({ devices: deviceSpecs(3) })];
        const run = runLimits({ requests: 4, missCauses });
        expect(simulate(runSpec({ machine, tenants, run }), kernelModule).devices).toHaveLength(3);
      }),
      { numRuns: 40, examples: [[example, true]] },
    );
  });
});
