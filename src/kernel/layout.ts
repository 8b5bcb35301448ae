/**
 * Byte offsets of every record that TypeScript and the AssemblyScript kernel share.
 *
 * This file is compiled twice: by tsc (as numbers) and by asc (as i32 constants), so it holds nothing but
 * `export const NAME = integer;`. Offsets are in bytes from the start of the record; sizes end in `_BYTES`.
 * Widths: `i32` unless the comment says u64 or f64. "pointer" is a wasm offset (i32).
 */

// ---- Fixed low memory ----------------------------------------------------------------------------------------------
// 0..63 stay zero: a null pointer reads as "nothing". Results beside the return value come from getters (globals are
// per instance, memory is shared by all threads).
/** Unit and requester of software walks (lookups): no caches, no costs; the counters are never read. */
export const NULL_UNIT = 64;
export const NULL_CTX = 1024;
// 2560 … 4095: the kernel's static data (asc's --memoryBase in scripts/build.mjs), behind NULL_CTX.
/**
 * SPA windows: entry i (u32) is the wasm offset that backs SPA [i << 30, (i + 1) << 30), or 0: no table memory there.
 * The u32 after it is the number of backed bytes from the start of that window.
 */
export const WINDOW_TABLE = 4096;
export const WINDOW_LOG2 = 30;
export const WINDOW_COUNT = 8192; // 8 TiB of SPA may hold tables
export const WINDOW_TABLE_BYTES = 65536; // 8 * WINDOW_COUNT
/** First byte that the region allocator may hand out. */
export const HEAP_BASE = 69632; // WINDOW_TABLE + WINDOW_TABLE_BYTES

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
export const RULE_OUTPUT_BITS = 112; // i32: width of the output address; the mapper refuses more
export const RULE_POLICY = 116; // i32: POLICY_*: what the mapper does where Linux's drivers differ
export const RULE_ERRNOS = 120; // i32: errno for "already mapped" | errno for "address out of range" << 16
export const RULE_MAP_BITS = 124; // i32: input bits that the mapper may use (Linux's aperture; at most RULE_INPUT_BITS); 64 = unchecked
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
/**
 * What a walk through table entries alone needs of each level, close together. An entry that is present and has
 * (entry & STEP_GO_MASK) == STEP_GO_VALUE points to the next lower level and has no reserved bit set; any other is looked at in full.
 */
export const RULE_STEPS = 512; // step records follow, 1 << STEP_LOG2 bytes each, level 0 first
export const STEP_SHIFT = 0; // i32: LV_SHIFT
export const STEP_INDEX_MASK = 4; // i32: LV_INDEX_MASK
export const STEP_GO_MASK = 8; // u64; level 0: 0
export const STEP_GO_VALUE = 16; // u64; level 0: 1, which nothing matches
export const STEP_PERM_IGNORE = 24; // u64: LV_PERM_IGNORE
export const STEP_LEAF_MASK = 32; // u64: (entry & LEAF_MASK) == LEAF_VALUE: a leaf of just this level's size without reserved bits
export const STEP_LEAF_VALUE = 40; // u64
export const STEP_BITS = 48; // i32: page numbers below 2^STEP_BITS are in range of a table of this level
export const STEP_LOG2 = 6;
export const RULE_BYTES = 896; // RULE_STEPS + 6 records

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
export const RULE_FREE_COVERED = 1; // free a table when one unmap call covers its whole span and found it mapped throughout
export const RULE_FREE_WHOLE = 2; // free a covered table without looking at its entries
export const RULE_FREE_BLOCK = 3; // the same, but only where the span is a leaf size (ARM: unmap with the parent's block size)

/** Map over a leaf: refused with RULE_ERRNOS unless one of these is set. */
export const POLICY_REPLACE = 1; // the new leaf wins
export const POLICY_KEEP = 2; // the old leaf stays
export const POLICY_CLEAR_ABOVE = 4; // a larger leaf above the target is cleared and gives way to a table
/** A table in the place of a larger leaf is freed with all that it maps, or with this flag only if it maps nothing. */
export const POLICY_TABLE_IF_EMPTY = 8;
/** Unmap: a hole ends the call, unless one of these is set. */
export const POLICY_HOLE_SKIP = 16; // holes are passed over
export const POLICY_BY_FETCH = 32; // AMD 6.1: leaf by leaf from the top, whole leaves; an empty slot of a last-level table counts as a page
export const POLICY_BY_STEP = 4096; // KVM: entry by entry, each step as long as the entry, also from inside one; only covered leaves go
/** Unmap: a leaf that is covered in part ends the call, unless one of these is set. */
export const POLICY_TAIL_WHOLE = 64; // a leaf that starts in the range is removed whole
export const POLICY_SPLIT = 128; // it is split into leaves of the next level
export const POLICY_REPORT_SIZE = 256; // unmap returns the size asked for (KVM, Intel 6.1)
export const POLICY_REPORT_SPAN = 2048; // but takes and returns the whole entry found at its start if that is larger (Intel 6.1)
/** Growth looks at where a leaf starts, not at its size: one larger than the table covers lands in the root (AMD 6.1). */
export const POLICY_GROW_BY_START = 8192;
/** One map call with a given leaf size. */
export const POLICY_ONE_TABLE = 512; // stops at the end of the leaf table (DART, ARM)
export const POLICY_RECHOOSE = 1024; // chooses leaf sizes anew (Intel 6.1)

