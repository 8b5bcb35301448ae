/** Reading of record fields. Every mistake is a RecordError that names the field and what was expected. */

/** The user's mistake in a record: the message says which field and what is wrong with it. */
export class RecordError extends Error {
  override readonly name = 'RecordError';
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json | undefined };

const U64_MAX = (1n << 64n) - 1n;

export function asObject(value: Json | undefined, name: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RecordError(`${name}: expected an object`);
  return value;
}

export function asArray(value: Json | undefined, name: string): readonly Json[] {
  if (!Array.isArray(value)) throw new RecordError(`${name}: expected an array`);
  return value;
}

export function asString(value: Json | undefined, name: string): string {
  if (typeof value !== 'string') throw new RecordError(`${name}: expected a string`);
  return value;
}

/** A 64-bit value, "0x…". */
export function asHex(value: Json | undefined, name: string): bigint {
  if (typeof value !== 'string' || !/^0x[0-9a-fA-F]{1,16}$/.test(value)) {
    throw new RecordError(`${name}: expected a 64-bit hex string "0x…", got ${JSON.stringify(value) ?? 'nothing'}`);
  }
  return BigInt(value);
}

/** An integer in [low, high]. */
export function asInteger(value: Json | undefined, name: string, low: number, high: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < low || value > high) {
    throw new RecordError(`${name}: expected an integer ${low}..${high}, got ${JSON.stringify(value) ?? 'nothing'}`);
  }
  return value;
}

/** A JSON flag: 0, 1, true or false. */
export function asFlag(value: Json | undefined, name: string): boolean {
  if (value === 0 || value === false) return false;
  if (value === 1 || value === true) return true;
  throw new RecordError(`${name}: expected 0 or 1, got ${JSON.stringify(value) ?? 'nothing'}`);
}

/** A 64-bit value written as a hex string or a plain integer. */
export function asU64(value: Json | undefined, name: string): bigint {
  if (typeof value === 'number') return BigInt(asInteger(value, name, 0, Number.MAX_SAFE_INTEGER));
  return asHex(value, name);
}

export function hex(value: bigint): string {
  return `0x${(value & U64_MAX).toString(16)}`;
}
