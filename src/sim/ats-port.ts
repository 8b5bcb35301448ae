/**
 * A device that keeps translations of its own: ATS, and PRI for pages that are not there (PCI Express base specification, chapter
 * 10). Laid out here; the kernel runs it (assembly/ats.ts).
 *
 * A request enters when the link will be free for it, and looks its page up in the device's ATC. A hit goes up the link as a
 * pre-translated request (AT = 10b): the unit looks at the device-table entry, and nothing else. A miss is set aside, others
 * pass it, and a translation request goes up, with which later misses of its pages wait; the unit translates it as it
 * translates any request, and its answer comes down the link as a completion. Then those that waited go up, in their
 * order, before the stream goes on.
 *
 * A page without a translation, or without the permission that is needed, is given up (the request is aborted), or with PRI
 * asked for: faults are gathered into groups of page requests, as many as may be outstanding; with the response to its group each
 * is asked for again.
 *
 * An invalidation drops entries when it comes to the device; an answer that was under way then is asked for again. So a use of
 * a translation is decided when its request takes the link, and none is after the invalidation came.
 */
import { cacheBytes, layCache } from '../iommu/cache.ts';
import type { Kernel, Regions } from '../kernel/kernel.ts';
import {
  ATS_BYTES,
  ATS_CACHE,
  ATS_CLASS_LOG2,
  ATS_CLASSES,
  ATS_FREE,
  ATS_GATHER_PS,
  ATS_GROUP_PAGES,
  ATS_HEAP,
  ATS_INVALIDATION_MASK,
  ATS_INVALIDATIONS,
  ATS_LOOKUP_PS,
  ATS_MESSAGE_PS,
  ATS_MISS_COUNT,
  ATS_MISSES,
  ATS_PAGES,
  ATS_PUMP,
  ATS_READ_BYTES,
  ATS_RECORD_COUNT,
  ATS_RECORDS,
  ATS_ROOM,
  EVENT_BYTES,
  INVALIDATION_BYTES,
  MISS_BYTES,
  READ_NEXT,
} from '../kernel/layout-ats.ts';
import { PS_PER_NS } from '../request.ts';
import type { AtsSpec, PriSpec } from '../spec.ts';

/** Requests, writes above all, that a device can hold besides as many reads as it has tags. */
export const SET_ASIDE = 64;
/** Invalidations that can be on their way: the device's queue, and what commands send before one has come. */
const INVALIDATIONS = 64;

export interface AtsShape {
  readonly ats: AtsSpec;
  readonly pri: PriSpec | undefined;
  /** Reads in flight at most. */
  readonly reads: number;
  /** Of the random replacement; not 0. */
  readonly seed: number;
}

function eventsOf(ats: AtsSpec, reads: number): number {
  // Each record has one event; then groups, responses, and a place to sort in.
  return reads + SET_ASIDE + 2 * ats.outstanding + INVALIDATIONS + 8;
}

/** Kernel memory that layAts takes, rounded up; with the burst slots of requests that are set aside. */
export function atsBytes(ats: AtsSpec, reads: number): number {
  const records = (reads + SET_ASIDE) * ATS_READ_BYTES + SET_ASIDE * 64;
  const queues = ats.outstanding * MISS_BYTES + eventsOf(ats, reads) * EVENT_BYTES + INVALIDATIONS * INVALIDATION_BYTES;
  return ATS_BYTES + cacheBytes(ats) + records + queues + 512;
}

/** Lays out what a port with an ATC has; returns its pointer. */
export function layAts(kernel: Kernel, regions: Regions, { ats, pri, reads, seed }: AtsShape): number {
  const { view } = kernel;
  const at = regions.take(ATS_BYTES);
  const put = (offset: number, value: number): void => view.setInt32(at + offset, value, true);
  const putNs = (offset: number, ns: number): void => view.setFloat64(at + offset, Math.round(ns * PS_PER_NS), true);
  put(ATS_CACHE, layCache(kernel, regions, ats, seed));
  put(ATS_CLASSES, ats.leafLog2.length);
  ats.leafLog2.forEach((log2, i) => put(ATS_CLASS_LOG2 + 4 * i, log2));
  put(ATS_HEAP, regions.take(eventsOf(ats, reads) * EVENT_BYTES));
  put(ATS_MISSES, regions.take(ats.outstanding * MISS_BYTES));
  put(ATS_MISS_COUNT, ats.outstanding);
  put(ATS_PAGES, ats.requestPages);
  put(ATS_ROOM, pri === undefined ? -1 : pri.outstanding);
  put(ATS_GROUP_PAGES, pri?.groupPages ?? 1);
  put(ATS_INVALIDATIONS, regions.take(INVALIDATIONS * INVALIDATION_BYTES));
  put(ATS_INVALIDATION_MASK, INVALIDATIONS - 1);
  putNs(ATS_LOOKUP_PS, ats.lookupNs);
  putNs(ATS_MESSAGE_PS, ats.messageNs);
  putNs(ATS_GATHER_PS, pri?.gatherNs ?? 0);
  view.setFloat64(at + ATS_PUMP, Infinity, true);
  layRecords(view, regions, put, reads + SET_ASIDE);
  return at;
}

/** Request records, all of them free. */
function layRecords(
  view: DataView,
  regions: Regions,
  put: (offset: number, value: number) => void,
  count: number,
): void {
  const records = regions.take(count * ATS_READ_BYTES);
  put(ATS_RECORDS, records);
  put(ATS_RECORD_COUNT, count);
  put(ATS_FREE, records);
  for (let i = 0; i + 1 < count; i++) {
    const record = records + i * ATS_READ_BYTES;
    view.setUint32(record + READ_NEXT, record + ATS_READ_BYTES, true);
  }
}
