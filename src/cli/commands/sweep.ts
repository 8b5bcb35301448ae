/** `nestwalk sweep`: the cross product of values, each finished run kept, so that nothing is done twice. */
import { join } from 'node:path';
import type { CommandModule } from 'yargs';
import { runKey } from '../../report/manifest.ts';
import { wrapped } from '../../report/wrap.ts';
import type { Scenario } from '../../scenario/load.ts';
import { UserError } from '../../scenario/problem.ts';
import { PointStore, StoreFailure } from '../../schedule/sweep-store.ts';
import { missingRuns, sweep, type Swept } from '../../schedule/sweep.ts';
import type { RunSpec } from '../../spec.ts';
import { Interrupted, onInterrupt } from '../interrupt.ts';
import { loadOrFail, repeatable, type WorkArguments, workOptions } from '../options.ts';
import { needOf, needText, runsText } from '../plan.ts';
import { createProgress } from '../progress.ts';
import { print, printJson } from '../terminal.ts';
import { modelVersion } from '../version.ts';
import { isAlive, prepareFolder, prepareSpecs, report } from './run.ts';

interface SweepArguments extends WorkArguments {
  readonly vary: readonly string[];
  readonly resume: boolean;
  readonly plan: boolean;
}

export const sweepCommand: CommandModule<object, SweepArguments> = {
  command: 'sweep <scenario>',
  describe: 'run every combination of values; what is finished is kept and not done again',
  builder: (yargs) =>
    workOptions(yargs)
      .option('vary', repeatable('path=a,b,c or path=lo..hi*factor or path=lo..hi+step (repeatable)'))
      .option('resume', { describe: 'use results that are there already', type: 'boolean', default: true })
      .option('plan', { describe: 'print what would run and what it needs', type: 'boolean', default: false })
      .example('$0 sweep uniform-window --vary machine.iotlb.entries=64..1024*2', '')
      .example('$0 sweep iotlb-wall --vary machine.walkers=1,2,4 --plan', ''),
  handler: sweepScenario,
};

async function sweepScenario(args: SweepArguments): Promise<void> {
  const scenario = loadOrFail(args, { vary: args.vary });
  const specs = await prepareSpecs(scenario, args);
  prepareFolder(args.out, scenario.name);
  const store = openStore(args.out, scenario.name);
  const model = modelVersion();
  const keyOf = (spec: RunSpec): string => runKey(spec, model);
  if (args.plan) {
    printPlan(scenario, specs, missingRuns(specs, specs.map(keyOf), store, args.resume), args);
    return;
  }
  const startedAt = new Date();
  const { results, reused } = await finish(specs, { store, keyOf }, args);
  const wallSeconds = (Date.now() - startedAt.getTime()) / 1000;
  await report(scenario, specs, results, args, { startedAt: startedAt.toISOString(), wallSeconds, reusedRuns: reused });
}

/** results/<scenario>/points/. Throws UserError. */
export function openStore(out: string, scenario: string): PointStore {
  const folder = join(out, scenario, 'points');
  try {
    const store = new PointStore(folder);
    store.removeLeftovers(isAlive);
    return store;
  } catch (error) {
    throw new UserError(`${folder}: ${(error as Error).message}; expected a folder that can be written`);
  }
}

interface Kept {
  readonly store: PointStore;
  readonly keyOf: (spec: RunSpec) => string;
}

/** Does what is missing, with progress; a stop says how to go on. */
async function finish(specs: readonly RunSpec[], kept: Kept, args: SweepArguments): Promise<Swept> {
  const interrupt = onInterrupt();
  const progress = createProgress(args.progress && !args.quiet && !args.json);
  let stored = 0;
  try {
    return await sweep(specs, {
      ...kept,
      threads: args.threads,
      resume: args.resume,
      onProgress: (fraction, label) => progress.update(fraction, label),
      onStored: () => void stored++,
      signal: interrupt.signal,
    });
  } catch (error) {
    if (error instanceof StoreFailure) throw new UserError(`${error.message}. What is finished is kept`);
    if (interrupt.signal.aborted) throw interrupted(stored, specs.length);
    throw error;
  } finally {
    progress.stop();
    interrupt.release();
  }
}

function interrupted(stored: number, total: number): Interrupted {
  const runs = stored === 1 ? '1 more run is' : `${stored} more runs are`;
  return new Interrupted(`stopped; ${runs} finished and kept, of ${total}. The same command goes on from there`);
}

function printPlan(
  scenario: Scenario,
  specs: readonly RunSpec[],
  missing: readonly number[],
  args: SweepArguments,
): void {
  const need = needOf(
    missing.map((index) => specs[index]),
    specs,
    args.threads,
  );
  const [points, seeds, runs] = [scenario.points.length, scenario.seeds.length, specs.length];
  const runsDone = runs - missing.length;
  if (args.json) {
    const { requests, seconds, memoryBytes, fileBytes } = need;
    const names = scenario.points.map(({ name }) => name);
    printJson({ points, seeds, runs, runsDone, requests, seconds, memoryBytes, fileBytes, names });
    return;
  }
  print(runsText(points, seeds));
  print(`${runsDone} of them are there already, ${missing.length} would run`);
  print(wrapped(needText(need)));
}
