import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inside } from './inside.ts';
import { resultFiles, shell, SMALL } from './support.ts';

const { folder } = shell();

/** Uniform over 256 pages and an IOTLB of N entries of any replacement: N / 256 of the lookups hit. */
const WINDOW = `question: How many entries?
machine: { preset: generic, iotlb: { ways: full } }
tenants:
  host:
    mode: host
    policy: static
    devices: { dev: { traffic: { model: uniform, windowBytes: 1MiB, transferBytes: 64, outstanding: 4 } } }
run: { requests: 20000, warmupRequests: 2000, missCauses: false }
`;
/** No IOTLB, upper levels always cached, each walk one read of 400 ns: W walkers make W / 400 ns walks a second. */
const WALKERS = `question: How many walkers?
machine:
  preset: generic
  iotlb: { entries: 0 }
  lineCache: { entries: 0 }
  walkCaches:
    host: { level1: { entries: 1024, ways: full }, level2: { entries: 64, ways: full }, level3: { entries: 64, ways: full } }
  latency: { memoryReadNs: 400, walkOverheadNs: 0 }
  link: { gbps: 2000Gbps, outstanding: 1024 }
tenants:
  host:
    mode: host
    host: { format: amd-v1, levels: 4 }
    policy: static
    devices: { dev: { traffic: { model: uniform, windowBytes: 64MiB, transferBytes: 64, outstanding: 128 } } }
run: { requests: 12000, warmupRequests: 1000, missCauses: false }
`;
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const window = file('window.yaml', WINDOW);
const walkers = file('walkers.yaml', WALKERS);
const small = file('small.yaml', SMALL);

interface Answer {
  readonly directory: string;
  readonly runs: number;
  readonly gridRuns: number;
  readonly answers: string[];
  readonly cases: {
    readonly case: string;
    readonly value: number;
    readonly isMonotonic: boolean;
    readonly edge: string;
    readonly valueText: string;
  }[];
}

async function search(scenario: string, ...args: string[]): Promise<Answer & { readonly code: number | null }> {
  const { code, out, err } = await inside(
    'whatif',
    scenario,
    '--json',
    '--no-report',
    '--out',
    join(folder, 'out'),
    ...args,
  );
  expect(err).toBe('');
  return { code, ...(JSON.parse(out) as Answer) };
}

describe('whatif finds what theory says', () => {
  it('the IOTLB capacity for a window, within 1 %, at less than a quarter of a grid', async () => {
    const found = await search(window, '--vary', 'machine.iotlb.entries=16..1024', '--goal', 'iotlb_hit_ratio>=0.75');
    expect(found.cases[0]).toMatchObject({ edge: 'smallest', isMonotonic: true });
    expect(Math.abs(found.cases[0].value / 192 - 1)).toBeLessThan(0.01);
    // A grid of 1 % over this range has 415 values.
    expect(found.runs).toBeLessThan((415 * 3) / 4);
    expect(found.runs).toBeLessThan(found.gridRuns / 4);
  });

  it('the walkers for a rate of misses, exactly, for each latency; the same files for any number of threads', async () => {
    const args = [
      '--vary',
      'machine.latency.memoryReadNs=200ns,400ns',
      '--vary',
      'machine.walkers=1..128',
      '--goal',
      'operations_per_s>=99e6',
    ];
    const found = await search(walkers, ...args, '--threads', '2', '--max-seeds', '6');
    // 99e6 × 200 ns = 19.8 and 99e6 × 400 ns = 39.6.
    expect(found.cases.map(({ case: name, value }) => [name, value])).toEqual([
      ['memoryReadNs=200ns', 20],
      ['memoryReadNs=400ns', 40],
    ]);
    expect(found.runs).toBeLessThan((2 * 128 * 3) / 4);
    const { out } = await inside(
      'whatif',
      walkers,
      ...args,
      '--threads',
      '1',
      '--max-seeds',
      '6',
      '--json',
      '--no-report',
      '--out',
      join(folder, 'other'),
    );
    const other = (JSON.parse(out) as Answer).directory;
    expect(readdirSync(other).sort()).toEqual(['answer.json', 'runs.csv', 'tried.csv']);
    expect(resultFiles(other)).toEqual(resultFiles(found.directory));
  });
});

