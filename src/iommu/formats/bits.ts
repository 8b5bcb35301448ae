/** Bit masks by the manuals' notation: bits(51, 12) = 51:12. */
export function bits(high: number, low: number): bigint {
  return ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
}

export function bit(position: number): bigint {
  return 1n << BigInt(position);
}

/** Mask with bit n set for every listed log2 size. */
export function sizes(...log2: number[]): bigint {
  return log2.reduce((mask, size) => mask | bit(size), 0n);
}

/** Position of the lowest set bit; -1 for 0. */
export function lowestBit(mask: bigint): number {
  if (mask === 0n) return -1;
  let position = 0;
  while (((mask >> BigInt(position)) & 1n) === 0n) position++;
  return position;
}

/** The requested leaf sizes, or all that the format has. Throws RangeError when none is left. */
export function allowedSizes(legal: bigint, requested: bigint | undefined): bigint {
  const allowed = requested === undefined ? legal : legal & requested;
  if (allowed === 0n) throw new RangeError(`no leaf size of this format in mask 0x${(requested ?? 0n).toString(16)}`);
  return allowed;
}

/** Checks a number of levels. */
export function levelsIn(value: number | undefined, fallback: number, allowed: readonly number[]): number {
  const levels = value ?? fallback;
  if (!allowed.includes(levels)) throw new RangeError(`levels ${levels}: expected one of ${allowed.join(', ')}`);
  return levels;
}
