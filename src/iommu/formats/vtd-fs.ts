/**
 * Intel VT-d first-stage page table: x86-64 long mode with canonical input addresses, 4 or 5 levels.
 *
 * VT-d specification 4.1, sections 3.6 and 9.9; Linux drivers/iommu/intel/iommu.c (6.1: XD in every entry) and
 * generic_pt/fmt/x86_64.h (7.2). `outputBits` is the host address width: address bits above it are reserved.
 * Left out: accessed, extended-accessed and dirty updates, execute and supervisor requests.
 */
import { allowedSizes, bits, levelsIn, sizes } from './bits.ts';
import { PROT_READ, PROT_WRITE } from './format.ts';
import type { Format, FormatConfig, LinuxProfile, TableGeometry } from './format.ts';
import { GENERIC_PT, INTEL_6_1 } from './policies.ts';
import { A, ADDRESS, D, P, RW, US, X86_FIELDS, XD, x86Level } from './x86.ts';

function leafBits(prot: number, linux: LinuxProfile): bigint | null {
  if ((prot & (PROT_READ | PROT_WRITE)) === 0) return null;
  return P | US | A | ((prot & PROT_WRITE) !== 0 ? RW | D : 0n) | (linux === '6.1' ? XD : 0n);
}

function geometry(config: FormatConfig): TableGeometry {
  const levels = levelsIn(config.levels, 4, [4, 5]);
  const inputBits = 12 + 9 * levels;
  const outputBits = config.outputBits ?? 52;
  const reserved = outputBits < 52 ? bits(51, outputBits) : 0n;
  const old = config.linux === '6.1';
  return {
    levels,
    granuleLog2: 12,
    indexBits: 9,
    rootIndexBits: 9,
    roots: 1,
    inputBits,
    mapBits: config.inputBits ?? inputBits,
    outputBits,
    signExtended: config.signExtended ?? true,
    grows: false,
    nextLevel: false,
    present: P,
    permissionXor: 0n,
    read: US,
    write: US | RW,
    address: { mask: ADDRESS, shift: 0 },
    userBit: true,
    permissionBeforePresent: false,
    level: (level) => x86Level(level, P | RW | US | A | (old ? XD : 0n), reserved),
    pageSizes: allowedSizes(sizes(12, 21, 30), config.pageSizes),
    policy: old ? INTEL_6_1 : GENERIC_PT,
    leafBits: (prot) => leafBits(prot, config.linux),
    fields: X86_FIELDS,
  };
}

export const VTD_FS: Format = {
  name: 'vtd-fs',
  title: 'Intel VT-d first-stage page table',
  architecture: 'intel',
  stage: 'first',
  source: 'VT-d 4.1 3.6, 9.9; Linux drivers/iommu/intel/iommu.c, generic_pt/fmt/x86_64.h',
  configurations: [
    { linux: '7.2', levels: 4 },
    { linux: '7.2', levels: 5 },
    { linux: '6.1', levels: 4 },
    { linux: '6.1', levels: 5, pageSizes: 0x201000n },
  ],
  geometry,
};
