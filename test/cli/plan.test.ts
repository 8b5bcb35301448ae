import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { lengthWarning, needOf, needText } from '../../src/cli/plan.ts';
import { newFolder } from '../support/folders.ts';
import { runSpec } from '../support/spec.mjs';
import { inside } from './inside.ts';
import { SMALL } from './support.ts';

const specs = (requests: number, count: number) => {
  const spec = runSpec();
  return Array.from({ length: count }, () => ({ ...spec, run: { ...spec.run, requests, warmupRequests: 0 } }));
};

describe('what work needs', () => {
  it('is the requests of what is missing, on as many threads as can share it', () => {
    const need = needOf(specs(4e9, 4), specs(4e9, 8), 2);
    expect([need.requests, need.seconds]).toEqual([16e9, 16e9 / 2e6 / 2]);
    expect(needText(need)).toMatch(/^about 16G requests, 1 h at 2M requests a second and thread, \d+ MiB of memory/);
    expect(needOf(specs(1e6, 1), [], 64).seconds).toBe(0.5);
  });

  it('is said before it takes hours', () => {
    expect(lengthWarning(needOf(specs(1e9, 1), [], 1))).toBeUndefined();
    expect(lengthWarning(needOf(specs(1e12, 10), [], 2))).toMatch(/^this takes about 29 days \(10T requests\)/);
  });

  it('is refused with the flag, the number and the remedy when a cross product is too large', async () => {
    const folder = newFolder();
    writeFileSync(join(folder, 'small.yaml'), SMALL);
    const vary = ['--vary', 'machine.walkers=1..500', '--vary', 'machine.link.outstanding=1..300'];
    const { code, out, err } = await inside('sweep', join(folder, 'small.yaml'), ...vary, '--out', folder);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(
      /^--vary machine\.walkers.*: 150000 points of 1 seeds are 150000 runs, too many; expected at most 100000: fewer/,
    );
  });
});
