/** What a run leaves behind: plain, cloneable counts. Reports derive everything else from these. */
import type { RunSpec } from '../spec.ts';
import type { UnitCurves } from './mrc/curve.ts';

/** Histogram of a latency in ps: log-linear buckets (see histogram.ts); empty buckets at the end are cut off. */
export interface HistogramData {
  readonly counts: Float64Array;
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

export interface DeviceResult {
  readonly index: number;
  readonly name: string;
  readonly tenant: number;
  readonly unit: number;
  readonly bdf: number;
  /** C_* of kernel/layout.ts, summed over the device's requesters, measured part only. */
  readonly counters: Float64Array;
  readonly requests: number;
  readonly reads: number;
  readonly writes: number;
  readonly readBytes: number;
  readonly writeBytes: number;
  /** Device-model operations (packets, transfers) completed. */
  readonly operations: number;
  /** Operations lost because the model had no room for them (packets without a descriptor). */
  readonly drops?: number;
  /** Time that the busier direction of the link was busy. */
  readonly linkBusyPs: number;
  readonly translation: HistogramData;
  readonly completion: HistogramData;
  readonly driver: DriverCounts;
}

/** DMA-API work done for one device. */
export interface DriverCounts {
  readonly maps: number;
  readonly unmaps: number;
  readonly mapFailures: number;
  readonly cpuPs: number;
  readonly cpuMapPs: number;
  readonly cpuUnmapPs: number;
  readonly cpuWaitPs: number;
  readonly invalidationCommands: number;
  readonly completionWaits: number;
  /** Exits to the hypervisor, and of these by kind. */
  readonly vmExits: number;
  readonly vmExitsMap?: number;
  readonly vmExitsUnmap?: number;
  readonly vmExitsInvalidate?: number;
  /** Time that vCPUs spent in exits (part of cpuPs). */
  readonly hypervisorPs?: number;
  readonly flushes: number;
  readonly staleUses: number;
  /** Unmaps that stayed reachable through caches for a while: how many, for how long together, and the longest. */
  readonly staleWindows?: number;
  readonly staleWindowPs?: number;
  readonly staleWindowMaxPs?: number;
  /** Spinning for locks that another core held. */
  readonly cpuLockPs?: number;
  /** Mappings through bounce buffers, and bytes copied to and from them. */
  readonly bounces?: number;
  readonly copiedBytes?: number;
}

export interface CacheResult {
  readonly name: string;
  readonly entries: number;
  readonly ways: number;
  readonly lookups: number;
  readonly hits: number;
  readonly fills: number;
  readonly evictions: number;
  readonly invalidated: number;
}

/** One of the CPUs that serve the devices behind a unit. */
export interface CpuResult {
  readonly cpu: number;
  /** Time at work, spinning included, within the measured part. */
  readonly busyPs: number;
}

/** Commands by what they ask for (iommu/commands/command.ts). */
export interface CommandKinds {
  readonly waits: number;
  readonly devices: number;
  /** Context entries of one domain, and of all. */
  readonly contexts: number;
  readonly allContexts: number;
  readonly pasids: number;
  /** Translations of a range, of the whole address space of a domain or PASID, and of all domains. */
  readonly pages: number;
  readonly domains: number;
  readonly allPages: number;
  readonly everything: number;
  readonly deviceTlbs: number;
  readonly interrupts: number;
  readonly prefetches: number;
  readonly pprResponses: number;
}

export interface UnitResult {
  readonly unit: number;
  readonly caches: readonly CacheResult[];
  readonly commands: number;
  /** Of these, by kind. */
  readonly commandKinds?: CommandKinds;
  readonly commandBusyPs: number;
  readonly commandQueueFull: number;
  readonly eventLogOverflow: number;
  readonly invalidatedEntries: number;
  readonly tablePages: number;
  readonly cpus?: readonly CpuResult[];
  readonly mappedPages: number;
  readonly effectsDelayed: number;
  /** The guests' IOMMUs behind the unit. */
  readonly viommu?: ViommuResult;
}

export interface ViommuResult {
  /** Host memory of the unit's private address space. */
  readonly privateSpaceBytes: number;
  /** Commands that the unit read from guests' buffers, memory reads for that, and its translations: asked for, and cached. */
  readonly commands: number;
  readonly reads: number;
  readonly lookups: number;
  readonly hits: number;
  readonly guests: readonly GuestResult[];
}

/** One guest's part at one unit. */
export interface GuestResult {
  readonly tenant: number;
  /** Exits of control-register and device-table writes before the run. */
  readonly setupExits: number;
  /** Guest memory that the hypervisor pinned for DMA, most at one time. */
  readonly pinnedBytes: number;
}

export interface FaultRecord {
  /** Since counting began. */
  readonly timePs: number;
  readonly device: number;
  readonly domain: number;
  readonly pasid: number;
  /** FAULT_* of kernel/layout.ts */
  readonly code: number;
  readonly access: number;
  readonly page: number;
  /** Name and flags of the hardware's record (iommu/event-log.ts). */
  readonly event?: string;
  readonly flags?: number;
}

export interface TimelineRow {
  /** End of the interval, since counting began. */
  readonly timePs: number;
  readonly device: number;
  readonly requests: number;
  readonly bytes: number;
  readonly iotlbHits: number;
  readonly iotlbMisses: number;
  readonly translationPs: number;
}

export interface RunResult {
  readonly spec: RunSpec;
  /** Simulated length of the measured part. */
  readonly measuredPs: number;
  readonly warmupPs: number;
  readonly devices: readonly DeviceResult[];
  readonly units: readonly UnitResult[];
  readonly faults: readonly FaultRecord[];
  readonly timeline: readonly TimelineRow[];
  /** Miss-ratio curves, where the run was asked for them (`run.mrc`). */
  readonly curves?: readonly UnitCurves[];
  /** Whole-run facts that are about the machine it ran on are not in here: they would break reproducibility. */
}
