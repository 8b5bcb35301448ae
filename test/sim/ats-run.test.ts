import { describe, expect, it } from 'vitest';
import * as layout from '../../src/kernel/layout.ts';
import { simulate } from '../../src/sim/simulate.ts';
import type { AtsSpec, DeviceSpec, NicTraffic, OsSpec, PriSpec, RunSpec, TenantSpec } from '../../src/spec.ts';
import { sumCounters } from '../../src/stats/counters.ts';
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

const KIB = 1024;
const ATS: AtsSpec = {
  ...{ entries: 64, ways: 64, replacement: 'lru', index: 'modulo', leafLog2: [12, 21], allowed: true },
  ...{ requestPages: 1, outstanding: 8, invalidateQueue: 32 },
  ...{ lookupNs: 5, messageNs: 100, invalidateNs: 50, invalidateTimeoutNs: 90e9 },
};
const PRI: PriSpec = {
  ...{ outstanding: 8, groupPages: 4, gatherNs: 100, interruptNs: 2000, faultNs: 1500 },
  ...{ reclaimPerSecond: 0, logEntries: 64 },
};
const NIC: NicTraffic = nicTraffic({ direction: 'both' });

interface Setting {
  readonly tenant?: Partial<TenantSpec>;
  readonly os?: Partial<OsSpec>;
  readonly requests?: number;
}

/** Every rule is checked while the run goes on. */
function run(device: Partial<DeviceSpec>, { tenant, os, requests = 20_000 }: Setting = {}): RunResult {
  const devices = deviceSpecs(1, { ats: ATS, ...device });
  const spec: RunSpec = runSpec({
    machine: machineSpec({}),
    os: osSpec(os),
    tenants: [tenantSpec({ devices, ...tenant })],
    run: runLimits({ requests, warmupRequests: 2000, debug: true }),
  });
  return simulate(spec, kernelModule);
}

const counters = (result: RunResult): Float64Array => sumCounters(result.devices.map((each) => each.counters));
const window = (windowBytes: number) => uniformTraffic({ windowBytes, transferBytes: 512, outstanding: 8 });

describe('a device with an ATC', () => {
  it('that holds its window sends nothing but pre-translated requests', () => {
    const result = run({ traffic: window(64 * KIB) });
    const all = counters(result);
    expect(all[layout.C_PRETRANSLATED]).toBe(20_000);
    expect(all[layout.C_LOOKUPS]).toBe(0);
    expect(all[layout.C_ATC_HITS]).toBe(all[layout.C_ATC_LOOKUPS]);
    expect(result.devices[0].completion.count).toBe(20_000);
  });

  it('has hit ratio entries / pages for random pages of a larger window', () => {
    const all = counters(run({ traffic: window(1024 * KIB), ats: { ...ATS, outstanding: 1 } }));
    const known = all[layout.C_ATC_HITS] + all[layout.C_ATC_MERGED];
    expect(Math.abs(known / all[layout.C_ATC_LOOKUPS] - 64 / 256)).toBeLessThan(0.03);
  });

  it('keeps leaves of 2 MiB in one entry', () => {
    const tenant = { host: stageSpec('amd-v1', 4, 21) };
    const all = counters(run({ traffic: window(32768 * KIB) }, { tenant }));
    expect(all[layout.C_ATC_HITS]).toBe(all[layout.C_ATC_LOOKUPS]);
  });

  it('is in caches.csv with its fills', () => {
    const { caches } = run({ traffic: window(1024 * KIB) }).units[0];
    const atc = caches.find(({ name }) => name === 'atc')!;
    expect(atc.fills).toBeGreaterThan(atc.evictions / 2);
    expect(atc.lookups - atc.hits).toBeGreaterThanOrEqual(atc.fills);
  });

  it('whose entry does not allow ATS is refused, with a record', () => {
    const result = run({ traffic: window(64 * KIB), ats: { ...ATS, allowed: false } }, { requests: 100 });
    const all = counters(result);
    expect(all[layout.C_PRETRANSLATED]).toBe(0);
    expect(all[layout.C_ATS_REFUSED]).toBe(all[layout.C_ATS_REQUESTS]);
    expect(result.devices.map(({ readBytes, writeBytes }) => readBytes + writeBytes)).toEqual(
      result.devices.map(() => 0),
    );
    expect(result.faults.length).toBeGreaterThan(0);
    expect(new Set(result.faults.map(({ code, event }) => `${code} ${event}`))).toEqual(
      new Set([`${layout.FAULT_ATS} INVALID_DEVICE_REQUEST`]),
    );
  });
});

