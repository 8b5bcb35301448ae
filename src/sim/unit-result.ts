/** What a unit and its devices leave behind. */
import type { DriverAccount } from '../driver/cpu.ts';
import { C_STALE } from '../kernel/layout.ts';
import {
  ALL_PAGES,
  CONTEXTS,
  DEVICE,
  DEVICE_TLB,
  EVERYTHING,
  INTERRUPT,
  PAGES,
  PASID_CACHE,
  PPR_RESPONSE,
  PREFETCH,
  WAIT,
} from '../iommu/commands/command.ts';
import type { CommandQueue } from '../iommu/command-queue.ts';
import { assert } from '../lib/assert.ts';
import type { CommandKinds, DeviceResult, DriverCounts, FaultRecord, UnitResult } from '../stats/result.ts';
import { checkCounters } from '../stats/counters.ts';
import type { DeviceSystem, UnitSystem } from './unit-system.ts';

/** Counts that are not reset but remembered, and taken off at the end. */
export class CountedPart {
  private readonly unit: UnitSystem;
  private readonly operations: Float64Array;
  private readonly drops: Float64Array;
  /** Time that each core had spent at work. */
  private readonly busyPs: Float64Array;
  private logOverflow = 0;

  constructor(unit: UnitSystem) {
    this.unit = unit;
    this.operations = new Float64Array(unit.devices.length);
    this.drops = new Float64Array(unit.devices.length);
    this.busyPs = new Float64Array(unit.cores.length);
  }

  /** Counts anew: warm-up is over at `nowPs`. */
  begin(nowPs: number): void {
    const { unit } = this;
    unit.iommu.resetCounters();
    unit.readFaults();
    unit.commands.resetCounts();
    unit.engine.resetCounts();
    unit.invalidatedEntries = 0;
    unit.effectsDelayed = 0;
    unit.virtualMachines.resetCounts();
    this.logOverflow = unit.faultsLost;
    unit.cores.forEach((core, cpu) => (this.busyPs[cpu] = core.busyUntil(nowPs)));
    unit.devices.forEach(({ model, mapper }, d) => {
      mapper.account.reset();
      this.operations[d] = model.operations;
      this.drops[d] = model.drops ?? 0;
    });
  }

  deviceResults(): DeviceResult[] {
    return this.unit.devices.map((device, d) => this.deviceResult(device, d));
  }

  private deviceResult(device: DeviceSystem, d: number): DeviceResult {
    const { plan, model, mapper } = device;
    const { spec, tenant } = plan;
    const port = this.unit.engine.ports[d];
    const counters = this.unit.iommu.counters(device.ctx);
    return {
      index: spec.index,
      name: spec.name,
      tenant,
      unit: spec.unit,
      bdf: spec.bdf,
      counters,
      requests: port.reads + port.writes,
      reads: port.reads,
      writes: port.writes,
      readBytes: port.readBytes,
      writeBytes: port.writeBytes,
      operations: model.asksAhead === true ? port.bursts : model.operations - this.operations[d],
      drops: (model.drops ?? 0) - this.drops[d],
      linkBusyPs: Math.max(port.upBusyPs, port.downBusyPs),
      translation: port.translation.data(),
      completion: port.completion.data(),
      driver: { ...driverCounts(mapper.account), staleUses: counters[C_STALE] },
    };
  }

  /** `endPs`: of the measured part. */
  unitResult(endPs: number): UnitResult {
    const { unit } = this;
    return {
      unit: unit.plan.unit,
      caches: unit.iommu.cacheResults(),
      commands: unit.commands.commands,
      commandKinds: commandKinds(unit.commands),
      commandBusyPs: unit.commands.busyPs,
      commandQueueFull: unit.commands.fullStalls,
      eventLogOverflow: unit.faultsLost - this.logOverflow,
      invalidatedEntries: unit.invalidatedEntries,
      tablePages: unit.tablePages,
      cpus: unit.cores.map((core, cpu) => ({ cpu, busyPs: core.busyUntil(endPs) - this.busyPs[cpu] })),
      mappedPages: unit.mappedPages,
      effectsDelayed: unit.effectsDelayed,
      viommu: unit.virtualMachines.result(),
    };
  }

  /** Fault records since the begin, times from there on. */
  faults(fromPs: number): FaultRecord[] {
    return this.unit.readFaults().map((fault) => ({ ...fault, timePs: fault.timePs - fromPs }));
  }

  /** Re-checks the sum rules. Throws AssertionError naming the device and the rule. */
  check(): void {
    this.unit.devices.forEach(({ plan, ctx }, d) => {
      const port = this.unit.engine.ports[d];
      const broken = checkCounters(this.unit.iommu.counters(ctx), port.reads + port.writes);
      assert(broken.length === 0, `${plan.spec.name}: ${broken.join('; ')}`);
    });
  }
}

function commandKinds({ byKind, wholeDomains, allContexts }: CommandQueue): CommandKinds {
  return {
    waits: byKind[WAIT],
    devices: byKind[DEVICE],
    contexts: byKind[CONTEXTS] - allContexts,
    allContexts,
    pasids: byKind[PASID_CACHE],
    pages: byKind[PAGES] - wholeDomains,
    domains: wholeDomains,
    allPages: byKind[ALL_PAGES],
    everything: byKind[EVERYTHING],
    deviceTlbs: byKind[DEVICE_TLB],
    interrupts: byKind[INTERRUPT],
    prefetches: byKind[PREFETCH],
    pprResponses: byKind[PPR_RESPONSE],
  };
}

function driverCounts(account: DriverAccount): Omit<DriverCounts, 'staleUses'> {
  const { maps, unmaps, mapFailures, cpuPs, cpuMapPs, cpuUnmapPs, cpuWaitPs } = account;
  const { invalidationCommands, completionWaits, vmExits, flushes } = account;
  const { staleWindowPs, staleWindowMaxPs, staleWindows, cpuLockPs, bounces, copiedBytes } = account;
  const { vmExitsMap, vmExitsUnmap, vmExitsInvalidate, hypervisorPs } = account;
  return {
    maps,
    unmaps,
    mapFailures,
    cpuPs,
    cpuMapPs,
    cpuUnmapPs,
    cpuWaitPs,
    invalidationCommands,
    completionWaits,
    vmExits,
    vmExitsMap,
    vmExitsUnmap,
    vmExitsInvalidate,
    hypervisorPs,
    flushes,
    staleWindowPs,
    staleWindowMaxPs,
    staleWindows,
    cpuLockPs,
    bounces,
    copiedBytes,
  };
}
