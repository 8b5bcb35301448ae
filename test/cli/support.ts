/** Runs the built program as users do. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newFolder } from '../support/folders.ts';

export const program: string = fileURLToPath(new URL('../../bin/nestwalk.js', import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Reports take a second each, and have tests of their own: only those that say --report write one. */
export function withoutReport(args: readonly string[]): readonly string[] {
  const isRun = ['run', 'sweep', 'mrc'].includes(args[0]) && !args.includes('--report') && !args.includes('--help');
  return isRun ? [...args, '--no-report'] : args;
}

export interface Shell {
  /** Where the program runs. */
  readonly folder: string;
  readonly start: (
    args: readonly string[],
    env?: NodeJS.ProcessEnv,
  ) => { readonly child: ChildProcess; readonly end: Promise<Finished> };
  /** The same, to its end. */
  readonly nestwalk: (...args: string[]) => Promise<Finished>;
}

/** A folder of its own for a test file, and the built program run in it. */
export function shell(): Shell {
  const folder = newFolder();
  const start: Shell['start'] = (args, env = {}) => {
    const child = spawn(process.execPath, [program, ...withoutReport(args)], {
      cwd: folder,
      env: { ...process.env, ...env },
    });
    let [out, err] = ['', ''];
    child.stdout.on('data', (data) => (out += data));
    child.stderr.on('data', (data) => (err += data));
    return { child, end: new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err }))) };
  };
  return { folder, start, nestwalk: (...args) => start(args).end };
}

/** Names of all files below, hidden ones too. */
export const filesBelow = (path: string): string[] => (readdirSync(path, { recursive: true }) as string[]).sort();

/** Bytes of all result files by name, without the one that tells executions apart. */
export function resultFiles(path: string): Record<string, string> {
  const names = readdirSync(path).filter((name) => name !== 'environment.json');
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(path, name), 'utf8')]));
}

export const SMALL = `question: What?
machine: { preset: generic }
tenants:
  host:
    mode: host
    policy: static
    devices:
      dev: { count: 2, traffic: { model: uniform, windowBytes: 64KiB, transferBytes: 64 } }
run: { requests: 2000 }
`;
