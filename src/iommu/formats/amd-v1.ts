/**
 * AMD IOMMU v1 (host) page table: 3 to 6 levels, every power-of-two leaf but 512 GiB.
 *
 * AMD I/O Virtualization Technology Specification (48882), section 2.2.3; Linux drivers/iommu/amd/io_pgtable.c (6.1) and
 * drivers/iommu/generic_pt/fmt/amdv1.h (7.2). NextLevel (bits 11:9) is 1-based: 1..6 point to a table of that level, 0 is a
 * leaf of the level's natural size, 7 a leaf whose size is coded in its address and which is repeated in all its slots.
 * Left out: accessed and dirty updates.
 */
import { allowedSizes, bit, bits, levelsIn } from './bits.ts';
import { PROT_READ, PROT_WRITE } from './format.ts';
import type { EntryField, Format, FormatConfig, TableGeometry } from './format.ts';
import { AMD_6_1, GENERIC_PT } from './policies.ts';

const PR = bit(0);
const NEXT_LEVEL = bits(11, 9);
const ADDRESS = bits(51, 12);
const RESERVED = bits(58, 52);
const FC = bit(60);
const IR = bit(61);
const IW = bit(62);

/** Linux masks 2^39 out in both versions: "512GB pages ... hardware bug". */
const NOT_512G = ~bit(39);
const SIZES_6_1 = bits(63, 12) & NOT_512G;
const SIZES_7_2 = bits(51, 12) & NOT_512G;

const FIELDS: readonly EntryField[] = [
  { name: 'PR', high: 0, low: 0 },
  { name: 'A', high: 5, low: 5 },
  { name: 'D', high: 6, low: 6, kind: 'leaf' },
  { name: 'NextLevel', high: 11, low: 9 },
  { name: 'address', high: 51, low: 12 },
  { name: 'U', high: 59, low: 59, kind: 'leaf' },
  { name: 'FC', high: 60, low: 60, kind: 'leaf' },
  { name: 'IR', high: 61, low: 61 },
  { name: 'IW', high: 62, low: 62 },
];

function leafBits(prot: number): bigint | null {
  if ((prot & (PROT_READ | PROT_WRITE)) === 0) return null;
  return PR | FC | ((prot & PROT_READ) !== 0 ? IR : 0n) | ((prot & PROT_WRITE) !== 0 ? IW : 0n);
}

function geometry(config: FormatConfig): TableGeometry {
  return {
    levels: levelsIn(config.levels, 3, [1, 2, 3, 4, 5, 6]),
    granuleLog2: 12,
    indexBits: 9,
    rootIndexBits: 9,
    roots: 1,
    inputBits: 64,
    mapBits: 64,
    // 6.1 stores the address without a check; one that does not fit its field cannot be represented here either.
    outputBits: 52,
    signExtended: false,
    grows: true,
    nextLevel: true,
    present: PR,
    permissionXor: 0n,
    read: IR,
    write: IW,
    address: { mask: ADDRESS, shift: 0 },
    contiguous: { mask: NEXT_LEVEL, value: NEXT_LEVEL, code: 'ones' },
    userBit: false,
    permissionBeforePresent: false,
    level: (level) => ({
      leafMask: 0n, // the next-level field decides
      tableBits: PR | IR | IW | (BigInt(level) << 9n),
      leafBits: 0n,
      reservedTable: RESERVED,
      reservedLeaf: RESERVED,
    }),
    pageSizes: allowedSizes(config.linux === '6.1' ? SIZES_6_1 : SIZES_7_2, config.pageSizes),
    policy: config.linux === '6.1' ? AMD_6_1 : GENERIC_PT,
    leafBits,
    fields: FIELDS,
  };
}

export const AMD_V1: Format = {
  name: 'amd-v1',
  title: 'AMD IOMMU v1 (host) page table',
  architecture: 'amd',
  stage: 'second',
  source: 'AMD 48882 2.2.3; Linux drivers/iommu/amd/io_pgtable.c, generic_pt/fmt/amdv1.h',
  configurations: [
    { linux: '7.2', levels: 3 },
    { linux: '7.2', levels: 4, pageSizes: 0x40201000n },
    { linux: '7.2', levels: 6 },
    { linux: '6.1', levels: 3 },
    { linux: '6.1', levels: 5 },
  ],
  geometry,
};
