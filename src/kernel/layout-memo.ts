/**
 * Memo of a descent: the way from a root to the table that a walk ends in (assembly/memo.ts); written as layout.ts is.
 *
 * No cache of the simulated unit: a walk that uses one leaves the same counts, costs and recency as one that reads every entry.
 */
export const MEMO_ROOT = 0; // u64: root | its level << 1 | stage
export const MEMO_PLACE = 8; // u64: what all pages of the lowest table on the way have in common
export const MEMO_PERMISSIONS = 16; // u64: of the entries on the way
export const MEMO_TABLE = 24; // u32: wasm offset of the table at its end; 0 = the way has been gone once and is not kept
export const MEMO_LEVEL = 28; // u8: its level
export const MEMO_ENTRIES = 29; // u8: entries on the way, each once
export const MEMO_READS = 30; // u8: reads that it takes
export const MEMO_FIRST = 32; // entries follow, in the order of their last reads
export const MEMO_BYTES = 128; // room for the five entries above a leaf of six levels
/** Of a stage with walk caches: what they hold of the pointers on its way, by level of the entry. */
export const MEMO_POINTERS = 96; // of level 1 at 112: u64 table, u64 permissions of all entries up to it
export const MEMO_POINTER_LOG2 = 4;
export const MEMO_CACHED_BYTES = 192; // five pointers behind MEMO_FIRST's entries
/** Of a guest's stage. */
export const MEMO_HOST = 32; // u64: root of the host table | its level
export const MEMO_COUNTS = 40; // u8 × 8: reads of host tables by level
export const MEMO_GUEST_FIRST = 48;
export const MEMO_GUEST_ENTRIES = 21; // at most: four levels over four take 8 to 16
export const MEMO_GUEST_BYTES = 384; // MEMO_GUEST_FIRST + MEMO_GUEST_ENTRIES * STOP_BYTES
/** An entry on the way. */
export const STOP_AT = 0; // u32: wasm offset of the entry
export const STOP_LINE = 4; // u32: wasm offset of its line's tag in the line cache
export const STOP_VALUE = 8; // u64
export const STOP_LOG2 = 4;
