/** `nestwalk mrc`: the IOTLB hit ratio for every capacity, from one pass over each run of a scenario. */
import type { CommandModule } from 'yargs';
import { curveSketch } from '../../report/mrc-sketch.ts';
import { curvePoints, pointSummary, type PointSummary, pointTable } from '../../report/mrc-summary.ts';
import { drawTable } from '../../report/table.ts';
import { visible } from '../../report/visible.ts';
import { wrapped } from '../../report/wrap.ts';
import { UserError } from '../../scenario/problem.ts';
import type { MachineSpec, MrcSpec, RunSpec } from '../../spec.ts';
import { loadOrFail, type WorkArguments, wholeNumber, workOptions } from '../options.ts';
import { resultColours } from '../terminal.ts';
import { prepareFolder, prepareSpecs, report, simulate } from './run.ts';

/** Sketches shown; with more points the table stands for them. */
const MOST_SKETCHES = 3;
const MOST_SETS = 65_536;
const MOST_WAYS = 1024;
const DEFAULT_PAGES = '262144';
const DEFAULT_WAYS = '32';

interface MrcArguments extends WorkArguments {
  readonly sets: readonly number[] | undefined;
  readonly ways: number;
  readonly pages: number;
}

export const mrcCommand: CommandModule<object, MrcArguments> = {
  command: 'mrc <scenario>',
  describe: 'IOTLB hit ratio for every capacity, from one pass',
  builder: (yargs) =>
    workOptions(yargs)
      .option('sets', {
        describe: "numbers of sets, such as 16,64: hit ratio for every number of ways; the scenario's own if left out",
        type: 'string',
        requiresArg: true,
        coerce: (value: string | string[] | undefined) => (value === undefined ? undefined : setCounts(value)),
      })
      .option('ways', {
        describe: 'most ways of a set',
        type: 'string',
        requiresArg: true,
        default: DEFAULT_WAYS,
        coerce: (value: string | string[]) => wholeNumber('--ways', value, 1, MOST_WAYS),
      })
      .option('pages', {
        describe: 'pages followed at most; above, a sample with its error',
        type: 'string',
        requiresArg: true,
        default: DEFAULT_PAGES,
        coerce: (value: string | string[]) => wholeNumber('--pages', value, 1024, 2 ** 24),
      })
      .example('$0 mrc uniform-window', 'how large an IOTLB would have to be')
      .example('$0 mrc nic-modes --sets 16,32,64,128', 'and how many ways it needs'),
  handler: runMrc,
};

function setCounts(value: string | readonly string[]): number[] {
  const counts = [value].flat().flatMap((text) => text.split(','));
  return [...new Set(counts.map((text) => wholeNumber('--sets', text, 1, MOST_SETS)))].sort((a, b) => a - b);
}

async function runMrc(args: MrcArguments): Promise<void> {
  const scenario = loadOrFail(args);
  const specs = (await prepareSpecs(scenario, args)).map((spec) => withCurves(spec, args));
  refuseUseless(specs, args);
  prepareFolder(args.out, scenario.name);
  const startedAt = new Date();
  const results = await simulate(specs, args);
  const wallSeconds = (Date.now() - startedAt.getTime()) / 1000;
  const execution = { startedAt: startedAt.toISOString(), wallSeconds };
  const points = curvePoints(results).map(pointSummary);
  await report(scenario, specs, results, args, execution, {
    verb: 'mrc',
    flags: flagsOf(args),
    text: curvesText(points),
    json: { curves: curvesJson(points) },
  });
}

function withCurves(spec: RunSpec, { sets, ways, pages }: MrcArguments): RunSpec {
  const { iotlb } = spec.machine;
  const own =
    iotlb.split === undefined && iotlb.entries > 0 && iotlb.ways < iotlb.entries && iotlb.index !== 'hash'
      ? [iotlb.entries / iotlb.ways]
      : [];
  const mrc: MrcSpec = { sampleKeys: pages, setCounts: sets ?? own, ways };
  return { ...spec, run: { ...spec.run, mrc } };
}

/** Flags that the curves depend on, where they are not the defaults. */
function flagsOf({ sets, ways, pages }: MrcArguments): string[] {
  return [
    ...(sets === undefined ? [] : ['--sets', sets.join(',')]),
    ...(String(ways) === DEFAULT_WAYS ? [] : ['--ways', String(ways)]),
    ...(String(pages) === DEFAULT_PAGES ? [] : ['--pages', String(pages)]),
  ];
}

/** Refuses what would give no curve. Throws UserError. */
function refuseUseless(specs: readonly RunSpec[], { sets }: MrcArguments): void {
  if (sets !== undefined && specs.some((spec) => spec.machine.iotlb.index === 'hash')) {
    throw new UserError(
      '--sets: machine.iotlb.index is hash, for which there are no curves over ways; expected modulo or shifted',
    );
  }
  for (const { machine } of specs) {
    const wrong = organisationOf(machine);
    if (wrong !== undefined) throw new UserError(wrong);
  }
  if (specs.every((spec) => spec.tenants.every((tenant) => tenant.mode === 'passthrough'))) {
    throw new UserError('every tenant passes through: nothing is translated, so there is no hit ratio');
  }
}

/** Why there is no curve for such an IOTLB: it is no cache that holds just what was looked up, whatever its capacity. */
function organisationOf({ iotlb, prefetchPages }: MachineSpec): string | undefined {
  if (iotlb.negative === true) {
    return 'machine.iotlb.negative: the curves know only pages that are there; leave negative out for mrc';
  }
  if (prefetchPages !== undefined) {
    return 'machine.prefetchPages: what walks bring in besides depends on the capacity; mrc needs --set machine.prefetchPages=0';
  }
  return undefined;
}

function curvesText(points: readonly PointSummary[]): string {
  const parts = points.flatMap((point) => {
    const heading = point.name === '' ? [] : [resultColours.bold(visible(point.name))];
    const { ratio } = point;
    const sketch = ratio === undefined || points.length > MOST_SKETCHES ? [] : [curveSketch({ ...point, ratio })];
    const tables =
      points.length > MOST_SKETCHES ? [] : point.tables.map(({ columns, texts }) => drawTable(columns, texts));
    return [[...heading, ...sketch, ...point.sentences.map(wrapped), ...tables].join('\n')];
  });
  const overview = points.length > 1 ? [drawTable(pointTable(points), 1)] : [];
  return ['IOTLB hit ratio by entries, fully associative LRU', ...parts, ...overview].join('\n\n');
}

/** For --json: every point's curve over all lookups, at powers of two and at the scenario's own capacity. */
function curvesJson(points: readonly PointSummary[]): object[] {
  return points.map(({ name, ratio, last, own }) => ({
    point: name,
    entries_last: last,
    hit_ratio:
      ratio === undefined ? [] : jsonCapacities(last, own).map((entries) => ({ entries, value: ratio(entries) })),
  }));
}

function jsonCapacities(last: number, own: number): number[] {
  const powers = Array.from({ length: Math.ceil(Math.log2(last)) + 1 }, (_, i) => 2 ** i);
  return [...new Set(own > 0 ? [...powers, own] : powers)].sort((a, b) => a - b);
}
