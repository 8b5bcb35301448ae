/** Runs, or points of one run, side by side: metrics, their differences from the first, and which of them are significant. */
import type { RunFolder, RunPoint } from './compare-read.ts';
import { type Difference, difference } from './compare-statistics.ts';
import { csvTable } from './csv.ts';
import { estimateText, signedFixed } from './format.ts';
import { SUMMARY_COLUMNS } from './columns/files.ts';
import { type Estimate, estimate } from './statistics.ts';
import { drawTable, tableWidth, type TextColumn } from './table.ts';
import { clipped, visible } from './visible.ts';

/** One thing that is compared: a point of a run. */
export interface Side {
  /** Short: A, B, …, or the name of the point. */
  readonly label: string;
  readonly folder: RunFolder;
  readonly point: RunPoint;
}

/** Sides that belong together; the first is what the others are compared with. */
export interface Group {
  /** Name of the point that all sides share; '' where the sides are points of one run. */
  readonly name: string;
  readonly sides: readonly Side[];
}

export interface MetricComparison {
  readonly metric: string;
  readonly unit: string;
  readonly values: readonly (Estimate | undefined)[];
  /** Of the second side and each after it, from the first. */
  readonly differences: readonly (Difference | undefined)[];
}

export const COMPARE_METRICS: readonly string[] = [
  ...['throughput_gbps', 'operations_per_s', 'link_utilisation', 'iotlb_hit_ratio', 'iotlb_misses', 'walks'],
  ...['reads_per_walk', 'walk_ns_mean', 'translation_ns_mean', 'translation_ns_p99', 'completion_ns_mean'],
  ...['completion_ns_p99', 'maps', 'unmaps', 'invalidation_commands', 'vm_exits', 'cpu_ns_per_gb', 'faults'],
];

/** `undefined` metrics: the usual ones and those of the scenarios' tables, without rows that are nothing on all sides. */
export function compareMetrics({ sides }: Group, metrics: readonly string[] | undefined): MetricComparison[] {
  const names = metrics ?? [...new Set([...sides.flatMap(({ folder }) => folder.table), ...COMPARE_METRICS])];
  const rows = names.map((name) => compareMetric(name, sides));
  const isNothing = ({ values }: MetricComparison): boolean => values.every((value) => (value?.mean ?? 0) === 0);
  return metrics === undefined ? rows.filter((row) => !isNothing(row)) : rows;
}

function compareMetric(metric: string, sides: readonly Side[]): MetricComparison {
  const none: ReadonlyMap<number, number> = new Map();
  const [base, ...others] = sides.map(({ point }) => point.metrics.get(metric) ?? none) as [
    ReadonlyMap<number, number>,
    ...ReadonlyMap<number, number>[],
  ];
  const unit = SUMMARY_COLUMNS.find(({ name }) => name === metric)?.unit ?? '';
  const values = [base, ...others].map((bySeed) => estimate([...bySeed.values()]));
  return { metric, unit, values, differences: others.map((other) => difference(base, other)) };
}

/** Paths whose values differ between the sides, with the value of each ('–' where it is not there). */
export function differentSettings({ sides }: Group): { path: string; values: string[] }[] {
  const paths = new Set(sides.flatMap(({ point }) => [...point.settings.keys()]));
  return [...paths]
    .map((path) => ({ path, values: sides.map(({ point }) => point.settings.get(path) ?? '–') }))
    .filter(({ values }) => new Set(values).size > 1);
}

// ---- terminal --------------------------------------------------------------------------------------------------------
const WIDTH = 80;
const SETTINGS = 8;

/** Table of a group; with many sides several tables, each with the first side again. */
export function compareText(group: Group, rows: readonly MetricComparison[]): string {
  const { sides } = group;
  const title = group.name === '' ? '' : `${visible(group.name)}\n`;
  if (rows.length === 0) return `${title}no metric has a value on any side`;
  const tables: string[] = [];
  for (let from = 1; from < sides.length; ) {
    const count = fitting(sides, rows, from);
    tables.push(drawTable(bestColumns(sides, rows, from, count), 1));
    from += count;
  }
  return `${title}${tables.join('\n')}\n${legend(rows)}`;
}

/** How many sides from `from` on fit beside the first. */
function fitting(sides: readonly Side[], rows: readonly MetricComparison[], from: number): number {
  let count = sides.length - from;
  while (count > 1 && tableWidth(bestColumns(sides, rows, from, count)) > WIDTH) count--;
  return count;
}

/** The columns that say most and still fit: intervals of the sides, then those of the changes, are left out first. */
function bestColumns(
  sides: readonly Side[],
  rows: readonly MetricComparison[],
  from: number,
  count: number,
): TextColumn[] {
  const places = Array.from({ length: count }, (_, i) => from + i);
  const choices = [full(sides, rows, places, true), full(sides, rows, places, false), brief(sides, rows, places)];
  return choices.find((columns) => tableWidth(columns) <= WIDTH) ?? choices[2];
}

const metricNames = (rows: readonly MetricComparison[]): TextColumn => ({
  heading: 'metric',
  cells: rows.map(({ metric }) => metric),
});

function valueColumn(side: Side, place: number, rows: readonly MetricComparison[], intervals: boolean): TextColumn {
  return { heading: visible(side.label), cells: rows.map(({ values }) => sideText(values[place], intervals)) };
}

