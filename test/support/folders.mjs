/** vitest's global setup: one folder that all folders of tests lie in, gone when the run ends, however its tests end. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function setup({ provide }) {
  const folder = mkdtempSync(join(tmpdir(), 'nestwalk-tests-'));
  provide('folders', folder);
  return () => rmSync(folder, { recursive: true, force: true });
}
