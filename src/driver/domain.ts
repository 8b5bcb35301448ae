/**
 * A DMA domain: one address space with its table, its IOVAs, and the units and devices whose caches must be told. The
 * same code serves the host's DMA API and, over GPAs and with exits, a guest's.
 *
 * Costs are charged step by step to the core that does the work; an invalidation's wait is the queue's, not a constant.
 * What Linux does under a lock is done under a lock: the tree of IOVAs, the command queue, and on AMD the whole flush of
 * a domain.
 */
import { type CostsPs, costsPs } from './costs.ts';
import type { OsCosts } from '../spec.ts';
import { type DriverCpu, Lock } from './cpu.ts';
import type { IovaAllocator } from './iova-allocator.ts';
import { alignedPieces, dropsWalkCaches, invalidationSizeLog2, type KernelEraRules } from './kernel-era.ts';
import type { DmaSteps } from './policy.ts';
import type { CommandTarget, DeviceTlbTarget, FlushCause, Hypervisor } from './viommu/hypervisor.ts';

/** What a domain needs of a page table (iommu/page-table.ts). */
export interface DomainTable {
  /** 0, or a negative errno with nothing mapped. */
  map(iovaPage: number, physicalPage: number, pages: number, prot: number): number;
  /** Pages unmapped. */
  unmap(iovaPage: number, pages: number): number;
  /** Table pages that the last map or unmap gave back. */
  readonly freedTables: number;
  /** The kernel's short way has mapped a page, and the table may have gained levels. */
  settle?(): void;
}

/** A short way for single pages (sim/single-pages.ts): it books what the steps below book for them. */
export interface SinglePages {
  /** Whether it unmaps too, in strict mode. */
  readonly unmaps: boolean;
  /** Pages mapped so less those unmapped so. */
  readonly pages: number;
  /**
   * Takes an IOVA that the core's magazine has, and maps. The IOVA page; -1: nothing is done; -2 - the IOVA page: done, and the table has
   * gained levels or lost tables.
   */
  map(cpu: DriverCpu, physicalPage: number, prot: number): number;
  /** 0: unmapped, and with `releases` 1 the IOVA is given back to the magazine; above: the IOVA is still taken; below: nothing is done. */
  unmap(cpu: DriverCpu, iovaPage: number, releases: number): number;
}

/** Where one copy of every invalidation goes: one a unit, or one a device where each has its own domain ID (AMD v2). */
export interface InvalidationTarget extends CommandTarget {
  /** The queue's lock: of all domains that send to it. */
  readonly lock: Lock;
}

/** Where a copy of every invalidation goes for a device that keeps translations itself. */
export interface DeviceInvalidationTarget extends DeviceTlbTarget {
  readonly lock: Lock;
}

/** Size of an invalidation of everything, log2 of bytes. */
const EVERYTHING_LOG2 = 64;

export interface DmaDomainConfig {
  readonly table: DomainTable;
  /** The table is a first stage, by PASID: Intel 6.1 keeps walk caches there, but not in second-stage tables. */
  readonly firstStage: boolean;
  readonly iova: IovaAllocator;
  /** Told of pages whose entries are cleared and whose invalidation is put off. */
  readonly unmapped?: (iovaPage: number, pages: number, atPs: number) => void;
  readonly targets: readonly InvalidationTarget[];
  readonly rules: KernelEraRules;
  readonly costs: OsCosts;
  /** Takes the commands in place of the targets' ports: a guest whose unit is emulated. */
  readonly hypervisor?: Hypervisor | undefined;
  /**
   * The unit says that it caches not-present entries (AMD NpCache, VT-d caching mode), as vIOMMUs do that must learn of
   * maps: they are flushed too, and ranges go in naturally aligned pieces, so that nothing else is dropped with them.
   */
  readonly npCache?: boolean;
  /** AMD's lock over a domain's flushes. */
  readonly flushLock?: Lock | undefined;
  /** Of a table that is nobody else's. */
  readonly singles?: SinglePages | undefined;
}

