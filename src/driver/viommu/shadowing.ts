/**
 * Shadow tables: hardware walks one table, GVA → SPA, that the hypervisor merges from the guest's table and from where
 * the guest's memory lies. The guest's unit says NpCache, so every map and every unmap comes with an invalidation, which
 * exits; the hypervisor reads the guest's table over that range, and maps, unmaps, pins and unpins what has changed
 * (QEMU with VFIO: vtd_page_walk, amdvi_notify_iommu; vfio_iommu_map_notify).
 */
import type { CostsPs } from '../costs.ts';
import { powerOfTwo } from '../../lib/bits.ts';
import { assert } from '../../lib/assert.ts';
import type { DriverCpu } from '../cpu.ts';
import type { DomainTable } from '../domain.ts';
import { invalidationSizeLog2, type KernelEraRules } from '../kernel-era.ts';
import { type CommandTarget, type FlushCause, type Hypervisor, polledAt } from './hypervisor.ts';

/** A table that can be read as software reads it. */
export interface ReadableTable {
  /** Output page of an input page, or -1. */
  lookup(page: number): number;
  /** What the last look-up found allowed: 1 read, 2 write. */
  readonly lastPermissions: number;
}

/** Time of the hypervisor's steps, ps; the host's own map, unmap, invalidation and looks at the semaphore among them. */
export interface ShadowingCosts extends Pick<CostsPs, 'map' | 'mapPage' | 'unmap' | 'unmapPage' | 'submit' | 'poll'> {
  /** One exit that user space emulates. */
  readonly exit: number;
  /** Reading the guest's entry of one page, finding its memory, pinning or unpinning it. */
  readonly page: number;
}

export interface ShadowingConfig {
  /** GVA → GPA, written by the guest. */
  readonly guest: ReadableTable;
  /** GVA → SPA, walked by hardware. */
  readonly merged: DomainTable & ReadableTable;
  /** Page of host memory behind a page of the guest's; -1: the guest has no memory there. */
  readonly hostPage: (guestPage: number) => number;
  /** Where the merged table is cached. */
  readonly target: CommandTarget;
  /** Of the host's kernel. */
  readonly rules: KernelEraRules;
  readonly costs: ShadowingCosts;
  /** The real unit caches not-present entries: the host flushes what it maps, too. */
  readonly flushesMaps?: boolean;
}

interface Range {
  readonly page: number;
  readonly pages: number;
}

/** Where pages of a range go to: host pages, -1 where nowhere, and permissions. */
class Targets {
  readonly page: Float64Array;
  readonly prot: Uint8Array;

  constructor(pages: number) {
    this.page = new Float64Array(pages);
    this.prot = new Uint8Array(pages);
  }

  set(i: number, page: number, prot: number): void {
    this.page[i] = page;
    this.prot[i] = page < 0 ? 0 : prot;
  }

  differs(i: number, other: Targets): boolean {
    return this.page[i] !== other.page[i] || this.prot[i] !== other.prot[i];
  }
}

export class ShadowingHypervisor implements Hypervisor {
  private readonly config: ShadowingConfig;
  private pending: Range[] = [];
  /** Time of the exit under way, and whether it must wait for the unit. */
  private atPs = 0;
  private flushed = false;
  /** Pages that the merged table maps, each pinned once for every mapping of it: now, and the most there were. */
  pinnedPages = 0;
  pinnedPagesPeak = 0;

  constructor(config: ShadowingConfig) {
    this.config = config;
  }

  pages(_cpu: DriverCpu, _cause: FlushCause, _target: CommandTarget, page: number, sizeLog2: number): void {
    const pages = powerOfTwo(sizeLog2 - 12);
    this.pending.push({ page: Math.floor(page / pages) * pages, pages });
  }

  all(_cpu: DriverCpu, _cause: FlushCause, _target: CommandTarget, page: number, pages: number): void {
    this.pending.push({ page, pages });
  }

