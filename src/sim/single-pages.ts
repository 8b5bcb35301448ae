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
  DOMAIN_ID,
  DOMAIN_LEAVES,
  DOMAIN_MAP_PS,
  DOMAIN_PAGES,
  DOMAIN_PASID,
  DOMAIN_POLL_PS,
  DOMAIN_PROTS,
  DOMAIN_QUEUE,
  DOMAIN_QUEUE_LOCK,
  DOMAIN_SUBMIT_PS,
  DOMAIN_TABLE,
  DOMAIN_UNMAP_PS,
  DOMAIN_WAIT_HOLDS_LOCK,
} from '../kernel/layout-driver.ts';
import type { CommandQueue } from '../iommu/command-queue.ts';
import type { PageTable } from '../iommu/page-table.ts';
import { type CostsPs, costsPs } from '../driver/costs.ts';
import type { DriverCpu, Lock } from '../driver/cpu.ts';
import type { DmaDomainConfig, SinglePages } from '../driver/domain.ts';
import { dropsWalkCaches } from '../driver/kernel-era.ts';

/** Where the invalidations of unmapped pages go, and what is held meanwhile. */
interface PageFlushes {
  /** The command queue's records (CommandQueue.shortWay). */
  readonly queue: number;
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
  private readonly exports: KernelExports;
  private readonly view: DataView;
  readonly unmaps: boolean;

  /** `at`: kernel memory of DOMAIN_BYTES, zeroed. Without `flushes` pages are only mapped. */
  constructor(kernel: Kernel, at: number, table: PageTable, costs: CostsPs, flushes?: PageFlushes) {
    this.at = at;
    this.exports = kernel.exports;
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
    this.unmaps = flushes !== undefined;
    if (flushes !== undefined) this.layFlushes(flushes);
  }

  private layFlushes(flushes: PageFlushes): void {
    const { view } = this;
    view.setUint32(DOMAIN_QUEUE, flushes.queue, true);
    view.setUint32(DOMAIN_QUEUE_LOCK, flushes.queueLock.at, true);
    view.setUint32(DOMAIN_FLUSH_LOCK, flushes.flushLock?.at ?? 0, true);
    view.setInt32(DOMAIN_ID, flushes.domain, true);
    view.setInt32(DOMAIN_PASID, flushes.pasid, true);
    view.setInt32(DOMAIN_DROPS_WALK_CACHES, flushes.dropsWalkCaches ? 1 : 0, true);
    view.setInt32(DOMAIN_WAIT_HOLDS_LOCK, flushes.waitHoldsLock ? 1 : 0, true);
  }

  get pages(): number {
    return this.view.getFloat64(DOMAIN_PAGES, true);
  }

  map({ core, account }: DriverCpu, iovaPage: number, physicalPage: number, prot: number): number {
    return this.exports.driverMap(this.at, core.at, account.at, iovaPage, physicalPage, prot);
  }

  unmap({ core, account }: DriverCpu, iovaPage: number): boolean {
    return this.exports.driverUnmap(this.at, core.at, account.at, iovaPage) === 0;
  }
}

/** Those of a domain whose table belongs to this unit alone. `at`: as above. */
export function kernelPages(
  kernel: Kernel,
  at: number,
  table: PageTable,
  { targets, rules, firstStage, flushLock, costs }: DmaDomainConfig,
  commands: CommandQueue,
): SinglePages {
  const [{ port, lock: queueLock, domain, pasid }] = targets;
  const queue = commands.shortWay;
  // A guest's commands may go to a queue of its own.
  const isOwn = port === commands && queue !== undefined;
  const flushes = isOwn && {
    ...{ queue, queueLock, domain, pasid },
    flushLock: rules.flushHoldsDomainLock ? flushLock : undefined,
    dropsWalkCaches: dropsWalkCaches(rules, firstStage),
    waitHoldsLock: rules.waitHoldsQueueLock,
  };
  return new KernelPages(kernel, at, table, costsPs(costs), flushes === false ? undefined : flushes);
}
