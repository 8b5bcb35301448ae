/** The sum rules on every ready-made scenario, each point in short. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  C_CAPACITY,
  C_COLD,
  C_DTE_READS,
  C_HITS,
  C_L1_HITS,
  C_MISSES,
  C_READS,
  C_UNTRANSLATED,
} from '../../src/kernel/layout.ts';
import { METRICS, SUMMARY_COLUMNS } from '../../src/report/columns/files.ts';
import { pmuCountsOf } from '../../src/report/columns/pmu-counts.ts';
import { PMU_EVENTS } from '../../src/report/columns/pmu.ts';
import { totalsOf } from '../../src/report/columns/totals.ts';
import { assertRules, brokenRules } from '../../src/report/rules.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { expand } from '../../src/scenario/expand.ts';
import { simulate } from '../../src/sim/simulate.ts';
import type { RunSpec } from '../../src/spec.ts';
import type { RunResult } from '../../src/stats/result.ts';
import { kernelModule } from '../support/kernel.ts';
import {
  cacheSpec,
  deviceSpecs,
  machineSpec,
  nicTraffic,
  runLimits,
  runSpec,
  stageSpec,
  tenantSpec,
  uniformTraffic,
} from '../support/spec.mjs';

const folder = fileURLToPath(new URL('../../scenarios', import.meta.url));
const REQUESTS = 1500;
const MOST_POINTS = 6;

/** Some points of a scenario, evenly spaced, made short; a scenario with traces needs files and is tested elsewhere. */
function shortPoints(file: string): RunSpec[] {
  const loaded = loadScenario(join(folder, file), { sets: [], metrics: METRICS });
  if (!loaded.ok) throw new Error(`${file} does not load`);
  const specs = expand(loaded.scenario).filter(({ seed }, _, all) => seed === all[0].seed);
  const step = Math.max(1, Math.ceil(specs.length / MOST_POINTS));
  return specs
    .filter((_, i) => i % step === 0)
    .map((spec) => {
      const limits = { requests: REQUESTS, durationNs: 0, warmupNs: 0, warmupRequests: 300, debug: true };
      return { ...spec, run: { ...spec.run, ...limits, missCauses: true } };
    });
}

const scenarios = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

describe.each(scenarios)('%s', (file) => {
  it('keeps every sum rule, PMU totals included', () => {
    const specs = shortPoints(file).filter((spec) => !usesTrace(spec));
    for (const spec of specs) {
      const result = simulate(spec, kernelModule);
      expect(brokenRules(result)).toEqual([]);
    }
  });
});

function usesTrace({ tenants }: RunSpec): boolean {
  return tenants.some(({ devices }) => devices.some(({ traffic }) => traffic.model === 'replay'));
}

function busy(): RunResult {
  const nested = { mode: 'nested' as const, host: stageSpec('amd-v1', 4), guest: stageSpec('amd-v2', 4) };
  const traffic = uniformTraffic({ windowBytes: 8 << 20, outstanding: 8, readFraction: 0.5 });
  return simulate(
    runSpec({
      machine: machineSpec({ units: 2 }),
      tenants: [
        tenantSpec({ name: 'host', devices: deviceSpecs(2, { traffic }, 2) }),
        tenantSpec({ ...nested, name: 'vm', memoryBytes: 1 << 26, devices: deviceSpecs(2, { traffic }, 2, 2) }),
        tenantSpec({ name: 'pt', mode: 'passthrough', devices: deviceSpecs(1, { traffic }, 2, 4) }),
      ],
      run: runLimits({ requests: 8000, missCauses: true, intervalNs: 5000, debug: true }),
    }),
    kernelModule,
  );
}

