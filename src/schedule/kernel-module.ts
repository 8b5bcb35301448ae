/** The compiled kernel: dist/kernel.wasm, whether this file runs from src/ or from dist/src/. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PLACES = ['../../kernel.wasm', '../../dist/kernel.wasm'];

export function kernelModule(): WebAssembly.Module {
  const found = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url))).find((path) => existsSync(path));
  if (found === undefined) throw new Error('dist/kernel.wasm is not there: run `npm run build`');
  return new WebAssembly.Module(readFileSync(found));
}
