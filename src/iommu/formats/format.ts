/**
 * What a page-table format is: data about one entry, per configuration and kernel profile. The kernel's one walker and one
 * mapper do the rest (see compile.ts). Levels count from 0 = the table whose entries map the smallest page.
 */

/** Which Linux wrote the tables: versions choose different, equally legal bits, and unmap differently. */
export type LinuxProfile = '6.1' | '7.2';

export type Architecture = 'amd' | 'intel' | 'apple' | 'arm' | 'riscv';

/** IOMMU_* protection bits of Linux (include/linux/iommu.h). */
export const PROT_READ = 1;
export const PROT_WRITE = 2;
export const PROT_CACHE = 4;
export const PROT_NOEXEC = 8;
export const PROT_MMIO = 16;
export const PROT_PRIV = 32;

/** What a table is built for. Only `levels` means something to every format; each states the rest in its file. */
export interface FormatConfig {
  readonly linux: LinuxProfile;
  /** Levels of the empty table. ARM, RISC-V second-stage roots and DART derive their shape from `inputBits` instead. */
  readonly levels?: number;
  readonly inputBits?: number;
  readonly outputBits?: number;
  /** Mask of allowed leaf sizes, bit n = 2^n bytes; for ARM and DART its lowest bit is the granule. */
  readonly pageSizes?: bigint;
  readonly signExtended?: boolean;
  /** VT-d second stage: set the snoop bit in leaves / hardware accepts it there. */
  readonly snoop?: boolean;
  /** VT-d second stage: refuse read-only maps. */
  readonly forceWritable?: boolean;
  /** RISC-V: 64 KiB Svnapot pages. */
  readonly svnapot?: boolean;
}

/** How a mapper treats what Linux's drivers treat differently; names as POLICY_* and RULE_FREE_* of kernel/layout.ts. */
export interface MapPolicy {
  readonly flags: number;
  readonly free: number;
  /** Errnos (positive) for "already mapped" and for "address out of range". */
  readonly occupied: number;
  readonly range: number;
  /** Linux's look-up (iova_to_phys) ignores address bits above the table's width instead of refusing them. */
  readonly lookupWraps?: boolean;
}

/** One named field of an entry, for people. `kind` says in which entries it means that. */
export interface EntryField {
  readonly name: string;
  readonly high: number;
  readonly low: number;
  readonly kind?: 'leaf' | 'table';
}

export interface LevelRule {
  /** A present entry is a leaf if ((entry ^ xor) & mask) ≠ 0. */
  readonly leafXor?: bigint;
  readonly leafMask: bigint;
  readonly tableBits: bigint;
  readonly leafBits: bigint;
  readonly reservedTable?: bigint;
  readonly reservedLeaf?: bigint;
  /** Permission bits that table entries of this level do not restrict. */
  readonly unrestricted?: bigint;
}

/** address = (entry & mask) << shift. */
export interface AddressField {
  readonly mask: bigint;
  readonly shift: number;
}

/** A format in one configuration: everything that compile.ts writes into a rule block, and what people read. */
export interface TableGeometry {
  readonly levels: number;
  readonly granuleLog2: number;
  /** Address bits that an index takes, below the root and in the root table. */
  readonly indexBits: number;
  readonly rootIndexBits: number;
  /** Separate root tables side by side (DART TTBRs); the walker sees one root of all their entries. */
  readonly roots: number;
  readonly inputBits: number;
  /** Input bits that Linux's mapper allows; 64 = it does not check. */
  readonly mapBits: number;
  readonly outputBits: number;
  readonly signExtended: boolean;
  readonly grows: boolean;
  /** Next-level field in bits 11:9 (AMD v1). */
  readonly nextLevel: boolean;
  readonly present: bigint;
  readonly permissionXor: bigint;
  readonly read: bigint;
  readonly write: bigint;
  readonly address: AddressField;
  readonly addressHigh?: AddressField;
  readonly contiguous?: { readonly mask: bigint; readonly value: bigint; readonly code: 'ones' | 'napot' };
  /** Fault precedence (RULE_FLAG_USER, RULE_FLAG_PERM_BEFORE_PRESENT). */
  readonly userBit: boolean;
  readonly permissionBeforePresent: boolean;
  readonly level: (level: number) => LevelRule;
  readonly pageSizes: bigint;
  readonly policy: MapPolicy;
  /** Attribute bits of a leaf for Linux protection bits, without address, size and level bits; null = Linux refuses (-EINVAL). */
  readonly leafBits: (prot: number) => bigint | null;
  readonly fields: readonly EntryField[];
}

export interface Format {
  /** Name in scenarios. */
  readonly name: string;
  readonly title: string;
  readonly architecture: Architecture;
  /** Which stage of a nested translation it serves. */
  readonly stage: 'first' | 'second';
  readonly source: string;
  /** Configurations that the contract test runs over; the first is the default. */
  readonly configurations: readonly FormatConfig[];
  /** Throws RangeError on a configuration that the format does not have. */
  readonly geometry: (config: FormatConfig) => TableGeometry;
}
