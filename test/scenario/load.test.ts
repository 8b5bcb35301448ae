import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { METRICS, TENANT_METRICS } from '../../src/report/columns/files.ts';
import { expand } from '../../src/scenario/expand.ts';
import { bundledScenarios } from '../../src/scenario/files.ts';
import { loadScenario, loadText } from '../../src/scenario/load.ts';
import { problemLines } from '../../src/scenario/problem.ts';
import { load, problems, SMALL } from './support.ts';

const GOLDEN = 'test/golden/errors';
const cases = readdirSync(GOLDEN).filter((file) => /\.(yaml|json)$/.test(file));
const PLACE = /^(test\.yaml:\d+:\d+|--set .*|--seed): ./;

describe('mistakes', () => {
  it.each(cases)('%s', async (file) => {
    const loaded = loadText(readFileSync(join(GOLDEN, file), 'utf8'), file, {
      metrics: METRICS,
      tenantMetrics: TENANT_METRICS,
    });
    const text = loaded.ok ? '' : `${problemLines(loaded.problems).join('\n')}\n`;
    await expect(text).toMatchFileSnapshot(`../golden/errors/${file.replace(/\.\w+$/, '.txt')}`);
    expect(text).not.toBe('');
  });

  it('are never more than a screen can tell', () => {
    const many = Array.from({ length: 500 }, (_, i) => `  wrong${i}: 1\n`).join('');
    const lines = problems(`${SMALL}os:\n${many}`);
    expect(lines.length).toBe(51);
    expect(lines.at(-1)).toMatch(/and 450 more mistakes/);
  });
});

describe('any text', () => {
  const fine = (text: string, sets: string[] = []): void => {
    const loaded = loadText(text, 'test.yaml', { sets });
    if (!loaded.ok) {
      expect(loaded.problems.length).toBeGreaterThan(0);
      for (const line of problemLines(loaded.problems)) expect(line).toMatch(PLACE);
    }
  };

  it('gives a scenario or mistakes with their places', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => fine(text)),
      { numRuns: 300 },
    );
  });

  it('made of pieces of scenarios does too', () => {
    const piece = fc.constantFrom(
      ...SMALL.split(/(?<=[\s:{},])/),
      ...[
        '&a ',
        '*a',
        '!!set ',
        '? ',
        '- ',
        '[',
        ']',
        '"',
        "'",
        '|\n',
        '%YAML 1.1\n',
        '---\n',
        '\t',
        '<<: ',
        '~',
        '.nan',
        '0x',
        '\u0000',
      ],
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => fine(pieces.join(''))),
      { numRuns: 500 },
    );
  });

  it('with one value replaced by anything does too', () => {
    const lines = SMALL.trimEnd().split('\n');
    const value = fc.oneof(
      fc.constantFrom(
        '-1',
        '1e400',
        '0x1ffffffffffffffff',
        '[]',
        '{}',
        'null',
        'true',
        '*x',
        '"\\ud800"',
        '.inf',
        '9'.repeat(400),
        '2001-01-01',
      ),
      fc.string({ maxLength: 20 }),
      fc.jsonValue().map((json) => JSON.stringify(json)),
    );
    fc.assert(
      fc.property(fc.nat(lines.length - 1), value, (at, replacement) => {
        const changed = lines.map((line, i) => (i === at ? line.replace(/:.*$/, `: ${replacement}`) : line));
        fine(changed.join('\n'));
      }),
      { numRuns: 500 },
    );
  });

  it('after --set does too', () => {
    const path = fc.constantFrom(
      'machine.walkers',
      'tenants.host',
      'tenants.host.devices.dev.traffic',
      'run',
      '__proto__.x',
      'machine',
      '',
    );
    fc.assert(
      fc.property(path, fc.string({ maxLength: 30 }), (p, text) => fine(SMALL, [`${p}=${text}`, text])),
      { numRuns: 300 },
    );
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });

  it('nested too deep says so', () => {
    expect(problems('['.repeat(30_000))).toEqual([
      expect.stringMatching(/^test\.yaml:\d+:\d+: not valid YAML: nested too deep$/),
    ]);
    expect(problems('{a: '.repeat(33) + '}'.repeat(33))).toEqual([
      expect.stringMatching(/nested deeper than 32 levels/),
    ]);
  });

  // Each takes half a second; the quadratic check for equal keys, one of many such traps, would take four and more.
  it.each([
    ['[', '['.repeat(40_000)],
    ['a: {', 'a: {'.repeat(20_000)],
    ['- ', '- '.repeat(20_000)],
    ['k…: 1', Array.from({ length: 20_000 }, (_, i) => `k${i}: 1\n`).join('')],
    ['*a', `a: &a 1\nb: [${'*a, '.repeat(20_000)}]`],
    ['a: 1', 'a: 1\n'.repeat(20_000)],
  ])('%s without end is refused at once', (_, text) => {
    const before = process.cpuUsage();
    fine(text);
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1e6, 'seconds of CPU').toBeLessThan(3);
  });
});

