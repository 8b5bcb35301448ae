/** Bounce buffers as iommu_dma_map_page and swiotlb use them. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BouncePool, SEGMENT_PAGES } from '../../src/driver/bounce.ts';
import { PROT_READ, PROT_WRITE } from '../../src/traffic/mapper.ts';
import { BOUNCE_PAGE, COSTS, testDriver } from '../support/driver.ts';

const COPY_PS = (bytes: number) => Math.round((bytes / 1024) * COSTS.copyKibNs * 1000);

describe('bounce buffers', () => {
  it('take the place of a buffer that is not whole pages, for untrusted devices only', () => {
    const untrusted = testDriver('strict', { bounceSlots: 128 });
    const iova = untrusted.mapper.map(77, 1, PROT_READ, 1500);
    expect(untrusted.table.pages.get(iova)?.physicalPage).toBe(BOUNCE_PAGE);
    const trusted = testDriver('strict');
    expect(trusted.table.pages.get(trusted.mapper.map(77, 1, PROT_READ, 1500))?.physicalPage).toBe(77);
  });

  it('leave whole pages alone', () => {
    const { mapper, table } = testDriver('strict', { bounceSlots: 128 });
    expect(table.pages.get(mapper.map(77, 2, PROT_READ, 8192))?.physicalPage).toBe(77);
    expect(table.pages.get(mapper.map(80, 1, PROT_WRITE))?.physicalPage).toBe(80);
    expect(mapper.account).toMatchObject({ bounces: 0, copiedBytes: 0 });
  });

  it('copy at the map in either direction, and at the unmap if the device wrote', () => {
    const costs = (prot: number) => {
      const { mapper } = testDriver('strict', { bounceSlots: 128 });
      const plain = testDriver('strict').mapper;
      mapper.unmap(mapper.map(5, 1, prot, 2048), 1);
      plain.unmap(plain.map(5, 1, prot), 1);
      return { extra: mapper.cpuFreePs - plain.cpuFreePs, bytes: mapper.account.copiedBytes };
    };
    const slots = COSTS.bounceNs * 1000;
    expect(costs(PROT_READ)).toEqual({ extra: slots + COPY_PS(2048), bytes: 2048 });
    expect(costs(PROT_WRITE)).toEqual({ extra: slots + 2 * COPY_PS(2048), bytes: 4096 });
  });

  it('fail the map when all slots are taken, and work again when one is free', () => {
    const { mapper, iova } = testDriver('strict', { bounceSlots: 128 });
    const held = Array.from({ length: 64 }, (_, i) => mapper.map(i, 1, PROT_READ, 100));
    const ranges = iova.ranges;
    expect(mapper.map(99, 1, PROT_READ, 100)).toBe(-1);
    expect([mapper.account.mapFailures, iova.ranges]).toEqual([1, ranges]);
    mapper.unmap(held[7], 1);
    expect(mapper.map(99, 1, PROT_READ, 100)).toBe(held[7]);
  });

  it('give the slots back when no IOVA could be had', () => {
    const { mapper, table } = testDriver('strict', { bounceSlots: 128 });
    table.capacity = 0;
    for (let i = 0; i < 100; i++) expect(mapper.map(i, 1, PROT_READ, 100)).toBe(-1);
    table.capacity = Infinity;
    expect(mapper.map(1, 1, PROT_READ, 100)).toBeGreaterThan(0);
  });
});

describe('the slots', () => {
  it('are whole pages of one segment of 128 slots, used round and round', () => {
    const pool = new BouncePool(1000, 2 * 128);
    expect(pool.take(60)).toBe(1000);
    expect(pool.take(10)).toBe(1000 + SEGMENT_PAGES); // 4 pages are left in the first segment
    expect(pool.take(65)).toBe(-1); // more than 256 KiB
    expect(pool.take(4)).toBe(1074);
    pool.give(1000, 60);
    expect(pool.take(50)).toBe(1078);
    expect(pool.take(60)).toBe(1000);
    expect(pool.take(5)).toBe(-1);
    expect(pool.take(4)).toBe(1060);
  });

  it('are never handed out twice, and all of them can be', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 1, max: 64 }), fc.nat())), (steps) => {
        const pool = new BouncePool(0, 400); // 200 pages: the last segment is short
        const held: { page: number; pages: number }[] = [];
        const used = new Set<number>();
        for (const [give, pages, which] of steps) {
          if (give && held.length > 0) {
            const [back] = held.splice(which % held.length, 1) as [{ page: number; pages: number }];
            pool.give(back.page, back.pages);
            for (let i = 0; i < back.pages; i++) used.delete(back.page + i);
            continue;
          }
          const page = pool.take(pages);
          const room = [...Array(200).keys()].some(
            (at) =>
              at + pages <= 200 &&
              Math.floor(at / 64) === Math.floor((at + pages - 1) / 64) &&
              ![...Array(pages).keys()].some((i) => used.has(at + i)),
          );
          expect(page >= 0).toBe(room);
          if (page < 0) continue;
          for (let i = 0; i < pages; i++) {
            expect(used.has(page + i) || page + i >= 200).toBe(false);
            used.add(page + i);
          }
          held.push({ page, pages });
        }
      }),
      { numRuns: 60 },
    );
  });
});
