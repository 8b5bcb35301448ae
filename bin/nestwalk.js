#!/usr/bin/env node
import { existsSync } from 'node:fs';

const main = new URL('../dist/src/cli/main.js', import.meta.url);
if (existsSync(main)) {
  const { run } = await import(main.href);
  await run(process.argv.slice(2));
} else {
  process.stderr.write('nestwalk is not built yet: run "npm ci" or "npm run build" in its folder first\n');
  process.exitCode = 2;
}
