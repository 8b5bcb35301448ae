/** Table memory of one unit's devices, the host's or one guest's. */
import { Arena } from '../iommu/page-table.ts';
import type { Kernel, Regions } from '../kernel/kernel.ts';
import { ARENA_BYTES } from '../kernel/layout.ts';
import { PAGE_BYTES } from '../request.ts';
import { gcr3Levels, type Space } from './memory-plan.ts';

/** Where the page tables of some of the unit's devices come from; GCR3 tables come from the front of it. */
export class TablePool {
  readonly space: Space;
  readonly arena: Arena;
  /** The space's first address as the tables' pointers see it. */
  readonly address: number;
  private nextGcr3 = 0;

  constructor(kernel: Kernel, regions: Regions, space: Space, address: number, front: number) {
    this.space = space;
    this.address = address;
    const at = regions.take(ARENA_BYTES);
    this.arena = new Arena(kernel, at, space.base + front, space.bytes - front, BigInt(address + front));
  }

  /** Offset of the pages of one more GCR3 table. */
  takeGcr3(pasid: number): number {
    const offset = this.nextGcr3;
    this.nextGcr3 += (gcr3Levels(pasid) + 1) * PAGE_BYTES;
    return offset;
  }
}
