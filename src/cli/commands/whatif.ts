/** `nestwalk whatif`: the largest or smallest value of a quantity that still meets goals, with the evidence. */
import { basename, join } from 'node:path';
import type { CommandModule } from 'yargs';
import { METRICS } from '../../report/columns/files.ts';
import { runId } from '../../report/manifest.ts';
import { metricColumn } from '../../report/points.ts';
import { writeFolder } from '../../report/run-directory.ts';
import type { WhatifResult } from '../../report/whatif.ts';
import { runsCsv, triedCsv, whatifObject } from '../../report/whatif-files.ts';
import { judgeGoals, riskOfLook } from '../../report/whatif-goals.ts';
import { whatifText } from '../../report/whatif-terminal.ts';
import type { Axis } from '../../scenario/axis.ts';
import { type Goal, parseGoal } from '../../scenario/goal.ts';
import { UserError } from '../../scenario/problem.ts';
import { gridSize, mostLooks, searchEdges } from '../../schedule/whatif.ts';
import { GoalMissed } from '../goal.ts';
import { heading } from '../heading.ts';
import { relativePath } from '../invocation.ts';
import { repeatable, type WorkArguments, wholeNumber, workOptions } from '../options.ts';
import { print, printJson } from '../terminal.ts';
import { programVersion } from '../version.ts';
import { placeReport } from './report.ts';
import { basis, commandText, prepareFolder } from './run.ts';
import { WhatifRuns } from './whatif-runs.ts';
import { readAxis, readFirst, WhatifScenario } from './whatif-scenario.ts';

interface WhatifArguments extends WorkArguments {
  readonly vary: readonly string[];
  readonly goal: readonly string[];
  readonly find: string | undefined;
  readonly range: string | undefined;
  readonly largest: boolean;
  readonly smallest: boolean;
  readonly seeds: number | undefined;
  readonly maxSeeds: number | undefined;
  readonly precision: number;
}

const FIRST_SEEDS = 3;
const SEEDS_GROWTH = 4;
const SCAN_POINTS = 7;
const SECTION_POINTS = 3;
const DEFAULT_PRECISION = '0.5%';

export const whatifCommand: CommandModule<object, WhatifArguments> = {
  command: 'whatif <scenario>',
  describe: 'find the largest or smallest value that still meets a goal',
  builder: (yargs) =>
    workOptions(yargs)
      .option('vary', repeatable('path=lo..hi of the quantity; before it, path=values of a second one'))
      .option('goal', { ...repeatable('metric>=value or metric<=value (repeatable: all must hold)'), alias: 'until' })
      .option('find', { describe: 'path of the quantity (with --range)', type: 'string', requiresArg: true })
      .option('range', { describe: 'lo:hi for --find', type: 'string', requiresArg: true })
      .option('largest', { describe: 'the largest value that meets the goal', type: 'boolean', default: false })
      .option('smallest', { describe: 'the smallest value that does', type: 'boolean', default: false })
      .option('seeds', {
        describe: 'seeds of each value at first',
        type: 'string',
        requiresArg: true,
        coerce: seedCount,
      })
      .option('max-seeds', {
        describe: 'seeds of a value too close to the goal, at most',
        type: 'string',
        requiresArg: true,
        coerce: seedCount,
      })
      .option('precision', {
        describe: 'stop when the answer is known to this part of it; 0 = exactly',
        type: 'string',
        requiresArg: true,
        default: DEFAULT_PRECISION,
        coerce: readPrecision,
      })
      .example("$0 whatif uniform-window --vary machine.iotlb.entries=16..4096 --goal 'iotlb_hit_ratio>=0.9'", '')
      .example("$0 whatif nested-cost --vary machine.walkers=1..64 --goal 'throughput_gbps>=200'", '') as never,
  handler: whatif,
};

function seedCount(value: string | string[] | undefined): number | undefined {
  return value === undefined ? undefined : wholeNumber('--seeds or --max-seeds', value, 1, 1000);
}

function readPrecision(value: string): number {
  const match = /^(\d*\.?\d+)(%?)$/.exec(value);
  const number = match === null ? NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1);
  if (number >= 0 && number <= 0.5) return number;
  throw new UserError(
    `--precision: ${JSON.stringify(value)} is not a part of the value; expected 0 to 50%, such as 1%`,
  );
}

async function whatif(args: WhatifArguments): Promise<void> {
  const goals = readGoals(args.goal);
  const flags = readVary(args);
  const axis = readAxis(args.scenario, flags.at(-1)!);
  const scenario = new WhatifScenario(args, axis, flags.length === 2 ? readFirst(args.scenario, flags[0]) : undefined);
  const seeds = readSeeds(args, scenario.seeds.length);
  const budget = { mostSeeds: seeds.most, parallel: args.threads };
  scenario.check(budget);
  prepareFolder(args.out, scenario.name);
  const result = await search(args, axis, scenario, goals, seeds);
  const directory = write(args, scenario, axis, seeds, result);
  const report = args.report ? await writeSearchReport(args, scenario, result, directory) : undefined;
  if (args.json) printAnswer(scenario, result, directory);
  else printResult(scenario, result, directory, report);
  if (result.cases.some(({ answer }) => answer === undefined)) throw new GoalMissed();
}

function readGoals(texts: readonly string[]): Goal[] {
  if (texts.length === 0) {
    throw new UserError('--goal: missing; expected metric>=value or metric<=value, such as throughput_gbps>=95');
  }
  const units = new Map(METRICS.map((name) => [name, metricColumn(name).unit]));
  return texts.map((text) => parseGoal(text, units));
}

