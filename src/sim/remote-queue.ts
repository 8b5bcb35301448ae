/**
 * The command queue of a unit that may live in another thread, as software behind this unit sees it: commands are posted and get
 * there at the end of the time step. When they will have executed is reckoned from what the other queue reported
 * at the last step's end, so that a core waits about as long as it would if both queues were here.
 */
import type { CommandPort } from '../iommu/command-queue.ts';
import { MAIL_ALL, MAIL_DEVICE, MAIL_PAGES, MAIL_WAIT, type Outbox } from './mail.ts';

export class RemoteQueue implements CommandPort {
  readonly unit: number;
  private readonly outbox: Outbox;
  private readonly commandPs: number;
  private readonly waitPs: number;
  private idlePs = 0;
  private drainPs = 0;

  constructor(
    unit: number,
    outbox: Outbox,
    latency: { readonly commandNs: number; readonly completionWaitNs: number },
  ) {
    this.unit = unit;
    this.outbox = outbox;
    this.commandPs = Math.round(latency.commandNs * 1000);
    this.waitPs = Math.round(latency.completionWaitNs * 1000);
  }

  /** At a step's end: when the other processor will have nothing more to do, and how long its requests are in flight. */
  sync(idlePs: number, drainPs: number): void {
    this.idlePs = idlePs;
    this.drainPs = drainPs;
  }

  submitPages(
    nowPs: number,
    domain: number,
    pasid: number,
    page: number,
    sizeLog2: number,
    walkCaches: boolean,
  ): number {
    return this.post(nowPs, MAIL_PAGES, domain, pasid, page, sizeLog2, walkCaches ? 1 : 0);
  }

  submitAll(nowPs: number, domain: number, pasid: number): number {
    return this.post(nowPs, MAIL_ALL, domain, pasid, 0, 0, 0);
  }

  submitDevice(nowPs: number, bdf: number): number {
    return this.post(nowPs, MAIL_DEVICE, 0, bdf, 0, 0, 0);
  }

  completionWait(nowPs: number): number {
    this.idlePs = Math.max(this.idlePs, nowPs) + this.drainPs + this.waitPs;
    this.post(nowPs, MAIL_WAIT, 0, 0, 0, 0, 0);
    return this.idlePs;
  }

  private post(nowPs: number, kind: number, domain: number, a: number, b: number, c: number, d: number): number {
    this.idlePs = Math.max(this.idlePs, nowPs) + this.commandPs;
    this.outbox.post(nowPs, kind, this.unit, domain, a, b, c, d, this.idlePs);
    return nowPs;
  }
}
