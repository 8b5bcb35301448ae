// Runs scenarios with 1, 2 and 5 threads and on Node 20, 22 and 24 and compares all result files byte for byte.
//   node scripts/determinism.mjs [scenario…] [--set path=value…] [--keep] [--summary file.json]
// environment.json says where a run took place and is the one file that may differ.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const THREADS = [1, 2, 5];
const NODES = { 20: '20.20.2', 22: '22.23.3', 24: '24.21.0' };
/** Short enough for a test, long enough for several time steps, unmaps and cache evictions. */
const SCENARIOS = {
  'uniform-window': ['run.requests=20000'],
  'nic-modes': ['run.requests=20000'],
  'nested-cost': ['run.requests=20000'],
  'iotlb-wall': ['run.requests=5000'],
  'shared-domain': ['run.requests=20000', 'run.warmupRequests=2000'],
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { set: { type: 'string', multiple: true }, keep: { type: 'boolean' }, summary: { type: 'string' } },
});
const scratch = mkdtempSync(join(tmpdir(), 'nestwalk-determinism-'));
const nodes = Object.entries(NODES).map(([major, version]) => ({ major, path: nodePath(major, version) }));
const rows = (positionals.length > 0 ? positionals : Object.keys(SCENARIOS)).flatMap(compareScenario);

for (const { scenario, variant, verdict } of rows)
  console.log(`${scenario.padEnd(18)} ${variant.padEnd(22)} ${verdict}`);
const failed = rows.filter((row) => row.failed).length;
console.log(`${rows.length - failed} runs identical, ${failed} not`);
if (values.keep) console.log(`files: ${scratch}`);
else rmSync(scratch, { recursive: true, force: true });
if (values.summary !== undefined) {
  writeFileSync(
    values.summary,
    JSON.stringify([{ stage: 'determinism', passed: rows.length - failed, failed, skipped: 0 }]),
  );
}
process.exitCode = failed > 0 ? 1 : 0;

/** This Node if it is of that line, else the one that npm has; undefined when it cannot be had. */
function nodePath(major, version) {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const platform = process.platform === 'win32' ? 'win' : process.platform;
  const args = ['-y', '-p', `node-${platform}-${process.arch}@${version}`, '-c', 'node -p process.execPath'];
  const { status, stdout } = spawnSync('npx', args, { encoding: 'utf8', shell: platform === 'win', cwd: tmpdir() });
  return status === 0 ? stdout.trim().split('\n').at(-1) : undefined;
}

/** The first variant that ran is what the others are compared with. */
function compareScenario(scenario) {
  const variants = [
    ...THREADS.map((threads) => ({ threads, major: process.versions.node.split('.')[0], path: process.execPath })),
    ...nodes.filter(({ path }) => path !== process.execPath).map((node) => ({ threads: 2, ...node })),
  ];
  let reference;
  return variants.map(({ threads, major, path }) => {
    const variant = `Node ${major}, ${threads} thread${threads > 1 ? 's' : ''}`;
    if (path === undefined) return { scenario, variant, failed: true, verdict: 'FAILED: this Node is not to be had' };
    const { files, problem } = runScenario(scenario, threads, path, join(scratch, `${scenario}-${major}-${threads}`));
    if (problem !== undefined) return { scenario, variant, failed: true, verdict: `FAILED: ${problem}` };
    reference ??= files;
    const difference = firstDifference(reference, files);
    return {
      scenario,
      variant,
      failed: difference !== undefined,
      verdict: difference ?? `identical, ${files.size} files`,
    };
  });
}

function runScenario(scenario, threads, node, out) {
  const sets = [...(SCENARIOS[scenario] ?? []), ...(values.set ?? [])].flatMap((set) => ['--set', set]);
  const args = ['run', scenario, '--threads', String(threads), '--out', out, '--quiet', '--no-progress', ...sets];
  try {
    execFileSync(node, [join(root, 'bin/nestwalk.js'), ...args], { stdio: ['ignore', 'ignore', 'pipe'], cwd: scratch });
  } catch (error) {
    return {
      problem: String(error.stderr ?? error)
        .trim()
        .split('\n')
        .slice(-3)
        .join(' | '),
    };
  }
  const files = readTree(out);
  return files.size > 0 ? { files } : { problem: 'it wrote no files' };
}

/** Relative path → bytes. */
function readTree(folder) {
  const paths = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name !== 'environment.json')
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name));
  return new Map(paths.sort().map((path) => [relative(folder, path).split(sep).join('/'), readFileSync(path)]));
}

function firstDifference(expected, actual) {
  for (const path of new Set([...expected.keys(), ...actual.keys()])) {
    const [a, b] = [expected.get(path), actual.get(path)];
    if (a === undefined || b === undefined) return `DIFFERS: ${path} is ${a === undefined ? 'new' : 'missing'}`;
    if (!a.equals(b)) return `DIFFERS: ${path} from byte ${a.findIndex((byte, i) => byte !== b[i])}`;
  }
  return undefined;
}
