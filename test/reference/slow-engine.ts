/**
 * The engine of one unit as a plain event simulation: every arrival, translation, completion and link change is an event of
 * its own in a list that is sorted again and again, and nothing is worked out ahead. Slow and obvious; the fast
 * engine must call `translate` in the same order at the same times, and complete the same bursts at the same times.
 */
import type { EngineConfig, EngineDevice } from '../../src/sim/engine.ts';

type SlowConfig = Pick<Required<EngineConfig>, 'devices' | 'machine' | 'translate'>;
import { OP_WRITE } from '../../src/request.ts';
import { Burst } from '../../src/traffic/device.ts';

/** What happens first among events of the same time. */
const COMPLETION = 0;
const READY = 1;
const LINK_FREE = 2;
const ARRIVAL = 3;
const TRANSLATION = 4; // by device, writes first
const SOFTWARE = 5;

interface Event {
  readonly atPs: number;
  readonly kind: number;
  readonly order: number;
  readonly sequence: number;
  run(): void;
}

interface Request {
  readonly op: number;
  readonly page: number;
  readonly bytes: number;
  readonly burst: OpenBurst;
  issuePs: number;
}

interface OpenBurst {
  readonly token: number;
  left: number;
  faulted: boolean;
}

export class SlowEngine {
  nowPs = 0;
  private readonly config: SlowConfig;
  private readonly events: Event[] = [];
  private sequence = 0;
  private readonly devices: SlowDevice[];

  constructor(config: SlowConfig) {
    this.config = config;
    this.devices = config.devices.map((device, index) => new SlowDevice(this, device, index, config));
  }

  at(atPs: number, kind: number, order: number, run: () => void): void {
    this.events.push({ atPs, kind, order, sequence: this.sequence++, run });
  }

  translate(device: EngineDevice, request: Request): number {
    return this.config.translate(device.ctx, request.page, request.op, this.nowPs);
  }

  run(untilPs: number): void {
    for (const device of this.devices) device.begin();
    for (;;) {
      this.events.sort((a, b) => a.atPs - b.atPs || a.kind - b.kind || a.order - b.order || a.sequence - b.sequence);
      if (this.events.length === 0 || this.events[0].atPs >= untilPs) return;
      const event = this.events.shift()!;
      this.nowPs = event.atPs;
      event.run();
    }
  }
}

class SlowDevice {
  private readonly engine: SlowEngine;
  private readonly device: EngineDevice;
  private readonly index: number;
  private readonly machine: EngineConfig['machine'];
  private readonly waiting: Request[] = []; // of the current burst
  private earliestPs = 0;
  private burstsInFlight = 0;
  private tagsInUse = 0;
  private linkFreePs = 0;
  private heldWrite: Request | undefined;
  private readonly readQueue: Request[] = [];
  /** In-order ends of translations under way or over, oldest first. */
  private readonly readEnds: number[] = [];
  private readonly writeEnds: number[] = [];
  private downFreePs = 0;
  private asleep = false;
  private softwarePs = Infinity;

  constructor(engine: SlowEngine, device: EngineDevice, index: number, { machine }: SlowConfig) {
    this.engine = engine;
    this.device = device;
    this.index = index;
    this.machine = machine;
  }

  begin(): void {
    this.lookAtSoftware();
    this.tryIssue();
  }

  private wirePs(bytes: number): number {
    return Math.round((bytes * 8000) / this.device.link.gbps);
  }

  private lookAtSoftware(): void {
    const atPs = Math.max(this.engine.nowPs, this.device.model.softwareAt());
    if (atPs === this.softwarePs) return;
    this.softwarePs = atPs;
    if (atPs === Infinity) return;
    this.engine.at(atPs, SOFTWARE, this.index, () => {
      if (this.softwarePs !== atPs) return;
      this.softwarePs = Infinity;
      this.device.model.software(this.engine.nowPs);
      this.asleep = false;
      this.lookAtSoftware();
      this.tryIssue();
    });
  }

