/**
 * The devices with ATS behind one unit: what commands do to their caches, and their page requests' way to the OS and back.
 */
import type { CommandQueue } from '../iommu/command-queue.ts';
import { ownLog } from '../iommu/record-log.ts';
import { type PageRequest, type PageRequestEncoding, PprLog } from '../iommu/ppr-log.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { C_ATC_INVALIDATION_PS, C_ATC_INVALIDATIONS, C_ATC_TIMEOUTS, CTX_COUNTERS } from '../kernel/layout.ts';
import { RESPONSE_FAILURE } from '../kernel/layout-ats.ts';
import type { Pager } from '../driver/pager.ts';
import type { DeviceSpec, MachineSpec } from '../spec.ts';
import { DeviceTlb, type InvalidationTimes } from './device-tlb.ts';
import type { Engine } from './engine.ts';

/** Log2 of the pages of a whole address space. */
const ALL_PAGES_LOG2 = 52;
const PAGE_LOG2 = 12;

export interface AtsDeviceConfig {
  /** Index at the engine. */
  readonly device: number;
  readonly ctx: number;
  readonly spec: DeviceSpec;
}

/** What is there once the unit has been built. */
export interface AtsParts {
  readonly kernel: Kernel;
  readonly commands: CommandQueue;
  readonly engine: () => Engine;
  readonly encoding: PageRequestEncoding;
  readonly machine: MachineSpec;
  /** A device has not answered the command at this address in time. */
  readonly timedOut: (device: AtsDeviceConfig, commandAddress: number, atPs: number) => void;
}

interface AtsDevice extends AtsDeviceConfig {
  readonly tlb: DeviceTlb;
  /** Answers to invalidations that the processor has read and not yet sent, oldest first. */
  readonly answers: number[];
  /** Page requests that software has taken out of the log for this device's worker. */
  inbox: PageRequest[];
  pager: Pager | undefined;
}

export class AtsDevices {
  private readonly parts: AtsParts;
  private readonly byBdf = new Map<number, AtsDevice>();
  private log: PprLog | undefined;

  constructor(parts: AtsParts) {
    this.parts = parts;
  }

  add(config: AtsDeviceConfig): void {
    const { ats, link, bdf, pri } = config.spec;
    const tlb = new DeviceTlb(ats!, link, this.parts.machine);
    this.byBdf.set(bdf, { ...config, tlb, answers: [], inbox: [], pager: undefined });
    if (pri !== undefined) this.log ??= new PprLog(ownLog(pri.logEntries), this.parts.encoding);
  }

  setPager(bdf: number, pager: Pager): void {
    this.byBdf.get(bdf)!.pager = pager;
  }

  /** Page requests that found the log full. */
  get requestsLost(): number {
    return this.log?.log.lost ?? 0;
  }

  // ---- Invalidations ---------------------------------------------------------------------------------------------------------

  roomAt(bdf: number, atPs: number): number {
    const device = this.byBdf.get(bdf);
    return device === undefined ? atPs : device.tlb.roomAt(atPs);
  }

  /** The processor reads an invalidation, which will leave at `atPs`; when it will be done. */
  doneAt(bdf: number, atPs: number, page: number, sizeLog2: number): number {
    const device = this.byBdf.get(bdf);
    if (device === undefined) return atPs;
    const engine = this.parts.engine();
    const uses = (afterPs: number): boolean => engine.uses(device.device, page, pagesLog2(sizeLog2), afterPs);
    const times = device.tlb.invalidate(atPs, uses);
    device.answers.push(times.answerPs);
    this.count(device, atPs, times);
    return times.answerPs;
  }

  private count(device: AtsDevice, atPs: number, { answerPs, timedOut }: InvalidationTimes): void {
    this.tally(device, C_ATC_INVALIDATIONS, 1);
    this.tally(device, C_ATC_INVALIDATION_PS, answerPs - atPs);
    if (!timedOut) return;
    this.tally(device, C_ATC_TIMEOUTS, 1);
    this.parts.timedOut(device, this.parts.commands.fetchAddress, answerPs);
  }

  private tally({ ctx }: AtsDevice, counter: number, by: number): void {
    this.parts.kernel.f64[(ctx + CTX_COUNTERS) / 8 + counter] += by;
  }

  /** The command executes: the message leaves. */
  invalidate(bdf: number, pasid: number, page: number, sizeLog2: number, atPs: number): void {
    const device = this.byBdf.get(bdf);
    if (device === undefined) return;
    const answerPs = device.answers.shift() ?? atPs;
    if (pasid !== device.spec.pasid) return; // nothing of that PASID is there
    this.parts.engine().invalidate(device.device, page, pagesLog2(sizeLog2), atPs, answerPs);
  }

  // ---- Page requests -----------------------------------------------------------------------------------------------------------

  /** A page request has come to the unit. If it cannot be logged, the unit answers the group by itself. */
  pageRequest(bdf: number, page: number, access: number, group: number, last: boolean, atPs: number): void {
    const device = this.byBdf.get(bdf)!;
    const { pasid } = device.spec;
    if (this.log!.append({ bdf, pasid, group, page, access, last })) device.pager?.logged(atPs);
    else if (last) this.parts.engine().respond(device.device, group, RESPONSE_FAILURE, atPs);
  }

  /** Software empties the log; the requests of one device go to its worker. */
  read(bdf: number): readonly PageRequest[] {
    for (const request of this.log!.read()) this.byBdf.get(request.bdf)?.inbox.push(request);
    const device = this.byBdf.get(bdf)!;
    const { inbox } = device;
    device.inbox = [];
    return inbox;
  }

  respond(bdf: number, group: number, status: number, atPs: number): void {
    const device = this.byBdf.get(bdf);
    if (device !== undefined) this.parts.engine().respond(device.device, group, status, atPs);
  }
}

function pagesLog2(sizeLog2: number): number {
  return Math.min(ALL_PAGES_LOG2, Math.max(0, sizeLog2 - PAGE_LOG2));
}
