import { describe, expect, it } from 'vitest';
import {
  C_DEPTH,
  C_FAULTS,
  C_HITS,
  C_LOOKUPS,
  C_MISSES,
  C_READS,
  C_TRANSLATED,
  C_UNTRANSLATED,
  C_WALKS,
  FAULT_NOT_PRESENT,
} from '../../src/kernel/layout.ts';
import { OP_READ, OP_WRITE } from '../../src/request.ts';
import { dealUnits, simulate } from '../../src/sim/simulate.ts';
import type { RunSpec, TraceRows } from '../../src/spec.ts';
import { sumCounters, sumSlots } from '../../src/stats/counters.ts';
import type { RunResult } from '../../src/stats/result.ts';
import { kernelModule } from '../support/kernel.ts';
import {
  cacheSpec,
  deviceSpecs,
  machineSpec,
  nicTraffic,
  noCache,
  osSpec,
  runLimits,
  runSpec,
  stageSpec,
  tenantSpec,
  uniformTraffic,
  withoutWalkCaches,
} from '../support/spec.mjs';

const MIB = 1 << 20;

function run(spec: RunSpec): RunResult {
  return simulate({ ...spec, run: { ...spec.run, debug: true } }, kernelModule);
}

function counters(result: RunResult): Float64Array {
  return sumCounters(result.devices.map((device) => device.counters));
}

const fullyAssociative = (entries: number) => ({ ...cacheSpec(entries), leafLog2: [12], fracture: true, l1: noCache });

describe('a window larger than a fully associative IOTLB', () => {
  it.each(['lru', 'fifo', 'random'] as const)('has hit ratio entries / pages (%s)', (replacement) => {
    const iotlb = { ...fullyAssociative(128), replacement };
    const devices = deviceSpecs(1, { traffic: uniformTraffic({ windowBytes: MIB, outstanding: 1 }) });
    const spec = runSpec({
      machine: machineSpec({ iotlb }),
      tenants: [tenantSpec({ devices })],
      run: runLimits({ requests: 200_000, warmupRequests: 5000 }),
    });
    const total = counters(run(spec));
    expect(Math.abs(total[C_HITS] / total[C_LOOKUPS] - 128 / 256)).toBeLessThan(0.005);
  });
});

describe('walks without caches', () => {
  const tiny = { ...withoutWalkCaches, iotlb: fullyAssociative(1) };
  const devices = deviceSpecs(2, { traffic: uniformTraffic({ windowBytes: 16 * MIB }) });

  it.each([
    ['one stage, 4 levels', { mode: 'host', host: stageSpec('amd-v1', 4) }, 4],
    ['one stage, amd-v2, 5 levels', { mode: 'host', host: stageSpec('amd-v2', 5) }, 5],
    ['nested 4 × 4, 4 KiB leaves', { mode: 'nested', host: stageSpec('amd-v1', 4), guest: stageSpec('amd-v2', 4) }, 24],
    [
      'nested 4 × 4, 2 MiB guest',
      { mode: 'nested', host: stageSpec('amd-v1', 4), guest: stageSpec('amd-v2', 4, 21) },
      19,
    ],
    // The guest's tables lie behind 2 MiB leaves as well: 3 pointers × (3 + 1) reads, and 3 for the data.
    [
      'nested 4 × 4, 2 MiB leaves',
      { mode: 'nested', host: stageSpec('amd-v1', 4, 21), guest: stageSpec('amd-v2', 4, 21) },
      15,
    ],
    ['nested 5 × 4', { mode: 'nested', host: stageSpec('amd-v1', 4), guest: stageSpec('amd-v2', 5) }, 29],
  ] as const)('%s: every walk reads as many entries', (_name, tenant, reads) => {
    const memoryBytes = 64 * MIB;
    const result = run(
      runSpec({ machine: machineSpec(tiny), tenants: [tenantSpec({ ...tenant, devices, memoryBytes })] }),
    );
    const total = counters(result);
    expect(total[C_FAULTS]).toBe(0);
    expect(total[C_WALKS]).toBeGreaterThan(9000);
    expect(total[C_DEPTH + reads]).toBe(total[C_WALKS]);
    // GCR3 pointers of a guest are translated by the host stage too: those reads come on top.
    expect(sumSlots(total, C_READS, 16) / total[C_WALKS]).toBeGreaterThanOrEqual(reads);
  });
});

