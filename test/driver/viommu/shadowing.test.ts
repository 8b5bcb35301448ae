/** The merged table is at all times what the guest's table and its memory say together. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Core, DriverCpu } from '../../../src/driver/cpu.ts';
import { KERNEL_ERAS } from '../../../src/driver/kernel-era.ts';
import { ShadowingHypervisor } from '../../../src/driver/viommu/shadowing.ts';
import { CommandQueue } from '../../../src/iommu/command-queue.ts';
import { FlatTable } from '../../reference/flat-table.ts';
import { CachedPages } from '../../support/driver.ts';

const DOMAIN = 7;
const COMMAND_PS = 7;
const WAIT_PS = 200;
/** All different, so that a sum shows what it is made of. */
const COSTS = { exit: 100_000, page: 1000, map: 30, mapPage: 3, unmap: 50, unmapPage: 5, submit: 400, poll: 0 };
const TARGET = { port: undefined as never, domain: 1, pasid: 0 };

class ReadableFlatTable extends FlatTable {
  lastPermissions = 0;

  lookup(page: number): number {
    const mapping = this.pages.get(page);
    this.lastPermissions = mapping?.prot ?? 0;
    return mapping?.physicalPage ?? -1;
  }
}

/** The guest's memory: host pages in reverse, so that what follows in the guest does not in the host; none from 500 on. */
const scattered = (page: number): number => (page < 500 ? 10_000 - page : -1);
const linear = (page: number): number => 10_000 + page;

function world(hostPage = linear) {
  const guest = new ReadableFlatTable();
  const merged = new ReadableFlatTable();
  const cache = new CachedPages();
  const queue = new CommandQueue(
    { entries: 64, commandNs: COMMAND_PS / 1000, completionWaitNs: WAIT_PS / 1000 },
    cache,
  );
  const target = { port: queue, domain: DOMAIN, pasid: -1 };
  const rules = KERNEL_ERAS['amd-6.1'];
  const hypervisor = new ShadowingHypervisor({ guest, merged, hostPage, target, rules, costs: COSTS });
  const cpu = new DriverCpu(new Core(0));
  const flush = (cause: 'map' | 'unmap', page: number, sizeLog2 = 12): void => {
    hypervisor.pages(cpu, cause, TARGET, page, sizeLog2);
    hypervisor.complete(cpu, cause);
  };
  const sent = (): string[] => {
    queue.process(Infinity);
    return cache.log;
  };
  return { guest, merged, hypervisor, cpu, flush, sent };
}

describe('an exit', () => {
  it('of a map costs the exit, its pages and the map, and nothing at the unit', () => {
    const { guest, cpu, flush, hypervisor, merged, sent } = world();
    guest.map(8, 100, 4, 3);
    flush('map', 8, 14);
    expect(cpu.freePs).toBe(COSTS.exit + 4 * COSTS.page + COSTS.map + 3 * COSTS.mapPage);
    expect(cpu.account).toMatchObject({ vmExits: 1, vmExitsMap: 1, vmExitsUnmap: 0, hypervisorPs: cpu.freePs });
    expect(merged.lookup(9)).toBe(10_101);
    expect(sent()).toEqual([]);
    expect(hypervisor.pinnedPages).toBe(4);
  });

  it("of an unmap also invalidates under the host's domain ID, and waits", () => {
    const { guest, cpu, flush, hypervisor, merged, sent } = world();
    guest.map(8, 100, 4, 3);
    flush('map', 8, 14);
    const fromPs = cpu.freePs;
    guest.unmap(8, 4);
    flush('unmap', 8, 14);
    const unitPs = 2 * COMMAND_PS + WAIT_PS;
    expect(cpu.freePs - fromPs).toBe(
      COSTS.exit + 4 * COSTS.page + COSTS.unmap + 3 * COSTS.unmapPage + COSTS.submit + unitPs,
    );
    expect(cpu.account).toMatchObject({ vmExits: 2, vmExitsMap: 1, vmExitsUnmap: 1, hypervisorPs: cpu.freePs });
    expect(merged.pages.size).toBe(0);
    expect(sent()).toEqual([`pages ${DOMAIN} 8 14 pde`]);
    expect([hypervisor.pinnedPages, hypervisor.pinnedPagesPeak]).toEqual([0, 4]);
  });

  it('takes several pieces at once', () => {
    const { guest, cpu, hypervisor, merged } = world();
    guest.map(5, 100, 3, 3);
    hypervisor.pages(cpu, 'map', TARGET, 5, 12);
    hypervisor.pages(cpu, 'map', TARGET, 6, 13);
    hypervisor.complete(cpu, 'map');
    expect(cpu.account.vmExits).toBe(1);
    expect([5, 6, 7].map((page) => merged.lookup(page))).toEqual([10_100, 10_101, 10_102]);
  });

  it('maps what lies together in host memory in one go', () => {
    const { guest, cpu, flush } = world(scattered);
    guest.map(8, 100, 4, 3);
    flush('map', 8, 14);
    expect(cpu.freePs).toBe(COSTS.exit + 4 * COSTS.page + 4 * COSTS.map);
  });

  it('takes permissions over, and their changes', () => {
    const { guest, flush, merged, sent } = world();
    guest.map(8, 100, 1, 1);
    flush('map', 8);
    expect(merged.pages.get(8)).toEqual({ physicalPage: 10_100, prot: 1 });
    guest.unmap(8, 1);
    guest.map(8, 100, 1, 3);
    flush('map', 8);
    expect(merged.pages.get(8)).toEqual({ physicalPage: 10_100, prot: 3 });
    expect(sent()).toEqual([`pages ${DOMAIN} 8 12 pde`]);
  });

  it('costs nothing before the run', () => {
    const { guest, cpu, flush, merged, sent } = world();
    cpu.setup = true;
    guest.map(8, 100, 4, 3);
    flush('map', 8, 14);
    guest.unmap(10, 1);
    flush('unmap', 8, 14);
    expect(merged.pages.size).toBe(3);
    expect([cpu.freePs, cpu.account.vmExits, sent()]).toEqual([0, 0, []]);
  });
});

describe('the merged table', () => {
  const step = fc.record({
    unmap: fc.boolean(),
    page: fc.integer({ min: 0, max: 40 }),
    pages: fc.integer({ min: 1, max: 9 }),
    to: fc.integer({ min: 480, max: 505 }),
    prot: fc.constantFrom(1, 2, 3),
    sizeLog2: fc.integer({ min: 12, max: 17 }),
  });

  it('is guest table and memory, wherever the guest has flushed', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { guest, merged, flush, hypervisor } = world(scattered);
        const flushed = new Map<number, { physicalPage: number; prot: number } | undefined>();
        for (const { unmap, page, pages, to, prot, sizeLog2 } of steps) {
          if (unmap) guest.unmap(page, pages);
          else guest.map(page, to, pages, prot);
          flush(unmap ? 'unmap' : 'map', page, sizeLog2);
          const size = 2 ** (sizeLog2 - 12);
          for (let p = Math.floor(page / size) * size, n = 0; n < size; p++, n++) flushed.set(p, guest.pages.get(p));
        }
        const expected = [...flushed].flatMap(([page, mapping]) => {
          const host = mapping === undefined ? -1 : scattered(mapping.physicalPage);
          return host < 0 ? [] : [[page, { physicalPage: host, prot: mapping!.prot }]];
        });
        expect(new Map(merged.pages)).toEqual(new Map(expected as []));
        expect(hypervisor.pinnedPages).toBe(expected.length);
      }),
      { numRuns: 60 },
    );
  });
});
