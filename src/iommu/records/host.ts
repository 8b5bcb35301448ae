/** Kernel memory in which records are executed, one after another: each starts with empty tables. */
import { Kernel, Regions } from '../../kernel/kernel.ts';
import { Arena, PageTable, TableRule } from '../page-table.ts';
import type { TableGeometry } from '../formats/format.ts';

const ARENA_ADDRESS = 0x1_0000_0000n;

export class RecordHost {
  readonly kernel: Kernel;
  readonly arena: Arena;
  private readonly regions: Regions;
  private readonly start: number;

  /** Takes the kernel's whole memory. */
  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.regions = new Regions(kernel.memory.buffer.byteLength);
    const records = 65536; // a rule and a table record at a time, taken anew for each
    this.start = this.regions.next;
    const base = Math.ceil((this.start + records) / 65536) * 65536;
    const bytes = kernel.memory.buffer.byteLength - base - 4096;
    this.arena = new Arena(kernel, this.regions.take(64), base, bytes - (bytes % 4096), ARENA_ADDRESS);
  }

  /** A fresh, empty table; the one before is gone. Throws RangeError if it does not fit. */
  table(geometry: TableGeometry): PageTable {
    this.arena.reset();
    const regions = new Regions(this.arena.base, this.regions.next);
    return PageTable.create(this.kernel, regions, this.arena, new TableRule(this.kernel, regions, geometry));
  }
}
