// @ts-check
/**
 * The fixed cases of the benchmark. Each is a RunSpec that the real engine runs from set-up to result; `floor` is what one core must
 * reach at least, in millions a second of `unit`, on the machine where it was set; `yardstick` is what yardstick/ runs beside it, and the share of
 * its speed that the floor was there.
 *
 * @import { RunSpec, TenantSpec } from '../../src/spec.ts'
 */
import {
  cacheSpec,
  deviceSpecs,
  machineSpec,
  nicTraffic,
  noCache,
  runLimits,
  runSpec,
  stageSpec,
  tenantSpec,
  uniformTraffic,
  withoutWalkCaches,
} from '../support/spec.mjs';

export const MIB = 1 << 20;
export const GIB = 1 << 30;
const DEVICES = 64;

/** 16 Ki lines in front of DRAM, as large as a processor's share of last-level cache for tables. */
const lineCache = cacheSpec(16_384, 8);
export const v1 = stageSpec('amd-v1', 4);
export const v2 = stageSpec('amd-v2', 4);

/** @type {(windowBytes: number, requests: number, tenant: Partial<TenantSpec>, machine?: object, count?: number) => RunSpec} */
export function windows(windowBytes, requests, tenant, machine = {}, count = DEVICES) {
  const devices = deviceSpecs(count, { traffic: uniformTraffic({ windowBytes, outstanding: 256 / count }) });
  return runSpec({
    machine: machineSpec({ lineCache, ...machine }),
    tenants: [tenantSpec({ devices, ...tenant })],
    run: runLimits({ requests, warmupRequests: requests / 20 }),
  });
}

/** Devices with an ATC of 64 entries. @type {(windowBytes: number, requests: number) => RunSpec} */
function atcs(windowBytes, requests) {
  const ats = {
    ...{ ...cacheSpec(64), leafLog2: [12, 21], allowed: true, requestPages: 1, outstanding: 32, invalidateQueue: 32 },
    ...{ lookupNs: 5, messageNs: 100, invalidateNs: 50, invalidateTimeoutNs: 9e10 },
  };
  const devices = deviceSpecs(DEVICES, { ats, traffic: uniformTraffic({ windowBytes, outstanding: 4 }) });
  return runSpec({
    machine: machineSpec({ lineCache, iotlb: hashed }),
    tenants: [tenantSpec({ mode: 'host', host: v1, devices })],
    run: runLimits({ requests, warmupRequests: requests / 20 }),
  });
}

const bulk = { mtuBytes: 4096, ringEntries: 1024, bufferBytes: 4096, pollBatch: 64, flows: 16, burstPackets: 16 };
export const uncached = { ...withoutWalkCaches };
/** Each device has a domain of its own, and all domains use the same top IOVAs: only a hash spreads them over the sets. */
export const hashed = {
  ...cacheSpec(512, 8),
  index: /** @type {const} */ ('hash'),
  leafLog2: [12, 21, 30],
  fracture: true,
  l1: noCache,
};
/** An IOTLB that keeps any leaf in pieces of 4 KiB, so that every request walks. */
const onlySmallLeaves = { ...cacheSpec(512, 8), leafLog2: [12], fracture: true, l1: noCache };

/** @typedef {{ windowPages: number, isNested: boolean, requests: number, share: number }} Yardstick */

