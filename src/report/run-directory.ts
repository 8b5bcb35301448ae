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
import { basename, dirname, join, resolve } from 'node:path';
import type { RunSpec } from '../spec.ts';
import type { RunResult } from '../stats/result.ts';
import { type AnyFile, RESULT_FILES } from './columns/files.ts';
import { headerOf, rowsOf } from './csv.ts';
import { manifestText, runId, type Shown } from './manifest.ts';
import { assertRules } from './rules.ts';

export interface RunDirectoryInput {
  readonly version: string;
  readonly question: string;
  readonly specs: readonly RunSpec[];
  /** In the order of the specs; iterated once. */
  readonly results: Iterable<RunResult>;
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
  placeFolder(target, (staging) => writeFiles(staging, input));
  return target;
}

/** A folder of small files, whole or not at all, in place of one of the same name. Throws the system's error. */
export function writeFolder(target: string, files: Readonly<Record<string, string>>): void {
  placeFolder(target, (staging) => {
    for (const [name, text] of Object.entries(files)) writeText(join(staging, name), text);
  });
}

function placeFolder(target: string, write: (staging: string) => void): void {
  const parent = dirname(target);
  const staging = join(parent, `.${basename(target)}.${process.pid}.tmp`);
  makeFolder(resolve(parent));
  try {
    rmSync(staging, { recursive: true, force: true });
    mkdirSync(staging);
    write(staging);
    putInPlace(staging, target);
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

function writeFiles(folder: string, input: RunDirectoryInput): void {
  const wanted = RESULT_FILES.filter(({ asked }) => asked === undefined || input.specs.some(asked));
  const files = writeTables(folder, wanted, input.results);
  const { version, question, specs, answers, shown } = input;
  const manifest = manifestText({ version, question, specs, answers, shown, files });
  writeText(join(folder, 'manifest.json'), manifest);
  writeText(join(folder, 'environment.json'), `${JSON.stringify(input.environment, null, 1)}\n`);
}

/** All tables side by side, one result at a time: results may be more than the memory holds. Returns their sha256. */
function writeTables(folder: string, files: readonly AnyFile[], results: Iterable<RunResult>): Record<string, string> {
  const open = files.map((file) => ({ file, text: new TextFile(join(folder, file.file)) }));
  try {
    for (const { file, text } of open) text.write(headerOf(file.columns));
    for (const result of results) {
      if (result.spec.run.debug) assertRules(result);
      for (const { file, text } of open) for (const piece of rowsOf(file, result)) text.write(piece);
    }
    return Object.fromEntries(open.map(({ file, text }) => [file.file, text.finish()]));
  } finally {
    for (const { text } of open) text.close();
  }
}

function writeText(path: string, content: string): void {
  const text = new TextFile(path);
  try {
    text.write(content);
    text.finish();
  } finally {
    text.close();
  }
}

/** A new file that is written in pieces. */
class TextFile {
  private readonly handle: number;
  private readonly hash = createHash('sha256');
  private isOpen = true;

  constructor(path: string) {
    this.handle = openSync(path, 'wx');
  }

  write(piece: string): void {
    const bytes = Buffer.from(piece);
    this.hash.update(bytes);
    for (let done = 0; done < bytes.length; ) done += writeSync(this.handle, bytes, done);
  }

  /** On disk when it returns; the sha256 of all that was written. */
  finish(): string {
    fsyncSync(this.handle);
    return this.hash.digest('hex');
  }

  close(): void {
    if (this.isOpen) closeSync(this.handle);
    this.isOpen = false;
  }
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
    const match = /^\.((?:whatif-)?[0-9a-f]{12})\.(\d+)\.tmp(\.old)?$/.exec(name);
    if (match === null || isAlive(Number(match[2]))) continue;
    const target = join(folder, match[1]);
    if (match[3] !== undefined && !existsSync(target)) renameSync(join(folder, name), target);
    else rmSync(join(folder, name), { recursive: true, force: true });
  }
}
