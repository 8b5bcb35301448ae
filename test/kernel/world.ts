/**
 * A small machine for tests of the unit: kernel memory with a device table, host tables and guests' memory, the unit itself
 * and, beside it, the slow reference unit that reads the same bytes.
 *
 * System addresses: window 8 (8 GiB) holds the device table of DEVICES entries, window 16 host GCR3 tables and host table frames;
 * guest g's tables lie at the start of window 32 + g, and are guest-physical 4 GiB onwards to the guest.
 */
import { tableGeometry } from '../../src/iommu/formats/index.ts';
import { Arena, PageTable, TableRule } from '../../src/iommu/page-table.ts';
import { IommuUnit, memoBytes } from '../../src/iommu/unit.ts';
import { type Kernel, Regions } from '../../src/kernel/kernel.ts';
import * as L from '../../src/kernel/layout.ts';
import type { CacheSpec, MachineSpec } from '../../src/spec.ts';
import { type Outcome, type ReferenceRequester, ReferenceUnit, type TableMemory } from '../reference/unit.ts';
import { createKernel } from '../support/kernel.ts';

export const NO_CACHE: CacheSpec = { entries: 0, ways: 0, replacement: 'lru', index: 'modulo' };
export const NO_WALK_CACHES = { host: [], guest: [] };
const READ_WRITE = 3;

/** An LRU cache; fully associative unless `ways` says otherwise. */
export function lru(entries: number, ways = entries): CacheSpec {
  return { entries, ways, replacement: 'lru', index: 'modulo' };
}

/** A machine without any cache; times are primes, so that sums tell their parts. */
export const BARE_MACHINE: MachineSpec = {
  preset: 'test',
  units: 1,
  iotlb: { ...NO_CACHE, leafLog2: [12, 21, 30], fracture: true, l1: NO_CACHE },
  walkCaches: NO_WALK_CACHES,
  nestedTlb: NO_CACHE,
  deviceCache: NO_CACHE,
  pasidCache: NO_CACHE,
  lineCache: NO_CACHE,
  walkers: 4,
  walkStartNs: 0,
  latency: {
    iotlbHitNs: 7,
    iotlbL1HitNs: 3,
    lineHitNs: 23,
    memoryReadNs: 101,
    walkOverheadNs: 11,
    dmaReadNs: 450,
    dmaWriteNs: 250,
    commandNs: 20,
    completionWaitNs: 200,
  },
  order: { readWindow: 0, writeWindow: 0 },
  link: {
    gbps: 100,
    maxPayloadBytes: 256,
    maxReadRequestBytes: 512,
    writeHeaderBytes: 24,
    readRequestBytes: 24,
    completionHeaderBytes: 20,
    outstanding: 64,
  },
  commandQueueEntries: 512,
  eventLogEntries: 64,
  memoryBytes: 2 ** 38,
  estimates: [],
  sources: [],
};

export function machineOf(changes: Partial<MachineSpec>): MachineSpec {
  return { ...BARE_MACHINE, ...changes };
}

const MEMORY_BYTES = 32 << 20;
const DEVICE_WINDOW = 8;
const HOST_WINDOW = 16;
const GUEST_WINDOW = 32;
/** Guest-physical address of a guest's table memory. */
export const GUEST_BASE = 1n << 32n;
const GUEST_BASE_PAGE = 2 ** 20;
const GCR3_BYTES = 1 << 20;
/** Few, so that walks take each other's. */
const MEMOS = 16;
/** Devices in the device table: BDFs from this one on are outside. */
export const DEVICES = 64;

// One memory for all worlds of a test process: each reserves 4 GiB of addresses.
let sharedKernel: Kernel | undefined;
let dirtyBytes = 0;

/** Device-entry fields in the words of the specification. */
export interface DeviceFields {
  readonly domain: number;
  readonly valid?: boolean;
  readonly translation?: boolean;
  readonly read?: boolean;
  readonly write?: boolean;
  /** Levels of the host table; 0 = none. */
  readonly mode?: number;
  readonly root?: bigint;
  /** GCR3 table: its address, and its levels - 1. */
  readonly gcr3?: bigint;
  readonly glx?: number;
  readonly giov?: boolean;
  readonly fiveLevels?: boolean;
  /** Any other bits of the first word. */
  readonly extra?: bigint;
}

/** Memory of one guest: frames for its tables and its GCR3 tables. */
export interface Guest {
  readonly arena: Arena;
  /** System page of guest-physical page GUEST_BASE_PAGE. */
  readonly systemPage: number;
  readonly gcr3Offset: number;
  readonly gcr3Address: bigint;
}

export interface WorldOptions {
  readonly historyPages?: number;
  readonly requesters?: number;
  readonly tableBytes?: number;
  /** Guest table formats that the unit knows; both by default. */
  readonly guestLevels?: readonly (4 | 5)[];
  /** Stale uses are counted. */
  readonly watchesUnmapped?: boolean;
  /** Index of each domain's tenant. */
  readonly tenantOf?: ReadonlyMap<number, number>;
}

