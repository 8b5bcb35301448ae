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
 * The kernel runs it (assembly/port.ts); here it is laid out, fed with the model's requests, and read.
 */
import { assert } from '../lib/assert.ts';
import { roundUpPowerOfTwo } from '../lib/bits.ts';
import type { Kernel, Regions } from '../kernel/kernel.ts';
import {
  BURST_SLOT_BYTES,
  CREDITS_COUNT,
  CREDITS_MASK,
  CREDITS_TIMES,
  ENTRY_BYTES,
  ENTRY_COUNT_SHIFT,
  ENTRY_EARLIEST,
  ENTRY_KIND,
  ENTRY_LENGTH,
  ENTRY_PAGE,
  ENTRY_TOKEN,
  HISTOGRAM_BUCKETS,
  PLAIN_BYTES_LOG2,
  PLAIN_ISSUED,
  PLAIN_PAGE,
  PLAIN_RING,
  PLAIN_TRANSLATED,
  PORT_ABORT_PS,
  PORT_ATS,
  PORT_BUFFER,
  PORT_BUFFER_ENTRIES,
  PORT_BURSTS,
  PORT_BYTES,
  PORT_COMPLETION,
  PORT_COMPLETION_HEADER,
  PORT_CTX,
  PORT_DEVICE,
  PORT_DOWN_BUSY,
  PORT_ENTRIES,
  PORT_ENTRY,
  PORT_FLAG_AHEAD,
  PORT_FLAG_ATS,
  PORT_FLAG_LIMITED,
  PORT_FLAG_PLAIN,
  PORT_FLAG_TAGGED,
  PORT_FLAGS,
  PORT_FREE_READ_COUNT,
  PORT_FREE_READS,
  PORT_FREE_SLOT_COUNT,
  PORT_FREE_SLOTS,
  PORT_MASK,
  PORT_MAX_PAYLOAD,
  PORT_MAX_READ_REQUEST,
  PORT_MEMORY_READ_PS,
  PORT_MEMORY_WRITE_PS,
  PORT_PATTERN_PAGE,
  PORT_PATTERN_RANDOM,
  PORT_PATTERN_SHIFT,
  PORT_PATTERN_SLOTS,
  PORT_PENDING,
  PORT_PERIOD,
  PORT_PS_PER_BYTE,
  PORT_QUEUE,
  PORT_QUEUE_COUNT,
  PORT_QUEUE_HEAD,
  PORT_READ_AT,
  PORT_READ_BYTES,
  PORT_READ_ENDS,
  PORT_READ_REQUEST,
  PORT_READ_WINDOW,
  PORT_READS,
  PORT_SIZED_BYTES,
  PORT_SLOTS,
  PORT_SOFTWARE_AT,
  PORT_STREAM_AT,
  PORT_TAGS,
  PORT_TRANSFERS,
  PORT_TRANSLATION,
  PORT_UP_BUSY,
  PORT_WRITE_BYTES,
  PORT_WRITE_ENDS,
  PORT_WRITE_HEADER,
  PORT_WRITE_WINDOW,
  PORT_WRITES,
  READ_BYTES,
  READ_PAGE,
} from '../kernel/layout.ts';
import { ATS_CACHE } from '../kernel/layout-ats.ts';
import { Prng } from '../lib/prng.ts';
import { OP_READ, PS_PER_NS } from '../request.ts';
import type { AtsSpec, DeviceSpec, LinkSpec, MachineSpec, PriSpec } from '../spec.ts';
import { Burst, type DeviceModel } from '../traffic/device.ts';
import { atsBytes, layAts, SET_ASIDE } from './ats-port.ts';
import { LatencyHistogram } from './latency.ts';

export interface PortConfig {
  /** Index at the engine. */
  readonly device: number;
  /** Requester context, the first argument of `translate`. */
  readonly ctx: number;
  readonly link: LinkSpec;
  readonly model: DeviceModel;
  readonly machine: Pick<MachineSpec, 'latency' | 'order'>;
  readonly ats?: AtsSpec | undefined;
  readonly pri?: PriSpec | undefined;
}

/** How many of each thing a port holds. */
interface PortShape {
  readonly reads: number;
  readonly tags: number;
  readonly transfers: number;
  readonly order: MachineSpec['order'];
}

const LINE_BYTES = 64;

/**
 * Most kernel memory that a port takes. `outstandingBursts` 0: not limited (all its reads may then be in flight anyhow).
 */
