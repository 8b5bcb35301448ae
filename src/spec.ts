/**
 * The resolved description of one run: what `scenario/` produces and `sim/` consumes.
 *
 * A RunSpec is plain, frozen, structured-cloneable data. Every quantity is a number in the unit that its name ends
 * with; every preset and default has already been applied. The same RunSpec gives the same bytes in any thread.
 */

/** One set-associative structure. `entries: 0` means "not there". `ways` = entries is fully associative. */
export interface CacheSpec {
  readonly entries: number;
  readonly ways: number;
  readonly replacement: Replacement;
  readonly index: IndexFunction;
  /** Left out: all tenants share all of it. */
  readonly partition?: PartitionSpec;
}
/** Ways of each set, or sets, that only one tenant fills; what nobody has for itself is shared by all. */
export interface PartitionSpec {
  readonly by: 'ways' | 'sets';
  /** Ways or sets of its own, by tenant, in the order of RunSpec.tenants. */
  readonly minimum: readonly number[];
}
export type Replacement = 'lru' | 'plru' | 'fifo' | 'random' | 'srrip' | 'lfu';
export type IndexFunction = 'modulo' | 'shifted' | 'hash';

/** The shared IOTLB and, where the machine has one, a first level before it (one for each device port). */
export interface IotlbSpec extends CacheSpec {
  /** log2 of the leaf sizes the IOTLB can hold, ascending; a leaf of another size is stored as the next lower one. */
  readonly leafLog2: readonly number[];
  /** Parts of its own for the larger leaf sizes, ascending; the IOTLB itself is the part of the smallest. Left out: none. */
  readonly split?: readonly IotlbPart[];
  /** A guest leaf on smaller host leaves is cut to the smaller one (true: what specifications describe). */
  readonly fracture: boolean;
  /** Not-present results are kept too (VT-d caching mode, AMD NpCache), so that kernels must flush what they map. Left out: not. */
  readonly negative?: boolean;
  readonly l1: CacheSpec;
}

/** Holds the leaves of one table level, and of those above it up to the next part's. */
export interface IotlbPart extends CacheSpec {
  /** 1 or 2: 2 MiB or 1 GiB leaves and up. */
  readonly level: number;
}

/** One IOMMU unit; all units of a machine are alike. */
export interface MachineSpec {
  readonly preset: string;
  readonly units: number;
  readonly iotlb: IotlbSpec;
  /** Page-walk caches by stage; element i caches table entries found at level i + 1 (pointers to tables of level i). */
  readonly walkCaches: { readonly host: readonly CacheSpec[]; readonly guest: readonly CacheSpec[] };
  /** GPA → SPA leaves used inside nested walks. */
  readonly nestedTlb: CacheSpec;
  readonly deviceCache: CacheSpec;
  readonly pasidCache: CacheSpec;
  /** 64-byte lines of table memory in front of DRAM; entries 0 = every read costs `memoryReadNs`. */
  readonly lineCache: CacheSpec;
  readonly walkers: number;
  /** Pages after its own that a walk also brings into the IOTLB, as far as the lines that it read hold them: 1 … 7. Left out: none. */
  readonly prefetchPages?: number;
  /** Least time between the starts of two walks, apart from their latency. 0 = none. */
  readonly walkStartNs: number;
  readonly latency: LatencySpec;
  /** Translation order of the requests of one device: window 0 = out of order. */
  readonly order: { readonly readWindow: number; readonly writeWindow: number };
  readonly link: LinkSpec;
  readonly commandQueueEntries: number;
  readonly eventLogEntries: number;
  /** Host memory that data pages may occupy. */
  readonly memoryBytes: number;
  /** Paths (as `--set` takes them) of values nobody published, and the sources of the others. */
  readonly estimates: readonly string[];
  readonly sources: readonly { readonly path: string; readonly source: string }[];
}

export interface LatencySpec {
  /** IOTLB lookup, part of every translated request. */
  readonly iotlbHitNs: number;
  readonly iotlbL1HitNs: number;
  /** A table read that hits the line cache, and one that goes to memory. */
  readonly lineHitNs: number;
  readonly memoryReadNs: number;
  /** Fixed part of every walk, on top of its reads. */
  readonly walkOverheadNs: number;
  /** A DMA read's or write's way through root complex and memory without translation and link serialisation. */
  readonly dmaReadNs: number;
  readonly dmaWriteNs: number;
  /** One command consumed from the command queue; a completion wait on top of that. */
  readonly commandNs: number;
  readonly completionWaitNs: number;
}

/** PCIe link of one device (its share). Overheads are counted on the wire. */
export interface LinkSpec {
  readonly gbps: number;
  readonly maxPayloadBytes: number;
  readonly maxReadRequestBytes: number;
  readonly writeHeaderBytes: number;
  readonly readRequestBytes: number;
  readonly completionHeaderBytes: number;
  /** Reads in flight (tags). */
  readonly outstanding: number;
}

