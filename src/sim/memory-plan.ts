/**
 * Where everything of a run lies: in the kernel's memory, in the host's physical address space (SPA) and in each guest's
 * (GPA). A pure function of the spec, so that every thread of a run finds the same places without asking.
 *
 * Table memory is in *spaces*. A space takes whole 1 GiB windows of SPA, above all data, and is backed by kernel memory
 * only as far as it may be used; memory that nobody touches costs nothing. A guest's tables lie in a space of its own for
 * each unit, above the guest's data in GPA, so that threads never share an allocator and any host leaf size fits.
 */
import { cacheBytes } from '../iommu/cache.ts';
import type { TableGeometry } from '../iommu/formats/format.ts';
import { tableGeometry } from '../iommu/formats/index.ts';
import { queueBytes } from '../iommu/command-queue.ts';
import { ringBytes } from '../iommu/command-ring.ts';
import { ARENA_ALIGN_BYTES, tableBytes } from '../iommu/page-table.ts';
import { RECORD_BYTES } from '../iommu/record-log.ts';
import { memoBytes, unitBytes } from '../iommu/unit.ts';
import { guestBufferBytes } from '../iommu/viommu/guest-commands.ts';
import {
  entryBytes,
  GLOBAL_PAGES,
  GUEST_PAGES,
  type PrivateGuest,
  PRIVATE_RUNS,
} from '../iommu/viommu/private-space.ts';
import { HEAP_BASE, RULE_BYTES, WINDOW_COUNT, WINDOW_LOG2 } from '../kernel/layout.ts';
import { alignUp, roundUpPowerOfTwo } from '../lib/bits.ts';
import { PAGE_BYTES } from '../request.ts';
import {
  type CacheSpec,
  type DeviceSpec,
  guestDomains,
  hasGuestTable,
  isVm,
  type KernelEra,
  type MachineSpec,
  type RunSpec,
  type StageSpec,
  type TenantSpec,
} from '../spec.ts';
import { driverBytes } from './driver-memory.ts';
import { engineBytes } from './engine.ts';
import { type Footprint, footprint } from './footprint.ts';
import { hostDomains, type HostDomains } from './host-domains.ts';
import { portBytes } from './port.ts';

export const GIB = 1 << WINDOW_LOG2;
const GIB_PAGES = GIB / PAGE_BYTES;
/** wasm32. */
const MEMORY_LIMIT_BYTES = 4 * GIB;
const DEVICE_TABLE_BYTES = 65_536 * 32;
/** Data begins at 4 GiB. */
const DATA_PAGE = 4 * GIB_PAGES;
/** Records of a page table, its arena and its tenant, rounded up. */
const TABLE_RECORD_BYTES = 256;

/** Part of the kernel's memory. */
export interface Region {
  readonly base: number;
  readonly bytes: number;
}

const NO_REGION: Region = { base: 0, bytes: 0 };

/** Table memory: `bytes` from `base` on stand for the addresses from `spa` on (and from `gpa` on, in a guest). */
export interface Space extends Region {
  readonly spa: number;
  readonly gpa: number;
}

export interface DevicePlan {
  readonly spec: DeviceSpec;
  readonly tenant: number;
  /** Host domain ID. */
  readonly domain: number;
  /** In a VM: its requester ID there, and the guest's own ID of its domain; Linux counts these from 1. */
  readonly guestBdf: number;
  readonly guestDomain: number;
  readonly footprint: Footprint;
  /** Its buffers, in the tenant's address space. */
  readonly firstPage: number;
}

export interface UnitPlan {
  readonly unit: number;
  readonly devices: readonly DevicePlan[];
  /** Caches, contexts, records of tables. */
  readonly structures: Region;
  /** What drivers book (driver-memory.ts). */
  readonly driver: Region;
  readonly deviceTable: Space;
  /** Command queue, then the event log (queueSpaceBytes). */
  readonly queues: Space;
  /** Page tables and GCR3 tables of devices in mode `host`. */
  readonly tables: Space;
  /** The tables of guests, by tenant. */
  readonly guests: ReadonlyMap<number, Space>;
  /** The unit's private address space: there if a guest in mode `nested-hw` has a device behind the unit. */
  readonly privateSpace?: PrivatePlan;
  readonly historyPages: number;
  /** Memos of its walks (memoBytes(MEMOS)); no bytes where there is no room for them. */
  readonly memos: Region;
}

