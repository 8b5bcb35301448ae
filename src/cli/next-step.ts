/** The command to try after a run: what helps with a scenario of the user's own, or another one of ours. */
import { dirname, join } from 'node:path';
import { bundledScenarios, packageRoot } from '../scenario/files.ts';
import type { Scenario } from '../scenario/load.ts';
import type { RunSpec } from '../spec.ts';

/** More points beside each other are no longer compared by eye. */
const MOST_COMPARED = 8;
/** Doubled twice, this is still an IOTLB that someone may build. */
const LARGEST_IOTLB = 16_384;

export const isBundled = (file: string): boolean => dirname(file) === join(packageRoot(), 'scenarios');

export interface Done {
  readonly scenario: Pick<Scenario, 'name' | 'file'>;
  readonly specs: readonly RunSpec[];
  /** As it was given on the command line. */
  readonly given: string;
  /** By --vary. */
  readonly varied: boolean;
  /** Another command than run and sweep. */
  readonly verb?: string | undefined;
  readonly directory: string;
}

/** Arguments of the command, and a remark; undefined: there is nothing to propose. */
export function nextStep({ scenario, specs, given, varied, verb, directory }: Done): string | undefined {
  const points = new Set(specs.map(({ point }) => point)).size;
  if (isBundled(scenario.file) && !varied) return anotherOfOurs(scenario.name);
  // Who has searched, or has curves, knows better than a rule what to ask of his own scenario.
  if (verb !== undefined) return undefined;
  if (points > 1) return points <= MOST_COMPARED ? `compare ${shellWord(directory)}` : undefined;
  const sizes = largerIotlbs(specs[0]);
  return sizes === undefined ? undefined : `sweep ${shellWord(given)} --vary machine.iotlb.entries=${sizes.join(',')}`;
}

/** The one after it in the list. */
function anotherOfOurs(name: string): string | undefined {
  const all = bundledScenarios();
  const next = all[(all.indexOf(name) + 1) % all.length];
  return next === undefined || next === name ? undefined : `run ${next}   (list scenarios shows all)`;
}

/** Whatever its ways are, they divide twice as many entries too. */
function largerIotlbs({ machine, tenants }: RunSpec): number[] | undefined {
  const { entries } = machine.iotlb;
  if (entries === 0 || entries > LARGEST_IOTLB || tenants.every(({ mode }) => mode === 'passthrough')) return undefined;
  return [entries, 2 * entries, 4 * entries];
}

export const shellWord = (word: string): string =>
  /^[\w./=:,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
