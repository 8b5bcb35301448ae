import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { invalidationSizeLog2, KERNEL_ERAS } from '../../src/driver/kernel-era.ts';

const size = (era: keyof typeof KERNEL_ERAS, page: number, pages: number) =>
  invalidationSizeLog2(KERNEL_ERAS[era], page, pages);

describe('what one unmap sends', () => {
  it('AMD before 5.14: one page, or the whole domain', () => {
    expect(size('amd-5.13', 0x123, 1)).toBe(12);
    expect(size('amd-5.13', 0x122, 2)).toBe(-1);
  });

  it('AMD 6.1: two pages across a 1 MiB boundary invalidate 2 MiB', () => {
    expect(size('amd-6.1', 0xff, 2)).toBe(21);
  });

  it('AMD 6.1: two pages across 4 GiB invalidate 8 GiB', () => {
    expect(size('amd-6.1', 0xfffff, 2)).toBe(33);
  });

  it('AMD 6.1: an aligned range is exactly itself', () => {
    expect(size('amd-6.1', 0x100, 2)).toBe(13);
    expect(size('amd-6.1', 0x200, 512)).toBe(21);
    expect(size('amd-6.1', 0x101, 2)).toBe(14);
  });

  it('AMD: above 2^52 bytes everything goes', () => {
    expect(size('amd-6.1', 2 ** 39, 2 ** 39)).toBe(51);
    expect(size('amd-6.1', 2 ** 40 - 1, 2)).toBe(-1);
  });

  it('Intel: above the largest address mask (2^18 pages) the domain is flushed', () => {
    expect(size('intel-6.1', 0, 2 ** 18)).toBe(30);
    expect(size('intel-6.1', 2 ** 18 - 1, 2)).toBe(-1);
    expect(size('intel-6.12', 0, 2 ** 19)).toBe(-1);
  });

  it('covers the range by the smallest aligned power of two, as the highest differing address bit says', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 36 }), fc.integer({ min: 1, max: 5000 }), (page, pages) => {
        const first = BigInt(page) * 4096n;
        const last = BigInt(page + pages) * 4096n - 1n;
        expect(size('amd-6.1', page, pages)).toBe((first ^ last).toString(2).length);
      }),
    );
  });

  it('follows VT-d’s own arithmetic too (iommu_flush_iotlb_psi)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 30 }), fc.integer({ min: 1, max: 2 ** 17 }), (page, pages) => {
        const aligned = 1n << BigInt(Math.ceil(Math.log2(pages)));
        const low = aligned - 1n;
        let mask = BigInt(aligned.toString(2).length - 1);
        if ((low & BigInt(page)) !== 0n) {
          const shared = ~(BigInt(page) ^ BigInt(page + pages - 1)) & ~low;
          mask = 0n;
          while (((shared >> mask) & 1n) === 0n) mask++;
        }
        expect(size('intel-6.1', page, pages)).toBe(mask > 18n ? -1 : 12 + Number(mask));
      }),
    );
  });
});

describe('kernel eras', () => {
  it('drop walk caches always (AMD up to 6.12, Intel 6.1) or when tables were freed', () => {
    const always = Object.entries(KERNEL_ERAS).filter(([, rules]) => rules.walkCaches === 'always');
    expect(always.map(([era]) => era)).toEqual(['amd-5.13', 'amd-6.1', 'amd-6.12', 'intel-6.1']);
  });
});
