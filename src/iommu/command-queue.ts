/**
 * One unit's command queue (AMD command buffer, VT-d invalidation queue, SMMUv3 CMDQ): a bounded ring that one command
 * processor consumes in order.
 *
 * When a command is submitted, the time at which the processor will have executed it is already known; the submitter
 * learns it at once, and the engine applies the effect when simulated time gets there (`nextAt`, `process`). Times are
 * ps. Left out: the bytes of the commands (their size does not matter to anyone but the guest's exits).
 */
import { assert } from '../lib/assert.ts';

/** What the commands do to the unit's caches. The handler is told the time at which the command executes. */
export interface CommandHandler {
  /**
   * INVALIDATE_IOMMU_PAGES: the naturally aligned 2^sizeLog2 bytes that contain `page` (IOVA / 4096). `pasid` -1: the
   * domain's untagged translations. `walkCaches` is AMD's PDE bit, the inverse of VT-d's invalidation hint.
   */
  invalidatePages(
    domain: number,
    pasid: number,
    page: number,
    sizeLog2: number,
    walkCaches: boolean,
    atPs: number,
  ): void;
  /** Everything of the domain: leaves and walk caches. `pasid` -1: every PASID. */
  invalidateAll(domain: number, pasid: number, atPs: number): void;
  /** The cached device-table entry, and PASID entries, of one device. */
  invalidateDevice(bdf: number, atPs: number): void;
  /** When all requests that are in flight at `atPs` are done: what a completion wait drains. ≤ atPs: nothing to wait for. */
  drainedAt(atPs: number): number;
}

/** What a driver needs of a queue; the engine may stand in another one for a unit that lives in another thread. */
export interface CommandPort {
  /** Each returns when the submitter may go on: `nowPs`, or later if it had to wait for a free slot. */
  submitPages(
    nowPs: number,
    domain: number,
    pasid: number,
    page: number,
    sizeLog2: number,
    walkCaches: boolean,
  ): number;
  submitAll(nowPs: number, domain: number, pasid: number): number;
  submitDevice(nowPs: number, bdf: number): number;
  /** Returns when the wait's semaphore is written: all commands before it have been executed. */
  completionWait(nowPs: number): number;
}

export interface CommandQueueSpec {
  /** Slots of the ring; one always stays empty, so that full and empty differ. ≥ 2. */
  readonly entries: number;
  readonly commandNs: number;
  /** On top of `commandNs`, for a completion wait. */
  readonly completionWaitNs: number;
}

const PAGES = 0;
const PAGES_AND_WALK_CACHES = 1;
const ALL = 2;
const DEVICE = 3;
const WAIT = 4;

export class CommandQueue implements CommandPort {
  readonly spec: CommandQueueSpec;
  private readonly handler: CommandHandler;
  private readonly commandPs: number;
  private readonly waitPs: number;
  private readonly capacity: number;
  // Commands by sequence number modulo the columns' length (a power of two). `head` is the first whose effect is still
  // to come; older ones stay for the time at which their slot became free.
  private donePs: Float64Array;
  private kind: Uint8Array;
  private domain: Int32Array;
  private pasid: Int32Array;
  private page: Float64Array;
  private sizeLog2: Uint8Array;
  private head = 0;
  private tail = 0;
  /** When the processor has executed everything submitted so far. */
  private idleAtPs = 0;

  /** Since the last resetCounts: commands (waits included), waits, submissions that found the ring full, busy time. */
  commands = 0;
  completionWaits = 0;
  fullStalls = 0;
  stalledPs = 0;
  busyPs = 0;

  constructor(spec: CommandQueueSpec, handler: CommandHandler) {
    assert(spec.entries >= 2, 'a command queue has at least two slots');
    this.spec = spec;
    this.handler = handler;
    this.commandPs = Math.round(spec.commandNs * 1000);
    this.waitPs = Math.round(spec.completionWaitNs * 1000);
    this.capacity = spec.entries - 1;
    let slots = 2;
    while (slots < spec.entries) slots *= 2;
    this.donePs = new Float64Array(slots);
    this.kind = new Uint8Array(slots);
    this.domain = new Int32Array(slots);
    this.pasid = new Int32Array(slots);
    this.page = new Float64Array(slots);
    this.sizeLog2 = new Uint8Array(slots);
  }

  submitPages(
    nowPs: number,
    domain: number,
    pasid: number,
    page: number,
    sizeLog2: number,
    walkCaches: boolean,
  ): number {
    return this.enqueue(nowPs, walkCaches ? PAGES_AND_WALK_CACHES : PAGES, domain, pasid, page, sizeLog2);
  }

