/** What each policy does beyond the contract: commands, costs, flushes, stale windows, derived by hand from Linux's rules. */
import { describe, expect, it } from 'vitest';
import { PROT_READ } from '../../src/traffic/mapper.ts';
import { COSTS, testDriver } from '../support/driver.ts';

/** One command and a completion wait take 7 + 7 + 200 ns; the core looks at once and then every 50 ns. */
const POLLED_NS = 250;

describe('strict', () => {
  it('sends one invalidation and one completion wait, waits, and frees the IOVA', () => {
    const { mapper, units } = testDriver('strict');
    const iova = mapper.map(0, 2, PROT_READ);
    const mapNs = COSTS.iovaAllocSlowNs + COSTS.mapNs + COSTS.mapPageNs;
    expect(mapper.cpuFreePs).toBe(mapNs * 1000);
    mapper.unmap(iova, 2);
    units[0].queue.process(Infinity);
    expect(units[0].cache.log).toEqual(['pages 40 ffffe 13 pde']);
    const clearNs = COSTS.unmapNs + COSTS.unmapPageNs;
    const flushNs = COSTS.invalidateSubmitNs + POLLED_NS;
    expect(mapper.cpuFreePs).toBe((mapNs + clearNs + flushNs + COSTS.iovaFreeNs) * 1000);
    expect(mapper.account).toMatchObject({
      maps: 1,
      unmaps: 1,
      invalidationCommands: 1,
      completionWaits: 1,
      vmExits: 0,
      flushes: 0,
      cpuWaitPs: POLLED_NS * 1000,
      staleWindows: 1,
      staleWindowMaxPs: flushNs * 1000,
    });
    expect(mapper.map(0, 2, PROT_READ)).toBe(iova);
  });

  it('tells every unit once, and waits for each', () => {
    const { mapper, units } = testDriver('strict', { units: 3 });
    mapper.unmap(mapper.map(0, 1, PROT_READ), 1);
    for (const { queue } of units) expect([queue.commands, queue.completionWaits]).toEqual([2, 1]);
    expect(mapper.account).toMatchObject({ invalidationCommands: 3, completionWaits: 3 });
  });

  it('sends one command a device where each has its own domain ID (AMD v2), but one wait a unit', () => {
    const { mapper, units } = testDriver('strict', { units: 2, targetsPerUnit: 3 });
    mapper.unmap(mapper.map(0, 1, PROT_READ), 1);
    units[0].queue.process(Infinity);
    expect(units[0].cache.log).toEqual(['pages 40 fffff 12 pde', 'pages 41 fffff 12 pde', 'pages 42 fffff 12 pde']);
    expect(mapper.account).toMatchObject({ invalidationCommands: 6, completionWaits: 2 });
  });

  it('exits once an invalidation in a guest', () => {
    const guest = testDriver('strict', { exits: true }).mapper;
    const host = testDriver('strict').mapper;
    for (const mapper of [guest, host]) {
      for (let i = 0; i < 10; i++) mapper.unmap(mapper.map(i, 1, PROT_READ), 1);
    }
    expect(guest.account.vmExits).toBe(10);
    expect(guest.cpuFreePs - host.cpuFreePs).toBe(10 * COSTS.exitNs * 1000);
  });

  it('keeps walk caches on newer kernels unless table pages were freed', () => {
    const { mapper, units, table } = testDriver('strict', { era: 'amd-7.2' });
    mapper.unmap(mapper.map(0, 1, PROT_READ), 1);
    const iova = mapper.map(0, 1, PROT_READ);
    table.freedTables = 1;
    mapper.unmap(iova, 1);
    units[0].queue.process(Infinity);
    expect(units[0].cache.log).toEqual(['pages 40 fffff 12', 'pages 40 fffff 12 pde']);
  });

  it('flushes walk caches when a map took the place of a table', () => {
    const { mapper, units, table } = testDriver('strict');
    table.freedTables = 1;
    mapper.map(0, 1, PROT_READ);
    units[0].queue.process(Infinity);
    expect(units[0].cache.log).toEqual(['pages 40 fffff 12 pde']);
  });

  it('flushes the domain where a range has no command (AMD before 5.14)', () => {
    const { mapper, units } = testDriver('strict', { era: 'amd-5.13' });
    mapper.unmap(mapper.map(0, 2, PROT_READ), 2);
    units[0].queue.process(Infinity);
    expect(units[0].cache.log).toEqual(['all 40']);
    expect(mapper.account.flushes).toBe(0);
  });
});

