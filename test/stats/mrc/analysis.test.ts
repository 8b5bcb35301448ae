import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MrcAnalysis } from '../../../src/stats/mrc/analysis.ts';
import { type DepthCounts, HitCurve, type Scope, type Sharing } from '../../../src/stats/mrc/curve.ts';
import { LruCache } from '../../reference/lru-cache.ts';

const CLASS_PAGES_LOG2 = [0, 2];
/** Address spaces, and the tenant of each. */
const TENANT_OF = [0, 0, 1];

interface Reference {
  readonly kind: 'reference';
  readonly space: number;
  readonly page: number;
  readonly leaf: number;
}
interface Drop {
  readonly kind: 'invalidate';
  readonly space: number;
  readonly page: number;
  readonly pagesLog2: number;
}
type Lookup = Reference | { readonly kind: 'upper hit' | 'unfilled'; readonly space: number; readonly leaf: number };
type Step = Lookup | Drop | { readonly kind: 'reset' };

const space = fc.nat({ max: TENANT_OF.length - 1 });
const page = fc.nat({ max: 63 });
const leaf = fc.nat({ max: 1 });
const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.oneof(
    { weight: 60, arbitrary: fc.record({ kind: fc.constant('reference' as const), space, page, leaf }) },
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constantFrom('upper hit' as const, 'unfilled' as const), space, leaf }),
    },
    {
      weight: 10,
      arbitrary: fc.record({
        kind: fc.constant('invalidate' as const),
        space,
        page,
        pagesLog2: fc.constantFrom(0, 1, 3, 6, 52),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset' as const) }) },
  ),
  { maxLength: 300 },
);

function analysed(list: readonly Step[], sampleKeys = 1e6, setCounts: readonly number[] = []): MrcAnalysis {
  const analysis = new MrcAnalysis({
    unit: 0,
    classPagesLog2: CLASS_PAGES_LOG2,
    tenants: 2,
    sampleKeys,
    exactAt: [77],
    setCounts,
    ways: 8,
    index: 'modulo',
  });
  const spaces = TENANT_OF.map((tenant) => analysis.openSpace(tenant));
  for (const step of list) {
    if (step.kind === 'reference') analysis.reference(spaces[step.space], step.leaf, step.page);
    else if (step.kind === 'upper hit') analysis.upperHit(spaces[step.space], step.leaf);
    else if (step.kind === 'unfilled') analysis.unfilled(spaces[step.space]);
    else if (step.kind === 'reset') analysis.reset();
    else if (step.kind === 'invalidate') analysis.invalidate(spaces[step.space], step.page, step.pagesLog2);
  }
  return analysis;
}

interface Hits {
  lookups: number;
  hits: number;
}

/** Lookups and hits of one capacity, by one cache of keys in words; `belongs` says whose lookups use and count. */
function simulated(list: readonly Step[], capacity: number, uses: Filter, counts: Filter): Hits {
  const cache = new LruCache<string>(capacity);
  const total = { lookups: 0, hits: 0 };
  for (const step of list) {
    if (step.kind === 'reset') Object.assign(total, { lookups: 0, hits: 0 });
    else if (step.kind === 'invalidate') invalidate(cache, step);
    else look(cache, step, total, uses, counts);
  }
  return total;
}

type Filter = (lookup: Lookup) => boolean;

function look(cache: LruCache<string>, step: Lookup, total: Hits, uses: Filter, counts: Filter): void {
  const key = (page: number): string => `${step.space} ${step.leaf} ${page >> CLASS_PAGES_LOG2[step.leaf]}`;
  const hit = step.kind === 'upper hit' || (step.kind === 'reference' && uses(step) && cache.access(key(step.page)));
  if (!counts(step)) return;
  total.lookups++;
  if (hit) total.hits++;
}

function invalidate(cache: LruCache<string>, step: Drop): void {
  const count = 2 ** Math.min(6, step.pagesLog2);
  const first = Math.floor(step.page / count) * count;
  for (let page = first; page < first + count; page++) {
    for (const [leaf, log2] of CLASS_PAGES_LOG2.entries()) cache.remove(`${step.space} ${leaf} ${page >> log2}`);
  }
}

const everything: Filter = () => true;
const ofLeaf =
  (member: number): Filter =>
  (step) =>
    step.leaf === member && step.kind !== 'unfilled';
const ofTenant =
  (member: number): Filter =>
  (step) =>
    TENANT_OF[step.space] === member;

function find(curves: readonly DepthCounts[], scope: Scope, member: number, sharing: Sharing): HitCurve {
  const match = (wanted: Sharing) =>
    curves.find((curve) => curve.scope === scope && curve.member === member && curve.sharing === wanted);
  return new HitCurve((match(sharing) ?? match('shared'))!, 1);
}

const CASES: readonly (readonly [scope: Scope, member: number, filter: Filter])[] = [
  ['all', 0, everything],
  ['leaf', 0, ofLeaf(0)],
  ['leaf', 1, ofLeaf(1)],
  ['tenant', 0, ofTenant(0)],
  ['tenant', 1, ofTenant(1)],
];

describe('curves from one pass', () => {
  it.each(CASES)('%s %i: lookups and hits of every capacity, in the shared cache and one of its own', (...of) => {
    const [scope, member, filter] = of;
    fc.assert(
      fc.property(steps, (list) => {
        const { full } = analysed(list).result();
        for (const sharing of ['shared', 'own'] as const) {
          const curve = find(full, scope, member, sharing);
          for (const capacity of [1, 2, 3, 5, 8, 13, 21, 34, 55, 89]) {
            const uses = sharing === 'own' ? filter : everything;
            const { lookups, hits } = simulated(list, capacity, uses, filter);
            expect([curve.counts.lookups, curve.hits(capacity)]).toEqual([lookups, hits]);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it('one set of many ways is the fully associative curve', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const { full, sets } = analysed(list, 1e6, [1]).result();
        for (const [scope, member] of CASES) {
          const curve = find(full, scope, member, 'shared');
          const ways = find(sets[0].curves, scope, member, 'shared');
          for (let n = 0; n <= 8; n++) expect(ways.hits(n)).toBe(curve.hits(n));
        }
      }),
      { numRuns: 40 },
    );
  });

  it('rise with the capacity up to the last, and give ratios of nothing no value', () => {
    const list: Step[] = Array.from({ length: 200 }, (_, i) => ({
      kind: 'reference',
      space: 0,
      leaf: 0,
      page: (i * i) % 37,
    }));
    const curve = find(analysed(list).result().full, 'all', 0, 'shared');
    for (let n = 1; n < 64; n++) expect(curve.hits(n)).toBeGreaterThanOrEqual(curve.hits(n - 1));
    expect(curve.hits(curve.lastEntries)).toBe(curve.hits(1000));
    expect(curve.hits(curve.lastEntries - 1)).toBeLessThan(curve.hits(1000));
    expect([...curve.steps()].at(-1)).toBe(curve.lastEntries);
    expect(find(analysed([]).result().full, 'all', 0, 'shared').hitRatio(64)).toBeUndefined();
  });
});

/** References of `length` over pages, by a rule. */
function stream(length: number, pageOf: (i: number, random: () => number) => number, drops = 0): Step[] {
  let x = 12345;
  const random = (): number => {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
    return x / 2 ** 32;
  };
  return Array.from({ length }, (_, i): Step => {
    const page = Math.floor(pageOf(i, random));
    if (random() < drops) return { kind: 'invalidate', space: 0, page, pagesLog2: 0 };
    return { kind: 'reference', space: 0, leaf: 0, page };
  });
}

describe('a sample', () => {
  const pages = 20_000;
  const streams: readonly (readonly [name: string, list: Step[]])[] = [
    ['uniform', stream(300_000, (_, random) => random() * pages)],
    // Inverse of a density that falls with the square of the page: few hot, many cold.
    ['skewed', stream(300_000, (_, random) => Math.min(pages - 1, 200 / random()))],
    ['sequential', stream(300_000, (i) => (i >> 1) % pages)],
    ['invalidated', stream(300_000, (_, random) => random() * pages, 0.2)],
  ];
  const capacities = [1, 16, 64, 256, 1024, 2048, 4096, 8192, 12_000, 16_384, 19_000, 24_000];

  it.each(streams)('is within its stated error of the exact curve: %s', (_, list) => {
    const exact = find(analysed(list).result().full, 'all', 0, 'shared');
    const { full, scale } = analysed(list, 4096).result();
    const sampled = new HitCurve(full[0], scale);
    expect(scale).toBeGreaterThanOrEqual(4);
    expect(sampled.counts.lookups).toBe(exact.counts.lookups);
    const rows = capacities.map((capacity) => ({
      off: Math.abs(sampled.hitRatio(capacity)! - exact.hitRatio(capacity)!),
      error: sampled.error(capacity),
    }));
    // A 95 % interval: at most one of the twelve may miss, and none by far.
    expect(rows.filter(({ off, error }) => off > error + 1e-3).length).toBeLessThanOrEqual(1);
    for (const { off } of rows) expect(off).toBeLessThan(0.05);
    for (const capacity of capacities) expect(exact.error(capacity)).toBe(0);
  });

  it('is the same every time', () => {
    const [, list] = streams[1];
    expect(analysed(list, 500).result()).toEqual(analysed(list, 500).result());
  });

  it('follows no more keys than asked, and counts all lookups by leaf and tenant', () => {
    const list = stream(50_000, (_, random) => random() * 5000);
    const { full, scale } = analysed(list, 64).result();
    expect(scale).toBeGreaterThanOrEqual(64);
    for (const { scope, lookups } of full) if (scope === 'all') expect(lookups).toBe(50_000);
    expect(full.filter(({ scope }) => scope === 'tenant').map(({ lookups }) => lookups)).toEqual([50_000, 0]);
  });
});
