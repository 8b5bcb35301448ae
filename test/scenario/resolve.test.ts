import { describe, expect, it } from 'vitest';
import { expand } from '../../src/scenario/expand.ts';
import { FORMATS } from '../../src/scenario/formats.ts';
import { PRESETS, presetByName } from '../../src/scenario/presets/index.ts';
import { load, problems, SMALL } from './support.ts';

const tenant = (body: string, machine = 'preset: generic') => `question: What?
machine: { ${machine} }
tenants:
${body}
run: { requests: 10 }
`;
const WINDOW = 'traffic: { model: uniform, windowBytes: 4KiB, transferBytes: 64 }';

describe('presets', () => {
  /** Paths of all single values. */
  function leaves(value: unknown, path: string): string[] {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return [path];
    return Object.entries(value).flatMap(([key, inner]) => leaves(inner, `${path}.${key}`));
  }
  const covers = (prefix: string, path: string): boolean => path === prefix || path.startsWith(`${prefix}.`);

  it.each(PRESETS.map((preset) => [preset.name, preset] as const))(
    '%s: every value has a source or is an estimate',
    (_, preset) => {
      const paths = [...leaves(preset.machine, 'machine'), ...leaves(preset.os, 'os')];
      const named = [...Object.keys(preset.sources), ...preset.estimates];
      expect(paths.filter((path) => !named.some((prefix) => covers(prefix, path)))).toEqual([]);
      expect(named.filter((prefix) => !paths.some((path) => covers(prefix, path)))).toEqual([]);
    },
  );

  it.each(PRESETS.map((preset) => preset.name))('%s can be run', (name) => {
    const scenario = load(SMALL.replace('generic', name));
    expect(scenario.points[0].machine.preset).toBe(name);
    expect(scenario.points[0].machine.estimates.length).toBeGreaterThan(0);
  });

  it('lend no value of the scenario their source, but keep its estimates estimates', () => {
    const own = tenant(
      `  h: { mode: host, devices: { d: { ${WINDOW} } } }`,
      'preset: amd-rome, walkers: 3, link: { gbps: 50Gbps }',
    );
    const { sources, estimates } = load(own).points[0].machine;
    const preset = presetByName('amd-rome');
    expect(sources.filter(({ source }) => source === 'the scenario').map(({ path }) => path)).toEqual([
      'machine.link.gbps',
    ]);
    expect(sources.filter(({ source }) => source !== 'the scenario')).toHaveLength(Object.keys(preset.sources).length);
    expect(estimates).toContain('machine.walkers');
    const all = load(own.replace('link: { gbps: 50Gbps }', 'memoryBytes: 64GiB')).points[0].machine.sources;
    expect(all.filter(({ path }) => path === 'machine.memoryBytes')).toEqual([
      { path: 'machine.memoryBytes', source: 'the scenario' },
    ]);
  });

  it('fit the published latency of pcie-bench', () => {
    const { latency, iotlb, link } = presetByName('pcie-bench-broadwell').machine;
    const linkNs = ((link.readRequestBytes + link.completionHeaderBytes + 64) * 8) / link.gbps;
    expect(iotlb.entries).toBe(117);
    expect(latency.dmaReadNs + linkNs).toBeCloseTo(487.5, 2);
    expect(latency.dmaReadNs + linkNs + latency.iotlbHitNs).toBeCloseTo(490, 2);
    expect(latency.memoryReadNs + latency.walkOverheadNs).toBe(290);
  });
});

describe('caches', () => {
  it('that are full follow their number of entries', () => {
    const text = SMALL.replace('preset: generic', 'preset: pcie-bench-broadwell');
    const { iotlb } = load(text, { sets: ['machine.iotlb.entries=64'] }).points[0].machine;
    expect(iotlb).toMatchObject({ entries: 64, ways: 64 });
  });

  it('of no entries are not there', () => {
    const { machine } = load(SMALL, { sets: ['machine.iotlb.entries=0', 'machine.walkCaches.host.level2.entries=0'] })
      .points[0];
    expect(machine.iotlb).toMatchObject({ entries: 0, ways: 1 });
    expect(machine.walkCaches.host.map((cache) => cache.entries)).toEqual([64, 0, 16, 8, 8]);
  });

  it('may have any number of sets', () => {
    const { iotlb } = load(SMALL, { sets: ['machine.iotlb.entries=1536', 'machine.iotlb.ways=6'] }).points[0].machine;
    expect(iotlb.entries / iotlb.ways).toBe(256);
  });
});

