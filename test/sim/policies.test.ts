/** What mapping policies, kernels and cores mean for whole runs: the claims that scenarios rest on. */
import { describe, expect, it } from 'vitest';
import { C_MISSES, C_PWC_HITS, C_PWC_LOOKUPS, C_WALKS } from '../../src/kernel/layout.ts';
import { createMemory, Kernel } from '../../src/kernel/kernel.ts';
import { OP_WRITE } from '../../src/request.ts';
import { openWindows } from '../../src/sim/device-tables.ts';
import { planMemory } from '../../src/sim/memory-plan.ts';
import { simulate } from '../../src/sim/simulate.ts';
import { TableRules } from '../../src/sim/table-rules.ts';
import { UnitSystem } from '../../src/sim/unit-system.ts';
import type { KernelEra, NicTraffic, OsSpec, Policy, RunSpec } from '../../src/spec.ts';
import { sumCounters } from '../../src/stats/counters.ts';
import type { RunResult } from '../../src/stats/result.ts';
import { PROT_WRITE } from '../../src/traffic/mapper.ts';
import { kernelModule } from '../support/kernel.ts';
import {
  deviceSpecs,
  linkSpec,
  nicTraffic,
  osSpec,
  runLimits,
  runSpec,
  stageSpec,
  tenantSpec,
} from '../support/spec.mjs';

const HOST_LEVELS = 8;

const nic: NicTraffic = nicTraffic({ queues: 4, mtuBytes: 4096, bufferBytes: 4096, flows: 16 });

interface Setting {
  readonly policy?: Policy;
  readonly traffic?: Partial<NicTraffic>;
  readonly os?: Partial<OsSpec>;
  readonly era?: KernelEra;
  readonly costs?: Partial<OsSpec['costs']>;
  readonly gbps?: number;
}

function nicSpec({ policy = 'strict', traffic, os, era = 'intel-6.1', costs, gbps = 200 }: Setting): RunSpec {
  const base = osSpec({ kernelEra: era, ...os });
  const devices = deviceSpecs(1, { link: { ...linkSpec(), gbps }, traffic: { ...nic, ...traffic } });
  return runSpec({
    os: { ...base, costs: { ...base.costs, ...costs } },
    tenants: [tenantSpec({ policy, devices })],
    run: runLimits({ requests: 40_000, warmupRequests: 16_000, debug: true }),
  });
}

const runNic = (setting: Setting): RunResult => simulate(nicSpec(setting), kernelModule);
const driver = (result: RunResult) => result.devices[0].driver;
/** Packets written, each with its completion. */
const packets = (result: RunResult): number => result.devices[0].writeBytes / (nic.mtuBytes + nic.completionBytes);
const gbps = (result: RunResult): number => (8000 * result.devices[0].writeBytes) / result.measuredPs;
const busy = (result: RunResult): number[] => result.units[0].cpus!.map(({ busyPs }) => busyPs / result.measuredPs);

/** Walk-cache misses a packet by level of the host's table. */
function walkCacheMisses(result: RunResult): number[] {
  const counters = sumCounters(result.devices.map((device) => device.counters));
  return [1, 2, 3].map((level) => {
    const slot = HOST_LEVELS + level;
    return (counters[C_PWC_LOOKUPS + slot] - counters[C_PWC_HITS + slot]) / packets(result);
  });
}

describe('one 4 KiB buffer a packet', () => {
  it('strict: has at least one IOTLB miss and one walk a page', () => {
    const strict = runNic({});
    const counters = sumCounters(strict.devices.map((device) => device.counters));
    expect(packets(strict)).toBeGreaterThan(1000);
    expect(counters[C_MISSES] / packets(strict)).toBeGreaterThanOrEqual(1);
    expect(counters[C_WALKS]).toBeGreaterThanOrEqual(Math.floor(packets(strict)));
    expect(driver(strict).unmaps / packets(strict)).toBeCloseTo(1, 1);
  });

  it('strict: misses walk caches where the kernel drops them', () => {
    const [last, ...upper] = walkCacheMisses(runNic({}));
    expect(last).toBeGreaterThan(0.1);
    expect(Math.max(...upper)).toBeGreaterThan(0.1);
  });

  it('contiguous: no walk-cache misses at the upper levels, at most 0.054 a page at the last', () => {
    const result = runNic({ policy: 'contiguous', traffic: { buffersPerDescriptor: 64, ringEntries: 256 } });
    const [last, ...upper] = walkCacheMisses(result);
    expect(upper).toEqual([0, 0]);
    expect(last).toBeLessThanOrEqual(0.054);
    expect(driver(result).maps).toBeGreaterThan(1000);
    expect(driver(result).invalidationCommands).toBe(driver(result).unmaps);
    expect(driver(result).maps / driver(result).invalidationCommands).toBeGreaterThan(50);
  });

  it('static: maps nothing after warm-up', () => {
    const { maps, unmaps, invalidationCommands } = driver(runNic({ policy: 'static' }));
    expect([maps, unmaps, invalidationCommands]).toEqual([0, 0, 0]);
  });

  it('recycled by the driver: only pages that sockets keep are mapped, whatever the policy', () => {
    const recycle = { pages: 128, order: 'fifo' as const, holdNs: 30_000 };
    const strict = runNic({ traffic: { recycle } });
    expect(driver(strict).maps / packets(strict)).toBeLessThan(0.9);
    expect(driver(strict).maps / packets(strict)).toBeGreaterThan(0.05);
  });
});