export function portBytes(
  { link, ats }: Pick<DeviceSpec, 'link' | 'ats'>,
  outstandingBursts: number,
  order: MachineSpec['order'],
): number {
  const reads = roundUpPowerOfTwo(Math.max(1, link.outstanding));
  const transfers = roundUpPowerOfTwo(Math.max(1, outstandingBursts));
  const own = ats === undefined ? 0 : atsBytes(ats, reads);
  return shapeBytes({ reads, tags: reads, transfers, order }) + own;
}

function shapeBytes({ reads, tags, transfers, order }: PortShape): number {
  const perRead = READ_BYTES + BURST_SLOT_BYTES + 4 * 4;
  const times = tags + transfers + order.readWindow + order.writeWindow + 2 * HISTOGRAM_BUCKETS;
  const records = PORT_BYTES + PORT_BUFFER_ENTRIES * ENTRY_BYTES + BURST_SLOT_BYTES + 4;
  return records + perRead * reads + 8 * times + 16 * LINE_BYTES;
}

export class Port {
  readonly model: DeviceModel;
  readonly pointer: number;
  /** From a request's arrival to the end of its translation, and from its issue to its completion. */
  readonly translation: LatencyHistogram;
  readonly completion: LatencyHistogram;
  private readonly kernel: Kernel;
  private readonly view: DataView;
  private readonly regions: Regions;
  private readonly ahead: boolean;
  private readonly buffer: number;
  private readonly burst: Burst;
  /** Next request of `burst` that the kernel has not got. */
  private cursor = 0;

  /** `pointer`: PORT_BYTES of zeros; the rest comes from `regions`. */
  constructor(kernel: Kernel, regions: Regions, pointer: number, config: PortConfig) {
    const { model } = config;
    this.kernel = kernel;
    this.view = kernel.view;
    this.regions = regions;
    this.model = model;
    this.ahead = model.asksAhead === true;
    this.burst = new Burst(model.burstCapacity);
    this.pointer = pointer;
    this.translation = new LatencyHistogram(kernel, this.pointer + PORT_TRANSLATION);
    this.completion = new LatencyHistogram(kernel, this.pointer + PORT_COMPLETION);
    this.layStream(config);
    this.layLink(config.link);
    this.buffer = this.take(PORT_BUFFER, PORT_BUFFER_ENTRIES * ENTRY_BYTES);
  }

  /** Lays what is used seldom: behind what is used often of all ports, which then lies on few pages. */
  layRest(): void {
    this.translation.lay(this.regions);
    this.completion.lay(this.regions);
  }

  // ---- Set-up ----------------------------------------------------------------------------------------------------------------

  private put(offset: number, value: number): void {
    this.view.setUint32(this.pointer + offset, value, true);
  }

  private putTime(offset: number, ps: number): void {
    this.view.setFloat64(this.pointer + offset, ps, true);
  }

  /** A region whose pointer is at `offset`. */
  private take(offset: number, bytes: number): number {
    const at = this.regions.take(bytes, 8);
    this.put(offset, at);
    return at;
  }

  private layStream({ device, ctx, link, model, machine, ats, pri }: PortConfig): void {
    const mostReads = model.outstandingBursts * model.burstCapacity;
    const limited = model.outstandingBursts < Infinity;
    const tagged = mostReads > link.outstanding;
    this.put(PORT_DEVICE, device);
    this.put(PORT_CTX, ctx);
    const simple = model.plainReads === true && this.ahead && limited && !tagged;
    const plain = simple && machine.order.readWindow === 0 && ats === undefined;
    this.put(
      PORT_FLAGS,
      (this.ahead ? PORT_FLAG_AHEAD : 0) |
        (limited ? PORT_FLAG_LIMITED : 0) |
        (tagged ? PORT_FLAG_TAGGED : 0) |
        (plain ? PORT_FLAG_PLAIN : 0) |
        (ats === undefined ? 0 : PORT_FLAG_ATS),
    );
    this.layCredits(PORT_TRANSFERS, limited ? model.outstandingBursts : 0);
    this.layCredits(PORT_TAGS, tagged ? link.outstanding : 0);
    this.putTime(PORT_STREAM_AT, Infinity);
    this.putTime(PORT_READ_AT, Infinity);
    this.put(PORT_READ_WINDOW, machine.order.readWindow);
    this.put(PORT_WRITE_WINDOW, machine.order.writeWindow);
    this.take(PORT_READ_ENDS, 8 * machine.order.readWindow);
    this.take(PORT_WRITE_ENDS, 8 * machine.order.writeWindow);
    const reads = roundUpPowerOfTwo(Math.max(1, Math.min(link.outstanding, mostReads)));
    this.layReads(reads, ats === undefined ? 0 : SET_ASIDE, plain);
    if (ats !== undefined) this.put(PORT_ATS, layAts(this.kernel, this.regions, { ats, pri, reads, seed: device + 1 }));
    this.putTime(PORT_MEMORY_READ_PS, Math.round(machine.latency.dmaReadNs * PS_PER_NS));
    this.putTime(PORT_MEMORY_WRITE_PS, Math.round(machine.latency.dmaWriteNs * PS_PER_NS));
  }

