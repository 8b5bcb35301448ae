/**
 * The guests' IOMMUs behind one unit: who takes a guest's commands, and what that keeps in memory. Hardware-assisted, the
 * unit reads them itself; else the hypervisor forwards them or shadows the guest's table.
 */
import { costsPs } from '../driver/costs.ts';
import type { DomainTable, InvalidationTarget } from '../driver/domain.ts';
import { KERNEL_ERAS } from '../driver/kernel-era.ts';
import { ForwardingHypervisor } from '../driver/viommu/forwarding.ts';
import type { Hypervisor } from '../driver/viommu/hypervisor.ts';
import { type ReadableTable, ShadowingHypervisor } from '../driver/viommu/shadowing.ts';
import { layCache } from '../iommu/cache.ts';
import type { CommandPort } from '../iommu/command-queue.ts';
import { Arena } from '../iommu/page-table.ts';
import { CommandReader, GuestCommandBuffer } from '../iommu/viommu/guest-commands.ts';
import { DEVICE_MAP, DOMAIN_MAP, PrivateSpace } from '../iommu/viommu/private-space.ts';
import type { Kernel, Regions } from '../kernel/kernel.ts';
import { ARENA_BYTES } from '../kernel/layout.ts';
import { PAGE_BYTES, PS_PER_NS } from '../request.ts';
import { deviceDomains, guestDomains, hasGuestTable, type RunSpec, type TenantSpec } from '../spec.ts';
import type { GuestResult, ViommuResult } from '../stats/result.ts';
import { writeDte } from './device-tables.ts';
import { hostPageOf, readHostTable } from './guest-memory.ts';
import {
  type DevicePlan,
  gcr3Bytes,
  type MemoryPlan,
  PRIVATE_STAGE,
  type PrivatePlan,
  readerTlb,
  type Space,
  type UnitPlan,
} from './memory-plan.ts';
import type { TableRules } from './table-rules.ts';

/**
 * Writes to a vIOMMU's trapped registers that bring it up at least: bases of device table, command buffer and event log,
 * and the control register.
 */
const SETUP_REGISTER_WRITES = 4;
/** The IOMMU's own PCI function, on the first bus of its unit. */
const OWN_FUNCTION = 2;

export interface UnitParts {
  readonly spec: RunSpec;
  readonly kernel: Kernel;
  readonly rules: TableRules;
  readonly memory: MemoryPlan;
  readonly plan: UnitPlan;
  readonly regions: Regions;
  /** The unit's own command queue. */
  readonly port: CommandPort;
}

/** The table that the guest writes and, in mode `shadow`, the one that hardware walks instead. */
export interface GuestTables {
  readonly guest: ReadableTable;
  readonly merged?: DomainTable & ReadableTable;
}

export class VirtualMachines {
  private readonly parts: UnitParts;
  private readonly space: PrivateSpace | undefined;
  private readonly reader: CommandReader | undefined;
  /** By tenant. */
  private readonly buffers = new Map<number, GuestCommandBuffer>();
  private readonly shadows = new Map<number, ShadowingHypervisor[]>();

  constructor(parts: UnitParts) {
    this.parts = parts;
    const { privateSpace } = parts.plan;
    if (privateSpace === undefined) return;
    this.space = this.buildSpace(privateSpace);
    this.reader = this.buildReader(this.space);
  }

  /** Where the guest's driver sends the commands of a device's domain, and under which domain ID. */
  target(plan: DevicePlan): Pick<InvalidationTarget, 'port' | 'domain'> {
    const port = this.bufferOf(plan.tenant);
    if (port === undefined) return { port: this.parts.port, domain: plan.domain };
    return { port, domain: plan.guestDomain };
  }

  /** What stands between that and the unit; undefined: nothing does. */
  hypervisor(plan: DevicePlan, tenant: TenantSpec, tables: GuestTables): Hypervisor | undefined {
    const { os } = this.parts.spec;
    if (tables.merged !== undefined) return this.shadow(plan, tables.guest, tables.merged);
    if (tenant.mode !== 'nested') return undefined;
    const { exitNs, completionPollNs } = os.costs;
    return new ForwardingHypervisor({ exitPs: ps(exitNs), pollPs: ps(completionPollNs), batched: os.viommu.batched });
  }

  /** The guest has pointed a device at its table: the hypervisor has set up its IDs, and the guest drops the old entry. */
  attached({ tenant, guestBdf, guestDomain, domain, spec }: DevicePlan): void {
    const buffer = this.bufferOf(tenant);
    if (buffer === undefined) return;
    const { guestId } = this.parts.plan.privateSpace!.guests.find((guest) => guest.tenant === tenant)!;
    this.space!.set(DEVICE_MAP, guestId, guestBdf, spec.bdf);
    this.space!.set(DOMAIN_MAP, guestId, guestDomain, domain);
    buffer.submitDevice(0, guestBdf);
  }

  resetCounts(): void {
    this.reader?.resetCounts();
  }

