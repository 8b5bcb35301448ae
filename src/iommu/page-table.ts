/**
 * Page tables in kernel memory, seen from TypeScript: an arena of frames, a compiled format, and map / unmap / translate over
 * them (the role of Linux's io-pgtable). Everything that a driver calls per packet takes and returns numbers.
 */
import type { Kernel, Regions } from '../kernel/kernel.ts';
import {
  ARENA_ADDRESS,
  ARENA_BASE,
  ARENA_BYTES,
  ARENA_LIMIT,
  ARENA_LIVE,
  ARENA_NEXT,
  ARENA_PEAK,
  PT_ARENA,
  PT_BYTES,
  PT_FREED_TABLES,
  PT_LEAF_ITEMS,
  PT_LEVELS,
  PT_ROOT,
  PT_RULE,
  RULE_BYTES,
} from '../kernel/layout.ts';
import { levelIndexBits, rootSizeLog2, writeRule } from './formats/compile.ts';
import type { TableGeometry } from './formats/format.ts';

const FRAME_BYTES = 4096;
/** Largest frame, and so the alignment that keeps every frame naturally aligned: 16 concatenated 64 KiB ARM tables. */
export const ARENA_ALIGN_BYTES = 1 << 20;
const PROTS = 64; // combinations of the six Linux protection bits
const EINVAL = 22;

/** A compiled format: its rule block, and leaf attribute bits for every protection, ready for the kernel. */
export class TableRule {
  readonly at: number;
  readonly geometry: TableGeometry;
  /** Attribute bits by protection; `allowed` is 0 where Linux refuses the protection. */
  readonly leafLow = new Int32Array(PROTS);
  readonly leafHigh = new Int32Array(PROTS);
  readonly allowed = new Uint8Array(PROTS);

  constructor(kernel: Kernel, regions: Regions, geometry: TableGeometry) {
    this.at = regions.take(RULE_BYTES);
    this.geometry = geometry;
    writeRule(kernel.view, this.at, geometry);
    for (let prot = 0; prot < PROTS; prot++) {
      const leaf = geometry.leafBits(prot);
      if (leaf === null) continue;
      this.allowed[prot] = 1;
      this.leafLow[prot] = Number(BigInt.asIntN(32, leaf));
      this.leafHigh[prot] = Number(BigInt.asIntN(32, leaf >> 32n));
    }
  }
}

/**
 * Memory that tables are made of: `bytes` of kernel memory that stand for the addresses from `address` on (SPAs, or GPAs of
 * a guest). Several tables may share one.
 */
export class Arena {
  readonly at: number;
  readonly base: number;
  readonly bytes: number;
  readonly address: bigint;
  private readonly kernel: Kernel;

  /** `base` and `bytes` are multiples of 4096; `address` must be a multiple of ARENA_ALIGN_BYTES. */
  constructor(kernel: Kernel, at: number, base: number, bytes: number, address: bigint) {
    if (address % BigInt(ARENA_ALIGN_BYTES) !== 0n) {
      throw new RangeError(`arena address 0x${address.toString(16)} is not 1 MiB aligned`);
    }
    this.kernel = kernel;
    this.at = at;
    this.base = base;
    this.bytes = bytes;
    this.address = address;
    this.describe();
  }

  /** Takes record and frames from the regions. Throws RangeError when memory is used up. */
  static take(kernel: Kernel, regions: Regions, bytes: number, address: bigint): Arena {
    const at = regions.take(ARENA_BYTES);
    const whole = Math.ceil(bytes / FRAME_BYTES) * FRAME_BYTES;
    return new Arena(kernel, at, regions.take(whole, FRAME_BYTES), whole, address);
  }

  /** 4 KiB units of table memory in use, and the most there have been. */
  get liveFrames(): number {
    return this.kernel.view.getInt32(this.at + ARENA_LIVE, true);
  }

  get peakFrames(): number {
    return this.kernel.view.getInt32(this.at + ARENA_PEAK, true);
  }

  /** Forgets all frames and zeroes what was used of them. Tables in the arena are gone. */
  reset(): void {
    const { i32, view } = this.kernel;
    const next = view.getUint32(this.at + ARENA_NEXT, true);
    // Words, as shared memory is filled element by element.
    i32.fill(0, this.base / 4, next / 4);
    i32.fill(0, this.at / 4, (this.at + ARENA_BYTES) / 4);
    this.describe();
  }

  private describe(): void {
    const { view } = this.kernel;
    view.setUint32(this.at + ARENA_BASE, this.base, true);
    view.setUint32(this.at + ARENA_LIMIT, this.base + this.bytes, true);
    view.setUint32(this.at + ARENA_NEXT, this.base, true);
    view.setBigUint64(this.at + ARENA_ADDRESS, this.address, true);
  }

  addressOf(offset: number): bigint {
    return this.address + BigInt(offset - this.base);
  }

