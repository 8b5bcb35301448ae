/** A scenario as a search sees it: cases side by side, each with a quantity that can take any value of its axis. */
import { freemem } from 'node:os';
import { METRICS } from '../../report/columns/files.ts';
import { type Axis, parseAxis } from '../../scenario/axis.ts';
import { refusals } from '../../scenario/estimate.ts';
import { specOf } from '../../scenario/expand.ts';
import { loadScenario, type Scenario, searchableKind } from '../../scenario/load.ts';
import { problemLines, UserError } from '../../scenario/problem.ts';
import { dimensionOf, parseQuantity, printable } from '../../scenario/units.ts';
import { type Scalar, varyValues } from '../../scenario/vary.ts';
import type { RunSpec } from '../../spec.ts';
import type { ScenarioArguments } from '../options.ts';

const MEMORY_SHARE = 0.85;
/** Values of a first quantity that is given as a range without steps. */
const FIRST_VALUES = 7;
const MAX_CASES = 200;
const SEEDS = 2 ** 32;

/** `path=text` of a flag. Throws UserError. */
function split(flag: string): { readonly path: string; readonly text: string; readonly place: string } {
  const at = flag.indexOf('=');
  if (at <= 0) throw new UserError(`--vary ${printable(flag)}: expected path=lo..hi, such as machine.walkers=1..64`);
  const path = flag.slice(0, at).trim();
  return { path, text: flag.slice(at + 1), place: `--vary ${printable(path)}` };
}

/** The quantity that is searched. Throws UserError. */
export function readAxis(scenario: string, flag: string): Axis {
  const { path, text, place } = split(flag);
  const found = searchableKind(scenario, path);
  if ('error' in found) throw new UserError(`${place}: ${found.error}`);
  const axis = parseAxis(path, text, found.kind);
  if ('error' in axis) throw new UserError(`${place}: ${axis.error}`);
  return axis.value;
}

/** A first quantity: each of its values becomes a case. */
export interface First {
  readonly path: string;
  readonly values: readonly Scalar[];
  /** Its numbers, where it has some: the frontier's other axis. */
  readonly numbers: readonly (number | undefined)[];
}

/** Values of a list or stepped range, or a few of a plain range. Throws UserError. */
export function readFirst(scenario: string, flag: string): First {
  const { path, text, place } = split(flag);
  const found = searchableKind(scenario, path);
  const kind = 'kind' in found ? found.kind : undefined;
  const axis = kind === undefined || text.includes(',') ? undefined : parseAxis(path, text, kind);
  if (axis !== undefined && 'value' in axis && !/[*+]/.test(text)) {
    const { lo, hi } = axis.value;
    const numbers = [lo, ...axis.value.between(lo, hi, FIRST_VALUES - 2), hi];
    return { path, numbers, values: numbers.map((number) => axis.value.value(number)) };
  }
  const values = varyValues(text, kind);
  if ('error' in values) throw new UserError(`${place}: ${values.error}`);
  return { path, values: values.value, numbers: values.value.map((value) => numberOf(value, path)) };
}

/** A quantity's number in the unit of its key; undefined for words. */
function numberOf(value: Scalar, path: string): number | undefined {
  if (typeof value === 'number') return value;
  const dimension = dimensionOf(path.split('.').at(-1)!);
  const read = dimension === undefined ? { error: '' } : parseQuantity(String(value), dimension);
  return 'value' in read ? read.value : undefined;
}

/** One search: a point of the scenario with one value of the first quantity. */
export interface WhatifCase {
  readonly name: string;
  readonly at?: number | undefined;
  readonly place: { readonly first: number; readonly point: number };
}

export class WhatifScenario {
  readonly name: string;
  readonly file: string;
  readonly question: string;
  readonly seeds: readonly number[];
  readonly cases: readonly WhatifCase[];
  private readonly args: ScenarioArguments;
  private readonly axis: Axis;
  private readonly first: First | undefined;
  private readonly loaded = new Map<string, Scenario>();