/** A unit's private address space: entries and table in `space`, in this order, and the SPA / 4096 of all the rest. */
export interface PrivatePlan {
  readonly space: Space;
  readonly entryBytes: number;
  readonly dataPage: number;
  /** `idleDomain`: host ID of the guest's first domain without a device. */
  readonly guests: readonly (PrivateGuest & { readonly tenant: number; readonly idleDomain: number })[];
}

/** A VM's memory: GPAs from 0 on, its place in SPA, and the spaces above it that hold the guest's tables. */
export interface GuestPlan {
  readonly pages: number;
  readonly firstPage: number;
  readonly spaces: readonly Space[];
  /** The host's table of all that, GPA → SPA; not in mode `shadow`, whose tables are those of its devices. */
  readonly host?: { readonly structures: Region; readonly tables: Space; readonly domain: number };
}

export interface TenantPlan {
  readonly spec: TenantSpec;
  readonly index: number;
  /** Of a VM. */
  readonly guest?: GuestPlan;
}

export interface MemoryPlan {
  readonly totalBytes: number;
  readonly rules: Region;
  readonly spaces: readonly Space[];
  readonly units: readonly UnitPlan[];
  readonly tenants: readonly TenantPlan[];
  /** Address spaces of devices that are translated, by host domain ID. */
  readonly domains: ReadonlyMap<number, DomainPlan>;
}

/** Devices of one domain, and the units that they sit behind, both ascending. */
export interface DomainPlan {
  readonly devices: readonly DevicePlan[];
  readonly units: readonly number[];
}

/** Geometry of a stage: its leaves are the format's, up to the stage's largest. */
export function stageGeometry(stage: StageSpec, era: KernelEra): TableGeometry {
  const all = tableGeometry(stage.format, { linux: era === 'amd-7.2' ? '7.2' : '6.1', levels: stage.levels });
  return { ...all, pageSizes: all.pageSizes & LEAVES & ((2n << BigInt(stage.leafLog2)) - 1n) };
}

/** Memos of each kind that a unit's walks keep: enough for 8 GiB that are mapped by pages of 4 KiB. Most are never touched. */
export const MEMOS = 4096;

/** Table of a unit's private address space, which ends below 2^39. */
export const PRIVATE_STAGE: StageSpec = { format: 'amd-v1', levels: 3, leafLog2: 12 };

/** A guest's requester ID of its nth device: slot after slot from its first bus on, one function each. */
function guestBdf(index: number): number {
  return (index + 1) << 3;
}

/** 4 KiB, 2 MiB, 1 GiB: the leaf classes of the unit (amd_iommu=v2_pgsizes_only). */
const LEAVES = (1n << 12n) | (1n << 21n) | (1n << 30n);

export function planMemory(spec: RunSpec): MemoryPlan {
  return new Planner(spec).plan();
}

/** A space before its place is known. */
interface Need {
  readonly bytes: number;
  readonly gpa: number;
}

class Planner {
  private readonly spec: RunSpec;
  private readonly domains: HostDomains;
  private readonly geometries = new Map<StageSpec, TableGeometry>();
  private next = HEAP_BASE;
  private nextDataPage = DATA_PAGE;
  private nextWindow = 0;
  private spaces: Space[] = [];
  /** How much more than the least the page tables get, so that bounds that are too tight do not end a run. */
  private slack = 0;

  constructor(spec: RunSpec) {
    this.spec = spec;
    this.domains = hostDomains(spec);
  }

  plan(): MemoryPlan {
    const least = this.layout();
    const spare = MEMORY_LIMIT_BYTES - least.totalBytes;
    if (spare < 0) {
      throw new RangeError(`page tables and caches need ${least.totalBytes} bytes, more than ${MEMORY_LIMIT_BYTES}`);
    }
    const tables = this.spaces.reduce((sum, { bytes }) => sum + bytes, 0);
    this.slack = Math.min(1, (0.9 * spare) / tables);
    return this.withMemos(this.layout());
  }

  /** Behind all the rest, so that they move nothing: where tables lie decides which of their lines share a set of a line cache. */
  private withMemos(plan: MemoryPlan): MemoryPlan {
    const bytes = memoBytes(MEMOS);
    this.next = alignUp(plan.totalBytes, PAGE_BYTES);
    if (this.next + plan.units.length * bytes > MEMORY_LIMIT_BYTES) return plan;
    const units = plan.units.map((unit) => ({ ...unit, memos: this.take(bytes) }));
    return { ...plan, totalBytes: this.next, units };
  }

