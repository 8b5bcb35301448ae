import { parse } from 'csv-parse/sync';
import { describe, expect, it } from 'vitest';
import { type SearchCase, type TriedValue, type WhatifResult, whatifSentences } from '../../src/report/whatif.ts';
import { runsCsv, triedCsv, whatifObject } from '../../src/report/whatif-files.ts';
import { goalVerdict, judgeGoals, riskOfLook } from '../../src/report/whatif-goals.ts';
import { isConstant, stretches, turningPoint } from '../../src/report/whatif-shape.ts';
import { whatifText } from '../../src/report/whatif-terminal.ts';

const GOAL = { text: 'iotlb_hit_ratio>=0.5', metric: 'iotlb_hit_ratio', atLeast: true, limit: 0.5 };
const LATENCY = { text: 'translation_ns_p99<=600', metric: 'translation_ns_p99', atLeast: false, limit: 600 };
/** Of a single look: the interval of 95 % decides. */
const RISK = riskOfLook(1, 2);
const rows = (...values: number[]) => values.map((iotlb_hit_ratio, i) => ({ seed: i + 1, iotlb_hit_ratio }));

const tried = (x: number, ...values: number[]): TriedValue => {
  const samples = rows(...values);
  return { x, samples, ...judgeGoals([GOAL], samples, RISK) };
};

