// Builds dist/: the kernel with asc, TypeScript with tsc, the reports' script with rolldown. One command for users, tests and CI.
//   node scripts/build.mjs [kernel|ts|page] [--if-stale]
// Outputs replace older ones file by file, by rename, so that a build beside running tests never shows them half a file.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const dist = join(root, 'dist');
const { resolve } = createRequire(import.meta.url);
const packageFile = (name, ...path) => join(dirname(resolve(`${name}/package.json`)), ...path);

/** No runtime and no heap: the memory is laid out by hand, shared, and handed in. 65536 pages are all that wasm32 has. */
const ASC_FLAGS = [
  '-O3 --converge --noAssert --runtime stub --enable simd --enable threads',
  '--memoryBase 2560 --importMemory --sharedMemory --initialMemory 2 --maximumMemory 65536',
].flatMap((flags) => flags.split(' '));

/** Each part: what it is made from, the file whose time says when, and how. */
const parts = {
  kernel: {
    sources: [
      'src/kernel/assembly',
      ...['layout-ats.ts', 'layout-driver.ts', 'layout-memo.ts', 'layout-queue.ts', 'layout.ts'].map(
        (file) => `src/kernel/${file}`,
      ),
      'scripts/build.mjs',
    ],
    stamp: join(dist, 'kernel.wasm'),
    make: buildKernel,
  },
  ts: {
    sources: ['src', 'workers', 'scripts/build.mjs', 'tsconfig.json', 'tsconfig.build.json'],
    stamp: join(dist, '.typescript'),
    make: buildTypeScript,
  },
  page: {
    sources: ['src/report/html/client', 'src/report/charts/fonts', 'scripts/build.mjs', 'package-lock.json'],
    stamp: join(dist, 'page', 'client.js'),
    make: buildPage,
  },
};

/** Builds the named parts (both by default). False when a compiler reported errors; what it emitted is in dist/ then. */
export function build(names = Object.keys(parts)) {
  mkdirSync(dist, { recursive: true });
  return names.map((name) => makePart(parts[name])).every(Boolean);
}

/** The parts whose sources are newer than what was built from them. */
export function staleParts() {
  return Object.keys(parts).filter((name) => isStale(parts[name]));
}

function isStale({ sources, stamp }) {
  const builtAt = existsSync(stamp) ? statSync(stamp).mtimeMs : 0;
  return sources.some((source) => filesBelow(join(root, source)).some((file) => statSync(file).mtimeMs > builtAt));
}

/** The stamp gets the time at which the build began: an edit made while it ran is newer. */
function makePart({ stamp, make }) {
  const startedAt = new Date();
  const isClean = make();
  if (existsSync(stamp)) utimesSync(stamp, startedAt, startedAt);
  return isClean;
}

function buildKernel() {
  const temporary = join(dist, `kernel.${process.pid}.wasm`);
  const output = relative(root, temporary);
  const asc = packageFile('assemblyscript', 'bin', 'asc.js');
  const isClean = runNode(asc, ['src/kernel/assembly/index.ts', ...ASC_FLAGS, '-o', output]);
  if (isClean) renameSync(temporary, parts.kernel.stamp);
  else rmSync(temporary, { force: true });
  return isClean;
}

function buildTypeScript() {
  const temporary = join(dist, `.ts-${process.pid}`);
  let isClean = runNode(packageFile('typescript', 'bin', 'tsc'), ['-p', 'tsconfig.build.json', '--outDir', temporary]);
  isClean &&= bundleWorker(temporary);
  for (const folder of existsSync(temporary) ? readdirSync(temporary) : []) {
    replaceTree(join(temporary, folder), join(dist, folder));
  }
  rmSync(temporary, { recursive: true, force: true });
  if (isClean) writeFileSync(parts.ts.stamp, '');
  return isClean;
}

/** What a thread loads, as one file for it: to find and read a hundred takes 0.1 s, for every thread that starts. */
function bundleWorker(folder) {
  const options = ['--dir', 'workers', '--cwd', folder, '--platform', 'node', '--chunk-file-names', '[name].js'];
  const rolldown = packageFile('rolldown', 'bin', 'cli.mjs');
  return runNode(rolldown, ['workers/run.js', ...options, '--sourcemap'], ['ignore', 'ignore', 'inherit']);
}

/** What a report carries besides results: the script that makes its charts live, the font of its pictures, all licences. */
function buildPage() {
  const temporary = join(dist, `.page-${process.pid}`);
  const isClean = runNode(join(root, 'scripts', 'build-page.mjs'), [temporary]);
  if (isClean) replaceTree(temporary, join(dist, 'page'));
  rmSync(temporary, { recursive: true, force: true });
  return isClean;
}

/** Moves every file of `from` to its place in `to`, then drops what has no source any more. */
function replaceTree(from, to) {
  const paths = filesBelow(from).map((file) => relative(from, file));
  for (const path of paths) {
    mkdirSync(dirname(join(to, path)), { recursive: true });
    renameSync(join(from, path), join(to, path));
  }
  const kept = new Set(paths);
  for (const file of filesBelow(to)) if (!kept.has(relative(to, file))) rmSync(file);
}

function filesBelow(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
}

function runNode(script, args, stdio = 'inherit') {
  return spawnSync(process.execPath, [script, ...args], { cwd: root, stdio }).status === 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const wanted = process.argv.slice(2).filter((argument) => argument in parts);
  const names = wanted.length > 0 ? wanted : Object.keys(parts);
  const stale = new Set(process.argv.includes('--if-stale') ? staleParts() : names);
  process.exitCode = build(names.filter((name) => stale.has(name))) ? 0 : 1;
}
