/**
 * One device at its PCIe port, up to the translation stage and back from it: link, tags, transfers in flight, read queue,
 * translation order. All of this is the device's own, so it is worked out as far ahead as it is decided, without events.
 *
 * A read takes a tag and the upstream link (request header), waits in the read queue until the translation window lets it
 * in, is translated, takes memory's time and the downstream link (completions), and gives the tag back. A write takes the
 * upstream link (header and payload); while the write window is full it stays on the link and everything behind it waits,
 * since reads do not pass posted writes (PCIe base specification, transaction ordering). Writes pass reads that wait for
 * their window. An aborted read is answered after the same time, by a header only.
 *
 * One object a device, with plain number fields: V8 reads them with one or two loads, where a column of a typed array
 * takes a length check and three. Doubles that pass through a call which V8 does not inline are allocated (5–10 ns), so
 * functions hand on indexes and leave times in fields.
 */
import { roundUpPowerOfTwo } from '../lib/bits.ts';
import { OP_ATOMIC, OP_WRITE, PS_PER_NS } from '../request.ts';
import type { LinkSpec, MachineSpec } from '../spec.ts';
import { Histogram } from '../stats/histogram.ts';
import { Burst, type DeviceModel } from '../traffic/device.ts';
import { Credits } from './credits.ts';

/** The engine's time, shared with the ports. */
export class Clock {
  /** Time of the event being handled, ps. */
  nowPs = 0;
  /** When everything translated so far is done with memory. */
  drainedPs = 0;
}

/** What the stream of requests does next: goes on when asked, waits for a credit, starts a write's translation at
 * `streamAtPs`, asks the model at `streamAtPs`, waits for software. */
export const RUNS = 0;
export const BLOCKED = 1;
export const HOLDS_WRITE = 2;
export const FETCHES = 3;
export const IDLE = 4;

/** A read on its way; reused. */
class Read {
  arrivalPs = 0;
  issuePs = 0;
  /** End of its translation. */
  donePs = 0;
  page = 0;
  bytes = 0;
  op = 0;
  /** Its burst; -1: it is a burst of its own and the model need not be told. */
  slot = 0;
  aborted = false;
  /** Counting period in which it was translated. */
  period = 0;
}

/** A burst in flight; reused. */
class BurstSlot {
  left = 0;
  donePs = 0;
  faulted = false;
  token = 0;
}

export interface PortConfig {
  /** Requester context, the first argument of `translate`. */
  readonly ctx: number;
  readonly link: LinkSpec;
  readonly model: DeviceModel;
  readonly machine: Pick<MachineSpec, 'latency' | 'order'>;
  readonly clock: Clock;
}

export class Port {
  readonly ctx: number;
  readonly model: DeviceModel;
  readonly burst: Burst;
  readonly translation = new Histogram();
  readonly completion = new Histogram();
  state = RUNS;
  /** When the stream acts next (HOLDS_WRITE, FETCHES), and when the first queued read may be translated. */
  streamAtPs = Infinity;
  readAtPs = Infinity;
  /** The model was told something and may want its software to run at another time. */
  told = false;

  reads = 0;
  writes = 0;
  readBytes = 0;
  writeBytes = 0;
  bursts = 0;
  upBusyPs = 0;
  downBusyPs = 0;
  private period = 0;

  private readonly clock: Clock;
  private readonly link: LinkSpec;
  private readonly psPerByte: number;
  private readonly memoryReadPs: number;
  private readonly memoryWritePs: number;
  private readonly ahead: boolean;
  private readonly limited: boolean;
  private readonly tagged: boolean;
  private readonly tags: Credits;
  private readonly transfers: Credits;

  /** End of the held write's translation, as `translate` says it. */
  writeDonePs = 0;
  /** When the request that is being finished is complete. */
  private endPs = 0;
  private upFreePs = 0;
  private downFreePs = 0;
  private cursor = 0;
  private count = 0;
  private slot = 0;
  private earliestPs = 0;
  private writeIssuePs = 0;
  private writeArrivalPs = 0;
  // Link times of a read of `sizedBytes`: devices repeat few sizes.
  private sizedBytes = -1;
  private requestPs = 0;
  private completionPs = 0;

  private readonly mask: number;
  readonly readList: readonly Read[];
  private readonly freeReads: Int32Array;
  private freeReadCount: number;
  private readonly slotList: BurstSlot[];
  private readonly freeSlots: Int32Array;
  private freeSlotCount: number;
  /** Reads that wait for translation, and translated ones that a later one may still overtake (by `donePs`). */
  private readonly queue: Int32Array;
  private queueHead = 0;
  private queueCount = 0;
  private readonly pending: Int32Array;
  private pendingHead = 0;
  private pendingCount = 0;

