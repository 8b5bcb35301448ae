import { expect, it } from 'vitest';
import { assumptionsOf } from '../../../src/report/html/assumptions.ts';
import type { ManifestPoint } from '../../../src/report/html/manifest-file.ts';

const device = (index: number) => ({ name: 'queue', index, bdf: 256 + index, unit: 0, pasid: 1 });
const tenants = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ name: `p-${i}`, mode: 'host', devices: [device(i)] }));
const pointWith = (count: number, sources: readonly { path: string; source: string }[] = []): ManifestPoint =>
  ({
    machine: { units: 1, estimates: [], sources: [{ path: 'machine.units', source: 'a choice' }, ...sources] },
    os: {},
    tenants: tenants(count),
    run: { requests: 10 },
  }) as unknown as ManifestPoint;

it('shows tenants that are alike once, with their number', () => {
  const shown = assumptionsOf([pointWith(256)]).map(({ path, value }) => `${path} ${value}`);
  expect(shown).toEqual([
    'machine.units 1',
    'tenants.p-0.count 256',
    'tenants.p-0.mode host',
    'tenants.p-0.devices.queue.count 1',
    'tenants.p-0.devices.queue.pasid 1',
    'run.requests 10',
  ]);
});

it('shows the numbers of them at each point', () => {
  const [count] = assumptionsOf([pointWith(4), pointWith(16)]).filter(({ path }) => path === 'tenants.p-0.count');
  expect(count.value).toBe('4, 16');
});

it('keeps tenants apart that differ', () => {
  const point = pointWith(2);
  const other = { ...point.tenants[1], mode: 'nested' };
  const paths = assumptionsOf([{ ...point, tenants: [point.tenants[0], other] }]).map(({ path }) => path);
  expect(paths).toContain('tenants.p-1.mode');
  expect(paths).not.toContain('tenants.p-0.count');
});

it('says how many kinds of devices it leaves out', () => {
  const devices = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ ...device(i), name: `dev-${i}`, pasid: i }));
  const shown = (count: number): string[] => {
    const point = pointWith(1);
    const tenants = [{ ...point.tenants[0], devices: devices(count) }];
    const all = assumptionsOf([{ ...point, tenants }]).map(({ path, value }) => `${path} ${value}`);
    return all.filter((line) => line.includes('devices.…'));
  };
  expect(shown(4)).toEqual([]);
  expect(shown(5)).toEqual(['tenants.p-0.devices.… 1 more kind, in manifest.json']);
  expect(shown(7)).toEqual(['tenants.p-0.devices.… 3 more kinds, in manifest.json']);
});

it('shows numbers in full, under the paths of a scenario', () => {
  const point = pointWith(1);
  const cache = { entries: 64, ways: 8, replacement: 'lru', index: 'modulo' };
  const machine = { ...point.machine, units: 65536, walkCaches: { host: [cache], guest: [] }, link: { gbps: 57.88 } };
  const tenants = [{ ...point.tenants[0], host: { levels: 3, leafLog2: 21 }, devices: [] }];
  const shown = assumptionsOf([{ ...point, machine, tenants }]);
  expect(shown.map(({ path, value }) => `${path} ${value}`)).toEqual(
    expect.arrayContaining([
      'machine.units 65536',
      'machine.walkCaches.host.level1 64 entries, 8 ways, lru, modulo',
      'machine.link.gbps 57.88',
      'tenants.p-0.host.leafBytes 2 MiB',
    ]),
  );
});

it('takes the sources of all points', () => {
  const own = { path: 'machine.units', source: 'the scenario' };
  const other = pointWith(1);
  const point = { ...other, machine: { ...other.machine, sources: [own] } };
  expect(assumptionsOf([point, other])[0].source).toBe('the scenario');
});
