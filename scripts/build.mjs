// Builds dist/: the kernel with asc, then TypeScript with tsc. One command for users, tests and CI.
// Outputs replace older ones by rename, so that a build beside running tests never shows them half a file.
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const resolve = createRequire(import.meta.url).resolve;
const run = (script, args) => execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });

const only = process.argv[2]; // "kernel" or "ts": half a build, for development
mkdirSync(join(root, 'dist'), { recursive: true });

if (only !== 'ts') {
  const temporary = `dist/kernel.${process.pid}.wasm`;
  run(join(dirname(resolve('assemblyscript/package.json')), 'bin', 'asc.js'), [
    'src/kernel/assembly/index.ts',
    '-O3',
    '--converge',
    '--noAssert',
    ...['--runtime', 'stub', '--enable', 'simd', '--enable', 'threads'],
    ...['--importMemory', '--sharedMemory', '--initialMemory', '2', '--maximumMemory', '65536'],
    ...['-o', temporary],
  ]);
  renameSync(join(root, temporary), join(root, 'dist/kernel.wasm'));
}
if (only !== 'kernel') run(join(dirname(resolve('typescript/package.json')), 'bin', 'tsc'), ['-p', 'tsconfig.build.json']);