export const RULE_LEVELS_MAX = 6; // level records of a growing format
// ---- Arena: where one address space's tables live -----------------------------------------------------------------------
export const ARENA_BASE = 0; // i32: wasm offset of the first frame
export const ARENA_LIMIT = 4; // i32: wasm offset after the last frame (as u32)
export const ARENA_NEXT = 8; // i32: bump pointer
export const ARENA_FREE = 12; // i32: head of the free list of 4 KiB frames (next pointer in the first word), 0 = empty
export const ARENA_LIVE = 16; // i32: 4 KiB frames in use
export const ARENA_PEAK = 20; // i32
export const ARENA_ADDRESS = 24; // u64: address (SPA, or GPA for a guest's tables) of the first frame
export const ARENA_FREE_LARGE = 32; // 8 × i32: free lists of frames of 2^13..2^20 bytes (roots, ARM and DART granules)
export const ARENA_BYTES = 64;

// ---- Page table ---------------------------------------------------------------------------------------------------------
export const PT_RULE = 0; // pointer to the rule block
export const PT_ARENA = 4; // pointer to the arena
export const PT_ROOT = 8; // wasm offset of the root table
export const PT_LEVELS = 12; // levels now (AMD v1 grows)
export const PT_FREED_TABLES = 16; // i32: table pages freed by the last map or unmap (drives the PDE / IH hint of newer kernels)
export const PT_LEAF_ITEMS = 24; // f64: leaf items now written
/** The lowest table that was used last, and which: software goes back to it, as long as no table has been freed since. */
export const PT_NEAR_TABLE = 32; // wasm offset
export const PT_NEAR_KEY = 40; // u64: the page number without the bits that its entries tell apart; all ones = there is no such table
/** f64: physical page numbers below this fit into a leaf of one 4 KiB page; 0 = the format or its configuration has no such leaves. */
export const PT_TARGETS = 48;
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
export const FAULT_ATS = 20; // translated request or translation request of a device whose entry does not allow ATS
/** In fault records, but of no request: a device did not answer an invalidation of its ATC in time. */
export const INVALIDATION_TIMEOUT = 21;

// ---- Requester context: one (device, PASID) at one unit ----------------------------------------------------------------------
// What a hit needs lies in the first line.
export const CTX_UNIT = 0; // pointer to the unit record
/**
 * What the device entry and PASID lookups gave, usable without asking again while CTX_EPOCH equals the unit's: the caches
 * still hold both entries, and only their recency must be renewed.
 */
export const CTX_EPOCH = 4; // u32, 0 = nothing remembered
export const CTX_SPACE = 8; // u64: key1 of this requester's IOTLB entries
export const CTX_ALLOWED = 16; // i32: access bits that the device entry grants
export const CTX_GUEST_LEVELS = 20; // i32, 0 = no guest stage
export const CTX_DTE_STAMP = 24; // pointer to the recency stamp of the device-cache entry, 0 = none to renew
export const CTX_PASID_STAMP = 28;
/** Where the next request is looked up first: the cache and class of the last hit, 0 = the general way. */
export const CTX_CACHE = 32;
export const CTX_CLASS = 36; // i32
export const CTX_CLASS_SHIFT = 40; // i32: log2 of pages
export const CTX_SPACE_TAG = 44; // u32: the part of a tag that comes from CTX_SPACE
export const CTX_CLASS_KEY = 48; // u64: CTX_CLASS << 60
export const CTX_FAST = 56; // pointer to the counter of such hits
export const CTX_MODE = 60; // i32: levels of the host table, 0 = no host stage
export const CTX_HOST_ROOT = 64; // u64
export const CTX_GUEST_ROOT = 72; // u64
export const CTX_BDF = 80; // i32
export const CTX_PASID = 84; // i32, -1 = none
export const CTX_L1 = 88; // pointer to the port's first-level IOTLB cache record, 0 = none
export const CTX_INDEX = 92; // i32: requester index of the run (into fault records)
/** Where memos of its walks are looked for (layout-memo.ts), remembered with the rest. The last stage is the host's, or a guest's alone. */
export const CTX_LAST_KEY = 96; // u64: MEMO_ROOT
export const CTX_LAST_RULE = 104; // pointer to the stage's rule
export const CTX_LAST_START = 108; // u32: memoStart of its root
export const CTX_FIRST_RULE = 112; // of a guest's stage before the host's; 0 = there is none
export const CTX_FIRST_START = 116;
export const CTX_COUNTERS = 128; // f64 × COUNTERS
export const CTX_BYTES = 1536; // CTX_COUNTERS + 8 * COUNTERS; NULL_CTX must fit below the static data

