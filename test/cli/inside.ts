/** Runs the program inside the test's process: no process to start, same output. */
import { format } from 'node:util';
import { vi } from 'vitest';
import { main } from '../../src/cli/main.ts';
import { type Finished, withoutReport } from './support.ts';

export async function inside(...args: string[]): Promise<Finished> {
  const [out, err] = [process.stdout, process.stderr].map((stream) => {
    const spy = vi.spyOn(stream, 'write').mockReturnValue(true);
    return { spy, text: () => spy.mock.calls.map(([text]) => String(text)).join('') };
  });
  // What yargs says itself; vitest's console writes elsewhere.
  const log = vi
    .spyOn(console, 'log')
    .mockImplementation((...words) => void process.stdout.write(`${format(...words)}\n`));
  try {
    const code = await main(args);
    return { code, out: out.text(), err: err.text() };
  } finally {
    out.spy.mockRestore();
    err.spy.mockRestore();
    log.mockRestore();
  }
}

/** The same in a folder, as `shell` does it: not for tests of a file that run at the same time. */
export function insideOf(folder: string): (...args: string[]) => Promise<Finished> {
  return async (...args) => {
    const before = process.cwd();
    process.chdir(folder);
    try {
      return await inside(...withoutReport(args));
    } finally {
      process.chdir(before);
    }
  };
}
