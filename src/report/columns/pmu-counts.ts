/** What the PMU events of one unit read. */
import type { RunResult, UnitResult } from '../../stats/result.ts';
import type { PmuCounts } from './pmu.ts';
import { sumCounters } from './totals.ts';

export function pmuCountsOf(run: RunResult, unit: UnitResult): PmuCounts {
  const devices = run.devices.filter((device) => device.unit === unit.unit);
  const nested = devices.filter((device) => run.spec.tenants[device.tenant].mode.startsWith('nested'));
  const { leafLog2 } = run.spec.machine.iotlb;
  return { counters: sumCounters(devices), nested: sumCounters(nested), leafLog2, unit };
}
