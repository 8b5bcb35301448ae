/**
 * One IOMMU unit with everything behind it: caches, command queue, the devices with their domains, tables, drivers and
 * models, and the engine that runs them. Units share nothing that changes, so each may run in a thread of its own.
 *
 * Every device has a domain of its own, as Linux's DMA API gives each IOMMU group one; in a guest, the guest's DMA API.
 */
import { BounceBuffers, BouncePool } from '../driver/bounce.ts';
import { Core, Lock } from '../driver/cpu.ts';
import { DmaDomain, type DmaDomainConfig, type DomainTable } from '../driver/domain.ts';
import { IovaAllocator } from '../driver/iova-allocator.ts';
import { KERNEL_ERAS } from '../driver/kernel-era.ts';
import { DeviceMapper } from '../driver/mapper.ts';
import { DmaMemory } from '../driver/memory.ts';
import { policies } from '../driver/policies/index.ts';
import { passthrough } from '../driver/policies/passthrough.ts';
import type { MappingPolicy } from '../driver/policy.ts';
import type { ReadableTable } from '../driver/viommu/shadowing.ts';
import { type CommandHandler, CommandQueue } from '../iommu/command-queue.ts';
import { Arena, PageTable } from '../iommu/page-table.ts';
import type { DteSettings } from '../iommu/structures/amd-device-table.ts';
import { IommuUnit } from '../iommu/unit.ts';
import { type Kernel, type KernelExports, Regions } from '../kernel/kernel.ts';
import { ARENA_BYTES } from '../kernel/layout.ts';
import { Prng } from '../lib/prng.ts';
import { PAGE_BYTES } from '../request.ts';
import {
  cachesNotPresent,
  type DeviceSpec,
  effectivePolicy,
  hasGuestTable,
  isVm,
  type RunSpec,
  type StageSpec,
  type TenantSpec,
} from '../spec.ts';
import { devices as deviceFactories } from '../traffic/devices/index.ts';
import type { DeviceModel } from '../traffic/device.ts';
import { writeDte, writeGcr3 } from './device-tables.ts';
import { Engine } from './engine.ts';
import { readHostTable } from './guest-memory.ts';
import {
  type DevicePlan,
  frontBytes,
  gcr3Levels,
  guestBufferSize,
  type MemoryPlan,
  type Space,
  type UnitPlan,
} from './memory-plan.ts';
import { HOST_FORMAT, type TableRules } from './table-rules.ts';
import { VirtualMachines } from './virtual-machines.ts';

/** Streams of random numbers: a device's traffic has its index; memory and units have theirs above. */
const MEMORY_STREAM = 4294967296;
const UNIT_STREAM = 2 * MEMORY_STREAM;

/** One device with its driver. */
export interface DeviceSystem {
  readonly plan: DevicePlan;
  readonly ctx: number;
  readonly model: DeviceModel;
  readonly mapper: DeviceMapper;
  readonly policy: MappingPolicy;
  /** Not there for a device that passes through. */
  readonly domain: DmaDomain | undefined;
}

type Dma = Pick<DeviceSystem, 'policy' | 'domain'>;

/** Where the page tables of some of the unit's devices come from; GCR3 tables come from the front of it. */
class TablePool {
  readonly space: Space;
  readonly arena: Arena;
  /** The space's first address as the tables' pointers see it. */
  readonly address: number;
  private nextGcr3 = 0;

  constructor(kernel: Kernel, regions: Regions, space: Space, address: number, front: number) {
    this.space = space;
    this.address = address;
    const at = regions.take(ARENA_BYTES);
    this.arena = new Arena(kernel, at, space.base + front, space.bytes - front, BigInt(address + front));
  }

  /** Offset of the pages of one more GCR3 table. */
  takeGcr3(pasid: number): number {
    const offset = this.nextGcr3;
    this.nextGcr3 += (gcr3Levels(pasid) + 1) * PAGE_BYTES;
    return offset;
  }
}

export class UnitSystem implements CommandHandler {
  readonly plan: UnitPlan;
  readonly iommu: IommuUnit;
  readonly commands: CommandQueue;
  readonly devices: readonly DeviceSystem[];
  readonly engine: Engine;
  /** The CPUs that serve the unit's devices. */
  readonly cores: readonly Core[];
  readonly virtualMachines: VirtualMachines;
  invalidatedEntries = 0;
  private readonly spec: RunSpec;
  private readonly kernel: Kernel;
  private readonly rules: TableRules;
  private readonly memory: MemoryPlan;
  private readonly regions: Regions;
  private readonly pools = new Map<string, TablePool>();
  /** Command-queue locks and bounce buffers: the host's, and each guest's own. */
  private readonly queueLocks = new Map<string, Lock>();
  private readonly bouncePools = new Map<string, BouncePool>();
  /** Queues that have been given a core. */
  private pinned = 0;

