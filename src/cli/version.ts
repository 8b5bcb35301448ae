import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../scenario/files.ts';

/** The version in package.json. */
export function programVersion(): string {
  const text = readFileSync(join(packageRoot(), 'package.json'), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** Folders of dist/src/ whose code decides on results. */
const MODEL = ['driver', 'iommu', 'kernel', 'lib', 'sim', 'stats', 'traffic'];

/**
 * The version and a hash of the built model: kept results are used again by the same code only, also between versions.
 * Without a build (the program runs from its sources) it is the version alone.
 */
export function modelVersion(): string {
  const dist = join(packageRoot(), 'dist');
  const hash = createHash('sha256');
  const kernel = join(dist, 'kernel.wasm');
  if (existsSync(kernel)) hash.update(readFileSync(kernel));
  for (const folder of MODEL) {
    for (const path of builtFiles(join(dist, 'src', folder))) hash.update(readFileSync(path));
  }
  return `${programVersion()}+${hash.digest('hex').slice(0, 16)}`;
}

function builtFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { recursive: true }) as string[];
  return names
    .filter((name) => name.endsWith('.js'))
    .sort()
    .map((name) => join(folder, name));
}
