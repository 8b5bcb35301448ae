/**
 * Hardware records as data: a field is one or more bit ranges of 64-bit words. One encoder and one decoder serve all
 * structures of this folder.
 */

/** Bits high:low of a word hold the value's bits from `from` (default 0) on. */
export type Part = readonly [word: number, high: number, low: number, from?: number];
export type WordLayout = Readonly<Record<string, readonly Part[]>>;
export type FieldValue = bigint | number | boolean;

function widthMask(high: number, low: number): bigint {
  return (1n << BigInt(high - low + 1)) - 1n;
}

/**
 * Writes fields into `words`, replacing what they held. Throws RangeError if a value has bits that its field does not.
 */
export function encodeWords<L extends WordLayout>(
  layout: L,
  words: readonly bigint[],
  values: { readonly [K in keyof L]?: FieldValue },
): bigint[] {
  const out = [...words];
  for (const name of Object.keys(values)) {
    const value = BigInt(values[name]!);
    let left = value;
    for (const [word, high, low, from = 0] of layout[name]) {
      const mask = widthMask(high, low);
      const bits = (value >> BigInt(from)) & mask;
      out[word] = (out[word] & ~(mask << BigInt(low))) | (bits << BigInt(low));
      left &= ~(mask << BigInt(from));
    }
    if (left !== 0n) throw new RangeError(`${name}: 0x${value.toString(16)} does not fit the field`);
  }
  return out;
}

export function decodeWords<L extends WordLayout>(layout: L, words: readonly bigint[]): { [K in keyof L]: bigint } {
  const values: Record<string, bigint> = {};
  for (const name of Object.keys(layout)) {
    values[name] = layout[name].reduce(
      (value, [word, high, low, from = 0]) =>
        value | (((words[word] >> BigInt(low)) & widthMask(high, low)) << BigInt(from)),
      0n,
    );
  }
  return values as { [K in keyof L]: bigint };
}

export function zeroWords(count: number): bigint[] {
  return new Array<bigint>(count).fill(0n);
}

/** 64-bit words as 32-bit ones, low half first. */
export function halves(words: readonly bigint[]): bigint[] {
  return words.flatMap((word) => [word & 0xffffffffn, word >> 32n]);
}