  /** Guest memory must have been built. `translate`: stands between the engine and the kernel's, to look on. */
  constructor(
    spec: RunSpec,
    kernel: Kernel,
    rules: TableRules,
    memory: MemoryPlan,
    unit: number,
    translate?: KernelExports['translate'],
  ) {
    const { machine } = spec;
    this.spec = spec;
    this.kernel = kernel;
    this.rules = rules;
    this.memory = memory;
    this.plan = memory.units[unit]!;
    const { structures, deviceTable, historyPages, devices } = this.plan;
    this.regions = new Regions(structures.base + structures.bytes, structures.base);
    this.iommu = new IommuUnit(kernel, this.regions, machine, devices.length, {
      seed: new Prng(spec.seed, UNIT_STREAM + unit).nextU32(),
      rules: rules.forUnits,
      deviceTable: BigInt(deviceTable.spa),
      historyPages,
    });
    const { commandQueueEntries: entries, latency } = machine;
    this.commands = new CommandQueue({ entries, ...latency }, this);
    this.cores = Array.from({ length: coreCount(spec, devices) }, (_, cpu) => new Core(cpu));
    const { regions, plan, commands: port } = this;
    this.virtualMachines = new VirtualMachines({ spec, kernel, rules, memory, plan, regions, port });
    this.devices = devices.map((device) => this.buildDevice(device));
    this.engine = new Engine({
      kernel,
      regions: this.regions,
      devices: this.devices.map(({ ctx, model, policy, plan }) => ({
        ctx,
        model,
        timer: policy,
        link: plan.spec.link,
      })),
      machine,
      ...(translate === undefined ? {} : { translate }),
      commands: this.commands,
    });
  }

  /** Maps what stays mapped, and lets the devices send. */
  start(): void {
    for (const { model } of this.devices) model.start();
    this.engine.start();
  }

  // ---- Commands take effect ------------------------------------------------------------------------------------------------

  invalidatePages(domain: number, pasid: number, page: number, sizeLog2: number, walkCaches: boolean): void {
    this.invalidatedEntries += this.iommu.invalidatePages(domain, pasid, page, sizeLog2 - 12, walkCaches);
  }

  invalidateAll(domain: number, pasid: number): void {
    this.invalidatedEntries += this.iommu.invalidatePages(domain, pasid, 0, 52, true);
  }

  invalidateDevice(bdf: number): void {
    this.invalidatedEntries += this.iommu.invalidateDevice(bdf);
  }

  drainedAt(): number {
    return this.engine.drainedPs;
  }

  // ---- Set-up ----------------------------------------------------------------------------------------------------------------

  private buildDevice(plan: DevicePlan): DeviceSystem {
    const { spec, footprint, firstPage } = plan;
    const tenant = this.spec.tenants[plan.tenant];
    const ctx = this.iommu.requester(spec.bdf, spec.pasid, spec.index);
    const dma = tenant.mode === 'passthrough' ? this.passThrough(plan) : this.translated(plan, tenant);
    const { policy } = dma;
    const shuffler = new Prng(this.spec.seed, MEMORY_STREAM + spec.index);
    const memory = new DmaMemory(firstPage, footprint.memoryPages, shuffler);
    const { costs } = this.spec.os;
    const bounce = spec.untrusted
      ? new BounceBuffers(this.bouncePool(this.ownerOf(plan, tenant), memory), policy, costs)
      : undefined;
    const mapper = new DeviceMapper({ policy, cores: this.pin(spec), memory, bounce });
    const rng = new Prng(this.spec.seed, spec.index);
    const model = deviceFactories[spec.traffic.model]({ spec, rng, mapper, packetNs: costs.packetNs });
    return { plan, ctx, model, mapper, policy, domain: dma.domain };
  }

  /** The unit's cores in the order in which the device's queues use them: queues are dealt to cores in turn. */
  private pin(spec: DeviceSpec): Core[] {
    const first = this.pinned;
    this.pinned += queuesOf(spec);
    return this.cores.map((_, i) => this.cores[(first + i) % this.cores.length]);
  }