  /** Throws UserError when the scenario has mistakes at the start of the range. */
  constructor(args: ScenarioArguments, axis: Axis, first: First | undefined) {
    if (first?.path === axis.path) throw new UserError(`--vary ${axis.path}: is given twice; expected two quantities`);
    this.args = args;
    this.axis = axis;
    this.first = first;
    const start = this.load(0, axis.lo);
    this.name = start.name;
    this.file = start.file;
    this.question = start.question;
    this.seeds = start.seeds;
    this.cases = this.listCases(start);
  }

  /** Whatever can be found wrong before the work: both ends of the range and the first steps from each, for every case. */
  check(budget: { readonly mostSeeds: number; readonly parallel: number }): void {
    const { axis } = this;
    const { lo, hi } = axis;
    const inner = axis.between(lo, hi, 3);
    const values = [lo, hi, ...axis.between(lo, Math.min(hi, inner[0] ?? hi), 1), ...inner];
    for (const first of (this.first?.values ?? [undefined]).keys()) for (const x of values) this.load(first, x);
    const memoryBytes = freemem() * MEMORY_SHARE;
    const specs = this.cases.flatMap((_, search) => [lo, hi].map((x) => this.spec(search, x, 0)));
    const refused = refusals(specs, {
      memoryBytes,
      diskBytes: Infinity, // of each run a row remains
      threads: Math.min(budget.parallel, specs.length * budget.mostSeeds),
    });
    if (refused.length > 0) throw new UserError(refused);
  }

  /** The run of a case at a value, with its n-th seed; more seeds than the scenario names follow its largest. */
  spec(search: number, x: number, seed: number): RunSpec {
    const { first, point } = this.cases[search].place;
    const scenario = this.load(first, x);
    const name = `${this.cases[search].name} ${this.axis.path.split('.').at(-1)}=${this.axis.value(x)}`.trim();
    const values = { ...scenario.points[point].values, ...this.firstValue(first), [this.axis.path]: x };
    return specOf(scenario, { ...scenario.points[point], name, values }, this.seedAt(seed));
  }

  specsAtStart(): RunSpec[] {
    return this.cases.map((_, search) => this.spec(search, this.axis.lo, 0));
  }

  private seedAt(ordinal: number): number {
    const { seeds } = this;
    return seeds[ordinal] ?? (Math.max(...seeds) + 1 + ordinal - seeds.length) % SEEDS;
  }

  private firstValue(first: number): Record<string, Scalar> {
    if (this.first === undefined) return {};
    return { [this.first.path]: this.first.numbers[first] ?? this.first.values[first] };
  }

  private listCases(start: Scenario): WhatifCase[] {
    const { first } = this;
    const values = first?.values ?? [undefined];
    if (values.length * start.points.length > MAX_CASES) {
      throw new UserError(
        `--vary: ${values.length * start.points.length} searches are too many; expected at most ${MAX_CASES}`,
      );
    }
    return values.flatMap((value, i) =>
      start.points.map(({ name }, point) => {
        const own = first === undefined ? '' : `${first.path.split('.').at(-1)}=${printable(String(value))}`;
        return { name: `${name} ${own}`.trim(), at: first?.numbers[i], place: { first: i, point } };
      }),
    );
  }

  /** Throws UserError with what is wrong at this value, and the remedy when only some values are possible. */
  private load(first: number, x: number): Scenario {
    const key = `${first} ${x}`;
    const known = this.loaded.get(key);
    if (known !== undefined) return known;
    const { path } = this.axis;
    const value = this.axis.value(x);
    const before = this.first === undefined ? [] : [{ path: this.first.path, value: this.first.values[first] }];
    const { scenario: file, set, seed } = this.args;
    const values = [...before, { path, value }];
    const loaded = loadScenario(file, { sets: set, metrics: METRICS, values, ...(seed === undefined ? {} : { seed }) });
    if (!loaded.ok) {
      const remedy = `the search would try ${path}=${value}; if only some values are possible, give lo..hi*factor or lo..hi+step`;
      throw new UserError([...problemLines(loaded.problems), remedy]);
    }
    this.loaded.set(key, loaded.scenario);
    return loaded.scenario;
  }
}
