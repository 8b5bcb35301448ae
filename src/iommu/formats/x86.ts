/** What the two x86-64 shaped first-stage formats share: entries of Intel SDM volume 3A, section 4.5. */
import { bit, bits } from './bits.ts';
import type { EntryField, LevelRule } from './format.ts';

export const P = bit(0);
export const RW = bit(1);
export const US = bit(2);
export const A = bit(5);
export const D = bit(6);
export const PS = bit(7);
export const XD = bit(63);
export const ADDRESS = bits(51, 12);

/** Level records: leaves 4 KiB, 2 MiB (level 1) and 1 GiB (level 2) by PS; above that PS is reserved. */
export function x86Level(level: number, tableBits: bigint, reserved: bigint): LevelRule {
  if (level === 0) return { leafMask: P, tableBits, leafBits: 0n, reservedLeaf: reserved };
  if (level > 2) return { leafMask: 0n, tableBits, leafBits: 0n, reservedTable: reserved | PS };
  const offset = level === 1 ? bits(20, 13) : bits(29, 13); // bit 12 is PAT
  return { leafMask: PS, tableBits, leafBits: PS, reservedTable: reserved, reservedLeaf: reserved | offset };
}

export const X86_FIELDS: readonly EntryField[] = [
  { name: 'P', high: 0, low: 0 },
  { name: 'R/W', high: 1, low: 1 },
  { name: 'U/S', high: 2, low: 2 },
  { name: 'PWT', high: 3, low: 3 },
  { name: 'PCD', high: 4, low: 4 },
  { name: 'A', high: 5, low: 5 },
  { name: 'D', high: 6, low: 6, kind: 'leaf' },
  { name: 'PS', high: 7, low: 7 },
  { name: 'G', high: 8, low: 8, kind: 'leaf' },
  { name: 'address', high: 51, low: 12 },
  { name: 'NX', high: 63, low: 63 },
];