export interface OsSpec {
  readonly kernelEra: KernelEra;
  readonly iova: {
    /** Skip the 32-bit-first attempt. */
    readonly forcedac: boolean;
    /** Bits the device can address after the 32-bit space is full. */
    readonly maskBits: number;
  };
  readonly flushQueue: FlushQueueSpec;
  /**
   * CPUs that serve the devices behind each unit: their queues are dealt to these CPUs in turn. 0 = a CPU for each queue.
   * Units have CPUs of their own, so that they may run in threads of their own.
   */
  readonly cpus: number;
  /** Pages of one IOVA range of policy `contiguous`: a power of two. */
  readonly contiguousPages: number;
  /** Slots of 2 KiB that the bounce buffers of untrusted devices behind one unit have. */
  readonly bounceSlots: number;
  readonly viommu: ViommuSpec;
  readonly costs: OsCosts;
}
/** The queue of lazy unmaps: one for each CPU, or a single one for the domain. */
export interface FlushQueueSpec {
  readonly entries: number;
  readonly timeoutNs: number;
  readonly single: boolean;
}
export type KernelEra = 'amd-5.13' | 'amd-6.1' | 'amd-6.12' | 'amd-7.2' | 'intel-6.1' | 'intel-6.12';

/** CPU time of each software step, in ns. Sources in the preset. */
export interface OsCosts {
  readonly iovaAllocNs: number;
  /** One range taken from the tree of IOVAs, or given back to it; its lock is held for so long. */
  readonly iovaAllocSlowNs: number;
  readonly iovaFreeNs: number;
  readonly mapNs: number;
  readonly mapPageNs: number;
  readonly unmapNs: number;
  readonly unmapPageNs: number;
  /** Writing one command to the queue; its lock is held for so long. */
  readonly invalidateSubmitNs: number;
  /** Between looks at the completion semaphore; the first look comes at once. */
  readonly completionPollNs: number;
  /** A contended lock's way from one CPU to the next. */
  readonly lockHandoffNs: number;
  /** Finding and freeing the slots of one bounced mapping, and copying 1 KiB. */
  readonly bounceNs: number;
  readonly copyKibNs: number;
  /** Network or storage stack work a packet, outside the DMA API. */
  readonly packetNs: number;
  /** One exit to the hypervisor. */
  readonly exitNs: number;
}

/** What guests' IOMMUs cost the hypervisor, and what hardware-assisted ones are made of. */
export interface ViommuSpec {
  /** Mode `nested`: all commands of one flush in one exit, instead of one exit a command. */
  readonly batched: boolean;
  /** Mode `shadow`: one exit that user space emulates, and what it does for each page of a map or unmap. */
  readonly emulatedExitNs: number;
  readonly shadowPageNs: number;
  /** Host domain IDs, 0 included, that guests' domains use up. */
  readonly domainIds: number;
  /** Mode `nested-hw`: translations that a unit's reader of guests' command buffers keeps. */
  readonly readerTlbEntries: number;
}

/** How a tenant's DMA is translated: docs/MODEL.md, section 2. */
export type TenantMode = 'passthrough' | 'host' | 'shadow' | 'nested' | 'nested-hw';
export type Policy = 'strict' | 'lazy' | 'static' | 'contiguous' | 'passthrough';

/** Page tables of one stage. `leafLog2` is the largest leaf the mapper may use (12, 21, 30). */
export interface StageSpec {
  readonly format: string; // a name of iommu/formats
  readonly levels: number;
  readonly leafLog2: number;
}

export interface TenantSpec {
  readonly name: string;
  readonly mode: TenantMode;
  /** A virtual machine in mode `passthrough`: one stage, GPA → SPA. The modes after `host` always are. */
  readonly vm?: boolean;
  /**
   * The table of the host: the DMA API's own in mode `host`, GVA → SPA in `shadow`, GPA → SPA in the other modes of a VM;
   * unused by a host device in `passthrough`.
   */
  readonly host: StageSpec;
  /** GVA → GPA: walked by hardware in the nested modes, read by the hypervisor in `shadow`. */
  readonly guest: StageSpec;
  readonly policy: Policy;
  /** The unit that its kernel sees says that it caches not-present entries. Left out: in mode `shadow`, which lives by it. */
  readonly npCache?: boolean;
  /** Domains that the guest makes: at least, and if left out, those that its devices are in. */
  readonly guestDomains?: number;
  /** Memory that its buffers may use (a VM's size). */
  readonly memoryBytes: number;
  readonly devices: readonly DeviceSpec[];
}