describe('broken rules', () => {
  const result = busy();
  const spoilt = (slot: number): RunResult => ({
    ...result,
    devices: result.devices.map((device, i) => {
      const counters = device.counters.slice();
      if (i === 0) counters[slot]++;
      return { ...device, counters };
    }),
  });

  it('there are none', () => expect(brokenRules(result)).toEqual([]));

  it.each([
    ['a hit', C_HITS],
    ['a miss', C_MISSES],
    ['a cause', C_COLD],
    ['a cause', C_CAPACITY],
    ['a device entry', C_DTE_READS],
    ['a request', C_UNTRANSLATED],
  ])('%s too many is found', (_, slot) => {
    expect(brokenRules(spoilt(slot)).length).toBeGreaterThan(0);
    expect(() => assertRules(spoilt(slot))).toThrow(/: /);
  });

  it('a request, an interval or a cache lookup too many is found', () => {
    const first = { ...result.devices[0], requests: result.devices[0].requests + 1 };
    expect(brokenRules({ ...result, devices: [first, ...result.devices.slice(1)] }).join()).toMatch(/reads \+ writes/);
    expect(brokenRules({ ...result, timeline: result.timeline.slice(1) }).join()).toMatch(/intervals/);
    const caches = result.units[0].caches.map((cache) => ({ ...cache, lookups: cache.lookups + 1 }));
    const units = [{ ...result.units[0], caches }, ...result.units.slice(1)];
    expect(brokenRules({ ...result, units }).join()).toMatch(/caches\.csv/);
  });
});

