/** The page: complete, safe with any text, the same bytes each time; nothing half-written. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { escapeXml } from '../../../src/report/charts/escape.ts';
import { loadResults } from '../../../src/report/html/load.ts';
import { pageText } from '../../../src/report/html/page.ts';
import { buildReport, drawAll, type Report, writeReport } from '../../../src/report/html/report.ts';
import { newFolder } from '../../support/folders.ts';
import { type FakeRun, MODES, resultFolder } from './folder.ts';

const scratch = newFolder();

/** The page alone: pictures as files take as long again. */
async function page(...folders: string[]): Promise<string> {
  const loaded = loadResults(folders);
  return pageText(loaded.sets, await drawAll(loaded.data), loaded.data);
}

/** The page without its script, style and data: what a reader sees. */
const bodyOf = (html: string): string => html.replace(/<(script|style)[^>]*>[^]*?<\/\1>/g, '');

/** Tags without what stands in quotes. */
const tagsOf = (html: string): string => html.replace(/"[^"]*"/g, '""').replace(/>[^<]*</g, '><');

const shaOf = (content: string | Buffer): string => createHash('sha256').update(content).digest('base64');
const sha = (text: string): string => `'sha256-${shaOf(text)}'`;

/** Comparing pictures byte by byte takes seconds. */
const hashes = (files: Report['charts']): string[][] => [...files].map(([name, content]) => [name, shaOf(content)]);

const RUN: FakeRun = {
  ...MODES,
  command: 'nestwalk run demo --seed 7',
  measured: [{ metric: 'iotlb_hit_ratio', source: 'a paper', points: { host: 0.9 } }],
};

