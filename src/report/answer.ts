/** The answer to a scenario's question as sentences with numbers. */
import { fillPlaceholders, placeholders } from '../lib/placeholders.ts';
import { amountText, shortNumber, unitFor } from './format.ts';
import { metricColumn, metricOf, type PointResults, type SummaryColumn, type TenantMetric } from './points.ts';
import type { Estimate } from './statistics.ts';

/**
 * Scenario section `answer`: a sentence with placeholders, or a metric of a point, against another, crossing a value, or where
 * one case of a sweep overtakes another.
 */
export interface AnswerRequest {
  readonly says?: string | undefined;
  readonly metric?: string | undefined;
  readonly of?: string | undefined;
  readonly against?: string | undefined;
  readonly crosses?: number | undefined;
  readonly overtakes?: string | undefined;
}

export function answerSentences(requests: readonly AnswerRequest[], points: readonly PointResults[]): string[] {
  return requests.map((request) => sentence(request, points)).filter((text) => text !== undefined);
}

/** What the sentences say of single tenants. */
export function tenantMetrics(requests: readonly AnswerRequest[]): TenantMetric[] {
  const named = requests.flatMap(({ says }) => placeholders(says ?? ''));
  return named.flatMap((each) => (each?.tenant === undefined ? [] : [{ metric: each.metric, tenant: each.tenant }]));
}

function sentence(request: AnswerRequest, points: readonly PointResults[]): string | undefined {
  if (request.says !== undefined) return said(request.says, points);
  const column = metricColumn(request.metric!);
  if (request.overtakes !== undefined) return overtaking(column, request.of ?? '', request.overtakes, points);
  const find = (name: string | undefined) => points.find((point) => point.name === name);
  const of = find(request.of) ?? points.at(-1);
  if (of === undefined) return undefined;
  if (request.crosses !== undefined) return crossing(column, request.crosses, points);
  const value = metricOf(of, column);
  const against = find(request.against);
  if (against === undefined)
    return `${subject(column, of.name)}: ${value === undefined ? 'no value' : amount(value, column)}.`;
  return comparison(column, of.name, value, against.name, metricOf(against, column));
}

function said(text: string, points: readonly PointResults[]): string {
  return fillPlaceholders(text, ({ metric, tenant, point, other, kind }) => {
    const column = metricColumn(metric);
    const valueOf = (name: string | undefined): Estimate | undefined => {
      const found = name === undefined ? points.at(-1) : points.find((each) => each.name === name);
      return found === undefined ? undefined : metricOf(found, column, tenant);
    };
    const value = valueOf(point);
    if (value === undefined) return 'no value';
    if (kind === 'value') return amount(value, column);
    const base = valueOf(other);
    if (base === undefined || base.mean === 0) return 'no value';
    return kind === 'times' ? `${shortNumber(round(value.mean / base.mean))} times` : percent(value.mean / base.mean);
  });
}

/** Three digits are enough to read. */
const round = (factor: number): number => Number(factor.toPrecision(3));

const percent = (factor: number): string => `${signed(Math.round((factor - 1) * 1000) / 10)} %`;

/** `+1.2`, `−3`; no change has no sign. */
const signed = (change: number): string => `${signOf(change)}${shortNumber(Math.abs(change))}`;
const signOf = (change: number): string => (change === 0 ? '' : change < 0 ? '−' : '+');

const subject = (column: SummaryColumn, point: string): string => `${column.name}${point === '' ? '' : ` of ${point}`}`;

const amount = (value: Pick<Estimate, 'mean' | 'half'>, { unit }: { readonly unit: string }): string =>
  amountText(value, unit);

function comparison(
  column: SummaryColumn,
  ofName: string,
  of: Estimate | undefined,
  againstName: string,
  against: Estimate | undefined,
): string {
  const largest = Math.max(Math.abs(of?.mean ?? 0), Math.abs(against?.mean ?? 0));
  const text = (value: Estimate | undefined): string =>
    value === undefined ? 'no value' : amountText(value, column.unit, largest);
  const both = `${subject(column, ofName)}: ${text(of)}, against ${text(against)} of ${againstName}`;
  if (of === undefined || against === undefined) return `${both}.`;
  const difference = of.mean - against.mean;
  if (difference === 0) return `${both}: no difference.`;
  const sign = signOf(difference);
  const size = amountText({ mean: Math.abs(difference), half: 0 }, column.unit, largest);
  return `${both}: ${sign}${size}${relative(of.mean, against.mean)}.`;
}

/** `, +12 %` up to twice as much, `, 6.5 times` from there; nothing against zero. */
function relative(value: number, base: number): string {
  if (base === 0) return '';
  const factor = value / base;
  if (factor >= 2) return `, ${shortNumber(factor)} times`;
  return `, ${signed(Math.round((factor - 1) * 10_000) / 100)} %`;
}

/** Names the first point, in order, on the other side of `limit` than the first point that has a value. */
function crossing(column: SummaryColumn, limit: number, points: readonly PointResults[]): string {
  const known = points.flatMap((point) => {
    const value = metricOf(point, column);
    return value === undefined ? [] : [{ name: point.name, mean: value.mean }];
  });
  const first = known[0];
  if (first === undefined) return `${column.name}: no value at any point.`;
  const above = first.mean >= limit;
  const at = known.findIndex(({ mean }) => mean >= limit !== above);
  const verb = above ? 'falls below' : 'reaches';
  const text = (mean: number): string => amount({ mean, half: 0 }, column);
  if (at < 0) return `${column.name} stays ${above ? 'at or above' : 'below'} ${text(limit)} at all points.`;
  const [before, after] = [known[at - 1], known[at]];
  const detail = `${text(after.mean)}, after ${text(before.mean)} at ${before.name}`;
  return `${column.name} ${verb} ${text(limit)} at ${after.name} (${detail}).`;
}

/** Names the first setting, in order, at which case `of` is above case `other`. */
function overtaking(
  column: SummaryColumn,
  of: string,
  other: string,
  points: readonly PointResults[],
): string | undefined {
  const pairs = points.flatMap((point) => {
    if (!point.name.startsWith(`${of} `)) return [];
    const at = point.name.slice(of.length + 1);
    const rival = points.find(({ name }) => name === `${other} ${at}`);
    const values = [metricOf(point, column), rival === undefined ? undefined : metricOf(rival, column)];
    return values[0] === undefined || values[1] === undefined ? [] : [{ at, own: values[0].mean, his: values[1].mean }];
  });
  if (pairs.length === 0) return undefined;
  const first = pairs.findIndex(({ own, his }) => own > his);
  if (first < 0) return `${column.name}: ${of} never overtakes ${other}.`;
  if (first === 0) return `${column.name}: ${of} is above ${other} from ${pairs[0].at} on.`;
  const [before, after] = [pairs[first - 1], pairs[first]];
  const [name, size] = unitFor(column.unit, Math.max(...[before, after].flatMap(({ own, his }) => [own, his])));
  const unit = name === '' ? '' : ` ${name}`;
  const both = ({ own, his }: { own: number; his: number }) =>
    `${shortNumber(own / size)} against ${shortNumber(his / size)}`;
  return `${column.name}: ${of} overtakes ${other} at ${after.at} (${both(after)}${unit}, after ${both(before)} at ${before.at}).`;
}
