import { describe, expect, it } from 'vitest';
import { insideOf } from './inside.ts';
import { shell } from './support.ts';

const { folder, nestwalk } = shell();
const here = insideOf(folder);

const words = async (program: typeof here, ...typed: string[]): Promise<string[]> =>
  (await program('--get-yargs-completions', 'nestwalk', ...typed)).out.split('\n').map((word) => word.split(':')[0]);

describe('shell completion', () => {
  it('knows commands, flags, scenarios and the runs that are there', async () => {
    await here('run', 'uniform-window', '--set', 'run.requests=1000', '--no-report', '--quiet');
    const commands = await words(nestwalk, '');
    const flags = await words(here, 'whatif', 'uniform-window', '--g');
    const scenarios = await words(here, 'sweep', '');
    const runs = await words(here, 'compare', '');
    expect(commands).toEqual(expect.arrayContaining(['sweep', 'whatif', 'compare']));
    expect(flags).toContain('--goal');
    expect(scenarios).toContain('uniform-window');
    expect(runs, folder).toEqual(
      expect.arrayContaining([expect.stringMatching(/^results\/uniform-window\/[0-9a-f]{12}$/)]),
    );
  });
});
