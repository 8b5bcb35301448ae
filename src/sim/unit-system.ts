/**
 * One IOMMU unit with everything behind it: caches, command queue, the devices with their domains, tables, drivers and
 * models, and the engine that runs them. Units share nothing that changes, so each may run in a thread of its own; what one does
 * to a domain that it shares with others goes by mail (mail.ts).
 *
 * A device has a domain of its own, as Linux's DMA API gives each IOMMU group one, or shares one with others of its tenant;
 * in a guest, the guest's DMA API.
 */
import { BounceBuffers, BouncePool } from '../driver/bounce.ts';
import { type Core, type DriverCpu, Lock } from '../driver/cpu.ts';
import { DmaDomain, type DmaDomainConfig, type InvalidationTarget } from '../driver/domain.ts';
import { IovaAllocator, type IovaAllocatorSpec } from '../driver/iova-allocator.ts';
import { KERNEL_ERAS } from '../driver/kernel-era.ts';
import { DeviceMapper } from '../driver/mapper.ts';
import { DmaMemory } from '../driver/memory.ts';
import { Pager } from '../driver/pager.ts';
import { policies } from '../driver/policies/index.ts';
import { passthrough } from '../driver/policies/passthrough.ts';
import type { MappingPolicy } from '../driver/policy.ts';
import { type CommandHandler, CommandQueue, queueBytes } from '../iommu/command-queue.ts';
import { ringIn } from '../iommu/command-ring.ts';
import { amdCommands } from '../iommu/commands/amd.ts';
import { vtdCommands } from '../iommu/commands/vtd.ts';
import { amdPageRequests, vtdPageRequests } from '../iommu/ppr-log.ts';
import { amdFaults, EventLog, type Fault, ILLEGAL_COMMAND, vtdFaults } from '../iommu/event-log.ts';
import { PageTable } from '../iommu/page-table.ts';
import type { DteSettings } from '../iommu/structures/amd-device-table.ts';
import { logIn } from '../iommu/record-log.ts';
import { IommuUnit } from '../iommu/unit.ts';
import { type Kernel, Regions } from '../kernel/kernel.ts';
import { ENGINE_DRAINED, INVALIDATION_TIMEOUT } from '../kernel/layout.ts';
import { Prng } from '../lib/prng.ts';
import { PS_PER_NS } from '../request.ts';
import {
  cachesNotPresent,
  type DeviceSpec,
  effectivePolicy,
  hasGuestTable,
  isVm,
  type Policy,
  type RunSpec,
  type StageSpec,
  type TenantSpec,
} from '../spec.ts';
import type { FaultRecord } from '../stats/result.ts';
import { devices as deviceFactories } from '../traffic/devices/index.ts';
import type { DeviceModel } from '../traffic/device.ts';
import { AtsDevices } from './ats-devices.ts';
import { writeDte, writeGcr3 } from './device-tables.ts';
import { type Sharing, UnitDomainTable } from './domain-table.ts';
import { coreCount, DriverMemory, queuesOf } from './driver-memory.ts';
import { Engine, type EngineDevice, type PageRequestHandler, type PolicyTimer } from './engine.ts';
import type { UnitReport } from './gang.ts';
import { readHostTable } from './guest-memory.ts';
import { othersPages } from './iova-share.ts';
import {
  type Mail,
  MAIL_A,
  MAIL_ALL,
  MAIL_B,
  MAIL_C,
  MAIL_D,
  MAIL_DEVICE,
  MAIL_DOMAIN,
  MAIL_DUE,
  MAIL_KIND,
  MAIL_PAGES,
  MAIL_STALE,
  MAIL_TIME,
  MAIL_TO,
  Outbox,
} from './mail.ts';
import {
  type DevicePlan,
  type DomainPlan,
  eventLogOffset,
  frontBytes,
  guestBufferSize,
  type MemoryPlan,
  MEMOS,
  type Space,
  type UnitPlan,
} from './memory-plan.ts';
import { RemoteQueue } from './remote-queue.ts';
import { kernelPages } from './single-pages.ts';
import { TablePool } from './table-pool.ts';
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
  /** Of a device whose pages are mapped when it asks for them. */
  readonly pager: Pager | undefined;
}

