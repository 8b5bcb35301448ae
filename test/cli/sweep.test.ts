/** `sweep` and its promise: whatever kills it, nothing finished is lost, and the end is the same. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inside } from './inside.ts';
import { program, resultFiles, shell, SMALL } from './support.ts';

const { folder, start } = shell();

/** 12 runs of which each takes a moment, so that a kill finds some done and some not. */
writeFileSync(join(folder, 'slow.yaml'), SMALL.replace('2000', '40000, seeds: 2'));
const SWEEP = [
  'sweep',
  'slow.yaml',
  '--vary',
  'machine.iotlb.entries=8..32*2',
  '--vary',
  'machine.walkers=1,2',
  '--no-report',
];
const RUNS = 12;

const points = (out: string): string[] => {
  const path = join(folder, out, 'slow/points');
  return existsSync(path) ? readdirSync(path).sort() : [];
};
const finished = (out: string): string[] => points(out).filter((name) => !name.startsWith('.'));
/** The same sweep in this process. */
const here = (out: string, ...args: string[]) =>
  inside('sweep', join(folder, 'slow.yaml'), ...SWEEP.slice(2), '--out', join(folder, out), '--json', ...args);

/** Kills it as soon as so many runs are there. */
async function killAfter(out: string, runs: number, threads: number): Promise<void> {
  const { child, end } = start([...SWEEP, '--out', out, '--threads', `${threads}`]);
  while (finished(out).length < runs && child.exitCode === null) await new Promise((resolve) => setTimeout(resolve, 2));
  child.kill('SIGKILL');
  expect((await end).code, 'it was killed before its end').toBeNull();
}

describe('a sweep', () => {
  it('that is killed again and again does no finished run twice and ends as one that never was', async () => {
    const whole = await here('whole', '--threads', '2');
    await killAfter('killed', 2, 2);
    const before = finished('killed');
    expect(before.length).toBeGreaterThanOrEqual(2);
    const times = before.map((name) => statSync(join(folder, 'killed/slow/points', name)).mtimeMs);
    await killAfter('killed', before.length + 2, 1);
    const last = await here('killed', '--threads', '1');
    const again = before.map((name) => statSync(join(folder, 'killed/slow/points', name)).mtimeMs);
    expect(again, 'what was finished was not done again').toEqual(times);
    expect(points('killed'), 'nothing half written is left').toEqual(finished('killed'));
    expect(finished('killed')).toHaveLength(RUNS);
    const [one, two] = [JSON.parse(whole.out), JSON.parse(last.out)] as {
      directory: string;
      summary: object[];
    }[];
    expect(two.summary).toEqual(one.summary);
    expect(resultFiles(two.directory)).toEqual(resultFiles(one.directory));
  });

  it('says what is done and what would run, and how to go on when it is stopped', async () => {
    const { child, end } = start([...SWEEP, '--set', 'run.requests=2000000', '--out', 'stopped', '--threads', '1']);
    while (finished('stopped').length < 1) await new Promise((resolve) => setTimeout(resolve, 5));
    child.kill('SIGINT');
    const { code, out, err } = await end;
    expect([code, out]).toEqual([130, '']);
    expect(err).toMatch(
      /stopped; \d+ more runs? (is|are) finished and kept, of 12\. The same command goes on from there/,
    );
    const done = finished('stopped').length;
    const plan = await here('stopped', '--set', 'run.requests=2000000', '--plan');
    expect(JSON.parse(plan.out)).toMatchObject({ points: 6, seeds: 2, runs: RUNS, runsDone: done });
  });

  it('does all again what depends on a value that was changed, in the same folder, and says so before', async () => {
    const whole = await here('changed');
    const other = ['--set', 'machine.latency.memoryReadNs=95'];
    const plan = await here('changed', ...other, '--plan');
    expect(JSON.parse(plan.out)).toMatchObject({ runs: RUNS, runsDone: 0 });
    expect(
      (await inside('sweep', join(folder, 'slow.yaml'), ...SWEEP.slice(2), '--out', join(folder, 'changed'), '--plan'))
        .out,
    ).toMatch(/^12 runs: 6 points, 2 seeds\n12 of them are there already, 0 would run\n/);
    const again = await here('changed', ...other);
    const [one, two] = [whole, again].map(({ out }) => JSON.parse(out) as { directory: string });
    expect(two.directory).not.toBe(one.directory);
    expect(finished('changed')).toHaveLength(2 * RUNS);
  });

  it.skipIf(process.platform !== 'linux')(
    'that finds the disk full keeps what is whole, says so, and goes on',
    async () => {
      const args = [process.execPath, program, ...SWEEP, '--out', 'full', '--json'];
      const limited = ['-c', 'ulimit -f 1; exec "$@"', 'sh', ...args];
      const full = spawnSync('sh', limited, { cwd: folder, encoding: 'utf8' });
      expect([full.status, full.stdout]).toEqual([2, '']);
      expect(full.stderr).toMatch(/full\/slow\/points\/.*EFBIG.*could not be written\. What is finished is kept/);
      expect(points('full'), 'nothing half written').toEqual([]);
      const [after, whole] = [await here('full'), await here('unfilled')];
      const [one, two] = [after, whole].map(({ out }) => JSON.parse(out) as { directory: string });
      expect(resultFiles(one.directory)).toEqual(resultFiles(two.directory));
    },
  );
});