  private bouncePool(owner: string, memory: DmaMemory): BouncePool {
    let pool = this.bouncePools.get(owner);
    if (pool === undefined) {
      const { bounceSlots } = this.spec.os;
      pool = new BouncePool(memory.allocate(Math.ceil(bounceSlots / 2)), bounceSlots);
      this.bouncePools.set(owner, pool);
    }
    return pool;
  }

  private queueLock(owner: string): Lock {
    let lock = this.queueLocks.get(owner);
    if (lock === undefined) this.queueLocks.set(owner, (lock = new Lock()));
    return lock;
  }

  /** Whose kernel drives the device. */
  private ownerOf(plan: DevicePlan, tenant: TenantSpec): string {
    return isVm(tenant) ? `guest ${plan.tenant}` : 'host';
  }

  /** The IOVA is the physical address: an SPA without translation, or a VM's GPA through the host's table of its memory. */
  private passThrough({ spec, domain, tenant }: DevicePlan): Dma {
    const host = this.memory.tenants[tenant].guest?.host;
    const { levels: mode, root } = host === undefined ? { levels: 0, root: 0n } : readHostTable(this.kernel, host);
    writeDte(this.kernel, this.plan.deviceTable, spec.bdf, { domain, mode, root, ats: false, ppr: false });
    return { policy: passthrough(), domain: undefined };
  }

  private translated(plan: DevicePlan, tenant: TenantSpec): Dma {
    const { os } = this.spec;
    const guest = hasGuestTable(tenant.mode);
    const stage = guest ? tenant.guest : tenant.host;
    const domain = new DmaDomain({
      ...(guest ? this.guestDma(plan, tenant) : this.hostDma(plan, tenant.host)),
      firstStage: stage.format !== HOST_FORMAT,
      iova: this.iovaAllocator(stage),
      rules: KERNEL_ERAS[os.kernelEra],
      costs: os.costs,
      npCache: cachesNotPresent(tenant),
    });
    // Linux never defers flushes of untrusted devices.
    const create = policies[plan.spec.untrusted ? 'strict' : effectivePolicy(tenant)];
    return {
      policy: create({ steps: domain, flushQueue: os.flushQueue, contiguousPages: os.contiguousPages }),
      domain,
    };
  }

  private hostDma(plan: DevicePlan, stage: StageSpec): Pick<DmaDomainConfig, 'table' | 'targets'> {
    const pasid = stage.format === HOST_FORMAT ? -1 : Math.max(0, plan.spec.pasid);
    const lock = this.queueLock('host');
    return {
      table: this.buildTable(plan, stage),
      targets: [{ port: this.commands, lock, domain: plan.domain, pasid }],
    };
  }

  private guestDma(plan: DevicePlan, tenant: TenantSpec): Pick<DmaDomainConfig, 'table' | 'targets' | 'hypervisor'> {
    const { virtualMachines: vms } = this;
    const shadow = tenant.mode === 'shadow';
    const guest = PageTable.create(this.kernel, this.regions, this.guestPool(plan).arena, this.rules.of(tenant.guest));
    const merged = shadow ? this.buildTable(plan, tenant.host) : undefined;
    if (!shadow) this.pointAt(plan, tenant, guest);
    const lock = this.queueLock(this.ownerOf(plan, tenant));
    const target = { ...vms.target(plan), lock, pasid: Math.max(0, plan.spec.pasid) };
    vms.attached(plan);
    const tables = { guest, ...(merged === undefined ? {} : { merged }) };
    return { table: guest, targets: [target], hypervisor: vms.hypervisor(plan, tenant, tables) };
  }

  private iovaAllocator(stage: StageSpec): IovaAllocator {
    const { geometry } = this.rules.of(stage);
    const { iova, kernelEra } = this.spec.os;
    const { depotMagazines, retry32Bit, reserved } = KERNEL_ERAS[kernelEra];
    // Linux keeps to the lower half of a sign-extended table.
    const tableBits = geometry.grows ? 64 : geometry.inputBits - (geometry.signExtended ? 1 : 0);
    const maskBits = Math.min(iova.maskBits, tableBits);
    const cpus = this.cores.length;
    return new IovaAllocator({ cpus, maskBits, forcedac: iova.forcedac, depotMagazines, retry32Bit, reserved });
  }

  /** A table in the host's memory that the device goes through, and the entries that lead to it. */
  private buildTable(plan: DevicePlan, stage: StageSpec): DomainTable & ReadableTable {
    const { spec } = plan;
    const pool = this.hostPool();
    const table = PageTable.create(this.kernel, this.regions, pool.arena, this.rules.of(stage));
    if (stage.format !== HOST_FORMAT) {
      this.writeEntry(plan, { mode: 0, root: 0n, guest: this.guestEntry(plan, pool, table, stage) });
      return table;
    }
    const write = (): void => this.writeEntry(plan, { mode: table.levels, root: table.rootAddress });
    write();
    return new GrowingTable(table, () => {
      write();
      this.iommu.invalidateDevice(spec.bdf);
    });
  }

