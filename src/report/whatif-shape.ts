/** Whether a response goes one way only, as far as the values tried and their intervals can tell. */
import type { Estimate } from './statistics.ts';
import type { Verdict } from './whatif-goals.ts';

export interface ShapePoint {
  readonly x: number;
  readonly value: Estimate | undefined;
}

/** Buckets of latency histograms are 0.8 % wide: smaller steps of a percentile say nothing. */
const RESOLUTION = 0.01;

const isAbove = (a: Estimate, b: Estimate): boolean =>
  a.mean - b.mean > a.half + b.half + RESOLUTION * Math.max(Math.abs(a.mean), Math.abs(b.mean));

/**
 * The value of x at which a response turns: where it is highest, when it rises before and falls after by more than its intervals
 * and resolution, or lowest the other way round. undefined when it goes one way. `points` ascend in x.
 */
export function turningPoint(
  points: readonly ShapePoint[],
): { readonly x: number; readonly kind: 'highest' | 'lowest' } | undefined {
  const known = points.filter((point): point is { x: number; value: Estimate } => point.value !== undefined);
  for (const kind of ['highest', 'lowest'] as const) {
    const extreme = extremeOf(known, kind);
    if (extreme < 0) continue;
    const { value } = known[extreme];
    const differs = ({ value: other }: { value: Estimate }): boolean =>
      kind === 'highest' ? isAbove(value, other) : isAbove(other, value);
    if (known.slice(0, extreme).some(differs) && known.slice(extreme + 1).some(differs)) {
      return { x: known[extreme].x, kind };
    }
  }
  return undefined;
}

function extremeOf(points: readonly { readonly value: Estimate }[], kind: 'highest' | 'lowest'): number {
  const means = points.map(({ value }) => value.mean);
  return means.indexOf(kind === 'highest' ? Math.max(...means) : Math.min(...means));
}

/** Whether at least two values of x were tried and none of them made any difference. */
export function isConstant(points: readonly ShapePoint[]): boolean {
  const [first, ...others] = points.map(({ value }) => value);
  if (first === undefined || others.length === 0) return false;
  return others.every((value) => value !== undefined && !isAbove(value, first) && !isAbove(first, value));
}

export interface Stretch {
  readonly verdict: 'meets' | 'fails';
  readonly from: number;
  readonly to: number;
}

/** Values that surely meet or surely fail, in stretches: more than two mean that the goal is met here and there. */
export function stretches(tried: readonly { readonly x: number; readonly verdict: Verdict }[]): Stretch[] {
  const found: Stretch[] = [];
  for (const { x, verdict } of tried) {
    if (verdict === 'open') continue;
    const last = found.at(-1);
    if (last?.verdict === verdict) found[found.length - 1] = { ...last, to: x };
    else found.push({ verdict, from: x, to: x });
  }
  return found;
}
