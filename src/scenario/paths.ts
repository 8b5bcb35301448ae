/** Values by path (`machine.iotlb.entries`): which paths exist, and trees with some of their values replaced. */
import type { z } from 'zod';
import { join, type Places, type Raw, type RawMap } from './document.ts';
import { didYouMean, type Place, type Problem } from './problem.ts';
import { show } from './units.ts';

/** One value put at a path, by a flag or by the sweep. */
export interface Override {
  readonly path: string;
  readonly value: Raw;
  readonly place: Place;
}

type Schema = z.core.$ZodType;
interface Def {
  readonly type: string;
  readonly shape?: Readonly<Record<string, Schema>>;
  readonly innerType?: Schema;
  readonly valueType?: Schema;
  readonly in?: Schema;
  readonly element?: Schema;
  readonly options?: readonly Schema[];
  readonly discriminator?: string;
}
const defOf = (schema: Schema): Def => schema._zod.def;

/** The schema below optional, nullable and transformed ones; of a union of sections the one that `raw` names. */
function unwrap(schema: Schema, raw: Raw | undefined): Schema {
  const def = defOf(schema);
  if (def.innerType !== undefined) return unwrap(def.innerType, raw);
  if (def.type === 'pipe') return unwrap(def.in!, raw);
  if (def.type === 'union' && def.discriminator !== undefined) {
    const wanted = isMap(raw) ? raw[def.discriminator] : undefined;
    return def.options!.find((option) => discriminatorOf(option, def.discriminator!) === wanted) ?? schema;
  }
  return schema;
}

function discriminatorOf(option: Schema, key: string): unknown {
  const literal = defOf(option).shape?.[key];
  return literal === undefined ? undefined : (literal._zod.def as unknown as { values: unknown[] }).values[0];
}

/** Keys that may stand in the section at `path`; empty where any name may. */
export function knownKeys(root: Schema, raw: Raw, path: string): string[] {
  let schema = unwrap(root, raw);
  let value: Raw | undefined = raw;
  for (const key of path === '' ? [] : path.split('.')) {
    const next = childSchema(schema, key);
    if (next === undefined) return [];
    value = childValue(value, key);
    schema = unwrap(next, value);
  }
  const def = defOf(schema);
  if (def.type === 'union') return [def.discriminator!].filter((key) => key !== undefined);
  return Object.keys(def.shape ?? {});
}

function childSchema(schema: Schema, key: string): Schema | undefined {
  const def = defOf(schema);
  if (def.shape !== undefined) return Object.hasOwn(def.shape, key) ? def.shape[key] : undefined;
  return def.valueType ?? def.element;
}

export const isMap = (raw: Raw | undefined): raw is RawMap =>
  typeof raw === 'object' && raw !== null && !Array.isArray(raw);

function childValue(raw: Raw | undefined, key: string): Raw | undefined {
  if (Array.isArray(raw)) return raw[Number(key)];
  return isMap(raw) && Object.hasOwn(raw, key) ? raw[key] : undefined;
}

export function valueAt(raw: Raw, keys: readonly string[]): Raw | undefined {
  return keys.reduce<Raw | undefined>(childValue, raw);
}

/** The schema of the value at `path`, inside optional and transformed ones; undefined where no such path exists. */
export function schemaAt(root: Schema, raw: Raw, path: string): Schema | undefined {
  let schema: Schema | undefined = unwrap(root, raw);
  let value: Raw | undefined = raw;
  for (const key of path.split('.')) {
    const next = childSchema(schema, key);
    if (next === undefined) return undefined;
    value = childValue(value, key);
    schema = unwrap(next, value);
  }
  return schema;
}

