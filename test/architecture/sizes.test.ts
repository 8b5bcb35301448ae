import { describe, expect, it } from 'vitest';
import { filesBelow, functionSizes, readSource } from '../support/source.ts';

const FILE_LINES = 700;
const FUNCTION_LINES = 70;
const MEDIAN_LINES = 15;
const WORKER_LINES = 30;

/** Files with a function that is longer on purpose → why. */
const LONG_FUNCTIONS: Readonly<Record<string, string>> = {
  'src/kernel/assembly/walk.ts': 'the walk is one loop over levels whose state stays in registers',
};

const sources = ['src', 'workers', 'scripts'].flatMap((folder) => filesBelow(folder, /(?<!\.d)\.(ts|mjs)$/));
const lineCount = (path: string) => readSource(path).trimEnd().split('\n').length;

describe('sizes', () => {
  it('keeps thread entry points thin', () => {
    const workers = filesBelow('workers', /\.ts$/);
    expect(workers.length).toBeGreaterThan(0);
    expect(workers.filter((path) => lineCount(path) > WORKER_LINES)).toEqual([]);
  });

  it('keeps a file to one unit of thought', () => {
    const long = sources.filter((path) => lineCount(path) > FILE_LINES);
    expect(long.map((path) => `${path}: ${lineCount(path)} lines`)).toEqual([]);
  });

  it('keeps functions short', () => {
    const sizes = sources.flatMap((path) => functionSizes(path, readSource(path)));
    const long = sizes.filter((size) => size.lines > FUNCTION_LINES && !(size.path in LONG_FUNCTIONS));
    expect(long.map((size) => `${size.path}:${size.line}: ${size.lines} lines`)).toEqual([]);
    const named = sizes.map((size) => size.lines).sort((a, b) => a - b);
    expect(named[named.length >> 1]).toBeLessThanOrEqual(MEDIAN_LINES);
  });

  it('measures what it claims to', () => {
    const source = 'const a = () => 1;\nfunction f() {\n  return () => {\n    return 2;\n  };\n}\n';
    expect(functionSizes('canary.ts', source).map(({ line, lines }) => [line, lines])).toEqual([
      [1, 1],
      [2, 5],
      [3, 3],
    ]);
  });
});
