/** What guests' IOMMUs cost: exits by kind, the hypervisor's time, memory and domain IDs. */
import { hostDomainIds } from '../../spec.ts';
import type { GuestResult, RunResult, UnitResult, ViommuResult } from '../../stats/result.ts';
import { type Column, ratio } from './column.ts';
import type { Totals } from './totals.ts';

const PS = 1000;
const GB = 1e9;

const exits = (name: string, meaning: string, value: (t: Totals) => number, heading: string): Column<Totals> => ({
  name,
  unit: '',
  meaning,
  formula: 'counted',
  value,
  heading,
});

const gigabytes = (t: Totals): number => (t.readBytes + t.writeBytes) / GB;

/** Of a run, a tenant or a device. */
export const EXIT_COLUMNS: readonly Column<Totals>[] = [
  exits('vm_exits_map', 'Exits of maps (shadow)', (t) => t.driver.vmExitsMap ?? 0, 'map exits'),
  exits('vm_exits_unmap', 'Exits of unmaps (shadow)', (t) => t.driver.vmExitsUnmap ?? 0, 'unmap exits'),
  exits(
    'vm_exits_invalidate',
    'Exits of invalidations that the hypervisor hands on (nested)',
    (t) => t.driver.vmExitsInvalidate ?? 0,
    'inv. exits',
  ),
  {
    name: 'vm_exits_per_gb',
    unit: '',
    meaning: 'Exits to the hypervisor a gigabyte moved',
    formula: 'vm_exits / ((read_bytes + write_bytes) / 1e9)',
    value: (t) => ratio(t.driver.vmExits, gigabytes(t)),
    heading: 'exits /GB',
  },
  {
    name: 'hypervisor_cpu_ns',
    unit: 'ns',
    meaning: 'Time that vCPUs spent in exits (part of cpu_ns_total)',
    formula: 'sum over cores',
    value: (t) => (t.driver.hypervisorPs ?? 0) / PS,
    heading: 'hyperv. CPU ns',
  },
  {
    name: 'hypervisor_cpu_ns_per_gb',
    unit: 'ns/GB',
    meaning: 'The same a gigabyte moved',
    formula: 'hypervisor_cpu_ns / ((read_bytes + write_bytes) / 1e9)',
    value: (t) => ratio((t.driver.hypervisorPs ?? 0) / PS, gigabytes(t)),
    heading: 'hyperv. ns/GB',
  },
];

/** Some tenants of a run: all, or one. */
export interface TenantsOf {
  readonly run: RunResult;
  readonly tenants: readonly number[];
}

const viommus = ({ run }: { readonly run: RunResult }): ViommuResult[] =>
  run.units.flatMap(({ viommu }) => viommu ?? []);

function sumOfGuests(of: TenantsOf, value: (guest: GuestResult) => number): number {
  const guests = viommus(of).flatMap((viommu) => viommu.guests);
  return guests.reduce((sum, guest) => sum + (of.tenants.includes(guest.tenant) ? value(guest) : 0), 0);
}

export const GUEST_COLUMNS: readonly Column<TenantsOf>[] = [
  {
    name: 'vm_exits_setup',
    unit: '',
    meaning: "Exits before the run: writes of guests' control registers and device-table entries",
    formula: '4 registers a guest and unit, 1 entry a device',
    value: (of) => sumOfGuests(of, (guest) => guest.setupExits),
    heading: 'set-up exits',
  },
  {
    name: 'pinned_bytes',
    unit: 'bytes',
    meaning: 'Guest memory that the hypervisor keeps in place for DMA, most at one time',
    formula: 'shadow: mapped pages, once for each mapping; other modes of a VM: all its memory',
    value: (of) => sumOfGuests(of, (guest) => guest.pinnedBytes),
    heading: 'pinned bytes',
  },
  {
    name: 'host_domain_ids',
    unit: '',
    meaning: 'Host domain IDs in use',
    formula: 'one a device; VM: one for each guest domain, and one for its memory where that has a table',
    value: ({ run, tenants }) => tenants.reduce((sum, tenant) => sum + hostDomainIds(run.spec.tenants[tenant]), 0),
    heading: 'host domain IDs',
  },
];

/** Summary only: spaces belong to units. */
export const PRIVATE_SPACE_COLUMN: Column<{ readonly run: RunResult }> = {
  name: 'private_space_bytes',
  unit: 'bytes',
  meaning: "Host memory of the units' private address spaces (nested-hw)",
  formula: '8 MiB a unit, 1.5 MiB a guest at each unit, and the tables of both',
  value: (of) => viommus(of).reduce((sum, { privateSpaceBytes }) => sum + privateSpaceBytes, 0),
  heading: 'private bytes',
};

interface OfUnit {
  readonly unit: UnitResult;
}

/** Of one unit. */
export const READER_COLUMNS: readonly Column<OfUnit>[] = [
  {
    name: 'private_space_bytes',
    unit: 'bytes',
    meaning: "Host memory of the unit's private address space (nested-hw)",
    formula: '8 MiB, 1.5 MiB a guest, and the table',
    value: ({ unit }) => unit.viommu?.privateSpaceBytes ?? 0,
  },
  {
    name: 'guest_commands',
    unit: '',
    meaning: "Commands that the unit read from guests' buffers (nested-hw)",
    formula: 'counted, waits included',
    value: ({ unit }) => unit.viommu?.commands ?? 0,
  },
  {
    name: 'guest_command_reads',
    unit: '',
    meaning: 'Memory reads for that: commands, ID maps, and the tables that lead to both',
    formula: 'counted',
    value: ({ unit }) => unit.viommu?.reads ?? 0,
  },
  {
    name: 'guest_command_hit_ratio',
    unit: '',
    meaning: "Share of the reader's translations that its cache held",
    formula: 'hits / lookups',
    value: ({ unit }) => ratio(unit.viommu?.hits ?? 0, unit.viommu?.lookups ?? 0),
  },
];
