import { describe, expect, it } from 'vitest';
import { estimateRun, refusals } from '../../src/scenario/estimate.ts';
import { expand } from '../../src/scenario/expand.ts';
import { load, SMALL } from './support.ts';

const specs = (sets: string[]) => expand(load(SMALL, { sets }));
const WINDOW = 'tenants.host.devices.dev.traffic.windowBytes';
const GIB = 2 ** 30;

describe('estimateRun', () => {
  it('counts 8.02 bytes of tables for a mapped page', () => {
    const [small] = specs([`${WINDOW}=1GiB`, 'run.missCauses=false']).map(estimateRun);
    const [large] = specs([`${WINDOW}=9GiB`, 'run.missCauses=false']).map(estimateRun);
    expect((large.tableBytes - small.tableBytes) / ((8 * GIB) / 4096)).toBeCloseTo(8.02, 3);
  });

  it('knows that large leaves need little', () => {
    const [run] = specs([`${WINDOW}=64GiB`, 'tenants.host.host.leafBytes=2MiB', 'run.missCauses=false']).map(
      estimateRun,
    );
    expect(run.tableBytes).toBeLessThan(4 * 2 ** 20);
  });

  it('counts warm-up as work', () => {
    const [run] = specs(['run.requests=1000', 'run.warmupRequests=500']).map(estimateRun);
    expect(run.requests).toBe(1500);
  });
});

describe('refusals', () => {
  const budget = { memoryBytes: 8 * GIB, diskBytes: GIB, threads: 2 };

  it('let what fits begin', () => expect(refusals(specs([`${WINDOW}=1GiB`]), budget)).toEqual([]));

  it('name a run that exceeds one memory, with number and remedy', () => {
    const sets = [`${WINDOW}=4TiB`, 'machine.memoryBytes=4TiB', 'tenants.host.memoryBytes=4TiB'];
    const [line] = refusals(specs(sets), { ...budget, memoryBytes: Infinity });
    expect(line).toMatch(
      /^test: page tables and caches need \d+\.\d GiB, but one run has at most 4\.0 GiB; use larger leaves/,
    );
  });

  it('name a run that takes more than a day, with number and remedy', () => {
    expect(refusals(specs(['run.requests=1e11']), budget)).toEqual([]);
    const refused = refusals(specs(['run.requests=1e12', 'run.seeds=2']), budget);
    expect(refused).toHaveLength(1);
    expect(refused[0]).toMatch(
      /^test: 1\d{12} requests take about 139 hours, but one run at most 24; use fewer requests/,
    );
  });

  it('take a run by time for what its devices can send', () => {
    const offered = (perSecond: number) =>
      specs(['run={ durationNs: 2000s }', `tenants.host.devices.dev.traffic.ratePerSecond=${perSecond}`]);
    expect(refusals(offered(0), budget)[0]).toMatch(/^test: .* requests take about \d+ hours/);
    expect(refusals(offered(1e6), budget)).toEqual([]);
  });

  it('name files that do not fit the disk', () => {
    expect(refusals(specs(['run.intervalNs=1', 'run.requests=1e9']), { ...budget, memoryBytes: Infinity })[0]).toMatch(
      /^the result files need \d+\.\d GiB, but 1\.0 GiB of the disk are free; use a longer run\.intervalNs/,
    );
  });

  it('name the number of threads that would fit', () => {
    const runs = specs([`${WINDOW}=32GiB`, 'run.seeds=4']);
    const each = estimateRun(runs[0]).tableBytes + estimateRun(runs[0]).heapBytes;
    expect(refusals(runs, { ...budget, memoryBytes: each * 2.5 })).toEqual([]);
    expect(refusals(runs, { ...budget, memoryBytes: each * 2.5, threads: 4 })[0]).toMatch(
      /^4 runs at a time need .* are free; use --threads 2$/,
    );
    expect(refusals(runs, { ...budget, memoryBytes: each / 2, threads: 1 })[0]).toMatch(/use larger leaves/);
  });
});
