/**
 * Replay of an access trace, row by row in the file's order. DMA rows are transfers; map and unmap rows change the
 * mapping through the device's driver, at the IOVAs that the trace names: an unmap waits until the DMA before it is
 * complete, DMA waits until the map before it has returned. What is accessed and never mapped, by this trace or by another
 * of its domain, is mapped before the run.
 *
 * Open loop, a row comes at its time at the earliest; closed loop (`outstanding` > 0), as soon as its turn comes.
 */
import type { ReplayTraffic, TraceRows } from '../../spec.ts';
import { OP_MAP, OP_UNMAP, OP_WRITE, PAGE_BYTES } from '../../request.ts';
import { type Burst, type DeviceContext, type DeviceModel, NEVER } from '../device.ts';
import { type Mapper, PROT_READ, PROT_WRITE } from '../mapper.ts';
import { appendTransfer, maxRequests } from '../transfer.ts';
import { domainTraces, unmappedRuns } from '../replay/first-use.ts';

/** A buffer that the trace mapped. */
interface TraceBuffer {
  readonly physicalPage: number;
  readonly pages: number;
}

class ReplayDevice implements DeviceModel {
  readonly burstCapacity: number;
  readonly outstandingBursts: number;
  operations = 0;
  private readonly rows: TraceRows;
  /** Of its domain. */
  private readonly traces: readonly TraceRows[];
  private readonly mapper: Mapper;
  private readonly readLimit: number;
  private readonly writeLimit: number;
  private readonly timed: boolean;
  private readonly buffers = new Map<number, TraceBuffer>();
  private row = 0;
  private inFlight = 0;
  private lastDonePs = 0;
  private mappedPs = 0;

  constructor(traffic: ReplayTraffic, context: DeviceContext) {
    this.rows = traffic.rows;
    this.traces = domainTraces(context.spec, context.tenant);
    this.mapper = context.mapper;
    this.readLimit = context.spec.link.maxReadRequestBytes;
    this.writeLimit = context.spec.link.maxPayloadBytes;
    this.timed = traffic.outstanding === 0;
    this.outstandingBursts = this.timed ? Infinity : traffic.outstanding;
    let longest = 1;
    for (let i = 0; i < traffic.rows.op.length; i++) {
      if (!this.isMapping(i)) longest = Math.max(longest, traffic.rows.lengthBytes[i]);
    }
    this.burstCapacity = maxRequests(longest, Math.min(this.readLimit, this.writeLimit));
  }

  start(): void {
    for (const [first, pages] of unmappedRuns(this.rows, this.traces)) this.mapBefore(first, pages);
  }

  /** Where another device of the domain has mapped a part already, the map fails as a whole: then what is left of it. */
  private mapBefore(first: number, pages: number): void {
    const physicalPage = this.mapper.allocate(pages);
    if (this.mapper.mapStaticAt(first, physicalPage, pages, PROT_READ | PROT_WRITE)) return;
    this.mapper.free(physicalPage, pages);
    if (pages === 1) return;
    const half = pages >> 1;
    this.mapBefore(first, half);
    this.mapBefore(first + half, pages - half);
  }

  nextBurst(nowPs: number, burst: Burst): boolean {
    const row = this.row;
    if (row >= this.rows.op.length || this.isMapping(row)) return false;
    this.row++;
    this.inFlight++;
    const op = this.rows.op[row];
    burst.count = 0;
    burst.earliestPs = Math.max(this.timed ? this.rows.issuePs[row] : nowPs, this.mappedPs);
    const limit = op === OP_WRITE ? this.writeLimit : this.readLimit;
    appendTransfer(burst, this.rows.page[row], this.rows.offset[row], this.rows.lengthBytes[row], op, limit);
    return true;
  }

  burstDone(_token: number, donePs: number, faulted: boolean): void {
    this.inFlight--;
    if (donePs > this.lastDonePs) this.lastDonePs = donePs;
    if (!faulted) this.operations++;
  }

  softwareAt(): number {
    const row = this.row;
    if (row >= this.rows.op.length || !this.isMapping(row)) return NEVER;
    const isUnmap = this.rows.op[row] === OP_UNMAP;
    if (isUnmap && this.inFlight > 0) return NEVER; // until burstDone has told the last one's time
    const duePs = this.timed ? this.rows.issuePs[row] : 0;
    return Math.max(duePs, isUnmap ? this.lastDonePs : 0, this.mapper.cpuFreePs);
  }

  software(nowPs: number): void {
    const row = this.row++;
    const first = this.rows.page[row];
    const pages = Math.max(1, Math.ceil((this.rows.offset[row] + this.rows.lengthBytes[row]) / PAGE_BYTES));
    this.mapper.work(nowPs, 0);
    if (this.rows.op[row] === OP_MAP) this.map(first, pages);
    else this.unmap(first, pages);
  }

  private map(first: number, pages: number): void {
    const physicalPage = this.mapper.allocate(pages);
    if (this.mapper.mapAt(first, physicalPage, pages, PROT_READ | PROT_WRITE)) {
      if (!this.mapper.keepsMappings) this.buffers.set(first, { physicalPage, pages });
    } else {
      this.mapper.free(physicalPage, pages);
    }
    this.mappedPs = this.mapper.cpuFreePs;
  }

  /** Memory is reused only when the trace unmaps exactly what it mapped; parts of a buffer stay taken. */
  private unmap(first: number, pages: number): void {
    this.mapper.unmapAt(first, pages);
    const buffer = this.buffers.get(first);
    if (buffer === undefined || buffer.pages !== pages) return;
    this.mapper.free(buffer.physicalPage, pages);
    this.buffers.delete(first);
  }

  private isMapping(row: number): boolean {
    return this.rows.op[row] >= OP_MAP;
  }
}

export const replay = (context: DeviceContext): DeviceModel =>
  new ReplayDevice(context.spec.traffic as ReplayTraffic, context);