function full(
  sides: readonly Side[],
  rows: readonly MetricComparison[],
  places: readonly number[],
  intervals: boolean,
): TextColumn[] {
  const change = (place: number): TextColumn[] => [
    valueColumn(sides[place], place, rows, intervals),
    { heading: 'change', cells: rows.map(({ differences }) => differenceText(differences[place - 1])) },
    { heading: '%', cells: rows.map((row) => percentText(row, place)) },
  ];
  return [metricNames(rows), valueColumn(sides[0], 0, rows, intervals), ...places.flatMap(change)];
}

function brief(sides: readonly Side[], rows: readonly MetricComparison[], places: readonly number[]): TextColumn[] {
  const mark = (row: MetricComparison, place: number): string =>
    `${percentText(row, place)}${row.differences[place - 1]?.isSignificant === true ? '*' : ''}`;
  const change = (place: number): TextColumn[] => [
    valueColumn(sides[place], place, rows, false),
    { heading: '%', cells: rows.map((row) => mark(row, place)) },
  ];
  return [metricNames(rows), valueColumn(sides[0], 0, rows, false), ...places.flatMap(change)];
}

const sideText = (value: Estimate | undefined, intervals: boolean): string =>
  estimateText(intervals || value === undefined ? value : { ...value, half: 0 });

function differenceText(value: Difference | undefined): string {
  if (value === undefined) return '–';
  const sign = value.mean === 0 ? '' : value.mean < 0 ? '−' : '+';
  const size = estimateText({ mean: Math.abs(rounded(value.mean)), half: value.half ?? 0, count: 0 });
  return `${sign}${size}${value.isSignificant ? ' *' : ''}`;
}

/** What subtraction leaves in the last bits is no difference that anyone wants to read. */
const rounded = (value: number): number => Number(value.toPrecision(12));

function percentText({ values, differences }: MetricComparison, place: number): string {
  const share = relative(values[0], differences[place - 1]);
  if (share === undefined) return '';
  const percent = share * 100;
  return signedFixed(percent, Math.abs(percent) >= 100 ? 0 : 1);
}

/** Difference as a part of the first side's mean; undefined against zero. */
export function relative(base: Estimate | undefined, value: Difference | undefined): number | undefined {
  return base === undefined || value === undefined || base.mean === 0 ? undefined : value.mean / Math.abs(base.mean);
}

function legend(rows: readonly MetricComparison[]): string {
  const methods = new Set(rows.flatMap(({ differences }) => differences.map((each) => each?.method)));
  const lines = [];
  if (methods.has('paired')) lines.push('± 95 % interval of the differences of equal seeds (paired t); * significant');
  if (methods.has('welch')) lines.push('± 95 % interval of the difference of the means (Welch); * significant');
  if (methods.has('single'))
    lines.push('one seed: no interval; run with --set run.seeds=5 to know what is significant');
  return lines.join('\n');
}

/** What the sides were run with that differs, a few lines. */
export function settingsText(group: Group): string {
  const differing = differentSettings(group);
  if (differing.length === 0) return '';
  const shown = differing
    .slice(0, SETTINGS)
    .map(({ path, values }) => clipped(`  ${path}: ${values.map(visible).join(' | ')}`, WIDTH));
  const more = differing.length > SETTINGS ? [`  and ${differing.length - SETTINGS} more values`] : [];
  return ['run with different', ...shown, ...more].join('\n');
}

// ---- files -----------------------------------------------------------------------------------------------------------
const HEADER = [
  ...['point', 'metric', 'unit', 'base', 'other', 'base_mean', 'base_half_95', 'base_seeds', 'other_mean'],
  ...[
    'other_half_95',
    'other_seeds',
    'difference',
    'difference_half_95',
    'relative_difference',
    'method',
    'significant',
  ],
];

/** One metric of one side against the first. */
export function compareCsv(groups: readonly { group: Group; rows: readonly MetricComparison[] }[]): string {
  const rows = groups.flatMap(({ group, rows: metrics }) =>
    metrics.flatMap((row) =>
      row.differences.map((each, i) => {
        const [base, other] = [row.values[0], row.values[i + 1]];
        const names = [group.sides[0].label, group.sides[i + 1].label];
        const significant = each === undefined ? undefined : String(each.isSignificant);
        return [
          ...[group.name, row.metric, row.unit, ...names, base?.mean, base?.half, base?.count],
          ...[other?.mean, other?.half, other?.count, each?.mean, each?.half, relative(base, each)],
          ...[each?.method, significant],
        ];
      }),
    ),
  );
  return csvTable(HEADER, rows);
}

export function compareObject(group: Group, rows: readonly MetricComparison[]): object {
  return {
    point: group.name,
    sides: group.sides.map(({ label, folder, point }) => ({
      label,
      directory: folder.path,
      scenario: folder.scenario,
      version: folder.version,
      point: point.name,
    })),
    settings: differentSettings(group),
    metrics: rows.map(({ metric, unit, values, differences }) => ({
      metric,
      unit,
      values: values.map((value) =>
        value === undefined ? null : { mean: value.mean, half95: value.half, seeds: value.count },
      ),
      differences: differences.map((each, i) =>
        each === undefined
          ? null
          : {
              against: group.sides[i + 1].label,
              mean: each.mean,
              half95: each.half ?? null,
              relative: relative(values[0], each) ?? null,
              method: each.method,
              significant: each.isSignificant,
            },
      ),
    })),
  };
}