describe('--set', () => {
  it('wins over the file', () => {
    const scenario = load(SMALL, {
      sets: ['machine.iotlb.entries=64', 'machine.iotlb.ways=4', 'run.seeds=2', 'machine.walkers=3'],
    });
    expect(scenario.points[0].machine.iotlb).toMatchObject({ entries: 64, ways: 4 });
    expect(scenario.points[0].machine.walkers).toBe(3);
    expect(scenario.seeds).toEqual([1, 2]);
  });

  it('of requests replaces a duration, and the other way round', () => {
    expect(load(SMALL, { sets: ['run.durationNs=2ms'] }).points[0].run).toMatchObject({ requests: 0, durationNs: 2e6 });
    const timed = SMALL.replace('requests: 1000', 'durationNs: 1ms');
    expect(load(timed, { sets: ['run.requests=7'] }).points[0].run).toMatchObject({ requests: 7, durationNs: 0 });
    expect(problems(SMALL, { sets: ['run.requests=7', 'run.durationNs=5'] })).toHaveLength(1);
  });

  it.each([
    ['machine.iotlb.entriez=1', /^--set machine\.iotlb\.entriez: unknown path .*did you mean "entries"/],
    ['machine.iotlb.entries=lots', /^--set machine\.iotlb\.entries: "lots" is not a whole number; expected 0 to/],
    ['machine.iotlb.entries=100', /^--set machine\.iotlb\.entries: 100 entries cannot be divided into sets of 8 ways/],
    ['tenants.hst.mode=host', /^--set tenants\.hst\.mode: there is no "hst" in tenants; did you mean "host"/],
    ['tenants.host.mode.x=1', /is a single value and has no "x"/],
    ['machine.walkers=', /^--set machine\.walkers: expected a value after =/],
    ['machine.walkers=[', /^--set machine\.walkers: not valid YAML/],
    ['machine.walkers', /expected path=value/],
    ['=5', /expected path=value/],
    ['a\u001b[31m=5', /^--set a\\u001b\[31m: unknown path/],
    ['__proto__.polluted=1', /unknown path/],
    ['tenants.constructor.mode=host', /there is no "constructor" in tenants/],
  ])('%s is a mistake', (set, message) => {
    const lines = problems(SMALL, { sets: [set] });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(message);
  });
});

describe('--seed', () => {
  it('is the first seed', () => {
    expect(load(SMALL, { seed: 7 }).seeds).toEqual([7]);
    expect(load(SMALL, { seed: 7, sets: ['run.seeds=3'] }).seeds).toEqual([7, 8, 9]);
    expect(load(SMALL.replace('requests: 1000', 'requests: 1000\n  seeds: [5, 50]'), { seed: 7 }).seeds).toEqual([
      7, 8,
    ]);
  });
});

describe('a sweep', () => {
  const SWEEP = `${SMALL}sweep:
  cases:
    off: { tenants.host.mode: passthrough }
    on: {}
  vary:
    machine.walkers: [1, 2]
    tenants.host.devices.dev.traffic.windowBytes: [4KiB, 1MiB]
`;

  it('is the cross product, cases first', () => {
    const names = load(SWEEP).points.map((point) => point.name);
    expect(names).toEqual(
      ['off', 'on'].flatMap((c) =>
        [1, 2].flatMap((w) => ['4KiB', '1MiB'].map((b) => `${c} walkers=${w} windowBytes=${b}`)),
      ),
    );
  });

  it('gives each point its values, quantities as numbers', () => {
    const point = load(SWEEP).points[7];
    expect(point.values).toEqual({ 'machine.walkers': 2, 'tenants.host.devices.dev.traffic.windowBytes': 1_048_576 });
    expect(point.machine.walkers).toBe(2);
    expect(point.tenants[0]).toMatchObject({ mode: 'host', devices: [{ traffic: { windowBytes: 1_048_576 } }] });
    expect(load(SWEEP).points[0].tenants[0]).toMatchObject({ mode: 'passthrough', policy: 'passthrough' });
  });

  it('is narrowed by --set of a varied path', () => {
    const points = load(SWEEP, { sets: ['machine.walkers=9'] }).points;
    expect(points.map((point) => point.machine.walkers)).toEqual([9, 9, 9, 9]);
    expect(problems(SWEEP, { sets: ['machine.walkers=x'] })).toEqual([
      '--set machine.walkers: "x" is not a whole number; expected 1 to 1024',
    ]);
  });

  it('does not let --set undo its cases', () => {
    expect(problems(SWEEP, { sets: ['tenants.host.mode=host'] })[0]).toMatch(
      /the case "off" of the sweep sets this path itself/,
    );
  });

  it('tells equal last words apart', () => {
    const text = `${SMALL}sweep: { vary: { machine.nestedTlb.entries: [4], machine.deviceCache.entries: [8] } }\n`;
    expect(load(text).points[0].name).toBe('nestedTlb.entries=4 deviceCache.entries=8');
  });
});

describe('files', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'nestwalk-load-'));
    mkdirSync(join(folder, 'directory'));
    writeFileSync(join(folder, 'latin1.yaml'), Buffer.from([0x71, 0x3a, 0x20, 0x61, 0x0a, 0x62, 0x3a, 0xe9, 0x0a]));
    writeFileSync(join(folder, 'large.yaml'), 'a: 1\n'.repeat(300_000));
    writeFileSync(join(folder, 'bom.yaml'), `\ufeff${SMALL}`);
    writeFileSync(join(folder, '..x 0=-weird+name.yaml'), SMALL.replaceAll('\n', '\r\n'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    ['missing.yaml', /no such file or scenario; scenarios that come with nestwalk: /],
    ['directory', /is a folder/],
    ['latin1.yaml', /latin1\.yaml:2:3: not UTF-8 text/],
    ['large.yaml', /larger than 1 MiB/],
  ])('%s is a mistake', (file, message) => {
    expect(() => loadScenario(join(folder, file))).toThrow(message);
  });

  it('are found by name', () => {
    expect(() => loadScenario('nested-cots')).toThrow('did you mean "nested-cost"?');
    expect(loadScenario('nested-cost').ok).toBe(true);
  });

  it('may begin with a byte-order mark', () => expect(loadScenario(join(folder, 'bom.yaml')).ok).toBe(true));

  it('of any name make a folder name', () => {
    const loaded = loadScenario(join(folder, '..x 0=-weird+name.yaml'));
    expect(loaded.ok && loaded.scenario.name).toBe('x-0-weird-name');
  });

  it('that never end are refused', () => expect(() => loadScenario('/dev/zero')).toThrow(/larger than 1 MiB/));
});

describe('bundled scenarios', () => {
  it.each(bundledScenarios())('%s has no mistakes', (name) => {
    const loaded = loadScenario(`scenarios/${name}.yaml`, { metrics: METRICS });
    expect(loaded.ok ? [] : problemLines(loaded.problems)).toEqual([]);
    if (loaded.ok) expect(expand(loaded.scenario).length).toBeGreaterThan(0);
  });

  it('are the ones documented', () => {
    const readme = readFileSync('scenarios/README.md', 'utf8');
    for (const name of bundledScenarios()) expect(readme).toContain(`nestwalk run ${name}`);
  });
});
