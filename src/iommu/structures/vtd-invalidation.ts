/**
 * VT-d queued-invalidation descriptors: 128 bits (the 256-bit form adds two zero words).
 *
 * VT-d specification 4.1, section 6.5.2; Linux drivers/iommu/intel/dmar.c qi_flush_*.
 */
import { decodeWords, encodeWords, type FieldValue, type WordLayout, zeroWords } from './words.ts';

const TYPE = { type: [[0, 3, 0]] } as const;
const PFSID = {
  PFSID: [
    [0, 15, 12, 0],
    [0, 63, 52, 4],
  ],
} as const;

export const DESCRIPTORS = {
  CONTEXT: {
    type: 1,
    layout: { ...TYPE, G: [[0, 5, 4]], DID: [[0, 31, 16]], SID: [[0, 47, 32]], FM: [[0, 49, 48]] },
  },
  IOTLB: {
    type: 2,
    layout: {
      ...TYPE,
      G: [[0, 5, 4]],
      DW: [[0, 6, 6]],
      DR: [[0, 7, 7]],
      DID: [[0, 31, 16]],
      AM: [[1, 5, 0]],
      IH: [[1, 6, 6]],
      address: [[1, 63, 12, 12]],
    },
  },
  DEVICE_TLB: {
    type: 3,
    layout: { ...TYPE, ...PFSID, QDEP: [[0, 20, 16]], SID: [[0, 47, 32]], S: [[1, 0, 0]], address: [[1, 63, 12, 12]] },
  },
  INTERRUPT_ENTRY: { type: 4, layout: { ...TYPE, G: [[0, 4, 4]], IM: [[0, 31, 27]], IIDX: [[0, 47, 32]] } },
  WAIT: {
    type: 5,
    layout: {
      ...TYPE,
      IF: [[0, 4, 4]],
      SW: [[0, 5, 5]],
      FN: [[0, 6, 6]],
      PD: [[0, 7, 7]],
      data: [[0, 63, 32]],
      address: [[1, 63, 2, 2]],
    },
  },
  PASID_IOTLB: {
    type: 6,
    layout: {
      ...TYPE,
      G: [[0, 5, 4]],
      DID: [[0, 31, 16]],
      PASID: [[0, 51, 32]],
      AM: [[1, 5, 0]],
      IH: [[1, 6, 6]],
      address: [[1, 63, 12, 12]],
    },
  },
  PASID_CACHE: { type: 7, layout: { ...TYPE, G: [[0, 5, 4]], DID: [[0, 31, 16]], PASID: [[0, 51, 32]] } },
  PASID_DEVICE_TLB: {
    type: 8,
    layout: {
      ...TYPE,
      ...PFSID,
      QDEP: [[0, 8, 4]],
      SID: [[0, 31, 16]],
      PASID: [[0, 51, 32]],
      S: [[1, 11, 11]],
      address: [[1, 63, 12, 12]],
    },
  },
  PAGE_GROUP_RESPONSE: {
    type: 9,
    layout: {
      ...TYPE,
      PP: [[0, 4, 4]],
      RC: [[0, 15, 12]],
      RID: [[0, 31, 16]],
      PASID: [[0, 51, 32]],
      L: [[1, 2, 2]],
      PRGI: [[1, 11, 3]],
    },
  },
} as const satisfies Record<string, { readonly type: number; readonly layout: WordLayout }>;

export type DescriptorName = keyof typeof DESCRIPTORS;

/** Four words qw0..qw3. */
export function encodeDescriptor(name: DescriptorName, fields: Readonly<Record<string, FieldValue>>): bigint[] {
  const { type, layout } = DESCRIPTORS[name];
  return encodeWords(layout as WordLayout, zeroWords(4), { ...fields, type });
}

export function decodeDescriptor(
  words: readonly bigint[],
): { name: DescriptorName; fields: Record<string, bigint> } | null {
  const type = Number(words[0] & 15n);
  const name = (Object.keys(DESCRIPTORS) as DescriptorName[]).find((key) => DESCRIPTORS[key].type === type);
  return name === undefined ? null : { name, fields: decodeWords(DESCRIPTORS[name].layout as WordLayout, words) };
}

const PAGE_MASK = 0xfffn;

/** Device-TLB range of 2^log2 pages: ones below the size bit, which is 0. S is set for more than one page. */
export function deviceTlbRange(address: bigint, log2: number): { address: bigint; S: boolean } {
  if (log2 === 0) return { address: address & ~PAGE_MASK, S: false };
  const sizeBit = 1n << BigInt(12 + log2 - 1);
  const ones = (address | (2n * sizeBit - 1n)) & ~sizeBit & ~PAGE_MASK;
  return { address: BigInt.asUintN(64, ones), S: true };
}

/** Page-selective range: AM = log2 of the pages, rounded up; the address is aligned down to it. */
export function pasidTlbRange(address: bigint, pages: bigint): { address: bigint; AM: number } {
  const AM = pages <= 1n ? 0 : (pages - 1n).toString(2).length;
  return { address: (address >> BigInt(12 + AM)) << BigInt(12 + AM), AM };
}
