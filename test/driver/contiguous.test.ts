/** Policy contiguous, addresses and commands derived by hand. */
import { describe, expect, it } from 'vitest';
import { PROT_READ, PROT_WRITE } from '../../src/traffic/mapper.ts';
import { testDriver } from '../support/driver.ts';

const list = (count: number, first = 0x1000) => ({
  physicalPages: Float64Array.from({ length: count }, (_, i) => first + 7 * i),
  iovaPages: new Float64Array(count),
  count,
});

function unmapAll(mapper: ReturnType<typeof testDriver>['mapper'], pages: ReturnType<typeof list>): number {
  let pieces = 0;
  for (let from = 0; from < pages.count; pieces++) from = mapper.unmapPages(pages, from);
  return pieces;
}

describe('contiguous', () => {
  it('gives a descriptor one size-aligned range below 4 GiB, pages in order', () => {
    const { mapper } = testDriver('contiguous');
    const first = list(64);
    expect(mapper.mapPages(first, PROT_WRITE)).toBe(true);
    expect([...first.iovaPages]).toEqual(Array.from({ length: 64 }, (_, i) => 0xfffc0 + i));
    const second = list(64, 0x9000);
    mapper.mapPages(second, PROT_WRITE);
    expect([second.iovaPages[0], second.iovaPages[63]]).toEqual([0xfff80, 0xfffbf]);
  });

  it('unmaps it by one invalidation of 256 KiB that leaves the walk caches, and frees the range', () => {
    const { mapper, units, iova, table } = testDriver('contiguous');
    const pages = list(64);
    mapper.mapPages(pages, PROT_WRITE);
    expect(unmapAll(mapper, pages)).toBe(1);
    units[0].queue.process(Infinity);
    expect(units[0].cache.log).toEqual(['pages 40 fffc0 18']);
    expect(mapper.account).toMatchObject({ maps: 64, unmaps: 1, invalidationCommands: 1, completionWaits: 1 });
    expect([iova.ranges, table.pages.size]).toEqual([0, 0]);
  });

  it('drops walk caches when table pages were freed', () => {
    const { mapper, units, table } = testDriver('contiguous');
    const pages = list(64);
    mapper.mapPages(pages, PROT_WRITE);
    table.freedTables = 1;
    unmapAll(mapper, pages);
    units[0].queue.process(Infinity);
    expect(units[0].cache.log).toEqual(['pages 40 fffc0 18 pde']);
  });

  it('maps single buffers one after the other into the core’s range, and frees it with the last of them', () => {
    const { mapper, units, iova } = testDriver('contiguous', { contiguousPages: 4 });
    const iovas = Array.from({ length: 5 }, (_, i) => mapper.map(i, 1, PROT_READ));
    expect(iovas).toEqual([0xffffc, 0xffffd, 0xffffe, 0xfffff, 0xffff8]);
    for (const at of [2, 0, 3]) mapper.unmap(iovas[at], 1);
    expect(iova.allocate(0, 4, 0)).toBe(0xffff4);
    mapper.unmap(iovas[1], 1);
    expect(iova.allocate(0, 4, 0)).toBe(0xffffc);
    units[0].queue.process(Infinity);
    expect(units[0].cache.log).toEqual(['ffffe', 'ffffc', 'fffff', 'ffffd'].map((page) => `pages 40 ${page} 12`));
  });

  it('gives each core a range of its own', () => {
    const driver = testDriver('contiguous', { contiguousPages: 4 });
    const second = driver.secondMapper();
    const one = [driver.mapper.map(1, 1, PROT_READ), second.map(2, 1, PROT_READ), driver.mapper.map(3, 1, PROT_READ)];
    expect(one).toEqual([0xffffc, 0xffff8, 0xffffd]);
  });

  it('begins a new range for what does not fit, and frees the rest of the old one with its last page', () => {
    const { mapper, iova } = testDriver('contiguous', { contiguousPages: 4 });
    const one = mapper.map(1, 1, PROT_READ);
    const four = list(4);
    mapper.mapPages(four, PROT_READ);
    expect(four.iovaPages[0]).toBe(0xffff8);
    mapper.unmap(one, 1);
    expect(iova.allocate(0, 4, 0)).toBe(0xffffc);
  });

  it('maps what is larger than a range by itself', () => {
    const { mapper, units, iova } = testDriver('contiguous', { contiguousPages: 4 });
    const large = mapper.map(0, 5, PROT_READ);
    expect(large).toBe(0xffff8);
    mapper.unmap(large, 5);
    units[0].queue.process(Infinity);
    expect(units[0].cache.log).toEqual(['pages 40 ffff8 15']);
    expect(iova.allocate(0, 5, 0)).toBe(0xffff8);
  });

  it('leaves nothing behind when the IOVA space is full', () => {
    const { mapper, iova } = testDriver('contiguous', { iova: { maskBits: 32 } });
    mapper.map(0, 0x7ffff, PROT_READ);
    const held = [];
    for (let page = mapper.map(1, 32, PROT_READ); page >= 0; page = mapper.map(1, 32, PROT_READ)) held.push(page);
    expect(held.length).toBeGreaterThan(1000);
    const before = iova.ranges;
    expect(mapper.mapPages(list(64), PROT_READ)).toBe(false);
    expect(iova.ranges).toBe(before);
    mapper.unmap(held[0], 32);
    mapper.unmap(held[1], 32);
    expect(mapper.mapPages(list(64), PROT_READ)).toBe(true);
  });
});
