/** Writes what leads from a request to its page table: device-table entries and GCR3 tables. */
import type { PageTable } from '../iommu/page-table.ts';
import { buildDte, type DteSettings, DTE_BYTES } from '../iommu/structures/amd-device-table.ts';
import { gcr3Entry, gcr3Index } from '../iommu/structures/amd-gcr3.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { WINDOW_TABLE } from '../kernel/layout.ts';
import { PAGE_BYTES } from '../request.ts';
import { GIB, gcr3Levels, type Space } from './memory-plan.ts';

/** Tells the kernel which memory backs a space's SPAs. */
export function openWindows(kernel: Kernel, space: Space): void {
  for (let from = 0; from < space.bytes; from += GIB) {
    const at = WINDOW_TABLE + 8 * ((space.spa + from) / GIB);
    kernel.view.setUint32(at, space.base + from, true);
    kernel.view.setUint32(at + 4, Math.min(GIB, space.bytes - from), true);
  }
}

export function writeDte(kernel: Kernel, deviceTable: Space, bdf: number, settings: DteSettings): void {
  const at = deviceTable.base + bdf * DTE_BYTES;
  buildDte(settings).forEach((word, i) => kernel.view.setBigUint64(at + 8 * i, word, true));
}

/**
 * One GCR3 table with one PASID. `offset` is where its pages begin in the space; `address` the space's first address as
 * the table's pointers see it (SPA, or GPA in a guest). Returns what the device-table entry says of it.
 */
export function writeGcr3(
  kernel: Kernel,
  space: Space,
  offset: number,
  address: number,
  pasid: number,
  table: PageTable,
): { readonly gcr3: bigint; readonly glx: number } {
  const glx = gcr3Levels(pasid);
  for (let level = glx; level >= 0; level--) {
    const page = offset + (glx - level) * PAGE_BYTES;
    const next = level === 0 ? table.rootAddress : BigInt(address + page + PAGE_BYTES);
    kernel.view.setBigUint64(space.base + page + 8 * gcr3Index(pasid, level), gcr3Entry(next), true);
  }
  return { gcr3: BigInt(address + offset), glx };
}
