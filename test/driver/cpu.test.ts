/** Cores and locks as resources, and who waits for whom in a domain. */
import { describe, expect, it } from 'vitest';
import { Core, DriverCpu, Lock } from '../../src/driver/cpu.ts';
import type { KernelEra } from '../../src/spec.ts';
import { PROT_READ } from '../../src/traffic/mapper.ts';
import { COSTS, testDriver } from '../support/driver.ts';

describe('a core', () => {
  it('is busy until its next-free time; idle time before work does not count', () => {
    const core = new Core(0);
    const cpu = new DriverCpu(core);
    cpu.begin(1000);
    cpu.spend(500);
    cpu.begin(4000);
    cpu.spend(300);
    expect([core.freePs, core.spentPs]).toEqual([4300, 800]);
    expect([core.busyUntil(4300), core.busyUntil(4100), core.busyUntil(9000)]).toEqual([800, 600, 800]);
  });

  it('lets its queues take turns: who waited longest comes first, a ps apart', () => {
    const core = new Core(0);
    const [a, b, c] = [new DriverCpu(core), new DriverCpu(core), new DriverCpu(core)];
    for (const cpu of [a, b, c]) {
      cpu.begin(0);
      cpu.spend(100);
    }
    expect([a.turnPs, b.turnPs, c.turnPs]).toEqual([300, 301, 302]);
    a.begin(300);
    a.spend(100);
    expect([a.turnPs, b.turnPs, c.turnPs]).toEqual([402, 400, 401]);
  });

  it('serves one queue alone without delay', () => {
    const cpu = new DriverCpu(new Core(0));
    cpu.begin(0);
    cpu.spend(100);
    expect(cpu.turnPs).toBe(100);
  });

  it('looks at a completion at once, and then every poll interval', () => {
    const cpu = new DriverCpu(new Core(0));
    const after = (atPs: number, pollPs: number) => {
      cpu.begin(1e6);
      cpu.core.freePs = 1e6;
      cpu.pollUntil(atPs, pollPs);
      return cpu.freePs - 1e6;
    };
    expect([after(1e6, 1000), after(1e6 + 1, 1000), after(1e6 + 1000, 1000), after(1e6 + 1001, 1000)]).toEqual([
      0, 1000, 1000, 2000,
    ]);
    expect(after(1e6 + 777, 0)).toBe(777);
  });
});

describe('a lock', () => {
  it('is had at once when free, else when it is dropped and handed on', () => {
    const lock = new Lock();
    const [a, b] = [new DriverCpu(new Core(0)), new DriverCpu(new Core(1))];
    a.take(lock, 50);
    a.spend(1000);
    a.drop(lock);
    b.begin(400);
    b.take(lock, 50);
    expect(b.freePs).toBe(1050);
    expect([a.account.cpuLockPs, b.account.cpuLockPs]).toEqual([0, 650]);
    expect(b.account.cpuPs).toBe(650);
  });
});

/** Two cores unmap a page each of one domain at the same time; how long the second spins for locks. */
function contention(era: KernelEra): number {
  const driver = testDriver('strict', { era });
  const second = driver.secondMapper();
  const [first, other] = [driver.mapper.map(0, 1, PROT_READ), second.map(1, 1, PROT_READ)];
  const startPs = Math.max(driver.mapper.cpuFreePs, second.cpuFreePs);
  driver.mapper.work(startPs, 0);
  second.work(startPs, 0);
  second.account.reset();
  driver.mapper.unmap(first, 1);
  second.unmap(other, 1);
  return second.account.cpuLockPs / 1000;
}

describe('two cores that unmap in one domain at once', () => {
  const submitNs = COSTS.invalidateSubmitNs;
  /** 7 + 7 + 200 ns of commands, looked at every 50 ns. */
  const waitNs = 250;

  it('AMD up to 6.12: the second waits for the whole flush of the first, its completion wait included', () => {
    for (const era of ['amd-5.13', 'amd-6.1', 'amd-6.12'] as const) expect(contention(era)).toBe(submitNs + waitNs);
  });

  it('AMD 7.2: the domain lock is still held throughout', () => {
    expect(contention('amd-7.2')).toBe(submitNs + waitNs);
  });

  it('Intel: only while the descriptors are written', () => {
    for (const era of ['intel-6.1', 'intel-6.12'] as const) expect(contention(era)).toBe(submitNs);
  });
});

/** The same by two domains that share a unit's command queue. */
function queueContention(era: KernelEra): number {
  const [one, other] = [testDriver('strict', { era }), testDriver('strict', { era })];
  const shared = one.units[0].lock;
  other.units[0].lock.freePs = 0;
  const first = one.mapper.map(0, 1, PROT_READ);
  one.mapper.unmap(first, 1);
  const heldUntilPs = shared.freePs;
  return (one.mapper.cpuFreePs - heldUntilPs - COSTS.iovaFreeNs * 1000) / 1000;
}

describe('the lock of a command queue', () => {
  it('AMD up to 6.12: is held until the completion wait has been seen', () => {
    expect(queueContention('amd-6.1')).toBe(0);
    expect(queueContention('amd-6.12')).toBe(0);
  });

  it('AMD 7.2 and Intel: is free while the completion is polled', () => {
    expect(queueContention('amd-7.2')).toBe(250);
    expect(queueContention('intel-6.12')).toBe(250);
  });
});

describe('the lock of the tree of IOVAs', () => {
  it('is held by every allocation that no magazine serves: 33 pages and more always', () => {
    const driver = testDriver('strict', { era: 'intel-6.12' });
    const second = driver.secondMapper();
    driver.mapper.map(0, 64, PROT_READ);
    second.map(1000, 64, PROT_READ);
    expect(second.account.cpuLockPs).toBe(COSTS.iovaAllocSlowNs * 1000);
  });

  it('is not needed where the core’s magazines serve', () => {
    const driver = testDriver('strict', { era: 'intel-6.12' });
    const second = driver.secondMapper();
    for (const mapper of [driver.mapper, second]) mapper.unmap(mapper.map(0, 1, PROT_READ), 1);
    const nowPs = Math.max(driver.mapper.cpuFreePs, second.cpuFreePs);
    driver.mapper.work(nowPs, 0);
    second.work(nowPs, 0);
    for (const mapper of [driver.mapper, second]) {
      mapper.account.reset();
      mapper.map(0, 1, PROT_READ);
      expect(mapper.account).toMatchObject({ cpuLockPs: 0, cpuMapPs: (COSTS.iovaAllocNs + COSTS.mapNs) * 1000 });
    }
  });
});
