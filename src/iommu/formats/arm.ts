/**
 * ARM 64-bit long-descriptor tables (VMSAv8-64), as SMMUv3 walks them: arm-s1 and arm-s2; granules 4, 16 and 64 KiB.
 *
 * Arm ARM D8.3; Linux drivers/iommu/io-pgtable-arm.c. The root takes the address bits that are left; a stage-2 root of at most
 * 16 entries at ARM level 0 is concatenated into a wider root one level down. ARM's level number is 3 - ours.
 * Left out: hierarchical permissions (APTable, XNTable, which Linux leaves 0), the contiguous hint, AF and dirty-bit updates,
 * block translation levels that only 52-bit output enables below 64 KiB granules.
 */
import { allowedSizes, bit, bits, lowestBit, sizes } from './bits.ts';
import { PROT_CACHE, PROT_MMIO, PROT_NOEXEC, PROT_PRIV, PROT_READ, PROT_WRITE } from './format.ts';
import type { EntryField, Format, FormatConfig, LevelRule, TableGeometry } from './format.ts';
import { armPolicy } from './policies.ts';

const VALID = bit(0);
const NOT_BLOCK = bit(1); // table, or page at the last level
const AP_UNPRIVILEGED = bit(6);
const AP_READ_ONLY = bit(7);
const S2AP_READ = bit(6);
const S2AP_WRITE = bit(7);
const SH_INNER = 3n << 8n;
const SH_OUTER = 2n << 8n;
const AF = bit(10);
const NG = bit(11);
const XN = bits(54, 53);

const COMMON_FIELDS: readonly EntryField[] = [
  { name: 'valid', high: 0, low: 0 },
  { name: 'type', high: 1, low: 1 },
  { name: 'SH', high: 9, low: 8, kind: 'leaf' },
  { name: 'AF', high: 10, low: 10, kind: 'leaf' },
  { name: 'address', high: 47, low: 12 },
  { name: 'XN', high: 54, low: 53, kind: 'leaf' },
];
const STAGE1_FIELDS: readonly EntryField[] = [
  ...COMMON_FIELDS,
  { name: 'AttrIndx', high: 4, low: 2, kind: 'leaf' },
  { name: 'AP', high: 7, low: 6, kind: 'leaf' },
  { name: 'nG', high: 11, low: 11, kind: 'leaf' },
];
const STAGE2_FIELDS: readonly EntryField[] = [
  ...COMMON_FIELDS,
  { name: 'MemAttr', high: 5, low: 2, kind: 'leaf' },
  { name: 'S2AP', high: 7, low: 6, kind: 'leaf' },
];

interface Shape {
  readonly levels: number;
  readonly rootIndexBits: number;
}

/** arm_lpae_alloc_pgtable and, for stage 2, the concatenation in arm_64_lpae_alloc_pgtable_s2. */
export function armShape(stage: 1 | 2, granuleLog2: number, inputBits: number): Shape {
  const indexBits = granuleLog2 - 3;
  const levels = Math.ceil((inputBits - granuleLog2) / indexBits);
  const rootIndexBits = inputBits - granuleLog2 - indexBits * (levels - 1);
  if (stage === 2 && levels === 4 && rootIndexBits <= 4) {
    return { levels: 3, rootIndexBits: rootIndexBits + indexBits };
  }
  return { levels, rootIndexBits };
}

/** Leaf sizes by granule: 2 MiB and 1 GiB, 32 MiB, or 512 MiB (and 4 TiB with more than 48 output bits). */
function legalSizes(granuleLog2: number, outputBits: number): bigint {
  if (granuleLog2 === 12) return sizes(12, 21, 30);
  if (granuleLog2 === 14) return sizes(14, 25);
  return outputBits > 48 ? sizes(16, 29, 42) : sizes(16, 29);
}

function stage1Bits(prot: number): bigint | null {
  if ((prot & (PROT_READ | PROT_WRITE)) === 0) return null;
  const readOnly = (prot & PROT_READ) !== 0 && (prot & PROT_WRITE) === 0;
  const attribute = (prot & PROT_MMIO) !== 0 ? 2n : (prot & PROT_CACHE) !== 0 ? 1n : 0n;
  return (
    NG |
    (readOnly ? AP_READ_ONLY : 0n) |
    ((prot & PROT_PRIV) === 0 ? AP_UNPRIVILEGED : 0n) |
    (attribute << 2n) |
    shared(prot)
  );
}

