/** What a unit and its devices leave behind. */
import type { DriverAccount } from '../driver/cpu.ts';
import { assert } from '../lib/assert.ts';
import type { DeviceResult, DriverCounts, FaultRecord, UnitResult } from '../stats/result.ts';
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
    unit.iommu.drainFaults();
    unit.commands.resetCounts();
    unit.engine.resetCounts();
    unit.invalidatedEntries = 0;
    unit.virtualMachines.resetCounts();
    this.logOverflow = unit.iommu.logOverflow;
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
    return {
      index: spec.index,
      name: spec.name,
      tenant,
      unit: spec.unit,
      bdf: spec.bdf,
      counters: this.unit.iommu.counters(device.ctx).slice(),
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
      driver: driverCounts(mapper.account),
    };
  }

  /** `endPs`: of the measured part. */
  unitResult(endPs: number): UnitResult {
    const { unit } = this;
    return {
      unit: unit.plan.unit,
      caches: unit.iommu.cacheResults(),
      commands: unit.commands.commands,
      commandBusyPs: unit.commands.busyPs,
      commandQueueFull: unit.commands.fullStalls,
      eventLogOverflow: unit.iommu.logOverflow - this.logOverflow,
      invalidatedEntries: unit.invalidatedEntries,
      tablePages: unit.tablePages,
      cpus: unit.cores.map((core, cpu) => ({ cpu, busyPs: core.busyUntil(endPs) - this.busyPs[cpu] })),
      mappedPages: unit.devices.reduce((sum, { domain }) => sum + (domain?.mappedPages ?? 0), 0),
      // Every domain lives behind one unit: there is no effect that could be late.
      effectsDelayed: 0,
      viommu: unit.virtualMachines.result(),
    };
  }

  /** Fault records since the begin, times from there on. */
  faults(fromPs: number): FaultRecord[] {
    return this.unit.iommu.drainFaults().map((fault) => ({ ...fault, timePs: fault.timePs - fromPs }));
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

function driverCounts(account: DriverAccount): DriverCounts {
  const { maps, unmaps, mapFailures, cpuPs, cpuMapPs, cpuUnmapPs, cpuWaitPs } = account;
  const { invalidationCommands, completionWaits, vmExits, flushes, staleUses } = account;
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
    staleUses,
    staleWindowPs,
    staleWindowMaxPs,
    staleWindows,
    cpuLockPs,
    bounces,
    copiedBytes,
  };
}
