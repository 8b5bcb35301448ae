/** How codes of the model are written in result files. */
import {
  FAULT_ATS,
  INVALIDATION_TIMEOUT,
  FAULT_BLOCKED,
  FAULT_CANONICAL,
  FAULT_DTE,
  FAULT_GUEST_TABLE,
  FAULT_LEVEL,
  FAULT_MEMORY,
  FAULT_NOT_PRESENT,
  FAULT_PASID,
  FAULT_READ,
  FAULT_RESERVED,
  FAULT_USER,
  FAULT_WIDTH,
  FAULT_WRITE,
} from '../kernel/layout.ts';

/** `41:00.0` */
export function bdfText(bdf: number): string {
  const hex = (value: number): string => value.toString(16).padStart(2, '0');
  return `${hex(bdf >> 8)}:${hex((bdf >> 3) & 31)}.${bdf & 7}`;
}

const FAULTS: Readonly<Record<number, string>> = {
  [FAULT_NOT_PRESENT]: 'not_present',
  [FAULT_READ]: 'no_read_permission',
  [FAULT_WRITE]: 'no_write_permission',
  [FAULT_RESERVED]: 'reserved_bits',
  [FAULT_WIDTH]: 'address_too_wide',
  [FAULT_CANONICAL]: 'address_not_canonical',
  [FAULT_USER]: 'no_user_permission',
  [FAULT_LEVEL]: 'illegal_level',
  [FAULT_MEMORY]: 'table_outside_memory',
  [FAULT_DTE]: 'device_entry_invalid',
  [FAULT_BLOCKED]: 'device_blocked',
  [FAULT_PASID]: 'pasid_invalid',
  [FAULT_GUEST_TABLE]: 'guest_table_fault',
  [FAULT_ATS]: 'ats_not_allowed',
  [-1]: 'illegal_command', // ILLEGAL_COMMAND of iommu/event-log.ts
  [INVALIDATION_TIMEOUT]: 'invalidation_timeout',
};

export function faultName(code: number): string {
  return FAULTS[code] ?? `fault_${code}`;
}
