/** `sweep` and its promise: whatever kills it, nothing finished is lost, and the end is the same. */
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { inside } from './inside.ts';
import { resultFiles, shell, SMALL } from './support.ts';

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
});
