/**
 * VT-d fault recording registers and page request descriptors.
 *
 * VT-d specification 4.1, sections 7.1.3, 7.5.1 and 11.4.14; Linux drivers/iommu/intel/dmar.c (fault_reason strings), svm.c.
 */
import { decodeWords, encodeWords, type FieldValue, zeroWords } from './words.ts';

export const FAULT_LAYOUT = {
  address: [[0, 63, 12, 12]],
  SID: [[1, 15, 0]],
  PP: [[1, 31, 31]],
  reason: [[1, 39, 32]],
  PASID: [[1, 59, 40]],
  /** 1 = read. */
  T: [[1, 62, 62]],
  F: [[1, 63, 63]],
} as const;

/** Fault reasons of second-stage and legacy translation. */
export const REASON_ROOT_NOT_PRESENT = 1;
export const REASON_CONTEXT_NOT_PRESENT = 2;
export const REASON_CONTEXT_INVALID = 3;
export const REASON_WIDTH = 4;
export const REASON_WRITE = 5;
export const REASON_READ = 6;
export const REASON_TABLE_ACCESS = 7;
export const REASON_RESERVED = 12;
export const REASON_BLOCKED = 13;
/** Scalable mode: PASID table, first and second stage. */
export const REASON_PASID_NOT_PRESENT = 0x59;
export const REASON_FIRST_ACCESS = 0x70;
export const REASON_SECOND_ACCESS = 0x78;
export const REASON_FIRST_NOT_PRESENT = 0x71;
export const REASON_FIRST_RESERVED = 0x72;
export const REASON_CANONICAL = 0x80;
export const REASON_USER = 0x81;
export const REASON_FIRST_WRITE = 0x85;
export const REASON_FIRST_READ = 0x86;

export function encodeFault(fields: { readonly [K in keyof typeof FAULT_LAYOUT]?: FieldValue }): bigint[] {
  return encodeWords(FAULT_LAYOUT, zeroWords(2), fields);
}

export function decodeFault(words: readonly bigint[]): { [K in keyof typeof FAULT_LAYOUT]: bigint } {
  return decodeWords(FAULT_LAYOUT, words);
}

export const PAGE_REQUEST_LAYOUT = {
  type: [[0, 7, 0]],
  PP: [[0, 8, 8]],
  PDP: [[0, 9, 9]],
  RID: [[0, 31, 16]],
  PASID: [[0, 51, 32]],
  EXR: [[0, 52, 52]],
  PR: [[0, 53, 53]],
  R: [[1, 0, 0]],
  W: [[1, 1, 1]],
  L: [[1, 2, 2]],
  PRGI: [[1, 11, 3]],
  address: [[1, 63, 12, 12]],
} as const;

export function encodePageRequest(fields: { readonly [K in keyof typeof PAGE_REQUEST_LAYOUT]?: FieldValue }): bigint[] {
  return encodeWords(PAGE_REQUEST_LAYOUT, zeroWords(2), fields);
}

export function decodePageRequest(words: readonly bigint[]): { [K in keyof typeof PAGE_REQUEST_LAYOUT]: bigint } {
  return decodeWords(PAGE_REQUEST_LAYOUT, words);
}
