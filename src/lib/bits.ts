/** Integer helpers that stay exact above 2^32: page numbers and byte addresses are integers in doubles. */

/** Smallest power of two ≥ `n`, for 1 ≤ n ≤ 2^52. */
export function roundUpPowerOfTwo(n: number): number {
  if (n <= 0x40000000) return n <= 1 ? 1 : 1 << (32 - Math.clz32(n - 1));
  let power = 0x40000000;
  while (power < n) power *= 2;
  return power;
}

/** ⌈log2 n⌉ for 1 ≤ n ≤ 2^52 (Linux's order_base_2). */
export function log2Ceil(n: number): number {
  if (n <= 0x40000000) return n <= 1 ? 0 : 32 - Math.clz32(n - 1);
  let log2 = 30;
  for (let power = 0x40000000; power < n; power *= 2) log2++;
  return log2;
}

/** True for 1, 2, 4, … up to 2^52. */
export function isPowerOfTwo(n: number): boolean {
  return n >= 1 && roundUpPowerOfTwo(n) === n;
}

/** `n` rounded down to a multiple of `unit` (any positive integer). */
export function alignDown(n: number, unit: number): number {
  return Math.floor(n / unit) * unit;
}

/** `n` rounded up to a multiple of `unit` (any positive integer). */
export function alignUp(n: number, unit: number): number {
  return Math.ceil(n / unit) * unit;
}

/** 2^`exponent` for 0 ≤ exponent ≤ 52 (the operator of powers is banned from code whose bits must never differ). */
export function powerOfTwo(exponent: number): number {
  return exponent < 31 ? (1 << exponent) >>> 0 : (1 << (exponent - 30)) * 0x40000000;
}
