/** Files of dist/page/, whether this code runs from src/ or from dist/src/. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PLACES = ['../../../page/', '../../../dist/page/'];

/** Path of a file that the build put there. Throws Error when it did not. */
export function assetPath(name: string): string {
  const paths = PLACES.map((place) => fileURLToPath(new URL(place + name, import.meta.url)));
  const found = paths.find((path) => existsSync(path));
  if (found === undefined) throw new Error(`dist/page/${name} is not there: run \`npm run build\``);
  return found;
}

export const assetText = (name: string): string => readFileSync(assetPath(name), 'utf8');
