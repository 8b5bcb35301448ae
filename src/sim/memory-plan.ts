/**
 * Where everything of a run lies: in the kernel's memory, in the host's physical address space (SPA) and in each guest's
 * (GPA). A pure function of the spec, so that every thread of a run finds the same places without asking.
 *
 * Table memory is in *spaces*. A space takes whole 1 GiB windows of SPA, above all data, and is backed by kernel memory
 * only as far as it may be used; memory that nobody touches costs nothing. A guest's tables lie in a space of its own for
 * each unit, above the guest's data in GPA, so that threads never share an allocator and any host leaf size fits.
 */
import type { TableGeometry } from '../iommu/formats/format.ts';
import { tableGeometry } from '../iommu/formats/index.ts';
import { ARENA_ALIGN_BYTES, tableBytes } from '../iommu/page-table.ts';
import { unitBytes } from '../iommu/unit.ts';
import { HEAP_BASE, RULE_BYTES, WINDOW_COUNT, WINDOW_LOG2 } from '../kernel/layout.ts';
import { alignUp, roundUpPowerOfTwo } from '../lib/bits.ts';
import { PAGE_BYTES } from '../request.ts';
import type { DeviceSpec, KernelEra, RunSpec, StageSpec, TenantSpec } from '../spec.ts';
import { type Footprint, footprint } from './footprint.ts';

export const GIB = 1 << WINDOW_LOG2;
const GIB_PAGES = GIB / PAGE_BYTES;
/** wasm32. */
const MEMORY_LIMIT_BYTES = 4 * GIB;
const DEVICE_TABLE_BYTES = 65_536 * 32;
/** Data begins at 4 GiB. */
const DATA_PAGE = 4 * GIB_PAGES;
/** Records of a page table, its arena and its tenant, rounded up. */
const TABLE_RECORD_BYTES = 256;
/** Domain 0 is Linux's for devices without one. */
const FIRST_DOMAIN = 1;

/** Part of the kernel's memory. */
export interface Region {
  readonly base: number;
  readonly bytes: number;
}

/** Table memory: `bytes` from `base` on stand for the addresses from `spa` on (and from `gpa` on, in a guest). */
export interface Space extends Region {
  readonly spa: number;
  readonly gpa: number;
}

export interface DevicePlan {
  readonly spec: DeviceSpec;
  readonly tenant: number;
  readonly domain: number;
  readonly footprint: Footprint;
  /** Its buffers, in the tenant's address space. */
  readonly firstPage: number;
}

export interface UnitPlan {
  readonly unit: number;
  readonly devices: readonly DevicePlan[];
  /** Caches, contexts, records of tables. */
  readonly structures: Region;
  readonly deviceTable: Space;
  /** Page tables and GCR3 tables of devices in mode `host`. */
  readonly tables: Space;
  /** The same in mode `nested`, by tenant. */
  readonly guests: ReadonlyMap<number, Space>;
  readonly historyPages: number;
}

export interface TenantPlan {
  readonly spec: TenantSpec;
  readonly index: number;
  /** Mode `nested` only: the guest's memory in GPA, its place in SPA, and the host's tables of it. */
  readonly guest?: {
    readonly pages: number;
    readonly firstPage: number;
    readonly structures: Region;
    readonly tables: Space;
    readonly spaces: readonly Space[];
  };
}

export interface MemoryPlan {
  readonly totalBytes: number;
  readonly rules: Region;
  readonly spaces: readonly Space[];
  readonly units: readonly UnitPlan[];
  readonly tenants: readonly TenantPlan[];
}

