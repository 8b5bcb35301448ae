/** The ways to give a guest an IOMMU: the same workload comes to the same places, and costs what each way says. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Kernel } from '../../src/kernel/kernel.ts';
import { openWindows } from '../../src/sim/device-tables.ts';
import { buildGuestMemory } from '../../src/sim/guest-memory.ts';
import { type MemoryPlan, planMemory } from '../../src/sim/memory-plan.ts';
import { runMemory, simulate } from '../../src/sim/simulate.ts';
import { TableRules } from '../../src/sim/table-rules.ts';
import { type DeviceSystem, UnitSystem } from '../../src/sim/unit-system.ts';
import type { NicTraffic, RunSpec, TenantMode, TenantSpec } from '../../src/spec.ts';
import type { DriverCounts, RunResult } from '../../src/stats/result.ts';
import { kernelModule } from '../support/kernel.ts';
import {
  deviceSpecs,
  machineSpec,
  osSpec,
  runLimits,
  runSpec,
  stageSpec,
  tenantSpec,
  uniformTraffic,
} from '../support/spec.mjs';

const MIB = 1 << 20;
const READ = 1;
const WRITE = 2;
const LADDER = ['passthrough', 'shadow', 'nested', 'nested-hw'] as const;
const WITH_IOMMU = ['shadow', 'nested', 'nested-hw'] as const;

/** Room for a handful of mappings of any size. */
const buffers = () => deviceSpecs(1, { traffic: uniformTraffic({ windowBytes: 128 * MIB }) });

function nicTraffic(overrides: Partial<NicTraffic> = {}): NicTraffic {
  return {
    model: 'nic',
    queues: 1,
    direction: 'rx',
    offeredGbps: 0,
    mtuBytes: 1500,
    ringEntries: 64,
    bufferBytes: 2048,
    descriptorBytes: 16,
    completionBytes: 16,
    descriptorBatch: 8,
    pollBatch: 16,
    flows: 1,
    burstPackets: 1,
    buffersPerDescriptor: 1,
    completionCpu: 'same',
    recycle: { pages: 0, order: 'fifo', holdNs: 0 },
    ...overrides,
  };
}

/** A run of one VM with the given devices in each mode. */
function vm(mode: TenantMode, overrides: Partial<TenantSpec> = {}): TenantSpec {
  const policy = mode === 'passthrough' ? 'passthrough' : (overrides.policy ?? 'strict');
  return tenantSpec({ vm: true, host: stageSpec('amd-v1', 4), memoryBytes: 256 * MIB, ...overrides, mode, policy });
}

/** All units of a spec, built but not run. */
class World {
  readonly plan: MemoryPlan;
  readonly kernel: Kernel;
  readonly units: readonly UnitSystem[];

  constructor(spec: RunSpec) {
    this.plan = planMemory(spec);
    this.kernel = new Kernel(kernelModule, runMemory(spec));
    const rules = new TableRules(this.kernel, this.plan.rules, spec);
    for (const space of this.plan.spaces) openWindows(this.kernel, space);
    for (const tenant of this.plan.tenants) buildGuestMemory(this.kernel, rules, tenant);
    this.units = this.plan.units.map(({ unit }) => new UnitSystem(spec, this.kernel, rules, this.plan, unit));
  }

  get devices(): DeviceSystem[] {
    return this.units.flatMap(({ devices }) => devices).sort((a, b) => a.plan.spec.index - b.plan.spec.index);
  }

  /** SPA page that a request to this IOVA page goes to, or -1 - FAULT_*. Everything sent so far has taken effect. */
  translate(device: DeviceSystem, page: number, access: number): number {
    for (const { commands } of this.units) commands.process(Infinity);
    const { exports } = this.kernel;
    return exports.translate(device.ctx, page, access, 0) < 0 ? -1 - exports.lastFault() : exports.lastPage();
  }
}

const world = (tenants: TenantSpec[], units = 1): World =>
  new World(runSpec({ machine: machineSpec({ units }), tenants, os: osSpec() }));

