/**
 * AMD device table entry: 256 bits, indexed by DeviceID.
 *
 * AMD 48882 section 2.2.2.1; Linux drivers/iommu/amd/iommu.c set_dte_entry and clear_dte_entry (6.1), amd_iommu_set_dte_v1,
 * set_dte_gcr3_table, set_dte_passthrough (7.2).
 */
import { decodeWords, encodeWords, type FieldValue, zeroWords } from './words.ts';

export const DTE_WORDS = 4;
export const DTE_BYTES = 32;

export const DTE_LAYOUT = {
  V: [[0, 0, 0]],
  TV: [[0, 1, 1]],
  HAD: [[0, 8, 7]],
  Mode: [[0, 11, 9]],
  root: [[0, 51, 12, 12]],
  PPR: [[0, 52, 52]],
  GPRP: [[0, 53, 53]],
  GIOV: [[0, 54, 54]],
  GV: [[0, 55, 55]],
  GLX: [[0, 57, 56]],
  gcr3: [
    [0, 60, 58, 12],
    [1, 31, 16, 15],
    [1, 63, 43, 31],
  ],
  IR: [[0, 61, 61]],
  IW: [[0, 62, 62]],
  DomainID: [[1, 15, 0]],
  I: [[1, 32, 32]],
  SE: [[1, 33, 33]],
  SA: [[1, 34, 34]],
  IOCTL: [[1, 36, 35]],
  Cache: [[1, 37, 37]],
  SD: [[1, 38, 38]],
  EX: [[1, 39, 39]],
  SysMgt: [[1, 41, 40]],
  IV: [[2, 0, 0]],
  IntTabLen: [[2, 4, 1]],
  IG: [[2, 5, 5]],
  interruptTable: [[2, 51, 6, 6]],
  GuestPagingMode: [[2, 55, 54]],
  INITPass: [[2, 56, 56]],
  EINTPass: [[2, 57, 57]],
  NMIPass: [[2, 58, 58]],
  IntCtl: [[2, 61, 60]],
  LINT0Pass: [[2, 62, 62]],
  LINT1Pass: [[2, 63, 63]],
  AttrV: [[3, 54, 54]],
  Mode0FC: [[3, 55, 55]],
  SnoopAttribute: [[3, 63, 56]],
} as const;

export type DteFields = { readonly [K in keyof typeof DTE_LAYOUT]?: FieldValue };

/** Bits that must be zero, by word. (QEMU lists 0x100 in word 1, which lies inside DomainID; bit 42 is the free one.) */
export const DTE_RESERVED: readonly bigint[] = [0x800000000000007cn, 1n << 42n, 0x08f0000000000000n & ~(3n << 54n), 0n];

export function encodeDte(fields: DteFields, base: readonly bigint[] = zeroWords(DTE_WORDS)): bigint[] {
  return encodeWords(DTE_LAYOUT, base, fields);
}

export function decodeDte(words: readonly bigint[]): { [K in keyof typeof DTE_LAYOUT]: bigint } {
  return decodeWords(DTE_LAYOUT, words);
}

/** What a driver knows when it points a device at tables. */
export interface DteSettings {
  readonly domain: number;
  /** Host table: 0 = none. */
  readonly mode: number;
  readonly root: bigint;
  /** Guest tables; absent = not in use. */
  readonly guest?: { readonly gcr3: bigint; readonly glx: number; readonly giov: boolean; readonly levels?: number };
  readonly ats: boolean;
  readonly ppr: boolean;
  readonly dirtyTracking?: boolean;
}

/** An entry as Linux 7.2 builds it; 6.1 keeps other bits of word 1 and never writes word 2: pass `base` and no `levels`. */
export function buildDte(settings: DteSettings, base: readonly bigint[] = zeroWords(DTE_WORDS)): bigint[] {
  const { guest } = settings;
  return encodeDte(
    {
      V: true,
      TV: true,
      IR: true,
      IW: true,
      Mode: settings.mode,
      root: settings.mode === 0 ? 0n : settings.root,
      DomainID: settings.domain,
      PPR: settings.ppr,
      HAD: settings.dirtyTracking === true ? 3 : 0,
      ...(settings.ats ? { I: true } : {}),
      ...(guest === undefined ? {} : { GV: true, GLX: guest.glx, GIOV: guest.giov, gcr3: guest.gcr3 }),
      ...(guest?.levels === undefined ? {} : { GuestPagingMode: guest.levels === 5 ? 1 : 0 }),
    },
    base,
  );
}

const KEPT_WHEN_CLEARED = 0x3ffn << 32n; // I, SE, SA, IOCTL, Cache, SD, EX, SysMgt

/** Detached: valid, blocks all DMA. With SNP the TV bit stays clear. */
export function clearDte(words: readonly bigint[], snp: boolean): bigint[] {
  return [snp ? 1n : 3n, words[1] & KEPT_WHEN_CLEARED, words[2] ?? 0n, words[3] ?? 0n];
}
