/** What every mapping policy promises, whatever it is. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { policies } from '../../src/driver/policies/index.ts';
import type { Policy } from '../../src/spec.ts';
import { PROT_READ, PROT_WRITE } from '../../src/traffic/mapper.ts';
import { testDriver, type TestDriver } from '../support/driver.ts';

/** Policies whose mappings are the identity, and do not go through the table. */
const IDENTITY: readonly Policy[] = ['passthrough'];

const step = fc.record({
  unmap: fc.boolean(),
  which: fc.nat(),
  pages: fc.constantFrom(1, 1, 1, 2, 5, 32, 40),
  cpu: fc.nat({ max: 1 }),
  waitNs: fc.constantFrom(0, 0, 500, 20_000_000),
});

/** Lets every unit reach `nowPs`, timers first. */
function settle({ policy, units }: TestDriver, nowPs: number): void {
  while (policy.timerAt() < Infinity && policy.timerAt() <= nowPs) policy.timer(policy.timerAt());
  for (const { queue } of units) queue.process(nowPs);
}

describe.each(Object.keys(policies) as Policy[])('%s', (name) => {
  const identity = IDENTITY.includes(name);

  it('never hands out an IOVA that a unit may still translate the old way', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const driver = testDriver(name, { units: 2, flushQueue: { entries: 8, timeoutNs: 10_000_000 } });
        const mappers = [driver.mapper, driver.secondMapper()];
        const live: { iova: number; physical: number; pages: number }[] = [];
        let nowPs = 0;
        for (const { unmap, which, pages, cpu, waitNs } of steps) {
          const mapper = mappers[cpu];
          nowPs = Math.max(mapper.work(nowPs + waitNs * 1000, 0), nowPs);
          mapper.work(nowPs, 0);
          settle(driver, nowPs);
          if (unmap && live.length > 0) {
            const [freed] = live.splice(which % live.length, 1) as [(typeof live)[0]];
            mapper.unmap(freed.iova, freed.pages);
            mapper.free(freed.physical, freed.pages);
          } else {
            const physical = mapper.allocate(pages);
            const iova = mapper.map(physical, pages, PROT_READ | PROT_WRITE);
            nowPs = mapper.cpuFreePs;
            settle(driver, nowPs);
            checkMapping(driver, iova, physical, pages);
            live.push({ iova, physical, pages });
          }
          nowPs = Math.max(nowPs, mapper.cpuFreePs);
        }
        settle(driver, Infinity);
      }),
      { numRuns: 50 },
    );
  });

  function checkMapping(driver: TestDriver, iova: number, physical: number, pages: number): void {
    expect(iova).toBeGreaterThanOrEqual(0);
    if (identity) return expect(iova).toBe(physical);
    for (let i = 0; i < pages; i++) {
      expect(driver.table.pages.get(iova + i)?.physicalPage).toBe(physical + i);
      for (const { cache } of driver.units) {
        const stale = cache.pages.get(iova + i);
        expect(stale === undefined || stale === physical + i).toBe(true);
        cache.pages.set(iova + i, physical + i); // the device uses it
      }
    }
  }

  it('takes a mapping out of the table at once, unless it keeps mappings', () => {
    const { mapper, table } = testDriver(name);
    const iova = mapper.map(mapper.allocate(4), 4, PROT_READ);
    expect(table.pages.size).toBe(identity ? 0 : 4);
    mapper.unmap(iova, 4);
    expect(table.pages.size).toBe(mapper.keepsMappings ? 4 : 0);
  });

  it('maps a buffer once for good, if it says that it keeps mappings', () => {
    const { mapper } = testDriver(name);
    const physical = mapper.allocate(1);
    const first = mapper.map(physical, 1, PROT_READ);
    const { maps } = mapper.account;
    mapper.unmap(first, 1);
    const again = mapper.map(physical, 1, PROT_READ);
    if (mapper.keepsMappings) {
      expect(again).toBe(first);
      expect(mapper.account.maps).toBe(maps);
    } else {
      expect(mapper.account.maps).toBe(2 * maps);
    }
  });

  it('maps before the run at no cost, with a working mapping', () => {
    const { mapper, table } = testDriver(name);
    const physical = mapper.allocate(64);
    const iova = mapper.mapStatic(physical, 64, PROT_WRITE);
    expect([mapper.cpuFreePs, mapper.account.cpuPs, mapper.account.maps]).toEqual([0, 0, 0]);
    if (!identity) expect(table.pages.get(iova + 63)).toEqual({ physicalPage: physical + 63, prot: PROT_WRITE });
  });

  it('charges every picosecond to the core and to the account', () => {
    const { mapper } = testDriver(name);
    mapper.work(5000, 3);
    for (let i = 0; i < 600; i++) {
      const physical = mapper.allocate(1);
      mapper.unmap(mapper.map(physical, 1, PROT_READ), 1);
      mapper.free(physical, 1);
    }
    const { cpuPs, cpuMapPs, cpuUnmapPs, cpuWaitPs, cpuLockPs } = mapper.account;
    expect(mapper.cpuFreePs).toBe(5000 + cpuPs);
    expect(cpuPs).toBe(3000 + cpuMapPs + cpuUnmapPs + cpuWaitPs + cpuLockPs);
  });

  it('fails cleanly when IOVAs or tables run out', () => {
    if (identity) return;
    const driver = testDriver(name, { iova: { maskBits: 32 } });
    expect(driver.mapper.map(0, 2 ** 21, PROT_READ)).toBe(-1);
    driver.table.capacity = 3;
    const ranges = driver.iova.ranges;
    expect(driver.mapper.map(0, 64, PROT_READ)).toBe(-1);
    expect(driver.iova.ranges).toBe(ranges);
    expect(driver.table.pages.size).toBe(0);
    expect(driver.mapper.account.mapFailures).toBe(2);
    expect(driver.mapper.map(0, 2, PROT_READ)).toBeGreaterThan(0);
  });

  const scattered = (count: number, first = 500) => ({
    physicalPages: Float64Array.from({ length: count }, (_, i) => first + ((i * 7) % count) * 3),
    iovaPages: new Float64Array(count),
    count,
  });

  it.each(['sg', 'pages'] as const)('maps and unmaps a list of scattered pages (%s), and maps it again', (kind) => {
    const { mapper, table, policy } = testDriver(name);
    const list = scattered(20);
    for (let round = 0; round < 3; round++) {
      expect(kind === 'sg' ? mapper.mapSg(list, PROT_WRITE) : mapper.mapPages(list, PROT_WRITE)).toBe(true);
      for (let i = 0; i < 20; i++) {
        if (identity) expect(list.iovaPages[i]).toBe(list.physicalPages[i]);
        else expect(table.pages.get(list.iovaPages[i])?.physicalPage).toBe(list.physicalPages[i]);
      }
      if (kind === 'sg') mapper.unmapSg(list);
      else for (let from = 0; from < 20; ) from = mapper.unmapPages(list, from);
      expect(table.pages.size).toBe(mapper.keepsMappings ? 20 : 0);
    }
    if (policy.timerAt() < Infinity) policy.timer(policy.timerAt());
  });

  it('gives one dma_map_sg one IOVA range, unmapped by one unmap', () => {
    if (identity || policies[name] === policies.static) return;
    const { mapper } = testDriver(name);
    const list = scattered(37);
    mapper.mapSg(list, PROT_READ);
    expect([...list.iovaPages]).toEqual(Array.from({ length: 37 }, (_, i) => list.iovaPages[0] + i));
    mapper.unmapSg(list);
    expect(mapper.account).toMatchObject({ maps: 1, unmaps: 1 });
  });

  it('maps nothing of a list that does not fit', () => {
    if (identity) return;
    for (const kind of ['sg', 'pages'] as const) {
      const { mapper, table, policy } = testDriver(name, { flushQueue: { entries: 2 } });
      table.capacity = 12;
      const list = scattered(20);
      expect(kind === 'sg' ? mapper.mapSg(list, PROT_WRITE) : mapper.mapPages(list, PROT_WRITE)).toBe(false);
      expect(mapper.account.mapFailures).toBe(1);
      if (!mapper.keepsMappings) expect(table.pages.size).toBe(0);
      if (policy.timerAt() < Infinity) policy.timer(policy.timerAt());
      table.capacity = Infinity;
      expect(mapper.mapPages(list, PROT_WRITE)).toBe(true);
    }
  });

  it('maps and unmaps at given IOVAs without touching the allocator', () => {
    const { mapper, table, iova, policy } = testDriver(name);
    expect(mapper.mapAt(0x123456789, 0x1000, 3, PROT_READ)).toBe(true);
    if (!identity) expect(table.pages.get(0x12345678b)?.physicalPage).toBe(0x1002);
    mapper.unmapAt(0x123456789, 3);
    if (policy.timerAt() < Infinity) policy.timer(policy.timerAt());
    expect(iova.ranges).toBe(0);
    expect(table.pages.size).toBe(mapper.keepsMappings ? 3 : 0);
    expect(mapper.mapAt(0x123456789, 0x2000, 3, PROT_READ)).toBe(true);
  });
});
