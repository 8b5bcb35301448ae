import type { CommandModule } from 'yargs';
import { join } from 'node:path';
import { METRICS, RESULT_FILES } from '../../report/columns/files.ts';
import { bundledScenarios, packageRoot } from '../../scenario/files.ts';
import { FORMATS } from '../../scenario/formats.ts';
import { loadScenario } from '../../scenario/load.ts';
import { PRESETS } from '../../scenario/presets/index.ts';
import { choiceTexts } from '../../scenario/schema.ts';
import { programCommand } from '../invocation.ts';
import { print, printJson, resultColours } from '../terminal.ts';

interface ListArguments {
  readonly what: string | undefined;
  readonly json: boolean;
}

interface Item {
  readonly name: string;
  readonly description: string;
}

const LISTS: Readonly<Record<string, () => Item[]>> = {
  scenarios: () => bundledScenarios().map((name) => ({ name, description: questionOf(name) })),
  presets: () =>
    PRESETS.map(({ name, title, estimates }) => ({
      name,
      description: `${title}. Estimated: ${estimates.join(', ')}`,
    })),
  formats: () =>
    Object.entries(FORMATS).map(([name, { stages, levels }]) => {
      return { name, description: `${stages.join(' or ')} table of ${levels.join(', ')} levels` };
    }),
  devices: () => choiceTexts('traffic'),
  policies: () => choiceTexts('policy'),
  columns: () =>
    RESULT_FILES.flatMap(({ file, columns }) =>
      columns
        .filter((column) => file === 'summary.csv' || !METRICS.includes(column.name))
        .map(({ name, unit, meaning }) => ({
          name: `${file}: ${name}`,
          description: unit === '' ? meaning : `${meaning} (${unit})`,
        })),
    ),
};

function questionOf(name: string): string {
  const loaded = loadScenario(join(packageRoot(), 'scenarios', `${name}.yaml`));
  return loaded.ok ? loaded.scenario.question : 'has mistakes: nestwalk check shows them';
}

export const listCommand: CommandModule<object, ListArguments> = {
  command: 'list [what]',
  describe: 'list scenarios, presets, formats, devices, policies or columns',
  builder: (yargs) =>
    yargs
      .positional('what', {
        describe: 'what to list; all but columns if left out',
        type: 'string',
        choices: Object.keys(LISTS),
      })
      .option('json', { describe: 'print JSON', type: 'boolean', default: false }),
  handler: list,
};

function list({ what, json }: ListArguments): void {
  const names = what === undefined ? Object.keys(LISTS).filter((name) => name !== 'columns') : [what];
  const lists = names.map((name) => [name, LISTS[name]()] as const);
  if (json) {
    printJson(Object.fromEntries(lists));
    return;
  }
  for (const [name, items] of lists) {
    if (lists.length > 1) print(resultColours.bold(name));
    for (const line of name === 'scenarios' ? questions(items) : table(items)) print(line);
  }
}

/** By question, each with the command that answers it: people look for what they want to know, not for a name. */
function questions(items: readonly Item[]): string[] {
  return items.flatMap(({ name, description }) => [
    wrapped('  ', description),
    `      ${resultColours.bold(`${programCommand()} run ${name}`)}`,
  ]);
}

function table(items: readonly Item[]): string[] {
  const width = Math.min(28, Math.max(...items.map((item) => item.name.length)));
  return items.map((item) => wrapped(`  ${item.name.padEnd(width)}  `, item.description));
}

/** Description in lines of at most 80 columns beside its name. */
function wrapped(head: string, description: string): string {
  const lines = [head];
  for (const word of description.split(' ')) {
    const last = lines.at(-1)!;
    const fits = last.length + word.length <= 79 || last.trim() === '' || last === head;
    if (fits) lines[lines.length - 1] = last === head || last.trim() === '' ? last + word : `${last} ${word}`;
    else lines.push(' '.repeat(head.length) + word);
  }
  return lines.join('\n');
}
