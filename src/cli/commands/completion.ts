import { basename } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import { runFoldersBelow } from '../../report/compare-read.ts';
import { bundledScenarios } from '../../scenario/files.ts';
import { print } from '../terminal.ts';

const TAKES_SCENARIO = /^(run|check|sweep|whatif|mrc|explain)$/;
const TAKES_RUNS = /^(compare|report)$/;

/**
 * yargs answers `--get-yargs-completions` for any shell; SHELL tells it whether words come with descriptions, as zsh takes them.
 * Words are compared, never expanded: folders are named by users.
 */
const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# nestwalk completion bash >> ~/.bashrc
_nestwalk() {
  local word current=\${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  while IFS= read -r word; do
    [[ $word == "$current"* ]] && COMPREPLY+=("$word")
  done < <(SHELL=bash ZSH_NAME= nestwalk --get-yargs-completions "\${COMP_WORDS[@]}" 2>/dev/null)
}
complete -o bashdefault -o default -F _nestwalk nestwalk`,
  zsh: `# nestwalk completion zsh >> ~/.zshrc, after compinit
_nestwalk() {
  local -a found
  found=("\${(@f)$(SHELL=zsh nestwalk --get-yargs-completions "\${words[@]}" 2>/dev/null)}")
  if [[ -n $found ]]; then _describe nestwalk found; else _default; fi
}
compdef _nestwalk nestwalk`,
  fish: `# nestwalk completion fish > ~/.config/fish/completions/nestwalk.fish
function __nestwalk_words
  env SHELL=fish ZSH_NAME= nestwalk --get-yargs-completions (commandline -opc) (commandline -ct) 2>/dev/null
end
complete -c nestwalk -a '(__nestwalk_words)'`,
};
const SHELLS = Object.keys(SCRIPTS);

interface CompletionArguments {
  readonly shell: string | undefined;
}

export const completionCommand: CommandModule<object, CompletionArguments> = {
  command: 'completion [shell]',
  describe: 'print a completion script for bash, zsh or fish',
  builder: (yargs: Argv) =>
    yargs
      .positional('shell', { describe: 'default: the one that SHELL names, or bash', type: 'string', choices: SHELLS })
      .example('$0 completion bash >> ~/.bashrc', '')
      .example('$0 completion zsh >> ~/.zshrc', '')
      .example('$0 completion fish > ~/.config/fish/completions/nestwalk.fish', ''),
  handler: ({ shell }) => {
    const own = basename(process.env['SHELL'] ?? '');
    print(SCRIPTS[shell ?? (SHELLS.includes(own) ? own : 'bash')]);
  },
};

/** What yargs calls its own script: a word nobody types, since `completion` is ours. */
const UNUSED = 'yargs-completion';

/** Answers to shells: bundled scenarios and run folders complete where they are expected, commands and flags elsewhere. */
export function withCompletion<T>(yargs: Argv<T>): Argv<T> {
  return yargs.completion(
    UNUSED,
    false,
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
      else defaults((_, found) => done((found ?? []).filter((word) => !word.startsWith(UNUSED))));
    },
  );
}