  submitAll(nowPs: number, domain: number, pasid: number): number {
    return this.enqueue(nowPs, ALL, domain, pasid, 0, 0);
  }

  submitDevice(nowPs: number, bdf: number): number {
    return this.enqueue(nowPs, DEVICE, bdf, -1, 0, 0);
  }

  completionWait(nowPs: number): number {
    this.completionWaits++;
    this.enqueue(nowPs, WAIT, 0, -1, 0, 0);
    return this.idleAtPs;
  }

  /** When the next command takes effect; Infinity if none is pending. */
  nextAt(): number {
    return this.head === this.tail ? Infinity : this.donePs[this.head & (this.donePs.length - 1)];
  }

  /** Applies, in order, every command whose time has come. */
  process(nowPs: number): void {
    const mask = this.donePs.length - 1;
    while (this.head !== this.tail && this.donePs[this.head & mask] <= nowPs) {
      this.apply(this.head & mask);
      this.head++;
    }
  }

  /** Forgets the counts (end of warm-up), not the commands. */
  resetCounts(): void {
    this.commands = this.completionWaits = this.fullStalls = this.stalledPs = this.busyPs = 0;
  }

  private apply(slot: number): void {
    const atPs = this.donePs[slot];
    const domain = this.domain[slot];
    const pasid = this.pasid[slot];
    switch (this.kind[slot]) {
      case PAGES:
        return this.handler.invalidatePages(domain, pasid, this.page[slot], this.sizeLog2[slot], false, atPs);
      case PAGES_AND_WALK_CACHES:
        return this.handler.invalidatePages(domain, pasid, this.page[slot], this.sizeLog2[slot], true, atPs);
      case ALL:
        return this.handler.invalidateAll(domain, pasid, atPs);
      case DEVICE:
        return this.handler.invalidateDevice(domain, atPs);
      default:
        return;
    }
  }

  private enqueue(nowPs: number, kind: number, domain: number, pasid: number, page: number, sizeLog2: number): number {
    const atPs = this.waitForSlot(nowPs);
    if (this.tail - this.head === this.donePs.length) this.grow();
    const slot = this.tail++ & (this.donePs.length - 1);
    this.kind[slot] = kind;
    this.domain[slot] = domain;
    this.pasid[slot] = pasid;
    this.page[slot] = page;
    this.sizeLog2[slot] = sizeLog2;
    this.donePs[slot] = this.execute(atPs, kind);
    return atPs;
  }

  /** The slot of the command `capacity` places ahead must have been consumed. */
  private waitForSlot(nowPs: number): number {
    if (this.tail < this.capacity) return nowPs;
    const freeAtPs = this.donePs[(this.tail - this.capacity) & (this.donePs.length - 1)];
    if (freeAtPs <= nowPs) return nowPs;
    this.fullStalls++;
    this.stalledPs += freeAtPs - nowPs;
    return freeAtPs;
  }

  /** Books the processor's time for a command that is in the ring at `atPs`; returns when it is done. */
  private execute(atPs: number, kind: number): number {
    const startPs = Math.max(atPs, this.idleAtPs);
    let donePs = startPs + this.commandPs;
    if (kind === WAIT) donePs = Math.max(donePs, this.handler.drainedAt(donePs)) + this.waitPs;
    this.commands++;
    this.busyPs += donePs - startPs;
    this.idleAtPs = donePs;
    return donePs;
  }

  /** More commands are pending than the ring has slots: a core's time runs ahead of the time that effects have reached. */
  private grow(): void {
    const slots = this.donePs.length;
    const moved = <T extends Float64Array | Int32Array | Uint8Array>(target: T, source: T): T => {
      for (let seq = this.tail - slots; seq < this.tail; seq++) {
        target[seq & (2 * slots - 1)] = source[seq & (slots - 1)]!;
      }
      return target;
    };
    this.donePs = moved(new Float64Array(2 * slots), this.donePs);
    this.kind = moved(new Uint8Array(2 * slots), this.kind);
    this.domain = moved(new Int32Array(2 * slots), this.domain);
    this.pasid = moved(new Int32Array(2 * slots), this.pasid);
    this.page = moved(new Float64Array(2 * slots), this.page);
    this.sizeLog2 = moved(new Uint8Array(2 * slots), this.sizeLog2);
  }
}
