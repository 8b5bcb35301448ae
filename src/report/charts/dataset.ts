/** What charts are drawn from: the rows of result files, summed by point. */
import type { Estimate } from '../statistics.ts';
import type { Measured } from '../table.ts';

export type Value = string | number | boolean;

/** How often something was counted at a stage and level of a walk, over all seeds and tenants of a point. */
export interface WalkCount {
  readonly measure: string;
  /** guest, host or '' */
  readonly stage: string;
  /** Level (table_reads, walk_cache_…) or depth in reads (walks). */
  readonly at: number;
  readonly count: number;
}

/** Ascending, disjoint buckets of a latency histogram. */
export interface Bucket {
  readonly lowNs: number;
  readonly highNs: number;
  readonly count: number;
}

/** One interval of simulated time, over all devices and the first seed of a point. */
export interface Interval {
  readonly timeNs: number;
  readonly requests: number;
  readonly bytes: number;
  readonly hits: number;
  readonly misses: number;
  readonly translationNs: number | undefined;
}

/** Hits that an IOTLB of so many entries would have had, of one unit and seed. */
export interface CapacityRow {
  /** How the entries are arranged: '' = fully associative, or the number of sets. */
  readonly curve: string;
  /** Unit and seed. */
  readonly source: string;
  readonly entries: number;
  readonly lookups: number;
  readonly hits: number;
}

export interface Tenant {
  readonly name: string;
  readonly mode: string;
  readonly metrics: ReadonlyMap<string, Estimate>;
}

/** A sweep point with all its seeds. */
export interface Point {
  /** As the scenario has it, with the run in front where several runs stand side by side. */
  readonly name: string;
  /** Short, different from all others: what axes show. */
  readonly label: string;
  readonly values: Readonly<Record<string, Value>>;
  readonly mode: string;
  /** Columns of summary.csv, and of tenants those that the table shows: mean and 95 % interval over the seeds. No entry = no value. */
  readonly metrics: ReadonlyMap<string, Estimate>;
  readonly seeds: number;
  readonly walks: readonly WalkCount[];
  readonly translation: readonly Bucket[];
  readonly completion: readonly Bucket[];
  readonly tenants: readonly Tenant[];
  readonly timeline: readonly Interval[];
  readonly capacities: readonly CapacityRow[];
}

export interface Dataset {
  readonly points: readonly Point[];
  /** Some of the points, evenly spaced: those with walks, latencies, tenants, timeline and capacities. */
  readonly detailed: readonly Point[];
  /** Columns that the scenario shows first. */
  readonly table: readonly string[];
  readonly measured: readonly Measured[];
  /** Length of the intervals of the timeline; 0 = none. */
  readonly intervalNs: number;
}

export const metric = (point: Point, name: string): Estimate | undefined => point.metrics.get(name);

/** The mean of a column; 0 where it has no value. */
export const meanOf = (point: Point, name: string): number => point.metrics.get(name)?.mean ?? 0;

/** Sum of the walk counts that `keep` takes. */
export function countOf(point: Point, keep: (row: WalkCount) => boolean): number {
  return point.walks.reduce((sum, row) => (keep(row) ? sum + row.count : sum), 0);
}

/**
 * At most `limit` points: the first, the last and evenly spaced ones between. Charts with a row for each point stay
 * readable; the tables and files have all.
 */
export function spread<Item>(items: readonly Item[], limit: number): readonly Item[] {
  if (items.length <= limit) return items;
  return Array.from({ length: limit }, (_, i) => items[Math.round((i * (items.length - 1)) / (limit - 1))]);
}

/** Says so when `spread` left some out. `all` counts those that could have been shown. */
export function spreadNote(shown: number, all: number): string {
  return shown === all ? '' : ` Shown are ${shown} of ${all} points, evenly spaced.`;
}

/** Points that a chart of details could show, had all of them details: `known` of the detailed ones do. */
export const possible = (data: Dataset, known: number): number => known + data.points.length - data.detailed.length;
