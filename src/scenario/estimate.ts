/** What a run will need, computed from its spec before it starts. */
import {
  type CacheSpec,
  type DeviceSpec,
  hasGuestTable,
  isVm,
  type MachineSpec,
  type RunSpec,
  type StageSpec,
  type TenantSpec,
} from '../spec.ts';
import { trafficBytes } from './resolve.ts';

export interface Estimate {
  /** Tables and caches in the kernel's memory. */
  readonly tableBytes: number;
  /** Everything else of one run: device models, histograms, timeline. */
  readonly heapBytes: number;
  /** Requests, warm-up included. */
  readonly requests: number;
  /** Result files. */
  readonly fileBytes: number;
}

/** wasm32: one memory is at most 4 GiB. */
export const MAX_TABLE_BYTES = 2 ** 32;

/** Of one thread: the order of magnitude that `npm run bench` shows for mixed loads. */
export const REQUESTS_PER_S = 2e6;
/** Nothing of a run is kept before its end, so that nobody waits for a longer one. */
const MOST_RUN_S = 24 * 3600;

const PAGE = 4096;
/** 8 bytes of leaf table a page, 1/512 of that again a level above. */
const TABLE_BYTES_A_PAGE = 8.02;
/** Upper levels that a small address space has at least. */
const SPARSE_TABLE_BYTES = 6 * PAGE;
/** Tables of a unit's private address space, and the entries of a guest in it. */
const PRIVATE_TABLE_BYTES = 2 ** 20;
/** Key, value, time, tag, stamp and index of a cache's slot; slots come in fours. */
const CACHE_SLOT_BYTES = 80;
/** Which tenant a domain is of, where a cache is divided among tenants. */
const TENANTS_BYTES = 2 ** 17;
const HISTORY_BYTES_A_PAGE = 64;
const DEVICE_TABLE_BYTES = 65_536 * 32;
/** Two histograms of a device and its counters. */
const DEVICE_BYTES = 80_000;
const TIMELINE_ROW_BYTES = 64;
const TRACE_ROW_BYTES = 23;
/** Unmapped pages that lazy mode keeps, twice (one queue fills while one drains). */
const LAZY_QUEUE_PAGES = 512;

export function estimateRun(spec: RunSpec): Estimate {
  const devices = spec.tenants.flatMap((tenant) => tenant.devices);
  const tables = spec.tenants.reduce((sum, tenant) => sum + tenantTableBytes(tenant), 0);
  const mappedPages = devices.reduce((sum, device) => sum + devicePages(device), 0);
  const history = spec.run.missCauses ? mappedPages * HISTORY_BYTES_A_PAGE : 0;
  const intervals = spec.run.intervalNs > 0 ? runNs(spec, devices) / spec.run.intervalNs : 0;
  return {
    tableBytes: Math.ceil(tables + history + spec.machine.units * unitBytes(spec.machine, devices.length)),
    heapBytes: Math.ceil(
      devices.length * DEVICE_BYTES +
        mappedPages * 16 +
        intervals * devices.length * TIMELINE_ROW_BYTES +
        traceBytes(devices),
    ),
    requests: requestsOf(spec, devices),
    fileBytes: Math.ceil(4000 + devices.length * 1500 + intervals * devices.length * 100),
  };
}

function tenantTableBytes(tenant: TenantSpec): number {
  const { mode } = tenant;
  const memory = isVm(tenant) && mode !== 'shadow' ? stageBytes(tenant.host, tenant.memoryBytes / PAGE) : 0;
  if (mode === 'passthrough') return memory;
  const own = tenant.devices.reduce(
    (sum, device) => sum + devicePages(device) + (tenant.policy === 'lazy' ? LAZY_QUEUE_PAGES : 0),
    0,
  );
  const dma = stageBytes(hasGuestTable(mode) ? tenant.guest : tenant.host, own);
  const merged = mode === 'shadow' ? stageBytes(tenant.host, own) : 0;
  return dma + merged + memory + (mode === 'nested-hw' ? PRIVATE_TABLE_BYTES : 0);
}

function stageBytes(stage: StageSpec, pages: number): number {
  return SPARSE_TABLE_BYTES + (pages * TABLE_BYTES_A_PAGE) / 2 ** (stage.leafLog2 - 12);
}

/** Pages that a device keeps mapped; trace pages are at most one a row. */
function devicePages({ traffic }: DeviceSpec): number {
  return traffic.model === 'replay' ? traffic.rows.op.length : Math.ceil(trafficBytes(traffic) / PAGE);
}

