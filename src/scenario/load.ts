/**
 * Scenario file → checked scenario with all its points, or every mistake in it at once.
 */
import type { z } from 'zod';
import { placeholders, tableMetric, tableName } from '../lib/placeholders.ts';
import { join, parseText, parseValue, type Places, type Raw, type RawDocument, type RawMap } from './document.ts';
import { findScenario, readText, slug } from './files.ts';
import { explain } from './messages.ts';
import { isMap, type Override, pathError, PlaceFinder, valueAt, withOverrides, without } from './paths.ts';
import { didYouMean, type Problem, problemLines, UserError } from './problem.ts';
import { type QuantityKind, quantityKind } from './quantity-kind.ts';
import { type ResolvedPoint, resolvePoint } from './resolve.ts';
import {
  type AnswerInput,
  CASE_HINT,
  CASE_PATTERN,
  type MeasuredInput,
  NAME_HINT,
  NAME_PATTERN,
  type ScenarioInput,
  scenarioSchema,
} from './schema.ts';
import { dimensionOf, parseQuantity, printable, show } from './units.ts';
import { varyValues } from './vary.ts';

export interface ScenarioPoint extends ResolvedPoint {
  readonly name: string;
  readonly values: Readonly<Record<string, string | number | boolean>>;
}

export interface Scenario {
  readonly name: string;
  readonly file: string;
  readonly question: string;
  readonly points: readonly ScenarioPoint[];
  readonly seeds: readonly number[];
  /** Columns of the result table, those of summary.csv or `metric of tenant`; empty = the default ones. */
  readonly table: readonly string[];
  readonly answers: readonly AnswerInput[];
  readonly measured: readonly MeasuredInput[];
}

export type LoadResult =
  | { readonly ok: true; readonly scenario: Scenario }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export interface LoadOptions {
  /** `path=value` of --set flags. */
  readonly sets?: readonly string[];
  /** `path=values` of --vary flags: they join the scenario's own sweep, or take the place of a path that it varies. */
  readonly vary?: readonly string[];
  /** Values at paths, as --vary of a search sets them; a path that the sweep varies is not varied any more. */
  readonly values?: readonly { readonly path: string; readonly value: Raw }[];
  /** Value of --seed: the first seed. */
  readonly seed?: number;
  /** Column names that table, answer and measured may use; left out = not checked. */
  readonly metrics?: readonly string[];
  /** Those of tenants.csv; the same if left out. */
  readonly tenantMetrics?: readonly string[];
}

/** Paths of what belongs to the scenario as a whole. */
const SAME_FOR_ALL = /^(question|sweep|table|answer|measured|run\.seeds?)(\.|$)/;
const SET_AND_VARIED = 'is set by --set as well; expected one of the two';
const MAX_POINTS = 100_000;
const MAX_PROBLEMS = 50;

/** Loads a file, or a bundled scenario by its name. Throws UserError when the file cannot be read. */
export function loadScenario(path: string, options: LoadOptions = {}): LoadResult {
  const file = findScenario(path);
  return loadText(readText(file), file, options);
}

/** The same for text that is already there. `file` is only a name. */
export function loadText(text: string, file: string, options: LoadOptions = {}): LoadResult {
  const document = parseText(text, file);
  if (document.value === undefined) return { ok: false, problems: document.problems };
  const loader = new Loader(document.value, document, file);
  const scenario = loader.load(options);
  return loader.problems.length > 0 || scenario === undefined
    ? { ok: false, problems: limited(loader.problems) }
    : { ok: true, scenario };
}

/** What a search may vary in a file, or a bundled scenario. Throws UserError when it cannot be read as a scenario. */
export function searchableKind(path: string, at: string): { readonly kind: QuantityKind } | { readonly error: string } {
  const file = findScenario(path);
  const document = parseText(readText(file), file);
  if (document.value === undefined) throw new UserError(problemLines(document.problems));
  return new Loader(document.value, document, file).searchable(at);
}

function limited(problems: readonly Problem[]): readonly Problem[] {
  if (problems.length <= MAX_PROBLEMS) return problems;
  const more = { place: problems[MAX_PROBLEMS].place, message: `and ${problems.length - MAX_PROBLEMS} more mistakes` };
  return [...problems.slice(0, MAX_PROBLEMS), more];
}