  private readonly readWindow: number;
  private readonly readEnds: Float64Array;
  private readPlace = 0;
  private lastReadPs = 0;
  private readonly writeWindow: number;
  private readonly writeEnds: Float64Array;
  private writePlace = 0;
  private lastWritePs = 0;

  constructor(config: PortConfig) {
    const { link, model, machine } = config;
    this.ctx = config.ctx;
    this.model = model;
    this.burst = new Burst(model.burstCapacity);
    this.clock = config.clock;
    this.link = link;
    this.psPerByte = (8 * PS_PER_NS) / link.gbps;
    this.memoryReadPs = Math.round(machine.latency.dmaReadNs * PS_PER_NS);
    this.memoryWritePs = Math.round(machine.latency.dmaWriteNs * PS_PER_NS);
    this.ahead = model.asksAhead === true;
    const mostReads = model.outstandingBursts * model.burstCapacity;
    this.limited = model.outstandingBursts < Infinity;
    this.transfers = new Credits(this.limited ? model.outstandingBursts : 0);
    this.tagged = mostReads > link.outstanding;
    this.tags = new Credits(this.tagged ? link.outstanding : 0);
    this.readWindow = machine.order.readWindow;
    this.readEnds = new Float64Array(this.readWindow);
    this.writeWindow = machine.order.writeWindow;
    this.writeEnds = new Float64Array(this.writeWindow);

    const ring = roundUpPowerOfTwo(Math.max(1, Math.min(link.outstanding, mostReads)));
    this.mask = ring - 1;
    this.queue = new Int32Array(ring);
    this.pending = new Int32Array(ring);
    this.readList = Array.from({ length: ring }, () => new Read());
    this.freeReads = Int32Array.from({ length: ring }, (_, i) => i);
    this.freeReadCount = ring;
    // Each unfinished burst has a read under way, but the one being issued.
    this.slotList = Array.from({ length: ring + 1 }, () => new BurstSlot());
    this.freeSlots = Int32Array.from({ length: ring + 1 }, (_, i) => i);
    this.freeSlotCount = ring + 1;
  }

  // ---- Issue ---------------------------------------------------------------------------------------------------------------

  /** Takes the device as far as it is decided now. */
  settle(): void {
    if (this.state <= BLOCKED) this.issue();
    while (this.pendingCount > 0 && this.mayComplete()) {
      const read = this.pending[this.pendingHead];
      this.pendingHead = (this.pendingHead + 1) & this.mask;
      this.pendingCount--;
      this.completeRead(read);
      if (this.state <= BLOCKED) this.issue();
    }
  }

  /** Whether no later read can still be translated before the first pending one (an idle stream waits for software). */
  private mayComplete(): boolean {
    const donePs = this.readList[this.pending[this.pendingHead]].donePs;
    if (donePs > this.readAtPs || donePs > this.streamAtPs) return false;
    return this.state !== IDLE || donePs <= this.model.softwareAt();
  }

  private issue(): void {
    let state = RUNS;
    while (state === RUNS) state = this.cursor < this.count ? this.issueNext() : this.fetch();
    this.state = state;
  }

  /** Asks the model for its next burst, when there is a credit for it. */
  private fetch(): number {
    const { nowPs } = this.clock;
    let atPs = this.upFreePs > nowPs ? this.upFreePs : nowPs;
    if (this.limited) {
      if (this.transfers.count === 0) return BLOCKED;
      const creditPs = this.transfers.earliest();
      if (creditPs > atPs) {
        if (!this.isEarliest(creditPs)) return BLOCKED;
        atPs = creditPs;
      }
    }
    if (atPs > nowPs && !this.ahead) {
      this.streamAtPs = atPs;
      return FETCHES;
    }
    const { burst } = this;
    // A model that is asked ahead does not look at the time: 0 needs no allocation, as a double would.
    const isThere = this.model.nextBurst(this.ahead ? 0 : atPs, burst);
    this.told = true;
    if (!isThere) return IDLE;
    if (this.limited) this.transfers.take();
    this.earliestPs = burst.earliestPs > atPs ? burst.earliestPs : atPs;
    this.cursor = 0;
    this.count = burst.count;
    if (this.ahead && burst.count === 1 && burst.op[0] !== OP_WRITE) this.slot = -1;
    else this.openSlot();
    return RUNS;
  }

  /** Whether no transfer still under way can end before `creditPs`: writes complete out of order with reads. */
  private isEarliest(creditPs: number): boolean {
    if (creditPs > this.readAtPs) return false;
    return this.pendingCount === 0 || creditPs <= this.readList[this.pending[this.pendingHead]].donePs;
  }

