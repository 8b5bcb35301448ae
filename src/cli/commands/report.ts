import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Argv, CommandModule } from 'yargs';
import type { Report } from '../../report/html/report.ts';
import { sha256 } from '../../report/manifest.ts';
import { UserError } from '../../scenario/problem.ts';
import { relativePath } from '../invocation.ts';
import { folderName } from '../options.ts';
import { print } from '../terminal.ts';

interface ReportArguments {
  readonly directories: readonly string[];
  readonly out: string | undefined;
}

export const reportCommand: CommandModule<object, ReportArguments> = {
  command: 'report <directories..>',
  describe: 'build report.html, SVG and PNG from result files',
  builder: (yargs: Argv) =>
    yargs
      .positional('directories', {
        describe: 'folders with results, as run leaves them; several are laid side by side',
        type: 'string',
        array: true,
        demandOption: true,
      })
      .option('out', {
        describe: 'folder for report.html and charts/ [default: that of the results; results/reports/… for several]',
        type: 'string',
        requiresArg: true,
        coerce: (value: string | string[] | undefined) =>
          value === undefined ? undefined : folderName('--out', value),
      })
      .example('$0 report results/nested-cost/0123456789ab', '')
      .example('$0 report results/nic-modes/* --out side-by-side', ''),
  handler: async ({ directories, out }) => {
    print(await writeReportOf(directories, out ?? defaultFolder(directories)));
  },
};

/** One report lies with its results, several have a folder of their own, always the same for the same folders. */
function defaultFolder(directories: readonly string[]): string {
  return directories.length === 1
    ? directories[0]
    : join('results', 'reports', sha256(directories.join('\n')).slice(0, 12));
}

/** Builds the report of these folders and puts it into `folder`; returns its path. Throws UserError. */
export async function writeReportOf(directories: readonly string[], folder: string): Promise<string> {
  // The libraries that draw take longer to load than most commands to run.
  const { buildReport, ReportProblem } = await import('../../report/html/report.ts');
  let report: Report;
  try {
    report = await buildReport(directories);
  } catch (error) {
    if (error instanceof ReportProblem) throw new UserError(error.message);
    throw error;
  }
  return placeReport(report, folder);
}

/** Puts a report into `folder` and returns its path. Throws UserError. */
export async function placeReport(report: Report, folder: string): Promise<string> {
  const { writeReport } = await import('../../report/html/report.ts');
  try {
    mkdirSync(folder, { recursive: true });
    writeReport(folder, report);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === undefined) throw error;
    throw new UserError(`${folder}: ${(error as Error).message}; the report could not be written`);
  }
  return relativePath(join(folder, 'report.html'));
}
