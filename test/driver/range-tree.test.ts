import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ANCHOR, NONE, RangeTree } from '../../src/driver/range-tree.ts';

/** The obvious counterpart: sorted [lo, hi] pairs. */
class SortedRanges {
  readonly ranges: [number, number][] = [];
  readonly floor: number;

  constructor(floor: number) {
    this.floor = floor;
  }

  insert(lo: number, hi: number): void {
    this.ranges.push([lo, hi]);
    this.ranges.sort((a, b) => a[0] - b[0]);
  }

  /** Largest aligned power of two that fits just below range `i`. */
  room(i: number): number {
    const first = i === 0 ? this.floor : this.ranges[i - 1][1] + 1;
    let best = 0;
    for (let block = 1; block <= 256; block *= 2) {
      for (let at = 0; at + block <= this.ranges[i][0]; at += block) if (at >= first) best = block;
    }
    return best;
  }
}

const PAGES = 200;
const operation = fc.record({
  page: fc.integer({ min: 1, max: PAGES - 1 }),
  length: fc.integer({ min: 1, max: 9 }),
  block: fc.constantFrom(1, 2, 4, 8, 16, 32, 64),
});

describe('RangeTree', () => {
  it('agrees with sorted ranges over any inserts, removals and searches', () => {
    fc.assert(
      fc.property(fc.array(operation, { minLength: 1, maxLength: 120 }), (operations) => {
        const tree = new RangeTree(1, 4);
        const sorted = new SortedRanges(1);
        for (const { page, length, block } of operations) {
          const inside = sorted.ranges.findIndex(([lo, hi]) => lo <= page && page <= hi);
          const node = tree.find(page);
          expect(node !== NONE).toBe(inside >= 0);
          if (inside >= 0) {
            expect([tree.lo[node], tree.hi[node]]).toEqual(sorted.ranges[inside]);
            tree.remove(node);
            sorted.ranges.splice(inside, 1);
          } else {
            const above = tree.atOrAbove(page);
            const next = sorted.ranges.find(([lo]) => lo > page);
            expect(tree.lo[above]).toBe(next?.[0] ?? tree.lo[ANCHOR]);
            const last = Math.min(page + length - 1, (next?.[0] ?? PAGES) - 1);
            tree.insertBefore(above, page, last);
            sorted.insert(page, last);
          }
          checkOrder(tree, sorted);
          checkSearch(tree, sorted, page, block);
        }
      }),
      { numRuns: 200 },
    );
  });
});

function checkOrder(tree: RangeTree, sorted: SortedRanges): void {
  const found: [number, number][] = [];
  for (let node = tree.before(ANCHOR); node !== NONE; node = tree.before(node)) {
    found.unshift([tree.lo[node], tree.hi[node]]);
    expect(tree.before(tree.after(node))).toBe(node);
  }
  expect(found).toEqual(sorted.ranges);
  expect(tree.size).toBe(sorted.ranges.length);
}

function checkSearch(tree: RangeTree, sorted: SortedRanges, page: number, block: number): void {
  const start = tree.atOrAbove(page);
  let expected = NONE;
  for (let i = sorted.ranges.length - 1; i >= 0 && expected === NONE; i--) {
    const [lo] = sorted.ranges[i];
    if (lo < tree.lo[start] && sorted.room(i) >= block) expected = tree.find(lo);
  }
  expect(tree.roomBefore(start, block)).toBe(expected);
}
