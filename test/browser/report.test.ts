/**
 * The report in a browser, opened from disk without network. Debian's chromium runs it; without one the tests are skipped,
 * unless NESTWALK_REQUIRE_BROWSER says that they must run. NESTWALK_CHROMIUM names another one.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildReport, writeReport } from '../../src/report/html/report.ts';
import { MODES, resultFolder } from '../report/html/folder.ts';
import { newFolder } from '../support/folders.ts';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const executablePath = process.env['NESTWALK_CHROMIUM'] ?? PLACES.find((path) => existsSync(path));
const mustRun = Boolean(process.env['NESTWALK_REQUIRE_BROWSER']);
if (executablePath === undefined && !mustRun) {
  process.stderr.write(
    `browser tests skipped: no chromium at ${PLACES.join(', ')}; apt-get install chromium brings one\n`,
  );
}

const MARKUP = '<img src=x onerror=alert(1)>"quoted"';

interface Violation {
  readonly id: string;
  readonly impact: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

describe.skipIf(executablePath === undefined && !mustRun)('report.html in a browser', { timeout: 60_000 }, () => {
  let browser: Browser;
  let page: Page;
  const complaints: string[] = [];
  const requests: string[] = [];
  const scratch = newFolder();
  const file = join(scratch, 'report.html');

  beforeAll(async () => {
    if (executablePath === undefined) throw new Error(`NESTWALK_REQUIRE_BROWSER: no chromium at ${PLACES.join(', ')}`);
    const points = [...MODES.points, { name: MARKUP, hits: 0.6 }];
    writeReport(scratch, await buildReport([resultFolder('modes', { ...MODES, question: MARKUP, points })]));
    browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
    page = await (await browser.newContext({ offline: true, viewport: { width: 1000, height: 800 } })).newPage();
    page.on('console', (message) => complaints.push(`${message.type()}: ${message.text()}`));
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('request', (request) => requests.push(request.url()));
    page.on('dialog', (dialog) => {
      complaints.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    await page.goto(pathToFileURL(file).href);
  });
  afterAll(() => browser?.close());

  const charts = () => page.locator('.chart');
  /** Brings every chart into sight, so that it becomes live. */
  async function makeLive(which: string): Promise<void> {
    for (const chart of await charts().all()) {
      await chart.scrollIntoViewIfNeeded();
      await expect.poll(() => chart.getAttribute('data-live'), { timeout: 20_000 }).toBe(which);
    }
  }
  /** What axe finds; `options` may ask for some rules alone: all take seconds. */
  const violations = async (options = '{}'): Promise<string[]> => {
    // The page's policy forbids added scripts; the debugger may run one all the same.
    if (!(await page.evaluate<boolean>('"axe" in window'))) await page.evaluate(axe.source);
    const found = await page.evaluate<{ violations: Violation[] }>(`axe.run(document, ${options})`);
    return found.violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${id}: ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary}`);
  };
  const CONTRAST = "{ runOnly: ['color-contrast'] }";

  it('begins with a way past the contents, for keyboards', async () => {
    await page.keyboard.press('Tab');
    expect(await page.locator('a.skip:focus').count()).toBe(1);
  });

  it('draws every chart live, laid out for the width', async () => {
    expect(await charts().count()).toBeGreaterThan(8);
    await makeLive('wide');
    for (const chart of await charts().all()) {
      expect(await chart.locator('svg path, svg line').count()).toBeGreaterThan(8);
      expect(await chart.locator('svg text').count()).toBeGreaterThan(4);
    }
  });

  it('shows a tooltip under the pointer, as text', async () => {
    const bar = page.locator('#points-chart svg .mark-rect path').last();
    await bar.scrollIntoViewIfNeeded();
    await bar.hover();
    const tip = page.locator('.tip:visible');
    await expect.poll(() => tip.count()).toBe(1);
    expect(await tip.textContent()).toContain('onerror');
    expect(await tip.locator('img').count()).toBe(0);
    await page.mouse.move(2, 2);
    await expect.poll(() => tip.count()).toBe(0);
  });

  it('hides and shows a series', async () => {
    const chart = page.locator('#reads-chart');
    const bars = () => chart.locator('svg .mark-rect path[d]').count();
    const before = await bars();
    const button = page.locator('#reads .series button').first();
    await button.click();
    expect(await button.getAttribute('aria-pressed')).toBe('false');
    await expect.poll(bars).toBeLessThan(before);
    await button.click();
    await expect.poll(bars).toBe(before);
  });

  it('is reached and read by keyboard', async () => {
    const chart = page.locator('#latency-parts-chart');
    await chart.focus();
    await page.keyboard.press('ArrowRight');
    const spoken = page.locator('#latency-parts [role=status]');
    await expect.poll(() => spoken.textContent()).toMatch(/Point: .+, Part: .+ ns/);
    const first = await spoken.textContent();
    await page.keyboard.press('ArrowRight');
    await expect.poll(() => spoken.textContent()).not.toBe(first);
    await page.keyboard.press('Escape');
    await expect.poll(() => page.locator('.tip:visible').count()).toBe(0);
    await page.locator('#reads .series button').first().press('Space');
    expect(await page.locator('#reads .series button').first().getAttribute('aria-pressed')).toBe('false');
    await page.locator('#reads .series button').first().press('Space');
  });

  it('opens the numbers of a chart', async () => {
    await page.locator('#points summary').click();
    expect(await page.locator('#points details table tbody tr').count()).toBeGreaterThan(8);
  });

  it('turns dark and light, readable in both', async () => {
    const paper = () => page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
    expect(await paper()).toBe('rgb(255, 255, 253)');
    expect(await violations()).toEqual([]);
    await page.getByRole('button', { name: 'Dark' }).click();
    expect(await paper()).toBe('rgb(18, 22, 27)');
    // Vega's own text, which axe does not look into: the colour of labels against the page.
    const ink = await page.evaluate<string>(`getComputedStyle(document.querySelector('#points-chart svg text')).fill`);
    expect(contrast(ink, await paper())).toBeGreaterThan(4.5);
    expect(await violations(CONTRAST)).toEqual([]);
    await page.getByRole('button', { name: 'Light' }).click();
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await paper()).toBe('rgb(255, 255, 253)');
    await page.emulateMedia({ colorScheme: null });
  });

  it('fits a phone of 360 pixels without sideways scroll', async () => {
    await page.setViewportSize({ width: 360, height: 740 });
    await makeLive('slim');
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
    const sizes = await page
      .locator('.chart svg text')
      .evaluateAll((texts) => texts.map((text) => text.getBoundingClientRect().height).filter((height) => height > 0));
    expect(Math.min(...sizes)).toBeGreaterThan(9);
  });

  it('prints light, whole, without controls', async () => {
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe('rgb(255, 255, 253)');
    expect(await page.locator('nav:visible, button:visible').count()).toBe(0);
    await page.emulateMedia({ media: null, colorScheme: null });
  });

  it('is complete without scripts', async () => {
    const context = await browser.newContext({ offline: true, javaScriptEnabled: false });
    const still = await context.newPage();
    await still.goto(pathToFileURL(file).href);
    expect(await still.locator('.chart svg').count()).toBe(await charts().count());
    expect(await still.locator('button.theme').isVisible()).toBe(false);
    await context.close();
  });

  it('has asked for nothing and complained about nothing', () => {
    expect(requests).toEqual([pathToFileURL(file).href]);
    expect(complaints).toEqual([]);
  });
});

/** Contrast of two `rgb(r, g, b)` colours by WCAG 2.2. */
function contrast(one: string, other: string): number {
  const [a, b] = [luminance(one), luminance(other)];
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}

function luminance(colour: string): number {
  const [r, g, b] = colour
    .match(/\d+/g)!
    .map((part) => Number(part) / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
