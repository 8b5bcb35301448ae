/**
 * Compares a record's results with those found in the file it came from. Only fields that the file has are compared; what
 * FORMAT.md calls policy (kernel warnings, numbers of table pages, tables without leaves) is not.
 */
import { asArray, asObject, type Json, type JsonObject } from './fields.ts';

/** Everything in an operation but its results. */
const OPERATION_INPUTS = new Set(['op', 'iova', 'paddr', 'size', 'pgsize', 'pgcount', 'prot', 'warn', 'tables']);
const POLICY_FIELDS = new Set(['live_table_pages', 'tables']);
const RESULT_FIELDS = ['ret', 'out', 'root', 'context', 'dir', 'index', 'tables'] as const;

/** One line for each difference: where, what the file says, what this program got. */
export function compareRecords(expected: JsonObject, actual: JsonObject): string[] {
  if (expected.fmt !== undefined) return compareTables(expected, actual);
  if (expected.mem !== undefined) return compareWalks(expected, actual);
  return RESULT_FIELDS.flatMap((field) => compareValue(field, expected[field], actual[field]));
}

function compareValue(where: string, expected: Json | undefined, actual: Json | undefined): string[] {
  if (expected === undefined || canonical(expected) === canonical(actual)) return [];
  return [`${where}: expected ${JSON.stringify(expected)}, got ${JSON.stringify(actual) ?? 'nothing'}`];
}

/** JSON with sorted keys. */
function canonical(value: Json | undefined): string | undefined {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  const keys = Object.keys(value).sort();
  return `{${keys.map((key) => `"${key}":${canonical(value[key])}`).join(',')}}`;
}

function compareFields(where: string, expected: JsonObject, actual: JsonObject, skip: ReadonlySet<string>): string[] {
  const keys = Object.keys(expected).filter((key) => !skip.has(key));
  return keys.flatMap((key) => compareValue(`${where}.${key}`, expected[key], actual[key]));
}

function compareTables(expected: JsonObject, actual: JsonObject): string[] {
  const differences: string[] = [];
  if (expected.init !== undefined) {
    differences.push(
      ...compareFields('init', asObject(expected.init, 'init'), asObject(actual.init, 'init'), POLICY_FIELDS),
    );
  }
  const ours = asArray(actual.ops, 'ops');
  asArray(expected.ops, 'ops').forEach((op, i) => {
    const [theirs, mine] = [asObject(op, `ops[${i}]`), asObject(ours[i], `ops[${i}]`)];
    differences.push(...compareFields(`ops[${i}]`, theirs, mine, OPERATION_INPUTS));
    if (theirs.tables !== undefined) differences.push(...compareDumps(`ops[${i}]`, theirs.tables, mine.tables));
  });
  if (expected.final === undefined) return differences;
  const [theirs, mine] = [asObject(expected.final, 'final'), asObject(actual.final, 'final')];
  differences.push(...compareFields('final', theirs, mine, POLICY_FIELDS));
  if (theirs.tables !== undefined) differences.push(...compareDumps('final', theirs.tables, mine.tables));
  return differences;
}

interface FlatDump {
  /** "root/path/index" → raw leaf value. */
  readonly leaves: Map<string, bigint>;
  /** The same for table entries that have a leaf below them. */
  readonly tables: Map<string, string>;
}

function compareDumps(where: string, expected: Json | undefined, actual: Json | undefined): string[] {
  if (JSON.stringify(expected) === JSON.stringify(actual)) return [];
  const [theirs, mine] = [flatten(expected, where), flatten(actual, where)];
  const show = (value: bigint | undefined): string => (value === undefined ? 'nothing' : `0x${value.toString(16)}`);
  return [
    ...compareMaps(`${where} leaf`, theirs.leaves, mine.leaves, show),
    ...compareMaps(`${where} table entry`, theirs.tables, mine.tables, (value) => value ?? 'nothing'),
  ];
}

function compareMaps<T>(
  where: string,
  theirs: Map<string, T>,
  mine: Map<string, T>,
  show: (value: T | undefined) => string,
): string[] {
  const differences: string[] = [];
  for (const [key, value] of theirs) {
    if (mine.get(key) !== value)
      differences.push(`${where} ${key}: expected ${show(value)}, got ${show(mine.get(key))}`);
  }
  for (const [key, value] of mine) {
    if (!theirs.has(key)) differences.push(`${where} ${key}: expected nothing, got ${show(value)}`);
  }
  return differences;
}

function flatten(dump: Json | undefined, where: string): FlatDump {
  const leaves = new Map<string, bigint>();
  const flags = new Map<string, string>();
  const used = new Set<string>();
  for (const item of asArray(dump, `${where}.tables`)) {
    const table = asObject(item, `${where}.tables`);
    const path = asArray(table.path, 'path') as readonly number[];
    const prefix = `${table.root as number}/${path.join(',')}`;
    let any = false;
    for (const entry of asArray(table.e, 'e')) {
      const [kind, index, value, count, stride] = asArray(entry, 'e') as [string, number, string, number?, string?];
      if (kind === 'T') {
        flags.set(`${table.root as number}/${[...path, index].join(',')}`, value);
        continue;
      }
      any = true;
      const step = stride === undefined ? 0n : stride.startsWith('-') ? -BigInt(stride.slice(1)) : BigInt(stride);
      const first = BigInt(value);
      for (let i = 0; i < (count ?? 1); i++)
        leaves.set(`${prefix}/${index + i}`, BigInt.asUintN(64, first + BigInt(i) * step));
    }
    if (any) markPath(used, table.root as number, path);
  }
  return { leaves, tables: new Map([...flags].filter(([key]) => used.has(key))) };
}

/** Every table entry on the way to a table with leaves is in use. */
function markPath(used: Set<string>, root: number, path: readonly number[]): void {
  for (let length = path.length; length > 0; length--) used.add(`${root}/${path.slice(0, length).join(',')}`);
}

function compareWalks(expected: JsonObject, actual: JsonObject): string[] {
  const mine = asArray(actual.walks, 'walks');
  return asArray(expected.walks, 'walks').flatMap((item, i) => {
    const [walk, ours] = [asObject(item, `walks[${i}]`), asObject(mine[i], `walks[${i}]`)];
    const where = `walks[${i}] ${walk.iova as string} ${walk.access as string}`;
    return [
      ...compareValue(`${where}.ret`, walk.ret, ours.ret),
      ...compareValue(`${where}.fault`, walk.fault, ours.fault),
    ];
  });
}