/** Headings of the table, each in one line. */
const headings = (text: string): string[] => {
  const head = text.slice(text.indexOf('┌'), text.indexOf('├')).split('\n').slice(1, -1);
  const cells = head.map((line) =>
    line
      .split('│')
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
  return cells[0].map((_, i) =>
    cells
      .map((line) => line[i])
      .join(' ')
      .trim(),
  );
};

function result(one: Partial<SearchCase> & Pick<SearchCase, 'tried'>, more: Partial<WhatifResult> = {}): WhatifResult {
  const single: SearchCase = {
    ...{ name: '', edge: 'smallest', answer: undefined, beyond: undefined },
    surely: { meets: undefined, fails: undefined },
    ...one,
  };
  return {
    ...{ path: 'machine.iotlb.entries', lo: 16, hi: 64, geometric: false, goals: [GOAL], cases: [single] },
    ...{ seedsMost: 12, precision: 0.005, text: String, runs: 9, gridRuns: 100, risk: RISK },
    ...more,
  };
}

describe('a goal', () => {
  const verdict = (goal: typeof GOAL, samples: Parameters<typeof goalVerdict>[1], risk = RISK) =>
    goalVerdict(goal, samples, risk);

  it('is met or missed when the interval keeps clear of the limit, open when it does not', () => {
    // ± 12.706 × half the distance of two values.
    expect(verdict(GOAL, rows(0.6, 0.601))).toBe('meets');
    expect(verdict(GOAL, rows(0.4, 0.401))).toBe('fails');
    expect(verdict(GOAL, rows(0.5, 0.52))).toBe('open');
    expect(verdict(LATENCY, [{ translation_ns_p99: 600 }, { translation_ns_p99: 600 }])).toBe('meets');
    expect(verdict(LATENCY, [{ translation_ns_p99: 601 }, { translation_ns_p99: 601 }])).toBe('fails');
  });

  it('asks for a wider interval the more often a search looks', () => {
    // The mean is 0.0605 above the limit: ± 0.0064 for one look, ± 12.7 / 0.05 times as much for a thousand.
    expect(verdict(GOAL, rows(0.56, 0.561), riskOfLook(1, 2))).toBe('meets');
    expect(verdict(GOAL, rows(0.56, 0.561), riskOfLook(1000, 2))).toBe('open');
  });

  it('is open for a single seed, whose spread nobody knows', () => {
    expect([verdict(GOAL, rows(0.9)), verdict(GOAL, rows(0.1))]).toEqual(['open', 'open']);
    expect(judgeGoals([GOAL], rows(0.9), RISK)).toEqual({ verdict: 'open', leansTo: 'meets' });
  });

  it('is not met without a value', () => {
    expect([verdict(GOAL, [{}]), judgeGoals([GOAL], [{}], RISK).leansTo]).toEqual(['fails', 'fails']);
  });

  it('decides with the others: one that fails fails all, one that is open leaves all open', () => {
    const good = { iotlb_hit_ratio: 0.9, translation_ns_p99: 1 };
    const judge = (...samples: (typeof good)[]) => judgeGoals([GOAL, LATENCY], samples, RISK);
    expect(judge(good, good)).toEqual({ verdict: 'meets', leansTo: 'meets' });
    const slow = { ...good, translation_ns_p99: 999 };
    expect(judge(slow, slow).verdict).toBe('fails');
    expect(judge(good, { ...good, iotlb_hit_ratio: 0.2 })).toEqual({ verdict: 'open', leansTo: 'meets' });
  });
});

describe('the shape of a response', () => {
  const at = (x: number, mean: number, half = 0) => ({ x, value: { mean, half, count: 3 } });

  it('turns where it is highest or lowest', () => {
    expect(turningPoint([at(1, 10), at(2, 30), at(3, 12)])).toEqual({ x: 2, kind: 'highest' });
    expect(turningPoint([at(1, 30), at(2, 10), at(3, 31)])).toEqual({ x: 2, kind: 'lowest' });
  });

  it('does not turn when it goes one way, or when the intervals or one bucket of a histogram explain it', () => {
    expect(turningPoint([at(1, 10), at(2, 20), at(3, 20), at(4, 30)])).toBeUndefined();
    expect(turningPoint([at(1, 10, 8), at(2, 20, 8), at(3, 10, 8)])).toBeUndefined();
    expect(turningPoint([at(1, 1000), at(2, 1006), at(3, 1000)])).toBeUndefined();
    expect(turningPoint([{ x: 1, value: undefined }, at(2, 5)])).toBeUndefined();
  });

  it('is constant when all values agree within their intervals', () => {
    expect(isConstant([at(1, 10), at(2, 10.05), at(3, 10, 1)])).toBe(true);
    expect(isConstant([at(1, 10), at(2, 11)])).toBe(false);
    expect([isConstant([at(1, 10)]), isConstant([at(1, 10), { x: 2, value: undefined }])]).toEqual([false, false]);
  });

  it('has stretches that surely meet and surely fail', () => {
    const verdicts = ['fails', 'open', 'meets', 'meets', 'fails'] as const;
    expect(stretches(verdicts.map((verdict, x) => ({ x, verdict })))).toEqual([
      { verdict: 'fails', from: 0, to: 0 },
      { verdict: 'meets', from: 2, to: 3 },
      { verdict: 'fails', from: 4, to: 4 },
    ]);
  });
});

describe('the answer', () => {
  const [low, near, far] = [tried(16, 0.1, 0.1), tried(31, 0.49, 0.49), tried(32, 0.5, 0.5)];

  it('names the value, the goal, and the neighbour that does not meet it', () => {
    const sure = result({ tried: [low, near, far], answer: far, beyond: near, surely: { meets: 32, fails: 31 } });
    expect(whatifSentences(sure)).toEqual([
      'machine.iotlb.entries of 32 is the smallest that meets iotlb_hit_ratio>=0.5; 31 does not (95 %).',
    ]);
  });

  it('says between which values it surely is when the seeds leave it open', () => {
    const open = tried(30, 0.5, 0.52);
    const sentences = whatifSentences(
      result({ tried: [low, open, far], answer: open, beyond: low, surely: { meets: 32, fails: 16 } }),
    );
    expect(sentences[0]).toMatch(
      /30 is the smallest .* by the mean; 32 surely meets it and 16 surely does not \(95 %\)/,
    );
    expect(sentences[1]).toMatch(/12 seeds do not decide .*--max-seeds/);
  });

  it('says when nothing meets the goal, how near it came, and when everything does', () => {
    expect(whatifSentences(result({ tried: [low, near] }))).toEqual([
      'no value of machine.iotlb.entries from 16 to 64 meets iotlb_hit_ratio>=0.5. Nearest: iotlb_hit_ratio of 0.49 at 31.',
    ]);
    expect(whatifSentences(result({ tried: [far], answer: far }))[0]).toMatch(
      /every value .* as far as tried: the goal does not limit it/,
    );
  });

  it('says when the quantity changes nothing', () => {
    const same = [tried(1, 0.4, 0.4), tried(2, 0.4, 0.4)];
    expect(whatifSentences(result({ tried: same }))[1]).toBe(
      '  iotlb_hit_ratio does not depend on entries here: all values tried agree within their intervals.',
    );
  });

  it('says that a response is not monotonic', () => {
    const island = [tried(1, 0.1, 0.1), tried(2, 0.9, 0.9), tried(3, 0.1, 0.1)];
    const sentences = whatifSentences(
      result({ tried: island, answer: island[1], beyond: island[2], edge: 'largest', surely: { meets: 2, fails: 3 } }),
    );
    expect(sentences[1]).toMatch(/NOT MONOTONIC: entries fails at 1, meets at 2, fails at 3\./);
    expect(sentences[2]).toMatch(/NOT MONOTONIC: iotlb_hit_ratio is highest at 2 and turns there/);
    expect(whatifObject(result({ tried: island }))).toMatchObject({ cases: [{ isMonotonic: false }] });
  });

  it('fits 80 columns, with a curve and the values tried', () => {
    const many = Array.from({ length: 60 }, (_, i) => tried(1000 + i, 0.4 + i / 100, 0.4 + i / 100));
    const text = whatifText(
      result({ tried: many, answer: many[10], beyond: many[9], surely: { meets: 1010, fails: 1009 } }),
    );
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(text).toContain('(36 more values in tried.csv)');
    expect(text).toMatch(/│ 1010 +│ +0\.5 │ +2 │ meets │/);
    expect(text).toMatch(/60 values tried in 9 runs.*a grid of every 0\.5 % takes 100\s+runs/);
  });

  it('is a frontier table for several cases', () => {
    const one = result({ name: 'a', tried: [near, far], answer: far, beyond: near, surely: { meets: 32, fails: 31 } });
    const none = { ...one.cases[0], name: 'b', tried: [low], answer: undefined };
    const free = { ...one.cases[0], name: 'c', tried: [far] };
    const text = whatifText({ ...one, cases: [one.cases[0], none, free] });
    expect(text).toMatch(/│ a +│ +32 │ +32 │ +31 │/);
    expect(text).toMatch(/│ b +│ +– │/);
    expect(text).toMatch(/│ c +│ +any │ +– │ +– │/);
    expect(headings(text)).toContain('smallest entries');
    expect(text, 'no heading is cut').not.toContain('…');
  });

  it('says what a column without answers is', () => {
    const one = result({ name: 'a', tried: [low], edge: 'largest' });
    const none = whatifText({ ...one, cases: [one.cases[0], { ...one.cases[0], name: 'b' }] });
    expect(headings(none)).toContain('entries that meet');
    expect(none).not.toMatch(/largest|smallest/);
  });
});

describe('the files', () => {
  const point = tried(32, 0.5, 0.7);
  const whole = result({ name: '=evil', tried: [point], answer: point });

  it('hold every value tried and every run, text safe for spreadsheets', () => {
    expect(parse(triedCsv(whole), { columns: true })).toMatchObject([
      {
        case: "'=evil",
        value: '32',
        goal: 'iotlb_hit_ratio>=0.5',
        seeds: '2',
        mean: '0.6',
        verdict: 'open',
        mean_meets: 'true',
      },
    ]);
    expect(parse(runsCsv(whole), { columns: true })).toMatchObject([
      { value: '32', seed: '1', iotlb_hit_ratio: '0.5' },
      { value: '32', seed: '2', iotlb_hit_ratio: '0.7' },
    ]);
  });
});