  result(): ViommuResult {
    const { reader, space } = this;
    const { tenants } = this.parts.spec;
    return {
      privateSpaceBytes: space?.bytes ?? 0,
      commands: reader?.commands ?? 0,
      reads: reader?.reads ?? 0,
      lookups: reader?.lookups ?? 0,
      hits: reader?.hits ?? 0,
      guests: tenants.flatMap((tenant, index) => this.guestResult(tenant, index) ?? []),
    };
  }

  /** A guest's part at this unit; its memory counts where its first device is. */
  private guestResult(tenant: TenantSpec, index: number): GuestResult | undefined {
    const { plan, memory } = this.parts;
    const { guest } = memory.tenants[index];
    const devices = tenant.devices.filter(({ unit }) => unit === plan.unit).length;
    if (guest === undefined || devices === 0) return undefined;
    const shadowed = (this.shadows.get(index) ?? []).reduce((sum, { pinnedPagesPeak }) => sum + pinnedPagesPeak, 0);
    const whole = guest.host !== undefined && tenant.devices[0].unit === plan.unit ? guest.pages : 0;
    return {
      tenant: index,
      setupExits: hasGuestTable(tenant.mode) ? SETUP_REGISTER_WRITES + devices : 0,
      pinnedBytes: (shadowed + whole) * PAGE_BYTES,
    };
  }

  private shadow(plan: DevicePlan, guest: ReadableTable, merged: DomainTable & ReadableTable): ShadowingHypervisor {
    const { spec, memory, port } = this.parts;
    const { costs, viommu, kernelEra } = spec.os;
    const guestPlan = memory.tenants[plan.tenant].guest!;
    const hypervisor = new ShadowingHypervisor({
      guest,
      merged,
      hostPage: (page) => hostPageOf(guestPlan, page),
      target: { port, domain: plan.domain, pasid: -1 },
      rules: KERNEL_ERAS[kernelEra],
      flushesMaps: this.parts.spec.machine.iotlb.negative === true,
      costs: {
        ...costsPs(costs),
        exit: ps(viommu.emulatedExitNs),
        page: ps(viommu.shadowPageNs),
      },
    });
    const others = this.shadows.get(plan.tenant);
    if (others === undefined) this.shadows.set(plan.tenant, [hypervisor]);
    else others.push(hypervisor);
    return hypervisor;
  }

  /** The guest's command buffer at this unit; undefined: the unit does not read it. */
  private bufferOf(tenant: number): GuestCommandBuffer | undefined {
    const guest = this.parts.plan.privateSpace?.guests.find((each) => each.tenant === tenant);
    if (guest === undefined) return undefined;
    let buffer = this.buffers.get(tenant);
    if (buffer === undefined) this.buffers.set(tenant, (buffer = this.buildBuffer(tenant, guest.guestId)));
    return buffer;
  }

  private buildBuffer(tenant: number, guestId: number): GuestCommandBuffer {
    const { spec, kernel, rules, memory, plan } = this.parts;
    const { host } = memory.tenants[tenant].guest!;
    const space = plan.guests.get(tenant)!;
    const offset = gcr3Bytes(plan.devices.filter((device) => device.tenant === tenant));
    const { levels, root } = readHostTable(kernel, host!);
    const rule = rules.of(spec.tenants[tenant].host).at;
    return new GuestCommandBuffer(kernel, this.reader!, {
      guestId,
      entries: spec.machine.commandQueueEntries,
      base: space.base + offset,
      gpa: space.gpa + offset,
      host: { rule, levels, root },
    });
  }

  /** The space with its maps, and the unit's own device-table entry, which leads to its table. */
  private buildSpace({ space, entryBytes, dataPage, guests }: PrivatePlan): PrivateSpace {
    const { spec, kernel, regions, rules, plan } = this.parts;
    const arena = arenaBehind(kernel, regions, space, entryBytes);
    const places = { base: space.base, spaPage: space.spa / PAGE_BYTES, dataPage };
    const result = new PrivateSpace(kernel, regions, arena, rules.of(PRIVATE_STAGE), { guests, ...places });
    for (const { tenant, guestId, idleDomain } of guests) {
      const used = deviceDomains(spec.tenants[tenant]);
      const domains = guestDomains(spec.tenants[tenant]);
      for (let i = used; i < domains; i++) result.set(DOMAIN_MAP, guestId, i + 1, idleDomain + i - used);
    }
    const { levels: mode, rootAddress: root } = result.table;
    const bdf = ((Math.floor(256 / spec.machine.units) * plan.unit) << 8) | OWN_FUNCTION;
    writeDte(kernel, plan.deviceTable, bdf, { domain: 0, mode, root, ats: false, ppr: false });
    return result;
  }

  private buildReader(space: PrivateSpace): CommandReader {
    const { spec, kernel, regions, port } = this.parts;
    const cache = layCache(kernel, regions, readerTlb(spec), 1);
    return new CommandReader({ kernel, space, port, cache, readPs: ps(spec.machine.latency.memoryReadNs) });
  }
}

function arenaBehind(kernel: Kernel, regions: Regions, space: Space, front: number): Arena {
  const at = regions.take(ARENA_BYTES);
  return new Arena(kernel, at, space.base + front, space.bytes - front, BigInt(space.spa + front));
}

const ps = (ns: number): number => Math.round(ns * PS_PER_NS);
