// @ts-check
/**
 * RunSpecs for tests and benchmarks, by part. Every part takes the fields that a case is about; the rest are round
 * figures of no machine in particular. Plain JavaScript, because the benchmark runs on a bare Node.
 *
 * @import { CacheSpec, DeviceSpec, MachineSpec, NicTraffic, OsSpec, RunLimits, RunSpec, StageSpec, TenantSpec, WindowTraffic } from '../../src/spec.ts'
 */

/** @type {(entries: number, ways?: number, replacement?: CacheSpec['replacement']) => CacheSpec} */
export function cacheSpec(entries, ways = entries, replacement = 'lru') {
  return { entries, ways, replacement, index: 'modulo' };
}

export const noCache = cacheSpec(0);

/** @type {(overrides?: Partial<MachineSpec>) => MachineSpec} */
export function machineSpec(overrides = {}) {
  return {
    preset: 'test',
    units: 1,
    iotlb: { ...cacheSpec(512, 8), leafLog2: [12, 21, 30], fracture: true, l1: noCache },
    walkCaches: {
      host: [64, 32, 16, 8, 8].map((entries) => cacheSpec(entries)),
      guest: [64, 32, 16, 8].map((entries) => cacheSpec(entries)),
    },
    nestedTlb: cacheSpec(64),
    deviceCache: cacheSpec(64),
    pasidCache: cacheSpec(64),
    lineCache: cacheSpec(1024, 8),
    walkers: 8,
    walkStartNs: 0,
    latency: {
      iotlbHitNs: 5,
      iotlbL1HitNs: 2,
      lineHitNs: 25,
      memoryReadNs: 100,
      walkOverheadNs: 20,
      dmaReadNs: 450,
      dmaWriteNs: 250,
      commandNs: 20,
      completionWaitNs: 200,
    },
    order: { readWindow: 0, writeWindow: 0 },
    link: linkSpec(),
    commandQueueEntries: 512,
    eventLogEntries: 512,
    memoryBytes: 2 ** 38,
    estimates: [],
    sources: [],
    ...overrides,
  };
}

/** Every page-walk cache and the nested TLB off: each walk reads all its levels. */
export const withoutWalkCaches = {
  walkCaches: { host: [], guest: [] },
  nestedTlb: noCache,
};

/** @type {() => MachineSpec['link']} */
export function linkSpec() {
  return {
    gbps: 231,
    maxPayloadBytes: 256,
    maxReadRequestBytes: 512,
    writeHeaderBytes: 24,
    readRequestBytes: 24,
    completionHeaderBytes: 20,
    outstanding: 256,
  };
}

/**
 * A link whose times can be worked out by hand: 8 Gb/s, one byte takes one nanosecond.
 * @type {(outstanding: number) => MachineSpec['link']}
 */
export function byteLink(outstanding) {
  return {
    gbps: 8,
    maxPayloadBytes: 256,
    maxReadRequestBytes: 512,
    writeHeaderBytes: 20,
    readRequestBytes: 24,
    completionHeaderBytes: 16,
    outstanding,
  };
}

/** @type {(overrides?: Partial<OsSpec>) => OsSpec} */
export function osSpec(overrides = {}) {
  return {
    kernelEra: 'amd-6.1',
    iova: { forcedac: false, maskBits: 48 },
    flushQueue: { entries: 256, timeoutNs: 10_000_000, single: false },
    cpus: 0,
    contiguousPages: 64,
    bounceSlots: 32_768,
    costs: {
      iovaAllocNs: 30,
      iovaAllocSlowNs: 300,
      iovaFreeNs: 30,
      mapNs: 100,
      mapPageNs: 10,
      unmapNs: 100,
      unmapPageNs: 10,
      invalidateSubmitNs: 100,
      completionPollNs: 500,
      lockHandoffNs: 50,
      bounceNs: 200,
      copyKibNs: 100,
      packetNs: 300,
      exitNs: 2000,
    },
    viommu: { batched: false, emulatedExitNs: 10_000, shadowPageNs: 200, domainIds: 65_536, readerTlbEntries: 8 },
    ...overrides,
  };
}

/** @type {(format: string, levels: number, leafLog2?: number) => StageSpec} */
export function stageSpec(format, levels, leafLog2 = 12) {
  return { format, levels, leafLog2 };
}

/** @type {(overrides?: Partial<WindowTraffic>) => { model: 'uniform' } & WindowTraffic} */
export function uniformTraffic(overrides = {}) {
  return {
    model: 'uniform',
    windowBytes: 1 << 20,
    transferBytes: 64,
    readFraction: 1,
    outstanding: 4,
    ratePerSecond: 0,
    arrivals: 'fixed',
    ...overrides,
  };
}

/** @type {(overrides?: Partial<NicTraffic>) => NicTraffic} */
export function nicTraffic(overrides = {}) {
  return {
    model: 'nic',
    queues: 1,
    direction: 'rx',
    offeredGbps: 0,
    mtuBytes: 1500,
    ringEntries: 64,
    bufferBytes: 2048,
    descriptorBytes: 16,
    completionBytes: 16,
    descriptorBatch: 8,
    pollBatch: 16,
    flows: 1,
    burstPackets: 1,
    buffersPerDescriptor: 1,
    completionCpu: 'same',
    recycle: { pages: 0, order: 'fifo', holdNs: 0 },
    ...overrides,
  };
}

/**
 * `count` alike devices with the indexes first, first + 1, …, dealt over `units` in turn.
 * @type {(count: number, overrides?: Partial<DeviceSpec>, units?: number, first?: number) => DeviceSpec[]}
 */
export function deviceSpecs(count, overrides = {}, units = 1, first = 0) {
  return Array.from({ length: count }, (_, i) => ({
    name: `dev${first + i}`,
    index: first + i,
    bdf: 0x100 + first + i,
    unit: (first + i) % units,
    pasid: -1,
    link: linkSpec(),
    untrusted: false,
    traffic: uniformTraffic(),
    ...overrides,
  }));
}

/** @type {(overrides?: Partial<TenantSpec>) => TenantSpec} */
export function tenantSpec(overrides = {}) {
  return {
    name: 'tenant',
    mode: 'host',
    host: stageSpec('amd-v1', 4),
    guest: stageSpec('amd-v2', 4),
    policy: 'static',
    memoryBytes: 2 ** 34,
    devices: deviceSpecs(1),
    ...overrides,
  };
}

/** @type {(overrides?: Partial<RunLimits>) => RunLimits} */
export function runLimits(overrides = {}) {
  return {
    requests: 10_000,
    durationNs: 0,
    warmupNs: 0,
    warmupRequests: 0,
    quantumNs: 1000,
    intervalNs: 0,
    missCauses: false,
    debug: false,
    ...overrides,
  };
}

/** @type {(overrides?: Partial<RunSpec>) => RunSpec} */
export function runSpec(overrides = {}) {
  return {
    scenario: 'test',
    point: '',
    values: {},
    seed: 1,
    machine: machineSpec(),
    os: osSpec(),
    tenants: [tenantSpec()],
    run: runLimits(),
    ...overrides,
  };
}
