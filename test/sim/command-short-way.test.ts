/** The kernel's short ways of command queue and driver against the general ones (iommu/command-queue.ts, driver/domain.ts), over the same unit. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Command, PREFETCH } from '../../src/iommu/commands/command.ts';
import { createMemory, Kernel } from '../../src/kernel/kernel.ts';
import { UNIT_L1_COUNT } from '../../src/kernel/layout.ts';
import { openWindows } from '../../src/sim/device-tables.ts';
import { buildGuestMemory } from '../../src/sim/guest-memory.ts';
import { planMemory } from '../../src/sim/memory-plan.ts';
import { TableRules } from '../../src/sim/table-rules.ts';
import { UnitSystem } from '../../src/sim/unit-system.ts';
import type { KernelEra, Policy } from '../../src/spec.ts';
import { kernelModule } from '../support/kernel.ts';
import { cacheSpec, deviceSpecs, machineSpec, osSpec, runSpec, tenantSpec, uniformTraffic } from '../support/spec.mjs';

const PAGES = 64;
const WRITE = 2;

/** Three devices, one through a guest's table, two through the host's alone. */
function build(kernelEra: KernelEra, entries: number, isShort: boolean, second: Policy = 'strict', ways = 8) {
  const traffic = uniformTraffic({ windowBytes: 4096 * PAGES });
  const tenants = [
    tenantSpec({ policy: 'strict', devices: deviceSpecs(1, { traffic }) }),
    tenantSpec({
      name: 'vm',
      memoryBytes: 2 ** 28,
      mode: 'nested',
      policy: 'strict',
      devices: deviceSpecs(1, { traffic, pasid: 3 }, 1, 1),
    }),
    tenantSpec({ name: 'second', policy: second, devices: deviceSpecs(1, { traffic }, 1, 2) }),
  ];
  // With few entries they are evicted, and one set of them has an index.
  const iotlb = { ...machineSpec().iotlb, ...cacheSpec(ways === 8 ? 512 : ways, ways) };
  const machine = machineSpec({ commandQueueEntries: entries, iotlb });
  const spec = runSpec({ machine, os: osSpec({ kernelEra, cpus: 2 }), tenants });
  const plan = planMemory(spec);
  const kernel = new Kernel(kernelModule, createMemory(Math.ceil(plan.totalBytes / 65_536) + 1));
  const no = (): number => -1;
  if (!isShort) {
    const general = { queuePages: no, queueWait: no, queueProcess: no, driverMap: no, driverUnmap: no };
    Object.assign(kernel, { exports: { ...kernel.exports, ...general } });
  }
  for (const space of plan.spaces) openWindows(kernel, space);
  const rules = new TableRules(kernel, plan.rules, spec);
  for (const tenant of plan.tenants) buildGuestMemory(kernel, rules, tenant);
  const unit = new UnitSystem(spec, kernel, rules, plan, 0);
  // With a first-level IOTLB, though it is none, pages are dropped the general way.
  if (!isShort) kernel.i32[(unit.iommu.pointer + UNIT_L1_COUNT) / 4] = 1;
  const iovas = unit.devices.map(({ mapper, plan: { firstPage } }) =>
    Array.from({ length: PAGES }, (_, i) => mapper.mapStatic(firstPage + i, 1, WRITE)),
  );
  const domains = unit.devices.map(({ plan: { domain } }) => domain);
  // Two cores over each domain.
  const mappers = unit.devices.flatMap(({ mapper }) => [mapper, mapper.forQueue(1)]);
  const mapped = unit.devices.map((): number[] => []);
  return { unit, kernel, iovas, domains, ring: plan.units[0].queues, mappers, mapped };
}

type World = ReturnType<typeof build>;

interface Operation {
  readonly kind: 'map' | 'unmap' | 'burst' | 'pages' | 'all' | 'device' | 'wait' | 'use' | 'process' | 'other';
  readonly delay: number;
  readonly page: number;
  readonly pasid: number;
  readonly domain: number;
  readonly size: number;
  readonly walkCaches: boolean;
  readonly core: number;
}

const size = fc.constantFrom(12, 12, 12, 13, 16, 21, 30, 45, 52, 64);
const operation: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constantFrom<Operation['kind'][]>(
    'map',
    'map',
    'map',
    'unmap',
    'unmap',
    'unmap',
    'burst',
    'pages',
    'pages',
    'all',
    'device',
    'wait',
    'wait',
    'use',
    'use',
    'process',
    'other',
  ),
  // No whole picoseconds: sums must be made in the same order.
  delay: fc.double({ min: 0, max: 400_000, noNaN: true }),
  page: fc.nat(PAGES - 1),
  pasid: fc.constantFrom(-1, -1, 0, 3),
  domain: fc.nat(3),
  size,
  walkCaches: fc.boolean(),
  core: fc.nat(1),
});

/** A driver maps or unmaps a page; what it gets, and when its core is free again. */
function drive({ unit, kernel, mappers, mapped }: World, op: Operation, nowPs: number): unknown {
  const device = op.domain % unit.devices.length;
  const mapper = mappers[2 * device + op.core];
  const pages = mapped[device];
  mapper.work(nowPs, 0.3);
  if (op.kind === 'map') {
    const page = mapper.map(unit.devices[device].plan.firstPage + op.page, 1, op.page % 4 === 0 ? 3 : WRITE);
    pages.push(page);
    return [page, mapper.cpuFreePs, kernel.exports.translate(unit.devices[device].ctx, page, WRITE, nowPs)];
  }
  if (pages.length > 0) mapper.unmap(pages.splice(op.page % pages.length, 1)[0], 1);
  return mapper.cpuFreePs;
}