/** One virtual device (already expanded: `count` in a scenario becomes so many of these). */
export interface DeviceSpec {
  readonly name: string;
  /** Index over all devices of the run; the random stream is derived from (seed, index). */
  readonly index: number;
  readonly bdf: number;
  readonly unit: number;
  /** Devices of a tenant with the same name here share a domain: one address space. Left out: a domain of its own. */
  readonly domain?: string;
  /** -1: requests carry no PASID. */
  readonly pasid: number;
  readonly link: LinkSpec;
  /** External-facing: always strict, and buffers that are not whole pages bounce. */
  readonly untrusted: boolean;
  /** The device keeps translations itself (ATS), and asks for pages that are not there (PRI). Left out: it does not. */
  readonly ats?: AtsSpec;
  readonly pri?: PriSpec;
  readonly traffic: TrafficSpec;
}

/** A device's address translation cache (ATC) and the way to it. */
export interface AtsSpec extends CacheSpec {
  /** log2 of the leaf sizes it can hold, ascending from 12 on. */
  readonly leafLog2: readonly number[];
  /** The device-table entry allows ATS (AMD: I). */
  readonly allowed: boolean;
  /** Pages that one translation request asks for: 1 … 8. */
  readonly requestPages: number;
  /** Pages whose translation is asked for or whose page request is under way, at most. */
  readonly outstanding: number;
  /** Invalidations that the device takes before it has answered (PCIe: invalidate queue depth, 1 … 32). */
  readonly invalidateQueue: number;
  readonly lookupNs: number;
  /** One way of a request or message between port and unit, apart from the wire. */
  readonly messageNs: number;
  /** The device's own time for one invalidation. */
  readonly invalidateNs: number;
  /** The unit gives an invalidation up after this. */
  readonly invalidateTimeoutNs: number;
}

/** Page requests of a device with ATS. What its traffic would have mapped before the run is mapped when it is asked for. */
export interface PriSpec {
  /** Page requests outstanding at most (PCIe: outstanding page request allocation). */
  readonly outstanding: number;
  /** Page requests of one group at most; a group is sent `gatherNs` after the first fault that goes into it. */
  readonly groupPages: number;
  readonly gatherNs: number;
  /** From the page request's arrival to the start of its handler. */
  readonly interruptNs: number;
  /** CPU time of one page fault, apart from the map: finding memory, bookkeeping. */
  readonly faultNs: number;
  /** Pages that the OS takes back a second, the oldest first; 0 = none. */
  readonly reclaimPerSecond: number;
  /** Slots of the unit's page request log. */
  readonly logEntries: number;
}

/** Addresses inside one window of DMA memory that is mapped before the run starts. */
export interface WindowTraffic {
  readonly windowBytes: number;
  readonly transferBytes: number;
  readonly readFraction: number;
  /** Closed loop: so many transfers in flight. Open loop: transfers a second (then `outstanding` only limits). */
  readonly outstanding: number;
  readonly ratePerSecond: number; // 0 = closed loop
  readonly arrivals: 'fixed' | 'poisson';
}
export type TrafficSpec =
  | ({ readonly model: 'uniform' } & WindowTraffic)
  | ({ readonly model: 'sequential'; readonly strideBytes: number } & WindowTraffic)
  | ({ readonly model: 'zipf'; readonly exponent: number } & WindowTraffic)
  | NicTraffic
  | ReplayTraffic;

/** A NIC: queue pairs with rings, buffers and completions, each served by a core, over one link. */
export interface NicTraffic {
  readonly model: 'nic';
  /** Queue pairs; what is offered is spread over them evenly. */
  readonly queues: number;
  readonly direction: 'rx' | 'tx' | 'both';
  /** Packets offered a second in each direction = lineGbps / (mtu + wire overhead); 0 = as fast as the link and ring allow. */
  readonly offeredGbps: number;
  readonly mtuBytes: number;
  readonly ringEntries: number;
  readonly bufferBytes: number;
  readonly descriptorBytes: number;
  readonly completionBytes: number;
  /** Descriptors fetched by one read. */
  readonly descriptorBatch: number;
  /** Packets a core handles at one interrupt. */
  readonly pollBatch: number;
  /** Flows: packets of a flow arrive in bursts of `burstPackets`. */
  readonly flows: number;
  readonly burstPackets: number;
  /** Receive buffers of one descriptor, mapped and given back together (striding receive queue). */
  readonly buffersPerDescriptor: number;
  /** Transmit completions are handled by the core that sent, or by the next one: IOVAs are freed where they were not taken. */
  readonly completionCpu: 'same' | 'next';
  readonly recycle: RecycleSpec;
}
/** The driver's recycling of mapped receive pages (page pool): apart from the policy, it decides how often pages are mapped at all. */
export interface RecycleSpec {
  /** Pages kept mapped at most, those that a socket still holds included; 0 = none. */
  readonly pages: number;
  /** fifo: only the oldest page is looked at (mlx5 page cache); any: each page comes back when its socket lets go (page pool). */
  readonly order: 'fifo' | 'any';
  /** Mean time that a socket holds a received page; exponentially distributed. */
  readonly holdNs: number;
}

