/**
 * The private address space of one AMD IOMMU with hardware-assisted vIOMMU: memory that only the unit itself addresses,
 * through a v1 table of its own. In it lie, for each guest, the tables that turn the guest's device and domain IDs into
 * the host's.
 *
 * Layout: S. Suthikulpanit's RFC of 21 June 2023 and the AMDESE/linux-iommu branches, drivers/iommu/amd/viommu.c. The
 * layout of an entry is not public: here the host's 16-bit ID, and zeros.
 */
import type { Kernel, Regions } from '../../kernel/kernel.ts';
import { assert } from '../../lib/assert.ts';
import { PAGE_BYTES } from '../../request.ts';
import { type Arena, PageTable, type TableRule } from '../page-table.ts';

const READ = 1;
const READ_WRITE = 3;
/** State of all guests' registers (64 bytes each) and what the command buffers' hardware keeps. */
export const GLOBAL_BYTES = 8 << 20;
/** 65,536 entries for each guest. */
export const DEVICE_MAP = { base: 0x10_0000_0000, guestBytes: 1 << 20, entryBytes: 16 } as const;
export const DOMAIN_MAP = { base: 0x20_0000_0000, guestBytes: 1 << 19, entryBytes: 8 } as const;
export type IdMap = typeof DEVICE_MAP | typeof DOMAIN_MAP;

/** Pages of the private address space that one guest adds. */
export const GUEST_PAGES = (DEVICE_MAP.guestBytes + DOMAIN_MAP.guestBytes) / PAGE_BYTES;
export const GLOBAL_PAGES = GLOBAL_BYTES / PAGE_BYTES;
/** Separate ranges that the table maps. */
export const PRIVATE_RUNS = 3;
const IDS = 65_536;

/** Pages at the start of a guest's map that hold the entries of the IDs below `ids`. */
export function idMapPages(map: IdMap, ids: number): number {
  return Math.ceil((ids * map.entryBytes) / PAGE_BYTES);
}

export interface PrivateGuest {
  /** Number of the guest at this unit, from 1 on. */
  readonly guestId: number;
  /** Host domain that every guest domain ID stands for until the hypervisor says otherwise. */
  readonly parentDomain: number;
  /** IDs that the guest uses at most: only their entries have bytes. */
  readonly deviceIds: number;
  readonly domainIds: number;
}

export interface PrivateSpaceConfig {
  readonly guests: readonly PrivateGuest[];
  /** Kernel memory of the entries that have bytes, and its SPA / 4096. */
  readonly base: number;
  readonly spaPage: number;
  /** SPA / 4096 of host memory for all the rest. */
  readonly dataPage: number;
}

/** Bytes of kernel memory for the entries of these guests. */
export function entryBytes(guests: readonly Pick<PrivateGuest, 'deviceIds' | 'domainIds'>[]): number {
  const pages = guests.reduce((sum, guest) => {
    return sum + idMapPages(DEVICE_MAP, guest.deviceIds) + idMapPages(DOMAIN_MAP, guest.domainIds);
  }, 0);
  return pages * PAGE_BYTES;
}

export class PrivateSpace {
  readonly table: PageTable;
  private readonly kernel: Kernel;
  private readonly config: PrivateSpaceConfig;
  private readonly rule: TableRule;
  private nextEntryPage = 0;
  private nextDataPage: number;
  /** Table entries and map entries that the last look-up read. */
  lastReads = 0;

  constructor(kernel: Kernel, regions: Regions, arena: Arena, rule: TableRule, config: PrivateSpaceConfig) {
    this.kernel = kernel;
    this.rule = rule;
    this.config = config;
    this.nextDataPage = config.dataPage;
    this.table = PageTable.create(kernel, regions, arena, rule);
    this.mapData(0, GLOBAL_PAGES);
    for (const guest of config.guests) {
      this.mapIds(guest, DEVICE_MAP, guest.deviceIds);
      this.mapIds(guest, DOMAIN_MAP, guest.domainIds);
      for (let id = 0; id < guest.domainIds; id++) this.set(DOMAIN_MAP, guest.guestId, id, guest.parentDomain);
    }
  }

  /** Host memory that the private address space takes: what it maps, and its table. */
  get bytes(): number {
    const pages = GLOBAL_PAGES + this.config.guests.length * GUEST_PAGES;
    return (pages + this.table.arena.liveFrames) * PAGE_BYTES;
  }

  /** The hypervisor's write of one entry (VF-control registers 0x00 and 0x08). */
  set(map: IdMap, guestId: number, id: number, hostId: number): void {
    assert(hostId < IDS, 'a host ID has 16 bits');
    const page = this.table.lookup(this.pageOf(map, guestId, id));
    this.kernel.view.setUint16(this.offsetOf(page, map, id), hostId, true);
  }

  /** The unit's own read of one entry; `walked`: the table is walked, too. -1: nothing is mapped there. */
  get(map: IdMap, guestId: number, id: number, walked: boolean): number {
    const { table, rule, kernel } = this;
    const root = Number(table.rootAddress);
    const page = this.pageOf(map, guestId, id);
    const spaPage = kernel.exports.walkRaw(rule.at, table.levels, root / PAGE_BYTES, 0, page, READ);
    this.lastReads = walked ? kernel.exports.lastReads() : 0;
    if (spaPage < 0) return -1;
    this.lastReads++;
    return kernel.view.getUint16(this.offsetOf(spaPage, map, id), true);
  }

  /** Private page of an entry: what its translation is cached by. */
  pageOf(map: IdMap, guestId: number, id: number): number {
    return (map.base + (guestId - 1) * map.guestBytes) / PAGE_BYTES + Math.floor((id * map.entryBytes) / PAGE_BYTES);
  }

  private offsetOf(spaPage: number, map: IdMap, id: number): number {
    const { base, spaPage: first } = this.config;
    assert(spaPage >= first && spaPage < first + this.nextEntryPage, 'a guest keeps to the IDs it was planned with');
    return base + (spaPage - first) * PAGE_BYTES + ((id * map.entryBytes) % PAGE_BYTES);
  }

  private mapIds({ guestId }: PrivateGuest, map: IdMap, ids: number): void {
    const page = this.pageOf(map, guestId, 0);
    const withBytes = idMapPages(map, ids);
    this.map(page, this.config.spaPage + this.nextEntryPage, withBytes);
    this.nextEntryPage += withBytes;
    this.mapData(page + withBytes, map.guestBytes / PAGE_BYTES - withBytes);
  }

  private mapData(page: number, pages: number): void {
    if (pages === 0) return;
    this.map(page, this.nextDataPage, pages);
    this.nextDataPage += pages;
  }

  private map(page: number, spaPage: number, pages: number): void {
    const error = this.table.map(page, spaPage, pages, READ_WRITE);
    assert(error === 0, "the private address space's table has the room that was planned for it");
  }
}
