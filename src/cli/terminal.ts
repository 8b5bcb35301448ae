/** Where output goes: results to stdout, everything else to stderr; colour only where a person reads it. */
import pc from 'picocolors';
import { jsonText, visible } from '../report/visible.ts';

/** https://no-color.org and https://force-color.org: no colour when asked, colour without a terminal when asked. */
export function wantsColour(
  stream: { readonly isTTY?: boolean | undefined },
  env: NodeJS.ProcessEnv,
  argv: readonly string[],
): boolean {
  const isSet = (name: string): boolean => (env[name] ?? '') !== '';
  if (argv.includes('--no-color') || isSet('NO_COLOR')) return false;
  if (argv.includes('--color')) return true;
  if (isSet('FORCE_COLOR')) return env['FORCE_COLOR'] !== '0' && env['FORCE_COLOR'] !== 'false';
  return stream.isTTY === true && env['TERM'] !== 'dumb';
}

export const colours = pc.createColors(wantsColour(process.stderr, process.env, process.argv));
export const resultColours = pc.createColors(wantsColour(process.stdout, process.env, process.argv));

/** A line of results. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** The same value in any reader; no byte of it drives a terminal. */
export const printJson = (value: unknown, indent?: number): void => print(jsonText(value, indent));

/** Bytes as they are for a file or a program; on a terminal what would drive it is made visible. */
export function printCsv(text: string): void {
  const shown = process.stdout.isTTY ? text.split(/\r?\n/).map(visible).join('\n') : text;
  process.stdout.write(shown);
}

/** A line for the person at the terminal. */
export function note(text: string): void {
  process.stderr.write(`${text}\n`);
}

/**
 * A reader that goes away (`| head`) ends the program quietly, as it does other programs; output that cannot be written
 * (a full disk) ends it with the reason and exit code 2.
 */
export function quietWhenReaderLeaves(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE') process.exit(0);
      if (stream === process.stdout) note(`standard output: ${error.message}`);
      process.exit(2);
    });
  }
}
