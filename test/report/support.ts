/** Points with chosen values, for what reads results by point. */
import { C_HITS, C_LOOKUPS, COUNTERS } from '../../src/kernel/layout.ts';
import { totalsOf } from '../../src/report/columns/totals.ts';
import { type PointResults, pointRow } from '../../src/report/points.ts';
import type { RunResult } from '../../src/stats/result.ts';
import { runSpec } from '../support/spec.mjs';

/** A point whose seeds have these IOTLB hit ratios (thousandths) and throughputs (Gbit/s, whole). */
export function point(
  name: string,
  seeds: readonly { readonly hits?: number; readonly gbps?: number }[],
): PointResults {
  const rows = seeds.map(({ hits, gbps }) => {
    const run = {
      spec: runSpec({ point: name }),
      measuredPs: 1000,
      warmupPs: 0,
      devices: [],
      units: [],
    } as unknown as RunResult;
    const counters = new Float64Array(COUNTERS);
    if (hits !== undefined) [counters[C_HITS], counters[C_LOOKUPS]] = [hits, 1000];
    const totals = { ...totalsOf(run, []), counters, readBytes: (gbps ?? 0) / 8, devices: 1 };
    return pointRow({ run, totals });
  });
  return { name, values: {}, rows };
}
