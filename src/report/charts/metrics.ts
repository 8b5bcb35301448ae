/** How columns of summary.csv are called on axes, and how their numbers are written. */
import { tableMetric } from '../../lib/placeholders.ts';
import { SUMMARY_COLUMNS } from '../columns/files.ts';
import { amountText, decimal, shortNumber, unitFor } from '../format.ts';
import type { Estimate } from '../statistics.ts';
import { metric, type Point } from './dataset.ts';

const TITLES: Readonly<Record<string, string>> = {
  iotlb_hit_ratio: 'IOTLB hit ratio',
  reads_per_walk: 'Table reads a walk',
  walk_ns_mean: 'Length of a walk, mean',
  walk_wait_ns_mean: 'Wait for a walker, mean',
  page_fault_ns_mean: 'Page fault, mean',
  translation_ns_mean: 'Translation latency, mean',
  translation_ns_p50: 'Translation latency, median',
  translation_ns_p99: 'Translation latency, p99',
  translation_ns_p999: 'Translation latency, p99.9',
  completion_ns_mean: 'Completion latency, mean',
  completion_ns_p50: 'Completion latency, median',
  completion_ns_p99: 'Completion latency, p99',
  completion_ns_p999: 'Completion latency, p99.9',
  throughput_gbps: 'Throughput',
  link_utilisation: 'Link utilisation',
  invalidation_commands: 'Invalidation commands',
  cpu_ns_per_gb: 'CPU time a gigabyte',
  cpu_ns_total: 'CPU time',
  operations_per_s: 'Operations a second',
  cpu_ns_per_operation: 'CPU time an operation',
  dma_cpu_ns_per_operation: 'DMA-API CPU time an operation',
  cpu_ns_per_map: 'CPU time a map',
  cpu_ns_per_unmap: 'CPU time an unmap',
  cpu_ns_lock: 'CPU time waiting for locks',
  cpu_utilisation: 'CPU utilisation',
  command_utilisation: 'Command processor utilisation',
  wait_ns_per_completion: 'CPU wait a completion',
  stale_ns_mean: 'Stale after unmap, mean',
  stale_ns_max: 'Stale after unmap, longest',
  vm_exits: 'Exits to the hypervisor',
  vm_exits_per_gb: 'Exits to the hypervisor a gigabyte',
  hypervisor_cpu_ns: 'Hypervisor CPU time',
  hypervisor_cpu_ns_per_gb: 'Hypervisor CPU time a gigabyte',
  pinned_bytes: 'Guest memory kept in place',
};

export interface MetricText {
  readonly name: string;
  readonly title: string;
  /** Of the axis; '' for pure numbers. */
  readonly unit: string;
  /** Multiplies values of the column into `unit`. */
  readonly scale: number;
  /** Unit of the column. */
  readonly columnUnit: string;
}

/** Sums of ns and bytes have many digits: axes say milliseconds and MiB. */
const SCALED: Readonly<Record<string, { readonly unit: string; readonly scale: number }>> = {
  'ns/GB': { unit: 'ms/GB', scale: 1e-6 },
  bytes: { unit: 'MiB', scale: 1 / (1 << 20) },
};
const MILLISECONDS = { unit: 'ms', scale: 1e-6 };
/** Columns whose ns are sums over a run, or waits of a whole flush interval. */
const LONG_TIMES =
  /^(cpu_ns_(total|map|unmap|wait|lock)|hypervisor_cpu_ns|sim_duration_ns|warmup_ns|stale_ns_(mean|max))$/;

/** From here on axes do not say ns: before, all latencies share a unit that needs no conversion. */
const MOST_NS = 1e5;

/**
 * Title and unit of a column of the table, of the run or of a tenant; a name that is no column stands for itself. `most`: the
 * largest value to be shown.
 */
export function metricText(name: string, most: number): MetricText {
  const { metric: bare, tenant } = tableMetric(name) ?? { metric: name, tenant: undefined };
  const column = SUMMARY_COLUMNS.find((candidate) => candidate.name === bare);
  const columnUnit = column?.unit ?? '';
  const scaled = LONG_TIMES.test(bare) ? MILLISECONDS : (SCALED[columnUnit] ?? axisUnit(columnUnit, most));
  const title = titleOf(bare, column?.meaning);
  return { name, title: tenant === undefined ? title : `${tenant}: ${title}`, columnUnit, ...scaled };
}

/** `µs` or more for times that have too many digits in ns. */
export function axisUnit(columnUnit: string, most: number): { readonly unit: string; readonly scale: number } {
  const [unit, size] = columnUnit === 'ns' && most >= MOST_NS ? unitFor(columnUnit, most) : [columnUnit, 1];
  return { unit, scale: 1 / size };
}

/** The same for what some points have of it. */
export const metricTextOf = (points: readonly Point[], name: string): MetricText =>
  metricText(name, Math.max(0, ...points.map((point) => metric(point, name)?.mean ?? 0)));

/** Some meanings only continue that of the column before. */
function titleOf(name: string, meaning: string | undefined): string {
  const isWhole = meaning !== undefined && !/^(The same|Of these)/.test(meaning);
  return TITLES[name] ?? (isWhole ? meaning : name.replaceAll('_', ' '));
}

/** `Throughput (Gbit/s)` */
export const axisTitle = ({ title, unit }: Pick<MetricText, 'title' | 'unit'>): string =>
  unit === '' ? title : `${title} (${unit})`;

/** `222.7 ± 0.3 Gbit/s`, as sentences say it; without the unit, where a heading has it, in that of the axis. */
export function amount(value: Estimate, { unit, scale, columnUnit }: MetricText): string {
  if (unit !== '') return amountText(value, columnUnit);
  const spread = value.half > 0 ? ` ± ${decimal(value.half * scale, 2)}` : '';
  return `${number(value.mean * scale)}${spread}`;
}

/** Four significant digits; thousands, millions and billions shortened. */
export function number(value: number): string {
  const size = Math.abs(value);
  if (size < 1e5) return shortNumber(Number(decimal(value, 4)));
  const [unit, suffix] = size < 1e6 ? [1e3, 'k'] : size < 1e9 ? [1e6, 'M'] : [1e9, 'G'];
  return `${decimal(value / unit, 4)}${suffix}`;
}

/** 65536 → `64 KiB`, 1500 → `1500 B`: the largest unit of which it is a whole number, as scenarios say it, unless that is long. */
export function bytesText(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [amountLeft, i] = [value, 0];
  while (amountLeft >= 1024 && (amountLeft % 1024 === 0 || amountLeft >= 1e5) && i < units.length - 1)
    [amountLeft, i] = [amountLeft / 1024, i + 1];
  return `${number(amountLeft)} ${units[i]}`;
}

/** Share of a whole as `12.3 %`. */
export const percent = (share: number): string => `${decimal(share * 100, 3)} %`;
