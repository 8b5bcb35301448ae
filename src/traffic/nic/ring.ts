/**
 * A descriptor ring in memory and the descriptors that the device has fetched from it. Positions count up for ever; an
 * entry's slot is its position modulo the ring. Software writes entries and rings the doorbell; the device fetches them
 * in batches, ahead of use, and consumes them in order.
 */
import { OP_READ, PAGE_BYTES } from '../../request.ts';
import type { Burst } from '../device.ts';
import { type Mapper, PROT_READ } from '../mapper.ts';
import { mapRegion } from '../region.ts';
import { appendTransfer } from '../transfer.ts';

const FETCH_LIMIT = 4096;

export interface RingSpec {
  readonly entries: number;
  readonly descriptorBytes: number;
  /** Descriptors of one fetch at most. */
  readonly batch: number;
  readonly maxReadRequestBytes: number;
}

export class DescriptorRing {
  readonly entries: number;
  /** Entries written by software, made visible by the doorbell, asked for by the device, and used by it. */
  written = 0;
  posted = 0;
  fetched = 0;
  consumed = 0;
  private readonly spec: RingSpec;
  private readonly batch: number;
  /** When an entry became visible to the device, and when it was on the chip. */
  private readonly postedPs: Float64Array;
  private readonly readyPs: Float64Array;
  /** Descriptors of the fetch that began at a slot. */
  private readonly fetchCount: Uint16Array;
  private basePage = 0;

  constructor(spec: RingSpec) {
    this.spec = spec;
    this.entries = spec.entries;
    this.batch = Math.max(1, Math.min(spec.batch, spec.entries, FETCH_LIMIT - 1));
    this.postedPs = new Float64Array(spec.entries);
    this.readyPs = new Float64Array(spec.entries).fill(Infinity);
    this.fetchCount = new Uint16Array(spec.entries);
  }

  start(mapper: Mapper): void {
    const pages = Math.ceil((this.entries * this.spec.descriptorBytes) / PAGE_BYTES);
    this.basePage = mapRegion(mapper, pages, PROT_READ);
  }

  slot(position: number): number {
    return position % this.entries;
  }

  /** Entries written but not yet seen by the device become visible at `atPs`. */
  doorbell(atPs: number): void {
    for (; this.posted < this.written; this.posted++) this.postedPs[this.slot(this.posted)] = atPs;
  }

  /** When the device wants to fetch; Infinity while it has enough, or nothing is posted. */
  fetchAt(): number {
    if (this.fetched === this.posted || this.fetched - this.consumed > this.batch) return Infinity;
    return this.postedPs[this.slot(this.fetched)];
  }

  /** One read of the visible entries, up to a batch or the ring's end. Returns the token for `fetchDone`. */
  fillFetch(nowPs: number, burst: Burst): number {
    const first = this.slot(this.fetched);
    const limit = Math.min(this.batch, this.posted - this.fetched, this.entries - first);
    let count = 1;
    while (count < limit && this.postedPs[first + count] <= nowPs) count++;
    for (let i = 0; i < count; i++) this.readyPs[first + i] = Infinity;
    this.fetched += count;
    const bytes = this.spec.descriptorBytes;
    appendTransfer(burst, this.basePage, first * bytes, count * bytes, OP_READ, this.spec.maxReadRequestBytes);
    this.fetchCount[first] = count;
    return first;
  }

  fetchDone(token: number, donePs: number): void {
    for (let i = 0; i < this.fetchCount[token]; i++) this.readyPs[token + i] = donePs;
  }

  /** When the next `count` descriptors are on the chip; Infinity if they are not even asked for. */
  readyAt(count: number): number {
    if (this.fetched - this.consumed < count) return Infinity;
    let atPs = 0;
    for (let i = 0; i < count; i++) atPs = Math.max(atPs, this.readyPs[this.slot(this.consumed + i)]);
    return atPs;
  }

  /** Requests of one fetch at most. */
  get fetchBytes(): number {
    return this.batch * this.spec.descriptorBytes;
  }
}
