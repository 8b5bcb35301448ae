import { describe, expect, it } from 'vitest';
import { shell } from './support.ts';

const { folder, nestwalk } = shell();

const words = async (...typed: string[]): Promise<string[]> =>
  (await nestwalk('--get-yargs-completions', 'nestwalk', ...typed)).out.split('\n').map((word) => word.split(':')[0]);

describe('shell completion', () => {
  it('knows commands, flags, scenarios and the runs that are there', async () => {
    await nestwalk('run', 'uniform-window', '--set', 'run.requests=1000', '--no-report', '--quiet');
    const [commands, flags, scenarios, runs] = await Promise.all([
      words(''),
      words('whatif', 'uniform-window', '--g'),
      words('sweep', ''),
      words('compare', ''),
    ]);
    expect(commands).toEqual(expect.arrayContaining(['sweep', 'whatif', 'compare']));
    expect(flags).toContain('--goal');
    expect(scenarios).toContain('uniform-window');
    expect(runs, folder).toEqual(
      expect.arrayContaining([expect.stringMatching(/^results\/uniform-window\/[0-9a-f]{12}$/)]),
    );
  });
});
