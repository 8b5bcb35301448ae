import { basename, relative } from 'node:path';
import { visible } from '../report/visible.ts';

/** How the user calls this program, for commands that a message proposes. */
export function programCommand(script = process.argv[1] ?? 'nestwalk'): string {
  if (basename(script) !== 'nestwalk') return `node ${relative('.', script)}`;
  return /[\\/]node_modules[\\/]/.test(script) ? 'npx nestwalk' : 'nestwalk';
}

/** A path as the user would write it here. */
export const relativePath = (path: string): string => visible(relative('.', path) || path);
