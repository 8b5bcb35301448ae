/**
 * On-demand paging for one device with PRI (SVA): what its traffic would have mapped before the run gets IOVAs only, and each page is
 * mapped when the device first asks for it.
 *
 * As Linux's iommu_report_device_fault and iommu_sva_handle_iopf: an interrupt wakes a worker, which takes the requests out of
 * the unit's log, handles the faults of a group when its last has come, and answers the group as a whole. The worker runs on
 * the device's first core and waits for it like any other work. Pages may be taken back, the oldest first, at a rate.
 */
import type { PageRequest } from '../iommu/ppr-log.ts';
import type { DriverCpu } from './cpu.ts';
import type { DmaSteps } from './policy.ts';

/** Codes of a page request group response (PCI Express base specification, chapter 10); failures are the hardware's to send. */
const PRG_SUCCESS = 0;
const PRG_INVALID = 1;

export interface PagerConfig {
  readonly steps: Pick<DmaSteps, 'mapAt' | 'reserve' | 'clear' | 'invalidate'>;
  readonly cpu: DriverCpu;
  /** What the log holds for this device. */
  readonly read: () => readonly PageRequest[];
  /** Sends the answer to a group; returns when the submitter may go on. */
  readonly respond: (group: number, code: number, nowPs: number) => number;
  readonly interruptPs: number;
  /** CPU time of one fault, apart from the map; of writing the response. */
  readonly faultPs: number;
  readonly submitPs: number;
  /** A guest's response exits to the hypervisor; 0 = it does not. */
  readonly exitPs: number;
  /** Between two pages that are taken back; Infinity = none is. */
  readonly reclaimPs: number;
}

interface Region {
  readonly iovaPage: number;
  readonly physicalPage: number;
  readonly pages: number;
  readonly prot: number;
}

export class Pager {
  private readonly config: PagerConfig;
  private readonly regions: Region[] = [];
  /** Pages that are mapped, oldest first. */
  private readonly resident = new Set<number>();
  /** Requests of groups whose last has not been read yet. */
  private readonly open = new Map<number, PageRequest[]>();
  private interruptAt = Infinity;
  private reclaimAt: number;

  constructor(config: PagerConfig) {
    this.config = config;
    this.reclaimAt = config.reclaimPs;
  }

  /** Takes IOVAs for pages that will be mapped when they are asked for: the first, or -1. */
  reserve(physicalPage: number, pages: number, prot: number): number {
    const iovaPage = this.config.steps.reserve(this.config.cpu, pages);
    if (iovaPage >= 0) this.regions.push({ iovaPage, physicalPage, pages, prot });
    return iovaPage;
  }

  /** A page request has been written to the log at `atPs`. */
  logged(atPs: number): void {
    this.interruptAt = Math.min(this.interruptAt, atPs + this.config.interruptPs);
  }

  timerAt(): number {
    return Math.min(this.interruptAt, this.resident.size > 0 ? this.reclaimAt : Infinity);
  }

  timer(nowPs: number): void {
    if (this.interruptAt <= nowPs) {
      this.interruptAt = Infinity;
      for (const request of this.config.read()) this.take(request, nowPs);
    }
    if (this.reclaimAt <= nowPs && this.resident.size > 0) this.reclaim(nowPs);
  }

  private take(request: PageRequest, nowPs: number): void {
    const group = this.open.get(request.group) ?? [];
    group.push(request);
    this.open.set(request.group, group);
    if (!request.last) return;
    this.open.delete(request.group);
    this.handle(group, nowPs);
  }

  private handle(group: readonly PageRequest[], nowPs: number): void {
    const { cpu, respond, faultPs, submitPs, exitPs } = this.config;
    cpu.begin(nowPs);
    let code = PRG_SUCCESS;
    for (const { page, access } of group) {
      cpu.spend(faultPs);
      if (!this.bringIn(page, access)) code = PRG_INVALID;
    }
    cpu.spend(submitPs);
    if (exitPs > 0) cpu.exitUntil(cpu.freePs + exitPs, 'map');
    cpu.waitUntil(respond(group[0].group, code, cpu.freePs));
  }

  /** False: nothing may be mapped there, or not for this access. */
  private bringIn(page: number, access: number): boolean {
    const region = this.regions.find(({ iovaPage, pages }) => page >= iovaPage && page < iovaPage + pages);
    if (region === undefined || (region.prot & access) !== access) return false;
    if (this.resident.has(page)) return true; // another fault was faster
    const { steps, cpu } = this.config;
    if (!steps.mapAt(cpu, page, region.physicalPage + page - region.iovaPage, 1, region.prot)) return false;
    this.resident.add(page);
    return true;
  }

  /** One page goes: the table, then all caches, before its memory could be used for something else. */
  private reclaim(nowPs: number): void {
    const { steps, cpu, reclaimPs } = this.config;
    this.reclaimAt = nowPs + reclaimPs;
    const page = this.resident.values().next().value!;
    this.resident.delete(page);
    cpu.begin(nowPs);
    const tablesFreed = steps.clear(cpu, page, 1);
    const clearedPs = cpu.freePs;
    steps.invalidate(cpu, page, 1, tablesFreed);
    cpu.recordStaleWindow(clearedPs, cpu.freePs);
  }
}