export class DmaDomain implements DmaSteps {
  private readonly table: DomainTable;
  private readonly iova: IovaAllocator;
  private readonly unmapped: DmaDomainConfig['unmapped'];
  private readonly targets: readonly InvalidationTarget[];
  /** The first target of each unit: one completion wait each. */
  private readonly units: readonly InvalidationTarget[];
  private readonly deviceTlbs: DeviceInvalidationTarget[] = [];
  private readonly rules: KernelEraRules;
  private readonly dropsWalkCaches: boolean;
  private readonly costs: CostsPs;
  private readonly hypervisor: Hypervisor | undefined;
  private readonly npCache: boolean;
  private readonly iovaLock = new Lock();
  private readonly flushLock: Lock;
  private readonly singles: SinglePages | undefined;
  /** The same if pages are unmapped the short way too. */
  private singleUnmaps: SinglePages | undefined;
  /** Pages now mapped, but for what the short way has done. */
  private steppedPages = 0;

  constructor(config: DmaDomainConfig) {
    const { targets, rules } = config;
    this.table = config.table;
    this.iova = config.iova;
    this.unmapped = config.unmapped;
    this.targets = targets;
    this.units = targets.filter(({ port }, i) => targets.findIndex((other) => other.port === port) === i);
    this.rules = rules;
    this.dropsWalkCaches = dropsWalkCaches(rules, config.firstStage);
    this.costs = costsPs(config.costs);
    this.hypervisor = config.hypervisor;
    this.npCache = config.npCache ?? false;
    this.flushLock = config.flushLock ?? new Lock();
    this.singles = this.npCache ? undefined : config.singles;
    const isPlain = config.hypervisor === undefined && config.unmapped === undefined && targets.length === 1;
    this.singleUnmaps = isPlain && this.singles?.unmaps === true ? this.singles : undefined;
  }

  /** Pages now mapped. */
  get mappedPages(): number {
    return this.steppedPages + (this.singles?.pages ?? 0);
  }

  /** From now on every invalidation goes to this device too. */
  addDeviceTlb(target: DeviceInvalidationTarget): void {
    this.deviceTlbs.push(target);
    this.singleUnmaps = undefined;
  }

  map(cpu: DriverCpu, physicalPage: number, pages: number, prot: number): number {
    // Short, so that callers are compiled with all that it calls.
    const { singles } = this;
    let answer = -1;
    if (pages === 1 && singles !== undefined && !cpu.setup) answer = singles.map(cpu, physicalPage, prot);
    return answer >= 0 ? answer : this.mapSteps(cpu, physicalPage, pages, prot, answer);
  }

  /** `answer`: what SinglePages.map has said. */
  private mapSteps(cpu: DriverCpu, physicalPage: number, pages: number, prot: number, answer: number): number {
    if (answer < -1) return this.settle(cpu, -2 - answer);
    const iovaPage = this.reserve(cpu, pages);
    if (iovaPage < 0) return -1;
    if (this.mapAt(cpu, iovaPage, physicalPage, pages, prot)) return iovaPage;
    this.iova.free(cpu.cpu, iovaPage, pages, cpu.freePs);
    return -1;
  }

  /** The kernel has mapped a page, and changed more of the table than its entry. */
  private settle(cpu: DriverCpu, iovaPage: number): number {
    this.table.settle?.();
    this.afterMap(cpu, iovaPage, 1, this.table.freedTables > 0);
    return iovaPage;
  }

  private chargeAllocation(cpu: DriverCpu, iovaPage: number): void {
    const { treeOps } = this.iova;
    if (treeOps === 0) return cpu.spendMap(this.costs.alloc);
    cpu.take(this.iovaLock, this.costs.handoff);
    cpu.spendMap(treeOps * this.costs.allocSlow);
    cpu.drop(this.iovaLock);
    if (iovaPage < 0) cpu.account.mapFailures++;
  }

  mapAt(cpu: DriverCpu, iovaPage: number, physicalPage: number, pages: number, prot: number): boolean {
    const error = this.table.map(iovaPage, physicalPage, pages, prot);
    cpu.spendMap(this.costs.map + (pages - 1) * this.costs.mapPage);
    if (error !== 0) {
      cpu.account.mapFailures++;
      return false;
    }
    if (!cpu.setup) cpu.account.maps++;
    this.steppedPages += pages;
    this.afterMap(cpu, iovaPage, pages, this.table.freedTables > 0);
    return true;
  }