describe('modes', () => {
  it('passthrough translates nothing', () => {
    const result = run(runSpec({ tenants: [tenantSpec({ mode: 'passthrough' })] }));
    const total = counters(result);
    expect([total[C_TRANSLATED], total[C_UNTRANSLATED], total[C_FAULTS]]).toEqual([0, 10_000, 0]);
  });

  it('a table of three levels grows when the IOVAs leave it', () => {
    const os = osSpec({ iova: { forcedac: true, maskBits: 48 } });
    const spec = runSpec({
      os,
      machine: machineSpec({ ...withoutWalkCaches, iotlb: fullyAssociative(1) }),
      tenants: [tenantSpec({ host: stageSpec('amd-v1', 3) })],
    });
    const total = counters(run(spec));
    expect(total[C_FAULTS]).toBe(0);
    expect(total[C_DEPTH + 4]).toBe(total[C_WALKS]);
  });

  it('a PASID goes through a GCR3 table of as many levels as it needs', () => {
    for (const pasid of [0, 5, 700, 300_000]) {
      const devices = deviceSpecs(1, { pasid });
      for (const mode of ['host', 'nested'] as const) {
        const host = stageSpec(mode === 'host' ? 'amd-v2' : 'amd-v1', 4);
        const result = run(runSpec({ tenants: [tenantSpec({ mode, host, devices, memoryBytes: 64 * MIB })] }));
        expect(counters(result)[C_FAULTS]).toBe(0);
        expect(counters(result)[C_TRANSLATED]).toBe(10_000);
      }
    }
  });
});

describe('limits', () => {
  it('counts exactly the requests asked for, over all units', () => {
    const machine = machineSpec({ units: 3 });
    const tenants = [tenantSpec({ devices: deviceSpecs(5, {}, 3) })];
    const result = run(runSpec({ machine, tenants, run: runLimits({ requests: 12_345, warmupRequests: 1000 }) }));
    expect(result.devices.reduce((sum, device) => sum + device.requests, 0)).toBe(12_345);
    expect(result.warmupPs).toBeGreaterThan(0);
    for (const device of result.devices) expect(device.translation.count).toBe(device.requests);
    for (const device of result.devices) expect(device.completion.count).toBe(device.requests);
  });

  it('runs for exactly the time asked for', () => {
    const result = run(runSpec({ run: runLimits({ requests: 0, durationNs: 54_321, warmupNs: 777 }) }));
    expect([result.measuredPs, result.warmupPs]).toEqual([54_321_000, 777_000]);
  });

  it('leaves warm-up out: all that is cold happens before', () => {
    const devices = deviceSpecs(1, { traffic: uniformTraffic({ windowBytes: MIB }) });
    const limits = { requests: 5000, warmupRequests: 20_000 };
    const result = run(runSpec({ tenants: [tenantSpec({ devices })], run: runLimits(limits) }));
    expect(counters(result)[C_MISSES]).toBe(0);
    expect(counters(result)[C_LOOKUPS]).toBe(5000);
    expect(run(runSpec({ tenants: [tenantSpec({ devices })] })).devices[0].counters[C_MISSES]).toBeGreaterThanOrEqual(
      256,
    );
  });

  it('a timeline adds up to the whole', () => {
    const result = run(
      runSpec({ tenants: [tenantSpec({ devices: deviceSpecs(3) })], run: runLimits({ intervalNs: 10_000 }) }),
    );
    const sum = (field: 'requests' | 'bytes' | 'iotlbHits' | 'translationPs'): number =>
      result.timeline.reduce((total, row) => total + row[field], 0);
    expect(sum('requests')).toBe(10_000);
    expect(sum('bytes')).toBe(640_000);
    expect(sum('iotlbHits')).toBe(counters(result)[C_HITS]);
    expect(sum('translationPs')).toBe(result.devices.reduce((total, { translation }) => total + translation.sum, 0));
    const times = [...new Set(result.timeline.map(({ timePs }) => timePs))];
    expect(times.slice(0, -1)).toEqual(times.slice(0, -1).map((_, i) => (i + 1) * 10_000_000));
    expect(times.at(-1)).toBe(result.measuredPs);
  });
});

