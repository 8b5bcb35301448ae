// Times the plain program of assembly.ts on the same devices, windows and tables as a case, one after the other with it: what this machine has to
// give. The floors of the benchmark were set on a machine where such a program ran 38 M hits, 13.8 M misses of one stage and 3.5 M cold nested misses
// (84 M reads) a second; `share` is the floor as a part of that.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const FLAGS = '-O3 --converge --noAssert --runtime stub --importMemory --initialMemory 256'.split(' ');
const WASM_PAGES = 256; // 16 MiB: tables for 64 windows of 16 MiB in two stages take 7

let compiled;

/** The program as a WebAssembly module. */
function compile() {
  const asc = join(dirname(createRequire(import.meta.url).resolve('assemblyscript/package.json')), 'bin', 'asc.js');
  const folder = mkdtempSync(join(tmpdir(), 'nestwalk-yardstick-'));
  try {
    const output = join(folder, 'yardstick.wasm');
    const source = fileURLToPath(new URL('assembly.ts', import.meta.url));
    execFileSync(process.execPath, [asc, source, ...FLAGS, '-o', output], { stdio: 'pipe' });
    return new WebAssembly.Module(readFileSync(output));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Requests and table reads a second of one run, for windows of so many 4 KiB pages a device, and how many of them hit or were made.
 * @param {{ windowPages: number, isNested: boolean, requests: number }} options
 */
export function timeYardstick({ windowPages, isNested, requests }) {
  compiled ??= compile();
  const memory = new WebAssembly.Memory({ initial: WASM_PAGES });
  const { prepare, run, reads } = new WebAssembly.Instance(compiled, { env: { memory, abort } }).exports;
  prepare(windowPages, isNested);
  run(requests / 20);
  const before = reads.value;
  const startedAt = performance.now();
  const hits = run(requests);
  const seconds = (performance.now() - startedAt) / 1000;
  const made = reads.value - before;
  return { requestsPerSecond: requests / seconds, readsPerSecond: made / seconds, hits, reads: made };
}

function abort() {
  throw new Error('The yardstick left its memory');
}
