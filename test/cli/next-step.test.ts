/** What is proposed after a run can be typed as it stands, and speaks of what was run. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type Done, nextStep } from '../../src/cli/next-step.ts';
import { packageRoot } from '../../src/scenario/files.ts';
import { newFolder } from '../support/folders.ts';
import { runSpec } from '../support/spec.mjs';
import { inside } from './inside.ts';
import { SMALL } from './support.ts';

const named = (count: number) =>
  Array.from({ length: count }, (_, i) => runSpec({ point: count === 1 ? '' : `point ${i}` }));
const after = (done: Partial<Done>): string | undefined =>
  nextStep({
    scenario: { name: 'own', file: 'my own.yaml' },
    specs: named(1),
    given: 'my own.yaml',
    varied: false,
    directory: 'results/own/0123',
    ...done,
  });
const ours = (name: string): Done['scenario'] => ({ name, file: join(packageRoot(), 'scenarios', `${name}.yaml`) });

describe('the next step', () => {
  it('after a scenario of ours is the one after it, and after the last the first', () => {
    expect(after({ scenario: ours('bounce'), specs: named(3) })).toBe(
      'run cmdq-saturation   (list scenarios shows all)',
    );
    expect(after({ scenario: ours('walker-prefetch') })).toMatch(/^run amd-v1-v2 /);
  });

  it('after several points, of an own scenario or of --vary, is to compare them, as long as they can be read', () => {
    expect(after({ specs: named(3) })).toBe('compare results/own/0123');
    expect(after({ scenario: ours('bounce'), specs: named(3), varied: true })).toBe('compare results/own/0123');
    expect(after({ specs: named(9) })).toBeUndefined();
  });

  it('after a single point is a sweep of it, where that changes something', () => {
    const [spec] = named(1);
    const { entries } = spec.machine.iotlb;
    const sizes = `${entries},${2 * entries},${4 * entries}`;
    expect(after({})).toBe(`sweep 'my own.yaml' --vary machine.iotlb.entries=${sizes}`);
    const without = { ...spec, machine: { ...spec.machine, iotlb: { ...spec.machine.iotlb, entries: 0 } } };
    expect(after({ specs: [without] })).toBeUndefined();
  });

  it('is nothing after a search or curves of an own scenario', () => expect(after({ verb: 'mrc' })).toBeUndefined());

  it('works as it is printed', async () => {
    const folder = newFolder();
    const file = join(folder, 'own.yaml');
    writeFileSync(file, SMALL);
    let words = ['run', file];
    for (const verb of ['run', 'sweep', 'compare']) {
      expect(words[0]).toBe(verb);
      const flags = verb === 'compare' ? [] : ['--out', folder, '--no-report'];
      const { code, out } = await inside(...words, ...flags);
      expect(code).toBe(0);
      words = /^Next: .*?\b((?:sweep|compare) .*)$/m.exec(out)?.[1].split(' ') ?? [];
    }
  });
});