  private layout(): MemoryPlan {
    this.next = HEAP_BASE;
    this.nextDataPage = DATA_PAGE;
    this.spaces = [];
    const { tenants, machine } = this.spec;
    const rules = this.take((tenants.length * 2 + 1) * RULE_BYTES);
    const plans = tenants.map((tenant, index) => this.placeDevices(tenant, index));
    const privateData = this.placePrivateData(plans);
    const memoryPages = Math.ceil(machine.memoryBytes / PAGE_BYTES);
    this.nextWindow = Math.ceil(Math.max(this.nextDataPage, DATA_PAGE + memoryPages) / GIB_PAGES);
    const guests = new Map<string, Space>();
    const tenantPlans = plans.map((plan) => this.placeTenant(plan, guests));
    const placed = Array.from({ length: machine.units }, (_, unit) => {
      return this.placeUnit(unit, plans, guests, privateData[unit]);
    });
    const units = placed.map((unit) => ({ ...unit, driver: this.take(driverBytes(this.spec, unit.devices)) }));
    if (this.nextWindow > WINDOW_COUNT)
      throw new RangeError('page tables and data do not fit into 8 TiB of host memory');
    const domains = domainPlans(plans);
    return { totalBytes: this.next, rules, spaces: this.spaces, units, tenants: tenantPlans, domains };
  }

  /** Buffers of each device: in SPA, or in GPA from 0 on. */
  private placeDevices(tenant: TenantSpec, index: number): PlacedTenant {
    const vm = isVm(tenant);
    let next = vm ? 0 : this.nextDataPage;
    const guestIds = new Map<number, number>();
    const devices = tenant.devices.map((spec, i) => {
      const needs = footprint(spec, tenant, this.spec.os);
      const firstPage = alignUp(next, Math.min(GIB_PAGES, roundUpPowerOfTwo(needs.memoryPages)));
      next = firstPage + needs.memoryPages;
      const domain = this.domains.devices[spec.index];
      if (!guestIds.has(domain)) guestIds.set(domain, guestIds.size + 1);
      const ids = { domain, guestBdf: guestBdf(i), guestDomain: guestIds.get(domain)! };
      return { spec, tenant: index, ...ids, footprint: needs, firstPage };
    });
    if (!vm) {
      this.nextDataPage = next;
      return { tenant, index, devices, pages: 0, firstPage: 0 };
    }
    const leafPages = leafBytes(tenant.host) / PAGE_BYTES;
    const pages = alignUp(Math.max(next, Math.ceil(tenant.memoryBytes / PAGE_BYTES)), leafPages);
    const firstPage = alignUp(this.nextDataPage, GIB_PAGES);
    this.nextDataPage = firstPage + pages;
    return { tenant, index, devices, pages, firstPage };
  }

  /** Host memory of each unit's private address space, above all other data: first page, or -1 where there is none. */
  private placePrivateData(tenants: readonly PlacedTenant[]): number[] {
    return Array.from({ length: this.spec.machine.units }, (_, unit) => {
      const guests = assistedGuests(tenants, unit);
      if (guests.length === 0) return -1;
      const page = this.nextDataPage;
      this.nextDataPage += GLOBAL_PAGES + guests.length * GUEST_PAGES;
      return page;
    });
  }

  private placeTenant(placed: PlacedTenant, guests: Map<string, Space>): TenantPlan {
    const { tenant, index, pages, firstPage } = placed;
    if (!isVm(tenant)) return { spec: tenant, index };
    const spaces = hasGuestTable(tenant.mode) ? this.placeGuestTables(placed, guests) : [];
    const plan = { pages, firstPage, spaces };
    if (tenant.mode === 'shadow') return { spec: tenant, index, guest: plan };
    const leafPages = leafBytes(tenant.host) / PAGE_BYTES;
    const tablePages = spaces.reduce((sum, { bytes }) => sum + alignUp(bytes, leafBytes(tenant.host)) / PAGE_BYTES, 0);
    const hostPages = leafPages > 1 ? Math.ceil((pages + tablePages) / leafPages) * 512 : pages + tablePages;
    const bytes = ARENA_ALIGN_BYTES + tableBytes(this.geometry(tenant.host), hostPages, spaces.length + 2);
    const structures = this.take(TABLE_RECORD_BYTES);
    const tables = this.takeSpace({ bytes, gpa: 0 });
    return {
      spec: tenant,
      index,
      guest: { ...plan, host: { structures, tables, domain: this.domains.memories[index] } },
    };
  }

