/**
 * A run from its spec to its result: the only place that knows the order of its stages. A run may be shared out over several
 * threads, each with some of the units (`simulatePart`); the parts put together are the same for any number of them.
 */
import { Kernel, type KernelMemory } from '../kernel/kernel.ts';
import { PS_PER_NS } from '../request.ts';
import type { RunSpec } from '../spec.ts';
import type { UnitCurves } from '../stats/mrc/curve.ts';
import type { DeviceResult, FaultRecord, RunResult, TimelineRow, UnitResult } from '../stats/result.ts';
import { openWindows } from './device-tables.ts';
import { exchange } from './exchange.ts';
import { Gang } from './gang.ts';
import { buildGuestMemory } from './guest-memory.ts';
import { type MemoryPlan, planMemory } from './memory-plan.ts';
import { MrcTap } from './mrc.ts';
import { Steps } from './quantum.ts';
import { TableRules } from './table-rules.ts';
import { Timeline } from './timeline.ts';
import { CountedPart } from './unit-result.ts';
import { UnitSystem } from './unit-system.ts';

const WASM_PAGE_BYTES = 65_536;
/** Requests between two looks at the stop flag. */
const CHUNK_REQUESTS = 65_536;

/** One thread's share of a run. */
export interface Share {
  readonly spec: RunSpec;
  readonly module: WebAssembly.Module;
  readonly memory: KernelMemory;
  /** Shared by the threads of the run (Gang.block). */
  readonly block: SharedArrayBuffer;
  /** Units of each thread, and which of them this is. */
  readonly dealt: readonly (readonly number[])[];
  readonly member: number;
}

export interface PartResult {
  readonly devices: readonly DeviceResult[];
  readonly units: readonly UnitResult[];
  readonly faults: readonly FaultRecord[];
  readonly timeline: readonly TimelineRow[];
  readonly curves: readonly UnitCurves[];
  readonly warmupPs: number;
  readonly measuredPs: number;
}

/** The kernel memory that a run needs. Throws RangeError when it is more than 4 GiB. */
export function runMemory(spec: RunSpec): KernelMemory {
  const initial = Math.ceil(planMemory(spec).totalBytes / WASM_PAGE_BYTES);
  return new WebAssembly.Memory({ initial, maximum: 65_536, shared: true });
}

/** A whole run in this thread. */
export function simulate(spec: RunSpec, module: WebAssembly.Module): RunResult {
  const memory = runMemory(spec);
  const dealt = dealUnits(spec, 1);
  const block = Gang.block(spec.machine.units);
  return mergeParts(spec, [simulatePart({ spec, module, memory, block, dealt, member: 0 })]);
}

/** Units of each thread, dealt by load (devices behind them), heaviest first, to the thread that has least. */
export function dealUnits(spec: RunSpec, threads: number): number[][] {
  const load = new Array<number>(spec.machine.units).fill(0);
  for (const { devices } of spec.tenants) for (const { unit } of devices) load[unit]++;
  const dealt = Array.from({ length: threads }, () => ({ units: [] as number[], load: 0 }));
  const heaviestFirst = load.map((_, unit) => unit).sort((a, b) => load[b] - load[a] || a - b);
  for (const unit of heaviestFirst) {
    const least = dealt.reduce((best, each) => (each.load < best.load ? each : best));
    least.units.push(unit);
    least.load += load[unit];
  }
  return dealt.map(({ units }) => units.sort((a, b) => a - b));
}

/** One thread's part of a run. Throws Stopped when another part failed or the run was cancelled. */
export function simulatePart(share: Share): PartResult {
  return new RunPart(share).run();
}

/** One unit as its thread runs it. */
interface OwnUnit {
  readonly system: UnitSystem;
  readonly counted: CountedPart;
  readonly timeline: Timeline;
  /** Only where the run asks for miss-ratio curves. */
  readonly tap: MrcTap | undefined;
}

class RunPart {
  private readonly share: Share;
  private readonly spec: RunSpec;
  private readonly gang: Gang;
  private readonly memory: MemoryPlan;
  private readonly steps: Steps;
  /** Some domain has devices behind several units. */
  private readonly spans: boolean;
  private units: readonly OwnUnit[] = [];
  private step = 0;

  constructor(share: Share) {
    this.share = share;
    this.spec = share.spec;
    this.gang = new Gang(share.block, share.dealt.length);
    this.memory = planMemory(share.spec);
    this.spans = [...this.memory.domains.values()].some(({ units }) => units.length > 1);
    this.steps = new Steps(share.spec.run, share.spec.machine.units, this.spans);
  }

  run(): PartResult {
    this.build();
    const { gang, steps } = this;
    for (;;) {
      if (this.spans) this.deliver();
      this.report();
      gang.meet();
      if (this.spans) this.sync();
      const untilPs = steps.next(this.reports());
      if (steps.resets || (steps.done && !steps.measuring)) this.beginCounting();
      if (steps.done) break;
      for (const unit of this.units) this.advance(unit, untilPs);
      this.step++;
    }
    return this.result();
  }

