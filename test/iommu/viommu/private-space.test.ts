import { describe, expect, it } from 'vitest';
import {
  DEVICE_MAP,
  DOMAIN_MAP,
  entryBytes,
  GLOBAL_BYTES,
  idMapPages,
} from '../../../src/iommu/viommu/private-space.ts';
import { assisted, DATA_PAGE, GUESTS } from './assisted.ts';

const MIB = 2 ** 20;

describe('the private address space', () => {
  const { space } = assisted();

  it('has each guest ID of 65,536 in 1 MiB of device map and 512 KiB of domain map', () => {
    expect(space.pageOf(DEVICE_MAP, 1, 0)).toBe(0x10_0000_0000 / 4096);
    expect(space.pageOf(DEVICE_MAP, 2, 0)).toBe(0x10_0010_0000 / 4096);
    expect(space.pageOf(DOMAIN_MAP, 1, 65_535)).toBe(0x20_0007_f000 / 4096);
    expect(space.pageOf(DOMAIN_MAP, 2, 0)).toBe(0x20_0008_0000 / 4096);
    expect([idMapPages(DEVICE_MAP, 65_536), idMapPages(DOMAIN_MAP, 65_536)]).toEqual([256, 128]);
  });

  it('takes 8 MiB, 1.5 MiB a guest and its table', () => {
    // 3 levels: a root, a directory each for 0 GiB, 64 GiB and 128 GiB, and leaf tables of 2 MiB: 4 + 1 + 1.
    expect(space.bytes).toBe(GLOBAL_BYTES + 2 * 1.5 * MIB + (1 + 3 + 6) * 4096);
  });

  it('is mapped page by page, each page of host memory once', () => {
    const spas = new Set<number>();
    const regions = [
      [0, GLOBAL_BYTES],
      [DEVICE_MAP.base, 2 * DEVICE_MAP.guestBytes],
      [DOMAIN_MAP.base, 2 * DOMAIN_MAP.guestBytes],
    ];
    let pages = 0;
    for (const [base, bytes] of regions) {
      for (let page = base / 4096; page < (base + bytes) / 4096; page++, pages++) spas.add(space.table.lookup(page));
    }
    expect(spas.has(-1)).toBe(false);
    expect(spas.size).toBe(pages);
    expect(Math.min(...[...spas].filter((page) => page >= DATA_PAGE))).toBe(DATA_PAGE);
  });

  it('has bytes for the entries that guests use', () => {
    // 64 × 16 bytes each; 600 × 8 bytes, and 16 × 8.
    expect(entryBytes(GUESTS)).toBe((1 + 1 + 2 + 1) * 4096);
  });
});

describe('an ID map', () => {
  it("points every guest domain to the domain of the guest's memory at first", () => {
    const { space } = assisted();
    expect([0, 1, 599].map((id) => space.get(DOMAIN_MAP, 1, id, true))).toEqual([100, 100, 100]);
    expect(space.get(DOMAIN_MAP, 2, 15, true)).toBe(200);
  });

  it('keeps guests apart that use the same IDs', () => {
    const { space } = assisted();
    space.set(DOMAIN_MAP, 1, 5, 1005);
    space.set(DOMAIN_MAP, 2, 5, 65_535);
    space.set(DEVICE_MAP, 1, 8, 0x4100);
    expect([1, 2].map((guest) => space.get(DOMAIN_MAP, guest, 5, true))).toEqual([1005, 65_535]);
    expect([1, 2].map((guest) => space.get(DEVICE_MAP, guest, 8, true))).toEqual([0x4100, 0]);
    expect(() => space.set(DOMAIN_MAP, 1, 5, 65_536)).toThrow(/16 bits/);
  });

  it('is read by a walk of three levels and the entry, or where the page is known, the entry alone', () => {
    const { space } = assisted();
    space.get(DOMAIN_MAP, 1, 1, true);
    expect(space.lastReads).toBe(4);
    space.get(DOMAIN_MAP, 1, 1, false);
    expect(space.lastReads).toBe(1);
  });

  it('says where nothing is mapped', () => {
    const { space } = assisted();
    expect(space.get(DOMAIN_MAP, 3, 0, true)).toBe(-1);
    expect(space.lastReads).toBeGreaterThan(0);
    expect(() => space.get(DOMAIN_MAP, 2, 1000, true)).toThrow(/keeps to the IDs/);
  });
});
