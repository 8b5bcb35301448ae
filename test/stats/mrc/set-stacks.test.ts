import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ABSENT } from '../../../src/stats/mrc/reuse-stack.ts';
import { SetStacks } from '../../../src/stats/mrc/set-stacks.ts';
import { LruCache } from '../../reference/lru-cache.ts';

interface Step {
  readonly drop: boolean;
  readonly tag: number;
  readonly page: number;
  readonly count: number;
}

const WAYS = 6;
const steps = fc.array(
  fc.record({
    drop: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    tag: fc.integer({ min: 0, max: 1 }),
    page: fc.integer({ min: 0, max: 47 }),
    count: fc.constantFrom(1, 4, 64),
  }),
  { maxLength: 400 },
);

/** Hits of each number of ways, each simulated on its own as so many LRU caches as there are sets. */
function separately(list: readonly Step[], sets: number, setOf: (page: number) => number): number[] {
  return Array.from({ length: WAYS }, (_, i) => {
    const caches = Array.from({ length: sets }, () => new LruCache<string>(i + 1));
    let hits = 0;
    for (const { drop, tag, page, count } of list) {
      if (drop) for (let n = 0; n < count; n++) caches[setOf(page + n)].remove(`${tag} ${page + n}`);
      else if (caches[setOf(page)].access(`${tag} ${page}`)) hits++;
    }
    return hits;
  });
}

function inOnePass(list: readonly Step[], stacks: SetStacks): number[] {
  const hits = new Array<number>(WAYS).fill(0);
  for (const { drop, tag, page, count } of list) {
    if (drop) {
      stacks.invalidate(tag, 0, page, count);
      continue;
    }
    const depth = stacks.reference(tag, page, 0);
    if (depth !== ABSENT) for (let ways = depth; ways <= WAYS; ways++) hits[ways - 1]++;
  }
  return hits;
}

describe('depths in sets', () => {
  it.each([1, 2, 3, 4, 8])('hit as often as each number of ways on its own: %i sets, modulo', (sets) => {
    fc.assert(
      fc.property(steps, (list) => {
        const setOf = (page: number): number => page % sets;
        expect(inOnePass(list, new SetStacks(sets, WAYS, 'modulo'))).toEqual(separately(list, sets, setOf));
      }),
      { numRuns: 60 },
    );
  });

  it('and with the index shifted by a table line', () => {
    fc.assert(
      fc.property(steps, (list) => {
        const setOf = (page: number): number => Math.floor(page / 8) % 3;
        expect(inOnePass(list, new SetStacks(3, WAYS, 'shifted'))).toEqual(separately(list, 3, setOf));
      }),
      { numRuns: 60 },
    );
  });
});

describe('the two-level check of a linear congruential generator', () => {
  // x ← x·6364136223846793005 + 1442695040888963407 mod 2⁶⁴, page = 0x80000 + (x >> 33) mod N: 64 entries, 8 ways.
  it.each([
    [100, 639_571],
    [600, 106_156],
  ])('first-level hits of 8 sets × 8 ways over %i pages', (pages, expected) => {
    const stacks = new SetStacks(8, 8, 'modulo');
    let x = 1n;
    let hits = 0;
    for (let i = 0; i < 1_000_000; i++) {
      x = BigInt.asUintN(64, x * 6364136223846793005n + 1442695040888963407n);
      if (stacks.reference(0, 0x80000 + (Number(x >> 33n) % pages), 0) !== ABSENT) hits++;
    }
    expect(hits).toBe(expected);
  });
});