/** @type {readonly { name: string, what: string, spec: RunSpec, unit: 'requests' | 'reads', floor?: number, yardstick?: Yardstick }[]} */
export const CASES = [
  {
    name: 'hits',
    what: '64 devices of two pages each, all in a 64 x 8 IOTLB',
    spec: windows(8 * 1024, 20_000_000, { mode: 'host', host: v1 }, { iotlb: hashed }),
    unit: 'requests',
    floor: 30,
    yardstick: { windowPages: 2, isNested: false, requests: 10_000_000, share: 0.79 },
  },
  {
    name: 'ATC hits',
    what: 'the same devices with an ATC each that holds their pages',
    spec: atcs(8 * 1024, 10_000_000),
    unit: 'requests',
  },
  {
    name: 'ATC misses',
    what: 'the same with 1 MiB each: one look-up in four hits, the others ask the unit',
    spec: atcs(MIB, 3_000_000),
    unit: 'requests',
  },
  {
    name: 'one stage, 4 reads',
    what: 'amd-v1, 4 levels, every request misses, walk caches off',
    spec: windows(16 * MIB, 6_000_000, { mode: 'host', host: v1 }, uncached),
    unit: 'requests',
    floor: 10,
    yardstick: { windowPages: 4096, isNested: false, requests: 4_000_000, share: 0.72 },
  },
  {
    name: 'one stage, small',
    what: 'the same with windows of 1 MiB, whose tables fit into the processor’s own caches',
    spec: windows(MIB, 6_000_000, { mode: 'host', host: v1 }, { ...uncached, iotlb: hashed }),
    unit: 'requests',
    floor: 10,
    yardstick: { windowPages: 256, isNested: false, requests: 4_000_000, share: 0.72 },
  },
  {
    name: 'nested, 15 reads',
    what: 'amd-v2 over amd-v1, 4 x 4, 2 MiB leaves, walk caches and nested TLB off',
    spec: windows(
      16 * MIB,
      3_000_000,
      { mode: 'nested', host: stageSpec('amd-v1', 4, 21), guest: stageSpec('amd-v2', 4, 21), memoryBytes: 2 * GIB },
      { ...uncached, iotlb: onlySmallLeaves },
    ),
    unit: 'requests',
  },
  {
    name: 'cold nested, 24 reads',
    what: 'amd-v2 over amd-v1, 4 x 4, 4 KiB leaves, walk caches and nested TLB off',
    spec: windows(16 * MIB, 2_000_000, { mode: 'nested', host: v1, guest: v2, memoryBytes: 2 * GIB }, uncached),
    unit: 'reads',
    floor: 62,
    yardstick: { windowPages: 4096, isNested: true, requests: 1_500_000, share: 0.74 },
  },
  {
    name: 'cold nested, small',
    what: 'the same with windows of 1 MiB',
    spec: windows(
      MIB,
      3_000_000,
      { mode: 'nested', host: v1, guest: v2, memoryBytes: 2 * GIB },
      { ...uncached, iotlb: hashed },
    ),
    unit: 'reads',
    floor: 62,
    yardstick: { windowPages: 256, isNested: true, requests: 1_500_000, share: 0.74 },
  },
  {
    name: 'nested, caches on',
    what: 'the same with walk caches and nested TLB',
    spec: windows(16 * MIB, 4_000_000, { mode: 'nested', host: v1, guest: v2, memoryBytes: 2 * GIB }),
    unit: 'requests',
  },
  {
    name: 'strict NIC',
    what: '4 NICs that map, translate and unmap each buffer',
    spec: nics('strict', 2_000_000),
    unit: 'requests',
  },
  {
    name: 'mixed',
    what: 'nested NICs, static, beside one-stage windows',
    spec: mixed(4_000_000),
    unit: 'requests',
  },
];

/** Four units, 16 devices each, all missing: the case that two threads must run 1.7 times as fast as one. */
export const FOUR_UNITS = runSpec({
  machine: machineSpec({ lineCache, units: 4, ...uncached }),
  tenants: Array.from({ length: 4 }, (_, unit) =>
    tenantSpec({
      name: `tenant${unit}`,
      host: v1,
      devices: deviceSpecs(
        16,
        { unit, traffic: uniformTraffic({ windowBytes: 16 * MIB, outstanding: 16 }) },
        1,
        16 * unit,
      ),
    }),
  ),
  run: runLimits({ requests: 24_000_000, warmupRequests: 800_000 }),
});

/** One gigabyte window, mapped densely: what tables cost. */
export const DENSE = runSpec({
  tenants: [tenantSpec({ host: v1, devices: deviceSpecs(1, { traffic: uniformTraffic({ windowBytes: GIB }) }) })],
  run: runLimits({ requests: 1000 }),
});

/** @type {(policy: 'strict' | 'static', requests: number) => RunSpec} */
function nics(policy, requests) {
  return runSpec({
    machine: machineSpec({ lineCache }),
    tenants: [tenantSpec({ policy, host: v1, devices: deviceSpecs(4, { traffic: nicTraffic(bulk) }) })],
    run: runLimits({ requests, warmupRequests: requests / 20 }),
  });
}

/** @type {(requests: number) => RunSpec} */
function mixed(requests) {
  const guest = { mode: /** @type {const} */ ('nested'), host: v1, guest: v2, memoryBytes: 2 * GIB };
  return runSpec({
    machine: machineSpec({ lineCache }),
    tenants: [
      tenantSpec({
        name: 'vm',
        ...guest,
        devices: deviceSpecs(8, { traffic: nicTraffic({ ...bulk, direction: 'both' }) }),
      }),
      tenantSpec({
        name: 'host',
        host: v1,
        devices: deviceSpecs(
          8,
          { traffic: uniformTraffic({ windowBytes: 4 * MIB, readFraction: 0.5, outstanding: 8 }) },
          1,
          8,
        ),
      }),
    ],
    run: runLimits({ requests, warmupRequests: requests / 20 }),
  });
}
