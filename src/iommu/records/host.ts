/** Kernel memory in which records are executed, one after another: each starts with empty tables. */
import { type Kernel, Regions } from '../../kernel/kernel.ts';
import { ARENA_BYTES, WINDOW_TABLE, WINDOW_TABLE_BYTES } from '../../kernel/layout.ts';
import type { TableGeometry } from '../formats/format.ts';
import { Arena, PageTable, TableRule } from '../page-table.ts';
import { RecordError } from './fields.ts';

const ARENA_ADDRESS = 0x1_0000_0000n;
const FRAME_BYTES = 4096;
/** Rule and table records of one record. */
const RECORD_BYTES = 65536;

export class RecordHost {
  readonly kernel: Kernel;
  readonly arena: Arena;
  private readonly start: number;
  private next: number;
  private readonly poked: number[] = [];

  /** Takes the kernel's whole memory. */
  constructor(kernel: Kernel) {
    this.kernel = kernel;
    const total = kernel.memory.buffer.byteLength;
    const regions = new Regions(total);
    const record = regions.take(ARENA_BYTES);
    this.start = regions.next;
    const base = Math.ceil((this.start + RECORD_BYTES) / FRAME_BYTES) * FRAME_BYTES;
    this.next = base;
    this.arena = new Arena(kernel, record, base, total - base - FRAME_BYTES, ARENA_ADDRESS);
  }

  /** A fresh, empty table; the one before is gone. Throws RangeError if it does not fit. */
  table(geometry: TableGeometry): PageTable {
    this.clearMemory();
    this.arena.reset();
    const regions = new Regions(this.arena.base, this.start);
    return PageTable.create(this.kernel, regions, this.arena, new TableRule(this.kernel, regions, geometry));
  }

  /** A few bytes for the record in hand. */
  scratch(bytes: number): number {
    return new Regions(this.arena.base, this.start).take(bytes);
  }

  /** Forgets raw memory images and tables. */
  clearMemory(): void {
    for (const at of this.poked) this.kernel.view.setBigUint64(at, 0n, true);
    this.poked.length = 0;
    this.kernel.i32.fill(0, WINDOW_TABLE / 4, (WINDOW_TABLE + WINDOW_TABLE_BYTES) / 4);
    this.arena.reset();
    this.next = this.arena.base;
  }

  /** Zeroed memory for an image. */
  memory(bytes: number): number {
    const at = this.next;
    if (at + bytes > this.arena.base + this.arena.bytes) {
      throw new RecordError(`mem: the image spans more than the ${this.arena.bytes} bytes there are`);
    }
    this.next = at + bytes;
    return at;
  }

  poke(at: number, value: bigint): void {
    this.kernel.view.setBigUint64(at, value, true);
    this.poked.push(at);
  }
}