// ---- Counters of one requester: f64 slots from CTX_COUNTERS ------------------------------------------------------------------
// Slots marked * are not counted by the kernel: they follow from others (iommu/unit.ts), and a request should write few.
export const C_TRANSLATED = 0; // * requests that needed translation
export const C_UNTRANSLATED = 1; // requests passed without (pass-through DTE)
export const C_FAULTS = 2;
export const C_LOOKUPS = 3; // first IOTLB lookups
export const C_LOOKUPS_ALL = 4; // * and those again after a wait
export const C_L1_HITS = 5; // *
export const C_HITS = 6; // 4 slots: hits by leaf class (in either level, first lookup)
export const C_MISSES = 10; // *
export const C_MERGED = 11; // of the misses: waited on a walk already in flight
export const C_COLD = 12;
export const C_CAPACITY = 13;
export const C_CONFLICT = 14;
export const C_INVALIDATED = 15;
export const C_WALKS = 16; // *
export const C_NEGATIVE_HITS = 17; // first lookups that found a not-present entry, ready (they count as hits) or not (as merged)
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
/**
 * Short counts: a request that uses the remembered context writes one counter and not eight; iommu/unit.ts adds what it
 * implies. FAST (by leaf class): a hit, so TRANSLATED, LOOKUPS, LOOKUPS_ALL, HITS, DTE lookup and hit. REMEMBERED: DTE lookup and
 * hit. The GUEST variants: PASID lookup and hit too.
 */
export const C_FAST = 29; // 3 slots
export const C_FAST_GUEST = 125; // 3 slots
export const C_REMEMBERED = 96; // 2 slots: host, guest
/** ATS and PRI (assembly/ats.ts): what the device's port counts. */
export const C_PRETRANSLATED = 80; // requests that came to the unit translated
export const C_ATS_REQUESTS = 81; // translation requests that came to the unit
export const C_ATS_TRANSLATIONS = 82; // translations that they asked for: each is looked up as a request is
export const C_ATS_REFUSED = 83; // of the requests: answered UR or CA, with a fault record
export const C_ATS_EMPTY = 84; // of the requests: answered R = W = 0
export const C_ATS_DISCARDED = 85; // answers that an invalidation overtook: asked again
export const C_ATS_ABORTED = 86; // DMA requests that the device gave up without a translation
export const C_ATC_LOOKUPS = 87; // first lookups
export const C_ATC_HITS = 88;
export const C_ATC_MERGED = 89; // misses that waited for a translation already asked for
export const C_ATC_INVALIDATIONS = 90;
export const C_ATC_INVALIDATION_PS = 91; // Σ from the command to the device's answer
export const C_ATC_TIMEOUTS = 92; // invalidations given up
export const C_ATC_LATE = 93; // uses that outlasted the answer to an invalidation of their page (sim/device-tlb.ts says when)
export const C_PRI_REQUESTS = 94; // page requests
export const C_PRI_GROUPS = 95;
export const C_PRI_SUCCESS = 99; // responses by code
export const C_PRI_INVALID = 100;
export const C_PRI_FAILURE = 101;
export const C_PRI_RETRIES = 102; // translations asked for again after a response
export const C_PRI_PS = 103; // Σ over page requests, from the answer that showed the fault to the response
export const C_PRI_FAULTS = 104; // page faults, told by an answer
export const C_PREFETCHES = 109; // translations that walks brought into the IOTLB beside the one they were for
export const C_PREFETCH_HITS = 110; // first lookups that found such a one, each at its first use
export const C_NEGATIVE_FILLS = 111; // walks whose not-present result went into the IOTLB
export const C_WALK_PS = 112; // Σ walk latency without waiting for a walker
export const C_WALK_WAIT_PS = 113; // Σ waiting for a walker or its start interval
/**
 * Misses that are alike (assembly/alike.ts): one after the other they take the same reads of tables, of which only the last may be lost to
 * the line cache. A miss counts one up, beside the two sums before, in one line of memory; `settleMisses` counts what it stands for.
 */
export const C_ALIKE = 114; // u32: what they have in common, 0 = there were none
export const C_ALIKE_COUNT = 115; // 3 slots: those of which the line cache missed none, one, two
export const C_ALIKE_PS = 118; // 2 slots: cost of the last stage's reads, none or one lost
export const C_ALIKE_READS = 120; // u64: MEMO_COUNTS of the guest's way
export const C_ALIKE_GUEST_PS = 121; // 2 slots: cost of the guest stage's
export const C_ALIKE_END = 123;
export const C_L1_CLASS = 105; // 4 slots: of the hits by leaf class, those of the first level
export const C_STALE = 98; // IOTLB hits on entries whose page was already unmapped, but not yet invalidated
export const C_READS = 32; // 16 slots: [stage 0 = guest/first, 1 = host/second][level 0..7]
export const C_PWC_LOOKUPS = 48; // 16 slots: [stage][level of the entry looked for]
export const C_PWC_HITS = 64; // 16 slots
export const C_DEPTH = 128; // 48 slots: walks by number of table reads (47 = 47 or more)
export const DEPTH_SLOTS = 48;
export const COUNTERS = 176;

