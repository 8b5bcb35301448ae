import { availableParallelism } from 'node:os';
import type { CommandModule } from 'yargs';
import { refusals } from '../../scenario/estimate.ts';
import { visible } from '../../report/visible.ts';
import { wrapped } from '../../report/wrap.ts';
import { expand } from '../../scenario/expand.ts';
import { UserError } from '../../scenario/problem.ts';
import { loadOrFail, type ScenarioArguments, scenarioOptions } from '../options.ts';
import { needOf, needText, runsText } from '../plan.ts';
import { print, printJson } from '../terminal.ts';

interface CheckArguments extends ScenarioArguments {
  readonly json: boolean;
}

export const checkCommand: CommandModule<object, CheckArguments> = {
  command: 'check <scenario>',
  describe: 'check a scenario and say what it would need, without running it',
  builder: (yargs) =>
    scenarioOptions(yargs).option('json', {
      describe: 'print the resolved runs as JSON',
      type: 'boolean',
      default: false,
    }),
  handler: checkScenario,
};

function checkScenario(args: CheckArguments): void {
  const scenario = loadOrFail(args);
  const specs = expand(scenario);
  const refused = refusals(specs, { memoryBytes: Infinity, diskBytes: Infinity, threads: 1 });
  if (refused.length > 0) throw new UserError(refused);
  if (args.json) {
    printJson(specs);
    return;
  }
  print(`${visible(scenario.file)}: no mistakes`);
  print(runsText(scenario.points.length, scenario.seeds.length));
  print(wrapped(needText(needOf(specs, specs, availableParallelism()))));
}
