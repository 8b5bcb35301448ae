/**
 * A command to an IOMMU in words of no vendor, and what a vendor's encoding must offer. All numbers, because strict
 * mappings send two commands for every unmapped buffer: bigint records (structures/) would cost more than the rest.
 */
import type { WordLayout } from '../structures/words.ts';

/** What a command asks for. */
export const ILLEGAL = 0;
/** COMPLETION_WAIT; VT-d: invalidation wait. */
export const WAIT = 1;
/** INVALIDATE_DEVTAB_ENTRY; VT-d: context cache, device-selective. */
export const DEVICE = 2;
/** INVALIDATE_IOMMU_PAGES; VT-d: IOTLB and PASID-based IOTLB. `sizeLog2` 64: the whole address space. */
export const PAGES = 3;
/** INVALIDATE_IOTLB_PAGES; VT-d: device-TLB. What a device with ATS must forget. */
export const DEVICE_TLB = 4;
/** INVALIDATE_INTERRUPT_TABLE; VT-d: interrupt entry cache. Takes its time and has no other effect here. */
export const INTERRUPT = 5;
/** PREFETCH_IOMMU_PAGES. */
export const PREFETCH = 6;
/** COMPLETE_PPR_REQUEST; VT-d: page group response. */
export const PPR_RESPONSE = 7;
/** INVALIDATE_IOMMU_ALL: every cache of the unit. */
export const EVERYTHING = 8;
/** VT-d: PASID cache (on AMD a part of DEVICE, and of PAGES over a guest's whole address space). */
export const PASID_CACHE = 9;
/** VT-d: IOTLB, global; leaves and walk caches of all domains. */
export const ALL_PAGES = 10;
/** VT-d: context cache, by domain or global. */
export const CONTEXTS = 11;
export const COMMAND_KINDS = 12;

/** log2 bytes of "all of it". */
export const WHOLE_LOG2 = 64;
export const COMMAND_BYTES = 16;
export const COMMAND_WORDS = 4;

/** The fields of all commands; each kind uses some. One object is filled again and again. */
export class Command {
  kind = ILLEGAL;
  domain = 0;
  /** -1: none (AMD: GN = 0). In PASID_CACHE: every PASID. */
  pasid = -1;
  /** BDF. -1 where the command names none. */
  device = -1;
  /** IOVA / 4096, and log2 bytes of the aligned range around it. */
  page = 0;
  sizeLog2 = 12;
  /** Walk-cache entries of the range too: AMD's PDE bit, the inverse of VT-d's invalidation hint. */
  walkCaches = true;
  /** PREFETCH: pages. PPR_RESPONSE: completion tag. WAIT: what is stored. */
  data = 0;
  /** PPR_RESPONSE: 0 success, 1 invalid, 15 failure. */
  status = 0;
  /** WAIT: physical address of the semaphore, 0 = nothing is stored. */
  address = 0;

  clear(kind: number): this {
    this.kind = kind;
    this.domain = 0;
    this.pasid = -1;
    this.device = -1;
    this.page = 0;
    this.sizeLog2 = 12;
    this.walkCaches = true;
    this.data = 0;
    this.status = 0;
    this.address = 0;
    return this;
  }
}

/** A vendor's 128-bit commands as four 32-bit words, `at` = index of the first. */
export interface CommandEncoding {
  readonly name: 'amd' | 'vtd';
  /** Bits that must be zero in what strict mappings send: invalidations of pages without and with PASID, completion waits. */
  readonly reserved: { readonly pages: Int32Array; readonly pasidPages: Int32Array; readonly wait: Int32Array };
  /** The kinds of the commands that together empty every cache of a unit (domain and PASID -1). */
  readonly everything: readonly number[];
  /** Kinds that the vendor has no command for are refused by an AssertionError. */
  encode(words: Int32Array, at: number, command: Command): void;
  /** ILLEGAL: unknown, or a reserved bit is set. */
  kindOf(words: Int32Array, at: number): number;
  /** Fills `kind`, which kindOf has given, and the fields that commands of this kind use. The others keep what they held. */
  decode(words: Int32Array, at: number, kind: number, command: Command): void;
}

export const TWO_32 = 4294967296;
const PAGES_IN_HIGH_WORD = 0x100000;

/** 2^log2 for 0 ≤ log2 ≤ 60. */
export function powerOfTwo(log2: number): number {
  return log2 < 31 ? 1 << log2 : 0x40000000 * powerOfTwo(log2 - 30);
}

/** Bits 31:12 of a word and all of the next: a page number, exact up to 2^52. */
export function writePage(words: Int32Array, at: number, page: number): void {
  const high = Math.floor(page / PAGES_IN_HIGH_WORD);
  words[at] |= (page - high * PAGES_IN_HIGH_WORD) << 12;
  words[at + 1] = high | 0;
}

export function readPage(words: Int32Array, at: number): number {
  return (words[at + 1] >>> 0) * PAGES_IN_HIGH_WORD + (words[at] >>> 12);
}

/** Bits 51:3 (or :2) of an address over the flags that lie below it. No %, which is a call for doubles. */
export function writeAddress(words: Int32Array, at: number, address: number): void {
  const high = Math.floor(address / TWO_32);
  words[at] |= address - high * TWO_32;
  words[at + 1] |= high;
}

/** First page of the naturally aligned 2^sizeLog2 bytes around a page. */
export function alignPage(page: number, sizeLog2: number): number {
  if (sizeLog2 <= 12) return page;
  const pages = powerOfTwo(sizeLog2 - 12);
  return Math.floor(page / pages) * pages;
}

/** Ones from bit 0 up, before the lowest zero. */
export function trailingOnes(value: number): number {
  const zeros = ~value;
  return zeros === 0 ? 32 : 31 - Math.clz32(zeros & -zeros);
}

/** Bits that none of a layout's fields uses, as 32-bit words: all must be zero in a legal command. */
export function reservedBits(layout: WordLayout): Int32Array {
  const used = [0n, 0n];
  for (const parts of Object.values(layout)) {
    for (const [word, high, low] of parts) used[word] |= ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
  }
  return Int32Array.from(used.flatMap((word) => [word, word >> 32n].map((half) => Number(BigInt.asIntN(32, ~half)))));
}

export function hasReserved(words: Int32Array, at: number, reserved: Int32Array): boolean {
  return (
    ((words[at] & reserved[0]) |
      (words[at + 1] & reserved[1]) |
      (words[at + 2] & reserved[2]) |
      (words[at + 3] & reserved[3])) !==
    0
  );
}
