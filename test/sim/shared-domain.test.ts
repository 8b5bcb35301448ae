/** Domains with devices behind several units: who is told of what, when, and what that costs. */
import { describe, expect, it } from 'vitest';
import { C_FAULTS, C_STALE } from '../../src/kernel/layout.ts';
import { OP_MAP, OP_UNMAP, OP_WRITE } from '../../src/request.ts';
import { simulate } from '../../src/sim/simulate.ts';
import type {
  KernelEra,
  NicTraffic,
  RunLimits,
  TenantMode,
  TenantSpec,
  TraceRows,
  TrafficSpec,
} from '../../src/spec.ts';
import type { RunResult } from '../../src/stats/result.ts';
import { kernelModule } from '../support/kernel.ts';
import {
  deviceSpecs,
  machineSpec,
  nicTraffic,
  osSpec,
  runLimits,
  runSpec,
  stageSpec,
  tenantSpec,
  uniformTraffic,
} from '../support/spec.mjs';

const MIB = 1 << 20;

const NIC: NicTraffic = nicTraffic({ offeredGbps: 20 });

/** Devices dealt over the units in turn, all in one domain. */
function run(
  units: number,
  traffic: readonly TrafficSpec[],
  tenant: Partial<TenantSpec>,
  limits: Partial<RunLimits> = {},
  kernelEra?: KernelEra,
): RunResult {
  const devices = traffic.map((each, i) => deviceSpecs(1, { traffic: each, domain: 'all' }, units, i)[0]);
  const spec = runSpec({
    machine: machineSpec({ units }),
    ...(kernelEra === undefined ? {} : { os: osSpec({ kernelEra }) }),
    tenants: [tenantSpec({ policy: 'strict', memoryBytes: 64 * MIB, devices, ...tenant })],
    run: runLimits({ requests: 4000, debug: true, ...limits }),
  });
  return simulate(spec, kernelModule);
}

const total = (result: RunResult, field: 'maps' | 'unmaps' | 'invalidationCommands' | 'staleUses'): number =>
  result.devices.reduce((sum, { driver }) => sum + driver[field], 0);
const faults = (result: RunResult): number => result.devices.reduce((sum, d) => sum + d.counters[C_FAULTS], 0);

describe('a domain behind several units', () => {
  const modes: readonly (readonly [string, TenantMode, Partial<TenantSpec>])[] = [
    ['amd-v1', 'host', {}],
    ['amd-v2', 'host', { host: stageSpec('amd-v2', 4) }],
    ['nested', 'nested', {}],
  ];

  it.each(modes)('sends every invalidation to each of them (%s)', (_, mode, fields) => {
    const result = run(3, [NIC, NIC, NIC], { mode, ...fields });
    expect(faults(result)).toBe(0);
    const [unmaps, sent] = [total(result, 'unmaps'), total(result, 'invalidationCommands')];
    expect(unmaps).toBeGreaterThan(100);
    expect(sent).toBe(3 * unmaps);
    // Each unit takes one invalidation and one wait for every unmap, apart from what is still under way at the end.
    for (const { commands } of result.units) {
      expect(commands).toBeGreaterThan(2 * unmaps - 200);
      expect(commands).toBeLessThanOrEqual(2 * unmaps + 200);
    }
    expect(result.units.every(({ effectsDelayed }) => effectsDelayed > 0)).toBe(true);
  });

  it('has effects that come late, the more the longer the quantum is, and none if it is behind one unit', () => {
    const late = (units: number, quantumNs: number): number =>
      run(units, [NIC, NIC], {}, { quantumNs }).units.reduce((sum, { effectsDelayed }) => sum + effectsDelayed, 0);
    expect(late(1, 1000)).toBe(0);
    expect(late(2, 100)).toBeGreaterThan(0);
    expect(late(2, 100_000)).toBeGreaterThan(late(2, 100));
  });

  it('makes unmaps wait for all units, about as long whatever the quantum is', () => {
    const waitNs = (units: number, quantumNs: number): number => {
      const result = run(units, [NIC, NIC], {}, { quantumNs });
      return result.devices.reduce((sum, { driver }) => sum + driver.cpuWaitPs, 0) / total(result, 'unmaps') / 1000;
    };
    const [one, short, long] = [waitNs(1, 1000), waitNs(2, 500), waitNs(2, 20_000)];
    expect(short).toBeGreaterThan(1.3 * one);
    expect(Math.abs(long / short - 1)).toBeLessThan(0.25);
  });

  it('gives each unit IOVAs of its own: nothing is mapped twice, nothing faults, tables agree', () => {
    for (const policy of ['strict', 'lazy', 'static'] as const) {
      const result = run(4, [NIC, NIC, NIC, NIC, uniformTraffic({ windowBytes: 8 * MIB })], { policy });
      expect([policy, faults(result), result.devices.reduce((sum, d) => sum + d.driver.mapFailures, 0)]).toEqual([
        policy,
        0,
        0,
      ]);
    }
  });
});