  /** One exit for one map or unmap, whatever pieces its range was cut into. */
  complete(cpu: DriverCpu, cause: FlushCause): void {
    const { costs } = this.config;
    this.atPs = cpu.freePs + costs.exit;
    this.flushed = false;
    for (const range of this.pending) this.sync(range, cpu.setup);
    if (this.flushed) this.atPs = polledAt(this.atPs, this.config.target.port.completionWait(this.atPs), costs.poll);
    this.pending = [];
    if (cpu.setup) return;
    if (cause === 'map') cpu.account.vmExitsMap++;
    else cpu.account.vmExitsUnmap++;
    cpu.exitUntil(this.atPs, cause);
  }

  /** Makes the merged table of a range what the guest's table and memory say now: first what is gone, then what is new. */
  private sync(range: Range, setup: boolean): void {
    const wanted = this.wanted(range);
    const present = this.present(range);
    this.atPs += range.pages * this.config.costs.page;
    for (const run of runs(range, (i) => present.page[i] >= 0 && present.differs(i, wanted), present)) {
      this.unmap(run, setup);
    }
    for (const run of runs(range, (i) => wanted.page[i] >= 0 && wanted.differs(i, present), wanted)) {
      const i = run.page - range.page;
      this.map(run, wanted.page[i], wanted.prot[i], setup);
    }
  }

  private wanted({ page, pages }: Range): Targets {
    const { guest, hostPage } = this.config;
    const targets = new Targets(pages);
    for (let i = 0; i < pages; i++) {
      const guestPage = guest.lookup(page + i);
      if (guestPage < 0) targets.set(i, -1, 0);
      else targets.set(i, hostPage(guestPage), guest.lastPermissions);
    }
    return targets;
  }

  private present({ page, pages }: Range): Targets {
    const { merged } = this.config;
    const targets = new Targets(pages);
    for (let i = 0; i < pages; i++) targets.set(i, merged.lookup(page + i), merged.lastPermissions);
    return targets;
  }

  private unmap({ page, pages }: Range, setup: boolean): void {
    const { merged, costs } = this.config;
    const unmapped = merged.unmap(page, pages);
    assert(unmapped === pages, 'the hypervisor unmaps what it mapped');
    this.pinnedPages -= pages;
    this.atPs += costs.unmap + (pages - 1) * costs.unmapPage;
    if (!setup) this.invalidate(page, pages, merged.freedTables > 0);
  }

  private map({ page, pages }: Range, hostPage: number, prot: number, setup: boolean): void {
    const { merged, costs } = this.config;
    const error = merged.map(page, hostPage, pages, prot);
    assert(error === 0, "a guest's mappings fit into the merged table that was planned for them");
    this.pinnedPages += pages;
    this.pinnedPagesPeak = Math.max(this.pinnedPagesPeak, this.pinnedPages);
    this.atPs += costs.map + (pages - 1) * costs.mapPage;
    const tablesFreed = merged.freedTables > 0;
    if (!setup && (tablesFreed || this.config.flushesMaps === true)) this.invalidate(page, pages, tablesFreed);
  }

  /** Most hardware does not cache not-present entries: then the host flushes what it unmaps, not what it maps. */
  private invalidate(page: number, pages: number, tablesFreed: boolean): void {
    const { rules, target, costs } = this.config;
    const { port, domain, pasid } = target;
    const sizeLog2 = invalidationSizeLog2(rules, page, pages);
    const walkCaches = tablesFreed || rules.walkCaches === 'always';
    this.atPs += costs.submit;
    if (sizeLog2 < 0) this.atPs = port.submitAll(this.atPs, domain, pasid);
    else this.atPs = port.submitPages(this.atPs, domain, pasid, page, sizeLog2, walkCaches);
    this.flushed = true;
  }
}

/** The longest runs of pages that `wants` takes and that lie one behind the other, with the same permissions, in `targets`. */
function* runs(range: Range, wants: (i: number) => boolean, targets: Targets): Generator<Range> {
  for (let i = 0; i < range.pages; ) {
    if (!wants(i)) {
      i++;
      continue;
    }
    const first = i++;
    const follows = (): boolean =>
      targets.page[i] === targets.page[first] + (i - first) && targets.prot[i] === targets.prot[first];
    while (i < range.pages && wants(i) && follows()) i++;
    yield { page: range.page + first, pages: i - first };
  }
}