  mapSg(cpu: DriverCpu, list: Float64Array, count: number, prot: number): number {
    const iovaPage = this.reserve(cpu, count);
    if (iovaPage < 0) return -1;
    let tablesFreed = false;
    for (let done = 0; done < count; ) {
      const pages = runLength(list, done, count - done);
      const error = this.table.map(iovaPage + done, list[done], pages, prot);
      cpu.spendMap(this.costs.map + (pages - 1) * this.costs.mapPage);
      if (error !== 0) return this.undo(cpu, iovaPage, done, count);
      if (this.table.freedTables > 0) tablesFreed = true;
      done += pages;
    }
    if (!cpu.setup) cpu.account.maps++;
    this.steppedPages += count;
    this.afterMap(cpu, iovaPage, count, tablesFreed);
    return iovaPage;
  }

  reserve(cpu: DriverCpu, pages: number): number {
    const iovaPage = this.iova.allocate(cpu.cpu, pages, cpu.freePs);
    this.chargeAllocation(cpu, iovaPage);
    return iovaPage;
  }

  clear(cpu: DriverCpu, iovaPage: number, pages: number): boolean {
    this.steppedPages -= this.table.unmap(iovaPage, pages);
    cpu.account.unmaps++;
    cpu.spendUnmap(this.costs.unmap + (pages - 1) * this.costs.unmapPage);
    this.unmapped?.(iovaPage, pages, cpu.freePs);
    return this.table.freedTables > 0;
  }

  invalidate(cpu: DriverCpu, iovaPage: number, pages: number, tablesFreed: boolean, keepWalkCaches = false): void {
    const walkCaches = tablesFreed || (this.dropsWalkCaches && !keepWalkCaches);
    this.flushRange(cpu, 'unmap', iovaPage, pages, walkCaches);
  }

  flush(cpu: DriverCpu): void {
    cpu.account.flushes++;
    this.flushAll(cpu, 'unmap', 0, 0);
  }

  release(cpu: DriverCpu, iovaPage: number, pages: number): void {
    this.iova.free(cpu.cpu, iovaPage, pages, cpu.freePs);
    const { treeOps } = this.iova;
    if (treeOps > 0) cpu.take(this.iovaLock, this.costs.handoff);
    cpu.spendUnmap(treeOps > 0 ? treeOps * this.costs.allocSlow : this.costs.free);
    if (treeOps > 0) cpu.drop(this.iovaLock);
  }

  unmapPage(cpu: DriverCpu, iovaPage: number): boolean {
    const { singleUnmaps } = this;
    return singleUnmaps !== undefined && !cpu.setup && singleUnmaps.unmap(cpu, iovaPage, 0) >= 0;
  }

  releasePage(cpu: DriverCpu, iovaPage: number): boolean {
    const { singleUnmaps } = this;
    if (singleUnmaps === undefined || cpu.setup) return false;
    const done = singleUnmaps.unmap(cpu, iovaPage, 1);
    if (done > 0) this.release(cpu, iovaPage, 1);
    return done >= 0;
  }

  /** A list that could not be mapped in full: nothing of it stays. */
  private undo(cpu: DriverCpu, iovaPage: number, mapped: number, count: number): number {
    cpu.account.mapFailures++;
    if (mapped > 0) this.table.unmap(iovaPage, mapped);
    this.iova.free(cpu.cpu, iovaPage, count, cpu.freePs);
    return -1;
  }

  /** `tablesFreed`: a large leaf took the place of an emptied table, into which walk caches may still point. */
  private afterMap(cpu: DriverCpu, iovaPage: number, pages: number, tablesFreed: boolean): void {
    if (!this.npCache && !tablesFreed) return;
    this.flushRange(cpu, 'map', iovaPage, pages, tablesFreed || this.dropsWalkCaches);
  }

