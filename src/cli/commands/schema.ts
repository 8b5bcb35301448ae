import type { CommandModule } from 'yargs';
import { scenarioJsonSchema } from '../../scenario/schema.ts';
import { printJson } from '../terminal.ts';

export const schemaCommand: CommandModule = {
  command: 'schema',
  describe: 'print the JSON Schema of scenario files, for editors',
  handler: () => printJson(scenarioJsonSchema(), 2),
};
