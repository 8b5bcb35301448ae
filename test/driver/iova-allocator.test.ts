import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IovaAllocator, type IovaAllocatorSpec } from '../../src/driver/iova-allocator.ts';
import { ReferenceIovaAllocator } from '../reference/iova-allocator.ts';

const base: IovaAllocatorSpec = {
  cpus: 1,
  maskBits: 48,
  forcedac: false,
  depotMagazines: 32,
  retry32Bit: true,
  reserved: [],
};
const TOP = 0xfffff; // the last page below 4 GiB
const allocator = (spec: Partial<IovaAllocatorSpec> = {}) => new IovaAllocator({ ...base, ...spec });
const many = (iova: IovaAllocator, count: number, pages = 1, cpu = 0) =>
  Array.from({ length: count }, () => iova.allocate(cpu, pages, 0));

describe('addresses by Linux’s rules', () => {
  it('begin just below 4 GiB and go down', () => {
    expect(many(allocator(), 3)).toEqual([0xfffff, 0xffffe, 0xffffd]);
  });

  it('are aligned to the size rounded up to a power of two, which is also what is taken below 32 pages', () => {
    const iova = allocator();
    expect(iova.allocate(0, 3, 0)).toBe(0xffffc); // 4 pages
    expect(iova.allocate(0, 1, 0)).toBe(0xffffb);
    expect(iova.allocate(0, 17, 0)).toBe(0xfffc0); // 32 pages, aligned to 32: 0xfffe0 … would reach the page above
    expect(iova.allocate(0, 33, 0)).toBe(0xfff80); // 33 pages aligned to 64
    expect(iova.allocate(0, 1, 0)).toBe(0xfff7f); // the search goes on below the newest range, not in the 31 pages above
  });

  it('come back newest first, from the size class of their own', () => {
    const iova = allocator();
    const [a, b] = many(iova, 2) as [number, number];
    const pair = iova.allocate(0, 2, 0);
    iova.free(0, a, 1, 0);
    iova.free(0, pair, 2, 0);
    iova.free(0, b, 1, 0);
    expect(many(iova, 3)).toEqual([b, a, TOP - 4]);
    expect(iova.allocate(0, 2, 0)).toBe(pair);
  });

  it('above 32 pages go back to the tree at once, and the next search begins above them', () => {
    const iova = allocator();
    const big = iova.allocate(0, 64, 0);
    many(iova, 1);
    iova.free(0, big, 64, 0);
    expect(iova.allocate(0, 33, 0)).toBe(big);
  });

  it('above 4 GiB come from the top of the device’s mask', () => {
    expect(allocator({ maskBits: 40, forcedac: true }).allocate(0, 1, 0)).toBe(2 ** 28 - 1);
    expect(allocator({ maskBits: 64, forcedac: true }).allocate(0, 1, 0)).toBe(2 ** 52 - 1);
    expect(allocator({ maskBits: 32 }).allocate(0, 1, 0)).toBe(TOP);
  });

  it('move above 4 GiB for good when that is full, from 6.4 on', () => {
    const iova = allocator({ retry32Bit: false, maskBits: 40 });
    const low = iova.allocate(0, 2 ** 19, 0);
    expect(low).toBe(2 ** 19);
    expect(iova.allocate(0, 2 ** 19, 0)).toBe(2 ** 28 - 2 ** 19); // page 0 is never used, so 2 GiB do not fit below
    iova.free(0, low, 2 ** 19, 0);
    expect(iova.allocate(0, 1, 0)).toBe(2 ** 28 - 2 ** 19 - 1);
  });

  it('try below 4 GiB again on every call up to 6.3', () => {
    const iova = allocator({ maskBits: 40 });
    const low = iova.allocate(0, 2 ** 19, 0);
    expect(iova.allocate(0, 2 ** 19, 0)).toBe(2 ** 28 - 2 ** 19);
    iova.free(0, low, 2 ** 19, 0);
    expect(iova.allocate(0, 1, 0)).toBe(TOP);
  });

  it('end in -1 when nothing is left, after the magazines have been emptied into the tree', () => {
    const iova = allocator({ maskBits: 32 });
    const half = iova.allocate(0, 2 ** 19, 0);
    const quarter = iova.allocate(0, 2 ** 18, 0);
    expect([half, quarter]).toEqual([2 ** 19, 2 ** 18]);
    const small = iova.allocate(0, 1, 0);
    expect(iova.allocate(0, 2 ** 18, 0)).toBe(-1);
    iova.free(0, small, 1, 0); // into a magazine, still in the tree: 2^18 - 1 pages from page 1 on
    iova.free(0, quarter, 2 ** 18, 0);
    expect(iova.allocate(0, 2 ** 18, 0)).toBe(2 ** 18);
    expect(iova.allocate(0, 2 ** 17, 0)).toBe(2 ** 17); // needs the page that sits in the magazine
    expect(iova.allocate(0, 2 ** 17, 0)).toBe(-1);
  });

  it('are looked for above the newest range again when nothing is left below it', () => {
    const iova = allocator({ maskBits: 32 });
    expect(iova.allocate(0, 1, 0)).toBe(0xfffff);
    expect(iova.allocate(0, 2 ** 18, 0)).toBe(0x80000); // 0xc0000 would reach the first page
    expect(iova.allocate(0, 2 ** 18, 0)).toBe(0x40000);
    expect(iova.allocate(0, 2 ** 17, 0)).toBe(0x20000);
    expect(iova.allocate(0, 2 ** 17, 0)).toBe(0xc0000); // below only page 0 is aligned
    expect(iova.allocate(0, 2 ** 16, 0)).toBe(0x10000); // the newest range in the tree is again the highest: all below
    expect(iova.allocate(0, 2 ** 17, 0)).toBe(-1);
  });

  it('skip cached ranges above the limit; the top one fills the hole', () => {
    const iova = allocator({ maskBits: 40, depotMagazines: 32, retry32Bit: true });
    const low = many(iova, 3); // 0xfffff, 0xffffe, 0xffffd
    many(iova, 1, 2 ** 19);
    for (let pages = 2 ** 18; pages >= 64; pages /= 2) iova.allocate(0, pages, 0);
    const rest: number[] = [];
    while ((rest.at(-1) ?? 0) < 2 ** 20) rest.push(iova.allocate(0, 1, 0)); // until one comes from above 4 GiB
    const high = [rest.pop()!, ...many(iova, 2)];
    for (const page of [low[0], low[1], ...high]) iova.free(0, page, 1, 0);
    // The stack is L0 L1 H0 H1 H2. Below 4 GiB it gives L1, whose hole H2 fills, then L0, whose hole H1 fills. That
    // leaves H1 H2 H0, which come from the top once the tree below 4 GiB has nothing either.
    expect(many(iova, 5)).toEqual([low[1], low[0], high[0], high[2], high[1]]);
  });

  it('never lie in reserved ranges', () => {
    const reserved: [number, number][] = [
      [0xfee00, 0xfeeff],
      [0xffffe, 0xffffe],
      [0xffff0, 0xffffe],
    ];
    const iova = allocator({ reserved });
    expect(many(iova, 2)).toEqual([0xfffff, 0xfffef]);
    expect(iova.allocate(0, 0x1000, 0)).toBe(0xfd000); // 0xfe000 would hold the MSI window
  });
});