class Loader {
  readonly problems: Problem[] = [];
  private raw: Raw;
  private readonly places: Places;
  private readonly file: string;
  private readonly seen = new Set<string>();

  constructor(raw: Raw, { places, problems }: RawDocument, file: string) {
    this.raw = raw;
    this.places = places;
    this.problems.push(...problems);
    this.file = file;
  }

  load({
    sets = [],
    vary = [],
    values = [],
    seed,
    metrics,
    tenantMetrics = metrics,
  }: LoadOptions): Scenario | undefined {
    if (!isMap(this.raw)) {
      const what = this.raw === null ? 'the file is empty' : 'the file is not a scenario';
      this.add({ place: this.places.values.get('')!, message: `${what}; expected question, tenants and run` });
      return undefined;
    }
    const varied = vary.flatMap((flag) => this.readVary(flag, sets));
    this.checkVariedOnce(varied);
    const fixed = values.map(({ path, value }) => ({ path, value, place: { flag: `--vary ${path}` } }));
    this.raw = varied.reduce(withVaried, fixed.reduce(withoutVaried, this.raw));
    const overrides = [...this.readSets(sets, seed), ...fixed];
    const narrowing = overrides.filter(({ path }) => isMap(this.vary()) && Object.hasOwn(this.vary() as RawMap, path));
    const reshaped =
      varied.length + fixed.length + narrowing.length > 0 || overrides.some(({ path }) => path.startsWith('sweep.'));
    this.raw = narrowing.reduce(withOneValue, withOverrides(this.raw, overrides));
    const finder = new PlaceFinder(this.places, [...overrides, ...varied.map(sweepPlace)]);
    this.checkNames(finder);
    const parsed = this.parse(this.raw, finder);
    if (parsed === undefined) return undefined;
    const { input } = parsed;
    const combinations = this.combinations(input, overrides, finder);
    const points = this.points(combinations, overrides);
    this.checkMetrics(input, metrics, finder);
    this.checkTenants(input, metrics?.filter((name) => tenantMetrics?.includes(name) === false) ?? [], finder);
    if (!reshaped)
      this.checkPointNames(
        input,
        combinations.map((combination) => combination.name),
        finder,
      );
    if (this.problems.length > 0) return undefined;
    return this.scenario(input, points);
  }

  private scenario(input: ScenarioInput, points: readonly ScenarioPoint[]): Scenario {
    const names = new Set(points.map((point) => point.name));
    const known = (name: string | undefined): boolean => name === undefined || names.has(name);
    return {
      name: slug(this.file),
      file: this.file,
      question: input.question.trim(),
      points,
      seeds: seedsOf(input.run),
      table: (input.table ?? []).flatMap((name) => tableMetric(name) ?? []).map(tableName),
      answers: (input.answer ?? []).filter((answer) => pointsOf(answer).every(known)),
      measured: input.measured ?? [],
    };
  }

  private add(problem: Problem): void {
    const key = JSON.stringify(problem);
    if (this.seen.has(key) || this.problems.length > 10 * MAX_PROBLEMS) return;
    this.seen.add(key);
    this.problems.push(problem);
  }

  // ---- flags ---------------------------------------------------------------------------------------------------------
  private readSets(sets: readonly string[], seed: number | undefined): Override[] {
    const overrides = sets.flatMap((set) => this.readSet(set));
    if (seed === undefined) return overrides;
    const place = { flag: '--seed' };
    const seeds = valueAt(this.raw, ['run', 'seeds']);
    const count = Array.isArray(seeds) ? [{ path: 'run.seeds', value: seeds.length, place }] : [];
    return [...overrides, { path: 'run.seed', value: seed, place }, ...count];
  }

  private readSet(set: string): Override[] {
    const split = set.indexOf('=');
    if (split <= 0) {
      this.add({
        place: { flag: `--set ${printable(set)}` },
        message: 'expected path=value, such as machine.walkers=8',
      });
      return [];
    }
    const path = set.slice(0, split).trim();
    const flag = `--set ${printable(path)}`;
    const { value, problems } = parseValue(set.slice(split + 1), flag);
    for (const problem of problems) this.add(problem);
    const error = pathError(scenarioSchema, this.raw, path) ?? this.sweepConflict(path);
    if (error !== undefined) this.add({ place: { flag }, message: error });
    else if (value === null && problems.length === 0)
      this.add({ place: { flag }, message: 'expected a value after =' });
    return error === undefined && value !== null ? [{ path, value, place: { flag } }] : [];
  }

