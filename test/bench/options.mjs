// @ts-check
/**
 * What each way to organise the IOTLB costs: the same traffic beside the plain unit, one row an option. The options change what hits and
 * misses too, so the share of misses stands beside the rate.
 */
import { C_LOOKUPS, C_MISSES } from '../../dist/src/kernel/layout.js';
import { simulate } from '../../dist/src/sim/simulate.js';
import { cacheSpec } from '../support/spec.mjs';
import { GIB, hashed, MIB, uncached, v1, v2, windows } from './cases.mjs';

/** @typedef {{ name: string, machine: (iotlb: typeof hashed) => object }} Option */

/** @type {readonly Option[]} */
const OPTIONS = [
  { name: 'plain', machine: (iotlb) => ({ iotlb }) },
  {
    name: 'split by leaf size',
    machine: (iotlb) => ({ iotlb: { ...iotlb, split: [{ level: 1, ...cacheSpec(64) }] } }),
  },
  {
    name: 'ways by tenant',
    machine: (iotlb) => ({ iotlb: { ...iotlb, partition: { by: 'ways', minimum: [4] } } }),
  },
  {
    name: 'sets by tenant',
    machine: (iotlb) => ({ iotlb: { ...iotlb, partition: { by: 'sets', minimum: [32] } } }),
  },
  { name: 'not-present kept', machine: (iotlb) => ({ iotlb: { ...iotlb, negative: true } }) },
  { name: 'prefetch, 7 pages', machine: (iotlb) => ({ iotlb, prefetchPages: 7 }) },
];

/** @type {readonly { name: string, spec: (machine: object) => import('../../src/spec.ts').RunSpec }[]} */
const TRAFFIC = [
  { name: 'hits', spec: (machine) => windows(8 * 1024, 4_000_000, { mode: 'host', host: v1 }, machine) },
  {
    name: 'one stage, 4 reads',
    spec: (machine) => windows(16 * MIB, 1_500_000, { mode: 'host', host: v1 }, { ...uncached, ...machine }),
  },
  {
    name: 'nested, caches on',
    spec: (machine) => {
      const nested = { mode: /** @type {const} */ ('nested'), host: v1, guest: v2, memoryBytes: 2 * GIB };
      return windows(16 * MIB, 800_000, nested, machine);
    },
  },
];

/** Prints the table; returns M requests/s by option and traffic. The options take turns, so that a busy machine slows all. */
export function compareOptions(
  /** @type {number} */ runs,
  /** @type {WebAssembly.Module} */ kernel,
  /** @type {(line: string) => void} */ log,
) {
  log(`\n${'IOTLB, best M req/s'.padEnd(22)}${TRAFFIC.map(({ name }) => name.padStart(28)).join('')}`);
  const best = OPTIONS.map(() => TRAFFIC.map(() => ({ rate: 0, missed: 0 })));
  for (let run = 0; run < runs; run++) {
    TRAFFIC.forEach(({ spec }, t) =>
      OPTIONS.forEach(({ machine }, o) => {
        const timed = time(spec(machine(hashed)), kernel);
        if (timed.rate > best[o][t].rate) best[o][t] = timed;
      }),
    );
  }
  OPTIONS.forEach(({ name }, o) => {
    log(`${name.padEnd(22)}${best[o].map((cell, t) => cellText(cell, best[0][t].rate)).join('')}`);
  });
  return OPTIONS.map(({ name }, o) => ({
    name,
    ...Object.fromEntries(TRAFFIC.map((each, t) => [each.name, best[o][t]])),
  }));
}

/** @type {(cell: { rate: number, missed: number }, plain: number) => string} */
function cellText({ rate, missed }, plain) {
  const share = `${Math.round((100 * rate) / plain)} %`;
  return `${rate.toFixed(2)} (${share}, ${(100 * missed).toFixed(0)} % miss)`.padStart(28);
}

/** @type {(spec: import('../../src/spec.ts').RunSpec, kernel: WebAssembly.Module) => { rate: number, missed: number }} */
function time(spec, kernel) {
  const startedAt = performance.now();
  /** @type {import('../../src/stats/result.ts').RunResult} */
  const { devices } = simulate(spec, kernel);
  const seconds = (performance.now() - startedAt) / 1000;
  const sum = (/** @type {number} */ slot) => devices.reduce((total, { counters }) => total + counters[slot], 0);
  const requests = spec.run.requests + spec.run.warmupRequests;
  return { rate: requests / seconds / 1e6, missed: sum(C_MISSES) / sum(C_LOOKUPS) };
}
