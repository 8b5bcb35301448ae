import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { filesBelow, shell, SMALL } from './support.ts';

const { folder, nestwalk, start } = shell();

writeFileSync(join(folder, 'long.yaml'), SMALL.replace('2000', '4000000000'));
const LONG = ['run', 'long.yaml', '--threads', '1', '--out'];

/** Until the program has begun its work: the folder is there, and workers have had time to start. */
async function begun(out: string): Promise<void> {
  while (!existsSync(join(folder, out, 'long'))) await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, 500));
}

describe('a run that is stopped', () => {
  it('ends at the first Ctrl-C with exit code 130 and writes nothing', async () => {
    const { child, end } = start([...LONG, 'stopped']);
    await begun('stopped');
    child.kill('SIGINT');
    const { code, out, err } = await end;
    expect([code, out]).toEqual([130, '']);
    expect(err).toMatch(/stopping at a clean point[^]*stopped after 0 of 1 runs; nothing was written/);
    expect(filesBelow(join(folder, 'stopped'))).toEqual(['long']);
  });

  it('leaves no half run folder when killed, and the next run is not disturbed', async () => {
    const { child, end } = start([...LONG, 'killed']);
    await begun('killed');
    child.kill('SIGKILL');
    expect((await end).code).toBeNull();
    expect(filesBelow(join(folder, 'killed'))).toEqual(['long']);
    const next = await nestwalk('run', 'long.yaml', '--set', 'run.requests=2000', '--out', 'killed');
    expect(next.code).toBe(0);
  });
});
