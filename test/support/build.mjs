/** vitest's global setup: tests load the kernel and the worker entry points from dist/, so dist/ must match the sources. */
import { build, staleParts } from '../../scripts/build.mjs';

export function setup() {
  const stale = staleParts();
  if (stale.length === 0) return;
  process.stderr.write(`building ${stale.join(', ')}\n`);
  if (!build(stale)) process.stderr.write('the build reported errors: tests run on what it emitted\n');
}
