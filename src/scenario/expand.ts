/** Points × seeds → the runs of a scenario. */
import type { RunSpec } from '../spec.ts';
import type { Scenario } from './load.ts';

/** Frozen specs, points in the scenario's order, the seeds of each point together. */
export function expand(scenario: Scenario): readonly RunSpec[] {
  return scenario.points.flatMap(({ name, values, machine, os, tenants, run }) =>
    scenario.seeds.map((seed) =>
      freeze({ scenario: scenario.name, point: name, values, seed, machine, os, tenants, run }),
    ),
  );
}

/** Deep, except typed arrays, which cannot be frozen. */
export function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value)) freeze(inner);
  return Object.freeze(value);
}
