/** The program: arguments in, exit code out. 0 done, 1 a goal not met, 2 the user's mistake, 3 our bug, 130 interrupted. */
import yargs, { type CommandModule } from 'yargs';
import { visible } from '../report/visible.ts';
import { didYouMean, UserError } from '../scenario/problem.ts';
import { withCompletion } from './commands/completion.ts';
import { EXIT_NOT_MET, GoalMissed } from './goal.ts';
import { EXIT_INTERRUPTED, Interrupted } from './interrupt.ts';
import { colours, note, quietWhenReaderLeaves } from './terminal.ts';
import { programVersion } from './version.ts';

const EXIT_USER = 2;
const EXIT_BUG = 3;
const FLAGS = (
  'set seed out threads json quiet progress no-progress check help version ' +
  'vary resume no-resume plan goal find range until largest smallest seeds max-seeds precision report no-report ' +
  'sets ways pages ' +
  'point base metric perf perf-unscaled tolerance csv no-color'
).split(' ');

/** In the order of --help. */
const COMMANDS = new Map<string, () => Promise<unknown>>([
  ['run', async () => (await import('./commands/run.ts')).runCommand],
  ['sweep', async () => (await import('./commands/sweep.ts')).sweepCommand],
  ['whatif', async () => (await import('./commands/whatif.ts')).whatifCommand],
  ['mrc', async () => (await import('./commands/mrc.ts')).mrcCommand],
  ['compare', async () => (await import('./commands/compare.ts')).compareCommand],
  ['report', async () => (await import('./commands/report.ts')).reportCommand],
  ['check', async () => (await import('./commands/check.ts')).checkCommand],
  ['list', async () => (await import('./commands/list.ts')).listCommand],
  ['explain', async () => (await import('./commands/explain.ts')).explainCommand],
  ['pagetable', async () => (await import('./commands/pagetable.ts')).pagetableCommand],
  ['schema', async () => (await import('./commands/schema.ts')).schemaCommand],
  ['completion', async () => (await import('./commands/completion.ts')).completionCommand],
]);

/** Runs the program and sets the exit code of the process. */
export async function run(argv: readonly string[]): Promise<void> {
  quietWhenReaderLeaves();
  process.exitCode = await main(argv);
}

/** The exit code for these arguments. */
export async function main(argv: readonly string[]): Promise<number> {
  try {
    await (await parser(argv)).parseAsync();
    return 0;
  } catch (error) {
    return explain(error, argv);
  }
}

/** The command that comes first, alone: loading the others takes longer than most of them run. Else all, to show or to guess. */
function commandsFor([first]: readonly string[]): Promise<unknown[]> {
  const named = first === undefined ? undefined : COMMANDS.get(first);
  return Promise.all((named === undefined ? [...COMMANDS.values()] : [named]).map((load) => load()));
}

async function parser(argv: readonly string[]) {
  const program = yargs([...argv])
    .scriptName('nestwalk')
    .usage('$0 <command>\n\nSimulates DMA through IOMMUs: what translation costs, one stage and nested.')
    .command((await commandsFor(argv)) as CommandModule[])
    .demandCommand(1, 1, 'expected a command; nestwalk --help shows them all', 'expected one command')
    .strict()
    .version(programVersion())
    // terminal.ts reads it: colours are decided before the first line is printed.
    .option('color', {
      describe: 'colours; without the flag NO_COLOR, FORCE_COLOR and the terminal decide',
      type: 'boolean',
      default: true,
    })
    .help()
    .alias('help', 'h')
    .wrap(80)
    .exitProcess(false)
    // yargs runs the command even so when this returns.
    .fail((message, error) => {
      throw error ?? new UserError(plainer(message, argv));
    });
  return withCompletion(program);
}

/** yargs says what is wrong, but not what was meant, or where it is explained. */
function plainer(message: string, [command = '']: readonly string[]): string {
  const isCommand = COMMANDS.has(command);
  const help = `; nestwalk ${isCommand ? `${command} ` : ''}--help shows what there is`;
  if (!isCommand && /^\w/.test(command)) {
    return `unknown command ${JSON.stringify(command)}${didYouMean(command, COMMANDS.keys()) || help}`;
  }
  if (message.startsWith('Not enough non-option arguments'))
    return `${command}: something to work on is missing${help}`;
  const flag = /^Not enough arguments following: (\S+)$/.exec(message)?.[1];
  if (flag !== undefined) return `--${flag}: expected a value${help}`;
  if (!message.startsWith('Unknown argument')) return message;
  const word = /^Unknown argument: (\S+)$/.exec(message)?.[1];
  const others = FLAGS.filter((known) => known !== word);
  return `${message}${(word !== undefined && didYouMean(word, others)) || help}`;
}

function explain(error: unknown, argv: readonly string[]): number {
  if (error instanceof Interrupted) {
    note(error.message);
    return EXIT_INTERRUPTED;
  }
  if (error instanceof GoalMissed) return EXIT_NOT_MET;
  if (error instanceof UserError) {
    for (const line of error.lines) noteMistake(line);
    return EXIT_USER;
  }
  if (error instanceof Error && error.name === 'YError') {
    noteMistake(plainer(error.message, argv));
    return EXIT_USER;
  }
  note(colours.red('This is a bug in nestwalk. Please report it with the command that shows it:'));
  note(`  nestwalk ${visible(argv.map(quoted).join(' '))}`);
  note(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT_BUG;
}

/** Names of files and values are in it. */
function noteMistake(text: string): void {
  for (const line of text.split('\n')) note(colours.red(visible(line)));
}

const quoted = (word: string): string => (/^[\w./=:,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);
