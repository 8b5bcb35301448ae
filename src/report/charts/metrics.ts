/** How columns of summary.csv are called on axes, and how their numbers are written. */
import { SUMMARY_COLUMNS } from '../columns/files.ts';
import { decimal, shortNumber } from '../format.ts';
import type { Estimate } from '../statistics.ts';

const TITLES: Readonly<Record<string, string>> = {
  iotlb_hit_ratio: 'IOTLB hit ratio',
  reads_per_walk: 'Table reads a walk',
  walk_ns_mean: 'Length of a walk, mean',
  walk_wait_ns_mean: 'Wait for a walker, mean',
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
};

export interface MetricText {
  readonly name: string;
  readonly title: string;
  /** '' for pure numbers. */
  readonly unit: string;
  /** Multiplies values of the column into `unit`. */
  readonly scale: number;
}

/** CPU times come in ns and reach millions: axes say milliseconds. */
const MILLISECONDS: Readonly<Record<string, string>> = { cpu_ns_per_gb: 'ms/GB', cpu_ns_total: 'ms' };

/** Title and unit of a column; a name that is no column stands for itself. */
export function metricText(name: string): MetricText {
  const column = SUMMARY_COLUMNS.find((candidate) => candidate.name === name);
  const title = TITLES[name] ?? column?.meaning ?? name;
  const unit = MILLISECONDS[name] ?? column?.unit ?? '';
  return { name, title, unit, scale: name in MILLISECONDS ? 1e-6 : 1 };
}

/** `Throughput (Gbit/s)` */
export const axisTitle = ({ title, unit }: Pick<MetricText, 'title' | 'unit'>): string =>
  unit === '' ? title : `${title} (${unit})`;

/** `222.7 Gbit/s ± 0.3` in the unit of the axis. */
export function amount({ mean, half }: Estimate, { unit, scale }: MetricText): string {
  const spread = half > 0 ? ` ± ${decimal(half * scale, 2)}` : '';
  return `${number(mean * scale)}${spread}${unit === '' ? '' : ` ${unit}`}`;
}

/** Four significant digits; thousands, millions and billions shortened. */
export function number(value: number): string {
  const size = Math.abs(value);
  if (size < 1e5) return shortNumber(Number(decimal(value, 4)));
  const [unit, suffix] = size < 1e6 ? [1e3, 'k'] : size < 1e9 ? [1e6, 'M'] : [1e9, 'G'];
  return `${decimal(value / unit, 4)}${suffix}`;
}

/** 65536 → `64 KiB` */
export function bytesText(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let [amountLeft, i] = [value, 0];
  while (amountLeft >= 1024 && i < units.length - 1) [amountLeft, i] = [amountLeft / 1024, i + 1];
  return `${number(amountLeft)} ${units[i]}`;
}

/** Share of a whole as `12.3 %`. */
export const percent = (share: number): string => `${decimal(share * 100, 3)} %`;
