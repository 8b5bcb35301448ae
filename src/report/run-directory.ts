/**
 * results/<scenario>/<run-id>/: written beside its place and renamed, so that it appears whole or not at all.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { RunSpec } from '../spec.ts';
import type { RunResult } from '../stats/result.ts';
import { RESULT_FILES } from './columns/files.ts';
import { headerOf, rowsOf } from './csv.ts';
import { manifestText, runId, type Shown } from './manifest.ts';

export interface RunDirectoryInput {
  readonly version: string;
  readonly question: string;
  readonly specs: readonly RunSpec[];
  readonly results: readonly RunResult[];
  readonly answers: readonly string[];
  readonly shown?: Shown | undefined;
  /** About the machine and the moment: the only file that differs from one execution to the next. */
  readonly environment: object;
}

/** Where the results of these runs belong. */
export function runDirectory(out: string, specs: readonly RunSpec[], version: string): string {
  return join(out, specs[0].scenario, runId(specs, version));
}

/** Fails early, before any work, when the folder cannot be written. Throws the system's error. */
export function probeWritable(out: string, scenario: string): void {
  const folder = join(out, scenario);
  makeFolder(resolve(folder));
  const probe = join(folder, `.probe-${process.pid}`);
  closeSync(openSync(probe, 'w'));
  rmSync(probe);
}

/** As mkdir -p. Node's own `recursive` never ends where folders cannot be made (/proc). */
function makeFolder(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && dirname(path) !== path) {
      makeFolder(dirname(path));
      mkdirSync(path);
    } else if (!isFolder(path)) {
      throw error;
    }
  }
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** Writes all files and puts them in place; returns the directory. Throws the system's error, leaving nothing behind. */
export function writeRunDirectory(out: string, input: RunDirectoryInput): string {
  const target = runDirectory(out, input.specs, input.version);
  const parent = join(target, '..');
  const staging = join(parent, `.${runId(input.specs, input.version)}.${process.pid}.tmp`);
  makeFolder(resolve(parent));
  try {
    rmSync(staging, { recursive: true, force: true });
    mkdirSync(staging);
    writeFiles(staging, input);
    putInPlace(staging, target);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  return target;
}

function writeFiles(folder: string, input: RunDirectoryInput): void {
  const files: Record<string, string> = {};
  for (const file of RESULT_FILES) {
    files[file.file] = writeText(join(folder, file.file), textOf(file, input.results));
  }
  const { version, question, specs, answers, shown } = input;
  writeText(join(folder, 'manifest.json'), [manifestText({ version, question, specs, answers, shown, files })]);
  writeText(join(folder, 'environment.json'), [`${JSON.stringify(input.environment, null, 1)}\n`]);
}

function* textOf(file: (typeof RESULT_FILES)[number], results: readonly RunResult[]): Generator<string> {
  yield headerOf(file.columns);
  for (const result of results) yield* rowsOf(file, result);
}

/** Writes pieces of text, on disk when it returns; returns their sha256. */
function writeText(path: string, pieces: Iterable<string>): string {
  const hash = createHash('sha256');
  const handle = openSync(path, 'wx');
  try {
    for (const piece of pieces) {
      const bytes = Buffer.from(piece);
      hash.update(bytes);
      for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done);
    }
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
  return hash.digest('hex');
}

/** A directory of an earlier run of the same experiment is moved aside first: rename does not replace full folders. */
function putInPlace(staging: string, target: string): void {
  const old = `${staging}.old`;
  try {
    renameSync(target, old);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  renameSync(staging, target);
  rmSync(old, { recursive: true, force: true });
}

/**
 * Removes what killed processes have left beside the results of a scenario. A directory that was moved aside, and whose
 * successor never came, goes back to its place.
 */
export function removeLeftovers(out: string, scenario: string, isAlive: (pid: number) => boolean): void {
  const folder = join(out, scenario);
  for (const name of readdirSync(folder)) {
    const match = /^\.([0-9a-f]{12})\.(\d+)\.tmp(\.old)?$/.exec(name);
    if (match === null || isAlive(Number(match[2]))) continue;
    const target = join(folder, match[1]);
    if (match[3] !== undefined && !existsSync(target)) renameSync(join(folder, name), target);
    else rmSync(join(folder, name), { recursive: true, force: true });
  }
}