/** Geometry of a stage: its leaves are the format's, up to the stage's largest. */
export function stageGeometry(stage: StageSpec, era: KernelEra): TableGeometry {
  const all = tableGeometry(stage.format, { linux: era === 'amd-7.2' ? '7.2' : '6.1', levels: stage.levels });
  return { ...all, pageSizes: all.pageSizes & LEAVES & ((2n << BigInt(stage.leafLog2)) - 1n) };
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
  private readonly geometries = new Map<StageSpec, TableGeometry>();
  private next = HEAP_BASE;
  private nextDataPage = DATA_PAGE;
  private nextWindow = 0;
  private spaces: Space[] = [];
  /** How much more than the least the page tables get, so that bounds that are too tight do not end a run. */
  private slack = 0;

  constructor(spec: RunSpec) {
    this.spec = spec;
  }

  plan(): MemoryPlan {
    const least = this.layout();
    const spare = MEMORY_LIMIT_BYTES - least.totalBytes;
    if (spare < 0) {
      throw new RangeError(`page tables and caches need ${least.totalBytes} bytes, more than ${MEMORY_LIMIT_BYTES}`);
    }
    const tables = this.spaces.reduce((sum, { bytes }) => sum + bytes, 0);
    this.slack = Math.min(1, (0.9 * spare) / tables);
    return this.layout();
  }

  private layout(): MemoryPlan {
    this.next = HEAP_BASE;
    this.nextDataPage = DATA_PAGE;
    this.spaces = [];
    const { tenants, machine } = this.spec;
    const rules = this.take(tenants.length * 2 * RULE_BYTES);
    const plans = tenants.map((tenant, index) => this.placeDevices(tenant, index));
    const memoryPages = Math.ceil(machine.memoryBytes / PAGE_BYTES);
    this.nextWindow = Math.ceil(Math.max(this.nextDataPage, DATA_PAGE + memoryPages) / GIB_PAGES);
    const guests = new Map<string, Space>();
    const tenantPlans = plans.map((plan) => this.placeTenant(plan, guests));
    const units = Array.from({ length: machine.units }, (_, unit) => this.placeUnit(unit, plans, guests));
    if (this.nextWindow > WINDOW_COUNT)
      throw new RangeError('page tables and data do not fit into 8 TiB of host memory');
    return { totalBytes: this.next, rules, spaces: this.spaces, units, tenants: tenantPlans };
  }

  /** Buffers of each device: in SPA, or in GPA from 0 on. */
  private placeDevices(tenant: TenantSpec, index: number): PlacedTenant {
    const nested = tenant.mode === 'nested';
    let next = nested ? 0 : this.nextDataPage;
    const devices = tenant.devices.map((spec) => {
      const needs = footprint(spec, tenant, this.spec.os);
      const firstPage = alignUp(next, Math.min(GIB_PAGES, roundUpPowerOfTwo(needs.memoryPages)));
      next = firstPage + needs.memoryPages;
      return { spec, tenant: index, domain: FIRST_DOMAIN + spec.index, footprint: needs, firstPage };
    });
    if (!nested) {
      this.nextDataPage = next;
      return { tenant, index, devices, pages: 0, firstPage: 0 };
    }
    const leafPages = leafBytes(tenant.host) / PAGE_BYTES;
    const pages = alignUp(Math.max(next, Math.ceil(tenant.memoryBytes / PAGE_BYTES)), leafPages);
    const firstPage = alignUp(this.nextDataPage, GIB_PAGES);
    this.nextDataPage = firstPage + pages;
    return { tenant, index, devices, pages, firstPage };
  }

  private placeTenant(placed: PlacedTenant, guests: Map<string, Space>): TenantPlan {
    const { tenant, index, pages, firstPage } = placed;
    if (tenant.mode !== 'nested') return { spec: tenant, index };
    let gpa = alignUp(pages * PAGE_BYTES, GIB);
    const spaces: Space[] = [];
    for (let unit = 0; unit < this.spec.machine.units; unit++) {
      const devices = placed.devices.filter((device) => device.spec.unit === unit);
      if (devices.length === 0) continue;
      const space = this.takeSpace({ bytes: this.tablesOf(devices, tenant.guest), gpa });
      guests.set(`${index}/${unit}`, space);
      spaces.push(space);
      gpa += alignUp(space.bytes, GIB);
    }
    const tablePages = spaces.reduce((sum, { bytes }) => sum + alignUp(bytes, leafBytes(tenant.host)) / PAGE_BYTES, 0);
    const leafPages = leafBytes(tenant.host) / PAGE_BYTES;
    const hostPages = leafPages > 1 ? Math.ceil((pages + tablePages) / leafPages) * 512 : pages + tablePages;
    const bytes = ARENA_ALIGN_BYTES + tableBytes(this.geometry(tenant.host), hostPages, spaces.length + 2);
    return {
      spec: tenant,
      index,
      guest: {
        pages,
        firstPage,
        structures: this.take(TABLE_RECORD_BYTES),
        tables: this.takeSpace({ bytes, gpa: 0 }),
        spaces,
      },
    };
  }

  private placeUnit(unit: number, tenants: readonly PlacedTenant[], guests: ReadonlyMap<string, Space>): UnitPlan {
    const { machine, run } = this.spec;
    const devices = tenants
      .flatMap((tenant) => tenant.devices)
      .filter((device) => device.spec.unit === unit)
      .sort((a, b) => a.spec.index - b.spec.index);
    const historyPages = run.missCauses ? devices.reduce((sum, device) => sum + device.footprint.iovaPages, 1) : 0;
    const records = (devices.length + 2) * TABLE_RECORD_BYTES;
    const structures = this.take(unitBytes(machine, devices.length, historyPages) + records);
    let bytes = 0;
    const unitGuests = new Map<number, Space>();
    for (const { tenant, index } of tenants) {
      const guest = guests.get(`${index}/${unit}`);
      if (guest !== undefined) unitGuests.set(index, guest);
      if (tenant.mode === 'host')
        bytes += this.tablesOf(
          devices.filter((device) => device.tenant === index),
          tenant.host,
        );
    }
    const deviceTable = this.takeSpace({ bytes: DEVICE_TABLE_BYTES, gpa: 0 }, false);
    return {
      unit,
      devices,
      structures,
      deviceTable,
      tables: this.takeSpace({ bytes, gpa: 0 }),
      guests: unitGuests,
      historyPages,
    };
  }

  /** Page tables and GCR3 tables of these devices. */
  private tablesOf(devices: readonly DevicePlan[], stage: StageSpec): number {
    const geometry = this.geometry(stage);
    let bytes = ARENA_ALIGN_BYTES + gcr3Bytes(devices);
    for (const { footprint: needs } of devices) bytes += tableBytes(geometry, needs.iovaPages, needs.iovaRuns);
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

function leafBytes(stage: StageSpec): number {
  return 1 << stage.leafLog2;
}

/** Levels of the GCR3 table that a PASID needs, less one (GLX). */
export function gcr3Levels(pasid: number): number {
  if (pasid < 512) return 0;
  return pasid < 512 * 512 ? 1 : 2;
}

/** GCR3 tables come first in a space; the page tables' arena follows at the next multiple of its alignment. */
export function gcr3Bytes(devices: readonly DevicePlan[]): number {
  const tables = devices.reduce((sum, { spec }) => sum + gcr3Levels(spec.pasid) + 1, 0);
  return alignUp(tables * PAGE_BYTES, ARENA_ALIGN_BYTES);
}
