/**
 * AMD command buffer entries: 128 bits, here as two 64-bit words.
 *
 * AMD 48882 section 2.4; Linux drivers/iommu/amd/iommu.c build_*.
 */
import { decodeWords, encodeWords, type FieldValue, type WordLayout, zeroWords } from './words.ts';

export const COMMAND_BYTES = 16;

const OPCODE = { opcode: [[0, 63, 60]] } as const;
const DEVICE = { DeviceID: [[0, 15, 0]] } as const;
const RANGE = { S: [[1, 0, 0]], address: [[1, 63, 12, 12]] } as const;

/** Name → opcode and layout. */
export const COMMANDS = {
  COMPLETION_WAIT: {
    opcode: 1,
    layout: {
      ...OPCODE,
      S: [[0, 0, 0]],
      I: [[0, 1, 1]],
      F: [[0, 2, 2]],
      store: [[0, 51, 3, 3]],
      data: [[1, 63, 0]],
    },
  },
  INVALIDATE_DEVTAB_ENTRY: { opcode: 2, layout: { ...OPCODE, ...DEVICE } },
  INVALIDATE_IOMMU_PAGES: {
    opcode: 3,
    layout: { ...OPCODE, PASID: [[0, 19, 0]], DomainID: [[0, 47, 32]], ...RANGE, PDE: [[1, 1, 1]], GN: [[1, 2, 2]] },
  },
  INVALIDATE_IOTLB_PAGES: {
    opcode: 4,
    layout: {
      ...OPCODE,
      ...DEVICE,
      PASID: [
        [0, 23, 16, 8],
        [0, 55, 48, 0],
        [0, 59, 56, 16],
      ],
      MaxPend: [[0, 31, 24]],
      QueueID: [[0, 47, 32]],
      ...RANGE,
      GN: [[1, 2, 2]],
    },
  },
  INVALIDATE_INTERRUPT_TABLE: { opcode: 5, layout: { ...OPCODE, ...DEVICE } },
  /** QEMU hw/i386/amd_iommu.c amdvi_prefetch_pages names what is reserved; Linux never sends it. */
  PREFETCH_IOMMU_PAGES: {
    opcode: 6,
    layout: {
      ...OPCODE,
      ...DEVICE,
      PFCount: [[0, 31, 24]],
      PASID: [[0, 51, 32]],
      ...RANGE,
      GN: [[1, 2, 2]],
      Inval: [[1, 4, 4]],
    },
  },
  COMPLETE_PPR_REQUEST: {
    opcode: 7,
    layout: { ...OPCODE, ...DEVICE, PASID: [[0, 51, 32]], GN: [[1, 2, 2]], tag: [[1, 40, 32]], status: [[1, 47, 44]] },
  },
  INVALIDATE_IOMMU_ALL: { opcode: 8, layout: OPCODE },
} as const satisfies Record<string, { readonly opcode: number; readonly layout: WordLayout }>;

export type CommandName = keyof typeof COMMANDS;

export function encodeCommand(name: CommandName, fields: Readonly<Record<string, FieldValue>>): bigint[] {
  const { opcode, layout } = COMMANDS[name];
  return encodeWords(layout as WordLayout, zeroWords(2), { ...fields, opcode });
}

/** Null for an opcode that this list does not have. */
export function decodeCommand(words: readonly bigint[]): { name: CommandName; fields: Record<string, bigint> } | null {
  const opcode = Number(words[0] >> 60n);
  const name = (Object.keys(COMMANDS) as CommandName[]).find((key) => COMMANDS[key].opcode === opcode);
  return name === undefined ? null : { name, fields: decodeWords(COMMANDS[name].layout as WordLayout, words) };
}

const PAGE_MASK = 0xfffn;
/** With S set this address means everything. */
export const ALL_PAGES = 0x7ffffffffffff000n;

/**
 * Address and S of an invalidation that covers first..last (bytes): the smallest aligned power-of-two block around it, coded
 * as ones below a zero; everything if they differ above bit 51 (build_inv_address, the same in 6.1 and 7.2).
 */
export function invalidationRange(first: bigint, last: bigint): { address: bigint; S: boolean } {
  const start = first & ~PAGE_MASK;
  if (start === (last & ~PAGE_MASK)) return { address: start, S: false };
  const differing = (first ^ last).toString(2).length - 1;
  if (differing > 51) return { address: ALL_PAGES, S: true };
  return { address: (first | ((1n << BigInt(differing)) - 1n)) & ~PAGE_MASK, S: true };
}

/** log2 of the bytes that a range command covers; 64 = everything. The reverse of invalidationRange. */
export function invalidationSizeLog2(address: bigint, S: boolean): number {
  if (!S) return 12;
  let position = 12;
  while (position < 63 && ((address >> BigInt(position)) & 1n) === 1n) position++;
  return position >= 63 ? 64 : position + 1;
}
