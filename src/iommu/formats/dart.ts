/**
 * Apple DART page tables, two entry layouts: dart1 (T8020, T8103; 36-bit output) and dart2 (T6000, T8110; 42-bit output).
 *
 * Linux drivers/iommu/io-pgtable-dart.c and apple-dart.c; m1n1 src/dart.c. Pages of 16 KiB (11 index bits a level) or 4 KiB
 * (9). `inputBits` decides the shape: two table levels below the TTBR register, three with the T8110 four-level bit; 4 KiB
 * pages use up to four TTBRs for the top address bits, whose tables lie side by side here.
 * Left out: sub-page protection ranges (Linux opens them fully).
 */
import { bit, bits } from './bits.ts';
import { PROT_CACHE, PROT_READ, PROT_WRITE } from './format.ts';
import type { AddressField, EntryField, Format, FormatConfig, TableGeometry } from './format.ts';
import { dartPolicy } from './policies.ts';

const VALID = bit(0);
const SUBPAGE_END = bits(51, 40); // 0xfff: to the end of the page

interface Layout {
  readonly address: AddressField;
  readonly outputBits: number;
  readonly noWrite: bigint;
  readonly noRead: bigint;
  readonly flags: (prot: number, config: FormatConfig) => bigint;
  readonly fields: readonly EntryField[];
}

const SUBPAGE_FIELDS: readonly EntryField[] = [
  { name: 'SubPageEnd', high: 51, low: 40, kind: 'leaf' },
  { name: 'SubPageStart', high: 63, low: 52, kind: 'leaf' },
];

const LAYOUT1: Layout = {
  address: { mask: bits(35, 12), shift: 0 },
  outputBits: 36,
  noWrite: bit(7),
  noRead: bit(8),
  flags: () => bit(1), // SP_DIS
  fields: [
    { name: 'VALID', high: 0, low: 0 },
    { name: 'SP_DIS', high: 1, low: 1, kind: 'leaf' },
    { name: 'NO_WRITE', high: 7, low: 7, kind: 'leaf' },
    { name: 'NO_READ', high: 8, low: 8, kind: 'leaf' },
    { name: 'address', high: 35, low: 12 },
    ...SUBPAGE_FIELDS,
  ],
};

const LAYOUT2: Layout = {
  address: { mask: bits(37, 10), shift: 4 },
  outputBits: 42,
  noWrite: bit(2),
  noRead: bit(3),
  // NO_CACHE: 6.1 tests the wrong variable and sets it always.
  flags: (prot, config) => (config.linux === '6.1' || (prot & PROT_CACHE) === 0 ? bit(1) : 0n),
  fields: [
    { name: 'VALID', high: 0, low: 0 },
    { name: 'NO_CACHE', high: 1, low: 1, kind: 'leaf' },
    { name: 'NO_WRITE', high: 2, low: 2, kind: 'leaf' },
    { name: 'NO_READ', high: 3, low: 3, kind: 'leaf' },
    { name: 'address >> 4', high: 37, low: 10 },
    ...SUBPAGE_FIELDS,
  ],
};

interface Shape {
  readonly granuleLog2: number;
  readonly indexBits: number;
  readonly levels: number;
  readonly roots: number;
}

/** apple_dart_alloc_pgtable: how many tables lie between TTBR and page, and how many TTBRs there are. */
function shapeOf(config: FormatConfig, inputBits: number): Shape {
  const granule = config.pageSizes ?? bit(14);
  if (granule !== bit(12) && granule !== bit(14)) throw new RangeError('DART pages are 4 KiB or 16 KiB');
  const granuleLog2 = granule === bit(12) ? 12 : 14;
  const indexBits = granuleLog2 - 3;
  const wanted = inputBits - granuleLog2;
  const levels = Math.max(
    2,
    config.linux === '6.1' ? 2 : Math.ceil((wanted - (granuleLog2 === 12 ? 2 : 0)) / indexBits),
  );
  const roots = 1 << Math.max(0, wanted - indexBits * levels);
  if (levels > 3 || roots > 4) throw new RangeError(`DART: ${inputBits} input bits do not fit four TTBRs`);
  return { granuleLog2, indexBits, levels, roots };
}

function geometry(layout: Layout, config: FormatConfig): TableGeometry {
  const inputBits = config.inputBits ?? 36;
  const { granuleLog2, indexBits, levels, roots } = shapeOf(config, inputBits);
  const mask = layout.noRead | layout.noWrite;
  const coveredBits = granuleLog2 + indexBits * levels + Math.log2(roots);
  return {
    levels,
    granuleLog2,
    indexBits,
    rootIndexBits: indexBits + Math.log2(roots),
    roots,
    inputBits: coveredBits, // the table translates what its indices reach, however narrow the bus is
    mapBits: config.linux === '6.1' ? 64 : coveredBits,
    outputBits: config.outputBits ?? layout.outputBits,
    signExtended: false,
    grows: false,
    nextLevel: false,
    present: VALID,
    permissionXor: mask,
    read: layout.noRead,
    write: layout.noWrite,
    address: layout.address,
    userBit: false,
    permissionBeforePresent: false,
    level: (level) => ({
      leafMask: level === 0 ? VALID : 0n,
      tableBits: VALID,
      leafBits: 0n,
      unrestricted: mask,
    }),
    pageSizes: bit(granuleLog2),
    policy: dartPolicy(config.linux),
    leafBits: (prot) => leafBits(layout, config, prot),
    fields: layout.fields,
  };
}

function leafBits(layout: Layout, config: FormatConfig, prot: number): bigint | null {
  if ((prot & (PROT_READ | PROT_WRITE)) === 0) return null;
  const denied = ((prot & PROT_READ) === 0 ? layout.noRead : 0n) | ((prot & PROT_WRITE) === 0 ? layout.noWrite : 0n);
  return VALID | SUBPAGE_END | denied | layout.flags(prot, config);
}

export const DART1: Format = {
  name: 'dart1',
  title: 'Apple DART, T8020 and T8103 entries',
  architecture: 'apple',
  stage: 'second',
  source: 'Linux drivers/iommu/io-pgtable-dart.c; m1n1 src/dart.c',
  configurations: [
    { linux: '7.2', inputBits: 36, pageSizes: 0x4000n },
    { linux: '7.2', inputBits: 32, pageSizes: 0x1000n },
    { linux: '6.1', inputBits: 32, pageSizes: 0x4000n },
  ],
  geometry: (config) => geometry(LAYOUT1, config),
};

export const DART2: Format = {
  name: 'dart2',
  title: 'Apple DART, T6000 and T8110 entries',
  architecture: 'apple',
  stage: 'second',
  source: 'Linux drivers/iommu/io-pgtable-dart.c; m1n1 src/dart.c',
  configurations: [
    { linux: '7.2', inputBits: 36, pageSizes: 0x4000n },
    { linux: '7.2', inputBits: 42, pageSizes: 0x4000n },
    { linux: '6.1', inputBits: 32, pageSizes: 0x4000n },
  ],
  geometry: (config) => geometry(LAYOUT2, config),
};
