/** `nestwalk compare`: runs, or points of one run, side by side; and simulated counters beside those of `perf stat`. */
import { readFileSync } from 'node:fs';
import type { CommandModule } from 'yargs';
import { METRICS } from '../../report/columns/files.ts';
import {
  compareCsv,
  compareMetrics,
  compareObject,
  compareText,
  type Group,
  type MetricComparison,
  relative,
  settingsText,
  type Side,
} from '../../report/compare.ts';
import { comparePerf, perfCsv, perfText } from '../../report/compare-perf.ts';
import { readRunFolder, type RunFolder, RunFolderError } from '../../report/compare-read.ts';
import { parsePerfStat, type PerfStat } from '../../report/perf/stat.ts';
import { visible } from '../../report/visible.ts';
import { didYouMean, UserError } from '../../scenario/problem.ts';
import { printable, show } from '../../scenario/units.ts';
import { GoalMissed } from '../goal.ts';
import { repeatable } from '../options.ts';
import { note, print, printCsv, printJson, resultColours } from '../terminal.ts';

interface CompareArguments {
  readonly runs: readonly string[];
  readonly point: readonly string[];
  readonly base: string | undefined;
  readonly metric: readonly string[];
  readonly perf: string | undefined;
  readonly perfUnscaled: boolean;
  readonly tolerance: number | undefined;
  readonly json: boolean;
  readonly csv: boolean;
}

const MAX_RUNS = 26;
const MAX_PERF_BYTES = 1 << 24;

export const compareCommand: CommandModule<object, CompareArguments> = {
  command: 'compare <runs..>',
  describe: 'put runs, or the points of one run, side by side; or counters of perf stat beside simulated ones',
  builder: (yargs) =>
    yargs
      .positional('runs', {
        describe: 'run folders (results/<scenario>/<run-id>); of one alone its points are compared',
        type: 'string',
        array: true,
        demandOption: true,
      })
      .option('point', repeatable('compare this point only (repeatable)'))
      .option('base', { describe: 'point that the others are compared with', type: 'string', requiresArg: true })
      .option('metric', repeatable('column of summary.csv (repeatable); default: the usual ones'))
      .option('perf', { describe: 'output of perf stat: text, -x or -j', type: 'string', requiresArg: true })
      .option('perf-unscaled', {
        describe: 'it was made with perf stat --no-scale: extrapolate multiplexed counts here',
        type: 'boolean',
        default: false,
      })
      .option('tolerance', {
        describe: 'exit with 1 when a metric differs significantly by more than this part, such as 2%',
        type: 'string',
        requiresArg: true,
        coerce: readTolerance,
      })
      .option('json', { describe: 'print JSON, nothing else', type: 'boolean', default: false })
      .option('csv', { describe: 'print CSV, nothing else', type: 'boolean', default: false })
      .example('$0 compare results/nic-modes/0123456789ab', 'the cases of one run, beside the first')
      .example('$0 compare results/a/0123456789ab results/a/ba9876543210', '')
      .example('$0 compare results/a/0123456789ab --perf stat.txt', '') as never,
  handler: compare,
};

function readTolerance(value: string | string[] | undefined): number | undefined {
  if (value === undefined) return undefined;
  const match = /^(\d*\.?\d+)(%?)$/.exec(String(value));
  if (match === null)
    throw new UserError(`--tolerance: ${show(value)} is not a part; expected a number such as 2% or 0.02`);
  return Number(match[1]) / (match[2] === '%' ? 100 : 1);
}

function compare(args: CompareArguments): void {
  if (args.json && args.csv) throw new UserError('--json and --csv: expected one of the two');
  const folders = args.runs.map(readFolder);
  const perf = args.perf === undefined ? undefined : readPerf(args.perf, !args.perfUnscaled);
  const metrics = readMetrics(args.metric);
  if (perf !== undefined) {
    showPerf(sidesOf(folders, args), perf, args);
    return;
  }
  const compared = groupsOf(folders, args).map((group) => ({ group, rows: compareMetrics(group, metrics) }));
  if (args.json) printJson({ comparisons: compared.map(({ group, rows }) => compareObject(group, rows)) });
  else if (args.csv) printCsv(compareCsv(compared));
  else printGroups(folders, compared);
  checkTolerance(compared, args);
}

