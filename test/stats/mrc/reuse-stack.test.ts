import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ABSENT, ReuseStack } from '../../../src/stats/mrc/reuse-stack.ts';
import { LruCache } from '../../reference/lru-cache.ts';

type Step = readonly ['use' | 'drop', number];

const CAPACITIES = Array.from({ length: 24 }, (_, i) => i + 1);

/** Which of the caches of CAPACITIES hit, reference by reference, each simulated on its own. */
function separately(steps: readonly Step[]): boolean[][] {
  const caches = CAPACITIES.map((capacity) => new LruCache<number>(capacity));
  return steps.flatMap(([kind, key]) => {
    if (kind === 'use') return [caches.map((cache) => cache.access(key))];
    for (const cache of caches) cache.remove(key);
    return [];
  });
}

function inOnePass(steps: readonly Step[]): boolean[][] {
  const stack = new ReuseStack();
  return steps.flatMap(([kind, key]) => {
    if (kind === 'drop') {
      stack.invalidate(key);
      return [];
    }
    const depth = stack.reference(key);
    return [CAPACITIES.map((capacity) => depth !== ABSENT && depth <= capacity)];
  });
}

const stepsOf = (keys: number, drops: number, length: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.tuple(
      fc.integer({ min: 0, max: 9 }).map((n) => (n < drops ? 'drop' : 'use')),
      fc.integer({ min: 0, max: keys - 1 }),
    ),
    { maxLength: length },
  );

describe('stack distances', () => {
  it.each([
    ['without invalidations', 0],
    ['with some', 2],
    ['with many', 6],
  ])('hit in exactly the LRU caches that hit when simulated one by one, %s', (_, drops) => {
    fc.assert(
      fc.property(stepsOf(20, drops, 300), (steps) => {
        expect(inOnePass(steps)).toEqual(separately(steps));
      }),
      { numRuns: 150 },
    );
  });

  it('stay right over many renumberings', () => {
    const steps: Step[] = [];
    let x = 1;
    for (let i = 0; i < 60_000; i++) {
      x = (Math.imul(x, 1103515245) + 12345) >>> 0;
      steps.push([x >>> 16 < 6000 ? 'drop' : 'use', (x >>> 8) % 30]);
    }
    expect(inOnePass(steps)).toEqual(separately(steps));
  });

  it('count keys above, for a stack that grows', () => {
    const stack = new ReuseStack();
    const keys = Array.from({ length: 5000 }, (_, i) => i);
    for (const key of keys) expect(stack.reference(key)).toBe(ABSENT);
    for (const key of keys) expect(stack.reference(key)).toBe(5000);
    expect(stack.size).toBe(5000);
    expect(stack.reference(4999)).toBe(1);
    expect(stack.reference(4998)).toBe(2);
  });
});

describe('an invalidated key', () => {
  it('is a miss of every cache, and leaves room that the next miss takes', () => {
    const stack = new ReuseStack();
    for (const key of [0, 1, 2, 3]) stack.reference(key); // 3 2 1 0
    expect(stack.invalidate(2)).toBe(true); // 3 – 1 0
    expect(stack.invalidate(2)).toBe(false);
    expect(stack.reference(4)).toBe(ABSENT); // 4 3 1 0: caches of two and more had room for it
    expect(stack.reference(1)).toBe(3);
    expect(stack.reference(2)).toBe(ABSENT);
  });

  it('leaves a hole that moves down to where a key comes up from', () => {
    const stack = new ReuseStack();
    for (const key of [0, 1, 2, 3]) stack.reference(key); // 3 2 1 0
    stack.invalidate(3); // – 2 1 0
    expect(stack.reference(1)).toBe(3); // 1 2 – 0: a cache of two held 2 and a hole, and holds 1 and 2
    expect(stack.reference(0)).toBe(4); // 0 1 2 –
    expect(stack.reference(2)).toBe(3);
  });
});

describe('a sample', () => {
  it('forgets keys as if they had never been referenced', () => {
    const stack = new ReuseStack();
    for (const key of [0, 1, 2, 3, 4]) stack.reference(key);
    stack.forget(3);
    stack.forget(3);
    expect(stack.reference(2)).toBe(2);
    expect(stack.holds(3)).toBe(false);
    expect(stack.size).toBe(4);
  });

  it('thins out holes', () => {
    const stack = new ReuseStack();
    for (let key = 0; key < 12; key++) stack.reference(key);
    for (const key of [11, 10, 9, 8]) stack.invalidate(key); // – – – – 7 … 0
    stack.halveHoles();
    const copy = stack.clone();
    expect(stack.reference(7)).toBe(3);
    expect(copy.reference(0)).toBe(10);
    expect(stack.reference(0)).toBe(10);
  });
});
