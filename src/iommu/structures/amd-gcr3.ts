/**
 * AMD GCR3 tables: PASID → root of a v2 table. 4 KiB tables of 512 entries, GLX + 1 levels.
 *
 * AMD 48882 section 2.2.6.3; Linux drivers/iommu/amd/iommu.c __get_gcr3_pte, __set_gcr3, __clear_gcr3.
 */
import { bit, bits } from '../formats/bits.ts';

export const GCR3_VALID = bit(0);
export const GCR3_ADDRESS = bits(51, 12);
const INDEX_BITS = 9;

/** Index of a PASID at a level; level 0 holds the CR3 values. */
export function gcr3Index(pasid: number, level: number): number {
  return (pasid >> (INDEX_BITS * level)) & 0x1ff;
}

/** Largest PASID that GLX can index. */
export function gcr3MaxPasid(glx: number): number {
  return Math.min((1 << (INDEX_BITS * (glx + 1))) - 1, 0xfffff);
}

/** An entry of any level. */
export function gcr3Entry(address: bigint): bigint {
  return (address & GCR3_ADDRESS) | GCR3_VALID;
}
