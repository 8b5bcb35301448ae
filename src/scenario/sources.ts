/** Where the values of a point come from: the preset's sources, and the scenario where it replaces a value that has one. */
import type { MachineSpec } from '../spec.ts';
import type { Preset } from './presets/preset.ts';
import type { ScenarioInput } from './schema.ts';

/** Not a preset's source: the value is the scenario's own. (What replaces an estimate stays one.) */
const OWN = 'the scenario';

export function sourcesOf({ sources, estimates }: Preset, { machine, os }: ScenarioInput): MachineSpec['sources'] {
  const given = [...leafPaths('machine', machine), ...leafPaths('os', os)];
  const own = given.filter((path) => longest(path, Object.keys(sources)) > longest(path, estimates));
  const kept = Object.entries(sources).filter(([path]) => !own.includes(path));
  return [...own.map((path) => ({ path, source: OWN })), ...kept.map(([path, source]) => ({ path, source }))];
}

/** Length of the longest of `paths` that leads to `path`; 0 when none does. */
const longest = (path: string, paths: readonly string[]): number =>
  Math.max(0, ...paths.filter((each) => path === each || path.startsWith(`${each}.`)).map((each) => each.length));

function leafPaths(path: string, value: unknown): string[] {
  if (value === undefined) return [];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [path];
  return Object.entries(value).flatMap(([key, each]) => leafPaths(`${path}.${key}`, each));
}
