/**
 * A DMA domain: one address space with its table, its IOVAs, and the units and devices whose caches must be told. The
 * same code serves the host's DMA API and, over GPAs and with exits, a guest's.
 *
 * Costs are charged step by step to the core that does the work; an invalidation's wait is the queue's, not a constant.
 */
import type { CommandPort } from '../iommu/command-queue.ts';
import type { OsCosts } from '../spec.ts';
import type { DriverCpu } from './cpu.ts';
import type { IovaAllocator } from './iova-allocator.ts';
import { invalidationSizeLog2, type KernelEraRules } from './kernel-era.ts';
import type { DmaSteps } from './policy.ts';

/** What a domain needs of a page table (iommu/page-table.ts). */
export interface DomainTable {
  /** 0, or a negative errno with nothing mapped. */
  map(iovaPage: number, physicalPage: number, pages: number, prot: number): number;
  /** Pages unmapped. */
  unmap(iovaPage: number, pages: number): number;
  /** Table pages that the last unmap gave back. */
  readonly freedTables: number;
}

/** Where one copy of every invalidation goes: one a unit, or one a device where each has its own domain ID (AMD v2). */
export interface InvalidationTarget {
  readonly port: CommandPort;
  /** As the unit tags its cache entries. */
  readonly domain: number;
  readonly pasid: number;
}

export interface DmaDomainConfig {
  readonly table: DomainTable;
  readonly iova: IovaAllocator;
  readonly targets: readonly InvalidationTarget[];
  readonly rules: KernelEraRules;
  readonly costs: OsCosts;
  /** The commands of a guest exit to the hypervisor. */
  readonly exits: boolean;
}

/** OsCosts in integer ps. */
interface CostsPs {
  readonly alloc: number;
  readonly allocSlow: number;
  readonly free: number;
  readonly map: number;
  readonly mapPage: number;
  readonly unmap: number;
  readonly unmapPage: number;
  readonly submit: number;
  readonly poll: number;
  readonly exit: number;
}

export class DmaDomain implements DmaSteps {
  private readonly table: DomainTable;
  private readonly iova: IovaAllocator;
  private readonly targets: readonly InvalidationTarget[];
  private readonly ports: readonly CommandPort[];
  private readonly rules: KernelEraRules;
  private readonly costs: CostsPs;
  private readonly exits: boolean;
  /** Pages now mapped. */
  mappedPages = 0;

  constructor(config: DmaDomainConfig) {
    this.table = config.table;
    this.iova = config.iova;
    this.targets = config.targets;
    this.ports = [...new Set(config.targets.map((target) => target.port))];
    this.rules = config.rules;
    this.costs = costsPs(config.costs);
    this.exits = config.exits;
  }

  map(cpu: DriverCpu, physicalPage: number, pages: number, prot: number): number {
    const iovaPage = this.iova.allocate(cpu.cpu, pages, cpu.freePs);
    cpu.spendMap(this.iova.slow ? this.costs.allocSlow : this.costs.alloc);
    if (iovaPage < 0) {
      cpu.account.mapFailures++;
      return -1;
    }
    if (!this.mapAt(cpu, iovaPage, physicalPage, pages, prot)) {
      this.iova.free(cpu.cpu, iovaPage, pages, cpu.freePs);
      return -1;
    }
    return iovaPage;
  }

  mapAt(cpu: DriverCpu, iovaPage: number, physicalPage: number, pages: number, prot: number): boolean {
    const error = this.table.map(iovaPage, physicalPage, pages, prot);
    cpu.spendMap(this.costs.map + (pages - 1) * this.costs.mapPage);
    if (error !== 0) {
      cpu.account.mapFailures++;
      return false;
    }
    if (!cpu.setup) cpu.account.maps++;
    this.mappedPages += pages;
    // A large leaf that took the place of an emptied table: walk caches may still point into it.
    if (this.table.freedTables > 0) this.invalidate(cpu, iovaPage, pages, true);
    return true;
  }

  clear(cpu: DriverCpu, iovaPage: number, pages: number): boolean {
    this.mappedPages -= this.table.unmap(iovaPage, pages);
    cpu.account.unmaps++;
    cpu.spendUnmap(this.costs.unmap + (pages - 1) * this.costs.unmapPage);
    return this.table.freedTables > 0;
  }

  invalidate(cpu: DriverCpu, iovaPage: number, pages: number, tablesFreed: boolean): void {
    const sizeLog2 = invalidationSizeLog2(this.rules, iovaPage, pages);
    if (sizeLog2 < 0) return this.flushAll(cpu);
    const walkCaches = tablesFreed || this.rules.walkCaches === 'always';
    for (const { port, domain, pasid } of this.targets) {
      this.beforeSubmit(cpu);
      cpu.waitUntil(port.submitPages(cpu.freePs, domain, pasid, iovaPage, sizeLog2, walkCaches));
    }
    this.complete(cpu);
  }

  flush(cpu: DriverCpu): void {
    cpu.account.flushes++;
    this.flushAll(cpu);
  }

  release(cpu: DriverCpu, iovaPage: number, pages: number): void {
    this.iova.free(cpu.cpu, iovaPage, pages, cpu.freePs);
    cpu.spendUnmap(this.costs.free);
  }

  private flushAll(cpu: DriverCpu): void {
    for (const { port, domain, pasid } of this.targets) {
      this.beforeSubmit(cpu);
      cpu.waitUntil(port.submitAll(cpu.freePs, domain, pasid));
    }
    this.complete(cpu);
  }

  private beforeSubmit(cpu: DriverCpu): void {
    cpu.account.invalidationCommands++;
    cpu.spendUnmap(this.costs.submit);
    if (!this.exits) return;
    cpu.account.vmExits++;
    cpu.spendUnmap(this.costs.exit);
  }

  /** One completion wait a unit, one after the other (amd_iommu_domain_flush_complete). */
  private complete(cpu: DriverCpu): void {
    for (const port of this.ports) {
      cpu.account.completionWaits++;
      cpu.waitUntil(port.completionWait(cpu.freePs));
      cpu.waitUntil(cpu.freePs + this.costs.poll);
    }
  }
}

function costsPs(costs: OsCosts): CostsPs {
  const ps = (ns: number): number => Math.round(ns * 1000);
  return {
    alloc: ps(costs.iovaAllocNs),
    allocSlow: ps(costs.iovaAllocSlowNs),
    free: ps(costs.iovaFreeNs),
    map: ps(costs.mapNs),
    mapPage: ps(costs.mapPageNs),
    unmap: ps(costs.unmapNs),
    unmapPage: ps(costs.unmapPageNs),
    submit: ps(costs.invalidateSubmitNs),
    poll: ps(costs.completionPollNs),
    exit: ps(costs.exitNs),
  };
}
