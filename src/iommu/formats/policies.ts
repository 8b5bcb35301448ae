/**
 * What Linux's table code does beyond the format: maps over mapped pages, unmaps of holes and of parts of large pages,
 * freeing of emptied tables.
 */
import {
  POLICY_BY_FETCH,
  POLICY_BY_STEP,
  POLICY_CLEAR_ABOVE,
  POLICY_GROW_BY_START,
  POLICY_HOLE_SKIP,
  POLICY_KEEP,
  POLICY_ONE_TABLE,
  POLICY_RECHOOSE,
  POLICY_REPLACE,
  POLICY_REPORT_SIZE,
  POLICY_REPORT_SPAN,
  POLICY_SPLIT,
  POLICY_TABLE_IF_EMPTY,
  POLICY_TAIL_WHOLE,
  RULE_FREE_BLOCK,
  RULE_FREE_COVERED,
  RULE_FREE_NEVER,
  RULE_FREE_WHOLE,
} from '../../kernel/layout.ts';
import type { LinuxProfile, MapPolicy } from './format.ts';

const ENOMEM = 12;
const EEXIST = 17;
const ERANGE = 34;
const EADDRINUSE = 98;

/** drivers/iommu/generic_pt/iommu_pt.h (7.2: AMD, Intel, RISC-V). */
export const GENERIC_PT: MapPolicy = {
  flags: POLICY_TABLE_IF_EMPTY | POLICY_TAIL_WHOLE,
  free: RULE_FREE_COVERED,
  occupied: EADDRINUSE,
  range: ERANGE,
};

/** drivers/iommu/amd/io_pgtable.c and io_pgtable_v2.c (6.1). */
export const AMD_6_1: MapPolicy = {
  flags: POLICY_REPLACE | POLICY_CLEAR_ABOVE | POLICY_BY_FETCH | POLICY_GROW_BY_START,
  free: RULE_FREE_NEVER,
  occupied: EEXIST,
  range: ERANGE,
};

/** drivers/iommu/intel/iommu.c (6.1): __domain_mapping, dma_pte_clear_level. */
export const INTEL_6_1: MapPolicy = {
  flags: POLICY_KEEP | POLICY_HOLE_SKIP | POLICY_REPORT_SIZE | POLICY_REPORT_SPAN | POLICY_RECHOOSE,
  free: RULE_FREE_WHOLE,
  occupied: EEXIST,
  range: ERANGE,
};

/** drivers/iommu/io-pgtable-arm.c. 6.1 splits blocks on a partial unmap, 7.2 refuses. */
export function armPolicy(linux: LinuxProfile): MapPolicy {
  const flags = POLICY_ONE_TABLE | (linux === '6.1' ? POLICY_SPLIT : 0);
  return { flags, free: RULE_FREE_BLOCK, occupied: EEXIST, range: ERANGE, lookupWraps: true };
}

/** drivers/iommu/io-pgtable-dart.c. 7.2 finds no table for an address beyond the TTBRs and answers -ENOMEM. */
export function dartPolicy(linux: LinuxProfile): MapPolicy {
  const old = linux === '6.1';
  const range = old ? ERANGE : ENOMEM;
  return { flags: POLICY_ONE_TABLE, free: RULE_FREE_NEVER, occupied: EEXIST, range, lookupWraps: old };
}

/** arch/riscv/kvm/gstage.c (7.2). */
export const KVM_GSTAGE: MapPolicy = {
  flags: POLICY_REPLACE | POLICY_BY_STEP | POLICY_REPORT_SIZE,
  free: RULE_FREE_NEVER,
  occupied: EEXIST,
  range: ERANGE,
};