function readFolder(path: string): RunFolder {
  try {
    return readRunFolder(path);
  } catch (error) {
    throw error instanceof RunFolderError ? new UserError(printableLine(error.message)) : error;
  }
}

const printableLine = (text: string): string => visible(text);

function readMetrics(names: readonly string[]): readonly string[] | undefined {
  for (const name of names) {
    if (METRICS.includes(name)) continue;
    const hint = didYouMean(name, METRICS) || '; "nestwalk list columns" shows them all';
    throw new UserError(`--metric ${printable(name)}: unknown column${hint}`);
  }
  return names.length === 0 ? undefined : names;
}

// ---- who is compared with whom -------------------------------------------------------------------------------------------
const letter = (i: number): string => String.fromCharCode(65 + i);

/** Points that were asked for, in every folder. Throws UserError for a name that no folder has. */
function checkPoints(folders: readonly RunFolder[], { point, base }: CompareArguments): void {
  const names = folders.flatMap(({ points }) => points.map(({ name }) => name));
  for (const name of [...point, ...(base === undefined ? [] : [base])]) {
    if (names.includes(name)) continue;
    const hint = didYouMean(name, names) || `; the points are ${[...new Set(names)].slice(0, 12).map(show).join(', ')}`;
    throw new UserError(`--point ${printable(name)}: no run has a point of this name${hint}`);
  }
}

/** Points of one folder beside each other, or points of the same name of several folders. Throws UserError. */
function groupsOf(folders: readonly RunFolder[], args: CompareArguments): Group[] {
  checkPoints(folders, args);
  if (folders.length > MAX_RUNS) throw new UserError(`compare: ${folders.length} runs; expected at most ${MAX_RUNS}`);
  if (folders.length === 1) return [pointsOf(folders[0], args)];
  if (args.base !== undefined)
    throw new UserError('--base: names a point of one run; several runs are compared with the first');
  const single = folders.every(({ points }) => points.length === 1);
  if (single && args.point.length === 0) {
    return [{ name: '', sides: folders.map((folder, i) => ({ label: letter(i), folder, point: folder.points[0] })) }];
  }
  return commonPoints(folders, args.point);
}

function pointsOf(folder: RunFolder, { point, base }: CompareArguments): Group {
  const chosen = folder.points.filter(({ name }) => point.length === 0 || point.includes(name) || name === base);
  const ordered = [...chosen.filter(({ name }) => name === base), ...chosen.filter(({ name }) => name !== base)];
  if (ordered.length < 2) {
    const only = show(ordered[0]?.name ?? '');
    throw new UserError(
      `${folder.path}: only ${only === '""' ? 'one point' : `the point ${only}`} is there to compare; expected a second run, or --perf file`,
    );
  }
  return { name: '', sides: ordered.map((each) => ({ label: each.name, folder, point: each })) };
}

function commonPoints(folders: readonly RunFolder[], wanted: readonly string[]): Group[] {
  const [first, ...others] = folders as [RunFolder, ...RunFolder[]];
  const everywhere = (name: string): boolean => others.every(({ points }) => points.some((each) => each.name === name));
  const names = first.points.map(({ name }) => name).filter((name) => wanted.length === 0 || wanted.includes(name));
  const common = names.filter(everywhere);
  if (common.length === 0) {
    const list = folders.map(
      ({ path, points }) =>
        `${path}: ${points
          .slice(0, 6)
          .map(({ name }) => show(name))
          .join(', ')}`,
    );
    throw new UserError(['compare: the runs have no point of the same name', ...list]);
  }
  const missing = names.length - common.length;
  if (missing > 0) note(`${missing} points of ${first.path} are not in all the others and are left out`);
  return common.map((name) => ({
    name,
    sides: folders.map((folder, i) => ({
      label: letter(i),
      folder,
      point: folder.points.find((each) => each.name === name)!,
    })),
  }));
}

// ---- output ------------------------------------------------------------------------------------------------------------
interface Compared {
  readonly group: Group;
  readonly rows: readonly MetricComparison[];
}

