/**
 * Receive: software posts empty buffers; the device writes each packet into the next ones and then a completion;
 * software handles packets in polls, unmaps their buffers, maps new ones and rings the doorbell at the end of a poll.
 * With a policy that keeps mappings, buffers are recycled without unmapping; a driver may do so too (recycle.ts). The
 * buffers of one descriptor come and go together.
 *
 * Buffers of half a page or less share pages: a page is unmapped when its last buffer has been used. Packets that find
 * no descriptor wait in the device's packet buffer, and are dropped when that is full.
 */
import { OP_WRITE, PAGE_BYTES } from '../../request.ts';
import { assert } from '../../lib/assert.ts';
import type { Burst } from '../device.ts';
import { type PageList, PROT_WRITE } from '../mapper.ts';
import { appendTransfer } from '../transfer.ts';
import { Arrivals } from './arrivals.ts';
import { CompletionQueue } from './completions.ts';
import { type NicQueue, type QueueContext, queueLoad, TOKEN_DATA, TOKEN_FETCH } from './queue.ts';
import { PageRecycler } from './recycle.ts';
import { DescriptorRing } from './ring.ts';

/** On-chip receive buffer: estimate, hundreds of KiB are usual. */
const PACKET_BUFFER_BYTES = 524288;
/** When no buffer could be mapped and nothing else is under way, software tries again after this time. */
const REFILL_RETRY_PS = 1e9;

interface MutablePageList extends PageList {
  count: number;
}

const pageList = (pages: number): MutablePageList => ({
  physicalPages: new Float64Array(pages),
  iovaPages: new Float64Array(pages),
  count: 0,
});

export class RxQueue implements NicQueue {
  operations = 0;
  drops = 0;
  private readonly context: QueueContext;
  private readonly ring: DescriptorRing;
  private readonly completions: CompletionQueue;
  private readonly arrivals: Arrivals;
  /** Arrival times of packets that wait on the chip. */
  private readonly waitingPs: Float64Array;
  private waitingHead = 0;
  private waiting = 0;