  /** wasm offset of an address in this arena; RangeError if it lies outside. */
  offsetOf(address: bigint): number {
    const offset = address - this.address;
    if (offset < 0n || offset >= BigInt(this.bytes))
      throw new RangeError(`0x${address.toString(16)} is not in the arena`);
    return this.base + Number(offset);
  }
}

export class PageTable {
  readonly at: number;
  readonly rule: TableRule;
  readonly arena: Arena;
  private readonly kernel: Kernel;

  private constructor(kernel: Kernel, at: number, rule: TableRule, arena: Arena) {
    this.kernel = kernel;
    this.at = at;
    this.rule = rule;
    this.arena = arena;
  }

  /** An empty table: its root is allocated. Throws RangeError when the arena is full. */
  static create(kernel: Kernel, regions: Regions, arena: Arena, rule: TableRule): PageTable {
    const at = regions.take(PT_BYTES);
    kernel.view.setUint32(at + PT_RULE, rule.at, true);
    kernel.view.setUint32(at + PT_ARENA, arena.at, true);
    if (kernel.exports.ptCreate(at) !== 0) throw new RangeError('page table: the arena has no room for the root');
    return new PageTable(kernel, at, rule, arena);
  }

  /** Maps pages with the leaf sizes Linux chooses. 0 or a negative errno; after an error nothing of the range is mapped. */
  map(iovaPage: number, paPage: number, pages: number, prot: number): number {
    const { rule } = this;
    if (rule.allowed[prot] === 0) return -EINVAL;
    return this.kernel.exports.ptMap(this.at, iovaPage, paPage, pages, rule.leafLow[prot], rule.leafHigh[prot]);
  }

  /** Maps `count` leaves of 2^sizeLog2 bytes. */
  mapSize(iovaPage: number, paPage: number, sizeLog2: number, count: number, prot: number): number {
    const { rule } = this;
    if (rule.allowed[prot] === 0) return -EINVAL;
    const { leafLow, leafHigh } = rule;
    return this.kernel.exports.ptMapSize(this.at, iovaPage, paPage, sizeLog2, count, leafLow[prot], leafHigh[prot]);
  }

  /** Pages that the last map call of this kernel instance mapped before it ended or failed. */
  get lastMapped(): number {
    return this.kernel.exports.lastMapped();
  }

  /** Unmaps; returns the pages unmapped. Fewer: there was a hole. More: a large leaf reached over the end. */
  unmap(iovaPage: number, pages: number): number {
    return this.kernel.exports.ptUnmap(this.at, iovaPage, pages);
  }

  /** The same, said to be leaves of one size. */
  unmapSize(iovaPage: number, sizeLog2: number, count: number): number {
    return this.kernel.exports.ptUnmapSize(this.at, iovaPage, sizeLog2, count);
  }

  /** Physical page, or -1. No permission is checked. */
  lookup(iovaPage: number): number {
    return this.kernel.exports.ptLookup(this.at, iovaPage);
  }

  /** What the last look-up found allowed: 1 read, 2 write. */
  get lastPermissions(): number {
    return this.kernel.exports.lastPermissions();
  }

  /** Table pages freed by the last map or unmap: newer drivers keep walk caches when there are none. */
  get freedTables(): number {
    return this.kernel.i32[(this.at + PT_FREED_TABLES) >>> 2]; // read at every map and unmap: cheaper than by the view
  }

  /** Table slots that hold leaves now. */
  get leafItems(): number {
    return this.kernel.view.getFloat64(this.at + PT_LEAF_ITEMS, true);
  }

  /** Levels now: AMD v1 grows. */
  get levels(): number {
    return this.kernel.i32[(this.at + PT_LEVELS) >>> 2];
  }

  /** wasm offset and address of the root table. */
  get rootOffset(): number {
    return this.kernel.view.getUint32(this.at + PT_ROOT, true);
  }

  get rootAddress(): bigint {
    return this.arena.addressOf(this.rootOffset);
  }

  /** Gives all tables back to the arena. The table cannot be used afterwards. */
  destroy(): void {
    this.kernel.exports.ptDestroy(this.at);
  }
}

/**
 * Most bytes of table memory that mapping `pages` 4 KiB pages takes when they lie in `runs` separate contiguous ranges
 * (1 = dense) and leaves are the format's smallest. Each range may straddle one table more at every level.
 */
export function tableBytes(geometry: TableGeometry, pages: number, runs = 1): number {
  const levels = geometry.grows ? 6 : geometry.levels;
  const tableSize = 1 << Math.max(12, geometry.indexBits + 3);
  // Each level that growth adds leaves the table that was the root before.
  const spines = geometry.grows ? 6 - geometry.levels : 0;
  let bytes = (1 << rootSizeLog2(geometry)) + spines * tableSize;
  let covered = (pages * FRAME_BYTES) / (1 << geometry.granuleLog2);
  for (let level = 0; level < levels - 1; level++) {
    covered /= 1 << levelIndexBits(geometry, level);
    bytes += (Math.ceil(covered) + runs) * tableSize;
  }
  return bytes;
}