describe('magazines', () => {
  it('hold 2 × 127 ranges a CPU; the 255th goes with a full magazine to the depot', () => {
    const iova = allocator({ cpus: 2 });
    const pages = many(iova, 255);
    for (const page of pages) iova.free(0, page, 1, 0);
    // CPU 1 has nothing of its own: it takes the depot's magazine, which holds 127 ranges.
    const taken = many(iova, 127, 1, 1);
    // The first magazine to fill is the previous one when the second fills, and loaded again after the swap.
    expect(new Set(taken)).toEqual(new Set(pages.slice(127, 254)));
    expect(iova.slow).toBe(false);
    iova.allocate(1, 1, 0);
    expect(iova.slow).toBe(true);
    many(iova, 128); // CPU 0 still has 128
    expect(iova.slow).toBe(false);
    iova.allocate(0, 1, 0);
    expect(iova.slow).toBe(true);
  });

  it('let one CPU allocate what another frees, after at most 254 are stuck there', () => {
    const iova = allocator({ cpus: 2 });
    const live = many(iova, 512);
    let fromTree = 0;
    for (let i = 0; i < 10_000; i++) {
      iova.free(1, live[i % 512], 1, 0);
      live[i % 512] = iova.allocate(0, 1, 0);
      if (iova.slow) fromTree++;
    }
    expect(fromTree).toBe(254);
  });

  it('pass through the depot from the CPU that frees to the CPU that allocates, newest full one first', () => {
    const iova = allocator({ cpus: 3 });
    // CPU 0 takes 508 pages: the tree gives 0xfffff … 0xffe04. CPU 1 frees them in that order.
    const pages = Array.from({ length: 508 }, () => iova.allocate(0, 1, 0));
    expect([pages[0], pages[507]]).toEqual([0xfffff, 0xffe04]);
    for (const page of pages) iova.free(1, page, 1, 0);
    // CPU 1: 127 loaded, then swapped with the empty previous one; each full magazine after that goes to the depot.
    // So the depot has the 2nd and 3rd hundred and twenty-seven, the 1st waits as previous, the 4th is loaded.
    expect(Array.from({ length: 127 }, () => iova.allocate(2, 1, 0))).toEqual(pages.slice(254, 381).reverse());
    expect(iova.allocate(0, 1, 0)).toBe(pages[253]);
    expect(iova.treeOps).toBe(0);
    expect(iova.allocate(1, 1, 0)).toBe(pages[507]);
    // CPU 2 finds its magazines and the depot empty: the tree again, below everything taken so far.
    expect(iova.allocate(2, 1, 0)).toBe(0xffe03);
    expect(iova.treeOps).toBe(1);
  });

  it('give a whole magazine back to the tree when the depot is full: 127 operations under the lock', () => {
    const iova = allocator({ cpus: 2, depotMagazines: 0 });
    const pages = Array.from({ length: 255 }, () => iova.allocate(0, 1, 0));
    for (const page of pages.slice(0, 254)) iova.free(1, page, 1, 0);
    expect(iova.treeOps).toBe(0);
    iova.free(1, pages[254], 1, 0);
    expect([iova.treeOps, iova.ranges]).toEqual([127, 128]);
  });

  it('fill at most 32 in the depot up to 6.1, then ranges go back to the tree', () => {
    const iova = allocator();
    const pages = many(iova, 127 * 40);
    for (const page of pages) iova.free(0, page, 1, 0);
    expect(iova.ranges).toBe(127 * 34); // loaded + previous + 32 in the depot
  });

  it('leave an unbounded depot one by one every 100 ms while it holds more than there are CPUs', () => {
    const iova = allocator({ depotMagazines: Infinity });
    const pages = many(iova, 127 * 6);
    for (const page of pages) iova.free(0, page, 1, 0);
    expect(iova.ranges).toBe(127 * 6); // 4 magazines in the depot
    const at = (ms: number) => {
      iova.free(0, iova.allocate(0, 1, ms * 1e9), 1, ms * 1e9);
      return iova.ranges / 127;
    };
    expect([at(99), at(100), at(199), at(250), at(1000)]).toEqual([6, 5, 5, 4, 3]);
  });
});