/** Access trace rows for this device, already parsed: columns of equal length. */
export interface ReplayTraffic {
  readonly model: 'replay';
  readonly path: string;
  /** Rows of this device of the trace; left out = of any. */
  readonly device?: string;
  /** Closed loop ignores the trace's times and keeps so many requests in flight. 0 = open loop at the trace's times. */
  readonly outstanding: number;
  readonly rows: TraceRows;
}
export interface TraceRows {
  readonly issuePs: Float64Array;
  /** IOVA >> 12 and the offset in the page. */
  readonly page: Float64Array;
  readonly offset: Uint16Array;
  readonly lengthBytes: Uint32Array;
  /** OP_* of request.ts, and OP_MAP / OP_UNMAP rows. */
  readonly op: Uint8Array;
}

export interface RunLimits {
  /** Measured requests of the whole run (all devices), after warm-up; 0 = until `durationNs`. */
  readonly requests: number;
  readonly durationNs: number;
  /** Simulated time, or requests of the whole run, before counting starts. The larger of the two ends warm-up. */
  readonly warmupNs: number;
  readonly warmupRequests: number;
  /** Length of the time steps between which effects cross units. */
  readonly quantumNs: number;
  /** Interval of timeline.csv; 0 = none. */
  readonly intervalNs: number;
  /** Split capacity from conflict misses by a shadow fully associative LRU cache. */
  readonly missCauses: boolean;
  /** Re-check the sum rules while running (slow). */
  readonly debug: boolean;
  /** Miss-ratio curves of the IOTLB from this run's references. */
  readonly mrc?: MrcSpec;
}

export interface MrcSpec {
  /** Pages that are followed at most; above, a sample of them. */
  readonly sampleKeys: number;
  /** Numbers of sets for which every number of ways is wanted, up to `ways`. */
  readonly setCounts: readonly number[];
  readonly ways: number;
}

export interface RunSpec {
  readonly scenario: string;
  /** Name of the sweep point or case; "" when the scenario has none. */
  readonly point: string;
  /** The varied values of this point, by path, in the scenario's order. */
  readonly values: Readonly<Record<string, string | number | boolean>>;
  readonly seed: number;
  readonly machine: MachineSpec;
  readonly os: OsSpec;
  readonly tenants: readonly TenantSpec[];
  readonly run: RunLimits;
}

// ---- What follows from a mode ------------------------------------------------------------------------------------------

/** The tenant is a virtual machine: its buffers are at GPAs. */
export function isVm({ mode, vm }: Pick<TenantSpec, 'mode' | 'vm'>): boolean {
  return hasGuestTable(mode) || (mode === 'passthrough' && vm === true);
}

/** The tenant's DMA API is a guest's, and maps into a table of the guest. */
export function hasGuestTable(mode: TenantMode): boolean {
  return mode === 'shadow' || isNested(mode);
}

/** Hardware walks the guest's table over the host's. */
export function isNested(mode: TenantMode): boolean {
  return mode === 'nested' || mode === 'nested-hw';
}

/** The tenant's kernel must flush maps too, in aligned pieces, and does without a flush queue. */
export function cachesNotPresent({ mode, npCache }: Pick<TenantSpec, 'mode' | 'npCache'>): boolean {
  return mode === 'shadow' || (mode !== 'passthrough' && npCache === true);
}

/** Linux has no flush queue where maps are flushed: the unmaps of `lazy` are then strict. */
export function effectivePolicy(tenant: Pick<TenantSpec, 'mode' | 'npCache' | 'policy'>): Policy {
  return tenant.policy === 'lazy' && cachesNotPresent(tenant) ? 'strict' : tenant.policy;
}

/** Domains that the devices of a tenant are in: those with the same name in one, each other device in its own. */
export function deviceDomains({ devices }: Pick<TenantSpec, 'devices'>): number {
  const names = new Set(devices.flatMap(({ domain }) => domain ?? []));
  return names.size + devices.filter(({ domain }) => domain === undefined).length;
}

/** Domains of a guest's own. */
export function guestDomains(tenant: TenantSpec): number {
  return hasGuestTable(tenant.mode) ? Math.max(tenant.guestDomains ?? 0, deviceDomains(tenant)) : 0;
}

/** Host domain IDs: one for each domain of devices, or in a VM one for each domain of the guest's and one for its memory where that has a table. */
export function hostDomainIds(tenant: TenantSpec): number {
  if (!isVm(tenant)) return deviceDomains(tenant);
  return guestDomains(tenant) + (tenant.mode === 'shadow' ? 0 : 1);
}
