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
  const budget = { memoryBytes: 8 * GIB, threads: 2 };

  it('let what fits begin', () => expect(refusals(specs([`${WINDOW}=1GiB`]), budget)).toEqual([]));

  it('name a run that exceeds one memory, with number and remedy', () => {
    const sets = [`${WINDOW}=4TiB`, 'machine.memoryBytes=4TiB', 'tenants.host.memoryBytes=4TiB'];
    const [line] = refusals(specs(sets), { ...budget, memoryBytes: Infinity });
    expect(line).toMatch(
      /^test: page tables and caches need \d+\.\d GiB, but one run has at most 4\.0 GiB; use larger leaves/,
    );
  });

  it('name the number of threads that would fit', () => {
    const runs = specs([`${WINDOW}=32GiB`, 'run.seeds=4']);
    const each = estimateRun(runs[0]).tableBytes + estimateRun(runs[0]).heapBytes;
    expect(refusals(runs, { memoryBytes: each * 2.5, threads: 2 })).toEqual([]);
    expect(refusals(runs, { memoryBytes: each * 2.5, threads: 4 })[0]).toMatch(
      /^4 runs at a time need .* are free; use --threads 2$/,
    );
    expect(refusals(runs, { memoryBytes: each / 2, threads: 1 })[0]).toMatch(/use larger leaves/);
  });
});
