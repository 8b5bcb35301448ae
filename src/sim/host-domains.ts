/**
 * Host domain IDs: each unit tags its caches with them, so no two address spaces may share one. They have 16 bits (Linux:
 * MAX_DOMAIN_ID), and each domain that a guest makes uses one up (drivers/iommu/amd/nested.c, Linux 7.2), as does a VM's
 * memory where it has a table of its own.
 */
import { deviceDomains, guestDomains, hasGuestTable, isVm, type RunSpec, type TenantSpec } from '../spec.ts';

/** Domain 0 is Linux's for devices without one; units use it for their own private address spaces. */
const FIRST_DOMAIN = 1;

export interface HostDomains {
  /** By device index. */
  readonly devices: readonly number[];
  /** The domain of a VM's memory by tenant; 0 where there is none. */
  readonly memories: readonly number[];
  /** First ID, by tenant, of the guest's domains without a device. */
  readonly idle: readonly number[];
}

/** Devices first, in their order; then the memories of VMs, then domains without devices. */
export function hostDomains({ tenants }: Pick<RunSpec, 'tenants'>): HostDomains {
  let next = FIRST_DOMAIN;
  const devices: number[] = [];
  for (const tenant of tenants) {
    if (sharesMemoryDomain(tenant)) continue;
    const named = new Map<string, number>();
    for (const { index, domain } of tenant.devices) {
      devices[index] = (domain === undefined ? undefined : named.get(domain)) ?? next++;
      if (domain !== undefined) named.set(domain, devices[index]);
    }
  }
  const memories = tenants.map((tenant) => (isVm(tenant) && tenant.mode !== 'shadow' ? next++ : 0));
  tenants.forEach((tenant, t) => {
    if (sharesMemoryDomain(tenant)) for (const { index } of tenant.devices) devices[index] = memories[t];
  });
  const idle = tenants.map((tenant) => {
    const first = next;
    if (hasGuestTable(tenant.mode)) next += guestDomains(tenant) - deviceDomains(tenant);
    return first;
  });
  return { devices, memories, idle };
}

/** Without an IOMMU in the guest, all devices of a VM are in the domain of its memory. */
function sharesMemoryDomain(tenant: TenantSpec): boolean {
  return isVm(tenant) && !hasGuestTable(tenant.mode);
}
