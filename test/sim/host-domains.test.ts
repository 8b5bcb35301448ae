import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostDomains } from '../../src/sim/host-domains.ts';
import { guestDomains, hostDomainIds, isVm, type TenantMode } from '../../src/spec.ts';
import { deviceSpecs, tenantSpec } from '../support/spec.mjs';

const tenant = (mode: TenantMode, devices: number, first: number, rest = {}) =>
  tenantSpec({ mode, devices: deviceSpecs(devices, {}, 1, first), ...rest });

describe('host domain IDs', () => {
  it('go to devices first, then to the memories of VMs, then to domains without devices', () => {
    const tenants = [
      tenant('nested-hw', 2, 0, { guestDomains: 5 }),
      tenant('host', 1, 2),
      tenant('shadow', 1, 3),
      tenant('passthrough', 2, 4, { vm: true }),
    ];
    expect(hostDomains({ tenants })).toEqual({
      devices: [1, 2, 3, 4, 6, 6],
      memories: [5, 0, 0, 6],
      idle: [7, 10, 10, 10],
    });
    expect(tenants.map(hostDomainIds)).toEqual([6, 1, 1, 1]);
  });

  it('are one for devices that share a domain', () => {
    const devices = deviceSpecs(3, { domain: 'a' });
    const tenants = [tenantSpec({ mode: 'nested', devices: [...devices, ...deviceSpecs(1, {}, 1, 3)] })];
    expect(hostDomains({ tenants }).devices).toEqual([1, 1, 1, 2]);
    expect([guestDomains(tenants[0]), hostDomainIds(tenants[0])]).toEqual([2, 3]);
  });

  const any = fc.record({
    mode: fc.constantFrom<TenantMode>('passthrough', 'host', 'shadow', 'nested', 'nested-hw'),
    vm: fc.boolean(),
    devices: fc.integer({ min: 1, max: 4 }),
    guestDomains: fc.integer({ min: 1, max: 6 }),
  });

  it('are never shared by two address spaces, and are as many as said', () => {
    fc.assert(
      fc.property(fc.array(any, { minLength: 1, maxLength: 6 }), (shapes) => {
        let first = 0;
        const tenants = shapes.map(({ mode, devices, ...rest }) => {
          first += devices;
          return tenant(mode, devices, first - devices, rest);
        });
        const { devices, memories, idle } = hostDomains({ tenants });
        const taken = tenants.flatMap((each, t) => {
          const own = each.devices.map(({ index }) => devices[index]);
          const extra = Math.max(0, guestDomains(each) - each.devices.length);
          const idleIds = Array.from({ length: extra }, (_, i) => idle[t] + i);
          return [...new Set([...own, ...(memories[t] === 0 ? [] : [memories[t]]), ...idleIds])];
        });
        expect(new Set(taken).size).toBe(taken.length);
        expect(taken.length).toBe(tenants.reduce((sum, each) => sum + hostDomainIds(each), 0));
        expect(Math.min(...taken)).toBe(1);
        expect(Math.max(...taken)).toBe(taken.length);
        for (const [t, each] of tenants.entries()) expect(memories[t] > 0).toBe(isVm(each) && each.mode !== 'shadow');
      }),
      { numRuns: 60 },
    );
  });
});
