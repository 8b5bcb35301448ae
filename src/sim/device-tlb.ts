/**
 * A device's address translation cache as its unit's command processor sees it: when an invalidation will have been answered, and
 * what becomes of one that is not (PCI Express base specification, section 10.3).
 *
 * Software waits for the answer in one piece of work, so the time is reckoned when the command is sent: the message's way down, the
 * device's own time for each invalidation, one after the other, and the way back. If requests of these pages are then under way, the
 * device first waits until what it may send before the message comes has been served. Uses that outlast the answer all the same
 * (C_ATC_LATE) began between the sending of the command and the message's arrival, where nothing was under way before.
 */
import { PS_PER_NS } from '../request.ts';
import type { AtsSpec, LinkSpec, MachineSpec } from '../spec.ts';

/** Bytes of an invalidate request message besides its header. */
const RANGE_BYTES = 8;

export interface InvalidationTimes {
  /** When the unit takes the invalidation for done. */
  readonly answerPs: number;
  readonly timedOut: boolean;
}

/** What of it the port must know: whether requests of the pages are under way after a time. */
export type Uses = (atPs: number) => boolean;

export class DeviceTlb {
  private readonly downPs: number;
  private readonly upPs: number;
  private readonly workPs: number;
  private readonly timeoutPs: number;
  private readonly drainPs: number;
  /** Answers to the last invalidations, as many as the device takes at once: a ring. */
  private readonly answers: Float64Array;
  private next = 0;
  private freePs = 0;

  constructor(ats: AtsSpec, link: LinkSpec, { latency }: Pick<MachineSpec, 'latency'>) {
    const psPerByte = (8 * PS_PER_NS) / link.gbps;
    const wire = (bytes: number): number => Math.round(bytes * psPerByte);
    const message = Math.round(ats.messageNs * PS_PER_NS);
    this.downPs = wire(link.writeHeaderBytes + RANGE_BYTES) + message;
    this.upPs = wire(link.writeHeaderBytes) + message;
    this.workPs = Math.round(ats.invalidateNs * PS_PER_NS);
    this.timeoutPs = Math.round(ats.invalidateTimeoutNs * PS_PER_NS);
    this.drainPs = drainPs(ats, link, latency, wire);
    this.answers = new Float64Array(ats.invalidateQueue);
  }

  /** When the device has room for one more that would be sent at `atPs`. */
  roomAt(atPs: number): number {
    return Math.max(atPs, this.answers[this.next]);
  }

  /** An invalidation that the processor sends at `startPs`, for which there is room. */
  invalidate(startPs: number, uses: Uses): InvalidationTimes {
    const arrivalPs = startPs + this.downPs;
    let donePs = Math.max(arrivalPs, this.freePs) + this.workPs;
    if (uses(donePs)) donePs = Math.max(donePs, arrivalPs + this.drainPs);
    this.freePs = donePs;
    const timedOut = donePs + this.upPs - startPs > this.timeoutPs;
    const answerPs = timedOut ? startPs + this.timeoutPs : donePs + this.upPs;
    this.answers[this.next] = answerPs;
    this.next = (this.next + 1) % this.answers.length;
    return { answerPs, timedOut };
  }
}

/** From the arrival of the message to the end of the last request whose look-up came before it. */
function drainPs(
  ats: AtsSpec,
  link: LinkSpec,
  latency: MachineSpec['latency'],
  wire: (bytes: number) => number,
): number {
  const requestPs = wire(Math.max(link.readRequestBytes, link.maxPayloadBytes + link.writeHeaderBytes));
  const ns = ats.lookupNs + latency.memoryReadNs + Math.max(latency.dmaReadNs, latency.dmaWriteNs);
  const backPs = wire(link.maxReadRequestBytes + link.completionHeaderBytes);
  return Math.round(ns * PS_PER_NS) + requestPs + backPs;
}
