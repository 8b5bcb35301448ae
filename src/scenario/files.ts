/** Scenario files: which file a name means, and its text. */
import { closeSync, existsSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { didYouMean, UserError } from './problem.ts';
import { printable } from './units.ts';

/** Largest scenario file. A scenario with a thousand devices is a few KiB. */
const MAX_FILE_BYTES = 1 << 20;

/** Name of the scenario: its file's name without ending, fit for a folder. */
export function slug(file: string): string {
  const name = basename(file)
    .replace(/\.(ya?ml|json)$/i, '')
    .replace(/[^A-Za-z0-9_]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return name.slice(0, 60) || 'scenario';
}

/** Folder that has package.json, whether this file runs from src/ or from dist/src/. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder);
  return folder;
}

/** Names of the scenarios that come with the program, sorted. */
export function bundledScenarios(): string[] {
  const folder = join(packageRoot(), 'scenarios');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => file.slice(0, -5))
    .sort();
}

export function findScenario(path: string): string {
  if (existsSync(path)) return path;
  const bundled = bundledScenarios();
  if (bundled.includes(path)) return join(packageRoot(), 'scenarios', `${path}.yaml`);
  const hint = didYouMean(path, bundled) || `; scenarios that come with nestwalk: ${bundled.join(', ')}`;
  throw new UserError(`${printable(path)}: no such file or scenario${hint}`);
}

/** Reads a UTF-8 file of at most MAX_FILE_BYTES. Works on pipes too. */
export function readText(file: string): string {
  try {
    if (statSync(file).isDirectory()) throw new UserError(`${file}: is a folder; expected a scenario file`);
    const bytes = readLimited(file);
    if (bytes.length > MAX_FILE_BYTES)
      throw new UserError(`${file}: larger than ${MAX_FILE_BYTES >> 20} MiB, which no scenario is`);
    return decode(bytes, file);
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `${file}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}: cannot be read`,
    );
  }
}

function readLimited(file: string): Buffer {
  if (statSync(file).isFile() && statSync(file).size <= MAX_FILE_BYTES) return readFileSync(file);
  const buffer = Buffer.alloc(MAX_FILE_BYTES + 1);
  const handle = openSync(file, 'r');
  try {
    let length = 0;
    for (let got = 1; got > 0 && length < buffer.length; length += got)
      got = readSync(handle, buffer, length, buffer.length - length, null);
    return buffer.subarray(0, length);
  } finally {
    closeSync(handle);
  }
}

function decode(bytes: Buffer, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const good = new TextDecoder('utf-8').decode(bytes).split('\ufffd')[0];
    const line = good.split('\n').length;
    throw new UserError(`${file}:${line}:${good.length - good.lastIndexOf('\n')}: not UTF-8 text`);
  }
}