type Dma = Pick<DeviceSystem, 'policy' | 'domain'>;

/** A domain as its devices behind this unit share it. */
interface UnitDomain {
  readonly dma: DmaDomain;
  readonly table: UnitDomainTable;
  /** One for trusted devices, one for the others. */
  readonly policies: Map<Policy, MappingPolicy>;
  /** Writes the entries that lead a device to the table. */
  readonly attach: (plan: DevicePlan) => void;
}

type DomainParts = Pick<UnitDomain, 'table' | 'attach'> & Pick<DmaDomainConfig, 'targets' | 'hypervisor'>;

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
  /** What this unit tells others, and the queues of those that it shares domains with. */
  readonly outbox = new Outbox();
  readonly remoteQueues = new Map<number, RemoteQueue>();
  /** Effects of other units that came later than they would have in one thread. */
  effectsDelayed = 0;
  private readonly domains = new Map<number, UnitDomain>();
  private readonly ats: AtsDevices;
  private readonly eventLog: EventLog;
  /** Found by the command processor, not by a request. */
  private commandFaults: Fault[] = [];
  private readonly spec: RunSpec;
  private readonly kernel: Kernel;
  private readonly rules: TableRules;
  private readonly memory: MemoryPlan;
  private readonly regions: Regions;
  private readonly driverMemory: DriverMemory;
  private readonly pools = new Map<string, TablePool>();
  /** Command-queue locks and bounce buffers: the host's, and each guest's own. */
  private readonly queueLocks = new Map<string, Lock>();
  private readonly bouncePools = new Map<string, BouncePool>();
  /** Queues that have been given a core. */
  private pinned = 0;

  /** Guest memory must have been built. `recorded`: the IOTLB's references are logged (see EngineConfig). */
  constructor(
    spec: RunSpec,
    kernel: Kernel,
    rules: TableRules,
    memory: MemoryPlan,
    unit: number,
    recorded?: () => void,
  ) {
    const { machine } = spec;
    this.spec = spec;
    this.kernel = kernel;
    this.rules = rules;
    this.memory = memory;
    this.plan = memory.units[unit]!;
    const { structures, deviceTable, queues, historyPages, devices, memos } = this.plan;
    this.regions = new Regions(structures.base + structures.bytes, structures.base);
    this.iommu = new IommuUnit(kernel, this.regions, machine, devices.length, {
      seed: new Prng(spec.seed, UNIT_STREAM + unit).nextU32(),
      rules: rules.forUnits,
      deviceTable: BigInt(deviceTable.spa),
      historyPages,
      ...(memos.bytes === 0 ? {} : { memos: { base: memos.base, count: MEMOS } }),
      tenantOf: new Map(devices.map(({ domain, tenant }) => [domain, tenant])),
      watchesUnmapped: devices.some(({ tenant }) => defersInvalidation(spec.tenants[tenant])),
    });
    const { commandQueueEntries: entries, eventLogEntries, latency } = machine;
    const isIntel = spec.os.kernelEra.startsWith('intel');
    const ring = ringIn(kernel.i32, queues.base / 4, queues.spa, entries);
    const at = this.regions.take(queueBytes(entries));
    this.commands = new CommandQueue({ entries, ...latency }, this, isIntel ? vtdCommands : amdCommands, ring, {
      kernel,
      at,
      unit: this.iommu.pointer,
      dropped: (count) => {
        this.invalidatedEntries += count;
      },
    });
    const log = logIn(kernel.i32, (queues.base + eventLogOffset(machine)) / 4, eventLogEntries);
    this.eventLog = new EventLog(log, isIntel ? vtdFaults : amdFaults);
    this.driverMemory = new DriverMemory(kernel, this.plan.driver, devices);
    this.cores = Array.from({ length: coreCount(spec, devices) }, (_, cpu) => this.driverMemory.core(cpu));
    const { regions, plan, commands: port } = this;
    this.virtualMachines = new VirtualMachines({ spec, kernel, rules, memory, plan, regions, port });
    this.ats = this.buildAts(isIntel);
    this.devices = devices.map((device, index) => this.buildDevice(device, index));
    this.engine = new Engine({
      kernel,
      regions: this.regions,
      devices: this.devices.map((device) => this.engineDevice(device)),
      machine,
      ...(recorded === undefined ? {} : { recorded }),
      commands: this.commands,
    });
    this.commands.setDrained(this.engine.pointer + ENGINE_DRAINED);
    this.devices.forEach(({ plan: { spec } }, d) => {
      if (spec.ats !== undefined) this.iommu.addCache('atc', spec.ats, this.engine.ports[d].atc);
    });
  }

  private engineDevice({ ctx, model, policy, plan: { spec }, pager }: DeviceSystem): EngineDevice {
    const { link, ats, pri, bdf } = spec;
    const pageRequest: PageRequestHandler['pageRequest'] = (page, access, group, last, atPs) =>
      this.ats.pageRequest(bdf, page, access, group, last, atPs);
    const timer = pager === undefined ? policy : earlierOf(policy, pager);
    return { ctx, model, timer, link, ats, pri, pager: { pageRequest } };
  }

  private buildAts(isIntel: boolean): AtsDevices {
    const { kernel, commands, spec } = this;
    return new AtsDevices({
      kernel,
      commands,
      engine: () => this.engine,
      encoding: isIntel ? vtdPageRequests : amdPageRequests,
      machine: spec.machine,
      timedOut: ({ spec: { index, bdf } }, address, timePs) => {
        // VT-d says so in a status register (ITE), not in a record.
        if (isIntel) return;
        const fault = { device: index, bdf, domain: 0, pasid: -1, code: INVALIDATION_TIMEOUT, access: 0 };
        this.commandFaults.push({ timePs, ...fault, page: address });
      },
    });
  }

  /** Maps what stays mapped, and lets the devices send. */
  start(): void {
    for (const { model } of this.devices) model.start();
    this.engine.start();
  }

  // ---- Commands take effect ------------------------------------------------------------------------------------------------

  invalidatePages(domain: number, pasid: number, page: number, sizeLog2: number, walkCaches: boolean): void {
    const guests = !this.commands.isPlain(domain);
    this.invalidatedEntries += this.iommu.invalidatePages(domain, pasid, page, sizeLog2 - 12, walkCaches, guests);
  }

  invalidateAll(domain: number, pasid: number): void {
    this.invalidatedEntries += this.iommu.invalidatePages(domain, pasid, 0, 52, true);
  }

  invalidateDevice(bdf: number): void {
    this.invalidatedEntries += this.iommu.invalidateDevice(bdf);
  }

  invalidateEverything(): void {
    this.invalidatedEntries += this.iommu.invalidateAll();
  }

  invalidatePasid(domain: number, pasid: number): void {
    this.invalidatedEntries += this.iommu.invalidatePasid(domain, pasid);
  }

  prefetch(bdf: number, pasid: number, page: number, sizeLog2: number, count: number, atPs: number): void {
    const device = this.devices.find(({ plan: { spec } }) => spec.bdf === bdf && spec.pasid === pasid);
    if (device !== undefined) this.iommu.prefetch(device.ctx, page, sizeLog2 - 12, count, atPs);
  }

  illegalCommand(address: number, timePs: number): void {
    const none = { device: -1, bdf: 0, domain: 0, pasid: -1, access: 0 };
    this.commandFaults.push({ ...none, timePs, code: ILLEGAL_COMMAND, page: address });
  }

  deviceTlbRoomAt(bdf: number, atPs: number): number {
    return this.ats.roomAt(bdf, atPs);
  }

  deviceTlbDoneAt(bdf: number, atPs: number, page: number, sizeLog2: number): number {
    return this.ats.doneAt(bdf, atPs, page, sizeLog2);
  }

  invalidateDeviceTlb(bdf: number, pasid: number, page: number, sizeLog2: number, atPs: number): void {
    this.ats.invalidate(bdf, pasid, page, sizeLog2, atPs);
  }

  completePpr(bdf: number, _pasid: number, group: number, status: number, atPs: number): void {
    this.ats.respond(bdf, group, status, atPs);
  }

  drainedAt(): number {
    return this.engine.drainedPs;
  }

  // ---- Faults ----------------------------------------------------------------------------------------------------------------

  /** Fault records since the last call, as software reads them from the event log, oldest first. */
  readFaults(): FaultRecord[] {
    const bdfs = new Map(this.plan.devices.map(({ spec }) => [spec.index, spec.bdf]));
    const requests = this.iommu.drainFaults().map((fault) => ({ ...fault, bdf: bdfs.get(fault.device) ?? 0 }));
    const faults = [...requests, ...this.commandFaults].sort((a, b) => a.timePs - b.timePs);
    this.commandFaults = [];
    for (const fault of faults) this.eventLog.append(fault);
    return this.eventLog.read();
  }

  /** Since the start. */
  get faultsLost(): number {
    return this.iommu.logOverflow + this.eventLog.log.lost;
  }

  // ---- Other units -------------------------------------------------------------------------------------------------------------

  report(): UnitReport {
    const { requests, nowPs, nextPs, drainedPs } = this.engine;
    return { requests, nowPs, nextPs, commandsIdlePs: this.commands.idlePs, drainPs: Math.max(0, drainedPs - nowPs) };
  }

  /** Takes what other units have posted in the step that ended at `atPs`. */
  deliver(mail: Mail, atPs: number): void {
    const { unit } = this.plan;
    for (let message = 0; message < mail.count; message++) {
      if (mail.sender(message) === unit) continue;
      const to = mail.at(message, MAIL_TO);
      if (to === unit) this.takeCommand(mail, message, atPs);
      else if (to < 0) this.takeChange(mail, message, atPs);
    }
    this.engine.refreshCommands();
  }

  private takeCommand(mail: Mail, message: number, atPs: number): void {
    const { commands } = this;
    const nowPs = Math.max(atPs, mail.at(message, MAIL_TIME));
    const [domain, a] = [mail.at(message, MAIL_DOMAIN), mail.at(message, MAIL_A)];
    const [page, log2, pde] = [mail.at(message, MAIL_B), mail.at(message, MAIL_C), mail.at(message, MAIL_D) !== 0];
    const kind = mail.at(message, MAIL_KIND);
    if (kind === MAIL_PAGES) commands.submitPages(nowPs, domain, a, page, log2, pde);
    else if (kind === MAIL_ALL) commands.submitAll(nowPs, domain, a);
    else if (kind === MAIL_DEVICE) commands.submitDevice(nowPs, a);
    else commands.completionWait(nowPs);
    if (commands.idlePs > mail.at(message, MAIL_DUE)) this.effectsDelayed++;
  }

  private takeChange(mail: Mail, message: number, atPs: number): void {
    const id = mail.at(message, MAIL_DOMAIN);
    const domain = this.domains.get(id);
    if (domain === undefined) return;
    if (mail.at(message, MAIL_KIND) === MAIL_STALE) {
      const [page, pages, sincePs] = [MAIL_A, MAIL_B, MAIL_C].map((field) => mail.at(message, field));
      return this.noteUnmapped(id, page, pages, sincePs);
    }
    domain.table.apply(mail, message);
    if (mail.at(message, MAIL_DUE) < atPs) this.effectsDelayed++;
  }

  private noteUnmapped(domain: number, page: number, pages: number, atPs: number): void {
    this.devices.forEach(({ plan }, d) => {
      if (plan.spec.ats !== undefined && plan.domain === domain) this.engine.noteUnmapped(d, page, pages, atPs);
    });
    for (const pasid of this.pasidsOf(domain, this.plan.unit)) {
      this.iommu.noteUnmapped(domain, pasid, page, pages, atPs);
    }
  }

  /** PASIDs under which a unit's caches hold translations of a domain; -1: host addresses. */
  private pasidsOf(domain: number, unit: number): number[] {
    const plans = this.memory.domains.get(domain)!.devices.filter(({ spec }) => spec.unit === unit);
    return [...new Set(plans.map((plan) => this.pasidOf(plan)))];
  }

  private pasidOf({ tenant, spec }: DevicePlan): number {
    const { mode, host } = this.spec.tenants[tenant];
    return !hasGuestTable(mode) && host.format === HOST_FORMAT ? -1 : Math.max(0, spec.pasid);
  }

  private remoteQueue(unit: number): RemoteQueue {
    let queue = this.remoteQueues.get(unit);
    if (queue === undefined) {
      queue = new RemoteQueue(unit, this.outbox, this.spec.machine.latency);
      this.remoteQueues.set(unit, queue);
    }
    return queue;
  }

  // ---- Set-up ----------------------------------------------------------------------------------------------------------------

  private buildDevice(plan: DevicePlan, index: number): DeviceSystem {
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
    if (spec.ats !== undefined) this.ats.add({ device: index, ctx, spec });
    let pager: Pager | undefined;
    const build = (cpu: DriverCpu): Pager => (pager = this.buildPager(cpu, plan, tenant, dma.domain!));
    const demand = spec.pri === undefined || dma.domain === undefined ? undefined : build;
    const account = this.driverMemory.account();
    const mapper = new DeviceMapper({ policy, cores: this.pin(spec), memory, bounce, account, pager: demand });
    const rng = new Prng(this.spec.seed, spec.index);
    const model = deviceFactories[spec.traffic.model]({ spec, tenant, rng, mapper, packetNs: costs.packetNs });
    return { plan, ctx, model, mapper, policy, domain: dma.domain, pager };
  }

  private buildPager(cpu: DriverCpu, { spec }: DevicePlan, tenant: TenantSpec, steps: DmaDomain): Pager {
    const { invalidateSubmitNs, exitNs } = this.spec.os.costs;
    const { bdf, pasid } = spec;
    const { interruptNs, faultNs, reclaimPerSecond } = spec.pri!;
    const pager = new Pager({
      steps,
      cpu,
      read: () => this.ats.read(bdf),
      respond: (group, code, nowPs) => this.commands.submitPageResponse(nowPs, bdf, pasid, group, code),
      interruptPs: Math.round(interruptNs * PS_PER_NS),
      faultPs: Math.round(faultNs * PS_PER_NS),
      submitPs: Math.round(invalidateSubmitNs * PS_PER_NS),
      exitPs: tenant.mode === 'nested' ? Math.round(exitNs * PS_PER_NS) : 0,
      reclaimPs: reclaimPerSecond > 0 ? Math.round(1e12 / reclaimPerSecond) : Infinity,
    });
    this.ats.setPager(bdf, pager);
    return pager;
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

  /** The lock of this unit's queue, or of another's. */
  private queueLock(owner: string, unit = this.plan.unit): Lock {
    const isOwn = unit === this.plan.unit;
    const key = isOwn ? owner : `${owner}/${unit}`;
    let lock = this.queueLocks.get(key);
    if (lock === undefined) {
      lock = isOwn ? this.driverMemory.lock() : new Lock();
      this.queueLocks.set(key, lock);
    }
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
    const ats = spec.ats?.allowed === true;
    writeDte(this.kernel, this.plan.deviceTable, spec.bdf, { domain, mode, root, ats, ppr: false });
    return { policy: passthrough(), domain: undefined };
  }

  private translated(plan: DevicePlan, tenant: TenantSpec): Dma {
    let domain = this.domains.get(plan.domain);
    if (domain === undefined) this.domains.set(plan.domain, (domain = this.buildDomain(plan, tenant)));
    domain.attach(plan);
    const { ats, bdf, pasid } = plan.spec;
    if (ats?.allowed === true) {
      domain.dma.addDeviceTlb({ port: this.commands, lock: this.queueLock(this.ownerOf(plan, tenant)), bdf, pasid });
    }
    // Linux never defers flushes of untrusted devices.
    const name = plan.spec.untrusted ? 'strict' : effectivePolicy(tenant);
    let policy = domain.policies.get(name);
    if (policy === undefined) {
      const { flushQueue, contiguousPages } = this.spec.os;
      policy = policies[name]({ steps: domain.dma, flushQueue, contiguousPages });
      domain.policies.set(name, policy);
    }
    return { policy, domain: domain.dma };
  }

  private buildDomain(plan: DevicePlan, tenant: TenantSpec): UnitDomain {
    const { os } = this.spec;
    const guest = hasGuestTable(tenant.mode);
    const stage = guest ? tenant.guest : tenant.host;
    const { table, attach, ...rest } = guest ? this.guestDma(plan, tenant) : this.hostDma(plan, tenant.host);
    const at = this.driverMemory.domain();
    const config = {
      ...rest,
      table,
      firstStage: stage.format !== HOST_FORMAT,
      iova: new IovaAllocator(this.iovaSpec(stage, plan), this.driverMemory.iovas(at)),
      rules: KERNEL_ERAS[os.kernelEra],
      costs: os.costs,
      npCache: cachesNotPresent(tenant),
      flushLock: this.driverMemory.lock(),
      ...(defersInvalidation(tenant) ? { unmapped: this.watcherOf(plan, tenant) } : {}),
    };
    // What others share is told to them at every change.
    const isOwn = this.sharing(plan.domain) === undefined;
    const singles = isOwn ? kernelPages(this.kernel, at, table.pages, config, this.commands) : undefined;
    return { dma: new DmaDomain({ ...config, singles }), table, attach, policies: new Map() };
  }

  /** Marks what caches still hold of unmapped pages, behind every unit of the domain. */
  private watcherOf({ domain }: DevicePlan, { mode }: TenantSpec): NonNullable<DmaDomainConfig['unmapped']> {
    // The hardware walks the hypervisor's table, by host addresses.
    if (mode === 'shadow') return (page, pages, atPs) => this.iommu.noteUnmapped(domain, -1, page, pages, atPs);
    const spans = this.domainPlan(domain).units.length > 1;
    return (page, pages, atPs) => {
      this.noteUnmapped(domain, page, pages, atPs);
      if (spans) this.outbox.post(this.engine.nowPs, MAIL_STALE, -1, domain, page, pages, atPs, 0, atPs);
    };
  }

  private domainPlan(domain: number): DomainPlan {
    return this.memory.domains.get(domain)!;
  }

  /** Every unit that has a device of the domain, in their order (Linux: all entries of dev_iommu that are not 0). */
  private targetsOf(plan: DevicePlan, tenant: TenantSpec): InvalidationTarget[] {
    const { domain } = plan;
    const owner = this.ownerOf(plan, tenant);
    return this.domainPlan(domain).units.flatMap((unit) => {
      const isOwn = unit === this.plan.unit;
      const port = isOwn ? this.commands : this.remoteQueue(unit);
      const lock = this.queueLock(owner, unit);
      return this.pasidsOf(domain, unit).map((pasid) => ({ port, lock, domain, pasid }));
    });
  }

  private hostDma(plan: DevicePlan, stage: StageSpec): DomainParts {
    const targets = this.targetsOf(plan, this.spec.tenants[plan.tenant]);
    return { ...this.buildTable(plan.domain, stage, this.sharing(plan.domain)), targets };
  }

  private guestDma(plan: DevicePlan, tenant: TenantSpec): DomainParts {
    const { virtualMachines: vms } = this;
    const guest = PageTable.create(this.kernel, this.regions, this.guestPool(plan).arena, this.rules.of(tenant.guest));
    const table = new UnitDomainTable(guest, () => {}, this.sharing(plan.domain));
    const merged = tenant.mode === 'shadow' ? this.buildTable(plan.domain, tenant.host) : undefined;
    const own = vms.target(plan);
    const targets = this.targetsOf(plan, tenant).map((target) =>
      target.port === this.commands ? { ...target, ...own } : target,
    );
    const attach = (device: DevicePlan): void => {
      if (merged === undefined) this.pointAt(device, tenant, guest);
      else merged.attach(device);
      vms.attached(device);
    };
    const tables = merged === undefined ? { guest } : { guest, merged: merged.table };
    return { table, attach, targets, hypervisor: vms.hypervisor(plan, tenant, tables) };
  }

  /** Where changes of a domain are posted that others share. */
  private sharing(domain: number): Sharing | undefined {
    if (this.domainPlan(domain).units.length === 1) return undefined;
    return { outbox: this.outbox, domain, nowPs: () => this.engine.nowPs };
  }

  private iovaSpec(stage: StageSpec, { domain }: DevicePlan): IovaAllocatorSpec {
    const { geometry } = this.rules.of(stage);
    const { iova, kernelEra } = this.spec.os;
    const { depotMagazines, retry32Bit, reserved } = KERNEL_ERAS[kernelEra];
    // Linux keeps to the lower half of a sign-extended table.
    const tableBits = geometry.grows ? 64 : geometry.inputBits - (geometry.signExtended ? 1 : 0);
    const maskBits = Math.min(iova.maskBits, tableBits);
    const { units } = this.domainPlan(domain);
    const others = othersPages(units.indexOf(this.plan.unit), units.length, maskBits);
    return {
      cpus: this.cores.length,
      maskBits,
      forcedac: iova.forcedac,
      depotMagazines,
      retry32Bit,
      reserved: [...reserved, ...others],
    };
  }

  /** A table in the host's memory that devices go through, and what leads them to it. */
  private buildTable(
    domain: number,
    stage: StageSpec,
    sharing?: Sharing,
  ): { table: UnitDomainTable; attach: (device: DevicePlan) => void } {
    const pool = this.hostPool();
    const pages = PageTable.create(this.kernel, this.regions, pool.arena, this.rules.of(stage));
    if (stage.format !== HOST_FORMAT) {
      const attach = (device: DevicePlan): void =>
        this.writeEntry(device, { mode: 0, root: 0n, guest: this.guestEntry(device, pool, pages, stage) });
      return { table: new UnitDomainTable(pages, () => {}, sharing), attach };
    }
    this.commands.setPlain(domain);
    const attached: DevicePlan[] = [];
    const write = (device: DevicePlan): void =>
      this.writeEntry(device, { mode: pages.levels, root: pages.rootAddress });
    const grown = (): void => {
      for (const device of attached) {
        write(device);
        this.iommu.invalidateDevice(device.spec.bdf);
      }
    };
    const attach = (device: DevicePlan): void => {
      attached.push(device);
      write(device);
    };
    return { table: new UnitDomainTable(pages, grown, sharing), attach };
  }

  /** Nested: the device goes through the guest's table and the host's table of the guest's memory. */
  private pointAt(plan: DevicePlan, tenant: TenantSpec, table: PageTable): void {
    const { levels, root } = readHostTable(this.kernel, this.memory.tenants[plan.tenant].guest!.host!);
    const guest = this.guestEntry(plan, this.guestPool(plan), table, tenant.guest);
    this.writeEntry(plan, { mode: levels, root, guest });
  }

  private writeEntry({ spec, domain }: DevicePlan, settings: Pick<DteSettings, 'mode' | 'root' | 'guest'>): void {
    const ats = spec.ats?.allowed === true;
    writeDte(this.kernel, this.plan.deviceTable, spec.bdf, { ...settings, domain, ats, ppr: spec.pri !== undefined });
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
    const own = devices.filter(({ tenant }) => ['host', 'shadow'].includes(this.spec.tenants[tenant].mode));
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

  /** Pages now mapped by this unit's devices. */
  get mappedPages(): number {
    let pages = 0;
    for (const { dma } of this.domains.values()) pages += dma.mappedPages;
    return pages;
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

/** Two timers as one. */
function earlierOf(a: PolicyTimer, b: PolicyTimer): PolicyTimer {
  return {
    timerAt: () => Math.min(a.timerAt(), b.timerAt()),
    timer(nowPs) {
      for (const timer of [a, b]) if (timer.timerAt() <= nowPs) timer.timer(nowPs);
    },
  };
}

function defersInvalidation(tenant: TenantSpec): boolean {
  return tenant.mode !== 'passthrough' && effectivePolicy(tenant) === 'lazy';
}