// ---- Set-associative cache ---------------------------------------------------------------------------------------------------
// One structure for IOTLB levels, walk caches, nested TLB, device and PASID caches, line cache and the shadow cache.
// A slot's tag is a 32-bit hash of its key (0 = empty); the exact key is compared after a tag matched.
export const CACHE_SETS = 0;
export const CACHE_WAYS = 4;
export const CACHE_PAD = 8; // ways rounded up to 4: one SIMD compare takes four tags
export const CACHE_MASK = 12; // sets - 1 if sets is a power of two, else -1: modulo
export const CACHE_INDEX = 16; // INDEX_*
export const CACHE_REPLACEMENT = 20; // REPLACE_*
export const CACHE_TAGS = 24; // pointer to u32 × SETS × PAD
export const CACHE_STAMPS = 28; // pointer to u32 × SETS × PAD: recency, fill order, RRPV, use count or tree bits
export const CACHE_SLOTS = 32; // pointer to SLOT_BYTES × SETS × PAD (0 for a line cache in LRU order by modulo, whose tag is its key)
export const CACHE_CLOCK = 36; // u32
export const CACHE_SEED = 40; // u32: state of the random replacement
export const CACHE_TABLE = 44; // pointer to the hash index's chain heads u32 × (TABLE_MASK + 1), 0: sets are scanned
export const CACHE_TABLE_MASK = 48;
export const CACHE_LINKS = 52; // pointer to {u32 newer, u32 older} × slots: each set's ring in order of use or fill (hash-indexed caches)
export const CACHE_OLDEST = 56; // pointer to u32 × SETS
export const CACHE_STRIDE = 60; // lanes from one set's tags to the next's: PAD, or 2 PAD in the line cache, where the stamps lie between
export const CACHE_RESIDENT = 64; // i32 × 4: valid entries by leaf class
export const CACHE_FILLS = 80; // f64
export const CACHE_EVICTIONS = 88; // f64
export const CACHE_DROPPED = 96; // f64: entries removed by invalidations
export const CACHE_WAY_PARTITION = 104; // pointer to a partition record by ways (then the cache is hash-indexed, without links); 0
export const CACHE_SET_PARTITION = 108; // pointer to a partition record by sets (then MASK is -1); 0
/**
 * i32: 1 = LRU or FIFO, a power of two of sets chosen by the key's lowest bits, scanned with up to CACHE_SCAN_WAYS ways or indexed: its
 * places are found and filled without calls (assembly/plain.ts).
 */
export const CACHE_PLAIN = 112;
export const CACHE_NEXT = 116; // pointer to u32 × slots: the next slot of each one's chain in the hash index
export const CACHE_BYTES = 128;
/** Sets with more ways than this are found through a hash index instead of a scan. */
export const CACHE_SCAN_WAYS = 16;

/** How ways or sets are divided among tenants: ranges of their own, ascending, then what is shared. */
export const PARTITION_TENANTS = 0; // pointer to u16 × 65536 by domain: tenant + 1; 0 = no tenant's
export const PARTITION_RANGES = 4; // pointer to {i32 first, i32 end} by tenant + 1
export const PARTITION_SHARED = 8; // i32: first shared way or set
export const PARTITION_BYTES = 16;
export const PARTITION_FIRST = 0;
export const PARTITION_END = 4;
export const PARTITION_RANGE_BYTES = 8;

export const INDEX_MODULO = 0;
export const INDEX_SHIFTED = 1; // modulo without the three lowest bits: the eight entries of a table line share a set
export const INDEX_HASH = 2;

export const REPLACE_LRU = 0;
export const REPLACE_FIFO = 1;
export const REPLACE_RANDOM = 2;
export const REPLACE_PLRU = 3;
export const REPLACE_SRRIP = 4;
export const REPLACE_LFU = 5;

export const SLOT_KEY0 = 0; // u64: page number in units of the leaf class | class << 60
export const SLOT_KEY1 = 8; // u64: address space: domain | PASID << 16 | KEY_GUEST
export const SLOT_VALUE = 16; // u64: target page, table address, raw entry…
export const SLOT_META = 24; // u64: permissions (bits 1:0), miss cause (bits 5:4), accumulated entry bits
/** IOTLB entries that were prefetched and not used yet: bits 1:0 are 0, and the permissions lie in bits 3:2. */
export const META_PREFETCHED = 64; // bit 6
export const META_ALLOWED_SHIFT = 2;
/** IOTLB entries that say that a page is not present; they allow nothing. */
export const META_NEGATIVE = 128; // bit 7
/** IOTLB entries: bits 63:11 of SLOT_META are the time at which software unmapped the page, ps; 0 = it has not. */
export const META_UNMAPPED_SHIFT = 11;
export const SLOT_READY = 32; // f64: time from which the entry may be used, ps
export const SLOT_BYTES = 40;