  private readVary(text: string, sets: readonly string[]): Override[] {
    const split = text.indexOf('=');
    if (split <= 0) {
      const place = { flag: `--vary ${printable(text)}` };
      this.add({ place, message: 'expected path=values, such as machine.iotlb.entries=16..1024*2' });
      return [];
    }
    const path = text.slice(0, split).trim();
    const place = { flag: `--vary ${printable(path)}` };
    const error = this.variable(path) ?? (sets.some((set) => set.startsWith(`${path}=`)) ? SET_AND_VARIED : undefined);
    const read = error === undefined ? varyValues(text.slice(split + 1), this.kindOf(path)) : { error };
    if ('error' in read) this.add({ place, message: read.error });
    return 'error' in read ? [] : [{ path, value: read.value, place }];
  }

  private checkVariedOnce(varied: readonly Override[]): void {
    for (const [i, { path, place }] of varied.entries()) {
      const isFirst = varied.findIndex((other) => other.path === path) === i;
      if (!isFirst)
        this.add({ place, message: 'is given twice; expected all values in one flag, with commas between' });
    }
  }

  /** The kind of value that a search may look for at `path`, or why it may not. */
  searchable(path: string): { readonly kind: QuantityKind } | { readonly error: string } {
    const error = this.variable(path);
    if (error !== undefined) return { error };
    const kind = this.kindOf(path);
    return kind === undefined ? { error: 'takes no numbers, so that none is the largest' } : { kind };
  }

  /** Why a path cannot differ from point to point, or undefined. */
  private variable(path: string): string | undefined {
    if (SAME_FOR_ALL.test(path)) return `${path} is the same for all points`;
    return pathError(scenarioSchema, this.raw, path) ?? this.sweepConflict(path);
  }

  private kindOf(path: string): QuantityKind | undefined {
    return quantityKind(scenarioSchema, this.raw, path);
  }

  private vary(): Raw | undefined {
    return valueAt(this.raw, ['sweep', 'vary']);
  }

  private sweepConflict(path: string): string | undefined {
    const cases = valueAt(this.raw, ['sweep', 'cases']);
    if (!isMap(cases)) return undefined;
    const owner = Object.entries(cases).find(([, values]) => isMap(values) && Object.hasOwn(values, path));
    return owner === undefined ? undefined : `the case ${show(owner[0])} of the sweep sets this path itself`;
  }

  // ---- schema ----------------------------------------------------------------------------------------------------------
  /**
   * Checks the types of all values. When some are wrong they are reported and left out of the result (`pruned`), so that
   * the checks that follow still find what else is wrong; undefined when too little remains.
   */
  private parse(raw: Raw, finder: PlaceFinder): Parsed | undefined {
    const pruned: string[] = [];
    let rest = raw;
    for (let attempt = 0; attempt < 12; attempt++) {
      const result = scenarioSchema.safeParse(rest);
      if (result.success) return { input: result.data, pruned };
      const { issues } = result.error;
      // After the first attempt only what the pruning itself broke is left.
      if (attempt === 0)
        for (const issue of issues) for (const problem of explain(issue, raw, finder)) this.add(problem);
      const found = issues.flatMap((issue) => faulty(issue, rest));
      if (pruned.length + found.length > MAX_PRUNED) return undefined;
      for (const keys of found) {
        rest = FILLERS[keys.join('.')] === undefined ? without(rest, keys) : withValue(rest, keys);
        pruned.push(keys.join('.'));
      }
    }
    return undefined;
  }