  private layCredits(offset: number, count: number): void {
    const capacity = roundUpPowerOfTwo(Math.max(1, count));
    this.take(offset + CREDITS_TIMES, 8 * capacity); // all there at time 0
    this.put(offset + CREDITS_MASK, capacity - 1);
    this.put(offset + CREDITS_COUNT, count);
  }

  /** `setAside`: requests that are not in the ring, but of bursts that are not finished. */
  private layReads(ring: number, setAside: number, plain: boolean): void {
    this.put(PORT_MASK, ring - 1);
    if (plain) {
      this.take(PLAIN_RING, ring << PLAIN_BYTES_LOG2);
      return;
    }
    const reads = this.regions.take(ring * READ_BYTES);
    this.take(PORT_QUEUE, 4 * ring);
    this.take(PORT_PENDING, 4 * ring);
    const freeReads = this.take(PORT_FREE_READS, 4 * ring);
    for (let i = 0; i < ring; i++) this.view.setUint32(freeReads + 4 * i, reads + (ring - 1 - i) * READ_BYTES, true);
    this.put(PORT_FREE_READ_COUNT, ring);
    // Each unfinished burst has a read under way, but the one being issued.
    const slots = ring + setAside + 1;
    this.take(PORT_SLOTS, slots * BURST_SLOT_BYTES);
    const freeSlots = this.take(PORT_FREE_SLOTS, 4 * slots);
    for (let i = 0; i < slots; i++) this.view.setUint32(freeSlots + 4 * i, slots - 1 - i, true);
    this.put(PORT_FREE_SLOT_COUNT, slots);
  }

  private layLink(link: LinkSpec): void {
    const psPerByte = (8 * PS_PER_NS) / link.gbps;
    this.putTime(PORT_PS_PER_BYTE, psPerByte);
    this.put(PORT_MAX_PAYLOAD, link.maxPayloadBytes);
    this.put(PORT_MAX_READ_REQUEST, link.maxReadRequestBytes);
    this.put(PORT_WRITE_HEADER, link.writeHeaderBytes);
    this.put(PORT_READ_REQUEST, link.readRequestBytes);
    this.put(PORT_COMPLETION_HEADER, link.completionHeaderBytes);
    this.putTime(PORT_ABORT_PS, Math.round(link.completionHeaderBytes * psPerByte));
    this.put(PORT_SIZED_BYTES, 0xffffffff); // no size yet
  }

  /** Takes the model's pattern over, if it has one. Call when the model has been started. */
  layPattern(): void {
    const pattern = this.model.pattern?.();
    if (pattern === undefined) return;
    const { f64, i32 } = this.kernel;
    this.put(PORT_PATTERN_SLOTS, pattern.slots);
    this.put(PORT_PATTERN_SHIFT, pattern.slotsPerPageLog2);
    this.putTime(PORT_PATTERN_PAGE, pattern.firstPage);
    pattern.random.forEach((word, i) => this.put(PORT_PATTERN_RANDOM + 4 * i, word));
    for (let i = 0; i < PORT_BUFFER_ENTRIES; i++) {
      const at = this.buffer + i * ENTRY_BYTES;
      f64.fill(0, at / 8, (at + ENTRY_BYTES) / 8);
      i32[(at + ENTRY_LENGTH) >>> 2] = pattern.lengthBytes;
      i32[(at + ENTRY_KIND) >>> 2] = OP_READ | (1 << ENTRY_COUNT_SHIFT);
    }
  }

  // ---- The model's requests --------------------------------------------------------------------------------------------------

  /** Fills the buffer from the model: the rest of a long burst, the next burst, or as many as fit if it is asked ahead. */
  fetch(atPs: number): number {
    const { burst, model } = this;
    let entries = 0;
    while (entries < PORT_BUFFER_ENTRIES) {
      if (this.cursor === burst.count) {
        if (entries > 0 && !this.ahead) break;
        // A model that is asked ahead does not look at the time.
        if (!model.nextBurst(this.ahead ? 0 : atPs, burst)) {
          burst.count = this.cursor = 0;
          break;
        }
        assert(burst.count > 0, 'a burst has at least one request');
        this.cursor = 0;
      }
      entries = this.copyRequests(entries);
    }
    this.tellSoftware();
    return entries;
  }

