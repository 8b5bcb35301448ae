/** Goals of `whatif`: `throughput_gbps>=95`, `translation_ns_p99<=600`, `iotlb_hit_ratio>=90%`. */
import { didYouMean, UserError } from './problem.ts';
import { type Dimension, parseQuantity, printable, show } from './units.ts';

export interface Goal {
  /** As it was written, without spaces. */
  readonly text: string;
  readonly metric: string;
  readonly atLeast: boolean;
  /** In the unit of the metric's column. */
  readonly limit: number;
}

const GOAL = /^\s*(\w+)\s*(>=|<=|=>|=<|>|<|==?)\s*(\S+)\s*$/;
const DIMENSIONS: Readonly<Record<string, Dimension>> = { ns: 'ns', 'Gbit/s': 'gbps', bytes: 'bytes' };

/** `units`: columns of summary.csv that have numbers → their unit. Throws UserError with the remedy. */
export function parseGoal(text: string, units: ReadonlyMap<string, string>): Goal {
  const place = `--goal ${printable(text)}`;
  const match = GOAL.exec(text);
  if (match === null)
    throw new UserError(`${place}: expected metric>=value or metric<=value, such as throughput_gbps>=95`);
  const [, metric, sign, number] = match as unknown as [string, string, string, string];
  const unit = units.get(metric);
  if (unit === undefined) {
    const hint = didYouMean(metric, units.keys()) || '; "nestwalk list columns" shows them all';
    throw new UserError(`${place}: unknown column ${show(metric)}${hint}`);
  }
  if (sign.startsWith('=')) throw new UserError(`${place}: expected >= or <=; a simulated value meets no exact one`);
  const limit = limitOf(number, unit, place);
  return { text: `${metric}${sign.slice(0, 1)}=${number}`, metric, atLeast: sign.startsWith('>'), limit };
}

/** A number, a share with %, or a quantity with a unit of the column's dimension. */
function limitOf(text: string, unit: string, place: string): number {
  const number = Number(text);
  if (Number.isFinite(number)) return number;
  const percent = /^([\d.]+)%$/.exec(text);
  if (percent !== null && unit === '' && Number.isFinite(Number(percent[1]))) return Number(percent[1]) / 100;
  const dimension = Object.hasOwn(DIMENSIONS, unit) ? DIMENSIONS[unit] : undefined;
  const read = dimension === undefined ? { error: `${show(text)} is not a number` } : parseQuantity(text, dimension);
  if ('error' in read) throw new UserError(`${place}: ${read.error}`);
  return read.value;
}
