/** How the IOTLB is organised, as a scenario says it. */
import { describe, expect, it } from 'vitest';
import { estimateRun } from '../../src/scenario/estimate.ts';
import { expand } from '../../src/scenario/expand.ts';
import type { MachineSpec } from '../../src/spec.ts';
import { load, problems, SMALL } from './support.ts';

const withIotlb = (iotlb: string): string => SMALL.replace('preset: generic', `preset: generic\n  iotlb: ${iotlb}`);
const machine = (iotlb: string, sets: string[] = []) => load(withIotlb(iotlb), { sets }).points[0].machine;

describe('machine.iotlb.split', () => {
  it('gives larger leaves a part of their own, fully associative and LRU if it does not say', () => {
    const { iotlb } = machine(
      '{ split: { level1: { entries: 48 }, level2: { entries: 16, ways: 4, replacement: plru } } }',
    );
    expect(iotlb).toMatchObject({ entries: 512, ways: 8 });
    expect(iotlb.split).toEqual([
      { level: 1, entries: 48, ways: 48, replacement: 'lru', index: 'modulo' },
      { level: 2, entries: 16, ways: 4, replacement: 'plru', index: 'modulo' },
    ]);
  });

  it('is not there without entries, so that a sweep can go from one part to two', () => {
    expect(machine('{ split: { level1: { ways: full } } }').iotlb.split).toBeUndefined();
    expect(
      machine('{ split: { level1: { entries: 32 } } }', ['machine.iotlb.split.level1.entries=0']).iotlb.split,
    ).toBeUndefined();
    expect(machine('{}', ['machine.iotlb.split.level2.entries=8']).iotlb.split).toMatchObject([
      { level: 2, entries: 8 },
    ]);
  });

  it('counts in the estimate of memory', () => {
    const bytes = (iotlb: string): number => estimateRun(expand(load(withIotlb(iotlb)))[0]).tableBytes;
    expect(bytes('{ split: { level1: { entries: 65536 } } }')).toBeGreaterThan(bytes('{}') + 2 * 65536 * 40);
  });

  it.each([
    ['4:21', '{ split: { level3: { entries: 4 } } }', 'unknown key "level3"; did you mean'],
    ['4:40', '{ split: { level1: { entries: 10, ways: 4 } } }', '10 entries cannot be divided into sets of 4 ways'],
    [
      '4:45',
      '{ leafLog2: [12], split: { level1: { entries: 4 } } }',
      'leafLog2 [12] has no leaf size of level 1; expected 21 in it',
    ],
    ['4:22', '{ leafLog2: [12, 16, 21, 30] }', 'expected at most 3 leaf sizes'],
  ])('at %s, %s is a mistake', (place, iotlb, message) => {
    expect(problems(withIotlb(iotlb)).join('\n')).toContain(`test.yaml:${place}: ${message}`);
  });
});

describe('a partition', () => {
  /** Tenants host and vm-0 … vm-2. */
  const withTenants = (machine: string): string =>
    SMALL.replace('preset: generic', `preset: generic\n  ${machine}`).replace(
      'tenants:\n',
      `tenants:
  vm:
    count: 3
    mode: nested
    policy: static
    memoryBytes: 64MiB
    devices: { d: { traffic: { model: uniform, windowBytes: 64KiB, transferBytes: 64 } } }
`,
    );
  const machine = (text: string, sets: string[] = []) => load(withTenants(text), { sets }).points[0].machine;

  it('gives each copy of a tenant its minimum, and the rest to all', () => {
    const { iotlb } = machine('iotlb: { ways: 16, partition: { by: ways, minimum: { host: 4, vm: 2 } } }');
    expect(iotlb.partition).toEqual({ by: 'ways', minimum: [2, 2, 2, 4] });
  });

  it('can divide walk caches, nested TLB and the parts of an IOTLB, by sets too', () => {
    const part = 'partition: { by: sets, minimum: { vm: 1 } }';
    const text = `{ entries: 64, ways: 8, ${part} }`;
    const { walkCaches, nestedTlb, iotlb } = machine(
      `iotlb: { split: { level1: ${text} } }\n  nestedTlb: ${text}\n  walkCaches: { host: { level1: ${text} }, guest: { level2: ${text} } }`,
    );
    const all = [walkCaches.host[0], walkCaches.guest[1], nestedTlb, iotlb.split![0]];
    expect(all.map(({ partition }) => partition)).toEqual(all.map(() => ({ by: 'sets', minimum: [1, 1, 1, 0] })));
  });

  it('of nothing for anybody is none, and its shares can be varied', () => {
    const text = 'iotlb: { partition: { minimum: { vm: 0 } } }';
    expect(machine(text).iotlb.partition).toBeUndefined();
    const varied = machine(text, ['machine.iotlb.partition.minimum.vm=2']).iotlb.partition;
    expect(varied).toEqual({ by: 'ways', minimum: [2, 2, 2, 0] });
  });

  it('may be given by --set alone, names checked', () => {
    const given = machine('walkers: 2', ['machine.iotlb.partition.minimum.host=3']).iotlb.partition;
    expect(given).toEqual({ by: 'ways', minimum: [0, 0, 0, 3] });
    const wrong = ['vn=1', '__proto__=1', 'vm.x=1', 'vm=-1'].map((end) => {
      return problems(withTenants('walkers: 2'), { sets: [`machine.iotlb.partition.minimum.${end}`] }).join('\n');
    });
    expect(wrong[0]).toContain('minimum.vn: there is no tenant "vn"; did you mean "vm"?');
    expect(wrong[1]).toContain('"__proto__" is not a name');
    expect(wrong[2]).toContain('is a single value and has no "x"');
    expect(wrong[3]).toContain('-1 is out of range');
  });

  it.each([
    ['iotlb: { partition: { minimum: { vn: 1 } } }', 'there is no tenant "vn"; did you mean "vm"?'],
    [
      'iotlb: { partition: { minimum: { vm: 3 } } }',
      'the tenants want 9 ways for themselves (vm 3 x 3), but a set has 8 ways',
    ],
    [
      'nestedTlb: { partition: { by: sets, minimum: { vm: 1 } } }',
      'but the cache has 1 set; expected less, a larger cache, or by: ways',
    ],
    [
      'iotlb: { ways: 6, entries: 48, partition: { minimum: { vm: 2 } } }',
      'all 6 ways are taken, so that tenant "host" has none; expected a minimum for it, or at most 5 for the others',
    ],
    ['iotlb: { partition: { minimum: { __proto__: 1 } } }', '"__proto__" is not a name'],
    ['iotlb: { l1: { partition: { minimum: { vm: 1 } } } }', 'unknown key "partition"'],
    ['deviceCache: { partition: { minimum: { vm: 1 } } }', 'unknown key "partition"'],
    ['iotlb: { partition: { by: rows } }', '"rows" is not one of ways, sets'],
  ])('%s is a mistake', (text, message) => {
    const found = problems(withTenants(text)).join('\n');
    expect(found).toContain(message);
    expect(found).toMatch(/^test\.yaml:4:\d+: /);
  });
});

