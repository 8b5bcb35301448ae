/**
 * Byte offsets of every record that TypeScript and the AssemblyScript kernel share.
 *
 * This file is compiled twice: by tsc (as numbers) and by asc (as i32 constants), so it holds nothing but
 * `export const NAME = integer;`. Offsets are in bytes from the start of the record; sizes end in `_BYTES`.
 * Widths: `i32` unless the comment says u64 or f64. "pointer" is a wasm offset (i32).
 */

// ---- Fixed low memory ----------------------------------------------------------------------------------------------
/** 0..63 stay zero: a null pointer reads as "nothing". */
export const SCRATCH = 64; // 192 bytes for records that cross the border (see OUT_*)
/**
 * SPA windows: entry i (u32) is the wasm offset that backs SPA [i << 30, (i + 1) << 30), or 0: no table memory there.
 * Entry i + WINDOW_COUNT is the number of backed bytes from the start of that window.
 */
export const WINDOW_TABLE = 4096;
export const WINDOW_LOG2 = 30;
export const WINDOW_COUNT = 8192; // 8 TiB of SPA may hold tables
export const WINDOW_TABLE_BYTES = 65536; // 2 * 4 * WINDOW_COUNT
/** First byte that the region allocator may hand out. */
export const HEAP_BASE = 69632; // WINDOW_TABLE + WINDOW_TABLE_BYTES

// ---- SCRATCH: results of the last call, by instance-independent address (read before the next call) ----------------------
export const OUT_VALUE = 64; // u64
export const OUT_VALUE2 = 72; // u64
export const OUT_FAULT = 80; // i32 FAULT_*
export const OUT_SIZE_LOG2 = 84; // i32 log2 of the leaf's bytes
export const OUT_MAPPED = 88; // f64 pages

// ---- Format rules: one block a table format × configuration (written by iommu/formats) -------------------------------------
export const RULE_LEVELS = 0; // number of table levels, 1..6; the root is level RULE_LEVELS - 1
export const RULE_GRANULE_LOG2 = 4; // log2 of the smallest page's bytes
export const RULE_FLAGS = 8; // RULE_FLAG_*
export const RULE_INPUT_BITS = 12; // width of the input address; above it (or not canonical) the walk faults
export const RULE_PRESENT = 16; // u64: an entry is present if any of these bits is set
export const RULE_PERM_XOR = 24; // u64: bits that mean "forbidden" (XORed so that 1 = allowed)
export const RULE_READ = 32; // u64: after the XOR all these bits must be 1 in every entry for a read
export const RULE_WRITE = 40; // u64: the same for a write
export const RULE_ADDRESS = 48; // u64: address field
export const RULE_ADDRESS_SHIFT = 56; // i32: pa = (entry & RULE_ADDRESS) << RULE_ADDRESS_SHIFT
export const RULE_ADDRESS_HIGH_SHIFT = 60; // i32
export const RULE_ADDRESS_HIGH = 64; // u64: pa |= (entry & RULE_ADDRESS_HIGH) << RULE_ADDRESS_HIGH_SHIFT (ARM 64K)
export const RULE_CONTIG_MASK = 72; // u64: a leaf with (entry & mask) == value is one item of a contiguous entry
export const RULE_CONTIG_VALUE = 80; // u64
export const RULE_CONTIG_KIND = 88; // i32: RULE_CONTIG_*: how the size is coded in the address
export const RULE_TABLE_SIZE_LOG2 = 92; // i32: log2 of the bytes of a table below the root
export const RULE_PAGE_SIZES = 96; // u64: bit n set = pages of 2^n bytes are allowed (what the mapper may choose)
export const RULE_ROOT_SIZE_LOG2 = 104; // i32: log2 of the bytes of the root table
export const RULE_FREE_POLICY = 108; // i32: RULE_FREE_*: which emptied tables unmap gives back
export const RULE_LEVEL0 = 128; // level records follow, RULE_LEVEL_BYTES each, level 0 first
/** Level record. */
export const LV_SHIFT = 0; // i32: log2 of the bytes one entry covers
export const LV_INDEX_MASK = 4; // i32: entries - 1
export const LV_LEAF_XOR = 8; // u64: a present entry is a leaf if ((entry ^ LV_LEAF_XOR) & LV_LEAF_MASK) != 0
export const LV_LEAF_MASK = 16; // u64   (formats with RULE_FLAG_NEXT_LEVEL decide by their next-level field instead)
export const LV_RESERVED_TABLE = 24; // u64: any of these set in a table entry = reserved-bit fault
export const LV_RESERVED_LEAF = 32; // u64: the same in a leaf
export const LV_TABLE_BITS = 40; // u64: ORed to the next table's address by the mapper
export const LV_LEAF_BITS = 48; // u64: ORed to every leaf of this level by the mapper (PS, block type…)
export const LV_PERM_IGNORE = 56; // u64: ORed after the XOR in table entries (formats whose table entries hold no permissions)
export const RULE_LEVEL_BYTES = 64;
export const RULE_BYTES = 512; // RULE_LEVEL0 + 6 * RULE_LEVEL_BYTES

export const RULE_FLAG_NEXT_LEVEL = 1; // AMD v1: bits 11:9 name the next table's level (1-based); 0 and 7 are leaves
export const RULE_FLAG_SIGN_EXTEND = 2; // input address is canonical: bits above INPUT_BITS-1 repeat it
export const RULE_FLAG_GROWS = 4; // AMD v1: the mapper may add levels at the top
/** Fault precedence when several apply (only consulted after a walk has failed). */
export const RULE_FLAG_PERM_BEFORE_PRESENT = 8; // VT-d second stage: R/W are the present bits, checked level by level
export const RULE_FLAG_USER = 16; // first stage: U/S clear is a fault of its own, before write permission

