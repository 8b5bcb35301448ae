/** What work needs before it starts, in words: requests, time, memory, disk. */
import { many } from '../lib/many.ts';
import { shortNumber } from '../report/format.ts';
import { estimateRun, REQUESTS_PER_S } from '../scenario/estimate.ts';
import type { RunSpec } from '../spec.ts';

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

export interface Need {
  readonly requests: number;
  readonly seconds: number;
  /** Of the largest run. */
  readonly memoryBytes: number;
  /** Of all runs. */
  readonly fileBytes: number;
}

/** `missing`: runs that have to be done; `all`: those whose results are written. */
export function needOf(missing: readonly RunSpec[], all: readonly RunSpec[], threads: number): Need {
  const estimates = missing.map(estimateRun);
  const requests = estimates.reduce((sum, each) => sum + each.requests, 0);
  return {
    requests,
    seconds: requests / REQUESTS_PER_S / Math.max(1, Math.min(threads, missing.length)),
    memoryBytes: estimates.reduce((most, each) => Math.max(most, each.tableBytes + each.heapBytes), 0),
    fileBytes: all.reduce((sum, spec) => sum + estimateRun(spec).fileBytes, 0),
  };
}

export const needText = ({ requests, seconds, memoryBytes, fileBytes }: Need): string =>
  `about ${shortNumber(requests)} requests, ${durationText(seconds)} at 2M requests a second and thread, ${mebibytes(memoryBytes)} of memory for the largest run, ${mebibytes(fileBytes)} of result files`;

/** How many runs there are, and why. */
export const runsText = (points: number, seeds: number): string =>
  `${many(points * seeds, 'run')}: ${many(points, 'point')}, ${many(seeds, 'seed')}`;

/** Said before work that takes longer than anyone waits at a terminal; undefined for less. */
export function lengthWarning(need: Need): string | undefined {
  if (need.seconds < HOUR) return undefined;
  return `this takes about ${durationText(need.seconds)} (${shortNumber(need.requests)} requests); --set run.requests=… makes it shorter`;
}

function durationText(seconds: number): string {
  if (seconds < MINUTE) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < HOUR) return `${Math.round(seconds / MINUTE)} min`;
  return seconds < DAY
    ? `${shortNumber(Math.round(seconds / HOUR))} h`
    : `${shortNumber(Math.round(seconds / DAY))} days`;
}

const mebibytes = (bytes: number): string => `${shortNumber(Math.max(1, Math.ceil(bytes / 2 ** 20)))} MiB`;
