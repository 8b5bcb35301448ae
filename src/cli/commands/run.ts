import { existsSync, statfsSync } from 'node:fs';
import { arch, cpus, freemem, hostname, platform, release } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import { answerSentences, tenantMetrics } from '../../report/answer.ts';
import { timeText } from '../../report/format.ts';
import { runId } from '../../report/manifest.ts';
import { byPoint, type PointResults, summaryObjects, tenantColumns } from '../../report/points.ts';
import { probeWritable, removeLeftovers, runDirectory, writeRunDirectory } from '../../report/run-directory.ts';
import { sweepSketch } from '../../report/sparkline-sweep.ts';
import { agreement, DEFAULT_TABLE, resultTable } from '../../report/table.ts';
import { jsonText, visible } from '../../report/visible.ts';
import { wrapped } from '../../report/wrap.ts';
import { estimateRun, refusals } from '../../scenario/estimate.ts';
import { expand } from '../../scenario/expand.ts';
import type { Scenario } from '../../scenario/load.ts';
import { UserError } from '../../scenario/problem.ts';
import { attachTraces } from '../../scenario/traces.ts';
import { runAll } from '../../schedule/index.ts';
import type { RunSpec } from '../../spec.ts';
import type { RunResult } from '../../stats/result.ts';
import { heading } from '../heading.ts';
import { Interrupted, onInterrupt } from '../interrupt.ts';
import { many } from '../../lib/many.ts';
import { programCommand, relativePath } from '../invocation.ts';
import { isBundled, nextStep, shellWord } from '../next-step.ts';
import { loadOrFail, type WorkArguments, workOptions } from '../options.ts';
import { lengthWarning, needOf } from '../plan.ts';
import { createProgress } from '../progress.ts';
import { colours, note, print } from '../terminal.ts';
import { programVersion } from '../version.ts';
import { writeReportOf } from './report.ts';

/** Part of the free memory that runs may take. */
const MEMORY_SHARE = 0.85;
const TRACE_ROW_BYTES = 23;

export const runCommand: CommandModule<object, WorkArguments> = {
  command: 'run <scenario>',
  describe: 'run a scenario: all its points and seeds',
  builder: (yargs) =>
    workOptions(yargs)
      .example('$0 run nested-cost', 'the main question: what nested translation costs a NIC')
      .example('$0 run uniform-window --set machine.iotlb.entries=64', ''),
  handler: runScenario,
};

async function runScenario(args: WorkArguments): Promise<void> {
  const scenario = loadOrFail(args);
  const specs = await prepareSpecs(scenario, args);
  prepareFolder(args.out, scenario.name);
  const startedAt = new Date();
  const results = await simulate(specs, args);
  const wallSeconds = (Date.now() - startedAt.getTime()) / 1000;
  await report(scenario, specs, results, args, { startedAt: startedAt.toISOString(), wallSeconds });
}

/** The runs of a scenario, with their traces; refused when they do not fit the free memory. */
export async function prepareSpecs(scenario: Scenario, args: WorkArguments): Promise<readonly RunSpec[]> {
  const memoryBytes = freemem() * MEMORY_SHARE;
  const rows = Math.floor(memoryBytes / 2 / TRACE_ROW_BYTES);
  const { specs, warnings } = await attachTraces(expand(scenario), scenario.file, rows);
  const budget = { memoryBytes, diskBytes: freeDiskBytes(args.out), threads: Math.min(args.threads, specs.length) };
  const refused = refusals(specs, budget);
  if (refused.length > 0) throw new UserError(refused);
  const long = lengthWarning(needOf(specs, [], args.threads));
  const said = long === undefined ? warnings : [...warnings, long];
  if (!args.quiet && !args.json) for (const warning of said) note(colours.yellow(visible(warning)));
  return specs;
}

/** Of the folder, or of the nearest one above it that is there already. */
function freeDiskBytes(out: string): number {
  let folder = resolve(out);
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  try {
    const { blocks, bavail, bsize } = statfsSync(folder);
    return blocks === 0 ? Infinity : bavail * bsize; // /proc and its like have no size
  } catch {
    return Infinity; // some network file systems do not say
  }
}