  /** A guest's tables, for each unit that it has devices behind: above its memory in GPA. */
  private placeGuestTables(placed: PlacedTenant, guests: Map<string, Space>): Space[] {
    const { tenant, index, pages } = placed;
    let gpa = alignUp(pages * PAGE_BYTES, GIB);
    const spaces: Space[] = [];
    for (let unit = 0; unit < this.spec.machine.units; unit++) {
      const devices = placed.devices.filter((device) => device.spec.unit === unit);
      if (devices.length === 0) continue;
      const buffer = guestBufferSize(this.spec, tenant);
      const space = this.takeSpace({ bytes: this.tablesOf(placed, devices, tenant.guest, buffer), gpa });
      guests.set(`${index}/${unit}`, space);
      spaces.push(space);
      gpa += alignUp(space.bytes, GIB);
    }
    return spaces;
  }

  private placeUnit(
    unit: number,
    tenants: readonly PlacedTenant[],
    guests: ReadonlyMap<string, Space>,
    privateDataPage: number,
  ): Omit<UnitPlan, 'driver'> {
    const { machine, run } = this.spec;
    const devices = tenants
      .flatMap((tenant) => tenant.devices)
      .filter((device) => device.spec.unit === unit)
      .sort((a, b) => a.spec.index - b.spec.index);
    const historyPages = run.missCauses ? devices.reduce((sum, device) => sum + device.footprint.iovaPages, 1) : 0;
    const assisted = assistedGuests(tenants, unit);
    // A shadowed device has two tables.
    const records = (2 * devices.length + 4) * TABLE_RECORD_BYTES + readerTlbBytes(this.spec, assisted.length);
    const ports = devices.reduce((sum, { spec }) => sum + portBytes(spec, outstanding(spec), machine.order), 0);
    const engine = engineBytes(devices.length, run.mrc !== undefined) + ports;
    const structures = this.take(
      unitBytes(machine, devices.length, historyPages) + queueBytes(machine.commandQueueEntries) + records + engine,
    );
    let bytes = 0;
    const unitGuests = new Map<number, Space>();
    for (const placed of tenants) {
      const { tenant, index } = placed;
      const guest = guests.get(`${index}/${unit}`);
      if (guest !== undefined) unitGuests.set(index, guest);
      if (tenant.mode === 'host' || tenant.mode === 'shadow')
        bytes += this.tablesOf(
          placed,
          devices.filter((device) => device.tenant === index),
          tenant.host,
        );
    }
    const deviceTable = this.takeSpace({ bytes: DEVICE_TABLE_BYTES, gpa: 0 }, false);
    const queues = this.takeSpace({ bytes: queueSpaceBytes(machine), gpa: 0 }, false);
    const privateSpace = assisted.length > 0 ? this.placePrivateSpace(assisted, privateDataPage) : undefined;
    return {
      unit,
      devices,
      structures,
      deviceTable,
      queues,
      tables: this.takeSpace({ bytes, gpa: 0 }),
      guests: unitGuests,
      ...(privateSpace === undefined ? {} : { privateSpace }),
      historyPages,
      memos: NO_REGION,
    };
  }

  private placePrivateSpace(tenants: readonly PlacedTenant[], dataPage: number): PrivatePlan {
    const guests = tenants.map(({ tenant, index }, i) => ({
      tenant: index,
      guestId: i + 1,
      parentDomain: this.domains.memories[index],
      deviceIds: guestBdf(tenant.devices.length),
      domainIds: 1 + guestDomains(tenant),
      idleDomain: this.domains.idle[index],
    }));
    const front = alignUp(entryBytes(guests), ARENA_ALIGN_BYTES);
    const pages = GLOBAL_PAGES + guests.length * GUEST_PAGES;
    const table = ARENA_ALIGN_BYTES + tableBytes(this.geometry(PRIVATE_STAGE), pages, PRIVATE_RUNS);
    return { space: this.takeSpace({ bytes: front + table, gpa: 0 }), entryBytes: front, dataPage, guests };
  }

  /** Page tables, GCR3 tables and the command buffer of these devices. A table holds all of its domain, whatever the unit. */
  private tablesOf(tenant: PlacedTenant, devices: readonly DevicePlan[], stage: StageSpec, bufferBytes = 0): number {
    const geometry = this.geometry(stage);
    const domains = new Set(devices.map(({ domain }) => domain));
    let bytes = ARENA_ALIGN_BYTES + frontBytes(devices, bufferBytes);
    for (const { footprint: needs, domain } of tenant.devices) {
      if (domains.has(domain)) bytes += tableBytes(geometry, needs.iovaPages, needs.iovaRuns);
    }
    return bytes;
  }

