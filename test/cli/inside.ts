/** Runs the program inside the test's process: no process to start, same output. */
import { vi } from 'vitest';
import { main } from '../../src/cli/main.ts';
import type { Finished } from './support.ts';

export async function inside(...args: string[]): Promise<Finished> {
  const [out, err] = [process.stdout, process.stderr].map((stream) => {
    const spy = vi.spyOn(stream, 'write').mockReturnValue(true);
    return { spy, text: () => spy.mock.calls.map(([text]) => String(text)).join('') };
  });
  try {
    const code = await main(args);
    return { code, out: out.text(), err: err.text() };
  } finally {
    out.spy.mockRestore();
    err.spy.mockRestore();
  }
}