// ---- IOMMU unit ----------------------------------------------------------------------------------------------------------------
export const UNIT_FLAGS = 0; // UNIT_FLAG_*
export const UNIT_IOTLB = 4; // pointers to caches; 0 = not there. IOTLB by leaf class: 4 pointers (equal in one part)
export const UNIT_CLASSES = 20; // number of leaf classes, at most 3
export const UNIT_CLASS_LOG2 = 24; // i32 × 4: log2 of bytes, ascending
export const UNIT_NESTED_TLB = 40; // pointer
export const UNIT_DEVICE_CACHE = 44;
export const UNIT_PASID_CACHE = 48;
export const UNIT_LINE_CACHE = 52;
export const UNIT_PREFETCH = 56; // i32: pages after a walk's own that it may fill, 0 … 7
export const UNIT_HISTORY = 60; // pointer to the history of pages seen, 0 = causes are not counted
export const UNIT_PWC = 64; // 16 pointers: [stage][level of the cached table entry]
export const UNIT_WALKERS = 128; // pointer to f64 × count rounded up to blocks of 8 (padding Infinity): next free time, ps
export const UNIT_WALKER_COUNT = 132;
export const UNIT_DEVICE_TABLE = 136; // u64: SPA of the device table
export const UNIT_HOST_RULE = 144; // pointer to the rule of the DTE's table (amd-v1)
export const UNIT_GUEST_RULE = 148; // 2 pointers: guest table with 4 levels, with 5
export const UNIT_LOG = 156; // pointer to the fault ring
export const UNIT_LOG_ENTRIES = 160;
export const UNIT_LOG_HEAD = 164; // i32: records written since the last drain
export const UNIT_L1_FIRST = 168; // pointer to i32 × L1_COUNT pointers to first-level caches
export const UNIT_L1_COUNT = 172;
export const UNIT_HIT_PS = 176; // f64
export const UNIT_L1_HIT_PS = 184; // f64
export const UNIT_LINE_PS = 192; // f64: table read that hits the line cache
export const UNIT_MEMORY_PS = 200; // f64: table read from memory
export const UNIT_OVERHEAD_PS = 208; // f64: fixed part of a walk
export const UNIT_START_PS = 216; // f64: least time between two walk starts
export const UNIT_NEXT_START = 224; // f64
export const UNIT_LOG_OVERFLOW = 232; // f64
export const UNIT_HISTORY_MASK = 240; // i32: slots - 1
export const UNIT_HISTORY_USED = 244; // i32
export const UNIT_HISTORY_LIMIT = 248; // i32: slots that the reserved region can hold
export const UNIT_HISTORY_LOST = 256; // f64: misses of pages that did not fit (counted as cold)
export const UNIT_EPOCH = 264; // u32: changes with every change of the device or PASID cache
export const UNIT_PWC_MASK = 268; // i32 × 2 by stage: bit n = there is a walk cache for level n
export const UNIT_UNMAPPED = 276; // i32: 1 = IOTLB entries may be marked as unmapped
/** By leaf class: fully associative LRU of the capacity of the class's part; 0 = conflict misses are not told apart. 4 pointers. */
export const UNIT_SHADOW = 280;
/** Pointers that the walk in progress has met, for the walk caches: MARK records by level. */
export const UNIT_MARKS = 320;
/** Memos of descents (layout-memo.ts): of one stage, and of a guest's stage with the host walks for its tables; 0 = there are none. */
export const UNIT_MEMOS = 488;
export const UNIT_MEMO_MASK = 492; // u32: memos - 1
export const UNIT_GUEST_MEMOS = 496;
export const UNIT_GUEST_MEMO_MASK = 500; // u32
export const UNIT_BYTES = 512; // UNIT_MARKS + 7 * MARK_BYTES, and the memos

export const MARK_TABLE = 0; // u64: the table that the entry of this level points to
export const MARK_PERMISSIONS = 8; // u64: of all entries up to it
export const MARK_READS = 16; // i32: reads so far, and of them those that missed the line cache
export const MARK_LOST = 20; // i32
export const MARK_BYTES = 24;

export const UNIT_FLAG_NO_FRACTURE = 1; // a guest leaf on smaller host leaves keeps its size in the IOTLB
export const UNIT_FLAG_WATCHED = 2; // every hit goes the general way, which counts stale uses
export const UNIT_FLAG_STRAIGHT = 4; // no line cache, or one of a power of two of sets of eight ways: walks read it without calls
export const UNIT_FLAG_BARE = 8; // STRAIGHT, and neither walk caches nor a nested TLB
export const UNIT_FLAG_PLAIN = 16; // STRAIGHT, and the IOTLB is one cache that is filled with what was asked for and nothing else

export const UNIT_FLAG_NEGATIVE = 32; // not-present results go into the IOTLB too
export const UNIT_FLAG_UNIFIED = 64; // the IOTLB is one cache for leaves of all sizes
export const UNIT_FLAG_CACHED = 128; // STRAIGHT, and what there is of walk caches and nested TLB is plain (CACHE_PLAIN)
export const UNIT_FLAG_USUAL = 256; // BARE and PLAIN, a line cache, an IOTLB in LRU or FIFO order, no history: assembly/remembered.ts

export const KEY_GUEST_LOG2 = 40; // bit of KEY1: translated by a guest table (PASID valid)

