/** How much a device maps, from its spec alone: what memory is laid out by. Bounds, not exact counts. */
import { alignUp, roundUpPowerOfTwo } from '../lib/bits.ts';
import { PAGE_BYTES } from '../request.ts';
import type { DeviceSpec, NicTraffic, OsSpec, TenantSpec, TraceRows } from '../spec.ts';

/** 2 MiB in pages: what one last-level table maps, and the unit of large buffers. */
const TABLE_PAGES = 512;

export interface Footprint {
  /** Pages of DMA memory at most, alignment included. */
  readonly memoryPages: number;
  /** Pages of IOVA that tables may have to hold at most, and the separate ranges they lie in. */
  readonly iovaPages: number;
  readonly iovaRuns: number;
}

export function footprint(device: DeviceSpec, tenant: TenantSpec, os: OsSpec): Footprint {
  const needs = trafficFootprint(device, tenant, os);
  // Bounce buffers lie in the memory of the first untrusted device.
  return device.untrusted ? { ...needs, memoryPages: needs.memoryPages + 2 * alignUp(os.bounceSlots, 1024) } : needs;
}

function trafficFootprint({ traffic }: DeviceSpec, tenant: TenantSpec, os: OsSpec): Footprint {
  if (traffic.model === 'replay') return replayFootprint(traffic.rows);
  if (traffic.model === 'nic') return nicFootprint(traffic, tenant, os);
  const pages = Math.ceil(traffic.windowBytes / PAGE_BYTES);
  const memoryPages = pages > TABLE_PAGES ? alignUp(pages, TABLE_PAGES) : roundUpPowerOfTwo(pages);
  return { memoryPages, iovaPages: pages, iovaRuns: 1 };
}

/**
 * Rings stay; buffers come and go one mapping at a time, rounded up to powers of two by the IOVA allocator. Lazy keeps
 * unmapped ranges in the queues of the cores that unmap (each queue's own and, for completions, the next).
 */
function nicFootprint(traffic: NicTraffic, tenant: TenantSpec, os: OsSpec): Footprint {
  const { ringEntries, descriptorBytes, completionBytes, bufferBytes, mtuBytes, direction, recycle } = traffic;
  const directions = (direction === 'both' ? 2 : 1) * traffic.queues;
  const flushQueues = os.flushQueue.single ? 1 : traffic.queues + 1;
  const queued = tenant.policy === 'lazy' ? flushQueues * os.flushQueue.entries : 0;
  const ranges = tenant.policy === 'contiguous' ? 2 * traffic.queues * os.contiguousPages : 0;
  const recycled = direction === 'tx' ? 0 : 2 * traffic.queues * recycle.pages;
  const rings = pagesOf(ringEntries * descriptorBytes) + pagesOf(ringEntries * completionBytes) + 4;
  const mapping = roundUpPowerOfTwo(Math.max(pagesOf(bufferBytes), pagesOf(mtuBytes)));
  const memoryPages = 2 * directions * (rings + ringEntries * mapping) + recycled + 4 * TABLE_PAGES;
  return { memoryPages, iovaPages: memoryPages + queued * mapping + ranges, iovaRuns: 8 };
}

/** Every 2 MiB range of IOVA that the trace touches; each page that it maps has memory of its own while it is mapped. */
function replayFootprint(rows: TraceRows): Footprint {
  const tables = new Set<number>();
  let largest = 0;
  for (let row = 0; row < rows.op.length; row++) {
    const first = rows.page[row];
    const pages = Math.max(1, pagesOf(rows.offset[row] + rows.lengthBytes[row]));
    largest = Math.max(largest, pages);
    const last = Math.floor((first + pages - 1) / TABLE_PAGES);
    for (let table = Math.floor(first / TABLE_PAGES); table <= last; table++) tables.add(table);
  }
  const iovaPages = tables.size * TABLE_PAGES;
  const memoryPages = 2 * iovaPages + 2 * roundUpPowerOfTwo(largest + 1) + 4 * TABLE_PAGES;
  return { memoryPages, iovaPages, iovaRuns: tables.size };
}

function pagesOf(bytes: number): number {
  return Math.ceil(bytes / PAGE_BYTES);
}
