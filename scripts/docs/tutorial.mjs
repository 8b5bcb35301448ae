// Runs the commands of docs/TUTORIAL.md again and puts what they print below them. A block is marked
//   <!-- run: nestwalk … -->   and   <!-- end -->
// Times, and what depends on where the program lies, are left out.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fenced, words } from './markdown.mjs';

const BLOCK = /<!-- run: (.*) -->\n[^]*?<!-- end -->/g;

export async function refreshTutorial(root) {
  const path = join(root, 'docs/TUTORIAL.md');
  const scratch = mkdtempSync(join(tmpdir(), 'nestwalk-tutorial-'));
  const text = readFileSync(path, 'utf8');
  writeFileSync(
    path,
    text.replace(BLOCK, (_, command) => `<!-- run: ${command} -->\n\n${block(root, scratch, command)}\n\n<!-- end -->`),
  );
  rmSync(scratch, { recursive: true, force: true });
}

function block(root, scratch, command) {
  return fenced(`$ ${command}\n${outputOf(root, scratch, command)}`);
}

function outputOf(root, scratch, command) {
  const [, ...rest] = words(command.replace(/ \|.*$/, ''));
  const args = [join(root, 'bin/nestwalk.js'), ...rest];
  const env = { ...process.env, NO_COLOR: '1', LC_ALL: 'en_US.UTF-8' };
  const output = execFileSync(process.execPath, args, {
    cwd: scratch,
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return cleaned(output);
}

/** Without the time that a run took and the hint at a next command. */
function cleaned(output) {
  return output
    .split('\n')
    .filter((line) => !line.startsWith('Next: '))
    .map((line) => line.replace(/, \d+\.\d s\)$/, ')').trimEnd())
    .join('\n')
    .trimEnd();
}
