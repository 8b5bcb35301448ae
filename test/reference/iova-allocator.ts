/**
 * Linux's drivers/iommu/iova.c, function by function and as slow as it reads: the tree is a sorted array that is walked
 * from neighbour to neighbour. Same interface as src/driver/iova-allocator.ts.
 */
interface Iova {
  lo: number;
  hi: number;
}

export interface ReferenceIovaSpec {
  readonly cpus: number;
  readonly maskBits: number;
  readonly forcedac: boolean;
  readonly depotMagazines: number;
  readonly retry32Bit: boolean;
}

const DMA_32BIT_PFN = 2 ** 20;
const MAG_SIZE = 127;
const CLASSES = 6;

export class ReferenceIovaAllocator {
  readonly spec: ReferenceIovaSpec;
  private readonly anchor: Iova = { lo: 2 ** 52, hi: 2 ** 52 };
  /** Ascending, the anchor last. */
  private readonly nodes: Iova[] = [this.anchor];
  private cachedNode = this.anchor;
  private cached32Node = this.anchor;
  private max32AllocSize = DMA_32BIT_PFN;
  private try32 = true;
  private readonly loaded: number[][][];
  private readonly prev: number[][][];
  private readonly depot: number[][][];
  private readonly depotTimer: number[];

  constructor(spec: ReferenceIovaSpec) {
    this.spec = spec;
    const perCpu = () => Array.from({ length: CLASSES }, () => Array.from({ length: spec.cpus }, () => [] as number[]));
    this.loaded = perCpu();
    this.prev = perCpu();
    this.depot = Array.from({ length: CLASSES }, () => []);
    this.depotTimer = Array.from({ length: CLASSES }, () => Infinity);
  }

  allocate(cpu: number, pages: number, nowPs: number): number {
    this.runTimers(nowPs);
    const limit = 2 ** (this.spec.maskBits - 12) - 1;
    let pfn = 0;
    if (limit > DMA_32BIT_PFN - 1 && !this.spec.forcedac && this.try32) {
      pfn = this.allocIovaFast(cpu, pages, DMA_32BIT_PFN - 1, false);
      if (pfn === 0 && !this.spec.retry32Bit) this.try32 = false;
    }
    if (pfn === 0) pfn = this.allocIovaFast(cpu, pages, limit, true);
    return pfn === 0 ? -1 : pfn;
  }

  free(cpu: number, pfn: number, pages: number, nowPs: number): void {
    this.runTimers(nowPs);
    const order = Math.ceil(Math.log2(pages));
    if (order < CLASSES) this.rcacheInsert(order, cpu, pfn, nowPs);
    else this.removeIova(pfn);
  }

  private runTimers(nowPs: number): void {
    for (;;) {
      const next = Math.min(...this.depotTimer);
      if (next > nowPs) return;
      for (let order = 0; order < CLASSES; order++) {
        if (this.depotTimer[order] !== next) continue;
        this.depotTimer[order] = Infinity;
        if (this.depot[order].length > this.spec.cpus) {
          for (const pfn of this.depot[order].pop()!) this.removeIova(pfn);
          this.depotTimer[order] = next + 100e9;
        }
      }
    }
  }

  private allocIovaFast(cpu: number, pages: number, limitPfn: number, flush: boolean): number {
    const size = pages < 32 ? 2 ** Math.ceil(Math.log2(pages)) : pages;
    const order = Math.ceil(Math.log2(size));
    if (order < CLASSES) {
      const pfn = this.rcacheGet(order, cpu, limitPfn + 1 - size);
      if (pfn !== 0) return pfn;
    }
    let pfn = this.allocAndInsert(size, limitPfn + 1);
    if (pfn === 0 && flush) {
      for (let c = 0; c < this.spec.cpus; c++) {
        for (let o = 0; o < CLASSES; o++) {
          for (const cached of [...this.loaded[o][c], ...this.prev[o][c]]) this.removeIova(cached);
          this.loaded[o][c] = [];
          this.prev[o][c] = [];
        }
      }
      for (let o = 0; o < CLASSES; o++) {
        const order = this.spec.depotMagazines === Infinity ? this.depot[o].reverse() : this.depot[o];
        for (const mag of order) for (const cached of mag) this.removeIova(cached);
        this.depot[o] = [];
      }
      pfn = this.allocAndInsert(size, limitPfn + 1);
    }
    return pfn;
  }