  private readonly buffersPerPacket: number;
  /** Buffers of one mapping (more than one if they share a page), and its pages. */
  private readonly buffersPerMapping: number;
  private readonly mappingPages: number;
  private readonly mappings: number;
  /** Mappings that are made and undone together: those of one descriptor. */
  private readonly group: number;
  /** Pages of one descriptor that are being mapped, and of one that are being unmapped (`released` of them are). */
  private readonly list: MutablePageList;
  private readonly releasing: MutablePageList;
  private released = 0;
  private readonly recycler: PageRecycler | undefined;
  private readonly iovaPage: Float64Array;
  private readonly physicalPage: Float64Array;
  /** Mappings posted and taken back, counting up: the rest of `mappings` is vacant. */
  private mapped = 0;
  private unmapped = 0;
  private buffersHandled = 0;
  private polled = 0;
  private retryPs = Infinity;

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
    this.waitingPs = new Float64Array(Math.max(1, Math.floor(PACKET_BUFFER_BYTES / traffic.mtuBytes)));
    this.buffersPerPacket = Math.ceil(traffic.mtuBytes / traffic.bufferBytes);
    this.buffersPerMapping = Math.min(Math.max(1, Math.floor(PAGE_BYTES / traffic.bufferBytes)), traffic.ringEntries);
    this.mappingPages = Math.ceil(traffic.bufferBytes / PAGE_BYTES);
    this.mappings = Math.floor(traffic.ringEntries / this.buffersPerMapping);
    this.group = this.mappingPages === 1 && this.buffersPerMapping === 1 ? traffic.buffersPerDescriptor : 1;
    this.list = pageList(this.group);
    this.releasing = pageList(this.group);
    this.recycler = traffic.recycle.pages > 0 ? new PageRecycler(traffic.recycle, context.rng) : undefined;
    assert(
      this.mappings * this.buffersPerMapping >= this.buffersPerPacket + this.buffersPerMapping * this.group - 1,
      'a receive ring must hold the buffers of one packet',
    );
    this.iovaPage = new Float64Array(this.mappings);
    this.physicalPage = new Float64Array(this.mappings);
  }

  start(): void {
    this.ring.start(this.context.mapper);
    this.completions.start(this.context.mapper);
  }

  /** Maps and posts the first buffers, one descriptor's at a time. False: the ring is full. */
  postFirst(): boolean {
    if (this.mapped + this.group > this.mappings) return false;
    assert(this.mapGroup(true), 'receive buffers must fit into the IOVA space');
    this.postGroup();
    this.ring.doorbell(0);
    return true;
  }

  deviceAt(nowPs: number): number {
    this.receive(nowPs);
    return Math.min(this.ring.fetchAt(), this.dataAt());
  }

  fill(nowPs: number, burst: Burst): number {
    // Descriptors first: they are fetched ahead so that packets do not wait for them.
    if (this.ring.fetchAt() <= nowPs) return this.ring.fillFetch(nowPs, burst) * 4 + TOKEN_FETCH;
    if (this.context.traffic.offeredGbps > 0) this.takeWaiting();
    return this.fillPacket(burst) * 4 + TOKEN_DATA;
  }

  done(token: number, donePs: number, faulted: boolean): boolean {
    const isFetch = token % 4 === TOKEN_FETCH;
    if (isFetch) this.ring.fetchDone(Math.floor(token / 4), donePs);
    else this.completions.visible(Math.floor(token / 4), donePs, faulted);
    return isFetch;
  }

  softwareAt(): number {
    const dueAtPs = this.isReleasing ? 0 : Math.min(this.completions.nextPs(), this.retryPs);
    return Math.max(dueAtPs, this.context.mapper.cpuFreePs);
  }

  software(nowPs: number): void {
    const { mapper, packetNs, traffic } = this.context;
    if (this.isReleasing) {
      mapper.work(nowPs, 0);
      this.release();
    } else if (this.completions.nextPs() <= nowPs) {
      mapper.work(nowPs, packetNs);
      this.finishPacket();
      this.polled++;
    } else {
      mapper.work(nowPs, 0);
    }
    if (this.isReleasing) return;
    this.refill();
    if (this.polled >= traffic.pollBatch || this.completions.nextPs() > mapper.cpuFreePs) {
      this.ring.doorbell(mapper.cpuFreePs);
      this.polled = 0;
    }
  }

  /** Packets that have arrived by `nowPs` go to the packet buffer, or are lost. */
  private receive(nowPs: number): void {
    if (this.context.traffic.offeredGbps === 0) return;
    const room = this.waitingPs.length;
    while (this.arrivals.nextPs() <= nowPs) {
      if (this.waiting < room) {
        this.waitingPs[(this.waitingHead + this.waiting++) % room] = this.arrivals.nextPs();
      } else {
        this.drops++;
      }
      this.arrivals.advance();
    }
  }

  private dataAt(): number {
    const arrivedPs = this.waiting > 0 ? this.waitingPs[this.waitingHead] : this.arrivals.nextPs();
    return Math.max(arrivedPs, this.ring.readyAt(this.buffersPerPacket));
  }

  private takeWaiting(): void {
    this.waiting--;
    this.waitingHead = (this.waitingHead + 1) % this.waitingPs.length;
  }

  /** The packet's data, buffer by buffer, and its completion. Returns the completion's slot. */
  private fillPacket(burst: Burst): number {
    const { mtuBytes, bufferBytes } = this.context.traffic;
    const limit = this.context.device.link.maxPayloadBytes;
    for (let left = mtuBytes; left > 0; left -= bufferBytes) {
      const position = this.ring.consumed++;
      const mapping = Math.floor(position / this.buffersPerMapping) % this.mappings;
      const byte = (position % this.buffersPerMapping) * bufferBytes;
      appendTransfer(burst, this.iovaPage[mapping], byte, Math.min(left, bufferBytes), OP_WRITE, limit);
    }
    return this.completions.fillWrite(burst);
  }

  private finishPacket(): void {
    if (this.completions.take()) this.operations++;
    else this.drops++;
    this.buffersHandled += this.buffersPerPacket;
    this.takeBack();
  }

  /** Descriptors whose buffers have all been handled, as far as one piece of work goes. */
  private takeBack(): void {
    const used = Math.floor(this.buffersHandled / this.buffersPerMapping);
    while (this.unmapped + this.group <= used && !this.isReleasing) this.takeBackGroup();
  }

  private get isReleasing(): boolean {
    return this.released < this.releasing.count;
  }

  /** The pages of the oldest descriptor are kept for reuse, or unmapped. */
  private takeBackGroup(): void {
    const { mapper } = this.context;
    const first = this.unmapped;
    this.unmapped += this.group;
    if (mapper.keepsMappings) return;
    const { releasing: list, recycler } = this;
    list.count = this.released = 0;
    for (let i = 0; i < this.group; i++) {
      const mapping = (first + i) % this.mappings;
      const [iovaPage, physicalPage] = [this.iovaPage[mapping], this.physicalPage[mapping]];
      if (recycler?.put(iovaPage, physicalPage, mapper.cpuFreePs) === true) continue;
      list.iovaPages[list.count] = iovaPage;
      list.physicalPages[list.count++] = physicalPage;
    }
    if (list.count > 0) this.release();
  }

  /** Unmaps some of the pages that are to be released, and goes on with the next descriptor when all are. */
  private release(): void {
    const { releasing: list, context } = this;
    const { mapper } = context;
    if (this.group > 1) this.released = mapper.unmapPages(list, this.released);
    else mapper.unmap(list.iovaPages[this.released++], this.mappingPages);
    if (this.isReleasing) return;
    this.freeList(list);
    this.takeBack();
  }

  private freeList({ physicalPages, count }: PageList): void {
    for (let i = 0; i < count; i++) this.context.mapper.free(physicalPages[i], this.mappingPages);
  }

  private refill(): void {
    this.retryPs = Infinity;
    while (this.mapped - this.unmapped + this.group <= this.mappings) {
      if (!this.context.mapper.keepsMappings && !this.mapGroup(false)) {
        this.retryPs = this.context.mapper.cpuFreePs + REFILL_RETRY_PS;
        return;
      }
      this.postGroup();
    }
  }

  /**
   * Pages for the next descriptor: recycled ones first, the rest mapped. False: they could not all be had, and the next try
   * begins anew (recycled pages taken for it are unmapped like the others).
   */
  private mapGroup(setup: boolean): boolean {
    const { list, recycler, group } = this;
    const { mapper } = this.context;
    let recycled = 0;
    while (recycled < group && recycler?.take(mapper.cpuFreePs) === true) {
      this.setMapping(recycled++, recycler.iovaPage, recycler.physicalPage);
    }
    list.count = group - recycled;
    if (list.count === 0) return true;
    for (let i = 0; i < list.count; i++) list.physicalPages[i] = mapper.allocate(this.mappingPages);
    if (this.mapList(setup)) {
      for (let i = 0; i < list.count; i++) this.setMapping(recycled + i, list.iovaPages[i], list.physicalPages[i]);
      return true;
    }
    this.freeList(list);
    for (let i = 0; i < recycled; i++) this.dropMapping(i);
    return false;
  }

  private mapList(setup: boolean): boolean {
    const { list, context } = this;
    const { mapper } = context;
    if (this.group > 1) return setup ? mapper.mapStaticPages(list, PROT_WRITE) : mapper.mapPages(list, PROT_WRITE);
    const page = list.physicalPages[0];
    list.iovaPages[0] = setup
      ? mapper.mapStatic(page, this.mappingPages, PROT_WRITE)
      : mapper.map(page, this.mappingPages, PROT_WRITE);
    return list.iovaPages[0] >= 0;
  }

  /** Mapping `i` of the next descriptor. */
  private setMapping(i: number, iovaPage: number, physicalPage: number): void {
    const mapping = (this.mapped + i) % this.mappings;
    this.iovaPage[mapping] = iovaPage;
    this.physicalPage[mapping] = physicalPage;
  }

  private dropMapping(i: number): void {
    const { mapper } = this.context;
    const mapping = (this.mapped + i) % this.mappings;
    mapper.unmap(this.iovaPage[mapping], this.mappingPages);
    mapper.free(this.physicalPage[mapping], this.mappingPages);
  }

  private postGroup(): void {
    this.mapped += this.group;
    this.ring.written += this.group * this.buffersPerMapping;
  }
}
