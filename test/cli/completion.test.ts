import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { insideOf } from './inside.ts';
import { shell } from './support.ts';

const isMissing = (name: string): boolean => spawnSync(name, ['--version']).error !== undefined;

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

  it('offers bash the words that begin as typed, and expands none of them', async () => {
    if (isMissing('bash')) return;
    const { code, out } = await here('completion', 'bash');
    expect(code).toBe(0);
    // As an interactive bash does it, which sets these variables and reads COMPREPLY.
    const typed = `nestwalk() { '${process.execPath}' '${resolve('bin/nestwalk.js')}' "$@"; }
      ${out}
      for word in nest 'ne$(touch expanded)'; do
        COMP_WORDS=(nestwalk run "$word"); COMP_CWORD=2; _nestwalk; echo "[\${COMPREPLY[*]}]"
      done`;
    const bash = spawnSync('bash', ['--norc', '-c', typed], { cwd: folder, encoding: 'utf8' });
    expect(bash.stderr).toBe('');
    expect(bash.stdout).toBe('[nested-cost]\n[]\n');
    expect(existsSync(join(folder, 'expanded'))).toBe(false);
  });

  it.each(['bash', 'zsh', 'fish'])('prints a script that %s can read', async (shellName) => {
    const { code, out } = await here('completion', shellName);
    expect(code).toBe(0);
    expect(out).toContain('--get-yargs-completions');
    // Shells that are not there are spared.
    const script = join(folder, `completion.${shellName}`);
    writeFileSync(script, out);
    if (!isMissing(shellName)) expect(spawnSync(shellName, ['-n', script], { encoding: 'utf8' }).stderr).toBe('');
  });

  it('knows no other shells', async () => {
    const { code, err } = await here('completion', 'tcsh');
    expect([code, err]).toEqual([2, expect.stringMatching(/bash.*zsh.*fish/s)]);
  });
});
