/**
 * Intel VT-d second-stage page table: 3 to 5 levels (AGAW 39, 48, 57), leaves 4 KiB, 2 MiB, 1 GiB.
 *
 * VT-d specification 4.1, sections 3.7 and 9.10; Linux drivers/iommu/intel/iommu.c (6.1: leaves always have R) and
 * generic_pt/fmt/vtdss.h (7.2). There is no present bit of its own: R or W makes an entry present.
 * `snoop`: bit 11 is set in leaves, and accepted there by hardware. `outputBits` is the host address width.
 * Left out: accessed and dirty updates, memory types, execute requests.
 */
import { allowedSizes, bit, bits, levelsIn, sizes } from './bits.ts';
import { PROT_READ, PROT_WRITE } from './format.ts';
import type { EntryField, Format, FormatConfig, LevelRule, TableGeometry } from './format.ts';
import { GENERIC_PT, INTEL_6_1 } from './policies.ts';

const R = bit(0);
const W = bit(1);
const PS = bit(7);
const SNP = bit(11);
/** Transient mapping: reserved, but in leaves of units with device-TLB support, which is not modelled here. */
const TM = bit(62);
const ADDRESS = bits(51, 12);

const FIELDS: readonly EntryField[] = [
  { name: 'R', high: 0, low: 0 },
  { name: 'W', high: 1, low: 1 },
  { name: 'X', high: 2, low: 2 },
  { name: 'EMT', high: 5, low: 3, kind: 'leaf' },
  { name: 'IPAT', high: 6, low: 6, kind: 'leaf' },
  { name: 'PS', high: 7, low: 7 },
  { name: 'A', high: 8, low: 8 },
  { name: 'D', high: 9, low: 9, kind: 'leaf' },
  { name: 'SNP', high: 11, low: 11, kind: 'leaf' },
  { name: 'address', high: 51, low: 12 },
  { name: 'TM', high: 62, low: 62, kind: 'leaf' },
];

function leafBits(prot: number, config: FormatConfig): bigint | null {
  if ((prot & (PROT_READ | PROT_WRITE)) === 0) return null;
  if (config.forceWritable === true && (prot & PROT_WRITE) === 0) return null;
  const readable = config.linux === '6.1' || (prot & PROT_READ) !== 0;
  return (readable ? R : 0n) | ((prot & PROT_WRITE) !== 0 ? W : 0n) | (config.snoop === true ? SNP : 0n);
}

function level(n: number, wide: bigint, noSnoop: bigint): LevelRule {
  const tableBits = R | W;
  if (n === 0) return { leafMask: R | W, tableBits, leafBits: 0n, reservedLeaf: wide | noSnoop };
  if (n > 2) return { leafMask: 0n, tableBits, leafBits: 0n, reservedTable: wide | PS | SNP };
  const offset = n === 1 ? bits(20, 12) : bits(29, 12);
  const reservedLeaf = wide | noSnoop | offset;
  return { leafMask: PS, tableBits, leafBits: PS, reservedTable: wide | SNP, reservedLeaf };
}

function geometry(config: FormatConfig): TableGeometry {
  const levels = levelsIn(config.levels, 4, [3, 4, 5]);
  const outputBits = config.outputBits ?? 52;
  const wide = TM | (outputBits < 52 ? bits(51, outputBits) : 0n);
  return {
    levels,
    granuleLog2: 12,
    indexBits: 9,
    rootIndexBits: 9,
    roots: 1,
    inputBits: 12 + 9 * levels,
    mapBits: config.inputBits ?? 12 + 9 * levels,
    outputBits,
    signExtended: false,
    grows: false,
    nextLevel: false,
    present: R | W,
    permissionXor: 0n,
    read: R,
    write: W,
    address: { mask: ADDRESS, shift: 0 },
    userBit: false,
    permissionBeforePresent: true,
    level: (n) => level(n, wide, config.snoop === true ? 0n : SNP),
    pageSizes: allowedSizes(sizes(12, 21, 30), config.pageSizes),
    policy: config.linux === '6.1' ? INTEL_6_1 : GENERIC_PT,
    leafBits: (prot) => leafBits(prot, config),
    fields: FIELDS,
  };
}

export const VTD_SS: Format = {
  name: 'vtd-ss',
  title: 'Intel VT-d second-stage page table',
  architecture: 'intel',
  stage: 'second',
  source: 'VT-d 4.1 3.7, 9.10; Linux drivers/iommu/intel/iommu.c, generic_pt/fmt/vtdss.h',
  configurations: [
    { linux: '7.2', levels: 4 },
    { linux: '7.2', levels: 3, snoop: true },
    { linux: '7.2', levels: 5 },
    { linux: '6.1', levels: 4 },
    { linux: '6.1', levels: 3, pageSizes: 0x201000n, snoop: true },
  ],
  geometry,
};