/** Flags of invalidatePages. */
export const INVALIDATE_PDE = 1; // walk-cache entries of the range too
export const INVALIDATE_NO_GUESTS = 2; // no guest table of the domain leads through its host addresses

/** Fault ring record. */
export const LOG_TIME = 0; // f64 ps
export const LOG_PAGE = 8; // f64 page number
export const LOG_INDEX = 16; // i32 requester index
export const LOG_BDF = 20;
export const LOG_DOMAIN = 24;
export const LOG_PASID = 28;
export const LOG_CODE = 32;
export const LOG_ACCESS = 36;
export const LOG_BYTES = 40;

/** Trace of one translation (explain): header {i32 count, i32 capacity}, then records. */
export const TRACE_COUNT = 0;
export const TRACE_CAPACITY = 4;
export const TRACE_FIRST = 64;
export const TRACE_STAGE = 0; // i32 TRACE_STAGE_*, or 0/1 as in C_READS
export const TRACE_LEVEL = 4;
export const TRACE_ADDRESS = 8; // u64
export const TRACE_ENTRY = 16; // u64
export const TRACE_COST = 24; // f64 ps of this read; 0 for a cache hit
export const TRACE_KIND = 32; // i32 TRACE_*
export const TRACE_BYTES = 40;
export const TRACE_READ = 1; // table entry read
export const TRACE_PWC_HIT = 2;
export const TRACE_NTLB_HIT = 3;
export const TRACE_DTE_READ = 4;
export const TRACE_DTE_HIT = 5;
export const TRACE_PASID_READ = 6;
export const TRACE_PASID_HIT = 7;
export const TRACE_IOTLB_HIT = 8;
export const TRACE_NTLB_FILL = 9;
export const TRACE_PREFETCH = 10;
export const TRACE_IOTLB_NEGATIVE = 11;

/** Miss causes as stored in SLOT_META bits 5:4 and added to C_COLD. */
export const CAUSE_COLD = 0;
export const CAUSE_CAPACITY = 1;
export const CAUSE_CONFLICT = 2;
export const CAUSE_INVALIDATED = 3;

// ---- Engine of one unit: clock and events (sim/engine.ts lays it out, assembly/engine.ts runs it) -------------------------------
export const ENGINE_NOW = 0; // f64: time of the event being handled, ps
export const ENGINE_DRAINED = 8; // f64: when everything translated so far is done with memory
export const ENGINE_REQUESTS = 16; // f64: translated since the start
export const ENGINE_PORTS = 24; // pointer to ports × DEVICES
export const ENGINE_DEVICES = 28;
/** i32: what stands between the engine and the unit: nothing, the import `translate`, a log of the IOTLB's references. */
export const ENGINE_BETWEEN = 32;
export const BETWEEN_NOTHING = 0;
export const BETWEEN_IMPORT = 1;
export const BETWEEN_LOG = 2;
export const ENGINE_REFERENCES = 36; // pointer to the log
export const ENGINE_REFERENCE_COUNT = 40; // i32: references in it
export const ENGINE_DEVICE_TIMES = 64; // due times of the devices: 192 bytes, as the others
export const ENGINE_OTHER_TIMES = 256; // of software (by device), timers (by device), the command processor
export const ENGINE_BYTES = 448;

// ---- Log of IOTLB references: columns of REFERENCE_ENTRIES (i32) each ---------------------------------------------------------------
export const REFERENCE_ENTRIES = 4096;
export const REFERENCE_LOW = 0; // the page's low 32 bits, in units of the leaf class
export const REFERENCE_WHAT = 16384; // bits 1:0 leaf class, REFERENCE_* flags, from REFERENCE_HIGH_LOG2 the page's upper bits
export const REFERENCE_WHO = 32768; // requester index of the run
export const REFERENCE_BYTES = 49152;
export const REFERENCE_UPPER = 4; // a hit of the first level
export const REFERENCE_UNFILLED = 8; // the walk failed; no leaf is known
export const REFERENCE_HIGH_LOG2 = 4;

/**
 * Due times of a number of actors: a tree of least keys, eight children a node, whose lowest level has a key for each actor. A key is
 * the time since TIMES_BASE with the actor's number in its lowest mantissa bits, which are 0 in whole numbers below TIMES_LIMIT;
 * 2^1000 with the number for what is due later, 2^1001 for never.
 */
export const TIMES_ROOT = 0; // f64: the least key
export const TIMES_BASE = 8; // f64 ps
export const TIMES_LIMIT = 16; // f64 ps
export const TIMES_ACTORS = 24; // u32
export const TIMES_NUMBER = 28; // u32: the bits of a key that are the actor's number
export const TIMES_DUE = 32; // pointer to f64 × actors: the times themselves; Infinity = never
export const TIMES_LEVELS = 36; // u32: levels
export const TIMES_LEVEL = 40; // pointers to f64 × (keys, rounded up to 8), of level 0 (the actors') upwards
export const TIMES_OTHERS = 72; // f64 by level: least key beside the actor's on its way up, while its new one is worked out
export const TIMES_LEVELS_MAX = 8;
export const TIMES_FANOUT_LOG2 = 3;
export const TIMES_FAR_BITS = 0x7e700000; // upper half of 2^1000
export const TIMES_NEVER_BITS = 0x7e800000; // and of 2^1001