  private geometry(stage: StageSpec): TableGeometry {
    let geometry = this.geometries.get(stage);
    if (geometry === undefined) {
      geometry = stageGeometry(stage, this.spec.os.kernelEra);
      this.geometries.set(stage, geometry);
    }
    return geometry;
  }

  private take(bytes: number): Region {
    const base = alignUp(this.next, PAGE_BYTES);
    this.next = base + bytes;
    return { base, bytes };
  }

  private takeSpace(need: Need, grows = true): Space {
    const bytes = alignUp(grows ? need.bytes * (1 + this.slack) : need.bytes, PAGE_BYTES);
    const space = { ...this.take(bytes), spa: this.nextWindow * GIB, gpa: need.gpa };
    this.nextWindow += Math.ceil(bytes / GIB);
    this.spaces.push(space);
    return space;
  }
}

interface PlacedTenant {
  readonly tenant: TenantSpec;
  readonly index: number;
  readonly devices: readonly DevicePlan[];
  /** Guest memory in GPA (pages from 0 on), and its first page in SPA. */
  readonly pages: number;
  readonly firstPage: number;
}

/** Bursts that a device may have in flight; 0 = any number. */
function outstanding({ traffic }: DeviceSpec): number {
  return 'outstanding' in traffic ? traffic.outstanding : 0;
}

/** The event log follows the command queue at the next page. */
export function eventLogOffset(machine: MachineSpec): number {
  return alignUp(ringBytes(machine.commandQueueEntries), PAGE_BYTES);
}

function queueSpaceBytes(machine: MachineSpec): number {
  return eventLogOffset(machine) + machine.eventLogEntries * RECORD_BYTES;
}

function domainPlans(tenants: readonly PlacedTenant[]): Map<number, DomainPlan> {
  const translated = tenants.filter(({ tenant }) => tenant.mode !== 'passthrough').flatMap(({ devices }) => devices);
  const ids = [...new Set(translated.map(({ domain }) => domain))];
  return new Map(
    ids.map((id) => {
      const devices = translated.filter(({ domain }) => domain === id).sort((a, b) => a.spec.index - b.spec.index);
      const units = [...new Set(devices.map(({ spec }) => spec.unit))].sort((a, b) => a - b);
      return [id, { devices, units }];
    }),
  );
}

function leafBytes(stage: StageSpec): number {
  return 1 << stage.leafLog2;
}

/** Levels of the GCR3 table that a PASID needs, less one (GLX). */
export function gcr3Levels(pasid: number): number {
  if (pasid < 512) return 0;
  return pasid < 512 * 512 ? 1 : 2;
}

/** GCR3 tables of these devices. */
export function gcr3Bytes(devices: readonly DevicePlan[]): number {
  return devices.reduce((sum, { spec }) => sum + gcr3Levels(spec.pasid) + 1, 0) * PAGE_BYTES;
}

/** GCR3 tables come first in a space, then a command buffer; the page tables' arena follows at a multiple of its alignment. */
export function frontBytes(devices: readonly DevicePlan[], bufferBytes: number): number {
  return alignUp(gcr3Bytes(devices) + bufferBytes, ARENA_ALIGN_BYTES);
}

/** Room for the guest's command buffer at one unit, where the unit reads it. */
export function guestBufferSize({ machine }: RunSpec, { mode }: TenantSpec): number {
  return mode === 'nested-hw' ? guestBufferBytes(machine.commandQueueEntries) : 0;
}

/** Guests whose commands a unit reads itself. */
function assistedGuests(tenants: readonly PlacedTenant[], unit: number): PlacedTenant[] {
  return tenants.filter(({ tenant, devices }) => {
    return tenant.mode === 'nested-hw' && devices.some(({ spec }) => spec.unit === unit);
  });
}

/** Translations that a unit's reader of guests' command buffers keeps: fully associative, LRU. */
export function readerTlb({ os }: RunSpec): CacheSpec {
  const entries = os.viommu.readerTlbEntries;
  return { entries, ways: Math.max(1, entries), replacement: 'lru', index: 'modulo' };
}

function readerTlbBytes(spec: RunSpec, guests: number): number {
  return guests === 0 ? 0 : cacheBytes(readerTlb(spec));
}
