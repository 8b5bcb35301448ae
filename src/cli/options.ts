/** Flags that several commands share, and their meaning. */
import { availableParallelism } from 'node:os';
import type { Argv } from 'yargs';
import { METRICS, TENANT_METRICS } from '../report/columns/files.ts';
import { type LoadOptions, loadScenario, type Scenario } from '../scenario/load.ts';
import { problemLines, UserError } from '../scenario/problem.ts';

export interface ScenarioArguments {
  readonly scenario: string;
  readonly set: readonly string[];
  readonly seed: number | undefined;
}

export interface WorkArguments extends ScenarioArguments {
  /** `path=values` of --vary, in commands that have it. */
  readonly vary?: readonly string[];
  readonly out: string;
  readonly threads: number;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly progress: boolean;
  readonly report: boolean;
}

/** Arguments of commands that read a scenario. */
export function scenarioOptions<T>(yargs: Argv<T>) {
  return yargs
    .positional('scenario', { describe: 'scenario file, or name of a bundled one', type: 'string', demandOption: true })
    .option('set', repeatable('set a value of the scenario, such as machine.iotlb.entries=64 (repeatable)'))
    .option('seed', {
      describe: 'first seed',
      type: 'string',
      requiresArg: true,
      coerce: (value: string | string[] | undefined) =>
        value === undefined ? undefined : wholeNumber('--seed', value, 0, 2 ** 32 - 1),
    });
}

/** Arguments of commands that run one. */
export function workOptions<T>(yargs: Argv<T>) {
  return scenarioOptions(yargs)
    .option('out', {
      describe: 'folder for results',
      type: 'string',
      requiresArg: true,
      default: 'results',
      coerce: (value: string | string[]) => folderName('--out', value),
    })
    .option('threads', {
      describe: 'worker threads',
      type: 'string',
      requiresArg: true,
      default: String(availableParallelism()),
      defaultDescription: 'all cores',
      coerce: (value: string | string[]) => wholeNumber('--threads', value, 1, 256),
    })
    .option('json', { describe: 'print a machine-readable summary, nothing else', type: 'boolean', default: false })
    .option('quiet', { describe: 'print results only: no progress, no warnings', type: 'boolean', default: false })
    .option('progress', { describe: 'show progress', type: 'boolean', default: true })
    .option('report', { describe: 'write report.html and charts/', type: 'boolean', default: true });
}

/** The value of a flag that names a folder. "" would be the folder at hand: a variable that was left unset. */
export function folderName(flag: string, value: string | readonly string[]): string {
  if (typeof value !== 'string') throw new UserError(`${flag}: given more than once`);
  if (value === '') throw new UserError(`${flag}: "" is not a folder; expected a name, or . for the folder at hand`);
  return value;
}

/** A flag that may be given several times; yargs gives a list, a single text or nothing. */
export const repeatable = (describe: string) => ({
  describe,
  type: 'string' as const,
  requiresArg: true,
  coerce: (value: string | string[] | undefined): string[] => (value === undefined ? [] : [value].flat()),
  default: [] as string[],
  defaultDescription: 'none',
});

/** yargs makes NaN of words: numbers are read here. Throws UserError. */
export function wholeNumber(flag: string, value: string | readonly string[], min: number, max: number): number {
  const text = typeof value === 'string' ? value : undefined;
  if (text === undefined) throw new UserError(`${flag}: given more than once`);
  const number = /^\d{1,15}$/.test(text) ? Number(text) : NaN;
  if (!(number >= min && number <= max)) {
    throw new UserError(`${flag}: ${JSON.stringify(text)} is not a whole number from ${min} to ${max}`);
  }
  return number;
}

/** Loads and checks; throws UserError with every mistake. */
export function loadOrFail({ scenario, set, seed }: ScenarioArguments, more: Partial<LoadOptions> = {}): Scenario {
  const options = {
    sets: set,
    metrics: METRICS,
    tenantMetrics: TENANT_METRICS,
    ...(seed === undefined ? {} : { seed }),
    ...more,
  };
  const loaded = loadScenario(scenario, options);
  if (!loaded.ok) throw new UserError(problemLines(loaded.problems));
  return loaded.scenario;
}
