/**
 * Apple DART per-stream registers: TTBR (table base) and TCR (translation control), T8020-style and T8110-style.
 *
 * Linux drivers/iommu/apple-dart.c; m1n1 proxyclient/m1n1/hw/dart.py, dart8110.py.
 */
import { decodeWords, encodeWords, type FieldValue, type WordLayout } from './words.ts';

/** T8020, T8103, T6000: 16 streams, four TTBRs each (a USB4 variant has 64 streams and TTBRs at 0x400). */
export const DART_T8020 = {
  streams: 16,
  ttbrsPerStream: 4,
  ttbrOffset: (stream: number, n: number): number => 0x200 + 16 * stream + 4 * n,
  tcrOffset: (stream: number): number => 0x100 + 4 * stream,
  ttbr: { valid: [[0, 31, 31]], address: [[0, 30, 0, 12]] },
  tcr: { translate: [[0, 7, 7]], bypassDart: [[0, 8, 8]], bypassDapf: [[0, 12, 12]] },
} as const;

/** T8110: up to 256 streams, one TTBR each, optionally four levels. */
export const DART_T8110 = {
  streams: 256,
  ttbrsPerStream: 1,
  ttbrOffset: (stream: number): number => 0x1400 + 4 * stream,
  tcrOffset: (stream: number): number => 0x1000 + 4 * stream,
  ttbr: { valid: [[0, 0, 0]], address: [[0, 31, 2, 14]] },
  tcr: {
    translate: [[0, 0, 0]],
    bypassDart: [[0, 1, 1]],
    bypassDapf: [[0, 2, 2]],
    fourLevels: [[0, 3, 3]],
    remapEnable: [[0, 7, 7]],
    remap: [[0, 11, 8]],
  },
} as const;

/** A 32-bit register from its fields. */
export function encodeRegister(layout: WordLayout, fields: Readonly<Record<string, FieldValue>>): number {
  return Number(encodeWords(layout, [0n], fields)[0]);
}

export function decodeRegister(layout: WordLayout, value: number): Record<string, bigint> {
  return decodeWords(layout, [BigInt(value)]);
}