export const RULE_CONTIG_NONE = 0;
export const RULE_CONTIG_ONES = 1; // AMD v1 next-level 7: size = position of the lowest zero at or above bit 12
export const RULE_CONTIG_NAPOT = 2; // RISC-V Svnapot: size = position of the lowest one of the page number

export const RULE_FREE_NEVER = 0;
export const RULE_FREE_COVERED = 1; // free a table when one unmap call covers its whole span

// ---- Arena: where one address space's tables live -----------------------------------------------------------------------
export const ARENA_BASE = 0; // i32: wasm offset of the first frame
export const ARENA_LIMIT = 4; // i32: wasm offset after the last frame (as u32)
export const ARENA_NEXT = 8; // i32: bump pointer
export const ARENA_FREE = 12; // i32: head of the free list of 4 KiB frames (next pointer in the first word), 0 = empty
export const ARENA_LIVE = 16; // i32: 4 KiB frames in use
export const ARENA_PEAK = 20; // i32
export const ARENA_ADDRESS = 24; // u64: address (SPA, or GPA for a guest's tables) of the first frame
export const ARENA_BYTES = 64;

// ---- Page table ---------------------------------------------------------------------------------------------------------
export const PT_RULE = 0; // pointer to the rule block
export const PT_ARENA = 4; // pointer to the arena
export const PT_ROOT = 8; // wasm offset of the root table
export const PT_LEVELS = 12; // levels now (AMD v1 grows)
export const PT_FREED_TABLES = 16; // i32: table pages freed by the last unmap (drives the PDE / IH hint of newer kernels)
export const PT_LEAF_ITEMS = 24; // f64: leaf items now written
export const PT_BYTES = 64;

// ---- Fault codes of a walk (unit-level faults follow in the same space) ----------------------------------------------------
export const FAULT_NONE = 0;
export const FAULT_NOT_PRESENT = 1;
export const FAULT_READ = 2; // read permission missing
export const FAULT_WRITE = 3; // write permission missing
export const FAULT_RESERVED = 4; // reserved bits set
export const FAULT_WIDTH = 5; // address above what the table covers
export const FAULT_CANONICAL = 6; // not sign-extended
export const FAULT_USER = 7; // U/S clear on a user request
export const FAULT_LEVEL = 8; // next-level field out of range, or skipped address bits not zero
export const FAULT_MEMORY = 9; // a table pointer leaves table memory (reads as zero: kept apart for diagnosis)
export const FAULT_DTE = 16; // device entry invalid (V = 0, reserved bits, illegal mode)
export const FAULT_BLOCKED = 17; // device entry valid, but IR/IW = 0 or translation disabled
export const FAULT_PASID = 18; // PASID unknown: no valid GCR3 / PASID entry
export const FAULT_GUEST_TABLE = 19; // host stage fault while fetching a guest table or GCR3 entry

// ---- Requester context: one (device, PASID) at one unit ----------------------------------------------------------------------
export const CTX_UNIT = 0; // pointer to the unit record
export const CTX_BDF = 4; // i32
export const CTX_PASID = 8; // i32, -1 = none
export const CTX_L1 = 12; // pointer to the port's first-level IOTLB cache record, 0 = none
export const CTX_DTE_SLOT = 16; // pointer: where the device entry was last found (checked before use)
export const CTX_PASID_SLOT = 20; // pointer, the same for the PASID cache
export const CTX_INDEX = 24; // i32: requester index of the run (into fault records)
export const CTX_COUNTERS = 64; // f64 × COUNTERS
export const CTX_BYTES = 1088; // CTX_COUNTERS + 8 * 128

// ---- Counters of one requester: f64 slots from CTX_COUNTERS ------------------------------------------------------------------
export const C_TRANSLATED = 0; // requests that needed translation
export const C_UNTRANSLATED = 1; // requests passed without (pass-through DTE)
export const C_FAULTS = 2;
export const C_LOOKUPS = 3; // first IOTLB lookups
export const C_LOOKUPS_ALL = 4; // and those again after a wait
export const C_L1_HITS = 5;
export const C_HITS = 6; // 4 slots: hits by leaf class (in either level, first lookup)
export const C_MISSES = 10;
export const C_MERGED = 11; // of the misses: waited on a walk already in flight
export const C_COLD = 12;
export const C_CAPACITY = 13;
export const C_CONFLICT = 14;
export const C_INVALIDATED = 15;
export const C_WALKS = 16;
export const C_WALK_PS = 17; // Σ walk latency without waiting for a walker
export const C_WALK_WAIT_PS = 18; // Σ waiting for a walker or its start interval
export const C_DTE_LOOKUPS = 19;
export const C_DTE_HITS = 20;
export const C_DTE_READS = 21;
export const C_PASID_LOOKUPS = 22;
export const C_PASID_HITS = 23;
export const C_PASID_READS = 24; // GCR3 entries read (host reads made for them count in C_READS + 8)
export const C_NTLB_LOOKUPS = 25;
export const C_NTLB_HITS = 26;
export const C_LINE_HITS = 27;
export const C_LINE_MISSES = 28;
export const C_READS = 32; // 16 slots: [stage 0 = guest/first, 1 = host/second][level 0..7]
export const C_PWC_LOOKUPS = 48; // 16 slots: [stage][level of the entry looked for]
export const C_PWC_HITS = 64; // 16 slots
export const C_DEPTH = 80; // 48 slots: walks by number of table reads (47 = 47 or more)
export const COUNTERS = 128;
