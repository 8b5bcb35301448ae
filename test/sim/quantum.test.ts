import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Steps } from '../../src/sim/quantum.ts';
import type { RunLimits } from '../../src/spec.ts';
import { runLimits } from '../support/spec.mjs';

interface Played {
  readonly ends: number[];
  readonly counted: number;
  readonly measureFromPs: number;
  readonly nowPs: number;
}

/** Plays units that translate a request every `gaps[unit]` ps, as far as the steps let them. */
function play(run: Partial<RunLimits>, gaps: readonly number[], until = Infinity, spans = false): Played {
  const steps = new Steps(runLimits({ requests: 0, ...run }), gaps.length, spans);
  const requests = gaps.map(() => 0);
  const next = [...gaps];
  const ends: number[] = [];
  let base = 0;
  for (;;) {
    const endPs = steps.next({
      units: gaps.length,
      requests: (u) => requests[u],
      nextPs: (u) => (next[u] < until ? next[u] : Infinity),
    });
    if (steps.resets) base = requests.reduce((sum, n) => sum + n, 0);
    if (steps.done) break;
    ends.push(endPs);
    gaps.forEach((gap, unit) => {
      for (let budget = steps.budgets[unit]; budget > 0 && next[unit] < Math.min(endPs, until); budget--) {
        requests[unit]++;
        next[unit] += gap;
      }
    });
  }
  return {
    ends,
    counted: requests.reduce((sum, n) => sum + n, 0) - base,
    measureFromPs: steps.measureFromPs,
    nowPs: steps.nowPs,
  };
}

const gaps = fc.array(fc.integer({ min: 500, max: 200_000 }), { minLength: 1, maxLength: 5 });

describe('Steps', () => {
  it('meet the number of requests exactly, after warm-up', () => {
    fc.assert(
      fc.property(
        gaps,
        fc.integer({ min: 1, max: 5000 }),
        fc.nat(2000),
        fc.nat(50_000),
        (units, requests, warmupRequests, warmupNs) => {
          const played = play({ requests, warmupRequests, warmupNs }, units);
          expect(played.counted).toBe(requests);
          expect(played.measureFromPs).toBeGreaterThanOrEqual(warmupNs * 1000);
        },
      ),
    );
  });

  it('end a run of a given length exactly there', () => {
    const { measureFromPs, nowPs } = play({ durationNs: 12_345, warmupNs: 1234.5 }, [700, 9000]);
    expect([measureFromPs, nowPs]).toEqual([1_234_500, 1_234_500 + 12_345_000]);
  });

  it('end at multiples of the quantum', () => {
    const { ends } = play({ requests: 3000, quantumNs: 7 }, [700, 1300]);
    expect(ends.length).toBeGreaterThan(3);
    for (const end of ends) expect(end % 7000).toBe(0);
  });

  it('begin to count at once without warm-up', () => {
    expect(play({ requests: 10 }, [1000]).measureFromPs).toBe(0);
  });

  it('let units end together: the last steps are short', () => {
    const { ends } = play({ requests: 100_000 }, [1000, 3000]);
    const last = ends.at(-1)! - ends.at(-2)!;
    expect(last).toBe(1_000_000); // one quantum
    expect(ends.length).toBeLessThan(60);
  });

  it('end when nothing will ever happen again, counted or not', () => {
    expect(play({ requests: 1000 }, [1000], 50_000).counted).toBe(49);
    expect(play({ requests: 1000, warmupRequests: 1000 }, [1000], 50_000).measureFromPs).toBe(Infinity);
  });

  it('end when units do things but send nothing', () => {
    const steps = new Steps(runLimits({ requests: 1000 }), 1);
    let nextPs = 1;
    let count = 0;
    while (!steps.done && count < 1e6) {
      nextPs = steps.next({ units: 1, requests: () => 5, nextPs: () => nextPs }) + 1;
      count++;
    }
    expect(steps.done).toBe(true);
    expect(steps.nowPs).toBeGreaterThan(1e13);
  });

  it('skip the time in which nothing happens', () => {
    expect(play({ requests: 10 }, [1e9]).ends.length).toBeLessThan(40);
  });

  it('are one quantum long, from multiple to multiple, while units tell each other something', () => {
    fc.assert(
      fc.property(gaps, fc.integer({ min: 1, max: 500 }), (gaps, quantumNs) => {
        const quantumPs = quantumNs * 1000;
        const { ends, counted } = play({ requests: 200, quantumNs }, gaps, Infinity, true);
        expect(counted).toBe(200);
        expect(ends.slice(0, -1).filter((endPs) => endPs % quantumPs !== 0)).toEqual([]);
        // A gap longer than a quantum is skipped, so that empty steps cost nothing.
        const longest = Math.max(quantumPs, Math.min(...gaps) + quantumPs);
        for (let i = 1; i < ends.length - 1; i++) expect(ends[i] - ends[i - 1]).toBeLessThanOrEqual(longest);
      }),
    );
  });
});