describe('whatif', () => {
  const GOAL = ['--goal', 'requests>=1'];

  it('prints the answer, the curve and the evidence, and takes finished runs from before', async () => {
    const args = [
      'whatif',
      small,
      '--find',
      'machine.iotlb.entries',
      '--range',
      '8:64',
      '--until',
      'iotlb_hit_ratio>=0.9',
      '--out',
      join(folder, 'text'),
    ];
    const spaced = [...args, '--set', 'machine.iotlb.ways=full', '--no-report'];
    const { code, out } = await inside(...spaced);
    expect(code).toBe(0);
    expect(out).toMatch(/machine\.iotlb\.entries of \d+ is the smallest\s+that\s+meets/);
    expect(out).toMatch(/iotlb_hit_ratio by entries \(● meets, ○ fails/);
    for (const line of out.split('\n'))
      if (!line.startsWith('Files')) expect(line.length, line).toBeLessThanOrEqual(80);
    const kept = readdirSync(join(folder, 'text/small/points'));
    expect((await inside(...spaced)).out).toBe(out);
    expect(readdirSync(join(folder, 'text/small/points'))).toEqual(kept);
  });

  it('keeps searches apart that try other values or other seeds between the same ends', async () => {
    const goal = ['--goal', 'iotlb_hit_ratio>=0.5'];
    const searches = [['=1..8'], ['=1..8*2'], ['=1..8*2', '--seeds', '4'], ['=1..8*2', '--precision', '0']];
    const places = new Set<string>();
    for (const [range, ...more] of searches)
      places.add((await search(small, '--vary', `machine.walkers${range}`, ...more, ...goal)).directory);
    expect(places.size).toBe(4);
  });

  it('says when the quantity has no effect, and how many runs an exact grid would take', async () => {
    const found = await search(
      small,
      '--vary',
      'machine.walkers=1..8',
      '--goal',
      'iotlb_hit_ratio>=0.5',
      '--precision',
      '0',
    );
    expect(found.answers.join(' ')).toMatch(/iotlb_hit_ratio does not depend on walkers here/);
    expect(found.gridRuns).toBe(8 * 3);
  });

  it('exits with 1 when nothing meets the goal', async () => {
    const found = await search(small, '--vary', 'machine.walkers=1..8', '--goal', 'iotlb_hit_ratio>=2');
    expect([found.code, found.cases[0].value]).toEqual([1, null]);
    expect(found.answers[0]).toMatch(/no value of machine\.walkers from 1 to 8 meets/);
  });

  it('searches each case of a scenario', async () => {
    const sweep = file('cases.yaml', `${SMALL}sweep: { cases: { off: { tenants.host.mode: passthrough }, on: {} } }\n`);
    const found = await search(sweep, '--vary', 'machine.walkers=1..4', '--goal', 'translation_ns_mean<=1');
    expect(found.cases.map(({ case: name, value }) => [name, value])).toEqual([
      ['off', 4],
      ['on', null],
    ]);
  });

  it.each([
    [['--vary', 'machine.walkers=1..4'], /^--goal: missing; expected metric>=value/],
    [GOAL, /^--vary: missing; expected path=lo\.\.hi/],
    [
      ['--vary', 'a=1..2', '--vary', 'b=1..2', '--vary', 'c=1..2', ...GOAL],
      /^--vary: 3 quantities; expected one, or two/,
    ],
    [['--vary', 'machine.walkers', ...GOAL], /^--vary machine\.walkers: expected path=lo\.\.hi/],
    [['--vary', 'machine.walker=1..2', ...GOAL], /did you mean "walkers"/],
    [['--vary', 'machine.preset=1..2', ...GOAL], /takes no numbers/],
    [['--vary', 'machine.walkers=4', ...GOAL], /is not a range; expected lo\.\.hi/],
    [['--vary', 'machine.walkers=1..4', '--vary', 'machine.walkers=1..4', ...GOAL], /is given twice/],
    [
      ['--vary', 'machine.iotlb.entries=8..100', ...GOAL],
      /sets of 8 ways.*\n.*give lo\.\.hi\*factor or lo\.\.hi\+step/,
    ],
    [['--vary', 'machine.walkers=1..4', '--goal', 'requets>=1'], /did you mean "requests"/],
    [['--vary', 'machine.walkers=1..4', '--largest', '--smallest', ...GOAL], /expected one of the two/],
    [['--find', 'machine.walkers', ...GOAL], /--find and --range: expected both/],
    [['--vary', 'machine.walkers=1..4', '--precision', 'x', ...GOAL], /--precision: "x" is not a part/],
    [['--vary', 'machine.walkers=1..4', '--max-seeds', '2', ...GOAL], /--max-seeds: 2 is below the 3 seeds/],
  ])('refuses %j', async (args, message) => {
    const { code, out, err } = await inside('whatif', small, '--out', join(folder, 'none'), ...args);
    expect([code, out, err]).toEqual([2, '', expect.stringMatching(message)]);
  });
});

describe('sweep', () => {
  it('names every mistake of its flags, before any work', async () => {
    const { code, out, err } = await inside(
      'sweep',
      small,
      '--vary',
      'machine.walkers=1..',
      '--vary',
      'machine.iotlb.entries=3,5',
      '--out',
      join(folder, 'none'),
    );
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(/^--vary machine\.walkers: "1\.\." is not a range; expected lo\.\.hi/m);
  });

  it('writes what run writes for the same points, and says in the manifest how it was called', async () => {
    const common = [small, '--out', join(folder, 'same'), '--json', '--no-report'];
    const swept = await inside('sweep', ...common, '--vary', 'machine.walkers=1,2');
    const { directory } = JSON.parse(swept.out) as { directory: string };
    const command = JSON.parse(readFileSync(join(directory, 'manifest.json'), 'utf8')) as { command: string };
    expect(command.command).toBe('nestwalk sweep small.yaml --vary machine.walkers=1,2');
    const { 'manifest.json': _, ...tables } = resultFiles(directory);
    const own = file(
      'own/small.yaml'.replace('own/', 'own-'),
      `${SMALL}sweep: { vary: { machine.walkers: [1, 2] } }\n`,
    );
    const run = await inside('run', own, ...common.slice(1));
    const { 'manifest.json': __, ...expected } = resultFiles((JSON.parse(run.out) as { directory: string }).directory);
    const renamed = Object.entries(expected).map(([name, text]) => [name, text.replaceAll('own-small', 'small')]);
    expect(tables).toEqual(Object.fromEntries(renamed));
  });
});
