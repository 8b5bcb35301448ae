// The one gate: what CI runs. All stages run even when an early one fails; only a failed stage shows its output.
//   node scripts/check.mjs [stage…] [--summary file.json]
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const env = { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined };
const scratch = mkdtempSync(join(tmpdir(), 'nestwalk-check-'));
const testReport = join(scratch, 'tests.json');

/** Stage → what it runs; `count` turns the exit status into numbers of checks. */
const STAGES = {
  // npm ci has built on a clean checkout.
  build: { command: [join(root, 'scripts/build.mjs'), '--if-stale'] },
  types: { command: [bin('typescript', 'tsc'), '-p', 'tsconfig.json'] },
  page: { command: [bin('typescript', 'tsc'), '-p', 'src/report/html/client/tsconfig.json'] },
  lint: { command: [bin('oxlint', 'oxlint'), '--type-aware', '--deny-warnings'] },
  format: { command: [bin('@biomejs/biome', 'biome'), 'format', '.'] },
  imports: { command: [bin('dependency-cruiser', 'depcruise'), 'src', 'workers', 'bin', 'scripts', 'test'] },
  unused: { command: [bin('knip', 'knip'), '--no-progress'] },
  tests: {
    command: [
      bin('vitest', 'vitest'),
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${testReport}`,
    ],
    count: countTests,
  },
};

const { values, positionals } = parseArgs({ allowPositionals: true, options: { summary: { type: 'string' } } });
const unknown = positionals.filter((name) => !(name in STAGES));
if (unknown.length > 0) {
  console.error(`unknown stage ${unknown.join(', ')}; there are: ${Object.keys(STAGES).join(', ')}`);
  process.exit(2);
}

const results = [];
for (const name of positionals.length > 0 ? positionals : Object.keys(STAGES)) results.push(await runStage(name));
rmSync(scratch, { recursive: true, force: true });
if (values.summary !== undefined) writeFileSync(values.summary, JSON.stringify(results));
process.exitCode = results.some((result) => result.failed > 0) ? 1 : 0;

/** The file behind a package's command, so that it runs on this very Node. */
function bin(packageName, command) {
  const folder = join(root, 'node_modules', packageName);
  const { bin: bins } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  return join(folder, typeof bins === 'string' ? bins : bins[command]);
}

async function runStage(stage) {
  const startedAt = performance.now();
  const { command, count = countStage } = STAGES[stage];
  const { status, output } = await run(command);
  const result = { stage, ...count(status) };
  if (status !== 0) process.stdout.write(output.endsWith('\n') ? output : `${output}\n`);
  console.log(summaryLine(result, performance.now() - startedAt));
  return result;
}

function run(args) {
  return new Promise((done) => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env });
    const chunks = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => chunks.push(chunk));
    child.on('close', (status) => done({ status, output: Buffer.concat(chunks).toString() }));
  });
}

function countStage(status) {
  return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: 0 };
}

/** A file that does not load has no tests that could fail: the exit status stands for it. */
function countTests(status) {
  let report = { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0 };
  try {
    report = JSON.parse(readFileSync(testReport, 'utf8'));
  } catch {
    // vitest died before it wrote its report: only the status speaks.
  }
  const failed = Math.max(report.numFailedTests, status === 0 ? 0 : 1);
  return { passed: report.numPassedTests, failed, skipped: report.numPendingTests };
}

function summaryLine({ stage, passed, failed, skipped }, elapsedMs) {
  const verdict = failed === 0 ? 'ok' : 'FAILED';
  const counts = stage === 'tests' ? `  ${passed} passed, ${failed} failed, ${skipped} skipped` : '';
  return `${stage.padEnd(10)} ${verdict.padEnd(6)} ${(elapsedMs / 1000).toFixed(1).padStart(6)} s${counts}`;
}
