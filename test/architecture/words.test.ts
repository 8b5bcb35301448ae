/** The project speaks of itself alone: no paths, tickets or hosts of the place where it was written. */
import { describe, expect, it } from 'vitest';
import { filesBelow, lineOf, readSource } from '../support/source.ts';

const FORBIDDEN = [
  { what: 'a path outside the tree', pattern: /\/work\/(main|shared)|\.\.\/shared\// },
  { what: 'a ticket number', pattern: /\bissue #?\d|\bissues #\d/i },
  { what: 'a note to oneself', pattern: /\b(TODO|FIXME|XXX)\b/ },
  { what: 'a signature', pattern: /\bco-authored-by\b/i },
];

const TEXT = /\.(ts|js|mjs|json|ya?ml|md|csv|html|css|txt)$/;
const files = [
  ...['src', 'workers', 'bin', 'scripts', 'scenarios', 'docs', 'test', '.ci'].flatMap((folder) =>
    filesBelow(folder, TEXT),
  ),
  ...['package.json', 'README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', '.ci/run', 'vitest.config.ts'],
].filter((path) => path !== 'test/architecture/words.test.ts');

function findings(path: string, text: string): string[] {
  return FORBIDDEN.flatMap(({ what, pattern }) => {
    const match = pattern.exec(text);
    return match === null ? [] : [`${path}:${lineOf(text, match.index)}: ${what}: ${match[0]}`];
  });
}

describe('words', () => {
  it('are the project’s own', () => {
    expect(files.length).toBeGreaterThan(20);
    expect(files.flatMap((path) => findings(path, readSource(path)))).toEqual([]);
  });

  it.each(['see ../shared/x', 'as issue 7 says', 'in issues #7', '// TODO: more', 'Co-Authored-By: x'])(
    'finds %s',
    (text) => {
      expect(findings('canary', `\n${text}`)).toHaveLength(1);
    },
  );

  it('lets ordinary words pass', () => {
    expect(findings('canary', 'the device issues 7 reads below ./shared/')).toEqual([]);
  });
});

describe('package-lock.json', () => {
  it('names no registry but the public one', () => {
    const hosts = [...readSource('package-lock.json').matchAll(/"resolved": "https?:\/\/([^/"]+)/g)].map(
      (match) => match[1],
    );
    expect(hosts.filter((host) => host !== 'registry.npmjs.org')).toEqual([]);
  });
});
