/** The result table for a terminal of 80 columns, with published numbers beside the simulated ones where there are any. */
import Table from 'cli-table3';
import { estimateText, shortNumber, signedFixed } from './format.ts';
import { metricColumn, metricOf, type PointResults, type SummaryColumn, tableColumn } from './points.ts';
import type { Estimate } from './statistics.ts';
import { textColumns, visible } from './visible.ts';
import { inLines } from './wrap.ts';

const WIDTH = 80;
/** Points that a person reads; the others are in the file. */
const ROWS = 60;
/** Columns of a point's name; longer ones take several lines. */
const NAME = 40;

export const DEFAULT_TABLE: readonly string[] = [
  'iotlb_hit_ratio',
  'reads_per_walk',
  'translation_ns_mean',
  'completion_ns_p99',
  'throughput_gbps',
];

/** Scenario section `measured`. */
export interface Measured {
  readonly metric: string;
  readonly source: string;
  readonly tolerance?: number | undefined;
  readonly points: Readonly<Record<string, number>>;
}

export interface TextColumn {
  readonly heading: string;
  readonly cells: readonly string[];
}

/** Table text, without colour, lines at most 80 wide. */
export function resultTable(
  metrics: readonly string[],
  all: readonly PointResults[],
  measured: readonly Measured[] = [],
): string {
  const points = all.slice(0, ROWS);
  const names = { heading: 'point', cells: points.map(({ name }) => inLines(visible(name), NAME)) };
  const columns = metrics.flatMap((metric) => metricColumns(metric, points, measured));
  const first = points.length === 1 && points[0].name === '' ? [] : [names];
  const { kept, dropped } = fit(first, columns);
  const note = dropped === 0 ? '' : `\n(${dropped} more column${dropped === 1 ? '' : 's'} in summary.csv)`;
  const rest = all.length > ROWS ? `\n(${all.length - ROWS} more points in summary.csv)` : '';
  return `${drawTable(kept, first.length)}${rest}${note}`;
}

/** A table of columns of equal length, the first `texts` of them aligned to the left. */
export function drawTable(columns: readonly TextColumn[], texts: number): string {
  const table = new Table({
    head: columns.map((column) => column.heading),
    colAligns: columns.map((_, i) => (i < texts ? 'left' : 'right')),
    style: { head: [], border: [], compact: true },
    wordWrap: true,
    colWidths: columns.map((column) => width(column) + 2),
  });
  const rows = columns[0]?.cells.length ?? 0;
  for (let row = 0; row < rows; row++) table.push(columns.map((column) => column.cells[row]));
  return table.toString();
}

function metricColumns(metric: string, points: readonly PointResults[], measured: readonly Measured[]): TextColumn[] {
  const { column, tenant } = tableColumn(metric);
  const values = points.map((point) => metricOf(point, column, tenant));
  const simulated = { heading: headingOf(column, tenant), cells: values.map(estimateText) };
  const published = measured.find((candidate) => candidate.metric === metric);
  if (published === undefined || !points.some(({ name }) => Object.hasOwn(published.points, name))) return [simulated];
  const expected = points.map(({ name }) =>
    Object.hasOwn(published.points, name) ? published.points[name] : undefined,
  );
  return [
    simulated,
    { heading: 'measured', cells: expected.map((value) => (value === undefined ? '' : shortNumber(value))) },
    { heading: 'error %', cells: expected.map((value, i) => errorText(values[i], value)) },
  ];
}

const headingOf = ({ name, heading = name }: SummaryColumn, tenant: string | undefined): string =>
  tenant === undefined ? heading : `${heading} of ${tenant}`;

function errorText(simulated: Estimate | undefined, measured: number | undefined): string {
  if (simulated === undefined || measured === undefined || measured === 0) return '';
  return signedFixed((simulated.mean / measured - 1) * 100, 2);
}

/** Widest line of a cell, or widest word of the heading, which may take several lines. */
function width({ heading, cells }: TextColumn): number {
  return Math.max(...[...heading.split(' '), ...cells.flatMap((cell) => cell.split('\n'))].map(textColumns));
}

/** Columns of the terminal that a table takes. */
export function tableWidth(columns: readonly TextColumn[]): number {
  return columns.reduce((sum, column) => sum + width(column) + 3, 1);
}

function fit(first: readonly TextColumn[], columns: readonly TextColumn[]): { kept: TextColumn[]; dropped: number } {
  let kept = [...first, ...columns];
  while (kept.length > first.length + 1 && tableWidth(kept) > WIDTH) kept = kept.slice(0, -1);
  return { kept, dropped: first.length + columns.length - kept.length };
}

/** One sentence: how far the simulation is from the published numbers; undefined where there are none. */
export function agreement(measured: Measured, points: readonly PointResults[]): string | undefined {
  const column = metricColumn(measured.metric);
  const errors = points.flatMap((point) => {
    const value = metricOf(point, column);
    const expected = Object.hasOwn(measured.points, point.name) ? measured.points[point.name] : undefined;
    return value === undefined || expected === undefined || expected === 0
      ? []
      : [{ name: point.name, error: Math.abs(value.mean / expected - 1) }];
  });
  if (errors.length === 0) return undefined;
  const worst = errors.reduce((a, b) => (b.error > a.error ? b : a));
  const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
  const goal =
    measured.tolerance === undefined
      ? ''
      : ` (${worst.error <= measured.tolerance ? 'within' : 'NOT within'} ${percent(measured.tolerance)})`;
  return `${column.name} differs from ${measured.source} by at most ${percent(worst.error)}${goal}, at ${worst.name}; ${errors.length} points.`;
}
