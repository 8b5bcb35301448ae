import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Finding,
  gridSize,
  type Judgement,
  mostLooks,
  type Request,
  type SearchOptions,
  searchEdges,
} from '../../src/schedule/whatif.ts';
import { type Axis, parseAxis } from '../../src/scenario/axis.ts';
import type { QuantityKind } from '../../src/scenario/quantity-kind.ts';
import { estimate } from '../../src/report/statistics.ts';
import { decidingHalf, riskOfLook } from '../../src/report/whatif-goals.ts';
import { normals } from '../support/normals.ts';

function axis(text: string, kind: QuantityKind = 'integer') {
  const parsed = parseAxis('a.b', text, kind);
  if ('error' in parsed) throw new Error(parsed.error);
  return parsed.value;
}

/** Meets when the mean of the samples is at least `limit`, with confidence when the interval that decides is. */
const atLeast =
  (limit: number, risk: number) =>
  (samples: readonly number[]): Judgement => {
    const value = estimate(samples)!;
    const [{ mean }, half] = [value, decidingHalf(value, risk)];
    const verdict = mean - half >= limit ? 'meets' : mean + half < limit ? 'fails' : 'open';
    return { verdict, leansTo: mean >= limit ? 'meets' : 'fails' };
  };

interface Searched {
  readonly finding: Finding<number>;
  readonly runs: number;
  readonly batches: number;
}

async function search(
  respond: (x: number, seed: number) => number,
  limit: number,
  options: Partial<SearchOptions<number>> & { readonly quantity: Axis },
): Promise<Searched> {
  let [runs, batches] = [0, 0];
  const asked = new Set<string>();
  const evaluate = (requests: readonly Request[]): Promise<number[]> => {
    batches++;
    runs += requests.length;
    for (const { search: own, x, seed } of requests) {
      expect(asked.has(`${own} ${x} ${seed}`), 'no run is asked for twice').toBe(false);
      asked.add(`${own} ${x} ${seed}`);
    }
    return Promise.resolve(requests.map(({ x, seed }) => respond(x, seed)));
  };
  const defaults = { searches: 1, firstSeeds: 3, mostSeeds: 12, scanPoints: 7, sectionPoints: 3, precision: 0.005 };
  const how = { ...defaults, ...options };
  const looks = mostLooks(how, options.quantity.size);
  const judge = atLeast(limit, riskOfLook(looks, 1));
  let looked = 0;
  const [finding] = await searchEdges({ ...how, evaluate, judge: (samples) => (looked++, judge(samples)) });
  expect(looked, 'looks that were planned for').toBeLessThanOrEqual(looks);
  return { finding, runs, batches };
}

describe('a search without noise', () => {
  it('finds the edge of any step exactly, either way up, at far less than a grid costs', async () => {
    const property = fc.asyncProperty(fc.integer({ min: 2, max: 65_535 }), fc.boolean(), async (edge, rising) => {
      const step = (x: number): number => (rising ? Number(x >= edge) : Number(x < edge));
      const quantity = axis('1..65536');
      const { finding, runs } = await search(step, 1, { quantity, precision: 0 });
      expect([finding.edge, finding.answer?.x]).toEqual(rising ? ['smallest', edge] : ['largest', edge - 1]);
      expect(finding.beyond?.x).toBe(rising ? edge - 1 : edge);
      expect(finding.surely).toEqual({ meets: finding.answer?.x, fails: finding.beyond?.x });
      expect(runs).toBeLessThan(100);
    });
    await fc.assert(property, { numRuns: 60 });
  });

  it('stops at the wanted precision', async () => {
    const quantity = axis('1us..100ms', 'ns');
    const { finding } = await search((x) => Number(x <= 12_345), 1, { quantity, precision: 0.01 });
    const { answer, beyond } = finding;
    expect(answer!.x <= 12_345 && beyond!.x > 12_345 && (beyond!.x - answer!.x) / beyond!.x <= 0.01).toBe(true);
  });

  it('tries no values but those of the lattice', async () => {
    const { finding } = await search((x) => x, 100, { quantity: axis('16..4096*2') });
    expect([finding.answer?.x, finding.beyond?.x]).toEqual([128, 64]);
    expect(finding.tried.every(({ x }) => Number.isInteger(Math.log2(x)))).toBe(true);
  });

  it('says when every value meets the goal, and when none does', async () => {
    const quantity = axis('1..64');
    const all = (await search(() => 1, 1, { quantity })).finding;
    expect([all.answer?.x, all.beyond]).toEqual([64, undefined]);
    const none = (await search(() => 0, 1, { quantity })).finding;
    expect([none.answer, none.surely]).toEqual([undefined, { meets: undefined, fails: undefined }]);
  });

  it('finds the edge that was asked for when the goal is met in the middle only', async () => {
    const island = (x: number): number => Number(x >= 20 && x <= 40);
    const quantity = axis('1..64');
    const largest = (await search(island, 1, { quantity, edge: 'largest', precision: 0 })).finding;
    const smallest = (await search(island, 1, { quantity, edge: 'smallest', precision: 0 })).finding;
    expect([largest.answer?.x, smallest.answer?.x]).toEqual([40, 20]);
  });

  it('searches several cases side by side, in batches of them all', async () => {
    const edges = [3, 17, 50];
    const batches: number[][] = [];
    const found = await searchEdges({
      quantity: axis('1..64'),
      searches: 3,
      ...{ firstSeeds: 2, mostSeeds: 8, scanPoints: 7, sectionPoints: 3, precision: 0 },
      evaluate: (requests) => {
        batches.push([...new Set(requests.map(({ search: own }) => own))]);
        return Promise.resolve(requests.map(({ search: own, x }) => Number(x <= edges[own])));
      },
      judge: atLeast(1, 0.025),
    });
    expect(found.map(({ answer }) => answer?.x)).toEqual(edges);
    expect(batches[0]).toEqual([0, 1, 2]);
  });
});