/**
 * A core maps many pages and then unmaps them, so that its magazines of IOVAs fill and empty, the depot too; sometimes so late that
 * the depot's timer has run out. Where and when.
 */
function burst({ unit, mappers }: World, op: Operation, nowPs: number): unknown {
  const device = op.domain % unit.devices.length;
  const mapper = mappers[2 * device + op.core];
  mapper.work(nowPs + (op.page % 4 === 0 ? 1.1e11 : 0), 0.7);
  const { firstPage } = unit.devices[device].plan;
  const pages = Array.from({ length: 10 * op.page }, (_, i) => mapper.map(firstPage + (i % PAGES), 1, WRITE));
  for (let i = op.size % 5; i > 0; i--) pages.push(pages.shift() ?? mapper.map(firstPage, 1, WRITE));
  const times = pages.map((page) => {
    mapper.unmap(page, 1);
    unit.commands.process(mapper.cpuFreePs);
    return mapper.cpuFreePs;
  });
  return [pages, times];
}

/** Does it; what a driver, the engine and a device see of it. */
function act(world: World, op: Operation, nowPs: number): unknown {
  const { unit, kernel, iovas, domains } = world;
  const { commands } = unit;
  const domain = domains[op.domain] ?? op.domain;
  const page = iovas[op.domain & 1][op.page];
  switch (op.kind) {
    case 'map':
    case 'unmap':
      return drive(world, op, nowPs);
    case 'burst':
      return burst(world, op, nowPs);
    case 'pages':
      return commands.submitPages(nowPs, domain, op.pasid, page, op.size, op.walkCaches);
    case 'all':
      return commands.submitAll(nowPs, domain, op.pasid);
    case 'device':
      return commands.submitDevice(nowPs, 0x100);
    case 'wait':
      return commands.completionWait(nowPs);
    case 'use':
      return kernel.exports.translate(unit.devices[op.domain & 1].ctx, page, WRITE, nowPs);
    case 'process':
      return commands.process(nowPs);
    default: {
      const command = new Command().clear(PREFETCH);
      command.device = 0x100;
      command.page = page!;
      command.data = 2;
      // Every tenth is of no legal kind: software mends it after two others.
      if (op.page % 10 === 0) return [commands.submitWords(nowPs, 1, -1, 0, 0), commands.isHalted];
      commands.restart(nowPs);
      return unit.commands.encoding.name === 'amd' ? commands.submit(nowPs, command) : 0;
    }
  }
}

/** All that can be read of the queue and the unit. */
function state({ unit, kernel, ring }: World, nowPs: number) {
  const { commands, iommu, invalidatedEntries } = unit;
  const { completionWaits, fullStalls, stalledPs, busyPs, timeouts, isHalted, idlePs, tail, fetchAddress } = commands;
  return {
    counts: [commands.commands, completionWaits, fullStalls, stalledPs, busyPs, timeouts, ...commands.byKind],
    granularities: [commands.wholeDomains, commands.allContexts],
    registers: [commands.headAt(nowPs), tail, isHalted, idlePs, fetchAddress, commands.nextAt()],
    memory: [...kernel.i32.subarray(ring.base / 4, (ring.base + ring.bytes) / 4)],
    invalidatedEntries,
    caches: iommu.cacheResults(),
    counters: unit.devices.map(({ ctx }) => [...iommu.counters(ctx)]),
    accounts: unit.devices.map(({ mapper }) => mapper.account),
    cores: unit.cores.map(({ freePs, spentPs }) => [freePs, spentPs]),
    pages: unit.devices.map(({ domain }) => domain!.mappedPages),
    tables: unit.tablePages,
  };
}

it.each(['amd-6.1', 'amd-7.2', 'intel-6.1', 'intel-6.12'] as const)('both ways leave the same behind: %s', (era) => {
  const entries = fc.constantFrom(2, 3, 8, 64);
  const second = fc.constantFrom<Policy[]>('strict', 'lazy');
  const operations = fc.array(operation, { minLength: 30, maxLength: 250 });
  const ways = fc.constantFrom(4, 8, 20);
  fc.assert(
    fc.property(operations, entries, second, ways, (operations, slots, policy, ways) => {
      const worlds = [build(era, slots, true, policy, ways), build(era, slots, false, policy, ways)] as const;
      let nowPs = 0;
      for (const op of operations) {
        nowPs += op.delay;
        expect(act(worlds[0], op, nowPs)).toEqual(act(worlds[1], op, nowPs));
      }
      expect(state(worlds[0], nowPs)).toEqual(state(worlds[1], nowPs));
      for (const { unit } of worlds) unit.commands.process(Infinity);
      expect(state(worlds[0], nowPs)).toEqual(state(worlds[1], nowPs));
    }),
    { numRuns: 25 },
  );
});

it('goes on in the general way when more commands wait than the kernel has room for', () => {
  const worlds = [build('amd-6.1', 4, true), build('amd-6.1', 4, false)] as const;
  const seen = worlds.map((world) => {
    const { commands } = world.unit;
    const times: number[] = [];
    for (let i = 0, nowPs = 0; i < 50; i++) {
      nowPs = commands.submitPages(nowPs, world.domains[0], -1, world.iovas[0][i], 12, true);
      times.push(nowPs, commands.completionWait(nowPs));
    }
    commands.process(1_000_000);
    times.push(commands.headAt(1_000_000), commands.nextAt());
    commands.process(Infinity);
    return { times, ...state(world, 1e9) };
  });
  expect(seen[0]).toEqual(seen[1]);
  expect(seen[0].counts[0]).toBe(100);
});