// ---- Latency histogram -----------------------------------------------------------------------------------------------------------
export const HISTOGRAM_LAST = 0; // f64 ps: a value that comes often, if any does; -1
export const HISTOGRAM_RUN = 8; // f64: how often it came and was not counted yet
export const HISTOGRAM_WAITING = 16; // u32: other values that wait to be counted
export const HISTOGRAM_VALUES = 20; // u32 × HISTOGRAM_SLOTS, ps
/** Values are counted so many at once: the counts of many devices lie on many pages, and each visit costs a TLB miss. */
export const HISTOGRAM_SLOTS = 11;
export const HISTOGRAM_SUM = 64; // f64
export const HISTOGRAM_MIN = 72; // f64
export const HISTOGRAM_MAX = 80; // f64
export const HISTOGRAM_COUNTS = 88; // pointer to f64 × HISTOGRAM_BUCKETS
export const HISTOGRAM_BYTES = 128;
export const HISTOGRAM_SUB_LOG2 = 6;
/** Buckets of one histogram: [0, 2^46) ps is 70 s; longer values count in the last bucket (sum and max stay exact). */
export const HISTOGRAM_BUCKETS = 2944; // 46 octaves << SUB_LOG2

// ---- Port: one device's link, tags, queues (laid out by sim/port.ts, run by assembly/port.ts) -----------------------------------
// A hit of a plain port touches the first line at each event and the fourth when completions turn around: each ends with the first 16
// bytes of a histogram record, which are all of it that a value needs that comes often.
export const PORT_READ_AT = 0; // f64: when the first queued read may be translated; Infinity
export const PORT_MEMORY_READ_PS = 8; // f64
export const PORT_CTX = 16; // first argument of translate
export const PORT_FLAGS = 20; // i32 PORT_FLAG_*
export const PORT_MASK = 24; // i32: reads in flight at most, rounded up to a power of two, - 1
export const PORT_PERIOD = 28; // i32: counting period
export const PORT_QUEUE_HEAD = 32;
export const PORT_QUEUE_COUNT = 36;
export const PORT_PENDING_HEAD = 40;
export const PORT_PENDING_COUNT = 44;
export const PORT_TRANSLATION = 48; // histogram record: from arrival to the end of translation
export const PORT_STATE = 176; // i32 STREAM_*
export const PORT_DEVICE = 180; // i32: index at the engine
export const PORT_STREAM_AT = 184; // f64: when the stream acts next (HOLDS_WRITE, FETCHES); Infinity
export const PORT_UP_FREE = 192; // f64
export const PORT_DOWN_FREE = 200; // f64
export const PORT_REQUEST_PS = 208; // f64: wire time of the request of a read of SIZED_BYTES
export const PORT_COMPLETION_PS = 216; // f64: and of its completions
export const PORT_ABORT_PS = 224; // f64: wire time of an aborted read's answer
export const PORT_ENTRY = 232; // pointer to the next request entry
export const PORT_ENTRIES = 236; // i32: entries there
export const PORT_COMPLETION = 240; // histogram record: from issue to completion
export const PORT_EARLIEST = 368; // f64: earliest issue of the burst's requests
export const PORT_LEFT = 376; // i32: requests of the current burst not yet issued
export const PORT_SLOT = 380; // i32: the current burst's slot, -1 = none needed
export const PORT_QUEUE = 384; // pointer to i32 × ring: reads that wait for translation
export const PORT_PENDING = 388; // pointer to i32 × ring: translated reads, by end of translation
export const PORT_FREE_READS = 392; // pointer to i32 × ring
export const PORT_FREE_READ_COUNT = 396;
export const PORT_TOLD = 400; // i32: the model was told something and may want its software to run at another time
export const PORT_SIZED_BYTES = 404; // i32: size whose link times are remembered
export const PORT_READ_WINDOW = 408; // i32, 0 = out of order
export const PORT_WRITE_WINDOW = 412; // i32
export const PORT_TRANSFERS = 416; // credits record: bursts in flight
export const PORT_TAGS = 432; // credits record: PCIe tags
export const PORT_SOFTWARE_AT = 448; // f64: what the model last said
export const PORT_READS = 456; // f64 counts from here to PORT_DOWN_BUSY
export const PORT_READ_BYTES = 464;
export const PORT_WRITES = 472;
export const PORT_WRITE_BYTES = 480;
export const PORT_BURSTS = 488;
export const PORT_UP_BUSY = 496; // f64 ps
export const PORT_DOWN_BUSY = 504; // f64 ps
export const PORT_SLOTS = 512; // pointer to burst slots
export const PORT_FREE_SLOTS = 516; // pointer to i32 × (ring + 1)
export const PORT_FREE_SLOT_COUNT = 520;
export const PORT_BUFFER = 524; // pointer to request entries × PORT_BUFFER_ENTRIES
export const PORT_READ_ENDS = 528; // pointer to f64 × READ_WINDOW
export const PORT_READ_PLACE = 532;
export const PORT_WRITE_ENDS = 536; // pointer to f64 × WRITE_WINDOW
export const PORT_WRITE_PLACE = 540;
export const PORT_LAST_READ = 544; // f64: end of the last read's translation, in order
export const PORT_LAST_WRITE = 552; // f64
export const PORT_WRITE_ISSUE = 560; // f64: of the held write
export const PORT_WRITE_ARRIVAL = 568; // f64
export const PORT_MEMORY_WRITE_PS = 576; // f64
export const PORT_PS_PER_BYTE = 584; // f64
export const PORT_MAX_PAYLOAD = 592; // i32 bytes
export const PORT_MAX_READ_REQUEST = 596; // i32
export const PORT_WRITE_HEADER = 600; // i32
export const PORT_READ_REQUEST = 604; // i32
export const PORT_COMPLETION_HEADER = 608; // i32
export const PORT_PATTERN_SLOTS = 612; // u32: the kernel draws the pages: transfers in the window; 0 = the model gives them
export const PORT_PATTERN_SHIFT = 616; // i32: log2 of transfers a page
export const PORT_PATTERN_PAGE = 624; // f64: first page of the window
export const PORT_PATTERN_RANDOM = 632; // u32 × 4: state of xoshiro128**
export const PORT_ATS = 648; // pointer to the ATS record; only with PORT_FLAG_ATS
export const PORT_BYTES = 704;

