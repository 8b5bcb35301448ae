/** Points × seeds → the runs of a scenario. */
import type { RunSpec } from '../spec.ts';
import type { Scenario, ScenarioPoint } from './load.ts';

/** Frozen specs, points in the scenario's order, the seeds of each point together. */
export function expand(scenario: Scenario): readonly RunSpec[] {
  return scenario.points.flatMap((point) => scenario.seeds.map((seed) => specOf(scenario, point, seed)));
}

/** One run of a point. */
export function specOf({ name: scenario }: Scenario, point: ScenarioPoint, seed: number): RunSpec {
  const { name, values, machine, os, tenants, run } = point;
  return freeze({ scenario, point: name, values, seed, machine, os, tenants, run });
}

/** Deep, except typed arrays, which cannot be frozen. */
export function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) freeze(inner);
  return Object.freeze(value);
}
