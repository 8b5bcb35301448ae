import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/bench/**'],
    globalSetup: ['test/support/build.mjs'],
    // Property tests run thousands of cases; a slow CI machine is not a failure.
    testTimeout: 30_000,
    hookTimeout: 120_000,
    // Workers are real threads started from dist/: the runner itself stays in processes.
    pool: 'forks',
    // The runner itself only waits: without this one core of two stays idle.
    maxWorkers: '100%',
  },
});
