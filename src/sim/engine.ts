/**
 * The engine of one IOMMU unit: runs its devices, cores, timers and command processor in the order of simulated time.
 *
 * Only what meets other devices is an event: a request at the translation stage, software, a timer, a command. Each
 * request is one event; its way to the stage and back is its port's own matter (port.ts). Ties go to devices in
 * their order, then software, timers and commands in theirs.
 */
import type { KernelExports } from '../kernel/kernel.ts';
import { OP_WRITE } from '../request.ts';
import type { LinkSpec, MachineSpec } from '../spec.ts';
import type { DeviceModel } from '../traffic/device.ts';
import { EventQueue } from './event-queue.ts';
import { Clock, HOLDS_WRITE, IDLE, Port } from './port.ts';

/** One device as the engine sees it. */
export interface EngineDevice {
  /** Requester context, the first argument of `translate`. */
  readonly ctx: number;
  readonly link: LinkSpec;
  readonly model: DeviceModel;
  /** Of the device's mapping policy. */
  readonly timer: PolicyTimer;
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
  readonly devices: readonly EngineDevice[];
  readonly machine: Pick<MachineSpec, 'latency' | 'order'>;
  readonly translate: KernelExports['translate'];
  readonly commands: CommandProcessor;
}

export class Engine {
  /** Requests translated since the start (never reset). */
  requests = 0;
  readonly ports: readonly Port[];
  private readonly clock = new Clock();
  private readonly devices: readonly EngineDevice[];
  private readonly commands: CommandProcessor;
  private readonly translate: KernelExports['translate'];
  /** Actors: devices, then their software, then their timers, then the command processor. */
  private readonly queue: EventQueue;
  private readonly count: number;

  constructor(config: EngineConfig) {
    const { devices, machine } = config;
    this.devices = devices;
    this.count = devices.length;
    this.ports = devices.map(({ ctx, link, model }) => new Port({ ctx, link, model, machine, clock: this.clock }));
    this.commands = config.commands;
    this.translate = config.translate;
    this.queue = new EventQueue(3 * this.count + 1);
  }

  /** Lets every device send its first requests. Call once, after the models have been started. */
  start(): void {
    for (let d = 0; d < this.count; d++) {
      this.refreshSoftware(d);
      this.refreshTimer(d);
      this.settle(d);
    }
    this.refreshCommands();
  }

  /** Time of the event being handled, or handled last, ps. */
  get nowPs(): number {
    return this.clock.nowPs;
  }

  /** Time of the next event; Infinity when nothing will ever happen again. */
  get nextPs(): number {
    return this.queue.topKey;
  }

  /** When all requests that have been translated so far are done with memory: what a completion wait drains. */
  get drainedPs(): number {
    return this.clock.drainedPs;
  }

  /** Handles the events before `untilPs`, at most until `budget` more requests are translated. Returns how many were. */
  run(untilPs: number, budget: number): number {
    const { queue, clock, count } = this;
    const from = this.requests;
    const to = from + budget;
    while (this.requests < to) {
      const atPs = queue.topKey;
      if (atPs >= untilPs) break;
      const actor = queue.pop();
      if (actor < 0) continue;
      clock.nowPs = atPs;
      if (actor < count) this.runDevice(actor);
      else this.runOther(actor, count);
    }
    return this.requests - from;
  }

  /** The device's next step at the translation stage. */
  private runDevice(d: number): void {
    const port = this.ports[d];
    if (port.readAtPs < port.streamAtPs) {
      const index = port.nextRead();
      const read = port.readList[index];
      this.requests++;
      read.donePs = this.translate(port.ctx, read.page, read.op, this.clock.nowPs);
      port.readTranslated(index);
    } else if (port.state === HOLDS_WRITE) {
      this.requests++;
      port.writeDonePs = this.translate(port.ctx, port.writePage, OP_WRITE, this.clock.nowPs);
      port.writeTranslated();
    } else {
      port.resume();
    }
    this.settle(d);
  }

  private settle(d: number): void {
    const port = this.ports[d];
    port.settle();
    if (port.told) {
      port.told = false;
      this.refreshSoftware(d);
    }
    const { due } = this.queue;
    const nextPs = port.streamAtPs < port.readAtPs ? port.streamAtPs : port.readAtPs;
    if (due[d] === nextPs) return;
    due[d] = nextPs;
    this.queue.push(d);
  }

  private runOther(actor: number, count: number): void {
    if (actor < 2 * count) this.runSoftware(actor - count);
    else if (actor < 3 * count) this.runTimer(actor - 2 * count);
    else this.runCommands();
  }

  private runSoftware(d: number): void {
    const port = this.ports[d];
    port.model.software(this.clock.nowPs);
    this.refreshSoftware(d);
    this.refreshTimer(d);
    this.refreshCommands();
    if (port.state === IDLE) port.resume();
    this.settle(d);
  }

  private runTimer(d: number): void {
    this.devices[d].timer.timer(this.clock.nowPs);
    this.refreshTimer(d);
    this.refreshCommands();
  }

  private runCommands(): void {
    this.commands.process(this.clock.nowPs);
    this.refreshCommands();
  }

  private refreshSoftware(d: number): void {
    this.schedule(this.count + d, this.ports[d].model.softwareAt());
  }

  private refreshTimer(d: number): void {
    this.schedule(2 * this.count + d, this.devices[d].timer.timerAt());
  }

  private refreshCommands(): void {
    this.schedule(3 * this.count, this.commands.nextAt());
  }

  /** Makes `atPs` (now, if it has passed) the one time at which the actor is due. */
  private schedule(actor: number, atPs: number): void {
    const { nowPs } = this.clock;
    const duePs = atPs > nowPs ? atPs : nowPs;
    if (this.queue.due[actor] === duePs) return;
    this.queue.due[actor] = duePs;
    this.queue.push(actor);
  }

  /** Counts anew: warm-up is over. */
  resetCounts(): void {
    for (const port of this.ports) port.resetCounts();
  }

  /** Completes the requests that have been translated: the end of the run. */
  finish(): void {
    for (const port of this.ports) port.finish();
  }
}
