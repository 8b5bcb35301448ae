import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { RunFailure, runAll } from '../../src/schedule/index.ts';
import { threadsFor } from '../../src/schedule/plan.ts';
import { simulate } from '../../src/sim/simulate.ts';
import type { NicTraffic, RunSpec } from '../../src/spec.ts';
import { kernelModule } from '../support/kernel.ts';
import {
  deviceSpecs,
  machineSpec,
  nicTraffic,
  runLimits,
  runSpec,
  tenantSpec,
  uniformTraffic,
} from '../support/spec.mjs';

const nic: NicTraffic = nicTraffic({ direction: 'both', offeredGbps: 20, flows: 4, burstPackets: 4 });

/** Four units; windows in the host, NICs in two guests that span units, lazy and strict. */
function fourUnits(requests = 10_000, seed = 1): RunSpec {
  const windows = uniformTraffic({ windowBytes: 1 << 22, readFraction: 0.7 });
  return runSpec({
    seed,
    machine: machineSpec({ units: 4 }),
    tenants: [
      tenantSpec({ devices: deviceSpecs(8, { traffic: windows }, 4) }),
      tenantSpec({
        name: 'lazy',
        mode: 'nested',
        policy: 'lazy',
        memoryBytes: 1 << 27,
        devices: deviceSpecs(3, { traffic: nic }, 4, 8),
      }),
      tenantSpec({
        name: 'strict',
        mode: 'nested',
        policy: 'strict',
        memoryBytes: 1 << 27,
        devices: deviceSpecs(3, { traffic: nic }, 4, 11),
      }),
    ],
    run: runLimits({ requests, warmupRequests: 2000, intervalNs: 5000, missCauses: true }),
  });
}

/** One that takes minutes. */
const endless = fourUnits(1e10);

describe('runAll', () => {
  it('gives the same result for any number of threads, that of a run in this thread', async () => {
    const spec = fourUnits();
    const expected = simulate(spec, kernelModule);
    expect(expected.devices.reduce((sum, { requests }) => sum + requests, 0)).toBe(10_000);
    for (const threads of [1, 2, 5]) expect(await runAll([spec], { threads })).toEqual([expected]);
  });

  it('does so when domains span the units, whose threads tell each other what they do', async () => {
    const { tenants, ...rest } = fourUnits(6000);
    const sharing = tenants.map((tenant) => ({
      ...tenant,
      devices: tenant.devices.map((device) => ({ ...device, domain: 'all' })),
    }));
    const spec = { ...rest, tenants: sharing };
    const expected = simulate(spec, kernelModule);
    const late = expected.units.map(({ effectsDelayed }) => effectsDelayed);
    expect(Math.min(...late)).toBeGreaterThan(0);
    for (const threads of [1, 2, 5]) expect(await runAll([spec], { threads })).toEqual([expected]);
  });

  it('gives results in the order of the specs, whatever the order of their ends', async () => {
    const specs = [
      fourUnits(15_000, 1),
      fourUnits(2000, 2),
      fourUnits(6000, 3),
      fourUnits(2000, 4),
      fourUnits(3000, 5),
    ];
    const expected = specs.map((spec) => simulate(spec, kernelModule));
    const ended: number[] = [];
    const results = await runAll(specs, { threads: 3, onResult: (_result, index) => ended.push(index) });
    expect(results).toEqual(expected);
    expect([...ended].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4]);
  });

  it('shows progress that never falls and ends at 1', async () => {
    const seen: number[] = [];
    const specs = [fourUnits(20_000), fourUnits(20_000, 2)];
    await runAll(specs, { threads: 2, onProgress: (fraction) => seen.push(fraction) });
    expect(seen.at(-1)).toBe(1);
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });

  it('has nothing to do for no specs', async () => {
    expect(await runAll([], { threads: 2 })).toEqual([]);
  });

  it('stops within a second when aborted, one run on two threads or two runs', async () => {
    for (const specs of [[endless], [endless, endless]]) {
      const controller = new AbortController();
      const startedAt = performance.now();
      setTimeout(() => controller.abort(new Error('enough')), 400);
      await expect(runAll(specs, { threads: 2, signal: controller.signal })).rejects.toThrow('enough');
      expect(performance.now() - startedAt).toBeLessThan(5000);
    }
  });

  it('does not start when aborted before', async () => {
    await expect(runAll([endless], { threads: 1, signal: AbortSignal.abort(new Error('no')) })).rejects.toThrow('no');
  });

  it('names the run that failed and stops the others', async () => {
    const bad = {
      ...fourUnits(1000, 77),
      point: 'broken',
      tenants: [tenantSpec({ devices: deviceSpecs(1, { unit: 9 }) })],
    };
    const broken: RunSpec = { ...bad, os: undefined as never };
    const failure = await runAll([endless, broken], { threads: 2 }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(RunFailure);
    expect((failure as RunFailure).message).toContain('broken, seed 77');
    expect((failure as RunFailure).index).toBe(1);
  });

  it('survives a thread that dies: the others of its run do not wait for it', async () => {
    const workerFile = fileURLToPath(new URL('dying-worker.mjs', import.meta.url));
    const startedAt = performance.now();
    const failure = runAll([endless], { threads: 2, workerFile });
    await expect(failure).rejects.toThrow(/a worker thread died/);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });
});

describe('threads of a run', () => {
  it('are one each while runs wait, more when threads would be idle, never more than busy units', () => {
    const spec = fourUnits();
    expect(threadsFor(spec, 8, 3)).toBe(1);
    expect(threadsFor(spec, 2, 5)).toBe(2);
    expect(threadsFor(spec, 1, 3)).toBe(3);
    expect(threadsFor(spec, 1, 64)).toBe(4);
    expect(threadsFor(runSpec(), 1, 64)).toBe(1);
  });
});