describe('PMU events', () => {
  const result = busy();
  const value = (name: string): number =>
    result.units.reduce(
      (sum, unit) => sum + PMU_EVENTS.find((event) => event.name === name)!.value(pmuCountsOf(result, unit)),
      0,
    );

  it('have names and codes of their own', () => {
    const keys = PMU_EVENTS.map(({ pmu, code }) => `${pmu}/${code}/`);
    expect(new Set(keys).size).toBe(keys.length);
    expect(new Set(PMU_EVENTS.map(({ pmu, name }) => `${pmu} ${name}`)).size).toBe(keys.length);
    const code = (name: string) => PMU_EVENTS.find((event) => event.name === name)!.code;
    expect(code('mem_trans_total')).toBe('csource=0x05');
    expect(code('fs_nonleaf_hit')).toBe('event_group=0x2,event=0x080');
    expect(code('UNC_IIO_IOMMU0.MISSES')).toBe('event=0x40,umask=0x20');
    expect(code('UNC_IIO_IOMMU1.PWC_1G_HITS')).toBe('event=0x41,umask=0x08');
    expect(code('tlb_miss')).toBe('event=0x2');
  });

  it('tell the host tables of nested walks from those of one stage', () => {
    const reads = (tenant: number): number =>
      result.devices
        .filter((device) => device.tenant === tenant)
        .reduce((sum, { counters }) => sum + counters.slice(C_READS + 8, C_READS + 16).reduce((a, b) => a + b, 0), 0);
    expect(reads(0)).toBeGreaterThan(100);
    expect(value('page_tbl_read_nst')).toBe(reads(1));
    expect(value('page_tbl_read_tot') - value('page_tbl_read_gst') - value('page_tbl_read_nst')).toBe(reads(0));
    expect(value('ss_nonleaf_lookup')).toBeGreaterThan(100);
    expect(value('hpt_nonleaf_lookup')).toBeGreaterThan(100);
  });

  it('of AMD count what comes to the shared IOTLB, not what a first level hits', () => {
    const l1 = { ...machineSpec().iotlb, l1: cacheSpec(24, 3) };
    const devices = deviceSpecs(2, { traffic: uniformTraffic({ windowBytes: 1 << 18, outstanding: 4 }) });
    const spec = runSpec({ machine: machineSpec({ iotlb: l1 }), tenants: [tenantSpec({ devices })] });
    const run = simulate(spec, kernelModule);
    const counts = pmuCountsOf(run, run.units[0]);
    const of = (name: string): number => PMU_EVENTS.find((event) => event.name === name)!.value(counts);
    const shared = run.units[0].caches.find((cache) => cache.name === 'iotlb')!;
    expect(counts.counters[C_L1_HITS]).toBeGreaterThan(100);
    expect(of('mem_iommu_tlb_pte_hit')).toBe(shared.hits);
    expect(of('mem_iommu_tlb_pte_hit') + of('mem_iommu_tlb_pte_mis')).toBe(shared.lookups);
    expect(of('UNC_IIO_IOMMU0.4K_HITS')).toBe(shared.hits + counts.counters[C_L1_HITS]);
    expect(brokenRules(run)).toEqual([]);
  });

  it('tell leaves by their size, whatever sizes the IOTLB holds', () => {
    const hits = (leafLog2: readonly number[]): number[] => {
      const devices = deviceSpecs(1, { traffic: uniformTraffic({ windowBytes: 2 ** 32 }) });
      const tenants = [tenantSpec({ devices, host: stageSpec('amd-v1', 4, 30), memoryBytes: 2 ** 33 })];
      const iotlb = { ...machineSpec().iotlb, leafLog2 };
      const run = simulate(runSpec({ machine: machineSpec({ iotlb }), tenants }), kernelModule);
      const counts = pmuCountsOf(run, run.units[0]);
      const totals = { run, totals: totalsOf(run, run.devices) };
      const events = ['4K', '2M', '1G'].map((size) => {
        return PMU_EVENTS.find(({ name }) => name === `UNC_IIO_IOMMU0.${size}_HITS`)!.value(counts);
      });
      const columns = ['4k', '2m', '1g'].map((size) => {
        return SUMMARY_COLUMNS.find(({ name }) => name === `iotlb_hits_${size}`)!.value(totals);
      });
      expect(columns).toEqual(events);
      return events.map((count) => Math.sign(count));
    };
    expect(hits([12, 21, 30])).toEqual([0, 0, 1]);
    expect(hits([12, 30])).toEqual([0, 0, 1]);
    expect(hits([12, 21])).toEqual([0, 1, 0]);
    expect(hits([12])).toEqual([1, 0, 0]);
  });

  it('count the requests of every tenant', () => {
    const requests = result.devices.reduce((sum, device) => sum + device.requests, 0);
    expect(value('transaction')).toBe(requests);
    expect(value('mem_pass_untrans')).toBe(result.devices.find(({ tenant }) => tenant === 2)!.requests);
  });

  it.each(['strict', 'lazy'] as const)('tell pages from domains as the driver sent them: %s', (policy) => {
    const devices = deviceSpecs(1, { traffic: nicTraffic() });
    const limits = runLimits({ requests: 20_000, debug: true });
    const run = simulate(runSpec({ tenants: [tenantSpec({ policy, devices })], run: limits }), kernelModule);
    const [unit] = run.units;
    const of = (name: string): number =>
      PMU_EVENTS.find((event) => event.name === `UNC_IIO_IOMMU3.${name}`)!.value(pmuCountsOf(run, unit));
    const { invalidationCommands, flushes } = run.devices[0].driver;
    expect(invalidationCommands).toBeGreaterThan(2);
    const sent = policy === 'strict' ? [invalidationCommands, 0] : [0, flushes];
    expect([of('NUM_INVAL_PAGE'), of('NUM_INVAL_DOMAIN'), of('NUM_INVAL_GBL')]).toEqual([...sent, 0]);
  });

  it('count commands by kind', () => {
    const commandKinds = {
      ...{ waits: 5, devices: 2, contexts: 3, allContexts: 6, pasids: 1, pages: 7, domains: 8, allPages: 1 },
      ...{ everything: 1, deviceTlbs: 3, interrupts: 0, prefetches: 4, pprResponses: 0 },
    };
    const unit = { ...result.units[0], commands: 41, commandKinds };
    const of = (name: string): number =>
      PMU_EVENTS.find((event) => event.name === name)!.value(pmuCountsOf(result, unit));
    expect([of('cmd_processed'), of('cmd_processed_inv'), of('tlb_inv')]).toEqual([41, 32, 17]);
    const granularities = ['INVAL_GBL', 'INVAL_DOMAIN', 'INVAL_PAGE'].map((name) => of(`UNC_IIO_IOMMU3.NUM_${name}`));
    expect(granularities).toEqual([2, 8, 7]);
    const contexts = ['GBL', 'DOMAIN', 'DEVICE'].map((name) => of(`UNC_IIO_IOMMU3.NUM_CTXT_CACHE_INVAL_${name}`));
    expect(contexts).toEqual([7, 3, 2]);
  });
});
