import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/lib/prng.ts';
import type { RecycleSpec } from '../../src/spec.ts';
import { PageRecycler } from '../../src/traffic/nic/recycle.ts';

const recycler = (spec: Partial<RecycleSpec>, seed = 1) =>
  new PageRecycler({ pages: 4, order: 'fifo', holdNs: 0, ...spec }, new Prng(seed, 0));

describe('page recycling', () => {
  it('gives pages back in order as soon as sockets hold none', () => {
    const cache = recycler({});
    for (let page = 0; page < 4; page++) expect(cache.put(100 + page, page, 5)).toBe(true);
    expect(cache.put(104, 4, 5)).toBe(false);
    for (let page = 0; page < 4; page++) {
      expect(cache.take(5)).toBe(true);
      expect([cache.iovaPage, cache.physicalPage]).toEqual([100 + page, page]);
    }
    expect(cache.take(1e15)).toBe(false);
  });

  it('fifo: a page that a socket holds blocks those behind it; any: each comes when its socket lets go', () => {
    // With this seed the first page is held longest.
    const holds = (order: RecycleSpec['order']) => {
      const cache = recycler({ order, holdNs: 1000 }, 3);
      for (let page = 0; page < 4; page++) cache.put(page, page, 0);
      const taken: number[] = [];
      for (let nowPs = 0; nowPs < 20e6; nowPs += 1000) while (cache.take(nowPs)) taken.push(cache.iovaPage);
      return taken;
    };
    expect(holds('fifo')).toEqual([0, 1, 2, 3]);
    const any = holds('any');
    expect(any).not.toEqual([0, 1, 2, 3]);
    expect(new Set(any)).toEqual(new Set([0, 1, 2, 3]));
    expect(any.length).toBe(4);
  });

  it('never gives a page sooner than its socket lets go, nor keeps one for ever, nor more than its size', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('fifo' as const, 'any' as const),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.boolean(), { maxLength: 200 }),
        (order, pages, steps) => {
          const cache = recycler({ order, pages, holdNs: 300 }, 9);
          const held = new Set<number>();
          let next = 0;
          let nowPs = 0;
          for (const put of steps) {
            nowPs += 40_000;
            if (put) {
              expect(cache.put(next, next, nowPs)).toBe(held.size < pages);
              if (held.size < pages) held.add(next);
              next++;
            } else if (cache.take(nowPs)) {
              expect(held.delete(cache.iovaPage)).toBe(true);
            }
          }
          const mean = 300_000;
          while (cache.take(nowPs + 100 * mean)) expect(held.delete(cache.iovaPage)).toBe(true);
          expect(held.size).toBe(0);
        },
      ),
    );
  });
});
