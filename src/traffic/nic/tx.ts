/**
 * Transmit: software maps each packet, writes a descriptor and rings the doorbell; the device fetches the descriptor,
 * reads the data, writes a completion; software then unmaps and frees. A full ring holds the sender back.
 */
import { OP_READ, PAGE_BYTES } from '../../request.ts';
import type { Burst } from '../device.ts';
import { PROT_READ } from '../mapper.ts';
import { appendTransfer } from '../transfer.ts';
import { Arrivals } from './arrivals.ts';
import { CompletionQueue } from './completions.ts';
import { type NicQueue, type QueueContext, queueLoad, TOKEN_COMPLETION, TOKEN_DATA, TOKEN_FETCH } from './queue.ts';
import { DescriptorRing } from './ring.ts';

/** When a packet could not be mapped and nothing is in flight, software tries again after this time. */
const SEND_RETRY_PS = 1e9;

export class TxQueue implements NicQueue {
  operations = 0;
  drops = 0;
  private readonly context: QueueContext;
  private readonly ring: DescriptorRing;
  private readonly completions: CompletionQueue;
  private readonly arrivals: Arrivals;
  private readonly packetPages: number;
  private readonly iovaPage: Float64Array;
  private readonly physicalPage: Float64Array;
  /** When a packet's data had been read, and whether a read was aborted. */
  private readonly dataPs: Float64Array;
  private readonly failed: Uint8Array;
  private batched = 0;
  private retryPs = 0;

  constructor(context: QueueContext) {
    const { traffic, device } = context;
    const { maxPayloadBytes, maxReadRequestBytes } = device.link;
    this.context = context;
    this.ring = new DescriptorRing({
      entries: traffic.ringEntries,
      descriptorBytes: traffic.descriptorBytes,
      batch: traffic.descriptorBatch,
      maxReadRequestBytes,
    });
    this.completions = new CompletionQueue(traffic.ringEntries, traffic.completionBytes, maxPayloadBytes);
    this.arrivals = new Arrivals(queueLoad(traffic, device), context.rng);
    this.packetPages = Math.ceil(traffic.mtuBytes / PAGE_BYTES);
    this.iovaPage = new Float64Array(traffic.ringEntries);
    this.physicalPage = new Float64Array(traffic.ringEntries);
    this.dataPs = new Float64Array(traffic.ringEntries).fill(Infinity);
    this.failed = new Uint8Array(traffic.ringEntries);
  }

  start(): void {
    this.ring.start(this.context.mapper);
    this.completions.start(this.context.mapper);
  }

  deviceAt(): number {
    return Math.min(this.completionAt(), this.ring.fetchAt(), this.ring.readyAt(1));
  }

  fill(nowPs: number, burst: Burst): number {
    if (this.completionAt() <= nowPs) return this.completions.fillWrite(burst) * 4 + TOKEN_COMPLETION;
    if (this.ring.fetchAt() <= nowPs) return this.ring.fillFetch(nowPs, burst) * 4 + TOKEN_FETCH;
    return this.fillData(burst) * 4 + TOKEN_DATA;
  }

  done(token: number, donePs: number, faulted: boolean): boolean {
    const index = Math.floor(token / 4);
    switch (token % 4) {
      case TOKEN_FETCH:
        this.ring.fetchDone(index, donePs);
        return true;
      case TOKEN_DATA:
        this.dataPs[index] = donePs;
        this.failed[index] = faulted ? 1 : 0;
        return true;
      default:
        this.completions.visible(index, donePs, faulted || this.failed[index] === 1);
        return false;
    }
  }

  softwareAt(): number {
    return Math.min(this.reapAt(), Math.max(this.sendAt(), this.context.mapper.cpuFreePs));
  }

  software(nowPs: number): void {
    if (this.reapAt() <= nowPs) this.reap(nowPs);
    else if (this.sendAt() <= nowPs) this.send(nowPs);
  }

  /** When a completion can be handled. */
  private reapAt(): number {
    return Math.max(this.completions.nextPs(), this.context.completionMapper.cpuFreePs);
  }

  /** The next completion follows its packet's data. */
  private completionAt(): number {
    const next = this.completions.written;
    return next === this.ring.consumed ? Infinity : this.dataPs[this.ring.slot(next)];
  }

  private fillData(burst: Burst): number {
    const slot = this.ring.slot(this.ring.consumed++);
    this.dataPs[slot] = Infinity;
    const { mtuBytes } = this.context.traffic;
    appendTransfer(burst, this.iovaPage[slot], 0, mtuBytes, OP_READ, this.context.device.link.maxReadRequestBytes);
    return slot;
  }

  /** When the next packet is to be sent; Infinity while the ring is full. */
  private sendAt(): number {
    const full = this.ring.written - this.completions.handled === this.ring.entries;
    return full ? Infinity : Math.max(this.arrivals.nextPs(), this.retryPs);
  }

  private send(nowPs: number): void {
    const { mapper, packetNs, traffic } = this.context;
    mapper.work(nowPs, packetNs);
    const physicalPage = mapper.allocate(this.packetPages);
    const iovaPage = mapper.map(physicalPage, this.packetPages, PROT_READ, traffic.mtuBytes);
    if (iovaPage < 0) {
      mapper.free(physicalPage, this.packetPages);
      this.retryPs = mapper.cpuFreePs + SEND_RETRY_PS;
      this.ringDoorbell();
      return;
    }
    const slot = this.ring.slot(this.ring.written++);
    this.physicalPage[slot] = physicalPage;
    this.iovaPage[slot] = iovaPage;
    this.arrivals.advance();
    // One doorbell for packets sent back to back.
    if (++this.batched >= traffic.pollBatch || this.sendAt() > mapper.cpuFreePs) this.ringDoorbell();
  }

  private reap(nowPs: number): void {
    const { mapper, completionMapper } = this.context;
    completionMapper.work(nowPs, 0);
    if (completionMapper === mapper) this.ringDoorbell();
    const slot = this.ring.slot(this.completions.handled);
    if (this.completions.take()) this.operations++;
    else this.drops++;
    completionMapper.unmap(this.iovaPage[slot], this.packetPages);
    completionMapper.free(this.physicalPage[slot], this.packetPages);
    this.retryPs = 0;
  }

  private ringDoorbell(): void {
    this.ring.doorbell(this.context.mapper.cpuFreePs);
    this.batched = 0;
  }
}
