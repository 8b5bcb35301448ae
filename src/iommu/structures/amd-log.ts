/**
 * AMD event log and peripheral page request (PPR) log records: 128 bits, here as two 64-bit words.
 *
 * AMD 48882 sections 2.5 and 2.6; Linux drivers/iommu/amd (iommu_print_event, PPR_*), illumos amd_iommu_log.h.
 */
import { decodeWords, encodeWords, type FieldValue, zeroWords } from './words.ts';

export const LOG_RECORD_BYTES = 16;

/** Event codes, bits 31:28 of the second 32-bit word. 0 = slot not yet written. */
export const EVENT_CODES = {
  ILLEGAL_DEV_TABLE_ENTRY: 1,
  IO_PAGE_FAULT: 2,
  DEV_TAB_HARDWARE_ERROR: 3,
  PAGE_TAB_HARDWARE_ERROR: 4,
  ILLEGAL_COMMAND_ERROR: 5,
  COMMAND_HARDWARE_ERROR: 6,
  IOTLB_INV_TIMEOUT: 7,
  INVALID_DEVICE_REQUEST: 8,
  INVALID_PPR_REQUEST: 9,
  RMP_PAGE_FAULT: 0xd,
  RMP_HARDWARE_ERROR: 0xe,
} as const;
export type EventName = keyof typeof EVENT_CODES;

export const EVENT_LAYOUT = {
  DeviceID: [[0, 15, 0]],
  PASIDHigh: [[0, 19, 16]],
  /** DomainID, or PASID 15:0 when GN is set. */
  DomainOrPASID: [[0, 47, 32]],
  GN: [[0, 48, 48]],
  NX: [[0, 49, 49]],
  US: [[0, 50, 50]],
  I: [[0, 51, 51]],
  PR: [[0, 52, 52]],
  RW: [[0, 53, 53]],
  PE: [[0, 54, 54]],
  RZ: [[0, 55, 55]],
  TR: [[0, 56, 56]],
  type: [[0, 59, 57]],
  code: [[0, 63, 60]],
  address: [[1, 63, 0]],
} as const;

export function encodeEvent(
  name: EventName,
  fields: { readonly [K in keyof typeof EVENT_LAYOUT]?: FieldValue },
): bigint[] {
  return encodeWords(EVENT_LAYOUT, zeroWords(2), { ...fields, code: EVENT_CODES[name] });
}

export function decodeEvent(words: readonly bigint[]): {
  name: EventName | null;
  fields: { [K in keyof typeof EVENT_LAYOUT]: bigint };
} {
  const fields = decodeWords(EVENT_LAYOUT, words);
  const name = (Object.keys(EVENT_CODES) as EventName[]).find((key) => BigInt(EVENT_CODES[key]) === fields.code);
  return { name: name ?? null, fields };
}

export const PPR_LAYOUT = {
  DeviceID: [[0, 15, 0]],
  PASID: [
    [0, 31, 16, 0],
    [0, 45, 42, 16],
  ],
  tag: [[0, 41, 32]],
  flags: [[0, 59, 48]],
  type: [[0, 63, 60]],
  address: [[1, 63, 0]],
} as const;

export const PPR_TYPE_PAGE_SERVICE = 1;
export const PPR_FLAGS = { EXEC: 0x002, READ: 0x004, WRITE: 0x020, US: 0x040, RSVD: 0x080, GN: 0x100 } as const;

export function encodePpr(fields: { readonly [K in keyof typeof PPR_LAYOUT]?: FieldValue }): bigint[] {
  return encodeWords(PPR_LAYOUT, zeroWords(2), fields);
}

export function decodePpr(words: readonly bigint[]): { [K in keyof typeof PPR_LAYOUT]: bigint } {
  return decodeWords(PPR_LAYOUT, words);
}