  private openSlot(): void {
    this.slot = this.freeSlots[--this.freeSlotCount];
    const slot = this.slotList[this.slot];
    slot.left = this.burst.count;
    slot.donePs = 0;
    slot.faulted = false;
    slot.token = this.burst.token;
  }

  private issueNext(): number {
    const { burst } = this;
    const op = burst.op[this.cursor];
    const bytes = burst.lengthBytes[this.cursor];
    let issuePs = this.upFreePs > this.earliestPs ? this.upFreePs : this.earliestPs;
    if (op === OP_WRITE) return this.issueWrite(bytes);
    if (this.tagged) {
      if (this.tags.count === 0) return BLOCKED;
      const tagPs = this.tags.earliest();
      if (tagPs > issuePs) issuePs = tagPs;
      this.tags.take();
    }
    if (bytes !== this.sizedBytes) this.sizeRead(bytes);
    const wirePs = op === OP_ATOMIC ? this.wirePs(this.link.writeHeaderBytes + bytes) : this.requestPs;
    const index = this.freeReads[--this.freeReadCount];
    const read = this.readList[index];
    this.upBusyPs += wirePs;
    this.upFreePs = issuePs + wirePs;
    read.arrivalPs = issuePs + wirePs;
    read.issuePs = issuePs;
    read.page = burst.page[this.cursor];
    read.bytes = bytes;
    read.op = op;
    read.slot = this.slot;
    this.cursor++;
    this.queue[(this.queueHead + this.queueCount) & this.mask] = index;
    this.queueCount++;
    if (this.queueCount === 1) this.openRead();
    return RUNS;
  }

  private issueWrite(bytes: number): number {
    const issuePs = this.upFreePs > this.earliestPs ? this.upFreePs : this.earliestPs;
    const { writeHeaderBytes, maxPayloadBytes } = this.link;
    const wirePs = this.wirePs(bytes + writeHeaderBytes * tlps(bytes, maxPayloadBytes));
    this.upBusyPs += wirePs;
    this.upFreePs = issuePs + wirePs;
    this.writeIssuePs = issuePs;
    this.writeArrivalPs = issuePs + wirePs;
    this.streamAtPs = this.writeArrivalPs;
    if (this.writeWindow > 0) {
      const opensPs = this.writeEnds[this.writePlace];
      if (opensPs > this.streamAtPs) this.streamAtPs = opensPs;
    }
    return HOLDS_WRITE;
  }

  private wirePs(bytes: number): number {
    return Math.round(bytes * this.psPerByte);
  }

  private sizeRead(bytes: number): void {
    const { readRequestBytes, maxReadRequestBytes, completionHeaderBytes, maxPayloadBytes } = this.link;
    this.sizedBytes = bytes;
    this.requestPs = this.wirePs(readRequestBytes * tlps(bytes, maxReadRequestBytes));
    this.completionPs = this.wirePs(bytes + completionHeaderBytes * tlps(bytes, maxPayloadBytes));
  }

  // ---- Translation ---------------------------------------------------------------------------------------------------------

  /** Takes the read whose turn it is out of the queue: its index, for the calls below. */
  nextRead(): number {
    const index = this.queue[this.queueHead];
    this.queueHead = (this.queueHead + 1) & this.mask;
    this.queueCount--;
    return index;
  }

  /** The read's `donePs` is what `translate` said: the end of its translation, or -1 - that time if it was aborted. */
  readTranslated(index: number): void {
    const read = this.readList[index];
    read.aborted = read.donePs < 0;
    let donePs = read.aborted ? -1 - read.donePs : read.donePs;
    if (this.readWindow > 0) {
      // In order: it ends no earlier than its predecessor, and its end lets a later one into the window.
      if (this.lastReadPs > donePs) donePs = this.lastReadPs;
      this.lastReadPs = donePs;
      this.readEnds[this.readPlace] = donePs;
      this.readPlace = this.readPlace + 1 === this.readWindow ? 0 : this.readPlace + 1;
    }
    read.donePs = donePs;
    read.period = this.period;
    this.reads++;
    this.readBytes += read.bytes;
    this.translation.record(donePs - read.arrivalPs);
    const memoryPs = donePs + this.memoryReadPs;
    if (memoryPs > this.clock.drainedPs) this.clock.drainedPs = memoryPs;
    this.openRead();
    if (this.readWindow > 0) this.completeRead(index);
    else this.addPending(index);
  }

