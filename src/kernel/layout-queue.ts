/**
 * Byte offsets of a command queue's records (iommu/command-queue.ts; what strict mappings send is also done by
 * assembly/commands.ts). Compiled twice, as layout.ts is and by its rules.
 */

/** The queue. */
export const QUEUE_IDLE = 0; // f64: when the processor has executed everything that it has read, ps
export const QUEUE_DEVICE_TLBS = 8; // f64: when devices have answered all invalidations of their TLBs
export const QUEUE_DOORBELL = 16; // f64: when the tail was moved last
export const QUEUE_COMMANDS = 24; // f64 counts, times in ps: commands (waits included)
export const QUEUE_WAITS = 32; // f64
export const QUEUE_FULL_STALLS = 40; // f64: submissions that found the ring full
export const QUEUE_STALLED_PS = 48; // f64
export const QUEUE_BUSY_PS = 56; // f64
export const QUEUE_TIMEOUTS = 64; // f64: waits for a slot or a semaphore that software gave up
export const QUEUE_BY_KIND = 72; // f64 × 12
export const QUEUE_COMMAND_PS = 168; // f64
export const QUEUE_WAIT_PS = 176; // f64: on top of it, for a completion wait
export const QUEUE_SEMAPHORE_ADDRESS = 184; // u64: what completion waits store to
/** Sequence numbers, modulo 2^32. */
export const QUEUE_WRITTEN = 192; // u32: commands written by software
export const QUEUE_FETCHED = 196; // u32: read by the processor; fewer than written only when it has halted
export const QUEUE_APPLIED = 200; // u32: of those, the first whose effect is still to come
export const QUEUE_CAPACITY = 204; // slots of the ring, less one
export const QUEUE_RING = 208; // pointer to the ring
export const QUEUE_RING_END = 212;
export const QUEUE_WRITE = 216; // pointers to the next command to be written and to be read: tail and head registers
export const QUEUE_FETCH = 220;
export const QUEUE_SEMAPHORE = 224; // pointer to the word that completion waits store to
export const QUEUE_STORES = 228; // u32: what the last completion wait stores (Linux: cmd_sem_val)
export const QUEUE_HALTED = 232; // i32: 1 = the processor stands at an illegal command
export const QUEUE_PENDING = 236; // pointer to PENDING records × (PENDING_MASK + 1), by sequence number
export const QUEUE_PENDING_MASK = 240;
export const QUEUE_VTD = 244; // i32: 1 = VT-d's descriptors
export const QUEUE_UNIT = 248; // pointer to the unit
export const QUEUE_DRAINED = 252; // pointer to f64: when the requests in flight are done, ps
export const QUEUE_PLAIN = 256; // pointer to a bit for each domain ID: 1 = its devices go through one host table and nothing else
export const QUEUE_RESERVED_PAGES = 272; // 4 × u32: bits that must be zero: PAGES without and with PASID (AMD: the same), waits
export const QUEUE_RESERVED_PASID = 288;
export const QUEUE_RESERVED_WAIT = 304;
export const QUEUE_WAIT_WORDS = 320; // 4 × u32: a completion wait that stores 0
export const QUEUE_BYTES = 384;
/** A command that has been read. */
export const PENDING_WORDS = 0; // 4 × u32
export const PENDING_DONE = 16; // f64: when it has been executed, ps
export const PENDING_KIND = 24; // i32: of iommu/commands/command.ts
export const PENDING_BYTES = 32;