  /** Copies the burst's requests to the buffer from entry `first` on; returns the number of entries then there. */
  private copyRequests(first: number): number {
    const { burst } = this;
    const { f64, i32 } = this.kernel;
    const end = Math.min(burst.count, this.cursor + PORT_BUFFER_ENTRIES - first);
    let at = this.buffer + first * ENTRY_BYTES;
    for (let i = this.cursor; i < end; i++, at += ENTRY_BYTES) {
      f64[(at + ENTRY_PAGE) >>> 3] = burst.page[i];
      i32[(at + ENTRY_LENGTH) >>> 2] = burst.lengthBytes[i];
      i32[(at + ENTRY_KIND) >>> 2] = burst.op[i];
      if (i > 0) continue;
      f64[(at + ENTRY_EARLIEST) >>> 3] = burst.earliestPs;
      f64[(at + ENTRY_TOKEN) >>> 3] = burst.token;
      i32[(at + ENTRY_KIND) >>> 2] = burst.op[0] | (burst.count << ENTRY_COUNT_SHIFT);
    }
    const copied = end - this.cursor;
    this.cursor = end;
    return first + copied;
  }

  /** Page of the device's next request: one that waits, or the next that it will issue; undefined when it has none now. */
  nextPage(nowPs: number): number | undefined {
    const get = (offset: number): number => this.view.getUint32(this.pointer + offset, true);
    if ((get(PORT_FLAGS) & PORT_FLAG_PLAIN) !== 0 && get(PLAIN_ISSUED) !== get(PLAIN_TRANSLATED)) {
      const read = get(PLAIN_RING) + ((get(PLAIN_TRANSLATED) & get(PORT_MASK)) << PLAIN_BYTES_LOG2);
      return this.view.getFloat64(read + PLAIN_PAGE, true);
    }
    if (get(PORT_QUEUE_COUNT) > 0) {
      const read = this.view.getUint32(get(PORT_QUEUE) + 4 * get(PORT_QUEUE_HEAD), true);
      return this.view.getFloat64(read + READ_PAGE, true);
    }
    const slots = get(PORT_PATTERN_SLOTS);
    if (get(PORT_ENTRIES) > 0) return this.view.getFloat64(get(PORT_ENTRY) + ENTRY_PAGE, true);
    if (slots > 0) {
      const [s0, s1, s2, s3] = [0, 4, 8, 12].map((word) => get(PORT_PATTERN_RANDOM + word));
      const place = Prng.fromState(s0, s1, s2, s3).below(slots) >> get(PORT_PATTERN_SHIFT);
      return this.count(PORT_PATTERN_PAGE) + place;
    }
    const burst = new Burst(this.model.burstCapacity);
    return this.model.nextBurst(nowPs, burst) ? burst.page[0] : undefined;
  }

  /** The device's ATC; 0: it has none. */
  get atc(): number {
    const ats = this.view.getUint32(this.pointer + PORT_ATS, true);
    return ats === 0 ? 0 : this.view.getUint32(ats + ATS_CACHE, true);
  }

  /** Leaves where the kernel looks for it when the model's software wants to run. */
  tellSoftware(): number {
    const atPs = this.model.softwareAt();
    this.kernel.f64[(this.pointer + PORT_SOFTWARE_AT) >>> 3] = atPs;
    return atPs;
  }

  // ---- Counting --------------------------------------------------------------------------------------------------------------

  private count(offset: number): number {
    return this.kernel.f64[(this.pointer + offset) / 8];
  }

  get reads(): number {
    return this.count(PORT_READS);
  }

  get writes(): number {
    return this.count(PORT_WRITES);
  }

  get readBytes(): number {
    return this.count(PORT_READ_BYTES);
  }

  get writeBytes(): number {
    return this.count(PORT_WRITE_BYTES);
  }

  get bursts(): number {
    return this.count(PORT_BURSTS);
  }

  /** Time for which the link was busy upstream, and downstream. */
  get upBusyPs(): number {
    return this.count(PORT_UP_BUSY);
  }

  get downBusyPs(): number {
    return this.count(PORT_DOWN_BUSY);
  }

  /** Counts anew: warm-up is over. */
  resetCounts(): void {
    this.translation.reset();
    this.completion.reset();
    for (let offset = PORT_READS; offset <= PORT_DOWN_BUSY; offset += 8) this.putTime(offset, 0);
    this.put(PORT_PERIOD, this.view.getUint32(this.pointer + PORT_PERIOD, true) + 1);
  }
}