describe('a search with noise', () => {
  const noise = normals(7);
  const noisy = (spread: number) => (x: number, seed: number) => x + spread * noise(x, seed);

  it('finds a known edge within 1 % at less than a quarter of the runs of a grid, over and over', async () => {
    const quantity = axis('16..4096');
    let misses = 0;
    for (let trial = 0; trial < 40; trial++) {
      const edge = 100 + 37 * trial;
      const response = noisy(0.01 * edge);
      const { finding, runs } = await search((x, seed) => response(x, seed + 1000 * trial), edge, { quantity });
      if (Math.abs(finding.answer!.x / edge - 1) > 0.01) misses++;
      expect(runs).toBeLessThan((gridSize(quantity, 0.005, quantity.size) * 3) / 4);
      expect(runs).toBeLessThan((gridSize(quantity, 0.01, quantity.size) * 3) / 4);
    }
    expect(misses).toBeLessThanOrEqual(1);
  });

  it('encloses the edge between its sure values, all looks together, with more than 95 %', async () => {
    let outside = 0;
    for (let trial = 0; trial < 200; trial++) {
      const edge = 300 + 3 * trial;
      const response = noisy(0.02 * edge);
      const { finding } = await search((x, seed) => response(x, seed + 500 * trial), edge, {
        quantity: axis('16..4096'),
      });
      const { meets, fails } = finding.surely;
      if (!(fails! < edge && meets! >= edge)) outside++;
      expect((meets! - fails!) / edge, 'no sure value is left far away').toBeLessThan(0.2);
    }
    expect(outside).toBeLessThanOrEqual(10);
  });

  it('spends more seeds near the edge only, and never more than allowed', async () => {
    const { finding } = await search(noisy(20), 500, { quantity: axis('16..4096'), mostSeeds: 10 });
    const seeds = finding.tried.map(({ samples }) => samples.length);
    expect([Math.min(...seeds), Math.max(...seeds)]).toEqual([3, 10]);
    expect(finding.tried.filter(({ x, samples }) => Math.abs(x - 500) > 250 && samples.length > 6)).toEqual([]);
  });

  it('asks for the same values whatever order the samples come in', async () => {
    const runs = await Promise.all([1, 2].map(() => search(noisy(20), 500, { quantity: axis('16..4096') })));
    expect(runs[0]).toEqual(runs[1]);
  });
});

describe('the grid that a search is compared with', () => {
  it('has as many values as the precision needs, at most all there are', () => {
    expect(gridSize(axis('1..16'), 0.001, 16)).toBe(16);
    // 100 × 0.99^-n reaches 200 after 69 steps.
    expect(gridSize(axis('100..200', 'real'), 0.01, Infinity)).toBe(70);
    expect(gridSize(axis('0..1', 'real'), 0.01, Infinity)).toBe(101);
  });

  it('has all values where the answer is to be exact, and five digits of those that have no end', () => {
    expect(gridSize(axis('1..1024'), 0, 1024)).toBe(1024);
    expect(gridSize(axis('0..1', 'real'), 0, Infinity)).toBe(100_001);
  });
});
