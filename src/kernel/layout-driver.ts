/**
 * Byte offsets of what drivers book (driver/cpu.ts) and of the record by which the kernel maps and unmaps their single pages
 * (sim/single-pages.ts, assembly/driver.ts). Compiled twice, as layout.ts is and by its rules.
 */

/** A core: f64. */
export const CORE_FREE = 0;
export const CORE_SPENT = 8;
export const CORE_BYTES = 16;

/** A lock: f64. */
export const LOCK_FREE = 0;
export const LOCK_BYTES = 8;

/** Of a device's account what single pages add to: f64. */
export const ACCOUNT_MAPS = 0;
export const ACCOUNT_UNMAPS = 8;
export const ACCOUNT_COMMANDS = 16;
export const ACCOUNT_WAITS = 24;
export const ACCOUNT_WINDOWS = 32;
export const ACCOUNT_CPU = 40;
export const ACCOUNT_CPU_MAP = 48;
export const ACCOUNT_CPU_UNMAP = 56;
export const ACCOUNT_CPU_WAIT = 64;
export const ACCOUNT_WINDOW = 72;
export const ACCOUNT_WINDOW_MAX = 80;
export const ACCOUNT_BYTES = 88;

/** Freed IOVAs of one size (driver/iova-allocator.ts), the newest last. */
export const MAGAZINE_SIZE = 0; // i32
export const MAGAZINE_PAGES = 8; // f64 × MAGAZINE_RANGES
export const MAGAZINE_RANGES = 127; // iova.c: IOVA_MAG_SIZE
export const MAGAZINE_BYTES = 1024;

/** What one core has of a domain: single pages of IOVA that it has freed. Behind it lie its two magazines. */
export const STOCK_DOMAIN = 0; // pointers
export const STOCK_CORE = 4;
export const STOCK_LOADED = 8; // to the magazine in use
export const STOCK_MAGAZINES = 64;
export const STOCK_BYTES = STOCK_MAGAZINES + 2 * MAGAZINE_BYTES;

/** A domain. */
export const DOMAIN_TABLE = 0; // pointer to its page table
export const DOMAIN_QUEUE = 4; // pointer to the command queue that its invalidations go to
export const DOMAIN_QUEUE_LOCK = 8; // pointers to locks
export const DOMAIN_FLUSH_LOCK = 12; // 0: the kernel era holds none over a flush
export const DOMAIN_DROPS_WALK_CACHES = 16; // i32: 1 = every unmap does
export const DOMAIN_WAIT_HOLDS_LOCK = 20; // i32: 1 = the queue's lock is held while the completion is polled
export const DOMAIN_PAGES = 24; // f64: pages mapped here less those unmapped here
export const DOMAIN_ALLOC_PS = 32; // f64: costs
export const DOMAIN_MAP_PS = 40;
export const DOMAIN_UNMAP_PS = 48;
export const DOMAIN_SUBMIT_PS = 56;
export const DOMAIN_POLL_PS = 64;
export const DOMAIN_FREE_PS = 72;
export const DOMAIN_LAST_PAGE = 80; // f64: the last IOVA page that may be handed out now
export const DOMAIN_TRIM_PS = 88; // f64: when the depots of its IOVAs are looked at; before, stocks change by their cores alone
export const DOMAIN_PAGE_FIRST = 96; // u64: the halves of an invalidation of page 0 in the queue's encoding: the first,
export const DOMAIN_PAGE_SECOND = 104; // u64 × 2: the second without and with the walk caches
export const DOMAIN_LEAVES = 120; // u64 × DOMAIN_PROTS: leaf bits by protection; all ones = the kernel does not map it here
export const DOMAIN_PROTS = 4;
export const DOMAIN_BYTES = 152;