  /** Guest memory by one thread, then each thread its own units. */
  private build(): void {
    const { share, spec, gang, memory } = this;
    const kernel = new Kernel(share.module, share.memory);
    const rules = new TableRules(kernel, memory.rules, spec);
    for (const space of memory.spaces) openWindows(kernel, space);
    if (share.member === 0) for (const tenant of memory.tenants) buildGuestMemory(kernel, rules, tenant);
    gang.meet();
    const intervalPs = Math.round(spec.run.intervalNs * PS_PER_NS);
    this.units = share.dealt[share.member].map((unit) => {
      const { mrc } = spec.run;
      const tap = mrc === undefined ? undefined : new MrcTap(kernel, spec, memory.units[unit], mrc);
      const system = new UnitSystem(spec, kernel, rules, memory, unit, tap?.recorded);
      tap?.watch(system.engine.pointer, system.iommu.pointer);
      system.start();
      return { system, counted: new CountedPart(system), timeline: new Timeline(system, intervalPs), tap };
    });
  }

  /** When counting began; the end of a run that never came so far. */
  private get fromPs(): number {
    return Math.min(this.steps.measureFromPs, this.steps.nowPs);
  }

  private report(): void {
    for (const { system } of this.units) this.gang.report(system.plan.unit, this.step, system.report());
  }

  /** The end of a step: what units have told each other takes effect. */
  private deliver(): void {
    const own = this.units.map(({ system }) => ({ unit: system.plan.unit, box: system.outbox }));
    const mail = exchange(this.gang, this.spec.machine.units, own);
    for (const { system } of this.units) system.deliver(mail, this.steps.nowPs);
  }

  /** How busy the other units' command processors are. */
  private sync(): void {
    const { gang, step } = this;
    for (const { system } of this.units) {
      for (const queue of system.remoteQueues.values()) {
        queue.sync(gang.commandsIdlePs(queue.unit, step), gang.drainPs(queue.unit, step));
      }
    }
  }

  private reports(): Parameters<Steps['next']>[0] {
    const { gang, step } = this;
    return {
      units: this.spec.machine.units,
      requests: (unit) => gang.requests(unit, step),
      nextPs: (unit) => gang.nextPs(unit, step),
    };
  }

  private beginCounting(): void {
    for (const { counted, timeline, tap } of this.units) {
      counted.begin(this.fromPs);
      timeline.begin(this.fromPs);
      tap?.begin();
    }
  }

  /** Runs a unit to the end of the step or of its budget, and samples it on the way. */
  private advance(unit: OwnUnit, untilPs: number): void {
    const { engine, plan } = unit.system;
    let budget = this.steps.budgets[plan.unit];
    for (;;) {
      const endPs = Math.min(untilPs, unit.timeline.nextPs);
      budget -= engine.run(endPs, Math.min(budget, CHUNK_REQUESTS));
      this.gang.check();
      this.gang.setProgress(plan.unit, this.progress(engine.requests, engine.nowPs));
      if (budget <= 0) break;
      if (engine.nextPs < endPs) continue;
      if (endPs === untilPs) break;
      unit.timeline.sample(endPs);
    }
    if (this.spec.run.debug) unit.counted.check();
  }

  /** Share of the run behind a unit: of requests if those end it, else of time. */
  private progress(requests: number, nowPs: number): number {
    const { run, machine } = this.spec;
    const wanted = (run.requests + run.warmupRequests) / machine.units;
    const wantedPs = (run.durationNs + run.warmupNs) * PS_PER_NS;
    return Math.min(1, run.requests > 0 ? requests / wanted : nowPs / wantedPs);
  }

  private result(): PartResult {
    const { units, fromPs } = this;
    const measuredPs = this.endPs() - fromPs;
    for (const { system, timeline } of units) {
      timeline.end(fromPs + measuredPs);
      system.engine.finish();
    }
    return {
      devices: units.flatMap(({ counted }) => counted.deviceResults()),
      units: units.map(({ counted }) => counted.unitResult(fromPs + measuredPs)),
      faults: units.flatMap(({ counted }) => counted.faults(fromPs)),
      timeline: units.flatMap(({ timeline }) => timeline.rows),
      curves: units.flatMap(({ tap }) => (tap === undefined ? [] : [tap.curves()])),
      warmupPs: fromPs,
      measuredPs,
    };
  }

  /** A run of a given length ends there; one of so many requests with the last event of any unit. */
  private endPs(): number {
    const { steps, spec, gang } = this;
    if (spec.run.durationNs > 0 && steps.measuredPs >= spec.run.durationNs * PS_PER_NS) return steps.nowPs;
    let latest = this.fromPs;
    for (let unit = 0; unit < spec.machine.units; unit++) latest = Math.max(latest, gang.nowPs(unit, this.step));
    return latest;
  }
}

function mergeCurves(parts: readonly PartResult[]): UnitCurves[] {
  return parts.flatMap((part) => part.curves).sort((a, b) => a.unit - b.unit);
}

/** The parts of all threads as one result, in an order that does not depend on who did what. */
export function mergeParts(spec: RunSpec, parts: readonly PartResult[]): RunResult {
  const units = parts.flatMap((part) => part.units).sort((a, b) => a.unit - b.unit);
  const devices = parts.flatMap((part) => part.devices).sort((a, b) => a.index - b.index);
  const byTime = <T extends { timePs: number; device: number }>(rows: T[]): T[] =>
    rows.sort((a, b) => a.timePs - b.timePs || a.device - b.device);
  return {
    spec,
    measuredPs: parts[0].measuredPs,
    warmupPs: parts[0].warmupPs,
    devices,
    units,
    faults: byTime(parts.flatMap((part) => part.faults)),
    timeline: byTime(parts.flatMap((part) => part.timeline)),
    ...(spec.run.mrc === undefined ? {} : { curves: mergeCurves(parts) }),
  };
}
