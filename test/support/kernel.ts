/** The built kernel, for tests. dist/kernel.wasm is there: build.ts ran before. */
import { readFileSync } from 'node:fs';
import { createMemory, Kernel } from '../../src/kernel/kernel.ts';

const PAGE_BYTES = 65536;

/** Compiled once a test process; instances share the code. */
export const kernelModule = new WebAssembly.Module(readFileSync(new URL('../../dist/kernel.wasm', import.meta.url)));

/** A fresh kernel over `bytes` of zeroed memory (rounded up to wasm pages). */
export function createKernel(bytes = 64 << 20): Kernel {
  return new Kernel(kernelModule, createMemory(Math.ceil(bytes / PAGE_BYTES)));
}