  /** Names of tenants, devices and cases. */
  private checkNames(finder: PlaceFinder): void {
    const check = (keys: readonly string[], pattern: RegExp, hint: string): void => {
      const section = valueAt(this.raw, keys);
      for (const name of isMap(section) ? Object.keys(section) : []) {
        const place = finder.key([...keys, name].join('.'));
        if (!pattern.test(name)) this.add({ place, message: `${show(name)} is not ${hint}` });
      }
    };
    check(['tenants'], NAME_PATTERN, NAME_HINT);
    check(['sweep', 'cases'], CASE_PATTERN, CASE_HINT);
    const tenants = valueAt(this.raw, ['tenants']);
    for (const tenant of isMap(tenants) ? Object.keys(tenants) : []) {
      check(['tenants', tenant, 'devices'], NAME_PATTERN, NAME_HINT);
    }
    // Other names of tenants are looked up, but for the one that never gets that far.
    const visit = (keys: readonly string[]): void => {
      const section = valueAt(this.raw, keys);
      if (keys.at(-1) === 'minimum') check(keys, CASE_PATTERN, NAME_HINT);
      else if (isMap(section)) for (const key of Object.keys(section)) visit([...keys, key]);
    };
    visit(['machine']);
  }

  // ---- sweep -------------------------------------------------------------------------------------------------------------
  private points(combinations: readonly Combination[], overrides: readonly Override[]): ScenarioPoint[] {
    return combinations.flatMap(({ name, values }) => {
      const raw = withOverrides(this.raw, values);
      const at = new PlaceFinder(this.places, [...overrides, ...values]);
      const parsed = this.parse(raw, at);
      if (parsed === undefined) return [];
      const resolved = resolvePoint(parsed.input, (path, message) => {
        if (!parsed.pruned.some((gone) => related(path, gone))) this.add(at.problem(path, message));
      });
      return [
        {
          name,
          values: Object.fromEntries(values.map(({ path, value }) => [path, plainValue(path, value)])),
          ...resolved,
        },
      ];
    });
  }

  private combinations(input: ScenarioInput, overrides: readonly Override[], finder: PlaceFinder): Combination[] {
    const flags = new Map(overrides.map((override) => [override.path, override]));
    const cases = Object.entries(input.sweep?.cases ?? {});
    const vary = Object.entries(input.sweep?.vary ?? {});
    const usable = vary.filter(([path]) => this.settable(path));
    for (const [name, values] of cases) this.checkSweepPaths(`sweep.cases.${name}`, Object.keys(values ?? {}), finder);
    this.checkSweepPaths(
      'sweep.vary',
      vary.map(([path]) => path),
      finder,
    );
    const count = vary.reduce((product, [, values]) => product * values.length, Math.max(1, cases.length));
    const seeds = seedsOf(input.run).length;
    if (count * seeds > MAX_POINTS) {
      const flag = vary.map(([path]) => finder.value(`sweep.vary.${path}`)).find((place) => 'flag' in place);
      const message = `${count} points of ${seeds} seeds are ${count * seeds} runs, too many; expected at most ${MAX_POINTS}: fewer values, a larger step or fewer seeds`;
      this.add({ place: flag ?? finder.value('sweep'), message });
      return [];
    }
    let all: Combination[] = cases.length === 0 ? [{ name: '', values: [] }] : cases.map((c) => this.caseOf(c, finder));
    const labels = shortLabels(usable.map(([path]) => path));
    for (const [i, [path, values]] of usable.entries()) {
      all = all.flatMap((base) =>
        values.map((value, k) => {
          const place = flags.get(path)?.place ?? finder.value(`sweep.vary.${path}.${k}`);
          const name = `${base.name} ${labels[i]}=${printable(String(value))}`.trim();
          return { name, values: [...base.values, { path, value, place }] };
        }),
      );
    }
    return all;
  }

  private caseOf(
    [name, values]: readonly [string, Readonly<Record<string, Raw>> | null],
    finder: PlaceFinder,
  ): Combination {
    const known = Object.entries(values ?? {}).filter(([path]) => this.settable(path));
    const list = known.map(([path, value]) => {
      return { path, value, place: finder.value(`sweep.cases.${name}.${path}`) };
    });
    return { name, values: list };
  }

  private checkSweepPaths(section: string, paths: readonly string[], finder: PlaceFinder): void {
    for (const path of paths) {
      const error = SAME_FOR_ALL.test(path)
        ? `${path} is the same for all points`
        : pathError(scenarioSchema, this.raw, path);
      if (error !== undefined) this.add({ place: finder.key(join(section, path)), message: error });
    }
  }

  /** Values of a sweep whose path exists: the others are reported already. */
  private settable(path: string): boolean {
    return pathError(scenarioSchema, this.raw, path) === undefined;
  }