export interface Requester {
  readonly ctx: number;
  readonly reference: ReferenceRequester;
}

export class World {
  readonly kernel: Kernel;
  readonly regions: Regions;
  readonly machine: MachineSpec;
  readonly unit: IommuUnit;
  readonly reference: ReferenceUnit;
  readonly hostArena: Arena;
  readonly hostRule: TableRule;
  readonly guestRules: { readonly 4: TableRule; readonly 5: TableRule };
  private readonly deviceTable: number;
  private readonly hostGcr3: { offset: number; address: bigint };
  private readonly tableBytes: number;
  private guests = 0;

  constructor(machine: MachineSpec, options: WorldOptions = {}) {
    this.kernel = sharedKernel ??= createKernel(MEMORY_BYTES);
    new Uint8Array(this.kernel.memory.buffer).fill(0, L.WINDOW_TABLE, dirtyBytes);
    this.regions = new Regions(MEMORY_BYTES);
    this.machine = machine;
    this.tableBytes = options.tableBytes ?? 1 << 20;

    const devices = this.window(DEVICE_WINDOW, DEVICES * 32);
    this.deviceTable = devices.offset;
    this.hostGcr3 = this.window(HOST_WINDOW, GCR3_BYTES + this.tableBytes);
    this.hostArena = this.arena(this.hostGcr3.offset + GCR3_BYTES, this.hostGcr3.address + BigInt(GCR3_BYTES));
    this.hostRule = this.rule('amd-v1', 3);
    this.guestRules = { 4: this.rule('amd-v2', 4), 5: this.rule('amd-v2', 5) };

    const known = options.guestLevels ?? [4, 5];
    const historyPages = options.historyPages ?? 0;
    this.unit = new IommuUnit(this.kernel, this.regions, machine, options.requesters ?? DEVICES, {
      seed: 12345,
      rules: {
        host: this.hostRule.at,
        guest4: known.includes(4) ? this.guestRules[4].at : 0,
        guest5: known.includes(5) ? this.guestRules[5].at : 0,
      },
      deviceTable: devices.address,
      historyPages,
      watchesUnmapped: options.watchesUnmapped ?? false,
      memos: { base: this.regions.take(memoBytes(MEMOS)), count: MEMOS },
      ...(options.tenantOf === undefined ? {} : { tenantOf: options.tenantOf }),
    });
    const seedAt = (field: number): number => this.seedOf(this.kernel.view.getUint32(this.unit.pointer + field, true));
    const tenantOf = (domain: number): number => options.tenantOf?.get(domain) ?? -1;
    const memory = this.tableMemory();
    const hasCauses = historyPages > 0;
    this.reference = new ReferenceUnit(machine, memory, devices.address, known, hasCauses, seedAt, tenantOf);
    this.noteUse();
  }

  private noteUse(): void {
    dirtyBytes = Math.max(dirtyBytes, this.regions.next);
  }

  private seedOf(cache: number): number {
    return this.kernel.view.getUint32(cache + L.CACHE_SEED, true);
  }

  private rule(format: string, levels: number): TableRule {
    return new TableRule(this.kernel, this.regions, tableGeometry(format, { linux: '7.2', levels }));
  }

  private arena(offset: number, address: bigint): Arena {
    return new Arena(this.kernel, this.regions.take(L.ARENA_BYTES), offset, this.tableBytes, address);
  }

  /** Backs the start of a system-address window with kernel memory. */
  private window(index: number, bytes: number): { offset: number; address: bigint } {
    const offset = this.regions.take(bytes, 4096);
    this.kernel.view.setUint32(L.WINDOW_TABLE + 8 * index, offset, true);
    this.kernel.view.setUint32(L.WINDOW_TABLE + 8 * index + 4, bytes, true);
    return { offset, address: BigInt(index) << BigInt(L.WINDOW_LOG2) };
  }

  private tableMemory(): TableMemory {
    const { view } = this.kernel;
    return {
      locate: (address, bytes) => {
        const index = Number(address >> BigInt(L.WINDOW_LOG2));
        const within = Number(address % (1n << BigInt(L.WINDOW_LOG2)));
        if (index >= L.WINDOW_COUNT) return undefined;
        const backed = view.getUint32(L.WINDOW_TABLE + 8 * index + 4, true);
        return within + bytes <= backed ? view.getUint32(L.WINDOW_TABLE + 8 * index, true) + within : undefined;
      },
      word: (place) => view.getBigUint64(place, true),
    };
  }

  // ---- Tables ------------------------------------------------------------------------------------------------------------

  /** An empty host table of so many levels (amd-v1; it grows when a map does not fit). */
  hostTable(levels: number): PageTable {
    const rule = levels === 3 ? this.hostRule : this.rule('amd-v1', levels);
    const table = PageTable.create(this.kernel, this.regions, this.hostArena, rule);
    this.noteUse();
    return table;
  }

