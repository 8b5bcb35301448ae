/**
 * Contiguous: safe as strict, but made for walk caches (Fast & Safe IO Memory Protection, SOSP 2024). Each core takes IOVA
 * in ranges of one descriptor's pages and maps buffers into them one after the other; the pages of a descriptor are
 * unmapped together, by one invalidation that leaves the walk caches alone unless table pages were freed.
 *
 * A range goes back to the allocator when it is used up and the last of it has been unmapped.
 */
import { type DriverCpu, MappedPolicy, type MappingPolicy, type PageList, type PolicyContext } from '../policy.ts';

interface Range {
  readonly first: number;
  /** Pages handed out so far, and those of them that are still mapped. */
  used: number;
  live: number;
}

class ContiguousPolicy extends MappedPolicy {
  private readonly rangePages: number;
  /** The range that each core maps into. */
  private readonly open: (Range | undefined)[] = [];
  /** Ranges in use by first page / rangePages: the allocator aligns them to their size. */
  private readonly ranges = new Map<number, Range>();

  constructor(context: PolicyContext) {
    super(context);
    this.rangePages = context.contiguousPages;
  }

  override map(cpu: DriverCpu, physicalPage: number, pages: number, prot: number): number {
    if (pages > this.rangePages) return super.map(cpu, physicalPage, pages, prot);
    const range = this.rangeWith(cpu, pages);
    if (range === undefined) return -1;
    const iovaPage = this.place(cpu, range, pages);
    if (this.steps.mapAt(cpu, iovaPage, physicalPage, pages, prot)) return iovaPage;
    this.giveBack(cpu, iovaPage, pages);
    return -1;
  }

  unmap(cpu: DriverCpu, iovaPage: number, pages: number): void {
    this.unmapAt(cpu, iovaPage, pages);
    this.giveBack(cpu, iovaPage, pages);
  }

  unmapAt(cpu: DriverCpu, iovaPage: number, pages: number): void {
    const tablesFreed = this.steps.clear(cpu, iovaPage, pages);
    const clearedPs = cpu.freePs;
    this.steps.invalidate(cpu, iovaPage, pages, tablesFreed, true);
    cpu.recordStaleWindow(clearedPs, cpu.freePs);
  }

  /** A descriptor that does not fit into what is left of the core's range begins a new one. */
  override mapPages(cpu: DriverCpu, list: PageList, prot: number): boolean {
    if (list.count <= this.rangePages && this.rangeWith(cpu, list.count) === undefined) return false;
    return super.mapPages(cpu, list, prot);
  }

  override unmapPages(cpu: DriverCpu, { iovaPages, count }: PageList, from: number): number {
    let next = from + 1;
    while (next < count && iovaPages[next] === iovaPages[next - 1] + 1) next++;
    this.unmapRun(cpu, iovaPages[from], next - from);
    return next;
  }

  /** Pages that lie next to each other, but perhaps in two ranges. */
  private unmapRun(cpu: DriverCpu, iovaPage: number, pages: number): void {
    this.unmapAt(cpu, iovaPage, pages);
    for (let done = 0; done < pages; ) {
      const left = this.rangePages - ((iovaPage + done) % this.rangePages);
      const part = Math.min(left, pages - done);
      this.giveBack(cpu, iovaPage + done, part);
      done += part;
    }
  }

  /** The core's range, if it has room for `pages`, or a new one. */
  private rangeWith(cpu: DriverCpu, pages: number): Range | undefined {
    const range = this.open[cpu.cpu];
    if (range !== undefined && range.used + pages <= this.rangePages) return range;
    if (range !== undefined) this.close(cpu, range);
    const first = this.steps.reserve(cpu, this.rangePages);
    if (first < 0) return undefined;
    const taken = { first, used: 0, live: 0 };
    this.ranges.set(first / this.rangePages, taken);
    this.open[cpu.cpu] = taken;
    return taken;
  }

  private place(cpu: DriverCpu, range: Range, pages: number): number {
    const iovaPage = range.first + range.used;
    range.used += pages;
    range.live += pages;
    if (range.used === this.rangePages) this.open[cpu.cpu] = undefined;
    return iovaPage;
  }

  private close(cpu: DriverCpu, range: Range): void {
    this.open[cpu.cpu] = undefined;
    range.used = this.rangePages;
    this.releaseUnused(cpu, range);
  }

  private giveBack(cpu: DriverCpu, iovaPage: number, pages: number): void {
    const range = this.ranges.get(Math.floor(iovaPage / this.rangePages));
    if (range === undefined) return this.steps.release(cpu, iovaPage, pages);
    range.live -= pages;
    this.releaseUnused(cpu, range);
  }

  private releaseUnused(cpu: DriverCpu, range: Range): void {
    if (range.live > 0 || range.used < this.rangePages) return;
    this.ranges.delete(range.first / this.rangePages);
    this.steps.release(cpu, range.first, this.rangePages);
  }
}

export const contiguous = (context: PolicyContext): MappingPolicy => new ContiguousPolicy(context);
