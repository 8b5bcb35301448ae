/** Where output goes: results to stdout, everything else to stderr; colour only where a person reads it. */
import pc from 'picocolors';

const wantsColour = (stream: NodeJS.WriteStream): boolean =>
  stream.isTTY &&
  (process.env['NO_COLOR'] ?? '') === '' &&
  process.env['TERM'] !== 'dumb' &&
  !process.argv.includes('--no-color');

export const colours = pc.createColors(wantsColour(process.stderr));
export const resultColours = pc.createColors(wantsColour(process.stdout));

/** A line of results. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
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
