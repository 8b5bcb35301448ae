import type { CommandModule } from 'yargs';
import { scenarioJsonSchema } from '../../scenario/schema.ts';
import { print } from '../terminal.ts';

export const schemaCommand: CommandModule = {
  command: 'schema',
  describe: 'print the JSON Schema of scenario files, for editors',
  handler: () => print(JSON.stringify(scenarioJsonSchema(), null, 2)),
};