  /** An empty guest table; without a guest its tables lie in system memory. */
  guestTable(levels: 4 | 5, guest?: Guest): PageTable {
    const arena = guest?.arena ?? this.hostArena;
    const table = PageTable.create(this.kernel, this.regions, arena, this.guestRules[levels]);
    this.noteUse();
    return table;
  }

  /** Memory for a guest's tables, mapped in its host table by leaves of 2^leafLog2 bytes. */
  guest(host: PageTable, leafLog2: number): Guest {
    const index = this.guests++;
    const { offset, address } = this.window(GUEST_WINDOW + index, GCR3_BYTES + this.tableBytes);
    const arena = this.arena(offset + GCR3_BYTES, GUEST_BASE + BigInt(GCR3_BYTES));
    const systemPage = Number(address >> 12n);
    const bytes = Math.max(2 ** leafLog2, GCR3_BYTES + this.tableBytes);
    if (host.mapSize(GUEST_BASE_PAGE, systemPage, leafLog2, Math.ceil(bytes / 2 ** leafLog2), READ_WRITE) !== 0) {
      throw new Error('the guest memory could not be mapped');
    }
    this.noteUse();
    return { arena, systemPage, gcr3Offset: offset, gcr3Address: GUEST_BASE };
  }

  /**
   * Writes a PASID's root into a GCR3 table of glx + 1 levels, and the pointers to it. Table `slot` has room for the PASIDs
   * of one path: levels lie in consecutive frames. Returns the table's address as the device entry names it.
   */
  setGcr3(slot: number, glx: number, pasid: number, root: bigint, guest?: Guest): bigint {
    const offset = guest?.gcr3Offset ?? this.hostGcr3.offset;
    const address = guest?.gcr3Address ?? this.hostGcr3.address;
    const first = slot * 3 * 4096;
    for (let level = glx; level >= 0; level--) {
      const table = first + (glx - level) * 4096;
      const next = level === 0 ? root : address + BigInt(table + 4096);
      const index = Math.floor(pasid / 512 ** level) % 512;
      this.kernel.view.setBigUint64(offset + table + 8 * index, next | 1n, true);
    }
    return address + BigInt(first);
  }

  setDevice(bdf: number, fields: DeviceFields): void {
    const flag = (value: boolean | undefined, bit: number, fallback: boolean): bigint =>
      (value ?? fallback) ? 1n << BigInt(bit) : 0n;
    const gcr3 = fields.gcr3 ?? 0n;
    const hasGuest = fields.gcr3 !== undefined;
    const word0 =
      flag(fields.valid, 0, true) |
      flag(fields.translation, 1, true) |
      flag(fields.read, 61, true) |
      flag(fields.write, 62, true) |
      flag(hasGuest, 55, false) |
      flag(fields.giov, 54, false) |
      (BigInt(fields.mode ?? 0) << 9n) |
      (fields.root ?? 0n) |
      (BigInt(fields.glx ?? 0) << 56n) |
      (((gcr3 >> 12n) & 7n) << 58n) |
      (fields.extra ?? 0n);
    const word1 = BigInt(fields.domain) | (((gcr3 >> 15n) & 0xffffn) << 16n) | ((gcr3 >> 31n) << 43n);
    const at = this.deviceTable + 32 * bdf;
    this.kernel.view.setBigUint64(at, BigInt.asUintN(64, word0), true);
    this.kernel.view.setBigUint64(at + 8, BigInt.asUintN(64, word1), true);
    this.kernel.view.setBigUint64(at + 16, flag(fields.fiveLevels, 54, false), true);
  }

  /** System page of a guest-physical page of the guest's table memory. */
  systemPageOf(guest: Guest, page: number): number {
    return guest.systemPage + page - GUEST_BASE_PAGE;
  }

  // ---- Requests, on the unit and on the reference --------------------------------------------------------------------------

  requester(bdf: number, pasid = -1, index = bdf): Requester {
    const ctx = this.unit.requester(bdf, pasid, index);
    const l1 = this.kernel.view.getUint32(ctx + L.CTX_L1, true);
    this.noteUse();
    return { ctx, reference: this.reference.requester(bdf, pasid, index, l1 === 0 ? 1 : this.seedOf(l1)) };
  }

  translate({ ctx }: Requester, page: number, access: number, atPs: number): Outcome {
    const { exports } = this.kernel;
    const donePs = exports.translate(ctx, page, access, atPs);
    if (donePs < 0) return { donePs: -1 - donePs, fault: exports.lastFault(), page: undefined };
    return { donePs, fault: 0, page: exports.lastPage() };
  }

  expected({ reference }: Requester, page: number, access: number, atPs: number): Outcome {
    return this.reference.translate(reference, page, access, atPs);
  }

  counters({ ctx }: Requester): Float64Array {
    return this.unit.counters(ctx);
  }
}

export { GUEST_BASE_PAGE };
