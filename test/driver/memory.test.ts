import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DmaMemory } from '../../src/driver/memory.ts';
import { Prng } from '../../src/lib/prng.ts';

describe('DmaMemory', () => {
  it('gives aligned blocks that never overlap, inside its bounds, for any sequence', () => {
    const step = fc.record({ pages: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 3000 })), free: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), fc.boolean(), (steps, shuffled) => {
        const memory = new DmaMemory(1000, 4_000_000, shuffled ? new Prng(1, 1) : undefined);
        const live: { page: number; pages: number }[] = [];
        for (const { pages, free } of steps) {
          if (free && live.length > 0) {
            const block = live.shift()!;
            memory.free(block.page, block.pages);
            continue;
          }
          const page = memory.allocate(pages);
          expect(page % 2 ** Math.ceil(Math.log2(pages))).toBe(0);
          expect(page >= 1000 && page + pages <= 4_001_000).toBe(true);
          for (const other of live) expect(page + pages <= other.page || other.page + other.pages <= page).toBe(true);
          live.push({ page, pages });
        }
      }),
    );
  });

  it('reuses what was freed, newest first, by size', () => {
    const memory = new DmaMemory(0, 4096);
    const [a, b] = [memory.allocate(1), memory.allocate(1)];
    const big = memory.allocate(700);
    memory.free(a, 1);
    memory.free(big, 700);
    memory.free(b, 1);
    expect([memory.allocate(1), memory.allocate(1), memory.allocate(700)]).toEqual([b, a, big]);
  });

  it('shuffles single pages: neighbours are rare, the same seed gives the same pages', () => {
    const pages = (seed: number) => {
      const memory = new DmaMemory(0, 4096, new Prng(seed, 0));
      return Array.from({ length: 1024 }, () => memory.allocate(1));
    };
    const order = pages(1);
    expect(new Set(order).size).toBe(1024);
    expect(order.filter((page, i) => i > 0 && Math.abs(page - order[i - 1]) === 1).length).toBeLessThan(20);
    expect(pages(1)).toEqual(order);
    expect(pages(2)).not.toEqual(order);
  });

  it('says so when memory is used up', () => {
    const memory = new DmaMemory(0, 8);
    memory.allocate(8);
    expect(() => memory.allocate(1)).toThrow('must fit');
  });
});