describe('unmapping', () => {
  it.each(['amd-6.1', 'intel-6.12'] as const)('in strict mode invalidates the ATC too (%s)', (kernelEra) => {
    const result = run({ traffic: NIC }, { tenant: { policy: 'strict' }, os: { kernelEra } });
    const all = counters(result);
    expect(all[layout.C_ATC_INVALIDATIONS]).toBeGreaterThan(100);
    expect([all[layout.C_STALE], all[layout.C_ATC_LATE], all[layout.C_FAULTS]]).toEqual([0, 0, 0]);
    // Down 32 bytes and up 24 at 100 Gb/s, twice the message's way, and the device's own time.
    expect(all[layout.C_ATC_INVALIDATION_PS] / all[layout.C_ATC_INVALIDATIONS]).toBeGreaterThan(250_000);
  });

  it('waits for the answer', () => {
    const wait = (ats: AtsSpec): number => {
      const { driver } = run({ traffic: NIC, ats }, { tenant: { policy: 'strict' } }).devices[0];
      return driver.cpuWaitPs / driver.unmaps;
    };
    expect(wait({ ...ATS, invalidateNs: 5050 }) - wait(ATS)).toBeGreaterThan(4_000_000);
  });

  it('in lazy mode empties the ATC with each flush', () => {
    const result = run({ traffic: { ...NIC, direction: 'rx' } }, { tenant: { policy: 'lazy' }, requests: 50_000 });
    const { flushes } = result.devices[0].driver;
    expect(flushes).toBeGreaterThan(1);
    expect(counters(result)[layout.C_ATC_INVALIDATIONS]).toBe(flushes);
  });

  it('is recorded when the device does not answer in time', () => {
    const ats = { ...ATS, invalidateNs: 5000, invalidateTimeoutNs: 1000 };
    const result = run({ traffic: NIC, ats }, { tenant: { policy: 'strict' }, requests: 3000 });
    const all = counters(result);
    expect(all[layout.C_ATC_TIMEOUTS]).toBe(all[layout.C_ATC_INVALIDATIONS]);
    expect(result.faults[0]).toMatchObject({
      code: layout.INVALIDATION_TIMEOUT,
      event: 'IOTLB_INV_TIMEOUT',
      device: 0,
    });
  });
});

describe('on-demand paging', () => {
  it('maps each page when it is first asked for', () => {
    const device = { traffic: window(256 * KIB), pri: PRI };
    const spec = { requests: 20_000 };
    const result = run(device, spec);
    expect(result.units[0].mappedPages).toBe(64);
    expect(counters(result)[layout.C_ATS_ABORTED]).toBe(0);
  });

  it('takes pages back at a rate, and the device asks again', () => {
    const result = run({ traffic: window(256 * KIB), pri: { ...PRI, reclaimPerSecond: 1e5 } }, { requests: 100_000 });
    const all = counters(result);
    const { unmaps } = result.devices[0].driver;
    expect(unmaps).toBeGreaterThan(10);
    expect(Math.abs(unmaps - result.measuredPs / 1e7)).toBeLessThan(2);
    expect(all[layout.C_PRI_REQUESTS]).toBeGreaterThan(unmaps / 2);
    expect(all[layout.C_ATC_INVALIDATIONS]).toBe(result.devices[0].driver.unmaps);
    expect(all[layout.C_ATS_ABORTED]).toBe(0);
    // Interrupt, handler, both ways.
    expect(all[layout.C_PRI_PS] / all[layout.C_PRI_RETRIES]).toBeGreaterThan(3_700_000);
  });

  it('answers with a failure what finds the log full', () => {
    const pri = { ...PRI, logEntries: 1, groupPages: 1, gatherNs: 0, interruptNs: 50_000 };
    const result = run({ traffic: window(4096 * KIB), pri }, { requests: 5000 });
    const all = counters(result);
    expect(all[layout.C_PRI_FAILURE]).toBeGreaterThan(0);
    expect(all[layout.C_ATS_ABORTED]).toBeGreaterThan(0);
  });

  it('in a guest exits once for each response', () => {
    const vm = { guest: stageSpec('amd-v2', 4), pasid: 1 };
    const tenant = (mode: TenantSpec['mode']) => ({ mode, guest: vm.guest });
    const device = { traffic: window(4096 * KIB), pri: { ...PRI, groupPages: 1 }, pasid: 1 };
    const nested = run(device, { tenant: tenant('nested'), requests: 5000 });
    const assisted = run(device, { tenant: tenant('nested-hw'), requests: 5000 });
    const responses = counters(nested)[layout.C_PRI_SUCCESS];
    expect(responses).toBeGreaterThan(20);
    expect(Math.abs(nested.devices[0].driver.vmExits - responses)).toBeLessThanOrEqual(8);
    expect(assisted.devices[0].driver.vmExits).toBe(0);
  });
});