function printGroups(folders: readonly RunFolder[], compared: readonly Compared[]): void {
  if (folders.length > 1) {
    for (const [i, { path, scenario, version }] of folders.entries()) {
      print(`${resultColours.bold(letter(i))}  ${visible(path)} (${visible(scenario)}, version ${visible(version)})`);
    }
  } else print(resultColours.bold(visible(folders[0].path)));
  for (const { group, rows } of compared) {
    print('');
    const settings = settingsText(group);
    if (settings !== '') print(settings);
    print(compareText(group, rows));
  }
}

/** Throws GoalMissed when a significant difference is larger than was allowed. */
function checkTolerance(compared: readonly Compared[], { tolerance, json, csv }: CompareArguments): void {
  if (tolerance === undefined) return;
  const beyond = compared.flatMap(({ group, rows }) =>
    rows.flatMap(({ metric, values, differences }) =>
      differences.flatMap((each, i) => {
        const share = relative(values[0], each);
        const isMuch = each?.isSignificant === true && (share === undefined || Math.abs(share) > tolerance);
        return isMuch ? [`${metric} of ${[group.name, group.sides[i + 1].label].join(' ').trim()}`] : [];
      }),
    ),
  );
  if (beyond.length === 0) return;
  const line = `significantly more than ${tolerance * 100} % apart: ${visible(beyond.join(', '))}`;
  if (json || csv) note(line);
  else print(line);
  throw new GoalMissed();
}

// ---- perf --------------------------------------------------------------------------------------------------------------
function readPerf(path: string, isScaled: boolean): PerfStat {
  const place = `--perf ${printable(path)}`;
  let text: string;
  try {
    const bytes = readFileSync(path);
    if (bytes.length > MAX_PERF_BYTES) throw new Error(`larger than ${MAX_PERF_BYTES >> 20} MiB`);
    text = bytes.toString('utf8');
  } catch (error) {
    throw new UserError(`${place}: ${(error as Error).message}; expected the output of perf stat -o file`);
  }
  const stat = parsePerfStat(text, { isScaled });
  if (stat.events.length > 0) return stat;
  const first = stat.unknown[0];
  const seen = first === undefined ? 'the file has no counts' : `line ${first.line} is ${show(first.text)}`;
  throw new UserError(`${place}: no count of perf stat found: ${seen}; expected its text, -x or -j output`);
}

/** The points whose counters are laid beside the measured ones. */
function sidesOf(folders: readonly RunFolder[], args: CompareArguments): Side[] {
  checkPoints(folders, args);
  const sides = folders.flatMap((folder, i) =>
    folder.points
      .filter(({ name }) => args.point.length === 0 || args.point.includes(name))
      .map((point) => ({ label: [folders.length > 1 ? letter(i) : '', point.name].join(' ').trim(), folder, point })),
  );
  const without = sides.find(({ point }) => point.events.size === 0);
  if (without !== undefined)
    throw new UserError(`${without.folder.path}: no counts in pmu.csv; run the scenario again`);
  return sides;
}

function showPerf(sides: readonly Side[], stat: PerfStat, args: CompareArguments): void {
  const compared = sides.map((side) => ({ ...side, perf: comparePerf(side.point, stat) }));
  if (compared[0].perf.rows.length === 0) {
    const names = stat.events.slice(0, 6).map(({ name }) => show(name));
    throw new UserError(
      `--perf ${printable(args.perf!)}: no event of an IOMMU in it, only ${names.join(', ')}; expected amd_iommu_N/…/, dmarN/…/, uncore_iio_N/…/ or smmuv3_pmcg_N/…/`,
    );
  }
  for (const { line, text } of stat.unknown.slice(0, 5))
    note(`${printable(args.perf!)}:${line}: not understood: ${show(text)}`);
  if (stat.unknown.length > 5) note(`${printable(args.perf!)}: ${stat.unknown.length - 5} more lines not understood`);
  if (args.json)
    printJson({
      perf: args.perf,
      sides: compared.map(({ label, folder, perf }) => ({ side: label, directory: folder.path, ...perf })),
    });
  else if (args.csv) printCsv(perfCsv(compared));
  else
    for (const { label, folder, perf } of compared)
      print(`${resultColours.bold(visible([folder.path, label].join(' ').trim()))}\n${perfText(perf)}`);
}
