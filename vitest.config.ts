import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files that take seconds: begun last, one of them would leave the other cores idle. */
const LONG = [
  'schedule/run-all',
  'cli/whatif',
  'report/html/report',
  'scenario/load',
  'iommu/formats/vectors',
  'browser/report',
  'cli/commands',
  'cli/report',
  'cli/sweep',
  'report/charts/contract',
  'cli/interrupt',
];

/** vitest's own order is by earlier durations, which a clean checkout does not have. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const found = LONG.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
      return found < 0 ? LONG.length : found;
    };
    return (await super.sort(files)).sort((a, b) => place(a) - place(b));
  }
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/bench/**'],
    globalSetup: ['test/support/build.mjs', 'test/support/folders.mjs'],
    // Property tests run thousands of cases; a slow CI machine is not a failure.
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // Workers are real threads started from dist/: the runner itself stays in processes.
    pool: 'forks',
    // Files share a process, and what they import: a process and its imports for each file cost 100 of 250 s of CPU.
    isolate: false,
    // Built JavaScript needs no transformation.
    server: { deps: { external: [/\/dist\/src\//, /\/scripts\/.*\.mjs$/] } },
    sequence: { sequencer: LongFirst },
    // The runner itself only waits: without this one core of two stays idle.
    maxWorkers: '100%',
  },
});