describe('operating system', () => {
  it.each(['strict', 'lazy', 'static'] as const)('%s: a NIC maps and unmaps without ever faulting', (policy) => {
    for (const mode of ['host', 'nested'] as const) {
      const devices = deviceSpecs(2, { traffic: nicTraffic({ direction: 'both' }) });
      const result = run(
        runSpec({
          tenants: [tenantSpec({ mode, policy, devices, memoryBytes: 64 * MIB })],
          run: runLimits({ requests: 20_000, warmupRequests: 2000 }),
        }),
      );
      expect(counters(result)[C_FAULTS]).toBe(0);
      const maps = result.devices.reduce((sum, { driver }) => sum + driver.maps, 0);
      const exits = result.devices.reduce((sum, { driver }) => sum + driver.vmExits, 0);
      if (policy === 'static') expect(maps).toBe(0);
      else expect(maps).toBeGreaterThan(1000);
      expect(exits > 0).toBe(mode === 'nested' && policy !== 'static');
    }
  });

  it('invalidations of strict mode empty the IOTLB of what was unmapped', () => {
    const devices = deviceSpecs(1, { traffic: nicTraffic() });
    const result = run(
      runSpec({ tenants: [tenantSpec({ policy: 'strict', devices })], run: runLimits({ requests: 20_000 }) }),
    );
    expect(result.units[0].invalidatedEntries).toBeGreaterThan(500);
    expect(result.units[0].commands).toBe(2 * result.devices[0].driver.invalidationCommands);
  });
});

describe('replay', () => {
  function rows(list: readonly (readonly [ns: number, page: number, op: number])[]): TraceRows {
    return {
      issuePs: Float64Array.from(list, ([ns]) => ns * 1000),
      page: Float64Array.from(list, ([, page]) => page),
      offset: new Uint16Array(list.length),
      lengthBytes: new Uint32Array(list.length).fill(64),
      op: Uint8Array.from(list, ([, , op]) => op),
    };
  }

  it('ends with the trace', () => {
    const traffic = {
      model: 'replay' as const,
      path: '',
      outstanding: 0,
      rows: rows([
        [0, 5, OP_READ],
        [1e6, 6, OP_WRITE],
        [2e6, 1e9, OP_READ],
      ]),
    };
    const result = run(runSpec({ tenants: [tenantSpec({ devices: deviceSpecs(1, { traffic }) })] }));
    expect(result.devices[0]).toMatchObject({ reads: 2, writes: 1, readBytes: 128, writeBytes: 64 });
    expect(counters(result)[C_FAULTS]).toBe(0);
    expect(result.measuredPs).toBeGreaterThanOrEqual(2e9);
  });

  it('of an address outside every mapping faults and goes on', () => {
    const map = 4;
    const unmap = 5;
    const list = [
      [0, 5, map],
      [10_000, 5, OP_READ],
      [20_000, 5, unmap],
      [50_000, 5, OP_READ],
      [60_000, 5, OP_READ],
    ] as const;
    const traffic = { model: 'replay' as const, path: '', outstanding: 0, rows: rows(list) };
    const result = run(runSpec({ tenants: [tenantSpec({ policy: 'strict', devices: deviceSpecs(1, { traffic }) })] }));
    expect(counters(result)[C_FAULTS]).toBe(2);
    expect(result.faults).toMatchObject([
      { device: 0, code: FAULT_NOT_PRESENT, page: 5, access: OP_READ },
      { device: 0, code: FAULT_NOT_PRESENT, page: 5, access: OP_READ },
    ]);
    expect(result.faults[0].timePs).toBeGreaterThan(50_000_000);
  });
});

describe('dealing units', () => {
  it('gives every unit to one thread, the heaviest apart', () => {
    const tenants = [
      tenantSpec({
        devices: [
          ...deviceSpecs(6, { unit: 0 }),
          ...deviceSpecs(2, { unit: 1 }, 1, 6),
          ...deviceSpecs(3, { unit: 2 }, 1, 8),
        ],
      }),
    ];
    const spec = runSpec({ machine: machineSpec({ units: 4 }), tenants });
    expect(dealUnits(spec, 1)).toEqual([[0, 1, 2, 3]]);
    expect(dealUnits(spec, 2)).toEqual([[0], [1, 2, 3]]);
  });
});
