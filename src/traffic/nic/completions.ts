/** A completion queue in memory: the device writes one entry a packet, in order; software handles them in order. */
import { OP_WRITE, PAGE_BYTES } from '../../request.ts';
import type { Burst } from '../device.ts';
import { type Mapper, PROT_WRITE } from '../mapper.ts';
import { mapRegion } from '../region.ts';
import { appendTransfer } from '../transfer.ts';

export class CompletionQueue {
  readonly entries: number;
  /** Entries whose writes have been issued, and entries that software has handled. */
  written = 0;
  handled = 0;
  private readonly entryBytes: number;
  private readonly limitBytes: number;
  private readonly visiblePs: Float64Array;
  private readonly failed: Uint8Array;
  private basePage = 0;

  constructor(entries: number, entryBytes: number, limitBytes: number) {
    this.entries = entries;
    this.entryBytes = entryBytes;
    this.limitBytes = limitBytes;
    this.visiblePs = new Float64Array(entries).fill(Infinity);
    this.failed = new Uint8Array(entries);
  }

  start(mapper: Mapper): void {
    const pages = Math.ceil((this.entries * this.entryBytes) / PAGE_BYTES);
    this.basePage = mapRegion(mapper, pages, PROT_WRITE);
  }

  /** Appends the next entry's write; returns its slot, for `visible`. */
  fillWrite(burst: Burst): number {
    const slot = this.written++ % this.entries;
    this.visiblePs[slot] = Infinity;
    appendTransfer(burst, this.basePage, slot * this.entryBytes, this.entryBytes, OP_WRITE, this.limitBytes);
    return slot;
  }

  /** The entry is in memory at `atPs`. `failed`: some request of its packet was aborted. */
  visible(slot: number, atPs: number, failed: boolean): void {
    this.visiblePs[slot] = atPs;
    this.failed[slot] = failed ? 1 : 0;
  }

  /** When software can handle the next entry; Infinity if none is on its way. */
  nextPs(): number {
    return this.handled === this.written ? Infinity : this.visiblePs[this.handled % this.entries];
  }

  /** Takes the next entry. Returns whether its packet was transferred in full. */
  take(): boolean {
    return this.failed[this.handled++ % this.entries] === 0;
  }
}
