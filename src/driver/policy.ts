/**
 * Contract of a mapping policy: when a DMA mapping is made, when it goes away, and when the caches are told.
 *
 * One policy object serves one domain and all the cores that use it. A policy is written over the steps that the
 * domain offers; every step charges the core that does it.
 */
import type { DriverCpu } from './cpu.ts';

export type { DriverCpu };

/** The steps of the DMA API over one address space. Pages are 4 KiB; `iovaPage` = IOVA / 4096. */
export interface DmaSteps {
  /** Takes an IOVA range and writes the table. IOVA page, or -1 (counted as a failure) with nothing left behind. */
  map(cpu: DriverCpu, physicalPage: number, pages: number, prot: number): number;
  /** Writes the table at a given IOVA. False (counted) if something is mapped there or the table is full. */
  mapAt(cpu: DriverCpu, iovaPage: number, physicalPage: number, pages: number, prot: number): boolean;
  /** Clears the table. Returns true if that freed table pages. */
  clear(cpu: DriverCpu, iovaPage: number, pages: number): boolean;
  /** Sends what the kernel era sends for one unmapped range, and waits until it is done. */
  invalidate(cpu: DriverCpu, iovaPage: number, pages: number, tablesFreed: boolean): void;
  /** Drops everything of the domain from the caches, and waits until it is done. */
  flush(cpu: DriverCpu): void;
  /** Gives the IOVA range back. */
  release(cpu: DriverCpu, iovaPage: number, pages: number): void;
}

export interface MappingPolicy {
  /** Mapping the same buffer again returns the mapping that is there: drivers may recycle buffers without unmapping. */
  readonly keepsMappings: boolean;
  /** IOVA page of a mapping of the buffer, or -1 when there is no room. */
  map(cpu: DriverCpu, physicalPage: number, pages: number, prot: number): number;
  /** Undoes one `map`. */
  unmap(cpu: DriverCpu, iovaPage: number, pages: number): void;
  /** The same at IOVAs that the caller chooses, outside the allocator (trace replay). */
  mapAt(cpu: DriverCpu, iovaPage: number, physicalPage: number, pages: number, prot: number): boolean;
  unmapAt(cpu: DriverCpu, iovaPage: number, pages: number): void;
  /** When the policy's timer runs out, ps; Infinity when it is not armed. */
  timerAt(): number;
  /** Runs the timer's work (on the core that armed it). */
  timer(nowPs: number): void;
}

export interface PolicyContext {
  readonly steps: DmaSteps;
  readonly flushQueue: { readonly entries: number; readonly timeoutNs: number };
}
export type PolicyFactory = (context: PolicyContext) => MappingPolicy;
