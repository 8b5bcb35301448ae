/** What one unmap sends, kernel by kernel. The rules' names say which; the numbers are worked out by hand. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { invalidationSizeLog2, KERNEL_ERAS } from '../../src/driver/kernel-era.ts';
import type { KernelEra } from '../../src/spec.ts';
import { PROT_READ } from '../../src/traffic/mapper.ts';
import { testDriver, type TestDriverOptions } from '../support/driver.ts';

const size = (era: KernelEra, page: number, pages: number) => invalidationSizeLog2(KERNEL_ERAS[era], page, pages);

interface Sent {
  readonly tablesFreed?: boolean;
  readonly options?: TestDriverOptions;
}

/** The commands that one strict unmap of `pages` at `page` sends. */
function sent(era: KernelEra, page: number, pages: number, { tablesFreed, options }: Sent = {}): string[] {
  const { mapper, units, table } = testDriver('strict', { era, ...options });
  mapper.mapAt(page, 0, pages, PROT_READ);
  if (tablesFreed === true) table.freedTables = 1;
  mapper.unmapAt(page, pages);
  units[0].queue.process(Infinity);
  return units[0].cache.log;
}

describe('AMD before 5.14', () => {
  it('flushes one page by its page', () => expect(sent('amd-5.13', 0x123, 1)).toEqual(['pages 40 123 12 pde']));
  it('flushes the whole domain for more than one page', () => expect(sent('amd-5.13', 0x122, 2)).toEqual(['all 40']));
});

describe.each(['amd-6.1', 'amd-6.12', 'amd-7.2'] as const)('%s', (era) => {
  const pde = era === 'amd-7.2' ? '' : ' pde';

  it('an unmap of two pages across a 1 MiB boundary invalidates 2 MiB worth of entries', () => {
    expect(sent(era, 0xff, 2)).toEqual([`pages 40 0 21${pde}`]);
  });

  it('an unmap of two pages across 4 GiB invalidates 8 GiB', () => {
    expect(sent(era, 0xfffff, 2)).toEqual([`pages 40 0 33${pde}`]);
  });

  it('an aligned power of two is exactly itself', () => {
    expect([size(era, 0x100, 2), size(era, 0x200, 512), size(era, 0x101, 2)]).toEqual([13, 21, 14]);
  });

  it('above 2^52 bytes everything goes, walk caches too', () => {
    expect(size(era, 2 ** 39, 2 ** 39)).toBe(51);
    expect(sent(era, 2 ** 40 - 1, 2)).toEqual(['all 40']);
  });
});

describe('the PDE bit on AMD', () => {
  it('up to 6.12 is always set: the walk cache of the range goes too', () => {
    for (const era of ['amd-6.1', 'amd-6.12'] as const) expect(sent(era, 0x100, 4)).toEqual(['pages 40 100 14 pde']);
  });

  it('in 7.2 is set only if table pages were freed', () => {
    expect(sent('amd-7.2', 0x100, 4)).toEqual(['pages 40 100 14']);
    expect(sent('amd-7.2', 0x100, 4, { tablesFreed: true })).toEqual(['pages 40 100 14 pde']);
  });
});

describe('AMD v2', () => {
  it('sends one command a device, by its own domain ID, and one completion wait a unit', () => {
    const options = { targetsPerUnit: 3, units: 2, firstStage: true };
    const { mapper, units } = testDriver('strict', { era: 'amd-6.12', ...options });
    mapper.unmapAt(0x50, 1);
    for (const { queue, cache } of units) {
      queue.process(Infinity);
      expect(cache.log).toEqual([40, 41, 42].map((domain) => `pages ${domain} 50 12 pde`));
      expect(queue.completionWaits).toBe(1);
    }
  });
});

describe('Intel 6.1', () => {
  it('second stage: the leaf-only hint is lost on the way, walk caches are dropped', () => {
    expect(sent('intel-6.1', 0x100, 1)).toEqual(['pages 40 100 12 pde']);
  });

  it('first stage: the leaf-only hint is honoured', () => {
    expect(sent('intel-6.1', 0x100, 1, { options: { firstStage: true } })).toEqual(['pages 40 100 12']);
  });

  it('first stage: walk caches are dropped with freed tables', () => {
    expect(sent('intel-6.1', 0x100, 1, { options: { firstStage: true }, tablesFreed: true })).toEqual([
      'pages 40 100 12 pde',
    ]);
  });
});

describe('Intel 6.12 and later', () => {
  it('keeps walk caches (IH = 1) when no table page was freed, in either stage', () => {
    for (const firstStage of [false, true]) {
      expect(sent('intel-6.12', 0x100, 1, { options: { firstStage } })).toEqual(['pages 40 100 12']);
      expect(sent('intel-6.12', 0x100, 1, { options: { firstStage }, tablesFreed: true })).toEqual([
        'pages 40 100 12 pde',
      ]);
    }
  });
});

describe('Intel', () => {
  it('flushes the domain above the largest address mask (2^18 pages)', () => {
    expect(size('intel-6.1', 0, 2 ** 18)).toBe(30);
    expect(sent('intel-6.1', 2 ** 18 - 1, 2)).toEqual(['all 40']);
    expect(size('intel-6.12', 0, 2 ** 19)).toBe(-1);
  });

  it('follows VT-d’s own arithmetic (iommu_flush_iotlb_psi)', () => {
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

describe('every era', () => {
  const eras = Object.keys(KERNEL_ERAS) as KernelEra[];

  it('covers the range by the smallest aligned power of two, as the highest differing address bit says', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 36 }), fc.integer({ min: 1, max: 5000 }), (page, pages) => {
        const first = BigInt(page) * 4096n;
        const last = BigInt(page + pages) * 4096n - 1n;
        expect(size('amd-6.1', page, pages)).toBe((first ^ last).toString(2).length);
      }),
    );
  });

  it('flushes a whole domain with its walk caches: lazy mode loses hot entries too', () => {
    for (const era of eras) {
      const { mapper, units } = testDriver('lazy', { era, flushQueue: { entries: 2 } });
      for (let i = 0; i < 2; i++) mapper.unmap(mapper.map(i, 1, PROT_READ), 1);
      units[0].queue.process(Infinity);
      expect(units[0].cache.log).toEqual(['all 40']);
    }
  });

  it('sends one invalidation and one wait for one dma_unmap_sg, however many pages it has', () => {
    for (const era of eras) {
      const { mapper, units } = testDriver('strict', { era });
      const list = { physicalPages: Float64Array.of(9, 3, 70, 71, 5), iovaPages: new Float64Array(5), count: 5 };
      mapper.mapSg(list, PROT_READ);
      mapper.unmapSg(list);
      expect([units[0].queue.commands, mapper.account.invalidationCommands]).toEqual([2, 1]);
    }
  });

  it('has a depot of 32 magazines, and tries below 4 GiB again, up to 6.3', () => {
    expect(eras.filter((era) => KERNEL_ERAS[era].depotMagazines === 32)).toEqual(['amd-5.13', 'amd-6.1', 'intel-6.1']);
    expect(eras.filter((era) => KERNEL_ERAS[era].retry32Bit)).toEqual(['amd-5.13', 'amd-6.1', 'intel-6.1']);
  });
});
