/** Folders for tests: each is new, as test files share a process; nobody has to remove them (folders.mjs). */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { inject } from 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where they lie. */
    readonly folders: string;
  }
}

/** The path of an empty folder that nothing else uses. */
export const newFolder = (): string => mkdtempSync(join(inject('folders'), 'test-'));
