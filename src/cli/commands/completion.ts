import type { Argv } from 'yargs';
import { bundledScenarios } from '../../scenario/files.ts';

const TAKES_SCENARIO = /^(run|check|sweep|whatif)$/;

/** `completion` prints a script for bash or zsh; bundled scenarios complete where a scenario is expected. */
export function withCompletion<T>(yargs: Argv<T>): Argv<T> {
  return yargs.completion(
    'completion',
    'print a shell completion script: nestwalk completion >> ~/.bashrc',
    (
      current: string,
      argv: { _: (string | number)[] },
      defaults: (done: (error: Error | null, words: string[] | undefined) => void) => void,
      done: (words: string[]) => void,
    ) => {
      const words = argv._.map(String);
      const takesScenario = words.some((word) => TAKES_SCENARIO.test(word)) && !current.startsWith('-');
      if (takesScenario) done(bundledScenarios());
      else defaults((_, found) => done(found ?? []));
    },
  );
}