/** The --vary flags; --find and --range are another way to write the last one. */
function readVary({ vary, find, range }: WhatifArguments): readonly string[] {
  if ((find === undefined) !== (range === undefined)) {
    throw new UserError('--find and --range: expected both, such as --find machine.walkers --range 1:64');
  }
  const flags = find === undefined ? vary : [...vary, `${find}=${range!.replace(/^([^:]+):([^:]+)$/, '$1..$2')}`];
  if (flags.length >= 1 && flags.length <= 2) return flags;
  throw new UserError(
    flags.length === 0
      ? '--vary: missing; expected path=lo..hi, such as machine.iotlb.entries=16..65536'
      : `--vary: ${flags.length} quantities; expected one, or two for the frontier between them`,
  );
}

interface Seeds {
  readonly first: number;
  readonly most: number;
}

function readSeeds({ seeds, maxSeeds }: WhatifArguments, own: number): Seeds {
  const first = seeds ?? Math.max(FIRST_SEEDS, own);
  const most = maxSeeds ?? first * SEEDS_GROWTH;
  if (most < first) throw new UserError(`--max-seeds: ${most} is below the ${first} seeds that each value begins with`);
  return { first, most };
}

async function search(
  args: WhatifArguments,
  axis: Axis,
  scenario: WhatifScenario,
  goals: readonly Goal[],
  seeds: Seeds,
): Promise<WhatifResult> {
  const { precision } = args;
  const how = {
    quantity: axis,
    edge: readEdge(args),
    firstSeeds: seeds.first,
    mostSeeds: seeds.most,
    scanPoints: SCAN_POINTS,
    sectionPoints: SECTION_POINTS,
    precision,
  };
  const risk = riskOfLook(mostLooks(how, axis.size), goals.length);
  const runs = new WhatifRuns(args, scenario);
  try {
    const findings = await searchEdges({
      ...how,
      searches: scenario.cases.length,
      evaluate: (requests) => runs.evaluate(requests),
      judge: (samples) => judgeGoals(goals, samples, risk),
    });
    const { path, lo, hi, geometric } = axis;
    return {
      ...{ path, lo, hi, geometric, goals, precision, risk, runs: runs.count, seedsMost: seeds.most },
      gridRuns: gridSize(axis, precision, axis.size) * seeds.first * scenario.cases.length,
      cases: findings.map((finding, i) => ({ ...scenario.cases[i], ...finding })),
      text: (x: number): string => String(axis.value(x)),
    };
  } finally {
    await runs.end();
  }
}

function readEdge({ largest, smallest }: WhatifArguments): 'largest' | 'smallest' | undefined {
  if (largest && smallest) throw new UserError('--largest and --smallest: expected one of the two');
  return largest ? 'largest' : smallest ? 'smallest' : undefined;
}

/** results/<scenario>/whatif-<id>/: the same search lands in the same place. */
function write(
  args: WhatifArguments,
  scenario: WhatifScenario,
  axis: Axis,
  seeds: Seeds,
  result: WhatifResult,
): string {
  const version = programVersion();
  const { goals, precision } = result;
  // Ranges with other steps between the same ends try other values.
  const { path, lo, hi, size } = axis;
  const range = [path, lo, hi, String(size), ...axis.between(lo, hi, SCAN_POINTS)];
  const asked = JSON.stringify([version, ...range, goals, precision, seeds, readEdge(args) ?? null]);
  const directory = join(args.out, scenario.name, `whatif-${runId(scenario.specsAtStart(), asked)}`);
  const answer = {
    program: 'nestwalk',
    version,
    scenario: scenario.name,
    question: scenario.question,
    ...whatifObject(result),
  };
  try {
    writeFolder(directory, {
      'answer.json': `${JSON.stringify(answer, null, 1)}\n`,
      'tried.csv': triedCsv(result),
      'runs.csv': runsCsv(result),
    });
  } catch (error) {
    throw new UserError(`${directory}: ${(error as Error).message}; the results could not be written`);
  }
  return directory;
}

/** Returns the path of report.html. */
async function writeSearchReport(
  args: WhatifArguments,
  scenario: WhatifScenario,
  result: WhatifResult,
  directory: string,
): Promise<string> {
  const { searchReport } = await import('../../report/html/search-report.ts');
  const { goal, find, range, largest, smallest, seeds, maxSeeds, precision } = args;
  const flags = [
    ...goal.flatMap((text) => ['--goal', text]),
    ...(find === undefined ? [] : ['--find', find, '--range', range!]),
    ...(largest ? ['--largest'] : smallest ? ['--smallest'] : []),
    ...(seeds === undefined ? [] : ['--seeds', String(seeds)]),
    ...(maxSeeds === undefined ? [] : ['--max-seeds', String(maxSeeds)]),
    ...(precision === readPrecision(DEFAULT_PRECISION) ? [] : ['--precision', String(precision)]),
  ];
  const report = await searchReport({
    result,
    version: programVersion(),
    question: scenario.question,
    specs: scenario.specsAtStart(),
    command: commandText(scenario, args, { verb: 'whatif', flags }),
    name: basename(directory),
  });
  return placeReport(report, directory);
}

function printAnswer(scenario: WhatifScenario, result: WhatifResult, directory: string): void {
  const head = { program: 'nestwalk', version: programVersion(), scenario: scenario.name, question: scenario.question };
  printJson({ ...head, directory, ...whatifObject(result) });
}

function printResult(
  scenario: WhatifScenario,
  result: WhatifResult,
  directory: string,
  report: string | undefined,
): void {
  print(`${heading(scenario)}\n`);
  print(whatifText(result));
  print(`\n${basis(scenario.specsAtStart())}`);
  print(`Files: ${relativePath(directory)}`);
  if (report !== undefined) print(`Report: ${report}`);
}
