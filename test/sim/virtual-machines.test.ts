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
import type { RunSpec, TenantMode, TenantSpec } from '../../src/spec.ts';
import type { DriverCounts, RunResult } from '../../src/stats/result.ts';
import { kernelModule } from '../support/kernel.ts';
import {
  deviceSpecs,
  machineSpec,
  nicTraffic,
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
        const live: Mapping[] = [];
        for (const { unmap, which, pages, prot } of actions) {
          if (unmap && live.length > 0) {
            const [gone] = live.splice(which % live.length, 1);
            for (const { devices } of worlds) devices[0].mapper.unmap(gone.iova, gone.pages);
            expectAlike(worlds, around(gone));
          } else {
            const iovas = worlds.map(({ devices: [{ mapper }] }) => mapper.map(mapper.allocate(pages), pages, prot));
            expect(new Set(iovas).size).toBe(1);
            live.push({ iova: iovas[0], pages });
            expectAlike(worlds, around({ iova: iovas[0], pages }));
            for (const page of around({ iova: iovas[0], pages })) seen.add(page);
          }
        }
        expectAlike(worlds, seen);
      }),
      { numRuns: guest > 12 ? 3 : 8 },
    );
  });
});

function stepShape(guestLeafLog2: number) {
  const sizes = guestLeafLog2 > 12 ? [1, 3, 512, 513] : [1, 2, 7, 17];
  return { pages: fc.constantFrom(...sizes), prot: fc.constantFrom(READ, WRITE, READ | WRITE) };
}

interface Mapping {
  readonly iova: number;
  readonly pages: number;
}

/** Its pages, and one before and one behind. */
const around = ({ iova, pages }: Mapping): number[] => Array.from({ length: pages + 2 }, (_, i) => iova - 1 + i);

/** Reads and writes of all these pages. */
function expectAlike(worlds: readonly World[], pages: Iterable<number>): void {
  for (const page of pages) {
    for (const access of [READ, WRITE]) {
      const places = worlds.map((each) => each.translate(each.devices[0], page, access));
      if (places.every((place) => place === places[0])) continue; // expect costs more than the rest
      expect(places, `page ${page.toString(16)}, access ${access}`).toEqual(places.map(() => places[0]));
    }
  }
}

