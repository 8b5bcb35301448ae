// Packs the project, installs the package as a user would, without development packages, and runs it.
//   node scripts/package-check.mjs [--summary file.json]
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const { values } = parseArgs({ options: { summary: { type: 'string' } } });
const folder = mkdtempSync(join(tmpdir(), 'nestwalk-package-'));
const run = (cwd, command, ...args) =>
  execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
  });

const nestwalk = (...args) =>
  run(folder, process.execPath, join(folder, 'node_modules/nestwalk/bin/nestwalk.js'), ...args);
const steps = {
  'pack and install': () => {
    const [tarball] = JSON.parse(run(root, 'npm', 'pack', '--json', '--ignore-scripts', '--pack-destination', folder));
    writeFileSync(join(folder, 'package.json'), '{"private":true}');
    run(folder, 'npm', 'install', '--omit=dev', '--no-audit', '--no-fund', join(folder, tarball.filename));
  },
  'no compiler came along': () => {
    const extra = ['typescript', 'assemblyscript', 'vitest'].filter((name) =>
      existsSync(join(folder, 'node_modules', name)),
    );
    if (extra.length > 0) throw new Error(`installed: ${extra.join(', ')}`);
  },
  list: () => nestwalk('list'),
  'run uniform-window': () => {
    nestwalk(
      'run',
      'uniform-window',
      '--quiet',
      '--no-progress',
      '--out',
      join(folder, 'out'),
      '--set',
      'run.requests=10000',
    );
    const written = readdirSync(join(folder, 'out'), { recursive: true }).map(String);
    for (const file of ['summary.csv', 'report.html', 'percentiles.png'])
      if (!written.some((path) => path.endsWith(file))) throw new Error(`no ${file} among ${written.join(', ')}`);
  },
};

let failed = 0;
for (const [name, step] of Object.entries(steps)) {
  try {
    step();
    console.log(`${name.padEnd(24)} ok`);
  } catch (error) {
    failed++;
    console.log(`${name.padEnd(24)} FAILED: ${error.stderr || error.message}`);
  }
}
rmSync(folder, { recursive: true, force: true });
const passed = Object.keys(steps).length - failed;
if (values.summary !== undefined) {
  writeFileSync(values.summary, JSON.stringify([{ stage: 'package', passed, failed, skipped: 0 }]));
}
process.exitCode = failed > 0 ? 1 : 0;
