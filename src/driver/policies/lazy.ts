/**
 * Lazy: an unmap clears the table and puts the range into the core's flush queue; the IOVA is free again only after a
 * flush of the whole domain, which comes when a queue is full or by a timer (`iommu.strict=0`; queue_iova, fq_ring_free
 * and fq_flush_timeout of drivers/iommu/dma-iommu.c, the names used here). With `single` there is one queue for all cores,
 * behind a lock that the flush holds too.
 *
 * Until that flush devices can still reach the pages through cached translations: the stale window, recorded per unmap.
 */
import { type DriverCpu, MappedPolicy, type MappingPolicy, type PolicyContext } from '../policy.ts';

/** A core's ring. One slot stays empty, as in Linux: 256 entries hold 255 ranges. */
class FlushQueue {
  head = 0;
  tail = 0;
  readonly entries: number;
  readonly page: Float64Array;
  /** 0: a range that the IOVA allocator does not know (mapped at a given address). */
  readonly pages: Float64Array;
  readonly clearedPs: Float64Array;
  readonly counter: Float64Array;
  readonly owner: DriverCpu[];

  constructor(entries: number, cpu: DriverCpu) {
    this.entries = entries;
    this.page = new Float64Array(entries);
    this.pages = new Float64Array(entries);
    this.clearedPs = new Float64Array(entries);
    this.counter = new Float64Array(entries);
    this.owner = Array.from({ length: entries }, () => cpu);
  }

  get full(): boolean {
    return this.after(this.tail) === this.head;
  }

  after(slot: number): number {
    return slot + 1 === this.entries ? 0 : slot + 1;
  }
}

class LazyPolicy extends MappedPolicy {
  private readonly entries: number;
  private readonly timeoutPs: number;
  /** By core; a single queue is the first. */
  private readonly queues: (FlushQueue | undefined)[] = [];
  private readonly single: boolean;
  private readonly lock = { freePs: 0 };
  private timerPs = Infinity;
  private timerCpu: DriverCpu | undefined;
  /** Flushes begun (and, calls being atomic here, finished), and when the last one completed. */
  private flushes = 0;
  private flushedPs = 0;

  constructor(context: PolicyContext) {
    super(context);
    this.single = context.flushQueue.single;
    this.entries = Math.max(2, context.flushQueue.entries);
    this.timeoutPs = Math.round(context.flushQueue.timeoutNs * 1000);
  }

  unmap(cpu: DriverCpu, iovaPage: number, pages: number): void {
    this.steps.clear(cpu, iovaPage, pages);
    this.queue(cpu, iovaPage, pages);
  }

  unmapAt(cpu: DriverCpu, iovaPage: number, pages: number): void {
    this.steps.clear(cpu, iovaPage, pages);
    this.queue(cpu, iovaPage, 0);
  }

  override timerAt(): number {
    return this.timerPs;
  }

  override timer(nowPs: number): void {
    const cpu = this.timerCpu;
    if (cpu === undefined || nowPs < this.timerPs) return;
    this.timerPs = Infinity;
    cpu.begin(nowPs);
    this.flush(cpu);
    for (const queue of this.queues) if (queue !== undefined) this.freeFlushed(cpu, queue);
  }

  private queue(cpu: DriverCpu, iovaPage: number, pages: number): void {
    const queue = (this.queues[this.single ? 0 : cpu.cpu] ??= new FlushQueue(this.entries, cpu));
    if (this.single) cpu.take(this.lock, 0);
    this.freeFlushed(cpu, queue);
    if (queue.full) {
      this.flush(cpu);
      this.freeFlushed(cpu, queue);
    }
    const slot = queue.tail;
    queue.page[slot] = iovaPage;
    queue.pages[slot] = pages;
    queue.clearedPs[slot] = cpu.freePs;
    queue.counter[slot] = this.flushes;
    queue.owner[slot] = cpu;
    queue.tail = queue.after(slot);
    if (this.single) cpu.drop(this.lock);
    if (this.timerPs === Infinity) {
      this.timerPs = cpu.freePs + this.timeoutPs;
      this.timerCpu = cpu;
    }
  }

  private flush(cpu: DriverCpu): void {
    this.steps.flush(cpu);
    this.flushes++;
    this.flushedPs = cpu.freePs;
  }

  /** Frees the ranges queued before the last completed flush; another core's flush may still be under way. */
  private freeFlushed(cpu: DriverCpu, queue: FlushQueue): void {
    const finished = cpu.freePs >= this.flushedPs ? this.flushes : this.flushes - 1;
    while (queue.head !== queue.tail && queue.counter[queue.head] < finished) {
      const slot = queue.head;
      queue.head = queue.after(slot);
      queue.owner[slot].recordStaleWindow(queue.clearedPs[slot], this.flushedPs);
      if (queue.pages[slot] > 0) this.steps.release(cpu, queue.page[slot], queue.pages[slot]);
    }
  }
}

export const lazy = (context: PolicyContext): MappingPolicy => new LazyPolicy(context);
