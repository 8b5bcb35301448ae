import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { inside } from './inside.ts';
import { shell, SMALL } from './support.ts';

const { folder } = shell();

const sample = (name: string): string => fileURLToPath(new URL(`../report/perf/samples/${name}`, import.meta.url));
const ESCAPE = /[\u001b\b\r]/;

async function run(...args: string[]): Promise<string> {
  const { out } = await inside(
    'run',
    join(folder, 'small.yaml'),
    '--out',
    join(folder, 'out'),
    '--json',
    '--no-report',
    ...args,
  );
  return (JSON.parse(out) as { directory: string }).directory;
}

let [few, many, cases] = ['', '', ''];
beforeAll(async () => {
  writeFileSync(join(folder, 'small.yaml'), SMALL);
  few = await run('--set', 'run.seeds=3', '--set', 'machine.iotlb.entries=8');
  many = await run('--set', 'run.seeds=3', '--set', 'machine.iotlb.entries=64');
  cases = await sweep();
});

async function sweep(): Promise<string> {
  const args = ['--vary', 'tenants.host.mode=passthrough,host', '--out', join(folder, 'out'), '--json', '--no-report'];
  const { out } = await inside('sweep', join(folder, 'small.yaml'), ...args);
  return (JSON.parse(out) as { directory: string }).directory;
}

describe('compare', () => {
  it('puts two runs side by side with what differs, marked, in 80 columns and without colour', async () => {
    const { code, out, err } = await inside('compare', few, many);
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^A {2}.*\nB {2}/);
    expect(out).toMatch(/machine\.iotlb\.entries: 8 \| 64/);
    expect(out).toMatch(/iotlb_hit_ratio .* \* │ +\+/);
    expect(out).not.toMatch(ESCAPE);
    for (const line of out.split('\n').filter((text) => /^[│┌├└]/.test(text)))
      expect(line.length).toBeLessThanOrEqual(80);
  });

  it('puts the points of one run side by side, beside the one that was asked for', async () => {
    const { out } = await inside('compare', cases, '--base', 'mode=host', '--metric', 'walks');
    expect(out).toMatch(/│ metric │ mode=host │ mode=passthrough │/);
    expect(out).toMatch(/one seed: no interval/);
  });

  it('prints JSON or CSV alone', async () => {
    const json = JSON.parse((await inside('compare', few, many, '--json', '--metric', 'walks')).out) as {
      comparisons: { metrics: { metric: string }[] }[];
    };
    expect(json.comparisons[0].metrics.map(({ metric }) => metric)).toEqual(['walks']);
    const { out } = await inside('compare', few, many, '--csv', '--metric', 'walks');
    expect(out).toMatch(/^point,metric,.*\r\n,walks,,A,B,/);
  });

  it('exits with 1 when more than the tolerance is significantly different', async () => {
    const strict = await inside('compare', few, many, '--metric', 'iotlb_hit_ratio', '--tolerance', '1%');
    expect([strict.code, strict.out]).toEqual([
      1,
      expect.stringMatching(/significantly more than 1 % apart: iotlb_hit_ratio of B/),
    ]);
    expect((await inside('compare', few, few, '--tolerance', '0')).code).toBe(0);
  });

  it('lays simulated counters beside those of perf stat', async () => {
    const { code, out, err } = await inside('compare', many, '--perf', sample('amd-multiplexed.csv'));
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/│ mem_iommu_tlb_pte_hit +│ +6\.6M │ +33\.4 │ +440 │/);
    expect(out).toMatch(/not of an IOMMU: cpu-clock/);
    const unscaled = await inside('compare', many, '--perf', sample('amd-multiplexed.csv'), '--perf-unscaled', '--csv');
    expect(unscaled.out).toMatch(/amd_iommu,mem_iommu_tlb_pte_hit,counted,0\.3335,19790104\.9/);
    const json = await inside('compare', many, '--perf', sample('intel-iio.txt'), '--json');
    expect(JSON.parse(json.out)).toMatchObject({ sides: [{ references: [{ pmu: 'uncore_iio' }, { pmu: 'dmar' }] }] });
  });

  it.each([
    [['results/none'], /no such folder; expected results\/<scenario>\/<run-id>/],
    [['FEW', '--point', 'x'], /--point x: no run has a point of this name/],
    [['FEW'], /only one point is there to compare; expected a second run, or --perf file/],
    [['CASES', '--base', 'mode=hots'], /did you mean "mode=host"/],
    [['FEW', 'MANY', '--base', ''], /--base: names a point of one run/],
    [['FEW', 'CASES'], /the runs have no point of the same name/],
    [['FEW', 'MANY', '--metric', 'walk'], /--metric walk: unknown column; did you mean "walks"/],
    [['FEW', 'MANY', '--json', '--csv'], /expected one of the two/],
    [['FEW', 'MANY', '--tolerance', 'x'], /--tolerance: "x" is not a part/],
    [['FEW', '--perf', 'nowhere'], /--perf nowhere: ENOENT.*expected the output of perf stat -o file/],
    [
      ['FEW', '--perf', 'SCENARIO'],
      /no count of perf stat found: line 1 is "question: What\?"; expected its text, -x or -j/,
    ],
    [['FEW', '--perf', 'TEXT'], /no event of an IOMMU in it, only "task-clock".*expected amd_iommu_N/],
    [[], /^compare: something to work on is missing/],
  ])('refuses %j', async (args, message) => {
    const places: Record<string, string> = {
      FEW: few,
      MANY: many,
      CASES: cases,
      SCENARIO: join(folder, 'small.yaml'),
      TEXT: sample('text.txt'),
    };
    const { code, out, err } = await inside('compare', ...args.map((word) => places[word] ?? word));
    expect([code, out, err]).toEqual([2, '', expect.stringMatching(message)]);
  });
});
