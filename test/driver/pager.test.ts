import { describe, expect, it } from 'vitest';
import { Core, DriverCpu } from '../../src/driver/cpu.ts';
import { Pager, type PagerConfig } from '../../src/driver/pager.ts';
import type { PageRequest } from '../../src/iommu/ppr-log.ts';

const READ = 1;
const WRITE = 2;

/** A pager over a table that is a log of what was done; maps take 300 ns, faults 1500, a response 100. */
function setUp(overrides: Partial<PagerConfig> = {}) {
  const cpu = new DriverCpu(new Core(0));
  const log: string[] = [];
  const inbox: PageRequest[] = [];
  const ns = (): number => cpu.freePs / 1000;
  const pager = new Pager({
    cpu,
    steps: {
      reserve: () => 0x100,
      mapAt(core, iovaPage, physicalPage) {
        core.spendMap(300_000);
        log.push(`map ${iovaPage} to ${physicalPage} by ${ns()}`);
        return true;
      },
      clear: (_, page) => {
        log.push(`clear ${page} at ${ns()}`);
        return false;
      },
      invalidate: (_, page) => void log.push(`invalidate ${page}`),
    },
    read: () => inbox.splice(0),
    respond: (group, code, nowPs) => {
      log.push(`respond ${group} ${code} at ${nowPs / 1000}`);
      return nowPs;
    },
    ...{ interruptPs: 2_000_000, faultPs: 1_500_000, submitPs: 100_000, exitPs: 0, reclaimPs: Infinity },
    ...overrides,
  });
  const request = (page: number, group = 0, last = true, access = READ, atPs = 1_000_000): void => {
    inbox.push({ bdf: 1, pasid: 3, group, page, access, last });
    pager.logged(atPs);
  };
  expect(pager.reserve(0x900, 16, READ | WRITE)).toBe(0x100);
  return { pager, log, request, cpu };
}

describe('the page fault worker', () => {
  it('runs when the interrupt has come, maps, then answers', () => {
    const { pager, log, request } = setUp();
    expect(pager.timerAt()).toBe(Infinity);
    request(0x102);
    expect(pager.timerAt()).toBe(3_000_000);
    pager.timer(3_000_000);
    expect(log).toEqual(['map 258 to 2306 by 4800', 'respond 0 0 at 4900']);
    expect(pager.timerAt()).toBe(Infinity);
  });

  it('answers a group when its last request has come, and each group by itself', () => {
    const { pager, log, request } = setUp();
    request(0x100, 5, false);
    request(0x101, 6, true);
    pager.timer(3_000_000);
    expect(log.filter((line) => line.startsWith('respond'))).toEqual(['respond 6 0 at 4900']);
    request(0x102, 5, true, WRITE, 10_000_000);
    pager.timer(12_000_000);
    expect(log.slice(2)).toEqual(['map 256 to 2304 by 13800', 'map 258 to 2306 by 15600', 'respond 5 0 at 15700']);
  });

  it('does not map what is there already', () => {
    const { pager, log, request } = setUp();
    request(0x100);
    pager.timer(3_000_000);
    request(0x100, 1, true, READ, 5_000_000);
    pager.timer(7_000_000);
    expect(log.filter((line) => line.startsWith('map'))).toHaveLength(1);
    expect(log.at(-1)).toBe('respond 1 0 at 8600');
  });

  it('answers invalid where nothing may be mapped', () => {
    const { pager, log, request } = setUp();
    request(0x110); // behind the last
    pager.timer(3_000_000);
    expect(log).toEqual(['respond 0 1 at 4600']);
  });

  it('in a guest exits for the response', () => {
    const { pager, log, request, cpu } = setUp({ exitPs: 2_000_000 });
    request(0x100);
    pager.timer(3_000_000);
    expect(log.at(-1)).toBe('respond 0 0 at 6900');
    expect(cpu.account.vmExits).toBe(1);
  });

  it('takes the oldest page back at its rate: table first, then the caches', () => {
    const { pager, log, request } = setUp({ reclaimPs: 4_000_000 });
    request(0x101, 0, false);
    request(0x100);
    pager.timer(3_000_000);
    log.length = 0;
    expect(pager.timerAt()).toBe(4_000_000);
    pager.timer(8_000_000);
    expect(log).toEqual(['clear 257 at 8000', 'invalidate 257']);
    expect(pager.timerAt()).toBe(12_000_000);
    pager.timer(12_000_000);
    expect(pager.timerAt()).toBe(Infinity); // nothing is left to take
  });
});
