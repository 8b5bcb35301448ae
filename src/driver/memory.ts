/**
 * Memory that DMA buffers lie in, as page numbers of the tenant's address space (SPA, or GPA in a VM). Data pages take
 * no real memory; what counts is which addresses they have. Deterministic: the same calls give the same pages.
 */
import { assert } from '../lib/assert.ts';
import { alignUp, log2Ceil, roundUpPowerOfTwo } from '../lib/bits.ts';
import type { Prng } from '../lib/prng.ts';
import { shuffle } from '../lib/samplers.ts';

const BLOCK_PAGES = 512;
const MAX_ALIGN_PAGES = 0x40000;

export class DmaMemory {
  readonly firstPage: number;
  readonly pages: number;
  private nextPage: number;
  /** Blocks given back, newest used first (as Linux's per-CPU page lists): up to 2 MiB by log2 pages, larger by size. */
  private readonly freeSmall: number[][] = [];
  private readonly freeLarge = new Map<number, number[]>();
  private readonly shuffler: Prng | undefined;
  private readonly batch = new Float64Array(BLOCK_PAGES);

  /**
   * Pages firstPage … firstPage + pages - 1. With `shuffler`, single pages come in random order out of aligned 2 MiB
   * blocks, so that buffers allocated one after the other are not neighbours, as on a machine that has been running.
   */
  constructor(firstPage: number, pages: number, shuffler?: Prng) {
    this.firstPage = firstPage;
    this.pages = pages;
    this.nextPage = firstPage;
    this.shuffler = shuffler;
    for (let log2 = 0; log2 <= log2Ceil(BLOCK_PAGES); log2++) this.freeSmall.push([]);
  }

  /**
   * First page of a contiguous block, aligned to its size rounded up to a power of two (at most 1 GiB). Throws
   * AssertionError when memory is used up: the scenario check compares buffers with memory before the run.
   */
  allocate(pages: number): number {
    const free = this.freeList(pages);
    if (free.length > 0) return free.pop()!;
    if (pages === 1 && this.shuffler !== undefined) return this.shuffledPage();
    return this.bump(pages);
  }

  free(page: number, pages: number): void {
    this.freeList(pages).push(page);
  }

  private freeList(pages: number): number[] {
    if (pages <= BLOCK_PAGES) return this.freeSmall[log2Ceil(pages)];
    const size = blockPages(pages);
    let list = this.freeLarge.get(size);
    if (list === undefined) this.freeLarge.set(size, (list = []));
    return list;
  }

  private bump(pages: number): number {
    const size = blockPages(pages);
    const page = alignUp(this.nextPage, Math.min(roundUpPowerOfTwo(size), MAX_ALIGN_PAGES));
    this.nextPage = page + size;
    assert(this.nextPage <= this.firstPage + this.pages, 'DMA buffers must fit into the memory of their tenant');
    return page;
  }

  private shuffledPage(): number {
    const first = this.bump(BLOCK_PAGES);
    for (let i = 0; i < BLOCK_PAGES; i++) this.batch[i] = first + i;
    shuffle(this.shuffler!, this.batch);
    for (let i = 1; i < BLOCK_PAGES; i++) this.free(this.batch[i], 1);
    return this.batch[0];
  }
}

/** Blocks are recycled by size, so all of one size must be alike: a power of two up to 2 MiB, then multiples of it. */
function blockPages(pages: number): number {
  return pages <= BLOCK_PAGES ? roundUpPowerOfTwo(pages) : alignUp(pages, BLOCK_PAGES);
}
