import { describe, expect, it } from 'vitest';
import { impurities } from '../support/purity.ts';
import { filesBelow, readSource } from '../support/source.ts';

const PURE_FOLDERS = ['lib', 'kernel', 'stats', 'iommu', 'driver', 'traffic', 'sim'];
const pureFiles = [
  'src/request.ts',
  'src/spec.ts',
  ...PURE_FOLDERS.flatMap((folder) => filesBelow(`src/${folder}`, /(?<!\.d)\.ts$/)),
].filter((path) => !path.startsWith('src/kernel/assembly/'));

describe('purity from sim/ down', () => {
  it('covers every pure folder', () => {
    for (const folder of PURE_FOLDERS) {
      expect(
        pureFiles.some((path) => path.startsWith(`src/${folder}/`)),
        folder,
      ).toBe(true);
    }
  });

  it.each(pureFiles)('%s', (path) => {
    expect(impurities(path, readSource(path))).toEqual([]);
  });
});

describe('the purity check itself', () => {
  it.each([
    ['Math.pow(2, x)', 'Math.pow'],
    ["Math['pow'](2, x)", 'Math.pow'],
    ['Math[name](2, x)', 'Math.[…]'],
    ['Math.random()', 'Math.random'],
    ['x ** 0.5', '**'],
    ['x **= 2', '**='],
    ['new Date()', 'Date'],
    ['Date.now()', 'Date'],
    ['performance.now()', 'performance'],
    ['console.log(1)', 'console'],
    ['process.env.HOME', 'process'],
    ['globalThis.process', 'globalThis'],
    ['f({ [process.pid]: 1 })', 'process'],
    ['x.toLocaleString()', 'toLocaleString'],
    ['a.localeCompare(b)', 'localeCompare'],
    ["import fs from 'node:fs'", 'import of node:fs'],
    ["import type { Stats } from 'node:fs'", 'import of node:fs'],
    ["import { z } from 'zod'", 'import of zod'],
    ["export * from 'node:os'", 'import of node:os'],
    ["await import('node:fs')", 'import()'],
  ])('reports %s', (source, what) => {
    expect(impurities('canary.ts', `\n${source};`)).toEqual([`canary.ts:2: ${what}`]);
  });

  it.each([
    '// Math.pow, Date and process are not for here',
    "const text = 'console.log(Date.now() ** 2)';",
    'const process2 = stage.process(1); const o = { Date: 1, console: 2 };',
    'class C { process(): void {} get Date(): number { return 1; } }',
    "import { x } from './x.ts'; export { y } from '../y.ts';",
    'const mask = 2n ** 12n; const y = Math.exp(Math.log(3) * 0.5);',
  ])('accepts %s', (source) => {
    expect(impurities('canary.ts', source)).toEqual([]);
  });
});
