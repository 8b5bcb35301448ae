/**
 * VT-d root and context tables, legacy and scalable mode.
 *
 * VT-d specification 4.1, sections 9.1 to 9.4; Linux drivers/iommu/intel/iommu.c domain_context_mapping_one. Root entries are
 * 128 bits by bus; legacy context entries 128 bits by devfn; scalable ones 256 bits, the upper half of the bus (devfn ≥ 0x80)
 * behind the upper word of the root entry.
 */
import { encodeWords, zeroWords } from './words.ts';

export const ROOT_LAYOUT = { P: [[0, 0, 0]], table: [[0, 63, 12, 12]] } as const;

export const CONTEXT_LAYOUT = {
  P: [[0, 0, 0]],
  FPD: [[0, 1, 1]],
  TT: [[0, 3, 2]],
  root: [[0, 63, 12, 12]],
  AW: [[1, 2, 0]],
  DID: [[1, 23, 8]],
} as const;

export const SCALABLE_CONTEXT_LAYOUT = {
  P: [[0, 0, 0]],
  FPD: [[0, 1, 1]],
  DTE: [[0, 2, 2]],
  PASIDE: [[0, 3, 3]],
  PRE: [[0, 4, 4]],
  PDTS: [[0, 11, 9]],
  directory: [[0, 63, 12, 12]],
  RID_PASID: [[1, 19, 0]],
} as const;

/** Translation types of a legacy context entry. */
export const TT_UNTRANSLATED = 0;
export const TT_DEVICE_TLB = 1;
export const TT_PASS_THROUGH = 2;

export interface LegacyContext {
  readonly domain: number;
  readonly agaw: number;
  readonly root: bigint;
  readonly ats: boolean;
  /** Then root is 0 and AW the largest width of the unit. */
  readonly passThrough: boolean;
}

export function buildContext(context: LegacyContext): bigint[] {
  const TT = context.passThrough ? TT_PASS_THROUGH : context.ats ? TT_DEVICE_TLB : TT_UNTRANSLATED;
  const root = context.passThrough ? 0n : context.root;
  return encodeWords(CONTEXT_LAYOUT, zeroWords(2), { P: 1, TT, root, AW: context.agaw, DID: context.domain });
}

export interface ScalableContext {
  readonly directory: bigint;
  /** Number of PASIDs the directory covers. */
  readonly maxPasid: number;
  readonly ats: boolean;
  readonly pasid: boolean;
  readonly pri: boolean;
}

/** The directory has 2^(PDTS + 7) entries of 64 PASIDs. */
export function directorySizeCode(maxPasid: number): number {
  const entries = maxPasid >>> 6;
  const log2 = entries === 0 ? 0 : 31 - Math.clz32(entries & -entries);
  return Math.max(0, log2 - 7);
}

export function buildScalableContext(context: ScalableContext): bigint[] {
  return encodeWords(SCALABLE_CONTEXT_LAYOUT, zeroWords(4), {
    P: 1,
    DTE: context.ats,
    PASIDE: context.pasid,
    PRE: context.pri,
    PDTS: directorySizeCode(context.maxPasid),
    directory: context.directory,
  });
}