  // ---- references to columns and points ----------------------------------------------------------------------------------
  private checkMetrics(input: ScenarioInput, metrics: readonly string[] | undefined, finder: PlaceFinder): void {
    if (metrics === undefined) return;
    const used = [
      ...(input.table ?? []).map((name, i) => [`table.${i}`, tableMetric(name)?.metric ?? name] as const),
      ...(input.answer ?? []).flatMap((answer, i) => this.answerMetrics(answer, i, finder)),
      ...(input.measured ?? []).map(({ metric }, i) => [`measured.${i}.metric`, metric] as const),
    ];
    for (const [path, metric] of used) {
      if (metrics.includes(metric)) continue;
      const hint = didYouMean(metric, metrics) || '; "nestwalk list columns" shows them all';
      this.add(finder.problem(path, `unknown column ${show(metric)}${hint}`));
    }
  }

  /** Columns that an answer names, with their places. */
  private answerMetrics(answer: AnswerInput, i: number, finder: PlaceFinder): (readonly [string, string])[] {
    const { says, metric } = answer;
    if ((says === undefined) === (metric === undefined)) {
      this.add(finder.problem(`answer.${i}`, 'expected either says or metric'));
    }
    if (says === undefined) return metric === undefined ? [] : [[`answer.${i}.metric`, metric]];
    const found = placeholders(says);
    if (found.includes(undefined)) {
      const forms =
        '{metric @ point}, {metric of tenant @ point}, {metric @ point vs other} or {metric @ point over other}';
      this.add(finder.problem(`answer.${i}.says`, `expected placeholders such as ${forms}`));
    }
    return found.flatMap((each) => (each === undefined ? [] : [[`answer.${i}.says`, each.metric] as const]));
  }

  /** What is asked of single tenants. Those of a group with a count are called name-0, name-1, …; a sweep may change the count. */
  private checkTenants(input: ScenarioInput, notByTenant: readonly string[], finder: PlaceFinder): void {
    const names = Object.entries(input.tenants).map(([name, { count }]) => (count === undefined ? name : `${name}-0`));
    const isCopy = (name: string): boolean =>
      /-\d+$/.test(name) && Object.hasOwn(input.tenants, name.replace(/-\d+$/, ''));
    const asked = [
      ...(input.table ?? []).map((name, i) => [`table.${i}`, tableMetric(name)] as const),
      ...(input.answer ?? []).flatMap(({ says }, i) =>
        placeholders(says ?? '').map((each) => [`answer.${i}.says`, each] as const),
      ),
    ];
    for (const [path, each] of asked) {
      if (each?.tenant === undefined) continue;
      const { tenant, metric } = each;
      if (!names.includes(tenant) && !isCopy(tenant)) {
        const hint = didYouMean(tenant, names) || `; expected one of ${names.join(', ')}`;
        this.add(finder.problem(path, `no tenant is called ${show(tenant)}${hint}`));
      }
      if (notByTenant.includes(metric)) this.add(finder.problem(path, `${show(metric)} is not counted by tenant`));
    }
  }

  private checkPointNames(input: ScenarioInput, names: readonly string[], finder: PlaceFinder): void {
    const known = new Set(names);
    if (known.size === 0) return;
    const check = (path: string, name: string | undefined): void => {
      if (name === undefined || known.has(name)) return;
      this.add({ place: finder.key(path), message: `no point is called ${show(name)}${didYouMean(name, names)}` });
    };
    for (const [i, answer] of (input.answer ?? []).entries()) {
      if (answer.overtakes === undefined) check(`answer.${i}.of`, answer.of);
      else this.checkCases(i, answer, input, finder);
      check(`answer.${i}.against`, answer.against);
      for (const each of placeholders(answer.says ?? '')) {
        check(`answer.${i}.says`, each?.point);
        check(`answer.${i}.says`, each?.other);
      }
    }
    for (const [i, { points }] of (input.measured ?? []).entries()) {
      for (const name of Object.keys(points)) check(`measured.${i}.points.${name}`, name);
    }
  }

