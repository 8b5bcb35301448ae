/**
 * The engine of one IOMMU unit: runs its devices, cores, timers and command processor in the order of simulated time.
 *
 * Only what meets other devices is an event: a request at the translation stage, software, a timer, a command. Each
 * request is one event; its way to the stage and back is its port's own matter (port.ts). Ties go to devices in
 * their order, then software, timers and commands in theirs.
 *
 * The loop itself is the kernel's (assembly/engine.ts: a hit costs about 100 ns in all there, 500 ns with a loop in JavaScript); it calls back
 * for whatever is not a request.
 */
import type { EngineHost, Kernel, KernelExports, Regions } from '../kernel/kernel.ts';
import {
  BETWEEN_IMPORT,
  BETWEEN_LOG,
  BETWEEN_NOTHING,
  ENGINE_BETWEEN,
  ENGINE_BYTES,
  ENGINE_DEVICE_TIMES,
  ENGINE_DEVICES,
  ENGINE_DRAINED,
  ENGINE_NOW,
  ENGINE_OTHER_TIMES,
  ENGINE_PORTS,
  ENGINE_REFERENCES,
  ENGINE_REQUESTS,
  PORT_BYTES,
  REFERENCE_BYTES,
} from '../kernel/layout.ts';
import { GROUP_LAST, GROUP_MASK } from '../kernel/layout-ats.ts';
import type { AtsSpec, LinkSpec, MachineSpec, PriSpec } from '../spec.ts';
import type { DeviceModel } from '../traffic/device.ts';
import { Port } from './port.ts';
import { layTimes, timesBytes } from './times.ts';

/** One device as the engine sees it. */
export interface EngineDevice {
  /** Requester context, the first argument of `translate`. */
  readonly ctx: number;
  readonly link: LinkSpec;
  readonly model: DeviceModel;
  /** Of the device's mapping policy. */
  readonly timer: PolicyTimer;
  readonly ats?: AtsSpec | undefined;
  readonly pri?: PriSpec | undefined;
  /** Takes its page requests. */
  readonly pager?: PageRequestHandler | undefined;
}

/** What the unit and the OS do with a device's page requests. */
export interface PageRequestHandler {
  /** One has come to the unit. `access`: 1 read, 2 write, 3 both; `last` of its group. */
  pageRequest(page: number, access: number, group: number, last: boolean, atPs: number): void;
}

export interface PolicyTimer {
  timerAt(): number;
  timer(nowPs: number): void;
}

/** The unit's command processor. */
export interface CommandProcessor {
  nextAt(): number;
  process(nowPs: number): void;
}

export interface EngineConfig {
  readonly kernel: Kernel;
  readonly regions: Regions;
  readonly devices: readonly EngineDevice[];
  readonly machine: Pick<MachineSpec, 'latency' | 'order'>;
  /** Translates in place of the unit, which costs a call a request. */
  readonly translate?: KernelExports['translate'];
  /** The IOTLB's references are logged; told when the log is full, and has to empty it (ENGINE_REFERENCE_COUNT). */
  readonly recorded?: () => void;
  readonly commands: CommandProcessor;
}

/** Actors that are not devices: software and timers by device, the command processor. */
function otherActors(devices: number): number {
  return 2 * devices + 1;
}

/** Kernel memory of an engine, without its ports. */
export function engineBytes(devices: number, records = false): number {
  const log = records ? REFERENCE_BYTES + 64 : 0;
  return ENGINE_BYTES + timesBytes(devices) + timesBytes(otherActors(devices)) + log + 256;
}

function between({ translate, recorded }: EngineConfig): number {
  if (translate !== undefined) return BETWEEN_IMPORT;
  return recorded === undefined ? BETWEEN_NOTHING : BETWEEN_LOG;
}

export class Engine implements EngineHost {
  readonly ports: readonly Port[];
  readonly translate: KernelExports['translate'];
  readonly recorded: () => void;
  readonly pointer: number;
  private readonly kernel: Kernel;
  private readonly devices: readonly EngineDevice[];
  private readonly commands: CommandProcessor;
  private readonly count: number;

  constructor(config: EngineConfig) {
    const { kernel, regions, devices, machine } = config;
    this.kernel = kernel;
    this.devices = devices;
    this.count = devices.length;
    this.commands = config.commands;
    this.translate = config.translate ?? kernel.exports.translate;
    this.pointer = regions.take(ENGINE_BYTES);
    this.recorded = config.recorded ?? (() => {});
    this.put(ENGINE_BETWEEN, between(config));
    if (config.recorded !== undefined) this.put(ENGINE_REFERENCES, regions.take(REFERENCE_BYTES));
    layTimes(kernel, regions, this.pointer + ENGINE_DEVICE_TIMES, this.count);
    layTimes(kernel, regions, this.pointer + ENGINE_OTHER_TIMES, otherActors(this.count));
    const ports = regions.take(PORT_BYTES * this.count);
    this.ports = devices.map(
      ({ ctx, link, model, ats, pri }, device) =>
        new Port(kernel, regions, ports + PORT_BYTES * device, { device, ctx, link, model, machine, ats, pri }),
    );
    for (const port of this.ports) port.layRest();
    this.put(ENGINE_PORTS, ports);
    this.put(ENGINE_DEVICES, this.count);
  }

