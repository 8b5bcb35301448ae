/**
 * Single pages of one domain mapped, and in strict mode unmapped, by the kernel in one call (assembly/driver.ts): with all that the steps
 * of driver/domain.ts book for them. Cores, accounts and locks lie in kernel memory then (driver/cpu.ts).
 */
import type { Kernel, KernelExports } from '../kernel/kernel.ts';
import {
  DOMAIN_ALLOC_PS,
  DOMAIN_BYTES,
  DOMAIN_DROPS_WALK_CACHES,
  DOMAIN_FLUSH_LOCK,
  DOMAIN_FREE_PS,
  DOMAIN_LEAVES,
  DOMAIN_MAP_PS,
  DOMAIN_PAGE_FIRST,
  DOMAIN_PAGE_SECOND,
  DOMAIN_PAGES,
  DOMAIN_POLL_PS,
  DOMAIN_PROTS,
  DOMAIN_QUEUE,
  DOMAIN_QUEUE_LOCK,
  DOMAIN_SUBMIT_PS,
  DOMAIN_TABLE,
  DOMAIN_UNMAP_PS,
  DOMAIN_WAIT_HOLDS_LOCK,
  STOCK_CORE,
  STOCK_DOMAIN,
} from '../kernel/layout-driver.ts';
import type { CommandQueue } from '../iommu/command-queue.ts';
import { Command, COMMAND_WORDS, type CommandEncoding, PAGES } from '../iommu/commands/command.ts';
import type { PageTable } from '../iommu/page-table.ts';
import { type CostsPs, costsPs } from '../driver/costs.ts';
import type { DriverCpu, Lock } from '../driver/cpu.ts';
import type { DmaDomainConfig, SinglePages } from '../driver/domain.ts';
import type { IovaAllocator } from '../driver/iova-allocator.ts';
import { dropsWalkCaches } from '../driver/kernel-era.ts';

/** Where the invalidations of unmapped pages go, and what is held meanwhile. */
interface PageFlushes {
  /** The command queue's records (CommandQueue.shortWay). */
  readonly queue: number;
  readonly encoding: CommandEncoding;
  readonly queueLock: Lock;
  /** Held over a whole flush, if any is. */
  readonly flushLock: Lock | undefined;
  readonly domain: number;
  readonly pasid: number;
  readonly dropsWalkCaches: boolean;
  readonly waitHoldsLock: boolean;
}

/** Leaf bits of a protection that the kernel does not map here. */
const NO_LEAF = -1;

class KernelPages implements SinglePages {
  private readonly at: number;
  private readonly kernel: Kernel;
  private readonly driverMap: KernelExports['driverMap'];
  private readonly driverUnmap: KernelExports['driverUnmap'];
  private readonly iova: IovaAllocator;
  private readonly view: DataView;
  readonly unmaps: boolean;

  /** `at`: kernel memory of DOMAIN_BYTES, zeroed but for what the allocator keeps there. Without `flushes` pages are only mapped. */
  constructor(
    kernel: Kernel,
    at: number,
    table: PageTable,
    iova: IovaAllocator,
    costs: CostsPs,
    flushes?: PageFlushes,
  ) {
    this.at = at;
    this.kernel = kernel;
    this.driverMap = kernel.exports.driverMap;
    this.driverUnmap = kernel.exports.driverUnmap;
    this.iova = iova;
    this.view = new DataView(kernel.memory.buffer, at, DOMAIN_BYTES);
    const { view } = this;
    view.setUint32(DOMAIN_TABLE, table.at, true);
    const { leafLow, leafHigh, allowed } = table.rule;
    for (let prot = 0; prot < DOMAIN_PROTS; prot++) {
      view.setInt32(DOMAIN_LEAVES + 8 * prot, allowed[prot] === 0 ? NO_LEAF : leafLow[prot], true);
      view.setInt32(DOMAIN_LEAVES + 8 * prot + 4, allowed[prot] === 0 ? NO_LEAF : leafHigh[prot], true);
    }
    view.setFloat64(DOMAIN_ALLOC_PS, costs.alloc, true);
    view.setFloat64(DOMAIN_MAP_PS, costs.map, true);
    view.setFloat64(DOMAIN_UNMAP_PS, costs.unmap, true);
    view.setFloat64(DOMAIN_SUBMIT_PS, costs.submit, true);
    view.setFloat64(DOMAIN_POLL_PS, costs.poll, true);
    view.setFloat64(DOMAIN_FREE_PS, costs.free, true);
    this.unmaps = flushes !== undefined;
    if (flushes !== undefined) this.layFlushes(flushes);
  }

