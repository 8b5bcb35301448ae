// Runs the commands of docs/TUTORIAL.md and docs/SWEEP.md again and puts what they print below them. A block is marked
//   <!-- run: nestwalk … -->   and   <!-- end -->
// where {scenario flags} stands for the folder of such a run. What follows <!-- file: name --> is a file that they read;
// <!-- file: name from path --> is one of this tree. Times, and what depends on where the program lies, are left out.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fenced, words } from './markdown.mjs';

const DOCUMENTS = ['docs/TUTORIAL.md', 'docs/SWEEP.md'];
const BLOCK = /<!-- run: (.*) -->\n[^]*?<!-- end -->/g;
const FILE = /<!-- file: (\S+)(?: from (\S+))? -->\n(?:\n```\w*\n([^]*?)```)?/g;
/** Longer commands take a second line. */
const WIDTH = 100;

export async function refreshTutorial(root) {
  for (const document of DOCUMENTS) refresh(root, join(root, document));
}

function refresh(root, path) {
  const scratch = mkdtempSync(join(tmpdir(), 'nestwalk-tutorial-'));
  const text = readFileSync(path, 'utf8');
  for (const [, name, from, content] of text.matchAll(FILE)) {
    if (from === undefined) writeFileSync(join(scratch, name), content);
    else copyFileSync(join(root, from), join(scratch, name));
  }
  writeFileSync(
    path,
    text.replace(BLOCK, (_, command) => `<!-- run: ${command} -->\n\n${block(root, scratch, command)}\n\n<!-- end -->`),
  );
  rmSync(scratch, { recursive: true, force: true });
}

function block(root, scratch, marked) {
  const command = marked.replace(/\{(.*?)\}/g, (_, run) => folderOf(root, scratch, run));
  return fenced(`$ ${inLines(command)}\n${cleaned(outputOf(root, scratch, command))}`);
}

function folderOf(root, scratch, run) {
  const { directory } = JSON.parse(outputOf(root, scratch, `nestwalk run ${run} --json --no-report`));
  return relative(scratch, join(scratch, directory));
}

const inLines = (command) =>
  command.length <= WIDTH
    ? command
    : command.replace(/^(.{1,96}) (--.*)$/, (_, first, rest) => `${first} \\\n    ${rest}`);

function outputOf(root, scratch, command) {
  const [, ...rest] = words(command.replace(/ \|.*$/, ''));
  const args = [join(root, 'bin/nestwalk.js'), ...rest];
  const env = { ...process.env, NO_COLOR: '1', LC_ALL: 'en_US.UTF-8' };
  return execFileSync(process.execPath, args, {
    cwd: scratch,
    encoding: 'utf8',
    env,
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 1 << 26,
  });
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