function unitBytes(machine: MachineSpec, devices: number): number {
  const { iotlb, walkCaches } = machine;
  const parts = [iotlb, ...(iotlb.split ?? [])];
  const shared: CacheSpec[] = [
    ...parts,
    ...parts, // the caches that tell conflict from capacity
    machine.nestedTlb,
    machine.deviceCache,
    machine.pasidCache,
    machine.lineCache,
  ];
  const caches = [...shared, ...walkCaches.host, ...walkCaches.guest];
  const slots = caches.reduce((sum, cache) => sum + slotsOf(cache), 0);
  const queues = 64 * machine.eventLogEntries + 16 * machine.commandQueueEntries;
  return (
    DEVICE_TABLE_BYTES +
    TENANTS_BYTES +
    queues +
    CACHE_SLOT_BYTES * (slots + slotsOf(iotlb.l1) * devices) +
    2048 * devices
  );
}

const slotsOf = ({ entries, ways }: CacheSpec): number =>
  entries === 0 ? 0 : (entries / ways) * 4 * Math.ceil(ways / 4);

const traceBytes = (devices: readonly DeviceSpec[]): number =>
  devices.reduce(
    (sum, { traffic }) => sum + (traffic.model === 'replay' ? traffic.rows.op.length * TRACE_ROW_BYTES : 0),
    0,
  );

/** Requests a nanosecond that a device sends at most, in requests of 256 bytes: what its link carries, or what it offers. */
function mostRate({ link, traffic }: DeviceSpec): number {
  const carried = link.gbps / 8 / REQUEST_BYTES;
  if (!('ratePerSecond' in traffic) || traffic.ratePerSecond === 0) return carried;
  return Math.min(carried, (traffic.ratePerSecond / 1e9) * Math.ceil(traffic.transferBytes / REQUEST_BYTES));
}
const REQUEST_BYTES = 256;

function requestsOf(spec: RunSpec, devices: readonly DeviceSpec[]): number {
  const { requests, durationNs, warmupNs, warmupRequests } = spec.run;
  const rate = devices.reduce((sum, device) => sum + mostRate(device), 0);
  return Math.ceil((requests || durationNs * rate) + Math.max(warmupRequests, warmupNs * rate));
}

/** Simulated time at full links: shorter than the real one when devices are slower. */
function runNs(spec: RunSpec, devices: readonly DeviceSpec[]): number {
  const rate = devices.reduce((sum, device) => sum + mostRate(device), 0);
  return spec.run.durationNs || spec.run.requests / Math.max(rate, 1e-6);
}

export interface Budget {
  /** Memory that may be used, bytes. */
  readonly memoryBytes: number;
  /** Where the result files go. */
  readonly diskBytes: number;
  /** Runs at the same time. */
  readonly threads: number;
}

const size = (bytes: number): string =>
  bytes >= 2 ** 30 ? `${(bytes / 2 ** 30).toFixed(1)} GiB` : `${Math.max(1, Math.round(bytes / 2 ** 20))} MiB`;

function tooLong(run: string, requests: number): string {
  const hours = Math.round(requests / REQUESTS_PER_S / 3600);
  return `${run}: ${requests} requests take about ${hours} hours, but one run at most ${MOST_RUN_S / 3600}; use fewer requests or less time (--set run.requests=…), and several seeds (--set run.seeds=…) for more of them`;
}

/** Why these runs must not start, with the number and the remedy; empty when they may. */
export function refusals(specs: readonly RunSpec[], budget: Budget): string[] {
  const estimates = specs.map((spec) => ({ spec, ...estimateRun(spec) }));
  const label = (spec: RunSpec): string => (spec.point === '' ? spec.scenario : `${spec.scenario}, ${spec.point}`);
  const huge = estimates.filter((each) => each.tableBytes > MAX_TABLE_BYTES);
  if (huge.length > 0) {
    return huge.slice(0, 10).map(({ spec, tableBytes }) => {
      return `${label(spec)}: page tables and caches need ${size(tableBytes)}, but one run has at most ${size(MAX_TABLE_BYTES)}; use larger leaves, smaller windows or less memory for the tenants`;
    });
  }
  const long = estimates.filter((each) => each.requests > MOST_RUN_S * REQUESTS_PER_S);
  if (long.length > 0) return [...new Set(long.map((each) => tooLong(label(each.spec), each.requests)))].slice(0, 10);
  const fileBytes = estimates.reduce((sum, each) => sum + each.fileBytes, 0);
  if (fileBytes > budget.diskBytes) {
    return [
      `the result files need ${size(fileBytes)}, but ${size(budget.diskBytes)} of the disk are free; use a longer run.intervalNs, fewer points or another --out`,
    ];
  }
  const largest = estimates.map((each) => each.tableBytes + each.heapBytes).sort((a, b) => b - a);
  const parallel = largest.slice(0, Math.max(1, budget.threads)).reduce((sum, bytes) => sum + bytes, 0);
  if (parallel <= budget.memoryBytes) return [];
  const fits = largest[0] <= budget.memoryBytes;
  const remedy = fits
    ? `use --threads ${Math.max(1, Math.floor(budget.memoryBytes / largest[0]))}`
    : 'use larger leaves, smaller windows or less memory for the tenants';
  return [
    `${budget.threads} runs at a time need ${size(parallel)} of memory, but ${size(budget.memoryBytes)} are free; ${remedy}`,
  ];
}
