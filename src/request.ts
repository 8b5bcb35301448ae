/** What a DMA request asks for. The numbers are shared with the kernel (access bits) and the trace parser. */
export const OP_READ = 1;
export const OP_WRITE = 2;
/** Atomic: needs both permissions, answered like a read. */
export const OP_ATOMIC = 3;
/** Trace rows that change the mapping instead of issuing DMA. */
export const OP_MAP = 4;
export const OP_UNMAP = 5;

/** Bytes of the smallest page of any format, and of the boundary no PCIe request crosses. */
export const PAGE_BYTES = 4096;
export const PAGE_LOG2 = 12;
/** Picoseconds in a nanosecond: model time is integer picoseconds in doubles. */
export const PS_PER_NS = 1000;
