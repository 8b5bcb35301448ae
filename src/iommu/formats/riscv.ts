/**
 * RISC-V Sv39, Sv48, Sv57 (first stage) and Sv39x4, Sv48x4, Sv57x4 (G stage: root of 16 KiB, two more address bits).
 *
 * RISC-V privileged architecture chapters 12.3 to 12.6, Svnapot, RISC-V IOMMU specification 3.3; Linux generic_pt/fmt/riscv.h
 * and, for the G stage, arch/riscv/kvm/gstage.c (7.2; there is no 6.1 of either). Hardware without A/D updates: a leaf needs A,
 * and D for writes.
 * Left out: PBMT memory types, execute requests.
 */
import { allowedSizes, bit, bits, levelsIn, sizes } from './bits.ts';
import { PROT_NOEXEC, PROT_READ, PROT_WRITE } from './format.ts';
import type { EntryField, Format, FormatConfig, TableGeometry } from './format.ts';
import { GENERIC_PT, KVM_GSTAGE } from './policies.ts';

const V = bit(0);
const R = bit(1);
const W = bit(2);
const X = bit(3);
const U = bit(4);
const A = bit(6);
const D = bit(7);
const PPN = bits(53, 10);
const RESERVED = bits(60, 54);
const PBMT = bits(62, 61);
const N = bit(63);

const FIELDS: readonly EntryField[] = [
  { name: 'V', high: 0, low: 0 },
  { name: 'R', high: 1, low: 1 },
  { name: 'W', high: 2, low: 2 },
  { name: 'X', high: 3, low: 3 },
  { name: 'U', high: 4, low: 4, kind: 'leaf' },
  { name: 'G', high: 5, low: 5 },
  { name: 'A', high: 6, low: 6, kind: 'leaf' },
  { name: 'D', high: 7, low: 7, kind: 'leaf' },
  { name: 'RSW', high: 9, low: 8 },
  { name: 'PPN', high: 53, low: 10 },
  { name: 'PBMT', high: 62, low: 61, kind: 'leaf' },
  { name: 'N', high: 63, low: 63, kind: 'leaf' },
];

function firstStageBits(prot: number): bigint | null {
  if ((prot & (PROT_READ | PROT_WRITE)) === 0) return null;
  const write = (prot & PROT_WRITE) !== 0;
  return V | A | U | R | (write ? W | D : 0n) | ((prot & PROT_NOEXEC) === 0 ? X : 0n);
}

/** KVM maps memory, which can always be read. */
function gStageBits(prot: number): bigint | null {
  if ((prot & (PROT_READ | PROT_WRITE)) === 0) return null;
  return V | R | U | A | D | ((prot & PROT_WRITE) !== 0 ? W : 0n) | ((prot & PROT_NOEXEC) === 0 ? X : 0n);
}

function geometry(g: boolean, config: FormatConfig): TableGeometry {
  const levels = levelsIn(config.levels, 3, [3, 4, 5]);
  const inputBits = 12 + 9 * levels + (g ? 2 : 0);
  const read = R | U | A;
  const write = W | U | A | D;
  const napot = config.svnapot === true && !g;
  return {
    levels,
    granuleLog2: 12,
    indexBits: 9,
    rootIndexBits: g ? 11 : 9,
    roots: 1,
    inputBits,
    mapBits: config.inputBits ?? inputBits,
    outputBits: 56,
    signExtended: !g,
    grows: false,
    nextLevel: false,
    present: V,
    permissionXor: 0n,
    read,
    write,
    address: { mask: PPN, shift: 2 },
    ...(napot ? { contiguous: { mask: N, value: N, code: 'napot' as const } } : {}),
    userBit: false,
    permissionBeforePresent: false,
    level: (level) => ({
      leafMask: R | W | X,
      tableBits: V,
      leafBits: 0n,
      reservedTable: RESERVED | PBMT | N | U | A | D,
      // A superpage whose address is not aligned to its size faults (privileged 12.3.2, step 5).
      reservedLeaf: RESERVED | (napot && level === 0 ? 0n : N) | (level > 0 ? bits(9 + 9 * level, 10) : 0n),
      unrestricted: read | write,
    }),
    pageSizes: allowedSizes(leafSizes(g, levels, napot), config.pageSizes),
    policy: g ? KVM_GSTAGE : GENERIC_PT,
    leafBits: g ? gStageBits : firstStageBits,
    fields: FIELDS,
  };
}

/** Every level can hold leaves; KVM stops at 512 GiB. */
function leafSizes(g: boolean, levels: number, napot: boolean): bigint {
  const natural = [12, 21, 30, 39, 48].slice(0, g ? Math.min(levels, 4) : levels);
  return sizes(...natural, ...(napot ? [16] : []));
}

const SOURCE = 'RISC-V privileged 12.3-12.6; Linux generic_pt/fmt/riscv.h, arch/riscv/kvm/gstage.c';

export const RISCV: Format = {
  name: 'riscv',
  title: 'RISC-V Sv39, Sv48, Sv57',
  architecture: 'riscv',
  stage: 'first',
  source: SOURCE,
  configurations: [
    { linux: '7.2', levels: 3 },
    { linux: '7.2', levels: 4, svnapot: true },
    { linux: '7.2', levels: 5, svnapot: true },
  ],
  geometry: (config) => geometry(false, config),
};

export const RISCVG: Format = {
  name: 'riscvg',
  title: 'RISC-V Sv39x4, Sv48x4, Sv57x4 (G stage)',
  architecture: 'riscv',
  stage: 'second',
  source: SOURCE,
  configurations: [
    { linux: '7.2', levels: 3 },
    { linux: '7.2', levels: 4 },
    { linux: '7.2', levels: 5 },
  ],
  geometry: (config) => geometry(true, config),
};
