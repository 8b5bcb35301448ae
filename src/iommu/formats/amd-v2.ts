/**
 * AMD v2 (guest) page table: x86-64 long mode, 4 or 5 levels, leaves 4 KiB, 2 MiB, 1 GiB.
 *
 * AMD 48882 section 2.2.6; Linux drivers/iommu/amd/io_pgtable_v2.c (6.1: 48-bit input) and generic_pt/fmt/x86_64.h (7.2:
 * 47/56 bits, so that one table serves PASID 0, which has no sign extension, and other PASIDs, which have).
 * Left out: accessed and dirty updates, PAT/PWT/PCD memory types, execute requests.
 */
import { allowedSizes, levelsIn, sizes } from './bits.ts';
import { PROT_READ, PROT_WRITE } from './format.ts';
import type { Format, FormatConfig, LinuxProfile, TableGeometry } from './format.ts';
import { AMD_6_1, GENERIC_PT } from './policies.ts';
import { A, ADDRESS, D, P, RW, US, X86_FIELDS, x86Level } from './x86.ts';

function leafBits(prot: number, linux: LinuxProfile): bigint | null {
  if ((prot & (PROT_READ | PROT_WRITE)) === 0) return null;
  const write = (prot & PROT_WRITE) !== 0;
  return P | US | A | (write ? RW : 0n) | (write || linux === '6.1' ? D : 0n);
}

function geometry(config: FormatConfig): TableGeometry {
  const levels = levelsIn(config.levels, 4, [4, 5]);
  const inputBits = 12 + 9 * levels;
  return {
    levels,
    granuleLog2: 12,
    indexBits: 9,
    rootIndexBits: 9,
    roots: 1,
    inputBits,
    mapBits: config.inputBits ?? (config.linux === '6.1' ? inputBits : inputBits - 1),
    outputBits: 52,
    signExtended: config.signExtended ?? false,
    grows: false,
    nextLevel: false,
    present: P,
    permissionXor: 0n,
    read: US, // DMA requests are user requests
    write: US | RW,
    address: { mask: ADDRESS, shift: 0 },
    userBit: true,
    permissionBeforePresent: false,
    level: (level) => x86Level(level, P | RW | US | A, 0n),
    pageSizes: allowedSizes(sizes(12, 21, 30), config.pageSizes),
    policy: config.linux === '6.1' ? AMD_6_1 : GENERIC_PT,
    leafBits: (prot) => leafBits(prot, config.linux),
    fields: X86_FIELDS,
  };
}

export const AMD_V2: Format = {
  name: 'amd-v2',
  title: 'AMD v2 (guest) page table',
  architecture: 'amd',
  stage: 'first',
  source: 'AMD 48882 2.2.6; Linux drivers/iommu/amd/io_pgtable_v2.c, generic_pt/fmt/x86_64.h',
  configurations: [
    { linux: '7.2', levels: 4 },
    { linux: '7.2', levels: 5 },
    { linux: '6.1', levels: 4 },
    { linux: '7.2', levels: 4, pageSizes: 0x1000n },
  ],
  geometry,
};
