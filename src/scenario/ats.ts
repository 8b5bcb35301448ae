/** A device's ATS and PRI: defaults, and what they need. */
import type { AtsSpec, PriSpec, TenantMode } from '../spec.ts';
import type { PresetCache } from './presets/preset.ts';
import { merge, resolveCache } from './resolve-cache.ts';
import type { DeviceInput } from './schema.ts';

/** Nobody publishes what devices have: estimates, but for the queue's 32 and the time-out, which are PCIe's limits. */
const ATC: PresetCache = { entries: 512, ways: 'full', replacement: 'lru', index: 'modulo' };
const ATS: Omit<AtsSpec, 'entries' | 'ways' | 'replacement' | 'index'> = {
  leafLog2: [12, 21],
  allowed: true,
  requestPages: 1,
  outstanding: 32,
  invalidateQueue: 32,
  lookupNs: 5,
  messageNs: 100,
  invalidateNs: 50,
  invalidateTimeoutNs: 90e9,
};
const PRI: PriSpec = {
  outstanding: 32,
  groupPages: 1,
  gatherNs: 0,
  interruptNs: 2000,
  faultNs: 1500,
  reclaimPerSecond: 0,
  logEntries: 512,
};

/** Takes a problem at a path of the scenario. */
type Report = (path: string, message: string) => void;

/** `mode` of the tenant; `shares`: the device may be in a domain with devices behind other units. */
export function resolveAts(
  path: string,
  device: DeviceInput,
  tenant: { readonly mode: TenantMode; readonly shares: boolean },
  report: Report,
): { ats?: AtsSpec; pri?: PriSpec } {
  check(path, device, tenant, report);
  const { ats, pri } = device;
  if (ats === undefined) return {};
  const { entries, ways, replacement, index, ...given } = ats;
  const cache = resolveCache(`${path}.ats`, ATC, { entries, ways, replacement, index }, report);
  const resolved = { ats: { ...merge(ATS, given), ...cache } };
  checkLeaves(`${path}.ats.leafLog2`, resolved.ats.leafLog2, report);
  return pri === undefined ? resolved : { ...resolved, pri: merge(PRI, pri) };
}

function check(
  path: string,
  { ats, pri, traffic }: DeviceInput,
  { mode, shares }: { readonly mode: TenantMode; readonly shares: boolean },
  report: Report,
): void {
  if (pri !== undefined && ats === undefined) report(`${path}.pri`, 'page requests need ATS; add ats: {}');
  if (ats !== undefined && mode === 'shadow') {
    report(`${path}.ats`, 'a unit that is emulated for mode shadow has no ATS; expected another mode');
  }
  if (ats !== undefined && shares) {
    report(`${path}.ats`, 'a device with ATS has a domain of its own; leave domain out');
  }
  if (pri === undefined) return;
  if (mode === 'passthrough') report(`${path}.pri`, 'mode passthrough maps everything; expected host or nested');
  if (traffic.model === 'replay') {
    report(`${path}.pri`, 'the rows of a trace say what is mapped when; expected another traffic model');
  }
}

function checkLeaves(path: string, leafLog2: readonly number[], report: Report): void {
  if (leafLog2.some((log2, i) => i > 0 && log2 <= leafLog2[i - 1])) {
    report(path, 'leaf sizes must ascend, such as [12, 21]');
  } else if (leafLog2[0] !== 12) report(path, 'the smallest leaf size must be 12 (4 KiB)');
}
