/** What an IOTLB's organisation says of its curves: which leaf sizes share a part, and how much tenants have for themselves. */
import type { CacheSpec, IotlbSpec } from '../../spec.ts';

const PAGE_LOG2 = 12;
const LEVEL_LOG2 = 9;

/** A part of a split IOTLB. */
export interface SplitPart {
  readonly spec: CacheSpec;
  /** Leaf classes that it holds, ascending. */
  readonly classes: readonly number[];
}

/** Parts that hold leaf sizes, from the smallest on; undefined where nothing is split. */
export function splitParts(iotlb: IotlbSpec): SplitPart[] | undefined {
  const { split, leafLog2 } = iotlb;
  if (split === undefined) return undefined;
  const holders = leafLog2.map(
    (log2) => split.findLast(({ level }) => PAGE_LOG2 + LEVEL_LOG2 * level <= log2) ?? iotlb,
  );
  return [...new Set<CacheSpec>(holders)].map((spec) => ({
    spec,
    classes: holders.flatMap((holder, leaf) => (holder === spec ? [leaf] : [])),
  }));
}

/** Entries that each tenant has for itself; undefined where nothing is divided. */
export function ownEntries({ entries, ways, partition }: CacheSpec): number[] | undefined {
  if (partition === undefined) return undefined;
  const each = partition.by === 'ways' ? entries / ways : ways;
  return partition.minimum.map((share) => share * each);
}

/** Capacities that a machine has: of the IOTLB, of its parts, of tenants' shares. */
export function capacitiesOf(iotlb: IotlbSpec): number[] {
  const caches: readonly CacheSpec[] = [iotlb, ...(iotlb.split ?? [])];
  return caches.flatMap((cache) => [cache.entries, ...(ownEntries(cache) ?? [])]).filter((entries) => entries > 0);
}
