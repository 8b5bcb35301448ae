/**
 * A run's result as JSON that gives back every number exactly: Float64Arrays are kept with runs of zeros folded (histograms and
 * counters are mostly zeros), and numbers that JSON does not know are written as words. The spec is not in it: whoever asks has it.
 */
import type { RunSpec } from '../spec.ts';
import type { RunResult } from '../stats/result.ts';

const ARRAY = '$f64';
const NUMBER = '$number';

/** Text of the result without its spec. */
export function encodeResult({ spec: _, ...result }: RunResult): string {
  return JSON.stringify(result, (_key, value: unknown) => encoded(value));
}

/** The result again. Throws SyntaxError or TypeError for text that `encodeResult` has not written. */
export function decodeResult(text: string, spec: RunSpec): RunResult {
  const result = JSON.parse(text, (_key, value: unknown) => decoded(value)) as RunResult;
  if (!Array.isArray(result.devices) || !Number.isFinite(result.measuredPs)) throw new TypeError('not a result');
  return { ...result, spec };
}

function encoded(value: unknown): unknown {
  if (value instanceof Float64Array) return { [ARRAY]: folded(value) };
  // JSON would write it as an object without a word.
  if (ArrayBuffer.isView(value))
    throw new TypeError(`a result holds a ${value.constructor.name}, which cannot be kept`);
  if (typeof value !== 'number' || (Number.isFinite(value) && !Object.is(value, -0))) return value;
  return { [NUMBER]: Object.is(value, -0) ? '-0' : String(value) };
}

function decoded(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (ARRAY in value) return unfolded(value[ARRAY] as (number | [number] | string)[]);
  return NUMBER in value ? Number(value[NUMBER]) : value;
}

/** Values; `[n]` stands for n zeros, words for numbers that JSON does not know. */
function folded(array: Float64Array): (number | [number] | string)[] {
  const out: (number | [number] | string)[] = [];
  for (let i = 0; i < array.length; i++) {
    const start = i;
    while (i < array.length && Object.is(array[i], 0)) i++;
    if (i > start) out.push([i - start]);
    if (i < array.length) out.push(Number.isFinite(array[i]) && !Object.is(array[i], -0) ? array[i] : wordOf(array[i]));
  }
  return out;
}

const wordOf = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));

function unfolded(items: readonly (number | [number] | string)[]): Float64Array {
  const length = items.reduce<number>((sum, item) => sum + (Array.isArray(item) ? item[0] : 1), 0);
  const array = new Float64Array(length);
  let at = 0;
  for (const item of items) {
    if (Array.isArray(item)) at += item[0];
    else array[at++] = Number(item);
  }
  return array;
}