describe('machine.prefetchPages', () => {
  const withMachine = (lines: string): string => SMALL.replace('preset: generic', `preset: generic\n  ${lines}`);

  it('is left out at 0', () => {
    expect(load(withMachine('prefetchPages: 0')).points[0].machine.prefetchPages).toBeUndefined();
    expect(load(withMachine('prefetchPages: 7')).points[0].machine.prefetchPages).toBe(7);
  });

  it.each([
    ['4:18', 'prefetchPages: 8', '8 is out of range; expected 0 to 7'],
    ['4:18', 'prefetchPages: 2\n  iotlb: { entries: 0 }', 'what is prefetched goes into the shared IOTLB'],
  ])('at %s, %s is a mistake', (place, lines, message) => {
    expect(problems(withMachine(lines)).join('\n')).toContain(`test.yaml:${place}: ${message}`);
  });
});

describe('machine.iotlb.fracture', () => {
  it('is a value of the scenario', () => {
    expect(machine('{}').iotlb.fracture).toBe(true);
    expect(machine('{ fracture: false }').iotlb.fracture).toBe(false);
  });
});

describe('every cache', () => {
  const PATHS = [
    ...[
      'iotlb',
      'iotlb.l1',
      'iotlb.split.level1',
      'iotlb.split.level2',
      'nestedTlb',
      'deviceCache',
      'pasidCache',
      'lineCache',
    ],
    ...[1, 2, 3, 4, 5].flatMap((level) => [`walkCaches.host.level${level}`, `walkCaches.guest.level${level}`]),
  ];
  const at = (machine: object, path: string): unknown => {
    const split = /^iotlb\.split\.level(\d)$/.exec(path);
    if (split !== null) return (machine as MachineSpec).iotlb.split!.find(({ level }) => level === Number(split[1]));
    const keys = path.replace(/level(\d)/, (_, level: string) => String(Number(level) - 1)).split('.');
    return keys.reduce((value: unknown, key) => (value as Record<string, unknown>)[key], machine);
  };

  it.each(PATHS)('%s: any number of entries and ways, every policy and index', (path) => {
    const of = (values: string): unknown => at(load(SMALL, { sets: sets(path, values) }).points[0].machine, path);
    expect(of('entries=1536 ways=12 replacement=srrip index=hash')).toMatchObject({
      entries: 1536,
      ways: 12,
      replacement: 'srrip',
      index: 'hash',
    });
    expect(of('entries=117 ways=full')).toMatchObject({ entries: 117, ways: 117 });
    for (const replacement of ['lru', 'plru', 'fifo', 'random', 'srrip', 'lfu']) {
      expect(of(`entries=48 ways=4 replacement=${replacement}`)).toMatchObject({ replacement });
    }
    for (const index of ['modulo', 'shifted', 'hash'])
      expect(of(`entries=48 ways=4 index=${index}`)).toMatchObject({ index });
  });
});

/** `--set` of some values of one cache. */
const sets = (path: string, values: string): string[] => values.split(' ').map((value) => `machine.${path}.${value}`);

describe('machine.iotlb.negative', () => {
  const withTenant = (tenant: string): string =>
    withIotlb('{ negative: true }').replace('mode: host\n    policy: static', tenant);

  it('is left out unless it is true', () => {
    expect(machine('{ negative: false }').iotlb.negative).toBeUndefined();
    expect(machine('{ negative: true }').iotlb.negative).toBe(true);
  });

  it.each([
    ['mode: host\n    policy: lazy', true, 'strict'],
    ['mode: nested\n    memoryBytes: 64MiB\n    policy: static', true, 'static'],
    ['mode: shadow\n    memoryBytes: 64MiB\n    policy: strict', undefined, 'strict'],
    ['mode: passthrough', undefined, 'passthrough'],
  ])('makes the kernel of a tenant flush its maps: %s', (tenant, npCache, policy) => {
    expect(load(withTenant(tenant)).points[0].tenants[0]).toMatchObject({ policy });
    expect(load(withTenant(tenant)).points[0].tenants[0].npCache).toBe(npCache);
  });

  it('cannot be hidden from a guest', () => {
    expect(problems(withTenant('mode: nested\n    memoryBytes: 64MiB\n    npCache: false'))[0]).toBe(
      'test.yaml:9:14: with machine.iotlb.negative a page that was not present would stay so for a kernel that does not know; leave npCache out',
    );
  });
});
