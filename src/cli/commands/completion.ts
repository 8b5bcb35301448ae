import type { Argv } from 'yargs';
import { runFoldersBelow } from '../../report/compare-read.ts';
import { bundledScenarios } from '../../scenario/files.ts';

const TAKES_SCENARIO = /^(run|check|sweep|whatif|mrc|explain)$/;
const TAKES_RUNS = /^(compare|report)$/;

/** `completion` prints a script for bash or zsh; bundled scenarios and run folders complete where they are expected. */
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
      const takes = (what: RegExp): boolean => words.some((word) => what.test(word)) && !current.startsWith('-');
      if (takes(TAKES_SCENARIO)) done(bundledScenarios());
      else if (takes(TAKES_RUNS)) done(runFoldersBelow('results'));
      else defaults((_, found) => done(found ?? []));
    },
  );
}