  /** One case overtakes another: both are cases of the sweep. */
  private checkCases(i: number, answer: AnswerInput, { sweep }: ScenarioInput, finder: PlaceFinder): void {
    const cases = Object.keys(sweep?.cases ?? {});
    for (const key of ['of', 'overtakes'] as const) {
      const name = answer[key];
      if (name !== undefined && cases.includes(name)) continue;
      const path = name === undefined ? `answer.${i}` : `answer.${i}.${key}`;
      const what =
        name === undefined ? `missing "${key}"` : `no case is called ${show(name)}${didYouMean(name, cases)}`;
      this.add(finder.problem(path, what));
    }
  }
}

/** Points that an answer speaks of. */
function pointsOf({ of, against, overtakes, says }: AnswerInput): (string | undefined)[] {
  return [
    overtakes === undefined ? of : undefined,
    against,
    ...placeholders(says ?? '').flatMap((each) => [each?.point, each?.other]),
  ];
}

interface Parsed {
  readonly input: ScenarioInput;
  readonly pruned: readonly string[];
}

/** Wrong values that are left out to look further; each costs a copy of its section. */
const MAX_PRUNED = 50;

/** What stands in for a wrong or missing section without which nothing else could be checked. */
const FILLERS: Readonly<Record<string, Raw>> = { question: '?', run: { requests: 1 } };

/** Keys of the values that an issue is about; of a missing value the section that misses it. */
function faulty(issue: z.core.$ZodIssue, raw: Raw): string[][] {
  const keys = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => [...keys, key]);
  if (keys.length === 1) return [keys];
  return [valueAt(raw, keys) === undefined ? keys.slice(0, -1) : keys];
}

function withValue(raw: Raw, keys: readonly string[]): Raw {
  const path = keys.join('.');
  return withOverrides(raw, [{ path, value: FILLERS[path]!, place: { flag: path } }]);
}

/** A finding about a section of which a part was left out may be an effect of that. */
function related(path: string, gone: string): boolean {
  const parent = (text: string): string => text.slice(0, Math.max(0, text.lastIndexOf('.')));
  const section = parent(path);
  const named = section === 'tenants' || section.endsWith('.devices');
  return (!named && section === parent(gone)) || parent(gone) === path || path.startsWith(`${gone}.`);
}

interface Combination {
  readonly name: string;
  readonly values: readonly Override[];
}

/** A flag for a varied path narrows the sweep to that one value. */
function withOneValue(raw: Raw, { path, value }: Override): Raw {
  const vary: RawMap = Object.assign(Object.create(null), valueAt(raw, ['sweep', 'vary']));
  vary[path] = [value];
  return withOverrides(raw, [{ path: 'sweep.vary', value: vary, place: { flag: '' } }]);
}

/** Values of a flag join the sweep. Its paths hold dots, so that the section is replaced as a whole. */
function withVaried(raw: Raw, { path, value }: Override): Raw {
  const vary: RawMap = Object.assign(Object.create(null), valueAt(raw, ['sweep', 'vary']));
  vary[path] = value;
  return withOverrides(raw, [{ path: 'sweep.vary', value: vary, place: { flag: '' } }]);
}

const withoutVaried = (raw: Raw, { path }: Override): Raw => without(raw, ['sweep', 'vary', path]);

const sweepPlace = ({ path, value, place }: Override): Override => ({ path: `sweep.vary.${path}`, value, place });

/** The last words of the paths, as many as it takes to tell them apart. */
function shortLabels(paths: readonly string[]): string[] {
  return paths.map((path) => {
    const words = path.split('.');
    for (let take = 1; take < words.length; take++) {
      const label = words.slice(-take).join('.');
      if (paths.filter((other) => other === path || other.endsWith(`.${label}`)).length === 1) return label;
    }
    return path;
  });
}

/** Quantities as numbers in the key's unit, so that points can be sorted and drawn. */
function plainValue(path: string, value: Raw): string | number | boolean {
  const dimension = dimensionOf(path.split('.').at(-1)!);
  if (dimension === undefined || typeof value !== 'string') return value as string | number | boolean;
  const parsed = parseQuantity(value, dimension);
  return 'value' in parsed ? parsed.value : value;
}

function seedsOf(run: ScenarioInput['run']): number[] {
  if (Array.isArray(run.seeds)) return [...new Set(run.seeds)];
  return Array.from({ length: run.seeds ?? 1 }, (_, i) => ((run.seed ?? 1) + i) % 2 ** 32);
}