describe('tenants', () => {
  it('and devices are counted out, with numbers over the whole run', () => {
    const text = tenant(
      `  vm:
    count: 2
    mode: nested
    devices:
      nic: { count: 2, ${WINDOW} }
      disk: { ${WINDOW} }`,
      'preset: amd-rome',
    );
    const { tenants } = load(text).points[0];
    expect(tenants.map(({ name }) => name)).toEqual(['vm-0', 'vm-1']);
    expect(tenants[1].devices.map(({ name, index, unit }) => [name, index, unit])).toEqual([
      ['nic-0', 3, 3],
      ['nic-1', 4, 0],
      ['disk', 5, 1],
    ]);
    const bdfs = tenants.flatMap(({ devices }) => devices.map(({ bdf }) => bdf));
    expect(new Set(bdfs).size).toBe(6);
    // Each of the four units has 64 buses, the first of them the root's.
    expect(bdfs).toEqual([0x0100, 0x4100, 0x8100, 0xc100, 0x0101, 0x4101]);
  });

  it('keep wanted requester IDs', () => {
    const text = tenant(`  host:
    mode: host
    devices:
      a: { ${WINDOW} }
      b: { bdf: "01:00.0", count: 2, ${WINDOW} }`);
    expect(load(text).points[0].tenants[0].devices.map(({ bdf }) => bdf)).toEqual([0x0102, 0x0100, 0x0101]);
  });

  it('share one machine', () => {
    const text = tenant(`  vm: { count: 100, mode: nested, memoryBytes: 4GiB, devices: { nic: { ${WINDOW} } } }`);
    expect(problems(text)[0]).toMatch(
      /the tenants have 429496729600 bytes together, more than the machine's 274877906944/,
    );
  });

  it('nest tables that nest', () => {
    const nested = (stages: string) =>
      problems(tenant(`  vm: { mode: nested, ${stages}, devices: { nic: { ${WINDOW} } } }`));
    expect(nested('guest: { format: amd-v2, levels: 5 }, host: { format: amd-v1, levels: 4 }')).toEqual([]);
    expect(nested('host: { format: amd-v2 }')[0]).toMatch(/guest tables of amd-v2 nest in amd-v1, not in amd-v2/);
    expect(nested('guest: { format: amd-v1 }')[0]).toMatch(/amd-v1 is no guest table; expected amd-v2/);
  });

  describe('that are virtual machines', () => {
    const vm = (keys: string, device = '') =>
      tenant(`  vm: { ${keys}, memoryBytes: 4GiB, devices: { nic: { ${device}${WINDOW} } } }`);

    it('may have every mode but host', () => {
      for (const mode of ['passthrough', 'shadow', 'nested', 'nested-hw']) {
        expect(problems(vm(`mode: ${mode}, vm: true`)), mode).toEqual([]);
      }
      expect(problems(vm('mode: host, vm: true'))[0]).toMatch(
        /host's own DMA; expected passthrough, shadow, nested or/,
      );
      expect(problems(vm('mode: shadow, vm: false'))[0]).toMatch(/mode shadow is always a VM's; leave vm out/);
    });

    it('have amd-v1 tables in the host', () => {
      expect(problems(vm('mode: shadow, host: { format: amd-v2 }'))[0]).toMatch(/expected amd-v1, not amd-v2/);
      expect(problems(vm('mode: passthrough, host: { format: amd-v2 }'))).toEqual([]);
      expect(problems(vm('mode: passthrough, vm: true, host: { format: amd-v2 }')).length).toBe(1);
    });

    it('use PASIDs only where hardware walks their tables', () => {
      for (const mode of ['nested', 'nested-hw']) expect(problems(vm(`mode: ${mode}`, 'pasid: 3, '))).toEqual([]);
      expect(problems(vm('mode: shadow', 'pasid: 3, '))[0]).toMatch(
        /only in modes nested and nested-hw, not in shadow/,
      );
    });

    it('have no flush queue where maps are flushed', () => {
      const policy = (keys: string) => load(vm(keys)).points[0].tenants[0].policy;
      expect(policy('mode: shadow, policy: lazy')).toBe('strict');
      expect(policy('mode: nested, policy: lazy')).toBe('lazy');
      expect(policy('mode: nested, policy: lazy, npCache: true')).toBe('strict');
      expect(problems(vm('mode: shadow, npCache: false'))[0]).toMatch(/learns of maps by their flushes/);
    });

    it('use up host domain IDs, and no more than there are', () => {
      const guests = (count: number, domains: number) =>
        tenant(
          `  vm: { count: ${count}, mode: nested-hw, memoryBytes: 1MiB, guestDomains: ${domains}, devices: { nic: { ${WINDOW} } } }`,
        );
      expect(problems(guests(64, 1022))).toEqual([]);
      expect(problems(guests(64, 1023))[0]).toMatch(
        /65536 host domain IDs are wanted, but there are 65535; .*vm-0 alone takes 1024/,
      );
      const few = { sets: ['os.viommu.domainIds=8'] };
      expect(problems(guests(3, 1), few)).toEqual([]);
      expect(problems(guests(4, 1), few)[0]).toMatch(/8 host domain IDs are wanted, but there are 7/);
    });
  });

  it('have levels and leaves that their format has', () => {
    for (const [format, facts] of Object.entries(FORMATS)) {
      for (const levels of [2, 3, 4, 5, 6]) {
        const lines = problems(
          tenant(
            `  host: { mode: host, host: { format: ${format}, levels: ${levels} }, devices: { nic: { ${WINDOW} } } }`,
          ),
        );
        expect(lines.length).toBe((facts.levels as readonly number[]).includes(levels) ? 0 : 1);
      }
    }
  });
});

describe('the operating system', () => {
  const os = (section: string) => expand(load(`${SMALL}os: ${section}\n`))[0].os;

  it('has one flush queue a CPU, 256 entries and 10 ms; a single one has 32,768 and 1 s', () => {
    expect(os('{}').flushQueue).toEqual({ entries: 256, timeoutNs: 10e6, single: false });
    expect(os('{ flushQueue: { single: true } }').flushQueue).toEqual({
      entries: 32_768,
      timeoutNs: 1e9,
      single: true,
    });
    expect(os('{ flushQueue: { single: true, entries: 64 } }').flushQueue).toEqual({
      entries: 64,
      timeoutNs: 1e9,
      single: true,
    });
  });

  it('has a CPU for each queue unless it is told how many', () => {
    expect([os('{}').cpus, os('{ cpus: 6 }').cpus]).toEqual([0, 6]);
  });

  it('gives contiguous ranges a power of two of pages', () => {
    expect(os('{ contiguousPages: 16 }').contiguousPages).toBe(16);
    expect(problems(`${SMALL}os: { contiguousPages: 48 }\n`)).toEqual([
      expect.stringContaining('48 is not a power of two from 1 to 512'),
    ]);
  });
});

describe('NICs', () => {
  const nic = (more: string, mode = 'host') =>
    tenant(
      `  host: { mode: ${mode}, devices: { nic: { ${more.startsWith('untrusted') ? more : `traffic: { model: nic, ${more} }`} } } }`,
    );

  it('recycle no pages, and have one queue of single buffers, unless they are told otherwise', () => {
    expect(expand(load(nic('ringEntries: 64')))[0].tenants[0].devices[0].traffic).toMatchObject({
      queues: 1,
      buffersPerDescriptor: 1,
      completionCpu: 'same',
      recycle: { pages: 0, order: 'fifo', holdNs: 0 },
    });
  });

  it.each([
    ['buffersPerDescriptor: 64, bufferBytes: 2KiB', '64 buffers a descriptor need buffers of 4 KiB, not 2048 bytes'],
    ['buffersPerDescriptor: 48, bufferBytes: 4KiB, ringEntries: 256', 'a ring of 256 is no multiple of 48 buffers'],
    ['buffersPerDescriptor: 64, bufferBytes: 4KiB, ringEntries: 64', 'must hold the buffers of one packet beside'],
  ])('that cannot be are refused: %s', (more, message) => {
    expect(problems(nic(more))).toEqual([expect.stringContaining(message)]);
  });

  it('that are untrusted are always translated', () => {
    expect(problems(nic(`untrusted: true, ${WINDOW}`, 'passthrough'))).toEqual([
      expect.stringContaining('Linux always translates untrusted devices'),
    ]);
    expect(problems(nic(`untrusted: true, ${WINDOW}`))).toEqual([]);
  });
});

describe('expand', () => {
  it('keeps the seeds of a point together and freezes everything', () => {
    const specs = expand(load(`${SMALL}sweep: { vary: { machine.walkers: [1, 2] } }\n`, { sets: ['run.seeds=2'] }));
    expect(specs.map(({ point, seed }) => [point, seed])).toEqual([
      ['walkers=1', 1],
      ['walkers=1', 2],
      ['walkers=2', 1],
      ['walkers=2', 2],
    ]);
    expect(Object.isFrozen(specs[0].tenants[0].devices[0].traffic)).toBe(true);
    expect(structuredClone(specs[0])).toEqual(specs[0]);
  });
});
