import { defineConfig } from 'vitest/config';

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
    // The runner itself only waits: without this one core of two stays idle.
    maxWorkers: '100%',
  },
});
