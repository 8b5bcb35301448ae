/**
 * Which run gets how many threads. Runs are independent, so each normally gets one; only when fewer runs wait than threads
 * are free are the units of a run shared out over several.
 */
import type { RunSpec } from '../spec.ts';

/** Threads for the next run, when `waiting` runs (with it) wait and `free` ≥ 1 threads are idle. */
export function threadsFor(spec: RunSpec, waiting: number, free: number): number {
  const busyUnits = new Set(spec.tenants.flatMap(({ devices }) => devices.map(({ unit }) => unit))).size;
  return Math.max(1, Math.min(busyUnits, Math.floor(free / waiting)));
}