describe('against Linux’s code read literally', () => {
  const operation = fc.record({
    cpu: fc.nat({ max: 2 }),
    pages: fc.oneof(
      fc.constantFrom(1, 1, 1, 2, 3, 4, 8, 17, 31, 32),
      fc.integer({ min: 33, max: 300 }),
      fc.constantFrom(2 ** 17, 2 ** 18, 2 ** 19, 3 * 2 ** 17),
    ),
    free: fc.boolean(),
    which: fc.nat(),
    repeat: fc.integer({ min: 1, max: 60 }),
    waitMs: fc.constantFrom(0, 0, 0, 30, 250),
  });
  const spec = fc.record({
    cpus: fc.constant(3),
    maskBits: fc.constantFrom(32, 33, 40),
    forcedac: fc.boolean(),
    depotMagazines: fc.constantFrom(2, Infinity),
    retry32Bit: fc.boolean(),
  });

  const crowded = operation.chain((step) =>
    fc.record({
      cpu: fc.constant(step.cpu),
      pages: fc.constantFrom(1, 2, 32, 5000, 2 ** 14, 3 * 2 ** 14, 2 ** 15, 2 ** 16, 3 * 2 ** 15),
      free: fc.integer({ min: 0, max: 3 }).map((n) => n === 0),
      which: fc.constant(step.which),
      repeat: fc.integer({ min: 1, max: 12 }),
      waitMs: fc.constant(0),
    }),
  );

  it.each([
    ['spread', fc.array(operation, { minLength: 1, maxLength: 100 })],
    ['crowded', fc.array(crowded, { minLength: 40, maxLength: 120 })],
  ])('the same calls give the same addresses: %s', (_, calls) => {
    fc.assert(
      fc.property(spec, calls, (config, operations) => {
        const fast = new IovaAllocator({ ...config, reserved: [] });
        const slow = new ReferenceIovaAllocator(config);
        const live: { page: number; pages: number }[] = [];
        let nowPs = 0;
        for (const { cpu, pages, free, which, repeat, waitMs } of operations) {
          nowPs += waitMs * 1e9;
          for (let i = 0; i < repeat; i++) {
            if (free) {
              if (live.length === 0) break;
              const [freed] = live.splice((which + i) % live.length, 1) as [{ page: number; pages: number }];
              fast.free(cpu, freed.page, freed.pages, nowPs);
              slow.free(cpu, freed.page, freed.pages, nowPs);
            } else {
              const page = fast.allocate(cpu, pages, nowPs);
              if (page !== slow.allocate(cpu, pages, nowPs))
                throw new Error(`allocation ${live.length} of ${pages} pages`);
              if (page >= 0) live.push({ page, pages });
            }
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