function run(tenants: TenantSpec[], overrides: Partial<RunSpec> = {}): RunResult {
  const spec = runSpec({ tenants, run: runLimits({ requests: 8000, debug: true }), ...overrides });
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

describe('one exit', () => {
  const os = (viommu = {}) => ({ os: osSpec({ viommu: { ...osSpec().viommu, ...viommu } }) });
  const nic = { devices: deviceSpecs(1, { traffic: nicTraffic({ bufferBytes: 12_288, mtuBytes: 9000 }) }) };

  it('may carry all invalidations of a flush', () => {
    const one = driver(run([vm('nested', { ...nic, npCache: true })], os()));
    const batched = driver(run([vm('nested', { ...nic, npCache: true })], os({ batched: true })));
    expect(one.vmExits).toBe(one.invalidationCommands);
    expect(one.vmExits).toBe(2 * (one.maps + one.unmaps));
    expect(batched.vmExits).toBe(batched.maps + batched.unmaps);
    expect(batched.hypervisorPs / batched.vmExits).toBeLessThan((one.hypervisorPs / one.vmExits) * 1.2);
  });

  it('costs what the scenario says', () => {
    const slow = driver(run([vm('shadow', nic)], os({ emulatedExitNs: 20_000, shadowPageNs: 0 })));
    const each = slow.hypervisorPs / slow.vmExits / 1000;
    expect(each).toBeGreaterThan(20_000);
    expect(each).toBeLessThan(21_500);
    expect(slow.hypervisorPs).toBeLessThan(slow.cpuPs);
  });

  it('comes once a flush of the domain in lazy mode', () => {
    const short = { os: osSpec({ flushQueue: { entries: 32, timeoutNs: 1e7, single: false } }) };
    const flushes = (mode: TenantMode, rest = {}) =>
      driver(run([vm(mode, { ...nic, policy: 'lazy', ...rest })], short));
    const lazy = flushes('nested');
    expect(lazy.flushes).toBeGreaterThan(0);
    expect(lazy.vmExits).toBe(lazy.flushes);
    // A unit that says NpCache has no flush queue.
    expect(flushes('nested', { npCache: true }).flushes).toBe(0);
    expect(flushes('shadow').flushes).toBe(0);
  });
});

describe('guests', () => {
  const window = uniformTraffic({ windowBytes: 4 * MIB });
  const two = (mode: TenantMode, pasid = -1) =>
    [0, 1].map((t) => vm(mode, { name: `vm-${t}`, devices: deviceSpecs(2, { traffic: window, pasid }, 2, 2 * t) }));

  it.each(LADDER)('have their own memory and domains, and do not reach into each other (%s)', (mode) => {
    const each = world(two(mode), 2);
    const places = each.devices.map((device) => {
      const iova = device.mapper.map(device.mapper.allocate(1), 1, READ | WRITE);
      return { device, iova, place: each.translate(device, iova, READ) };
    });
    expect(new Set(places.map(({ place }) => place)).size).toBe(4);
    for (const { device, place } of places) {
      const { guest } = each.plan.tenants[device.plan.tenant];
      expect(place).toBeGreaterThanOrEqual(guest!.firstPage);
      expect(place).toBeLessThan(guest!.firstPage + guest!.pages);
    }
    if (mode === 'passthrough') return;
    // Both guests call their first domain 1: what one forgets, the other keeps, in the tables and in the caches.
    places[0].device.mapper.unmap(places[0].iova, 1);
    expect(each.translate(places[0].device, places[0].iova, READ)).toBeLessThan(0);
    for (const { device, iova, place } of places.slice(1)) expect(each.translate(device, iova, READ)).toBe(place);
  });

  it.each(['nested', 'nested-hw'] as const)('may use PASIDs (%s)', (mode) => {
    const each = world(two(mode, 700), 2);
    for (const device of each.devices) {
      const iova = device.mapper.map(device.mapper.allocate(3), 3, WRITE);
      expect(each.translate(device, iova + 2, WRITE)).toBeGreaterThanOrEqual(0);
      device.mapper.unmap(iova, 3);
      expect(each.translate(device, iova + 2, WRITE)).toBeLessThan(0);
    }
  });

  it.each(WITH_IOMMU)('may put devices into one domain (%s)', (mode) => {
    const devices = deviceSpecs(2, { traffic: window, domain: 'both' });
    const each = world([vm(mode, { devices })]);
    const [a, b] = each.devices;
    const iova = a.mapper.map(a.mapper.allocate(2), 2, READ);
    expect(each.translate(b, iova, READ)).toBe(each.translate(a, iova, READ));
    a.mapper.unmap(iova, 2);
    for (const device of [a, b]) expect(each.translate(device, iova, READ)).toBeLessThan(0);
  });

  it('in passthrough share the domain of their memory', () => {
    const each = world(two('passthrough'), 2);
    expect(each.devices.map(({ plan }) => plan.domain)).toEqual([1, 1, 2, 2]);
  });
});

describe('what a guest costs', () => {
  const parts = (mode: TenantMode, overrides: Partial<TenantSpec> = {}) => {
    const devices = deviceSpecs(2, { traffic: nicTraffic({ ringEntries: 32 }) }, 2);
    const result = run([vm(mode, { devices, ...overrides })], { machine: machineSpec({ units: 2 }) });
    const viommus = result.units.map(({ viommu }) => viommu!);
    const guests = viommus.flatMap((viommu) => viommu.guests);
    return { result, viommus, guests, mappedPages: result.units.reduce((sum, unit) => sum + unit.mappedPages, 0) };
  };

  it('is its whole memory pinned, or in shadow what it maps', () => {
    for (const mode of ['passthrough', 'nested', 'nested-hw'] as const) {
      expect(parts(mode).guests.map(({ pinnedBytes }) => pinnedBytes)).toEqual([256 * MIB, 0]);
    }
    const { guests, mappedPages } = parts('shadow');
    for (const { pinnedBytes } of guests) {
      expect(pinnedBytes).toBeGreaterThan(0);
      expect(pinnedBytes).toBeLessThan(MIB);
    }
    const pinned = guests.reduce((sum, { pinnedBytes }) => sum + pinnedBytes, 0);
    expect(pinned).toBeGreaterThanOrEqual(4096 * mappedPages);
  });

  it('is set up by four registers a unit and one entry a device', () => {
    expect(parts('passthrough').guests.map(({ setupExits }) => setupExits)).toEqual([0, 0]);
    for (const mode of WITH_IOMMU) expect(parts(mode).guests.map(({ setupExits }) => setupExits)).toEqual([5, 5]);
  });

  it('is a private address space at each unit, where hardware reads its commands', () => {
    for (const mode of ['passthrough', 'shadow', 'nested'] as const) {
      expect(parts(mode).viommus.map(({ privateSpaceBytes }) => privateSpaceBytes)).toEqual([0, 0]);
    }
    const { viommus, result } = parts('nested-hw');
    // One leaf table each for the maps of one guest, four for the 8 MiB, three above and the root.
    const bytes = 8 * MIB + 1.5 * MIB + 10 * 4096;
    expect(viommus.map(({ privateSpaceBytes }) => privateSpaceBytes)).toEqual([bytes, bytes]);
    const { invalidationCommands, completionWaits } = driver(result);
    const commands = viommus.reduce((sum, viommu) => sum + viommu.commands, 0);
    expect(commands).toBe(invalidationCommands + completionWaits);
    for (const { reads, lookups, hits } of viommus) expect(reads).toBeGreaterThan(lookups - hits);
  });
});
