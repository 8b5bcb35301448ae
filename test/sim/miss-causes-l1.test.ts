/** Behind a first level the shared IOTLB's misses have the causes that they have without one, for the references that are left. */
import { expect, it } from 'vitest';
import { C_CAPACITY, C_COLD, C_CONFLICT, C_L1_HITS, C_MISSES } from '../../src/kernel/layout.ts';
import { OP_READ } from '../../src/request.ts';
import { simulate } from '../../src/sim/simulate.ts';
import type { CacheSpec, TraceRows } from '../../src/spec.ts';
import { LruCache } from '../reference/lru-cache.ts';
import { kernelModule } from '../support/kernel.ts';
import { cacheSpec, deviceSpecs, machineSpec, noCache, runLimits, runSpec, tenantSpec } from '../support/spec.mjs';

const UPPER = 16;
function rowsOf(pages: readonly number[]): TraceRows {
  return {
    issuePs: Float64Array.from(pages, (_, i) => i * 1e7),
    page: Float64Array.from(pages),
    offset: new Uint16Array(pages.length),
    lengthBytes: new Uint32Array(pages.length).fill(64),
    op: new Uint8Array(pages.length).fill(OP_READ),
  };
}
function causes(pages: readonly number[], l1: CacheSpec): number[] {
  const traffic = { model: 'replay' as const, path: '', outstanding: 0, rows: rowsOf(pages) };
  const machine = machineSpec({ iotlb: { ...machineSpec().iotlb, ...cacheSpec(48, 3), l1 } });
  const tenants = [tenantSpec({ devices: deviceSpecs(1, { traffic }) })];
  const run = runLimits({ requests: 0, durationNs: pages.length * 1e4 + 1e6, debug: true, missCauses: true });
  const { counters } = simulate(runSpec({ machine, tenants, run }), kernelModule).devices[0];
  expect(counters[C_L1_HITS] > 0).toBe(l1.entries > 0);
  return [C_MISSES, C_COLD, C_CAPACITY, C_CONFLICT].map((slot) => counters[slot]);
}

it('tells the causes of misses by the stream that the shared level sees', () => {
  let x = 7;
  const pages = Array.from({ length: 5000 }, () => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    const u = x / 2 ** 32;
    return 0x1000 + Math.floor(u * u * 120);
  });
  const upper = new LruCache(UPPER);
  const below = pages.filter((page) => !upper.access(page));
  expect(below.length).toBeLessThan(pages.length - 500);
  expect(causes(pages, cacheSpec(UPPER))).toEqual(causes(below, noCache));
});