  private layFlushes(flushes: PageFlushes): void {
    const { view } = this;
    view.setUint32(DOMAIN_QUEUE, flushes.queue, true);
    view.setUint32(DOMAIN_QUEUE_LOCK, flushes.queueLock.at, true);
    view.setUint32(DOMAIN_FLUSH_LOCK, flushes.flushLock?.at ?? 0, true);
    this.layInvalidation(flushes);
    view.setInt32(DOMAIN_DROPS_WALK_CACHES, flushes.dropsWalkCaches ? 1 : 0, true);
    view.setInt32(DOMAIN_WAIT_HOLDS_LOCK, flushes.waitHoldsLock ? 1 : 0, true);
  }

  /** What an unmap sends, but for the page. */
  private layInvalidation({ encoding, domain, pasid }: PageFlushes): void {
    const words = new Int32Array(COMMAND_WORDS);
    const command = new Command().clear(PAGES);
    command.domain = domain;
    command.pasid = pasid;
    for (const walkCaches of [false, true]) {
      command.walkCaches = walkCaches;
      encoding.encode(words, 0, command);
      const second = DOMAIN_PAGE_SECOND + (walkCaches ? 8 : 0);
      for (const [i, at] of [DOMAIN_PAGE_FIRST, DOMAIN_PAGE_FIRST + 4, second, second + 4].entries()) {
        this.view.setInt32(at, words[i], true);
      }
    }
  }

  get pages(): number {
    return this.view.getFloat64(DOMAIN_PAGES, true);
  }

  map(cpu: DriverCpu, physicalPage: number, prot: number): number {
    if (cpu.stockDomain !== this.at && !this.serve(cpu)) return -1;
    return this.driverMap(cpu.stock, cpu.accountAt, physicalPage, prot);
  }

  unmap(cpu: DriverCpu, iovaPage: number, releases: number): number {
    if (cpu.stockDomain !== this.at && !this.serve(cpu)) return -1;
    return this.driverUnmap(cpu.stock, cpu.accountAt, iovaPage, releases);
  }

  /** Finds the stock of a core that has worked for another domain before, or for none. False: it can have none. */
  private serve(cpu: DriverCpu): boolean {
    const stock = this.iova.stockOf(cpu.cpu);
    if (stock === 0) return false;
    cpu.stockDomain = this.at;
    cpu.stock = stock;
    this.kernel.view.setUint32(stock + STOCK_DOMAIN, this.at, true);
    this.kernel.view.setUint32(stock + STOCK_CORE, cpu.core.at, true);
    return true;
  }
}

/** Those of a domain whose table belongs to this unit alone. `at`: as above. */
export function kernelPages(
  kernel: Kernel,
  at: number,
  table: PageTable,
  { targets, rules, firstStage, flushLock, costs, iova }: DmaDomainConfig,
  commands: CommandQueue,
): SinglePages {
  const [{ port, lock: queueLock, domain, pasid }] = targets;
  const queue = commands.shortWay;
  // A guest's commands may go to a queue of its own. Rings of two slots fill at every unmap.
  const isOwn = port === commands && queue !== undefined && commands.spec.entries > 2;
  const flushes = isOwn && {
    ...{ queue, encoding: commands.encoding, queueLock, domain, pasid },
    flushLock: rules.flushHoldsDomainLock ? flushLock : undefined,
    dropsWalkCaches: dropsWalkCaches(rules, firstStage),
    waitHoldsLock: rules.waitHoldsQueueLock,
  };
  return new KernelPages(kernel, at, table, iova, costsPs(costs), flushes === false ? undefined : flushes);
}
