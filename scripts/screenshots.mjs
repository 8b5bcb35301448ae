// Takes the pictures of docs/REPORT.md: runs two scenarios and photographs their reports.
//   node scripts/screenshots.mjs
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const scratch = mkdtempSync(join(tmpdir(), 'nestwalk-screenshots-'));
const executablePath = process.env.NESTWALK_CHROMIUM ?? '/usr/bin/chromium';

const nestedCost = reportOf('nested-cost');
const iotlbWall = reportOf('iotlb-wall');
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
await photograph('report', nestedCost, { width: 860, height: 1480 }, 'light', undefined);
await photograph('report-dark', iotlbWall, { width: 860, height: 700 }, 'dark', 'sweep', 12);
await photograph('report-phone', nestedCost, { width: 360, height: 700 }, 'light', 'latency-parts');
await browser.close();
rmSync(scratch, { recursive: true, force: true });

function reportOf(scenario) {
  const args = ['bin/nestwalk.js', 'run', scenario, '--json', '--out', scratch];
  const output = execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8', maxBuffer: 64 << 20 });
  return resolve(root, JSON.parse(output).directory, 'report.html');
}

/** The page from its top, or from a chart on, once its charts are live; the pointer on one of the chart's marks, if asked. */
async function photograph(name, file, viewport, colorScheme, chart, mark) {
  const page = await browser.newPage({ viewport, colorScheme });
  await page.goto(pathToFileURL(file).href);
  const section = chart === undefined ? page.locator('header') : page.locator(`#${chart}`);
  for (const shown of chart === undefined ? ['points'] : [chart]) {
    await page.locator(`#${shown}-chart`).scrollIntoViewIfNeeded();
    await page.locator(`#${shown}-chart[data-live]`).waitFor();
  }
  await section.evaluate((element) => element.scrollIntoView());
  if (mark !== undefined) await page.locator(`#${chart}-chart .mark-symbol path`).nth(mark).hover();
  await page.screenshot({ path: join(root, 'docs/images', `${name}.png`) });
  await page.close();
}