describe('the page', () => {
  let html: string;
  let body: string;
  let charts: Report['charts'];
  const whole = resultFolder('whole', RUN);
  beforeAll(async () => {
    ({ html, charts } = await buildReport([whole]));
    body = bodyOf(html);
  });

  it('has question, answer, table, assumptions and command', () => {
    expect(body).toContain('What does it cost?');
    expect(body).toContain('Throughput of nested: 50\u00a0Gbit/s, against 100\u00a0Gbit/s of host');
    expect(body).toMatch(/<th scope="row" dir="auto" class="name">nested 4K\/4K<\/th>/);
    expect(body).toContain('nestwalk run demo --seed 7');
    expect(body).toMatch(/machine\.walkers<\/th><td dir="auto">16<\/td><td dir="auto"><span class="estimate">estimate/);
    expect(body).toMatch(/machine\.latency\.dmaReadNs<\/th><td dir="auto">500<\/td><td dir="auto">pcie-bench</);
    expect(body).toContain('2 of its values are estimates');
  });

  it.each(['points', 'nesting', 'reads', 'latency-parts', 'tenants', 'timeline', 'hit-ratio-by-capacity'])(
    'has %s as a labelled picture and as files',
    (id) => {
      expect(body).toMatch(new RegExp(`id="${id}-chart" role="img" aria-label="[^"]{40,}"><svg `));
      expect([...charts.keys()]).toEqual(expect.arrayContaining([`${id}.svg`, `${id}.png`]));
    },
  );

  it('allows its own script and style alone, and names no other place', () => {
    const policy = /http-equiv="Content-Security-Policy" content="([^"]+)"/.exec(html)![1];
    const script = /<script>([^]*?)<\/script>/.exec(html)![1];
    const style = /<style>([^]*?)<\/style>/.exec(html)![1];
    expect(policy).toBe(
      `default-src 'none'; script-src ${sha(script)}; style-src ${sha(style)}; img-src data:; base-uri 'none'; form-action 'none'`,
    );
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(tagsOf(body)).not.toMatch(/ (style|on[a-z]+)=/);
    const links = [...body.matchAll(/(?:href|src)="([^"]*)"/g)].map(([, link]) => link);
    for (const link of links) expect(link).toMatch(/^(#[a-z-]+|charts\/[a-z-]+\.(svg|png)|data:,)$/);
  });

  it('is the same for the same results, pictures too, wherever they lie', async () => {
    const again = await buildReport([resultFolder('elsewhere/again', RUN)]);
    expect(again.html).toBe(html);
    expect(hashes(again.charts)).toEqual(hashes(charts));
  });

  it('shows columns of single tenants, of every point, in table and charts', async () => {
    const points = Array.from({ length: 60 }, (_, i) => ({ name: `point ${i}` }));
    const folder = resultFolder('tenants', { points, tenants: ['a', 'b'], table: ['throughput_gbps of b'] });
    const html = bodyOf(await page(folder));
    const results = html.slice(html.indexOf('id="results"'), html.indexOf('</section>', html.indexOf('id="results"')));
    expect(results).toContain('>b: Throughput (Gbit/s)<');
    expect(results.split('<td dir="auto">39.5</td>').length - 1).toBe(60);
    expect(html).toMatch(/Bars in 1 panels[^"]*point 0, b: Throughput: 39\.5 Gbit\/s/);
  });

  it('marks published values and their differences', () => {
    expect(body).toMatch(/>published<\/th><th scope="col" dir="auto">difference</);
    expect(body).toContain('<td dir="auto">0.9</td>');
  });

  it('lays several runs side by side', async () => {
    const right = resultFolder('right', { scenario: 'right', points: [{ name: 'host' }, { name: 'other' }] });
    const both = bodyOf(await page(whole, right));
    expect(both).toContain('>demo: nested 4K/4K</th>');
    expect(both).toContain('>right: other</th>');
  });
});

const HOSTILE = [
  '<script>alert(1)</script>',
  '</script><img src=x onerror=alert(1)>',
  '"quoted" \'text\' & &amp; ]]>',
  '=HYPERLINK("http://example.com")',
  '\u202eright to left שלום \u0000\u0007',
  'x'.repeat(10_000),
  '{"signal": "alert(1)"} ${1+1}',
];

describe('text of scenarios', () => {
  it('stays text on the page, in the pictures and in the data', async () => {
    const run: FakeRun = {
      ...MODES,
      question: HOSTILE.join(' '),
      answers: HOSTILE,
      command: HOSTILE.join(' '),
      scenario: HOSTILE[1],
      tenants: HOSTILE,
      points: HOSTILE.map((name, i) => ({ ...MODES.points[i % 3], name })),
      measured: [{ metric: 'iotlb_hit_ratio', source: HOSTILE[0], points: { [HOSTILE[1]]: 0.5 } }],
    };
    const { html, charts } = await buildReport([resultFolder('hostile', run)]);
    const body = bodyOf(html);
    expect(html.match(/<script/g)).toHaveLength(2);
    expect(tagsOf(body)).not.toMatch(/<(img|b|iframe|object|embed)\b| (style|on[a-z]+)=/i);
    expect(body).toContain(`<h1 dir="auto">${escapeXml(HOSTILE.join(' '))}</h1>`);
    const names = [...body.matchAll(/<th scope="row" dir="auto"(?: class="name")?>([^<]*)<\/th>/g)].map(
      ([, name]) => name,
    );
    expect(names).toEqual(expect.arrayContaining(HOSTILE.map(escapeXml)));
    // Data of the live charts is JSON again.
    const live = /<script type="application\/json" id="live">([^]*?)<\/script>/.exec(html)![1];
    expect(JSON.parse(live)).toHaveProperty('charts');
    const pictures = [...charts].filter((chart): chart is [string, string] => typeof chart[1] === 'string');
    expect(pictures.length).toBeGreaterThan(6);
    for (const [name, svg] of pictures) {
      expect(tagsOf(svg), name).not.toMatch(/<(script|img|foreignObject)\b| on[a-z]+=/i);
      expect(svg, name).not.toMatch(/[\u0000-\u0008]/);
    }
  });
});

describe('results that are not whole', () => {
  const folder = (name: string): string => resultFolder(name, MODES);
  const cases: readonly (readonly [string, (path: string) => void, RegExp])[] = [
    ['no manifest', (path) => rmSync(join(path, 'manifest.json')), /has no manifest\.json/],
    ['a cut manifest', (path) => truncateSync(join(path, 'manifest.json'), 500), /manifest\.json: not JSON/],
    [
      'a manifest of something else',
      (path) => writeFileSync(join(path, 'manifest.json'), '{}'),
      /manifest\.json: program/,
    ],
    ['a missing file', (path) => rmSync(join(path, 'summary.csv')), /summary\.csv: the file is missing/],
    ['a cut file', (path) => truncateSync(join(path, 'latency.csv'), 300), /latency\.csv: /],
    [
      'an edited file',
      (path) => writeFileSync(join(path, 'tenants.csv'), 'scenario,point,seed,tenant,tenant_mode\r\n'),
      /differs from/,
    ],
  ];
  it.each(cases)('%s: says which file, and writes nothing', async (name, spoil, message) => {
    const path = folder(`broken-${name.replaceAll(' ', '-')}`);
    spoil(path);
    const before = readdirSync(path);
    await expect(buildReport([path])).rejects.toThrow(message);
    expect(readdirSync(path)).toEqual(before);
  });

  it('shows the runs below a folder that was meant to be one', async () => {
    const outer = dirname(resultFolder('inner', MODES));
    await expect(buildReport([outer])).rejects.toThrow(/below it there are: .*inner/);
  });

  it('names a folder that does not exist', async () => {
    await expect(buildReport([join(scratch, 'nowhere')])).rejects.toThrow(/no such folder/);
  });
});

describe('writeReport', () => {
  const report = (text: string): Report => ({ html: text, charts: new Map([[`${text}.svg`, text]]) });

  it('replaces an older report whole', () => {
    const folder = join(scratch, 'written');
    mkdirSync(folder);
    writeReport(folder, report('old'));
    writeReport(folder, report('new'));
    expect(readdirSync(folder).sort()).toEqual(['charts', 'report.html']);
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toBe('new');
    expect(readdirSync(join(folder, 'charts'))).toEqual(['new.svg']);
  });

  it('keeps the older one when the new one cannot be written', () => {
    const folder = join(scratch, 'kept');
    mkdirSync(folder);
    writeReport(folder, report('old'));
    const broken: Report = { html: 'new', charts: new Map([['no/such/folder.svg', 'x']]) };
    expect(() => writeReport(folder, broken)).toThrow(/ENOENT/);
    expect(readdirSync(folder).sort()).toEqual(['charts', 'report.html']);
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toBe('old');
  });
});

describe('a sweep of 2,000 points', () => {
  it('makes a page below 3 MB', async () => {
    const points = Array.from({ length: 2000 }, (_, i) => ({
      name: `entries=${16 * ((i % 40) + 1)} windowBytes=${64 * (Math.floor(i / 40) + 1)}KiB`,
      values: { 'machine.iotlb.entries': 16 * ((i % 40) + 1), 'traffic.windowBytes': 65536 * (Math.floor(i / 40) + 1) },
      hits: Math.min(1, ((i % 40) + 1) / (Math.floor(i / 40) + 1)),
    }));
    const html = await page(resultFolder('large', { points }));
    expect(html.length).toBeLessThan(3_000_000);
    expect(html).toContain('id="heatmap-chart"');
  }, 120_000);
});