  private tryIssue(): void {
    const { nowPs } = this.engine;
    const { model, link } = this.device;
    if (this.linkFreePs > nowPs || this.heldWrite !== undefined || this.asleep) return;
    if (this.waiting.length === 0 && !this.fetch()) return;
    const request = this.waiting[0];
    if (this.earliestPs > nowPs) {
      this.engine.at(this.earliestPs, LINK_FREE, this.index, () => this.tryIssue());
      return;
    }
    const isWrite = request.op === OP_WRITE;
    if (!isWrite && this.tagsInUse === link.outstanding) return;
    this.waiting.shift();
    request.issuePs = nowPs;
    if (!isWrite) this.tagsInUse++;
    const headers = isWrite
      ? request.bytes + link.writeHeaderBytes * Math.ceil(request.bytes / link.maxPayloadBytes)
      : link.readRequestBytes * Math.ceil(request.bytes / link.maxReadRequestBytes);
    this.linkFreePs = nowPs + this.wirePs(headers);
    if (isWrite) {
      this.heldWrite = request;
      this.engine.at(this.linkFreePs, ARRIVAL, this.index, () => this.offerWrite());
    } else {
      this.engine.at(this.linkFreePs, ARRIVAL, this.index, () => {
        this.readQueue.push(request);
        this.offerRead();
      });
      this.engine.at(this.linkFreePs, LINK_FREE, this.index, () => this.tryIssue());
    }
    void model;
  }

  private fetch(): boolean {
    const { model } = this.device;
    if (this.burstsInFlight === model.outstandingBursts) return false;
    const burst = new Burst(model.burstCapacity);
    const isThere = model.nextBurst(this.engine.nowPs, burst);
    this.lookAtSoftware();
    if (!isThere) {
      this.asleep = true;
      return false;
    }
    this.burstsInFlight++;
    this.earliestPs = Math.max(this.engine.nowPs, burst.earliestPs);
    const open: OpenBurst = { token: burst.token, left: burst.count, faulted: false };
    for (let i = 0; i < burst.count; i++) {
      const [op, page, bytes] = [burst.op[i], burst.page[i], burst.lengthBytes[i]];
      this.waiting.push({ op, page, bytes, burst: open, issuePs: 0 });
    }
    return true;
  }

  /** The held write may be translated when the one `window` places before it has ended. */
  private offerWrite(): void {
    const window = this.machine.order.writeWindow;
    const opensPs = window > 0 ? (this.writeEnds.at(-window) ?? 0) : 0;
    this.engine.at(Math.max(opensPs, this.engine.nowPs), TRANSLATION, 2 * this.index, () => {
      const request = this.heldWrite!;
      this.heldWrite = undefined;
      this.linkFreePs = this.engine.nowPs;
      const end = this.engine.translate(this.device, request);
      let donePs = end < 0 ? -1 - end : end;
      if (window > 0) this.writeEnds.push((donePs = Math.max(donePs, this.writeEnds.at(-1) ?? 0)));
      const writtenPs = end < 0 ? donePs : donePs + this.machine.latency.dmaWriteNs * 1000;
      this.engine.at(writtenPs, COMPLETION, this.index, () => this.complete(request, end < 0));
      this.tryIssue();
    });
  }

  private offered = false;

  private offerRead(): void {
    if (this.readQueue.length === 0 || this.offered) return;
    const window = this.machine.order.readWindow;
    const opensPs = window > 0 ? (this.readEnds.at(-window) ?? 0) : 0;
    this.offered = true;
    this.engine.at(Math.max(opensPs, this.engine.nowPs), TRANSLATION, 2 * this.index + 1, () => {
      this.offered = false;
      this.translateRead(this.readQueue.shift()!, window);
      this.offerRead();
    });
  }

  private translateRead(request: Request, window: number): void {
    const end = this.engine.translate(this.device, request);
    let donePs = end < 0 ? -1 - end : end;
    if (window > 0) this.readEnds.push((donePs = Math.max(donePs, this.readEnds.at(-1) ?? 0)));
    this.engine.at(donePs + this.machine.latency.dmaReadNs * 1000, READY, this.index, () => {
      const { completionHeaderBytes, maxPayloadBytes } = this.device.link;
      const full = request.bytes + completionHeaderBytes * Math.ceil(request.bytes / maxPayloadBytes);
      const wirePs = this.wirePs(end < 0 ? completionHeaderBytes : full);
      this.downFreePs = Math.max(this.downFreePs, this.engine.nowPs) + wirePs;
      this.engine.at(this.downFreePs, COMPLETION, this.index, () => {
        this.tagsInUse--;
        this.complete(request, end < 0);
      });
    });
  }

  private complete({ burst }: Request, aborted: boolean): void {
    burst.faulted ||= aborted;
    if (--burst.left === 0) {
      this.burstsInFlight--;
      this.device.model.burstDone(burst.token, this.engine.nowPs, burst.faulted);
      this.lookAtSoftware();
    }
    this.tryIssue();
  }
}