/** What is wrong with a path that a flag or the sweep wants to set, or undefined. */
export function pathError(root: Schema, raw: Raw, path: string): string | undefined {
  let schema = unwrap(root, raw);
  let value: Raw | undefined = raw;
  let done = '';
  for (const key of path.split('.')) {
    const where = done === '' ? 'a scenario' : done;
    const def = defOf(schema);
    // What holds single values by name takes new names; they are checked where they mean something.
    if (isOfSections(def, value) && (!isMap(value) || !Object.hasOwn(value, key))) {
      return `there is no ${show(key)} in ${where}${didYouMean(key, isMap(value) ? Object.keys(value) : [])}`;
    }
    if (def.type === 'array' && (!Array.isArray(value) || !/^\d+$/.test(key) || Number(key) >= value.length)) {
      return `${where} is a list; expected a position from 0 to ${Array.isArray(value) ? value.length - 1 : 0}`;
    }
    const next = childSchema(schema, key);
    if (next === undefined) {
      const known = knownKeys(root, raw, done);
      if (known.length === 0) return `${where} is a single value and has no ${show(key)}`;
      return `unknown path ${show(path)}: ${where} has no ${show(key)}${didYouMean(key, known) || `; expected one of ${known.join(', ')}`}`;
    }
    value = childValue(value, key);
    schema = unwrap(next, value);
    done = join(done, key);
  }
  return undefined;
}

function isOfSections({ type, valueType }: Def, value: Raw | undefined): boolean {
  if (type !== 'record') return false;
  const { shape, type: of } = defOf(unwrap(valueType!, value));
  return shape !== undefined || of === 'record';
}

/** Values of which one alone may be given: setting one takes the place of the other. */
const EXCLUSIVE: Readonly<Record<string, string>> = {
  'run.requests': 'run.durationNs',
  'run.durationNs': 'run.requests',
};

/** A copy of `raw` with the overrides put in; what is not on their paths is shared. */
export function withOverrides(raw: Raw, overrides: readonly Override[]): Raw {
  const given = new Set(overrides.map((override) => override.path));
  let result = raw;
  for (const { path, value } of overrides) {
    result = put(result, path.split('.'), value);
    const other = Object.hasOwn(EXCLUSIVE, path) ? EXCLUSIVE[path] : undefined;
    if (other !== undefined && !given.has(other)) result = without(result, other.split('.'));
  }
  return result;
}

function put(raw: Raw | undefined, keys: readonly string[], value: Raw): Raw {
  if (keys.length === 0) return value;
  const [key, ...rest] = keys as [string, ...string[]];
  if (Array.isArray(raw)) return raw.map((item, i) => (i === Number(key) ? put(item, rest, value) : item));
  const copy: RawMap = Object.assign(Object.create(null), isMap(raw) ? raw : {});
  copy[key] = put(copy[key], rest, value);
  return copy;
}

/** A copy of `raw` without the value at `keys`. */
export function without(raw: Raw, keys: readonly string[]): Raw {
  const [key, ...rest] = keys as [string, ...string[]];
  if (Array.isArray(raw)) {
    return rest.length === 0
      ? raw.filter((_, i) => i !== Number(key))
      : raw.map((item, i) => (i === Number(key) ? without(item, rest) : item));
  }
  if (!isMap(raw) || !Object.hasOwn(raw, key)) return raw;
  const copy: RawMap = Object.assign(Object.create(null), raw);
  if (rest.length === 0) delete copy[key];
  else copy[key] = without(copy[key], rest);
  return copy;
}

/** Finds places: of an override first, else in the file, else of the nearest section around. */
export class PlaceFinder {
  private readonly places: Places;
  private readonly overrides: ReadonlyMap<string, Place>;

  constructor(places: Places, overrides: readonly Override[] = []) {
    this.places = places;
    this.overrides = new Map(overrides.map(({ path, place }) => [path, place]));
  }

  /** Place of the value at `path`. */
  value(path: string): Place {
    return this.find(path, this.places.values);
  }

  /** Place of the key that `path` ends with. */
  key(path: string): Place {
    return this.overrides.get(path) ?? this.places.keys.get(path) ?? this.value(path);
  }

  private find(path: string, places: ReadonlyMap<string, Place>): Place {
    for (const prefix of prefixes(path)) {
      const place = this.overrides.get(prefix);
      if (place !== undefined) return place;
    }
    for (const prefix of prefixes(path)) {
      const place = places.get(prefix);
      if (place !== undefined) return place;
    }
    return { flag: path };
  }

  problem(path: string, message: string): Problem {
    return { place: this.value(path), message };
  }
}

function* prefixes(path: string): Generator<string> {
  for (let end = path.length; end > 0; end = path.lastIndexOf('.', end - 1)) yield path.slice(0, end);
  yield '';
}
