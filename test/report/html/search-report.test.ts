/** The page of a search: its answer, the curve, the goal; any text stays text; the same bytes each time. */
import { describe, expect, it } from 'vitest';
import { searchCurve } from '../../../src/report/charts/search-curve.ts';
import { svgOf } from '../../../src/report/charts/render.ts';
import { SLIM, WIDE } from '../../../src/report/charts/sizes.ts';
import { type Search, searchReport } from '../../../src/report/html/search-report.ts';
import type { SearchCase, TriedValue, WhatifResult } from '../../../src/report/whatif.ts';
import type { RunSpec } from '../../../src/spec.ts';

const GOAL = { text: 'iotlb_hit_ratio>=0.5', metric: 'iotlb_hit_ratio', atLeast: true, limit: 0.5 };
const SLOW = { text: 'translation_ns_mean<=60', metric: 'translation_ns_mean', atLeast: false, limit: 60 };
const HOSTILE = '<img src=x onerror=alert(1)> "quoted" \u202eright to left';

const tried = (x: number): TriedValue => {
  const verdict = x >= 32 ? 'meets' : 'fails';
  const samples = [0, 1, 2].map((seed) => ({
    seed,
    iotlb_hit_ratio: x / 64 + seed / 1000,
    translation_ns_mean: 100 - x,
  }));
  return { x, verdict, leansTo: verdict, samples };
};
const found: SearchCase = {
  ...{ name: '', edge: 'smallest', tried: [8, 16, 32, 64].map(tried), answer: tried(32), beyond: tried(16) },
  surely: { meets: 32, fails: 16 },
};

function result(cases: readonly SearchCase[] = [found]): WhatifResult {
  return {
    ...{ path: 'machine.iotlb.entries', lo: 8, hi: 64, geometric: true, goals: [GOAL, SLOW], cases, text: String },
    ...{ seedsMost: 12, precision: 0.01, runs: 12, gridRuns: 99, risk: 0.05 },
  };
}

/** What the page reads of a run: the rest only stands in its list of values. */
const spec = {
  ...{ scenario: 'demo', point: 'x', seed: 1, values: {}, os: {}, run: { intervalNs: 0 } },
  machine: { preset: 'generic', estimates: ['machine.walkers'], sources: [], walkers: 4 },
  tenants: [{ name: 'host', mode: 'host', policy: 'static', devices: [] }],
} as unknown as RunSpec;
const search = (of: WhatifResult, question = 'How many?'): Search => {
  return { result: of, version: '0', question, specs: [spec], command: 'nestwalk whatif demo', name: 'whatif-0' };
};

describe('the report of a search', () => {
  it('has question, answer, curve, assumptions and command, and its pictures', async () => {
    const { html, charts } = await searchReport(search(result()));
    expect(html).toContain('<h1 dir="auto">How many?</h1>');
    expect(html).toContain('machine.iotlb.entries of 32 is the smallest that meets iotlb_hit_ratio&#62;=0.5');
    expect(html).toMatch(/machine\.walkers<\/th><td dir="auto">4<\/td><td dir="auto"><span class="estimate">/);
    expect(html).toContain('nestwalk whatif demo');
    expect(html).toMatch(/Content-Security-Policy" content="default-src 'none'/);
    expect([...charts.keys()]).toEqual(['search.svg', 'search.png']);
  });

  it('is the same each time', async () => {
    expect(await searchReport(search(result()))).toEqual(await searchReport(search(result())));
  });

  it('keeps names and questions text', async () => {
    const cases = [
      { ...found, name: HOSTILE },
      { ...found, name: 'other' },
    ];
    const { html, charts } = await searchReport(search(result(cases), HOSTILE));
    expect(html.replace(/<script[^]*?<\/script>/g, '')).not.toMatch(/<img/);
    expect(charts.get('search.svg')).not.toMatch(/<img/);
  });
});

describe('the curve of a search', () => {
  it('marks goal and answer in a panel for each metric, on axes with units', async () => {
    const drawing = searchCurve(result());
    for (const width of [WIDE, SLIM]) {
      const svg = await svgOf(drawing, width);
      expect(svg).toContain('>goal: at least 0.5</text>');
      expect(svg).toContain('>goal: at most 60 ns</text>');
      expect(svg).toContain('>Translation latency, mean (ns)</text>');
      expect(svg.match(/>32<\/text>/g)!.length).toBeGreaterThanOrEqual(2);
      expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    }
    expect(drawing.data['rows']).toHaveLength(8);
    expect(drawing.data['rows'][0]).toMatchObject({ x: 8, verdict: 'does not', isMet: 0 });
  });

  it('is drawn without an answer, from zero, and for more cases than colours', async () => {
    const none: SearchCase = { ...found, answer: undefined, beyond: undefined };
    expect(await svgOf(searchCurve({ ...result([none]), lo: 0 }), WIDE)).not.toMatch(/NaN|undefined|Infinity/);
    const many = Array.from({ length: 9 }, (_, i) => ({ ...found, name: `case ${i}` }));
    const drawing = searchCurve(result(many));
    expect(drawing.series).toHaveLength(6);
    expect(drawing.caption).toContain('6 of 9 cases');
  });
});
