/**
 * What all window models share: a window of DMA memory that stays mapped, transfers of one size inside it, reads and
 * writes mixed, and closed or open loop. A model only chooses where the next transfer begins.
 */
import type { LinkSpec, WindowTraffic } from '../spec.ts';
import { OP_READ, OP_WRITE, PAGE_BYTES, PAGE_LOG2 } from '../request.ts';
import { assert } from '../lib/assert.ts';
import { isPowerOfTwo, log2Ceil } from '../lib/bits.ts';
import type { Prng } from '../lib/prng.ts';
import { exponential } from '../lib/samplers.ts';
import type { Burst, DeviceContext, UniformPattern } from './device.ts';
import { type Mapper, PROT_READ, PROT_WRITE } from './mapper.ts';
import { mapRegion } from './region.ts';
import { appendTransfer, maxRequests } from './transfer.ts';

const TWO_32 = 4294967296;
const MOST_PATTERN_SLOTS = 2097152;

export class TransferWindow {
  /** Transfers that fit side by side. */
  readonly slots: number;
  readonly burstCapacity: number;
  readonly outstandingBursts: number;
  private readonly transferBytes: number;
  private readonly windowBytes: number;
  private readonly link: LinkSpec;
  private readonly mapper: Mapper;
  private readonly rng: Prng;
  /** Threshold of Prng.chance. */
  private readonly readChance: number;
  /** A transfer that begins at or below this offset of a page is one request; -1: none is. */
  private readonly lastSingleOffset: number;
  /** The commonest case has a way of its own: such requests, closed loop, all reads or all writes, fewer than 2^31 slots. */
  private readonly plain: boolean;
  private readonly plainOp: number;
  private readonly slotsPerPageLog2: number;
  private readonly transferLog2: number;
  private readonly intervalPs: number;
  private readonly poisson: boolean;
  private basePage = 0;
  private arrivalPs = 0;

  constructor(traffic: WindowTraffic, context: DeviceContext) {
    const { link } = context.spec;
    this.transferBytes = traffic.transferBytes;
    this.windowBytes = traffic.windowBytes;
    this.slots = Math.floor(traffic.windowBytes / traffic.transferBytes);
    assert(this.slots >= 1, 'a transfer must fit into its window');
    this.link = link;
    this.mapper = context.mapper;
    this.rng = context.rng;
    this.readChance = Math.round(traffic.readFraction * TWO_32);
    const limit = Math.min(
      traffic.readFraction > 0 ? link.maxReadRequestBytes : PAGE_BYTES,
      traffic.readFraction < 1 ? link.maxPayloadBytes : PAGE_BYTES,
      PAGE_BYTES,
    );
    this.lastSingleOffset = traffic.transferBytes <= limit ? PAGE_BYTES - traffic.transferBytes : -1;
    this.burstCapacity = maxRequests(traffic.transferBytes, Math.min(limit, PAGE_BYTES));
    this.outstandingBursts = traffic.outstanding > 0 ? traffic.outstanding : Infinity;
    this.intervalPs = traffic.ratePerSecond > 0 ? 1e12 / traffic.ratePerSecond : 0;
    this.poisson = traffic.arrivals === 'poisson';
    this.plainOp = this.readChance === 0 ? OP_WRITE : OP_READ;
    this.plain =
      this.lastSingleOffset >= 0 &&
      isPowerOfTwo(traffic.transferBytes) &&
      this.intervalPs === 0 &&
      this.readChance % TWO_32 === 0 &&
      this.slots < 2147483648;
    this.transferLog2 = log2Ceil(traffic.transferBytes);
    this.slotsPerPageLog2 = Math.max(0, PAGE_LOG2 - this.transferLog2);
    // Devices with the same fixed rate do not beat in step: each has its own phase.
    if (this.intervalPs > 0) this.arrivalPs = this.gap(this.rng.nextFloat());
  }

  /** Maps the window. */
  start(): void {
    const pages = Math.ceil(this.windowBytes / PAGE_BYTES);
    this.basePage = mapRegion(this.mapper, pages, PROT_READ | PROT_WRITE);
  }

  /** Every transfer is one read, as soon as there is a credit. */
  get plainReads(): boolean {
    return this.plain && this.plainOp === OP_READ;
  }

  /** The kernel can draw uniformly from up to 2^21 places (Prng.below does larger numbers otherwise). */
  uniformPattern(): UniformPattern | undefined {
    if (!this.plainReads || this.slots > MOST_PATTERN_SLOTS) return undefined;
    const { slots, slotsPerPageLog2, transferBytes, basePage, rng } = this;
    return { slots, slotsPerPageLog2, firstPage: basePage, lengthBytes: transferBytes, random: rng.state };
  }

  /** The next transfer begins at slot × transferBytes. */
  fillSlot(nowPs: number, burst: Burst, slot: number): boolean {
    if (!this.plain) return this.fill(nowPs, burst, slot * this.transferBytes);
    const page = slot >> this.slotsPerPageLog2;
    burst.count = 1;
    burst.earliestPs = nowPs;
    burst.page[0] = this.basePage + page;
    burst.offset[0] = (slot - (page << this.slotsPerPageLog2)) << this.transferLog2;
    burst.lengthBytes[0] = this.transferBytes;
    burst.op[0] = this.plainOp;
    return true;
  }

  /** The next transfer begins `byte` bytes into the window. */
  fill(nowPs: number, burst: Burst, byte: number): boolean {
    const op = this.nextOp();
    burst.earliestPs = this.intervalPs > 0 ? this.nextArrival() : nowPs;
    const page = Math.floor(byte * (1 / PAGE_BYTES));
    const offset = byte - page * PAGE_BYTES;
    if (offset > this.lastSingleOffset) return this.fillPieces(burst, byte, op);
    burst.count = 1;
    burst.page[0] = this.basePage + page;
    burst.offset[0] = offset;
    burst.lengthBytes[0] = this.transferBytes;
    burst.op[0] = op;
    return true;
  }

  private fillPieces(burst: Burst, byte: number, op: number): boolean {
    burst.count = 0;
    const limit = op === OP_READ ? this.link.maxReadRequestBytes : this.link.maxPayloadBytes;
    appendTransfer(burst, this.basePage, byte, this.transferBytes, op, limit);
    return true;
  }

  private nextOp(): number {
    if (this.readChance === TWO_32) return OP_READ;
    if (this.readChance === 0) return OP_WRITE;
    return this.rng.chance(this.readChance) ? OP_READ : OP_WRITE;
  }

  private nextArrival(): number {
    const atPs = Math.round(this.arrivalPs);
    this.arrivalPs += this.gap(1);
    return atPs;
  }

  private gap(fraction: number): number {
    return this.poisson ? exponential(this.rng, this.intervalPs) : fraction * this.intervalPs;
  }
}