  private flushRange(cpu: DriverCpu, cause: FlushCause, page: number, pages: number, walkCaches: boolean): void {
    if (cpu.setup && this.hypervisor === undefined) return; // nothing is cached before the run
    const sizeLog2 = invalidationSizeLog2(this.rules, page, pages);
    if (sizeLog2 < 0) return this.flushAll(cpu, cause, page, pages);
    this.beginFlush(cpu);
    if (!this.npCache) this.flushPages(cpu, cause, page, sizeLog2, walkCaches);
    else for (const piece of alignedPieces(page, pages)) this.flushPages(cpu, cause, ...piece, walkCaches);
    this.complete(cpu, cause);
  }

  private flushPages(cpu: DriverCpu, cause: FlushCause, page: number, sizeLog2: number, walkCaches: boolean): void {
    for (const target of this.targets) {
      const { port, lock, domain, pasid } = target;
      this.beforeSubmit(cpu, lock);
      if (this.hypervisor !== undefined) this.hypervisor.pages(cpu, cause, target, page, sizeLog2, walkCaches);
      else cpu.waitUntil(port.submitPages(cpu.freePs, domain, pasid, page, sizeLog2, walkCaches));
      cpu.drop(lock);
    }
    for (const target of this.deviceTlbs) this.flushDevice(cpu, cause, target, page, sizeLog2);
  }

  /** After the unit's own caches, so that the device does not ask for what is still in there (device_flush_iotlb). */
  private flushDevice(
    cpu: DriverCpu,
    cause: FlushCause,
    target: DeviceInvalidationTarget,
    page: number,
    sizeLog2: number,
  ): void {
    const { port, lock, bdf, pasid } = target;
    this.beforeSubmit(cpu, lock);
    if (this.hypervisor !== undefined) this.hypervisor.deviceTlb?.(cpu, cause, target, page, sizeLog2);
    else cpu.waitUntil(port.submitDeviceTlb(cpu.freePs, bdf, pasid, page, sizeLog2));
    cpu.drop(lock);
  }

  /** `pages` from `page` on: what has changed, where one range has. */
  private flushAll(cpu: DriverCpu, cause: FlushCause, page: number, pages: number): void {
    this.beginFlush(cpu);
    for (const target of this.targets) {
      const { port, lock, domain, pasid } = target;
      this.beforeSubmit(cpu, lock);
      if (this.hypervisor !== undefined) this.hypervisor.all(cpu, cause, target, page, pages);
      else cpu.waitUntil(port.submitAll(cpu.freePs, domain, pasid));
      cpu.drop(lock);
    }
    for (const target of this.deviceTlbs) this.flushDevice(cpu, cause, target, 0, EVERYTHING_LOG2);
    this.complete(cpu, cause);
  }

  private beginFlush(cpu: DriverCpu): void {
    if (this.rules.flushHoldsDomainLock) cpu.take(this.flushLock, this.costs.handoff);
  }

  private beforeSubmit(cpu: DriverCpu, lock: Lock): void {
    if (cpu.setup) return;
    cpu.take(lock, this.costs.handoff);
    cpu.account.invalidationCommands++;
    cpu.spendUnmap(this.costs.submit);
  }

  /** One completion wait a unit, one after the other (amd_iommu_domain_flush_complete). */
  private complete(cpu: DriverCpu, cause: FlushCause): void {
    for (const { port, lock } of this.units) {
      if (!cpu.setup) cpu.account.completionWaits++;
      cpu.take(lock, this.costs.handoff);
      // A hypervisor has waited for the real unit before the guest goes on: the guest finds its semaphore written.
      this.hypervisor?.complete(cpu, cause);
      const donePs = this.hypervisor === undefined ? port.completionWait(cpu.freePs) : cpu.freePs;
      if (!this.rules.waitHoldsQueueLock) cpu.drop(lock);
      cpu.pollUntil(donePs, this.costs.poll);
      if (this.rules.waitHoldsQueueLock) cpu.drop(lock);
    }
    if (this.rules.flushHoldsDomainLock) cpu.drop(this.flushLock);
  }
}

/** Pages from `at` on that follow each other in physical memory: mapped by one call, as iommu_map_sg merges them. */
function runLength(list: Float64Array, at: number, most: number): number {
  let pages = 1;
  while (pages < most && list[at + pages] === list[at] + pages) pages++;
  return pages;
}