describe('cores', () => {
  it('limit throughput when they are busy: twice the work, half the packets', () => {
    const one = runNic({ policy: 'static', traffic: { queues: 2 }, costs: { packetNs: 1000 } });
    const two = runNic({ policy: 'static', traffic: { queues: 2 }, costs: { packetNs: 2000 } });
    expect(gbps(one) / gbps(two)).toBeCloseTo(2, 1);
    for (const share of [...busy(one), ...busy(two)]) expect(share).toBeCloseTo(1, 2);
  });

  it('are idle for the rest of the time when the load is what limits', () => {
    const result = runNic({
      policy: 'static',
      traffic: { queues: 2, offeredGbps: 10 },
      costs: { packetNs: 1000 },
    });
    // Two queues share 10 Gbit/s: 4134 bytes with what is around a packet on the wire.
    const packetsPerNs = 10 / 8 / 4134 / 2;
    for (const share of busy(result)) expect(share).toBeCloseTo(1000 * packetsPerNs, 1);
  });

  it('are as many as os.cpus says, and shared by queues and devices', () => {
    const queues = { policy: 'static', traffic: { queues: 4 }, costs: { packetNs: 1000 } } as const;
    const four = runNic(queues);
    const two = runNic({ ...queues, os: { cpus: 2 } });
    expect([busy(four).length, busy(two).length]).toEqual([4, 2]);
    expect(gbps(four) / gbps(two)).toBeCloseTo(2, 1);
  });

  it('account for all of the driver’s time', () => {
    const result = runNic({});
    const total = result.units[0].cpus!.reduce((sum, { busyPs }) => sum + busyPs, 0);
    expect(total / driver(result).cpuPs).toBeCloseTo(1, 2);
  });
});

describe('strict against lazy as cores grow', () => {
  const ratio = (era: KernelEra, queues: number): number => {
    const strict = runNic({ era, traffic: { queues } });
    return gbps(strict) / gbps(runNic({ era, policy: 'lazy', traffic: { queues } }));
  };

  it('AMD: falls behind, because the flush of a domain holds its lock', () => {
    expect(ratio('amd-6.12', 4)).toBeLessThan(0.8 * ratio('amd-6.12', 1));
  });

  it('Intel: keeps its distance, because the lock is held only while commands are written', () => {
    expect(ratio('intel-6.12', 4)).toBeGreaterThan(0.9 * ratio('intel-6.12', 1));
  });

  it('spends the time on locks', () => {
    const locked = driver(runNic({ era: 'amd-6.12' }));
    expect(locked.cpuLockPs! / locked.cpuPs).toBeGreaterThan(0.5);
  });
});

describe('an unmap of two pages', () => {
  /** How many of the 512 pages around a 1 MiB boundary still hit after that unmap. */
  function hitsLeft(era: KernelEra): number {
    const spec = runSpec({
      os: osSpec({ kernelEra: era }),
      tenants: [tenantSpec({ policy: 'strict', host: stageSpec('amd-v1', 4) })],
    });
    const plan = planMemory(spec);
    const kernel = new Kernel(kernelModule, createMemory(Math.ceil(plan.totalBytes / 65_536) + 1));
    for (const space of plan.spaces) openWindows(kernel, space);
    const unit = new UnitSystem(spec, kernel, new TableRules(kernel, plan.rules, spec), plan, 0);
    const [{ mapper, ctx }] = unit.devices;
    mapper.mapStaticAt(0x1000, 0x500000, 512, PROT_WRITE);
    const use = (nowPs: number): number => {
      const before = unit.iommu.counters(ctx)[C_MISSES];
      for (let page = 0; page < 512; page++) kernel.exports.translate(ctx, 0x1000 + page, OP_WRITE, nowPs + page * 1e6);
      return 512 - (unit.iommu.counters(ctx)[C_MISSES] - before);
    };
    expect([use(1e9), use(2e9)]).toEqual([0, 512]);
    mapper.work(3e9, 0);
    mapper.unmapAt(0x10ff, 2);
    unit.commands.process(mapper.cpuFreePs);
    return use(mapper.cpuFreePs + 1e9);
  }

  it('across a 1 MiB boundary invalidates 2 MiB worth of entries on AMD', () => {
    for (const era of ['amd-6.1', 'amd-6.12', 'amd-7.2'] as const) expect(hitsLeft(era)).toBe(0);
  });
});