describe('the ladder', () => {
  const step = fc.record({ pages: fc.integer({ min: 1, max: 40 }), prot: fc.constantFrom(READ, WRITE, READ | WRITE) });

  it('delivers the same bytes to the same places', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        const worlds = LADDER.map((mode) => world([vm(mode, { devices: buffers() })]));
        const places = worlds.map((each) => {
          const [device] = each.devices;
          return steps.flatMap(({ pages, prot }) => {
            const buffer = device.mapper.allocate(pages);
            const iova = device.mapper.map(buffer, pages, prot);
            return Array.from({ length: pages }, (_, i) => each.translate(device, iova + i, prot));
          });
        });
        for (const place of places) {
          expect(Math.min(...place)).toBeGreaterThanOrEqual(0);
          expect(place).toEqual(places[0]);
        }
      }),
      { numRuns: 15 },
    );
  });

  it.each([
    [12, 12],
    [21, 12],
    [12, 21],
    [21, 21],
  ])('translates alike with guest leaves of 2^%i and host leaves of 2^%i, after any maps and unmaps', (guest, host) => {
    const action = fc.record({ unmap: fc.boolean(), which: fc.nat(), ...stepShape(guest) });
    fc.assert(
      fc.property(fc.array(action, { minLength: 1, maxLength: 14 }), (actions) => {
        const stages = { host: stageSpec('amd-v1', 4, host), guest: stageSpec('amd-v2', 4, guest) };
        const worlds = WITH_IOMMU.map((mode) => world([vm(mode, { ...stages, devices: buffers() })]));
        const seen = new Set<number>();
        const live: { iova: number; pages: number }[] = [];
        for (const { unmap, which, pages, prot } of actions) {
          if (unmap && live.length > 0) {
            const [gone] = live.splice(which % live.length, 1);
            for (const { devices } of worlds) devices[0].mapper.unmap(gone.iova, gone.pages);
          } else {
            const iovas = worlds.map(({ devices: [{ mapper }] }) => mapper.map(mapper.allocate(pages), pages, prot));
            expect(new Set(iovas).size).toBe(1);
            live.push({ iova: iovas[0], pages });
            for (let i = -1; i <= pages; i++) seen.add(iovas[0] + i);
          }
          expectAlike(worlds, seen);
        }
      }),
      { numRuns: 5 },
    );
  });
});

function stepShape(guestLeafLog2: number) {
  const sizes = guestLeafLog2 > 12 ? [1, 3, 512, 513] : [1, 2, 7, 17];
  return { pages: fc.constantFrom(...sizes), prot: fc.constantFrom(READ, WRITE, READ | WRITE) };
}

/** Every page ever mapped, and its neighbours, for reads and writes. */
function expectAlike(worlds: readonly World[], pages: ReadonlySet<number>): void {
  for (const page of pages) {
    for (const access of [READ, WRITE]) {
      const places = worlds.map((each) => each.translate(each.devices[0], page, access));
      expect(places, `page ${page.toString(16)}, access ${access}`).toEqual(places.map(() => places[0]));
    }
  }
}

function run(tenants: TenantSpec[], overrides: Partial<RunSpec> = {}): RunResult {
  const spec = runSpec({ tenants, run: runLimits({ requests: 20_000, debug: true }), ...overrides });
  return simulate(spec, kernelModule);
}

const driver = (result: RunResult): Required<DriverCounts> => {
  const keys = Object.keys(result.devices[0].driver) as (keyof DriverCounts)[];
  return Object.fromEntries(
    keys.map((key) => [key, result.devices.reduce((sum, each) => sum + (each.driver[key] ?? 0), 0)]),
  ) as unknown as Required<DriverCounts>;
};

describe('exits', () => {
  const nics = (traffic = {}) => deviceSpecs(2, { traffic: nicTraffic({ ringEntries: 64, ...traffic }) });

  it.each([
    ['one page', { bufferBytes: 4096, mtuBytes: 4096 }],
    ['three pages, which go in two pieces', { bufferBytes: 12288, mtuBytes: 9000 }],
  ])('are maps + unmaps in shadow, invalidations in nested, none in hardware (%s)', (_, traffic) => {
    const [passthrough, shadow, nested, assisted] = LADDER.map((mode) =>
      driver(run([vm(mode, { devices: nics(traffic) })])),
    );
    expect(shadow.maps).toBeGreaterThan(50);
    expect(shadow).toMatchObject({
      vmExits: shadow.maps + shadow.unmaps,
      vmExitsMap: shadow.maps,
      vmExitsUnmap: shadow.unmaps,
      vmExitsInvalidate: 0,
    });
    expect(nested.unmaps).toBeGreaterThan(50);
    expect(nested).toMatchObject({
      vmExits: nested.invalidationCommands,
      vmExitsInvalidate: nested.unmaps,
      invalidationCommands: nested.unmaps,
      vmExitsMap: 0,
    });
    expect(assisted.unmaps).toBeGreaterThan(50);
    expect(assisted).toMatchObject({ vmExits: 0, hypervisorPs: 0, invalidationCommands: assisted.unmaps });
    expect(passthrough).toMatchObject({ vmExits: 0, maps: 0, unmaps: 0, hypervisorPs: 0 });
  });
});