function stage2Bits(prot: number): bigint | null {
  if ((prot & (PROT_READ | PROT_WRITE)) === 0) return null;
  const attribute = (prot & PROT_MMIO) !== 0 ? 1n : (prot & PROT_CACHE) !== 0 ? 0xfn : 5n;
  const access = ((prot & PROT_READ) !== 0 ? S2AP_READ : 0n) | ((prot & PROT_WRITE) !== 0 ? S2AP_WRITE : 0n);
  return access | (attribute << 2n) | shared(prot);
}

function shared(prot: number): bigint {
  return VALID | AF | ((prot & PROT_CACHE) !== 0 ? SH_INNER : SH_OUTER) | ((prot & PROT_NOEXEC) !== 0 ? XN : 0n);
}

function levelRule(level: number, blocks: boolean, restricted: bigint): LevelRule {
  const tableBits = VALID | NOT_BLOCK;
  if (level === 0) return { leafMask: VALID, tableBits, leafBits: NOT_BLOCK };
  // A present block always has VALID, so naming it reserved rejects every block of a level that has none.
  const reservedLeaf = blocks ? 0n : VALID;
  return { leafXor: NOT_BLOCK, leafMask: NOT_BLOCK, tableBits, leafBits: 0n, reservedLeaf, unrestricted: restricted };
}

function geometry(stage: 1 | 2, config: FormatConfig): TableGeometry {
  const granuleLog2 = config.pageSizes === undefined ? 12 : lowestBit(config.pageSizes);
  if (![12, 14, 16].includes(granuleLog2)) throw new RangeError('ARM granules are 4, 16 or 64 KiB');
  const outputBits = config.outputBits ?? 48;
  const inputBits = Math.min(config.inputBits ?? 48, granuleLog2 === 16 ? 52 : 48);
  const { levels, rootIndexBits } = armShape(stage, granuleLog2, inputBits);
  const indexBits = granuleLog2 - 3;
  const legal = legalSizes(granuleLog2, outputBits);
  const wide = granuleLog2 === 16;
  // Stage 1: read-only is the marked case, and requests are unprivileged.
  const read = stage === 1 ? AF | AP_UNPRIVILEGED : AF | S2AP_READ;
  const write = stage === 1 ? AF | AP_UNPRIVILEGED | AP_READ_ONLY : AF | S2AP_WRITE;
  return {
    levels,
    granuleLog2,
    indexBits,
    rootIndexBits,
    roots: 1,
    inputBits,
    mapBits: inputBits,
    outputBits,
    signExtended: false,
    grows: false,
    nextLevel: false,
    present: VALID,
    permissionXor: stage === 1 ? AP_READ_ONLY : 0n,
    read,
    write,
    address: { mask: bits(47, granuleLog2), shift: 0 },
    // 64 KiB granules keep output bits 51:48 in 15:12.
    ...(wide ? { addressHigh: { mask: bits(15, 12), shift: 36 } } : {}),
    userBit: false,
    permissionBeforePresent: false,
    level: (level) => levelRule(level, (legal & bit(granuleLog2 + level * indexBits)) !== 0n, read | write),
    pageSizes: allowedSizes(legal, config.pageSizes),
    policy: armPolicy(config.linux),
    leafBits: stage === 1 ? stage1Bits : stage2Bits,
    fields: stage === 1 ? STAGE1_FIELDS : STAGE2_FIELDS,
  };
}

const CONFIGURATIONS: readonly FormatConfig[] = [
  { linux: '7.2', inputBits: 48, outputBits: 48, pageSizes: 0x40201000n },
  { linux: '7.2', inputBits: 40, outputBits: 40, pageSizes: 0x40201000n },
  { linux: '7.2', inputBits: 47, outputBits: 48, pageSizes: 0x2004000n },
  { linux: '7.2', inputBits: 48, outputBits: 52, pageSizes: 0x20010000n },
  { linux: '6.1', inputBits: 39, outputBits: 40, pageSizes: 0x40201000n },
  { linux: '6.1', inputBits: 42, outputBits: 44, pageSizes: 0x20010000n },
];

const SOURCE = 'Arm ARM D8.3; Linux drivers/iommu/io-pgtable-arm.c';

export const ARM_S1: Format = {
  name: 'arm-s1',
  title: 'ARM 64-bit stage 1 (SMMUv3)',
  architecture: 'arm',
  stage: 'first',
  source: SOURCE,
  configurations: CONFIGURATIONS,
  geometry: (config) => geometry(1, config),
};

export const ARM_S2: Format = {
  name: 'arm-s2',
  title: 'ARM 64-bit stage 2 (SMMUv3)',
  architecture: 'arm',
  stage: 'second',
  source: SOURCE,
  configurations: CONFIGURATIONS,
  geometry: (config) => geometry(2, config),
};