describe('lazy', () => {
  const unmapMany = (driver: ReturnType<typeof testDriver>, count: number) => {
    const iovas = Array.from({ length: count }, (_, i) => driver.mapper.map(i, 1, PROT_READ));
    for (const iova of iovas) driver.mapper.unmap(iova, 1);
    return iovas;
  };

  it('sends nothing for 255 unmaps and flushes the domain at the 256th', () => {
    const driver = testDriver('lazy');
    unmapMany(driver, 255);
    expect(driver.units[0].queue.commands).toBe(0);
    expect(driver.mapper.account.staleWindows).toBe(0);
    unmapMany(driver, 1);
    driver.units[0].queue.process(Infinity);
    expect(driver.units[0].cache.log).toEqual(['all 40']);
    expect(driver.mapper.account).toMatchObject({ flushes: 1, completionWaits: 1, staleWindows: 255 });
  });

  it('gives IOVAs back only after the flush', () => {
    const driver = testDriver('lazy');
    const first = unmapMany(driver, 255);
    const next = driver.mapper.map(0, 1, PROT_READ);
    expect(first).not.toContain(next);
    expect(next).toBe(first[254] - 1);
    driver.mapper.unmap(next, 1); // finds the queue full: flushes
    expect(first).toContain(driver.mapper.map(0, 1, PROT_READ));
  });

  it('flushes by timer 10 ms after the first unmap, on the core that armed it', () => {
    const driver = testDriver('lazy');
    const second = driver.secondMapper();
    driver.mapper.work(1e9, 0);
    const iova = driver.mapper.map(0, 1, PROT_READ);
    driver.mapper.unmap(iova, 1);
    const armedPs = driver.mapper.cpuFreePs;
    second.work(2e9, 0);
    second.unmap(second.map(1, 1, PROT_READ), 1);
    expect(driver.policy.timerAt()).toBe(armedPs + 10e9);
    driver.policy.timer(armedPs + 10e9 - 1);
    expect(driver.mapper.account.flushes).toBe(0);
    driver.policy.timer(armedPs + 10e9);
    expect(driver.mapper.account.flushes).toBe(1);
    expect(second.account.flushes).toBe(0);
    expect(driver.policy.timerAt()).toBe(Infinity);
    const flushNs = COSTS.invalidateSubmitNs + POLLED_NS;
    expect(driver.mapper.cpuFreePs).toBe(armedPs + 10e9 + (flushNs + 2 * COSTS.iovaFreeNs) * 1000);
    expect(driver.mapper.account.staleWindowMaxPs).toBe(10e9 + flushNs * 1000);
    expect(second.account.staleWindows).toBe(1);
    // Both ranges went to the magazine of the timer's CPU.
    expect([driver.mapper.map(5, 1, PROT_READ), driver.mapper.map(6, 1, PROT_READ)]).toContain(iova);
  });

  it('keeps what was queued while another core’s flush is under way', () => {
    const driver = testDriver('lazy', { flushQueue: { entries: 3, timeoutNs: 10_000_000 } });
    const second = driver.secondMapper();
    const other = second.map(9, 1, PROT_READ);
    second.unmap(other, 1);
    const beforeFlushPs = second.cpuFreePs;
    driver.mapper.work(beforeFlushPs, 0);
    unmapMany(driver, 3); // the third flushes
    expect(driver.mapper.account.flushes).toBe(1);
    expect(second.cpuFreePs).toBeLessThan(driver.mapper.cpuFreePs);
    second.unmap(second.map(10, 1, PROT_READ), 1);
    expect(second.account.staleWindows).toBe(0); // its time is before the flush's end
    second.work(driver.mapper.cpuFreePs, 0);
    second.unmap(second.map(11, 1, PROT_READ), 1);
    expect(second.account.staleWindows).toBe(1);
  });

  it('flushes max(100 a second, unmaps / 255) times', () => {
    const driver = testDriver('lazy');
    for (let i = 0; i < 2550; i++) unmapMany(driver, 1);
    expect(driver.mapper.account.flushes).toBe(9); // the 256th, 511th, …: each flush empties 255 entries
  });
});

describe('lazy with a single queue', () => {
  const single = { entries: 32_768, timeoutNs: 1e9, single: true };

  it('takes 32,767 ranges of all cores together before it flushes', () => {
    const driver = testDriver('lazy', { flushQueue: single });
    const second = driver.secondMapper();
    for (let i = 0; i < 32_767; i++) {
      const mapper = i % 2 === 0 ? driver.mapper : second;
      mapper.unmap(mapper.map(i, 1, PROT_READ), 1);
    }
    expect(driver.units[0].queue.commands).toBe(0);
    second.unmap(second.map(0, 1, PROT_READ), 1);
    expect(second.account.flushes).toBe(1);
    expect(driver.mapper.account.staleWindows + second.account.staleWindows).toBe(32_767);
  });

  it('flushes one second after the first unmap', () => {
    const driver = testDriver('lazy', { flushQueue: single });
    driver.mapper.unmap(driver.mapper.map(0, 1, PROT_READ), 1);
    expect(driver.policy.timerAt()).toBe(driver.mapper.cpuFreePs + 1e12);
  });

  it('keeps the other cores out while one flushes', () => {
    const driver = testDriver('lazy', { flushQueue: { ...single, entries: 2 } });
    const second = driver.secondMapper();
    const other = second.map(9, 1, PROT_READ);
    driver.mapper.unmap(driver.mapper.map(0, 1, PROT_READ), 1);
    const iova = driver.mapper.map(1, 1, PROT_READ);
    second.work(driver.mapper.cpuFreePs, 0);
    driver.mapper.unmap(iova, 1); // flushes
    const flushedPs = driver.mapper.cpuFreePs;
    second.account.reset();
    second.unmap(other, 1);
    // Its own unmap comes first; then it spins for the queue's lock.
    expect(second.account.cpuLockPs).toBeGreaterThan(POLLED_NS * 1000);
    expect(second.cpuFreePs).toBeGreaterThan(flushedPs);
  });
});

describe('static', () => {
  it('makes no command and no second map, however often buffers go round', () => {
    const { mapper, units } = testDriver('static');
    const buffers = Array.from({ length: 16 }, () => mapper.allocate(1));
    for (let round = 0; round < 20; round++) {
      for (const buffer of buffers) mapper.unmap(mapper.map(buffer, 1, PROT_READ), 1);
    }
    expect(mapper.account.maps).toBe(16);
    expect(units[0].queue.commands).toBe(0);
  });

  it('maps a larger use of the same buffer anew', () => {
    const { mapper, table } = testDriver('static');
    const small = mapper.map(100, 1, PROT_READ);
    const large = mapper.map(100, 4, PROT_READ);
    expect(large).not.toBe(small);
    expect(mapper.map(100, 2, PROT_READ)).toBe(large);
    expect(table.pages.size).toBe(5);
  });
});
