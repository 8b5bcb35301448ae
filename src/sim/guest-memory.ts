/**
 * A VM's memory: GPA → SPA, mapped once before the run with the host stage's leaves, and only read from then on
 * by all units. One thread builds it; the others find its root in the kernel's memory.
 */
import { Arena, PageTable } from '../iommu/page-table.ts';
import { type Kernel, Regions } from '../kernel/kernel.ts';
import { ARENA_BYTES, ARENA_LIVE, PT_LEVELS, PT_ROOT } from '../kernel/layout.ts';
import { assert } from '../lib/assert.ts';
import { alignUp } from '../lib/bits.ts';
import { PAGE_BYTES } from '../request.ts';
import { PROT_READ, PROT_WRITE } from '../traffic/mapper.ts';
import type { GuestPlan, TenantPlan } from './memory-plan.ts';
import type { TableRules } from './table-rules.ts';

export interface HostTable {
  readonly levels: number;
  readonly root: bigint;
  readonly tablePages: number;
}

export function buildGuestMemory(kernel: Kernel, rules: TableRules, tenant: TenantPlan): void {
  const { guest, spec } = tenant;
  if (guest?.host === undefined) return;
  const { structures, tables } = guest.host;
  const regions = new Regions(structures.base + structures.bytes, structures.base);
  const arena = new Arena(kernel, regions.take(ARENA_BYTES), tables.base, tables.bytes, BigInt(tables.spa));
  const table = PageTable.create(kernel, regions, arena, rules.of(spec.host));
  const map = (gpaPage: number, spaPage: number, pages: number): void => {
    const error = table.map(gpaPage, spaPage, pages, PROT_READ | PROT_WRITE);
    assert(error === 0, 'guest memory fits into the host table that was planned for it');
  };
  map(0, guest.firstPage, guest.pages);
  const leafPages = (1 << spec.host.leafLog2) / PAGE_BYTES;
  for (const space of guest.spaces) {
    map(space.gpa / PAGE_BYTES, space.spa / PAGE_BYTES, alignUp(space.bytes / PAGE_BYTES, leafPages));
  }
}

/** SPA / 4096 behind a page of the guest's memory; -1: the guest has none there. Its tables are not DMA's business. */
export function hostPageOf({ pages, firstPage }: GuestPlan, guestPage: number): number {
  return guestPage < pages ? firstPage + guestPage : -1;
}

/** The table that `buildGuestMemory` has built, perhaps in another thread. */
export function readHostTable(kernel: Kernel, host: NonNullable<GuestPlan['host']>): HostTable {
  const arena = host.structures.base;
  const table = arena + ARENA_BYTES;
  const rootOffset = kernel.view.getUint32(table + PT_ROOT, true);
  return {
    levels: kernel.view.getInt32(table + PT_LEVELS, true),
    root: BigInt(host.tables.spa + (rootOffset - host.tables.base)),
    tablePages: kernel.view.getInt32(arena + ARENA_LIVE, true),
  };
}