  /** Nested: the device goes through the guest's table and the host's table of the guest's memory. */
  private pointAt(plan: DevicePlan, tenant: TenantSpec, table: PageTable): void {
    const { levels, root } = readHostTable(this.kernel, this.memory.tenants[plan.tenant].guest!.host!);
    const guest = this.guestEntry(plan, this.guestPool(plan), table, tenant.guest);
    this.writeEntry(plan, { mode: levels, root, guest });
  }

  private writeEntry({ spec, domain }: DevicePlan, settings: Pick<DteSettings, 'mode' | 'root' | 'guest'>): void {
    writeDte(this.kernel, this.plan.deviceTable, spec.bdf, { ...settings, domain, ats: false, ppr: false });
  }

  /** A GCR3 table that leads to the table, and what the device-table entry says of it. */
  private guestEntry(
    { spec }: DevicePlan,
    pool: TablePool,
    table: PageTable,
    stage: StageSpec,
  ): NonNullable<DteSettings['guest']> {
    const pasid = Math.max(0, spec.pasid);
    const { gcr3, glx } = writeGcr3(this.kernel, pool.space, pool.takeGcr3(pasid), pool.address, pasid, table);
    return { gcr3, glx, giov: spec.pasid < 0, levels: stage.levels };
  }

  /** One pool for all tables of the host, one for those of each guest. */
  private hostPool(): TablePool {
    const { tables, devices } = this.plan;
    const own = devices.filter((device) => this.spec.tenants[device.tenant].mode === 'host');
    return this.poolOf('host', tables, tables.spa, frontBytes(own, 0));
  }

  private guestPool({ tenant }: DevicePlan): TablePool {
    const space = this.plan.guests.get(tenant)!;
    const own = this.plan.devices.filter((device) => device.tenant === tenant);
    const front = frontBytes(own, guestBufferSize(this.spec, this.spec.tenants[tenant]));
    return this.poolOf(`guest ${tenant}`, space, space.gpa, front);
  }

  private poolOf(key: string, space: Space, address: number, front: number): TablePool {
    let pool = this.pools.get(key);
    if (pool === undefined) {
      pool = new TablePool(this.kernel, this.regions, space, address, front);
      this.pools.set(key, pool);
    }
    return pool;
  }

  /** Table pages in use behind this unit; a guest's host table counts where the guest's first device is. */
  get tablePages(): number {
    let pages = 0;
    for (const { arena } of this.pools.values()) pages += arena.liveFrames;
    for (const { guest, spec } of this.memory.tenants) {
      if (guest?.host === undefined || spec.devices[0]?.unit !== this.plan.unit) continue;
      pages += readHostTable(this.kernel, guest.host).tablePages;
    }
    return pages;
  }
}

function queuesOf({ traffic }: DeviceSpec): number {
  return 'queues' in traffic ? traffic.queues : 1;
}

function coreCount({ os }: RunSpec, devices: readonly DevicePlan[]): number {
  return os.cpus > 0
    ? os.cpus
    : Math.max(
        1,
        devices.reduce((sum, { spec }) => sum + queuesOf(spec), 0),
      );
}

/**
 * An AMD v1 table, which gains levels as higher IOVAs are mapped: the device-table entry is then written anew and dropped
 * from its cache (Linux: amd_iommu_domain_update, increase_address_space). The page-walk caches stay valid.
 */
class GrowingTable implements DomainTable, ReadableTable {
  private readonly table: PageTable;
  private readonly grown: () => void;
  private levels: number;

  constructor(table: PageTable, grown: () => void) {
    this.table = table;
    this.grown = grown;
    this.levels = table.levels;
  }

  map(iovaPage: number, physicalPage: number, pages: number, prot: number): number {
    const error = this.table.map(iovaPage, physicalPage, pages, prot);
    if (this.table.levels !== this.levels) {
      this.levels = this.table.levels;
      this.grown();
    }
    return error;
  }

  unmap(iovaPage: number, pages: number): number {
    return this.table.unmap(iovaPage, pages);
  }

  get freedTables(): number {
    return this.table.freedTables;
  }

  lookup(page: number): number {
    return this.table.lookup(page);
  }

  get lastPermissions(): number {
    return this.table.lastPermissions;
  }
}