  private put(offset: number, value: number): void {
    this.kernel.view.setUint32(this.pointer + offset, value, true);
  }

  /** Lets every device send its first requests. Call once, after the models have been started. */
  start(): void {
    this.kernel.host = this;
    for (let d = 0; d < this.count; d++) {
      this.ports[d].layPattern();
      this.refreshSoftware(d);
      this.refreshTimer(d);
      this.kernel.exports.engineWake(this.pointer, d);
    }
    this.refreshCommands();
  }

  private read(offset: number): number {
    return this.kernel.f64[(this.pointer + offset) / 8];
  }

  /** Requests translated since the start (never reset). */
  get requests(): number {
    return this.read(ENGINE_REQUESTS);
  }

  /** Time of the event being handled, or handled last, ps. */
  get nowPs(): number {
    return this.read(ENGINE_NOW);
  }

  /** Time of the next event; Infinity when nothing will ever happen again. */
  get nextPs(): number {
    return this.kernel.exports.engineNext(this.pointer);
  }

  /** When all requests that have been translated so far are done with memory: what a completion wait drains. */
  get drainedPs(): number {
    return this.read(ENGINE_DRAINED);
  }

  /** Handles the events before `untilPs`, at most until `budget` more requests are translated. Returns how many were. */
  run(untilPs: number, budget: number): number {
    const from = this.requests;
    this.kernel.host = this;
    this.kernel.exports.engineRun(this.pointer, untilPs, budget);
    return this.requests - from;
  }

  // ---- Called by the kernel ----------------------------------------------------------------------------------------------------

  fetch(device: number, atPs: number): number {
    return this.ports[device].fetch(atPs);
  }

  done(device: number, token: number, donePs: number, faulted: number): void {
    const port = this.ports[device];
    port.model.burstDone(token, donePs, faulted !== 0);
    port.tellSoftware();
  }

  other(actor: number, nowPs: number): void {
    const { count } = this;
    if (actor < count) this.runSoftware(actor, nowPs);
    else if (actor < 2 * count) this.runTimer(actor - count, nowPs);
    else this.runCommands(nowPs);
  }

  pageRequest(device: number, page: number, access: number, group: number, atPs: number): void {
    this.devices[device].pager?.pageRequest(page, access, group & GROUP_MASK, (group & GROUP_LAST) !== 0, atPs);
    this.refreshTimer(device);
  }

  // ---- Devices with ATS --------------------------------------------------------------------------------------------------------

  /** The response to a page request group (RESPONSE_* of kernel/layout.ts) leaves the unit. */
  respond(device: number, group: number, code: number, atPs: number): void {
    this.kernel.exports.atsRespond(this.pointer, device, group, code, atPs);
  }

  /** An invalidation of 2^pagesLog2 pages leaves for the device; the unit will take it for done at `answerPs`. */
  invalidate(device: number, page: number, pagesLog2: number, atPs: number, answerPs: number): void {
    this.kernel.exports.atsInvalidate(this.pointer, device, page, pagesLog2, atPs, answerPs);
  }

  /** Whether requests of these pages are, as far as is known now, between the device and memory after `atPs`. */
  uses(device: number, page: number, pagesLog2: number, atPs: number): boolean {
    return this.kernel.exports.atsUses(this.pointer, device, page, pagesLog2, atPs) > 0;
  }

  /** Pages that are unmapped and not yet invalidated. */
  noteUnmapped(device: number, page: number, pages: number, atPs: number): void {
    this.kernel.exports.atsUnmapped(this.pointer, device, page, pages, atPs);
  }

  private runSoftware(d: number, nowPs: number): void {
    this.ports[d].model.software(nowPs);
    this.refreshSoftware(d);
    this.refreshTimer(d);
    this.refreshCommands();
    this.kernel.exports.engineWake(this.pointer, d);
  }

  private runTimer(d: number, nowPs: number): void {
    this.devices[d].timer.timer(nowPs);
    this.refreshTimer(d);
    this.refreshCommands();
  }

  private runCommands(nowPs: number): void {
    this.commands.process(nowPs);
    this.refreshCommands();
  }

  private refreshSoftware(d: number): void {
    this.schedule(d, this.ports[d].tellSoftware());
  }

  private refreshTimer(d: number): void {
    this.schedule(this.count + d, this.devices[d].timer.timerAt());
  }

  /** The command processor may be due at another time: commands have come, of this unit or of another. */
  refreshCommands(): void {
    this.schedule(2 * this.count, this.commands.nextAt());
  }

  private schedule(actor: number, atPs: number): void {
    this.kernel.exports.engineSchedule(this.pointer, actor, atPs);
  }

  /** Counts anew: warm-up is over. */
  resetCounts(): void {
    for (const port of this.ports) port.resetCounts();
  }

  /** Completes the requests that have been translated: the end of the run. */
  finish(): void {
    this.kernel.host = this;
    this.kernel.exports.engineFinish(this.pointer);
  }
}
