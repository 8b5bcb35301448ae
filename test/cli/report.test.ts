/** `nestwalk report`, and the report that each run writes. */
import { existsSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { insideOf } from './inside.ts';
import { filesBelow, shell, SMALL } from './support.ts';

const { folder, nestwalk } = shell();
const here = insideOf(folder);

const scenario = join(folder, 'small.yaml');
let directory: string;

beforeAll(async () => {
  writeFileSync(scenario, SMALL);
  const { code, err } = await nestwalk('run', scenario, '--out', 'results', '--quiet', '--report');
  if (code !== 0) throw new Error(err);
  const [id] = readdirSync(join(folder, 'results/small')).filter((name) => /^[0-9a-f]{12}$/.test(name));
  directory = join(folder, 'results/small', id);
});

describe('run', () => {
  it('writes a page and pictures', () => {
    expect(filesBelow(directory)).toEqual(
      expect.arrayContaining(['report.html', join('charts', 'reads.svg'), join('charts', 'reads.png')]),
    );
    const html = readFileSync(join(directory, 'report.html'), 'utf8');
    expect(html).toContain('<h1 dir="auto">What?</h1>');
    expect(html).toContain('nestwalk run small.yaml');
  });

  it('leaves them out when told so', async () => {
    const { code } = await here('run', scenario, '--out', 'none', '--quiet', '--no-report');
    expect(code).toBe(0);
    expect(filesBelow(join(folder, 'none')).filter((path) => /report\.html|charts/.test(path))).toEqual([]);
  });
});

describe('whatif', () => {
  it('writes a page with the curve of what it tried, unless told not to', async () => {
    const asked = [
      'whatif',
      scenario,
      '--vary',
      'machine.iotlb.entries=16..64*2',
      '--goal',
      'iotlb_hit_ratio>=0',
      '--quiet',
    ];
    const { code, out } = await here(...asked, '--out', 'searched', '--report');
    expect(code).toBe(0);
    const page = /^Report: (.*)$/m.exec(out)![1];
    expect(page).toMatch(/^searched.small.whatif-[0-9a-f]{12}.report\.html$/);
    const html = readFileSync(join(folder, page), 'utf8');
    expect(html).toMatch(/nestwalk whatif small\.yaml --vary \S*machine\.iotlb\.entries=16\.\.64\*2\S* --goal /);
    expect(html).toMatch(/id="search-chart" role="img" aria-label="[^"]{40,}"><svg /);
    expect(html).toMatch(
      /every value of machine\.iotlb\.entries from 16 to 64 meets iotlb_hit_ratio&#62;=0|smallest that meets/,
    );
    expect(filesBelow(join(folder, 'searched'))).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/charts.search\.svg$/),
        expect.stringMatching(/charts.search\.png$/),
      ]),
    );
    expect((await here(...asked, '--out', 'unseen', '--no-report')).code).toBe(0);
    expect(filesBelow(join(folder, 'unseen')).filter((path) => /report\.html|charts/.test(path))).toEqual([]);
  });
});

describe('report', () => {
  it('rebuilds the same bytes from the files alone', async () => {
    const { code, out } = await here('report', directory, '--out', 'again');
    expect(code).toBe(0);
    expect(out.trim()).toBe(join('again', 'report.html'));
    for (const path of filesBelow(join(folder, 'again')).filter((name) => name.includes('.'))) {
      expect(readFileSync(join(folder, 'again', path)).equals(readFileSync(join(directory, path))), path).toBe(true);
    }
  });

  it('lays several folders side by side, in a folder of their own', async () => {
    const { code, out } = await here('report', directory, directory);
    expect(code).toBe(0);
    expect(out).toMatch(/^results.reports.[0-9a-f]{12}.report\.html\n$/);
    expect(readFileSync(join(folder, out.trim()), 'utf8')).toContain('small');
  });

  it('refuses a folder without results, and shows those below it', async () => {
    const { code, err } = await here('report', 'results');
    expect(code).toBe(2);
    expect(err).toMatch(/has no manifest\.json.*below it there are: results/);
  });

  it('refuses a file that is cut off, and leaves the old report', async () => {
    const before = readFileSync(join(directory, 'report.html'), 'utf8');
    truncateSync(join(directory, 'summary.csv'), 100);
    const { code, err } = await here('report', directory);
    expect(code).toBe(2);
    expect(err).toMatch(/summary\.csv: /);
    expect(readFileSync(join(directory, 'report.html'), 'utf8')).toBe(before);
    expect(existsSync(join(directory, 'charts/reads.svg'))).toBe(true);
  });
});