export function prepareFolder(out: string, scenario: string): void {
  try {
    probeWritable(out, scenario);
    removeLeftovers(out, scenario, isAlive);
  } catch (error) {
    throw new UserError(`--out ${out}: ${(error as Error).message}; expected a folder that can be written`);
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

export async function simulate(specs: readonly RunSpec[], args: WorkArguments): Promise<RunResult[]> {
  const interrupt = onInterrupt();
  const progress = createProgress(args.progress && !args.quiet && !args.json);
  let done = 0;
  try {
    const results = await runAll(specs, {
      threads: args.threads,
      onProgress: (fraction, label) => progress.update(fraction, label),
      onResult: () => void done++,
      signal: interrupt.signal,
    });
    if (interrupt.signal.aborted) throw interrupted(done, specs.length);
    return results;
  } catch (error) {
    if (interrupt.signal.aborted) throw interrupted(done, specs.length);
    throw error;
  } finally {
    progress.stop();
    interrupt.release();
  }
}

function interrupted(done: number, total: number): Interrupted {
  return new Interrupted(`stopped after ${done} of ${total} runs; nothing was written. The same command starts again`);
}

export interface Execution {
  readonly startedAt: string;
  readonly wallSeconds: number;
  /** Runs whose results were there before. */
  readonly reusedRuns?: number;
}

/** What another command than run and sweep shows in place of the result table. */
export interface Instead {
  readonly verb: string;
  /** Its own flags, as far as the results depend on them. */
  readonly flags: readonly string[];
  readonly text: string;
  /** Added to the answer of --json. */
  readonly json: object;
}

/** Writes the run folder with its report and prints what it says. */
export async function report(
  scenario: Scenario,
  specs: readonly RunSpec[],
  results: Iterable<RunResult>,
  args: WorkArguments,
  execution: Execution,
  instead?: Instead,
): Promise<void> {
  const version = programVersion();
  const points = byPoint(results, [...tenantMetrics(scenario.answers), ...tenantColumns(scenario.table)]);
  const answers = [
    ...answerSentences(scenario.answers, points),
    ...scenario.measured.map((measured) => agreement(measured, points)).filter((text) => text !== undefined),
  ];
  const environment = { ...execution, ...describeHost(), threads: args.threads, arguments: process.argv.slice(2) };
  const shown = { command: commandText(scenario, args, instead), table: scenario.table, measured: scenario.measured };
  const input = { version, question: scenario.question, specs, results, answers, shown, environment };
  const directory = writeOrFail(args.out, input);
  if (args.report) await addReport(directory);
  if (args.json) printJson(scenario, specs, points, answers, directory, version, instead?.json);
  else {
    printReport(scenario, specs, points, answers, directory, execution, instead?.text);
    const done = { scenario, specs, given: args.scenario, varied: args.vary !== undefined, verb: instead?.verb };
    const next = nextStep({ ...done, directory: relativePath(directory) });
    if (next !== undefined) print(`Next:  ${programCommand()} ${visible(next)}`);
  }
}

/** The command that gives the same results anywhere: flags that do not enter them are left out. */
export function commandText(
  { file, name }: Pick<Scenario, 'file' | 'name'>,
  { set, seed, vary }: WorkArguments,
  instead?: Pick<Instead, 'verb' | 'flags'>,
): string {
  const scenario = isBundled(file) ? name : basename(file);
  const flags = [
    ...(vary ?? []).flatMap((value) => ['--vary', value]),
    ...set.flatMap((value) => ['--set', value]),
    ...(seed === undefined ? [] : ['--seed', String(seed)]),
    ...(instead?.flags ?? []),
  ];
  const verb = instead?.verb ?? (vary === undefined ? 'run' : 'sweep');
  return [`nestwalk ${verb}`, ...[scenario, ...flags].map(shellWord)].join(' ');
}

function describeHost(): object {
  return {
    node: process.version,
    host: hostname(),
    platform: `${platform()} ${release()} ${arch()}`,
    cpu: cpus()[0]?.model ?? '',
    cores: cpus().length,
  };
}

function writeOrFail(out: string, input: Parameters<typeof writeRunDirectory>[1]): string {
  try {
    return writeRunDirectory(out, input);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    const target = runDirectory(out, input.specs, input.version);
    throw new UserError(`${target}: ${(error as Error).message}; the results could not be written`);
  }
}

/** The results are there whatever becomes of the report. */
async function addReport(directory: string): Promise<void> {
  try {
    await writeReportOf([directory], directory);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError([...error.lines, `the results are in ${directory}; nestwalk report ${directory} tries again`]);
  }
}

function printJson(
  scenario: Scenario,
  specs: readonly RunSpec[],
  points: readonly PointResults[],
  answers: readonly string[],
  directory: string,
  version: string,
  more: object = {},
): void {
  const summary = summaryObjects(points);
  const { name, question } = scenario;
  const head = { program: 'nestwalk', version, scenario: name, question, runId: runId(specs, version), directory };
  print(jsonText({ ...head, answers, summary, ...more }));
}

function printReport(
  scenario: Scenario,
  specs: readonly RunSpec[],
  points: readonly PointResults[],
  answers: readonly string[],
  directory: string,
  execution: Execution,
  instead?: string,
): void {
  print(`${heading(scenario)}\n`);
  print(instead ?? resultText(scenario, points, answers));
  print(`\n${basis(specs)}`);
  print(
    `Files: ${relativePath(directory)} (${many(specs.length, 'run')}${before(execution)}, ${execution.wallSeconds.toFixed(1)} s)`,
  );
  const page = join(directory, 'report.html');
  if (existsSync(page)) print(`Report: ${relativePath(page)}`);
}

function resultText(scenario: Scenario, points: readonly PointResults[], answers: readonly string[]): string {
  const table = scenario.table.length > 0 ? scenario.table : DEFAULT_TABLE;
  const seeds = scenario.seeds.length > 1 ? [`mean and 95 % interval of ${scenario.seeds.length} seeds`] : [];
  const said = answers.length > 0 ? [`\n${answers.map((answer) => wrapped(visible(answer))).join('\n')}`] : [];
  const sketch = sweepSketch(points, table);
  const drawn = sketch === '' ? [] : [`\n${sketch}`];
  return [resultTable(table, points, scenario.measured), ...seeds, ...drawn, ...said].join('\n');
}

const before = ({ reusedRuns = 0 }: Execution): string => (reusedRuns > 0 ? `, ${reusedRuns} of them from before` : '');

/** What the numbers rest on. */
export function basis(specs: readonly RunSpec[]): string {
  const { machine, run } = specs[0];
  const measured = run.requests > 0 ? `${run.requests} requests` : timeText(run.durationNs);
  const requests = estimateRun(specs[0]).requests;
  const warmup = run.warmupRequests > 0 || run.warmupNs > 0 ? 'after warm-up' : 'without warm-up';
  const load = run.requests > 0 ? '' : ` (about ${requests} requests at most)`;
  return wrapped(
    `Basis: preset ${machine.preset} with ${machine.estimates.length} estimated values (list presets), ${measured}${load} a run, ${warmup}.`,
  );
}
