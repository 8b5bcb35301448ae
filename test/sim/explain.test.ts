/** explain: the steps of one translation, against closed forms and the bits that the tables hold. */
import { describe, expect, it } from 'vitest';
import { FAULT_NOT_PRESENT, FAULT_PASID } from '../../src/kernel/layout.ts';
import { explainRequest, type Explanation, type ExplainRequest } from '../../src/sim/explain.ts';
import type { MachineSpec, TenantSpec } from '../../src/spec.ts';
import { kernelModule } from '../support/kernel.ts';
import {
  deviceSpecs,
  machineSpec,
  noCache,
  runSpec,
  stageSpec,
  tenantSpec,
  uniformTraffic,
  withoutWalkCaches,
} from '../support/spec.mjs';

const v1 = stageSpec('amd-v1', 4);
const v2 = stageSpec('amd-v2', 4);
const bare: Partial<MachineSpec> = { ...withoutWalkCaches, lineCache: noCache, pasidCache: noCache };

function explain(
  tenant: Partial<TenantSpec>,
  machine: Partial<MachineSpec> = bare,
  request: Partial<ExplainRequest> = {},
): Explanation {
  const devices = deviceSpecs(1, { traffic: uniformTraffic({ windowBytes: 1 << 20 }) });
  const spec = runSpec({ machine: machineSpec(machine), tenants: [tenantSpec({ devices, ...tenant })] });
  const asked = { device: devices[0].name, page: undefined, pasid: undefined, access: 1, afterNs: 0, ...request };
  return explainRequest(spec, kernelModule, asked);
}

const tableReads = ({ steps }: Explanation): number =>
  steps.filter(({ read, source }) => read > 0 && source.endsWith('table') && !/device|PASID/.test(source)).length;

describe('explain', () => {
  it('reads one entry a level in one stage', () => {
    const explanation = explain({ mode: 'host', host: v1 });
    expect(explanation.fault).toBe(0);
    expect(tableReads(explanation)).toBe(explanation.steps.filter(({ stage }) => stage === 'host').length);
    expect(explanation.steps.map(({ level }) => level)).toEqual([null, 3, 2, 1, 0].slice(-explanation.steps.length));
  });

  it('shows the 24 reads of a nested walk and the four before the GCR3 entry', () => {
    const explanation = explain({ mode: 'nested', host: v1, guest: v2 });
    expect(explanation.fault).toBe(0);
    expect(tableReads(explanation)).toBe(24 + 4);
    expect(explanation.steps.filter(({ stage }) => stage === 'guest').map(({ level }) => level)).toEqual([3, 2, 1, 0]);
  });

  it('adds the costs up to the latency', () => {
    const { steps, translationNs } = explain({ mode: 'nested', host: v1, guest: v2 });
    const { latency } = machineSpec(bare);
    expect(translationNs).toBeCloseTo(steps.at(-1)!.sumNs + latency.iotlbHitNs + latency.walkOverheadNs, 6);
  });

  it('ends where the leaf points', () => {
    const { steps, targetPage } = explain({ mode: 'host', host: v1 });
    expect(steps.at(-1)!.meaning).toContain(`0x${(targetPage * 4096).toString(16)}`);
    expect(steps.at(-1)!.fields).toMatchObject({ PR: '1', NextLevel: '0' });
  });

  it('shows what caches hold after traffic', () => {
    const { steps } = explain({ mode: 'host', host: v1 }, {}, { afterNs: 200_000 });
    expect(steps.map(({ source }) => source)).toContain('IOTLB');
    expect(steps.every(({ read }) => read === 0)).toBe(true);
  });

  it('ends at the entry that is not there, or at the PASID that is not known', () => {
    const absent = explain({ mode: 'host', host: v1 }, bare, { page: 5 });
    expect([absent.fault, absent.targetPage]).toEqual([FAULT_NOT_PRESENT, -1]);
    expect(absent.steps.at(-1)!.meaning).toContain('not present');
    expect(explain({ mode: 'host', host: v1 }, bare, { pasid: 7 }).fault).toBe(FAULT_PASID);
  });

  it('knows no other devices', () => expect(() => explain({}, bare, { device: 'nobody' })).toThrow(/no device nobody/));
});
