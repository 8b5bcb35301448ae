/**
 * One translation of a run, step by step: builds the device's unit as `simulate` does, lets it run for a while if asked, and
 * traces one request.
 */
import { type ExplainStep, explainTrace, Tracer } from '../iommu/explain.ts';
import { Kernel, Regions } from '../kernel/kernel.ts';
import { PS_PER_NS } from '../request.ts';
import { type DeviceSpec, isNested, type RunSpec, type TenantSpec } from '../spec.ts';
import { openWindows } from './device-tables.ts';
import { buildGuestMemory } from './guest-memory.ts';
import { planMemory, stageGeometry } from './memory-plan.ts';
import { TableRules } from './table-rules.ts';
import { type DeviceSystem, UnitSystem } from './unit-system.ts';

const WASM_PAGE_BYTES = 65_536;

export interface ExplainRequest {
  /** Name of the device. */
  readonly device: string;
  /** IOVA / 4096; undefined: the page of the device's own next request. */
  readonly page: number | undefined;
  /** PASID of the request; undefined: the device's. */
  readonly pasid: number | undefined;
  /** 1 read, 2 write, 3 atomic. */
  readonly access: number;
  /** Simulated time that the unit runs before, so that caches hold what traffic left there. */
  readonly afterNs: number;
}

export interface Explanation {
  readonly device: DeviceSpec;
  readonly tenant: TenantSpec;
  readonly page: number;
  readonly steps: readonly ExplainStep[];
  /** Latency of the translation. */
  readonly translationNs: number;
  /** FAULT_* of kernel/layout.ts; 0 when translated. */
  readonly fault: number;
  readonly targetPage: number;
}

/** The device waits for something just then, and no address was asked for. */
export class NothingToSend extends Error {
  override readonly name = 'NothingToSend';
}

/** Throws RangeError for a device that the run does not have, NothingToSend when it has no request of its own. */
export function explainRequest(spec: RunSpec, module: WebAssembly.Module, request: ExplainRequest): Explanation {
  const plan = planMemory(spec);
  const initial = Math.ceil(plan.totalBytes / WASM_PAGE_BYTES) + 1;
  const kernel = new Kernel(module, new WebAssembly.Memory({ initial, maximum: 65_536, shared: true }));
  const rules = new TableRules(kernel, plan.rules, spec);
  for (const space of plan.spaces) openWindows(kernel, space);
  for (const tenant of plan.tenants) buildGuestMemory(kernel, rules, tenant);
  const { tenant, device } = find(spec, request.device);
  const system = new UnitSystem(spec, kernel, rules, plan, device.unit);
  system.start();
  system.engine.run(request.afterNs * PS_PER_NS, Infinity);

  const own = system.devices.find((each) => each.plan.spec.index === device.index)!;
  const page = request.page ?? nextPage(system, own);
  const sameRequester = request.pasid === undefined || request.pasid === device.pasid;
  const ctx = sameRequester ? own.ctx : system.iommu.requester(device.bdf, request.pasid, device.index);
  const tracer = new Tracer(kernel, new Regions(initial * WASM_PAGE_BYTES, plan.totalBytes));
  const nowPs = Math.max(system.engine.nowPs, request.afterNs * PS_PER_NS);
  system.iommu.forgetContexts();
  tracer.start();
  const donePs = kernel.exports.translate(ctx, page, request.access, nowPs);
  const records = tracer.stop();
  const faulted = donePs < 0;
  return {
    device,
    tenant,
    page,
    steps: explainTrace(records, formatsOf(spec, tenant)),
    translationNs: ((faulted ? -1 - donePs : donePs) - nowPs) / PS_PER_NS,
    fault: faulted ? kernel.exports.lastFault() : 0,
    targetPage: faulted ? -1 : kernel.exports.lastPage(),
  };
}

function find(spec: RunSpec, name: string): { tenant: TenantSpec; device: DeviceSpec } {
  for (const tenant of spec.tenants) {
    const device = tenant.devices.find((each) => each.name === name);
    if (device !== undefined) return { tenant, device };
  }
  throw new RangeError(`no device ${name}`);
}

/** Where the device's next request would go. */
function nextPage({ engine, devices }: UnitSystem, device: DeviceSystem): number {
  const page = engine.ports[devices.indexOf(device)].nextPage(engine.nowPs);
  if (page === undefined) throw new NothingToSend(`${device.plan.spec.name} has nothing to send`);
  return page;
}

/** A table that is the only stage is walked from the device entry (v1) or through the GCR3 table (v2, as guest tables are). */
function formatsOf(spec: RunSpec, tenant: TenantSpec): Parameters<typeof explainTrace>[1] {
  const host = stageGeometry(tenant.host, spec.os.kernelEra);
  if (isNested(tenant.mode)) return { guest: stageGeometry(tenant.guest, spec.os.kernelEra), host };
  return tenant.host.format === 'amd-v1' ? { host } : { guest: host };
}
