/**
 * VT-d PASID directory and PASID table entries (scalable mode).
 *
 * VT-d specification 4.1, sections 9.5 and 9.6; Linux drivers/iommu/intel/pasid.c intel_pasid_setup_*.
 */
import { encodeWords, type FieldValue, zeroWords } from './words.ts';

export const PASID_ENTRY_WORDS = 8;
const TABLE_INDEX_BITS = 6;

export const PASID_DIRECTORY_LAYOUT = { P: [[0, 0, 0]], FPD: [[0, 1, 1]], table: [[0, 63, 12, 12]] } as const;

export const PASID_LAYOUT = {
  P: [[0, 0, 0]],
  FPD: [[0, 1, 1]],
  AW: [[0, 4, 2]],
  PGTT: [[0, 8, 6]],
  secondStage: [[0, 63, 12, 12]],
  DID: [[1, 15, 0]],
  PWSNP: [[1, 23, 23]],
  PGSNP: [[1, 24, 24]],
  SRE: [[2, 0, 0]],
  FSPM: [[2, 3, 2]],
  WPE: [[2, 4, 4]],
  NXE: [[2, 5, 5]],
  firstStage: [[2, 63, 12, 12]],
} as const;

/** PASID granular translation types. */
export const PGTT_FIRST = 1;
export const PGTT_SECOND = 2;
export const PGTT_NESTED = 3;
export const PGTT_PASS_THROUGH = 4;

export function directoryIndex(pasid: number): number {
  return pasid >>> TABLE_INDEX_BITS;
}

export function tableIndex(pasid: number): number {
  return pasid & ((1 << TABLE_INDEX_BITS) - 1);
}

export function encodePasidEntry(fields: { readonly [K in keyof typeof PASID_LAYOUT]?: FieldValue }): bigint[] {
  return encodeWords(PASID_LAYOUT, zeroWords(PASID_ENTRY_WORDS), fields);
}