function rows(list: readonly (readonly [ns: number, page: number, op: number])[]): TraceRows {
  return {
    issuePs: Float64Array.from(list, ([ns]) => ns * 1000),
    page: Float64Array.from(list, ([, page]) => page),
    offset: new Uint16Array(list.length),
    lengthBytes: new Uint32Array(list.length).fill(64),
    op: Uint8Array.from(list, ([, , op]) => op),
  };
}
const replay = (list: Parameters<typeof rows>[0]): TrafficSpec => ({
  model: 'replay',
  path: '',
  outstanding: 0,
  rows: rows(list),
});

describe('what one unit maps and unmaps', () => {
  const PAGE = 0x5000;
  const OTHER = 0x9000;

  /** Device 0 maps a page at 10 µs and unmaps it at 100 µs; device 1, behind the other unit, writes to it at these times. */
  function writes(atNs: readonly number[], policy: TenantSpec['policy']): RunResult {
    const first = replay([
      [10_000, PAGE, OP_MAP],
      [11_000, PAGE, OP_WRITE],
      [100_000, PAGE, OP_UNMAP],
      [200_000, OTHER, OP_WRITE],
    ]);
    // A page whose first row is no map would be mapped before the run.
    const own = [
      [1000, PAGE, OP_MAP],
      [2000, PAGE, OP_UNMAP],
    ] as const;
    const second = replay([...own, ...atNs.map((ns) => [ns, PAGE, OP_WRITE] as const)]);
    return run(2, [first, second], { policy }, { requests: 0, durationNs: 250_000, quantumNs: 1000 });
  }

  it('is there for devices behind the others from the next quantum on', () => {
    const result = writes([9_000, 12_500, 50_000, 110_000], 'strict');
    const faulted = result.faults.map(({ device, timePs }) => [device, Math.floor(timePs / 1e6)]);
    expect(faulted).toEqual([
      [1, 9],
      [1, 110],
    ]);
  });

  it('can still be reached in lazy mode, inside the window, and that is counted', () => {
    const result = writes([50_000, 110_000, 120_000, 130_000], 'lazy');
    expect(result.faults).toEqual([]);
    expect([result.devices[0].counters[C_STALE], result.devices[1].counters[C_STALE]]).toEqual([0, 3]);
    expect(total(result, 'staleUses')).toBe(3);
  });
});

describe('pages that several traces use and none maps', () => {
  // Linux 6.1's table code maps over what is there, 7.2's refuses the whole range.
  it.each([
    [1, 'amd-6.1'],
    [1, 'amd-7.2'],
    [2, 'amd-7.2'],
  ] as const)('are all mapped before the run: %i units, %s', (units, kernelEra) => {
    const uses = (...pages: number[]): TrafficSpec =>
      replay(pages.map((page, i) => [1000 * (i + 1), page, OP_WRITE] as const));
    const traffic = [uses(10, 11, 12), uses(12, 13, 14, 15), uses(9, 10, 11, 12, 13, 14, 15, 16)];
    const result = run(units, traffic, {}, { requests: 0, durationNs: 50_000 }, kernelEra);
    expect(result.devices.map(({ requests }) => requests)).toEqual([3, 4, 8]);
    expect(result.faults).toEqual([]);
  });
});

describe('pages that one trace maps and another of its domain uses', () => {
  it.each([
    [1, 'amd-6.1'],
    [1, 'amd-7.2'],
    [2, 'amd-7.2'],
  ] as const)('are there from that map on, and it does not fail: %i units, %s', (units, kernelEra) => {
    const maps = replay([
      [10_000, 0x5000, OP_MAP],
      [20_000, 0x5000, OP_WRITE],
    ]);
    const uses = replay([
      [5_000, 0x5000, OP_WRITE],
      [30_000, 0x5000, OP_WRITE],
      [31_000, 0x6000, OP_WRITE],
    ]);
    const limits = { requests: 0, durationNs: 50_000, quantumNs: 1000 };
    const result = run(units, [maps, uses], {}, limits, kernelEra);
    expect(result.devices.map(({ driver }) => driver.mapFailures)).toEqual([0, 0]);
    expect(result.faults.map(({ device, timePs }) => [device, Math.floor(timePs / 1e6)])).toEqual([[1, 5]]);
  });
});