export const PORT_FLAG_AHEAD = 1; // the model is asked ahead of time
export const PORT_FLAG_LIMITED = 2; // bursts in flight are limited
export const PORT_FLAG_TAGGED = 4; // there can be more reads than tags
export const PORT_FLAG_PLAIN = 8; // AHEAD and LIMITED, not TAGGED, no read window, each burst one read of one length

export const PORT_FLAG_ATS = 16; // the device has an ATC: its port is run by assembly/ats.ts

/** What the stream of requests does next: goes on when asked, waits for a credit, starts a write's translation at STREAM_AT,
 * asks the model at STREAM_AT, waits for software. */
export const STREAM_RUNS = 0;
export const STREAM_BLOCKED = 1;
export const STREAM_HOLDS_WRITE = 2;
export const STREAM_FETCHES = 3;
export const STREAM_IDLE = 4;

/** Things that come back at a known time, in ascending order in a ring. */
export const CREDITS_TIMES = 0; // pointer to f64 × (MASK + 1)
export const CREDITS_MASK = 4;
export const CREDITS_HEAD = 8;
export const CREDITS_COUNT = 12; // that are there, or known to come back

/** A read on its way. */
export const READ_ARRIVAL = 0; // f64
export const READ_ISSUE = 8; // f64
export const READ_DONE = 16; // f64: end of its translation
export const READ_PAGE = 24; // f64
export const READ_LENGTH = 32; // i32 bytes
export const READ_OP = 36; // i32
export const READ_SLOT = 40; // i32: its burst; -1: it is a burst of its own and the model need not be told
export const READ_STATE = 44; // i32: counting period in which it was translated, << 1 | aborted
export const READ_BYTES = 48;

/**
 * A port of plain reads (PORT_FLAG_PLAIN) keeps them in one ring of MASK + 1 records, in place of queue and pending reads. Numbers
 * count them since the start, modulo 2^32: those below COMPLETED are done, those below TRANSLATED are ordered by the end of
 * their translation, those below ISSUED wait for theirs.
 */
export const PLAIN_COMPLETED = 32; // u32
export const PLAIN_TRANSLATED = 36; // u32
export const PLAIN_ISSUED = 40; // u32
export const PLAIN_RING = 44; // pointer
/** COMPLETED, TRANSLATED and ISSUED when they were counted last. */
export const PLAIN_SETTLED = 384;
export const PLAIN_ARRIVAL = 0; // f64; fields of a record
export const PLAIN_DONE = 8; // f64: end of its translation
export const PLAIN_PAGE = 16; // f64
export const PLAIN_STATE = 24; // i32: as READ_STATE
export const PLAIN_BYTES_LOG2 = 5;

/** A burst in flight. */
export const SLOT_LEFT = 0; // i32: requests not complete
export const SLOT_FAULTED = 4; // i32
export const SLOT_DONE = 8; // f64
export const SLOT_TOKEN = 16; // f64
export const BURST_SLOT_BYTES = 24;

/** One request as the model gave it. The fields marked * count in the first of a burst. */
export const ENTRY_PAGE = 0; // f64
export const ENTRY_EARLIEST = 8; // f64 *
export const ENTRY_TOKEN = 16; // f64 *
export const ENTRY_LENGTH = 24; // u32 bytes
export const ENTRY_KIND = 28; // i32: op | requests of the burst << ENTRY_COUNT_SHIFT *
export const ENTRY_BYTES = 32;
export const ENTRY_OP_MASK = 15;
export const ENTRY_COUNT_SHIFT = 4;
/** Requests that the buffer between model and port holds; longer bursts go through it in pieces. */
export const PORT_BUFFER_ENTRIES = 16;