  /** Works out when the first queued read may be translated. */
  private openRead(): void {
    if (this.queueCount === 0) {
      this.readAtPs = Infinity;
      return;
    }
    this.readAtPs = this.readList[this.queue[this.queueHead]].arrivalPs;
    if (this.readWindow === 0) return;
    const opensPs = this.readEnds[this.readPlace];
    if (opensPs > this.readAtPs) this.readAtPs = opensPs;
  }

  /** Puts a translated read among those that later ones may overtake, by the end of its translation. */
  private addPending(index: number): void {
    const { pending, readList, mask, pendingHead } = this;
    const donePs = readList[index].donePs;
    let place = pendingHead + this.pendingCount++;
    while (place > pendingHead) {
      const before = pending[(place - 1) & mask];
      if (readList[before].donePs <= donePs) break;
      pending[place & mask] = before;
      place--;
    }
    pending[place & mask] = index;
  }

  /** Memory and the way back. Called in the order in which completions take the downstream link. */
  private completeRead(index: number): void {
    const read = this.readList[index];
    if (read.bytes !== this.sizedBytes) this.sizeRead(read.bytes);
    const wirePs = read.aborted ? this.wirePs(this.link.completionHeaderBytes) : this.completionPs;
    const readyPs = read.donePs + this.memoryReadPs;
    const donePs = (readyPs > this.downFreePs ? readyPs : this.downFreePs) + wirePs;
    this.downFreePs = donePs;
    if (read.period === this.period) {
      this.downBusyPs += wirePs;
      this.completion.record(donePs - read.issuePs);
    }
    this.freeReads[this.freeReadCount++] = index;
    if (this.tagged) this.tags.give(donePs);
    if (read.slot >= 0) {
      this.endPs = donePs;
      this.finishRequest(read.slot, read.aborted);
      return;
    }
    this.bursts++;
    if (this.limited) this.transfers.give(donePs);
  }

  get writePage(): number {
    return this.burst.page[this.cursor];
  }

  /** `writeDonePs` is what `translate` said of the write that the stream held. */
  writeTranslated(): void {
    const aborted = this.writeDonePs < 0;
    let donePs = aborted ? -1 - this.writeDonePs : this.writeDonePs;
    if (this.writeWindow > 0) {
      if (this.lastWritePs > donePs) donePs = this.lastWritePs;
      this.lastWritePs = donePs;
      this.writeEnds[this.writePlace] = donePs;
      this.writePlace = this.writePlace + 1 === this.writeWindow ? 0 : this.writePlace + 1;
      this.upFreePs = this.streamAtPs; // it left the link when the window let it in
    }
    this.writes++;
    this.writeBytes += this.burst.lengthBytes[this.cursor];
    this.cursor++;
    this.translation.record(donePs - this.writeArrivalPs);
    if (!aborted) donePs += this.memoryWritePs;
    if (donePs > this.clock.drainedPs) this.clock.drainedPs = donePs;
    this.completion.record(donePs - this.writeIssuePs);
    this.endPs = donePs;
    this.finishRequest(this.slot, aborted);
    this.resume();
  }

  /** The stream goes on after what it waited for. */
  resume(): void {
    this.state = RUNS;
    this.streamAtPs = Infinity;
  }

  /** One request of a burst is complete; with the last one the model is told. */
  private finishRequest(index: number, aborted: boolean): void {
    const slot = this.slotList[index];
    if (this.endPs > slot.donePs) slot.donePs = this.endPs;
    if (aborted) slot.faulted = true;
    if (--slot.left > 0) return;
    this.freeSlots[this.freeSlotCount++] = index;
    this.bursts++;
    if (this.limited) this.transfers.give(slot.donePs);
    if (this.ahead) return;
    this.model.burstDone(slot.token, slot.donePs, slot.faulted);
    this.told = true;
  }

  // ---- Counting ------------------------------------------------------------------------------------------------------------

  /** Counts anew: warm-up is over. */
  resetCounts(): void {
    this.period++;
    this.translation.reset();
    this.completion.reset();
    this.reads = this.writes = this.readBytes = this.writeBytes = this.bursts = this.upBusyPs = this.downBusyPs = 0;
  }

  /** Completes the reads that have been translated: the end of the run. */
  finish(): void {
    for (; this.pendingCount > 0; this.pendingCount--) {
      this.completeRead(this.pending[this.pendingHead]);
      this.pendingHead = (this.pendingHead + 1) & this.mask;
    }
  }
}

/** Packets that `bytes` need. */
function tlps(bytes: number, limitBytes: number): number {
  return bytes <= limitBytes ? 1 : Math.ceil(bytes / limitBytes);
}