  private rcacheGet(order: number, cpu: number, limitPfn: number): number {
    const loaded = this.loaded[order];
    const prev = this.prev[order];
    if (loaded[cpu].length === 0) {
      if (prev[cpu].length > 0) [loaded[cpu], prev[cpu]] = [prev[cpu], loaded[cpu]];
      else if (this.depot[order].length > 0) loaded[cpu] = this.depot[order].pop()!;
      else return 0;
    }
    const mag = loaded[cpu];
    for (let i = mag.length - 1; i >= 0; i--) {
      if (mag[i] > limitPfn) continue;
      const pfn = mag[i];
      mag[i] = mag[mag.length - 1]!;
      mag.pop();
      return pfn;
    }
    return 0;
  }

  private rcacheInsert(order: number, cpu: number, pfn: number, nowPs: number): void {
    const loaded = this.loaded[order];
    const prev = this.prev[order];
    if (loaded[cpu].length === MAG_SIZE) {
      if (prev[cpu].length < MAG_SIZE) {
        [loaded[cpu], prev[cpu]] = [prev[cpu], loaded[cpu]];
      } else {
        if (this.depot[order].length < this.spec.depotMagazines) {
          this.depot[order].push(loaded[cpu]);
          if (this.spec.depotMagazines === Infinity && this.depotTimer[order] === Infinity) {
            this.depotTimer[order] = nowPs + 100e9;
          }
        } else {
          for (const cached of loaded[cpu]) this.removeIova(cached);
        }
        loaded[cpu] = [];
      }
    }
    loaded[cpu].push(pfn);
  }

  private allocAndInsert(size: number, limitPfn: number): number {
    const align = 2 ** Math.ceil(Math.log2(size));
    let highPfn = limitPfn;
    let lowPfn = 1;
    if (limitPfn <= DMA_32BIT_PFN && size >= this.max32AllocSize) return 0;
    let curr: number = this.nodes.indexOf(limitPfn <= DMA_32BIT_PFN ? this.cached32Node : this.cachedNode);
    const retryPfn = this.nodes[curr].hi;
    for (;;) {
      let newPfn: number;
      do {
        highPfn = Math.min(highPfn, this.nodes[curr].lo);
        newPfn = Math.floor((highPfn - size) / align) * align;
        curr--;
      } while (curr >= 0 && newPfn <= this.nodes[curr].hi && newPfn >= lowPfn);
      if (highPfn >= size && newPfn >= lowPfn) return this.insert(newPfn, size);
      if (!(lowPfn === 1 && retryPfn < limitPfn)) break;
      highPfn = limitPfn;
      lowPfn = retryPfn + 1;
      curr = this.nodes.length - 1;
    }
    this.max32AllocSize = size;
    return 0;
  }

  private insert(pfn: number, size: number): number {
    const node = { lo: pfn, hi: pfn + size - 1 };
    const at = this.nodes.findIndex((other) => other.lo > pfn);
    if (this.nodes[at].lo <= node.hi || (at > 0 && this.nodes[at - 1].hi >= pfn)) throw new Error('overlap');
    this.nodes.splice(at, 0, node);
    if (node.hi < DMA_32BIT_PFN) this.cached32Node = node;
    else this.cachedNode = node;
    return pfn;
  }

  private removeIova(pfn: number): void {
    const at = this.nodes.findIndex((node) => node.lo === pfn);
    const node = this.nodes[at];
    const next = this.nodes[at + 1];
    if (node === this.cached32Node || (node.hi < DMA_32BIT_PFN && node.lo >= this.cached32Node.lo)) {
      this.cached32Node = next;
    }
    if (node.lo < DMA_32BIT_PFN) this.max32AllocSize = DMA_32BIT_PFN;
    if (node.lo >= this.cachedNode.lo) this.cachedNode = next;
    this.nodes.splice(at, 1);
  }
}
