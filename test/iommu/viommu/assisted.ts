/** A unit's private address space, and a guest's command buffer, in kernel memory of their own. */
import { layCache } from '../../../src/iommu/cache.ts';
import type { CommandPort } from '../../../src/iommu/command-queue.ts';
import { tableGeometry } from '../../../src/iommu/formats/index.ts';
import { Arena, PageTable, TableRule } from '../../../src/iommu/page-table.ts';
import { CommandReader, GuestCommandBuffer } from '../../../src/iommu/viommu/guest-commands.ts';
import { type PrivateGuest, PrivateSpace } from '../../../src/iommu/viommu/private-space.ts';
import { type Kernel, Regions } from '../../../src/kernel/kernel.ts';
import { WINDOW_TABLE } from '../../../src/kernel/layout.ts';
import { createKernel } from '../../support/kernel.ts';
import { cacheSpec } from '../../support/spec.mjs';

const GIB = 2 ** 30;
const MIB = 2 ** 20;
const PRIVATE_WINDOW = 8;
const HOST_WINDOW = 9;
const GUEST_WINDOW = 10;
/** Guest-physical address of the guest's window. */
export const GUEST_GPA = GIB;
/** First page of the host memory that has no bytes here. */
export const DATA_PAGE = (64 * GIB) / 4096;
export const READ_PS = 100_000;
export const ENTRIES = 8;

export const GUESTS: readonly PrivateGuest[] = [
  { guestId: 1, parentDomain: 100, deviceIds: 64, domainIds: 600 },
  { guestId: 2, parentDomain: 200, deviceIds: 64, domainIds: 16 },
];

interface Room {
  readonly kernel: Kernel;
  readonly regions: Regions;
}

function window({ kernel, regions }: Room, index: number, bytes: number): { base: number; spa: number } {
  const base = regions.take(bytes, 4096);
  kernel.view.setUint32(WINDOW_TABLE + 8 * index, base, true);
  kernel.view.setUint32(WINDOW_TABLE + 8 * index + 4, bytes, true);
  return { base, spa: index * GIB };
}

function arenaOf({ kernel, regions }: Room, base: number, bytes: number, spa: number): Arena {
  return new Arena(kernel, regions.take(64), base, bytes, BigInt(spa));
}

export function assisted(tlbEntries = 0) {
  const kernel = createKernel(64 * MIB);
  const room = { kernel, regions: new Regions(64 * MIB) };
  const v1 = (levels: number): TableRule =>
    new TableRule(kernel, room.regions, { ...tableGeometry('amd-v1', { linux: '6.1', levels }), pageSizes: 4096n });
  const own = window(room, PRIVATE_WINDOW, 4 * MIB);
  const tables = arenaOf(room, own.base + MIB, 3 * MIB, own.spa + MIB);
  const places = { base: own.base, spaPage: own.spa / 4096, dataPage: DATA_PAGE };
  const space = new PrivateSpace(kernel, room.regions, tables, v1(3), { guests: GUESTS, ...places });

  const hostWindow = window(room, HOST_WINDOW, 2 * MIB);
  const rule = v1(4);
  const host = PageTable.create(kernel, room.regions, arenaOf(room, hostWindow.base, 2 * MIB, hostWindow.spa), rule);
  const memory = window(room, GUEST_WINDOW, MIB);
  host.map(GUEST_GPA / 4096, memory.spa / 4096, MIB / 4096, 3);

  const log: string[] = [];
  const port: CommandPort = {
    submitPages: (atPs, domain, pasid, page, sizeLog2, pde) => {
      log.push(`${atPs / 1000} pages ${domain} ${pasid} ${page.toString(16)} ${sizeLog2}${pde ? ' pde' : ''}`);
      return atPs;
    },
    submitAll: (atPs, domain, pasid) => {
      log.push(`${atPs / 1000} all ${domain} ${pasid}`);
      return atPs;
    },
    submitDevice: (atPs, bdf) => {
      log.push(`${atPs / 1000} device ${bdf}`);
      return atPs;
    },
    completionWait: (atPs) => {
      log.push(`${atPs / 1000} wait`);
      return atPs + 5000;
    },
  };
  const cache = layCache(kernel, room.regions, cacheSpec(tlbEntries), 1);
  const reader = new CommandReader({ kernel, space, port, cache, readPs: READ_PS });
  const buffer = (guestId: number): GuestCommandBuffer =>
    new GuestCommandBuffer(kernel, reader, {
      guestId,
      entries: ENTRIES,
      base: memory.base + (guestId - 1) * 8192,
      gpa: GUEST_GPA + (guestId - 1) * 8192,
      host: { rule: rule.at, levels: host.levels, root: host.rootAddress },
    });
  return { kernel, space, reader, buffer, log, guestBase: memory.base };
}
