import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/lib/prng.ts';
import { OP_READ, OP_WRITE } from '../../src/request.ts';
import type { NicTraffic } from '../../src/spec.ts';
import { Arrivals } from '../../src/traffic/nic/arrivals.ts';
import { makeDevice, runDevice, runTraffic } from '../support/device.ts';
import { nicTraffic } from '../support/spec.mjs';
import { testDriver } from '../support/driver.ts';

const rx: NicTraffic = nicTraffic({
  mtuBytes: 4096,
  ringEntries: 256,
  bufferBytes: 4096,
  completionBytes: 64,
  pollBatch: 64,
});
const tx: NicTraffic = { ...rx, direction: 'tx' };
const LONG = { maxRequests: 40_000, untilPs: Infinity };
/** Wire time of a 4096-byte packet at 40 Gb/s: (4096 + 38) bytes. */
const PACKET_PS = ((4096 + 38) * 8 * 1000) / 40;

describe('receive', () => {
  it('writes each packet in MPS pieces and one completion, and fetches descriptors in batches', () => {
    const { requests, bursts } = runTraffic(rx, 'static', LONG);
    const reads = requests.filter(({ op }) => op === OP_READ);
    const writes = requests.filter(({ op }) => op === OP_WRITE);
    expect(new Set(reads.map(({ lengthBytes }) => lengthBytes))).toEqual(new Set([8 * 16]));
    const packets = bursts.length - reads.length;
    expect(writes.length).toBe(packets * 17);
    expect(writes.slice(0, 17).map(({ lengthBytes }) => lengthBytes)).toEqual([
      ...Array.from({ length: 16 }, () => 256),
      64,
    ]);
    expect(packets / reads.length).toBeCloseTo(8, 0);
  });

  it('maps and unmaps one page a packet in strict mode, none when mappings are kept', () => {
    const strict = runTraffic(rx, 'strict', LONG);
    const { maps, unmaps, invalidationCommands } = strict.driver.mapper.account;
    expect(strict.model.operations).toBeGreaterThan(500);
    expect([unmaps, maps, invalidationCommands]).toEqual([
      strict.model.operations,
      strict.model.operations,
      strict.model.operations,
    ]);
    expect(strict.driver.table.pages.size).toBe(256 + 1 + 4); // buffers, descriptors, completions
    const kept = runTraffic(rx, 'static', LONG);
    expect(kept.model.operations).toBeGreaterThan(500);
    expect([kept.driver.mapper.account.maps, kept.driver.mapper.account.unmaps]).toEqual([0, 0]);
  });

  it('puts two half-page buffers on a page, and three pages under a jumbo frame', () => {
    const half = runTraffic({ ...rx, mtuBytes: 1500, bufferBytes: 2048 }, 'strict', LONG);
    expect(half.driver.mapper.account.unmaps).toBe(Math.floor(half.model.operations / 2));
    const jumbo = runTraffic({ ...rx, mtuBytes: 9000 }, 'strict', LONG);
    expect(jumbo.driver.mapper.account.unmaps).toBe(3 * jumbo.model.operations);
    const data = jumbo.requests.filter(({ lengthBytes, op }) => op === OP_WRITE && lengthBytes !== 64);
    const first = data.filter(({ burst }) => burst === data[0].burst);
    expect(first.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0)).toBe(9000);
    expect(new Set(first.map(({ page }) => page)).size).toBe(3);
  });

  it('receives everything that is offered while core and link keep up', () => {
    const run = runTraffic({ ...rx, offeredGbps: 40 }, 'strict', { untilPs: 2e9, maxRequests: Infinity });
    expect(run.model.drops).toBe(0);
    expect(run.model.operations * PACKET_PS).toBeGreaterThan(2e9 - 10e6);
    expect(run.model.operations * PACKET_PS).toBeLessThan(2e9 + 1e6);
  });

  it('is bound by the core when that is busy, and drops the rest', () => {
    const options = { untilPs: 5e9, maxRequests: Infinity, packetNs: 2000 };
    const run = runTraffic({ ...rx, offeredGbps: 40 }, 'static', options);
    expect(run.model.operations / 2500).toBeCloseTo(1, 2); // one each 2 µs
    const offered = 5e9 / PACKET_PS;
    const waiting = 256 + 128; // ring and packet buffer
    expect(run.model.operations + run.model.drops!).toBeGreaterThan(offered - waiting - 2);
    expect(run.model.operations + run.model.drops!).toBeLessThan(offered);
    expect(run.driver.mapper.account.cpuPs / 5e9).toBeCloseTo(1, 2);
  });

  it('is bound by unmaps in strict mode: the core’s time is packet work, map, unmap and wait', () => {
    const run = runTraffic(rx, 'strict', { untilPs: 2e9, maxRequests: Infinity, packetNs: 300 });
    const { cpuPs, cpuMapPs, cpuUnmapPs, cpuWaitPs } = run.driver.mapper.account;
    expect(run.driver.mapper.cpuFreePs).toBeGreaterThan(2e9 - 1e6);
    expect(cpuPs / run.driver.mapper.cpuFreePs).toBeGreaterThan(0.98);
    // Packet work is charged before the packet counts: the run may end in between.
    const packetPs = cpuPs - cpuMapPs - cpuUnmapPs - cpuWaitPs;
    expect(packetPs - run.model.operations * 300_000).toBeLessThanOrEqual(300_000);
  });

  it('never has more packets under way than the ring has buffers', () => {
    const small = { ...rx, ringEntries: 8 };
    const { bursts, requests } = runTraffic(small, 'static', { ...LONG, maxRequests: 5000 });
    const packets = new Set(requests.filter(({ op }) => op === OP_WRITE).map(({ burst }) => burst));
    const times = [...packets].map((index) => bursts[index]);
    for (const { issuedPs } of times) {
      expect(times.filter((other) => other.issuedPs <= issuedPs && other.donePs > issuedPs).length).toBeLessThanOrEqual(
        8,
      );
    }
  });

  it('recycles pages that sockets have let go, so that only the others are mapped and unmapped', () => {
    const share = (recycle: Partial<NicTraffic['recycle']>) => {
      const run = runTraffic({ ...rx, recycle: { ...rx.recycle, ...recycle } }, 'strict', LONG);
      const { maps, unmaps } = run.driver.mapper.account;
      expect(maps - unmaps).toBeLessThanOrEqual(recycle.pages ?? 0);
      expect(run.driver.table.pages.size).toBe(256 + 5 + maps - unmaps);
      return unmaps / run.model.operations;
    };
    expect(share({ pages: 256 })).toBe(0);
    expect(share({ pages: 8, holdNs: 1e9 })).toBeGreaterThan(0.98);
    const some = { pages: 64, holdNs: 20_000 };
    expect(share({ ...some, order: 'fifo' })).toBeGreaterThan(share({ ...some, order: 'any' }));
  });

  it('maps and gives back the buffers of a descriptor together', () => {
    const striding = { ...rx, buffersPerDescriptor: 64 };
    const run = runTraffic(striding, 'contiguous', LONG);
    const { maps, unmaps, invalidationCommands } = run.driver.mapper.account;
    expect(unmaps).toBeGreaterThan(5);
    expect([maps, invalidationCommands]).toEqual([64 * unmaps, unmaps]);
    expect(run.model.operations - 64 * unmaps).toBeLessThan(64);
    const strict = runTraffic(striding, 'strict', LONG).driver.mapper.account;
    expect([strict.maps % 64, strict.invalidationCommands]).toEqual([0, strict.unmaps]);
  });

  it('lets other cores work between the pages of a descriptor', () => {
    const run = runTraffic({ ...rx, buffersPerDescriptor: 64 }, 'strict', LONG);
    const one = runTraffic(rx, 'strict', LONG);
    expect(run.softwareCalls / run.model.operations).toBeGreaterThan(1.8);
    expect(one.softwareCalls / one.model.operations).toBeLessThan(1.2);
  });

  it('refills later when no buffer can be mapped, and goes on', () => {
    const driver = testDriver('strict');
    const model = makeDevice({ ...rx, ringEntries: 16 }, driver.mapper);
    let broken = 0;
    const map = driver.table.map.bind(driver.table);
    driver.table.map = (...args) =>
      driver.mapper.cpuFreePs > 1e7 && driver.mapper.cpuFreePs < 3e9 && ++broken > 0 ? -12 : map(...args);
    runDevice(model, { untilPs: 6e9, maxRequests: Infinity });
    expect(broken).toBeGreaterThan(1);
    expect(driver.mapper.account.mapFailures).toBe(broken);
    expect(model.operations).toBeGreaterThan(500);
    expect(driver.table.pages.size).toBe(16 + 2);
  });

  it('refuses a ring that cannot hold one packet', () => {
    expect(() => makeDevice({ ...rx, mtuBytes: 9000, ringEntries: 2 }, testDriver('static').mapper)).toThrow(
      'must hold',
    );
  });
});

describe('several queues', () => {
  const four = { ...rx, queues: 4 };

  it('work on a core each, and share the link evenly', () => {
    const run = runTraffic(four, 'strict', { ...LONG, driver: { cores: 4 } });
    const spent = run.driver.cores.map((core) => core.spentPs);
    expect(Math.min(...spent) / Math.max(...spent)).toBeGreaterThan(0.95);
    expect(spent.reduce((sum, ps) => sum + ps, 0)).toBe(run.driver.mapper.account.cpuPs);
    const pages = new Set(run.requests.filter(({ op }) => op === OP_WRITE).map(({ page }) => page));
    expect(pages.size).toBeGreaterThan(4 * 200);
  });

  it('take turns at cores that they share', () => {
    const options = { untilPs: 3e9, maxRequests: Infinity, packetNs: 500 };
    const alone = runTraffic(four, 'static', { ...options, driver: { cores: 4 } }).model.operations;
    const shared = runTraffic(four, 'static', { ...options, driver: { cores: 2 } });
    expect(shared.model.operations / 12_000).toBeCloseTo(1, 1); // 3 ms on two cores at 500 ns a packet
    expect(alone / shared.model.operations).toBeCloseTo(2, 1);
    const [a, b] = shared.driver.cores.map((core) => core.spentPs);
    expect(a / b).toBeCloseTo(1, 1);
  });

  it('are offered their share of the load', () => {
    const run = runTraffic({ ...four, offeredGbps: 40 }, 'strict', {
      untilPs: 2e9,
      maxRequests: Infinity,
      driver: { cores: 4 },
    });
    expect(run.model.drops).toBe(0);
    expect((run.model.operations * PACKET_PS) / 2e9).toBeCloseTo(1, 1);
  });

  it('fill their rings at the same time, page by page', () => {
    const driver = testDriver('strict', { cores: 4 });
    const order: number[] = [];
    for (let queue = 0; queue < 4; queue++) {
      const mapper = driver.mapper.forQueue(queue);
      const map = mapper.mapStatic.bind(mapper);
      mapper.mapStatic = (...args) => {
        order.push(queue);
        return map(...args);
      };
    }
    makeDevice(four, driver.mapper).start();
    // Descriptors and completions of each queue first.
    expect(order.slice(0, 8)).toEqual([0, 0, 1, 1, 2, 2, 3, 3]);
    expect(order.slice(8)).toEqual(Array.from({ length: 1024 }, (_, i) => i % 4));
  });
});

describe('transmit', () => {
  it('frees IOVAs on the core that handles completions, which may not be the one that sends', () => {
    const next = { ...tx, completionCpu: 'next' as const };
    const run = runTraffic(next, 'strict', { ...LONG, driver: { cores: 2, costs: { iovaAllocSlowNs: 1 } } });
    const [sender, reaper] = run.driver.cores;
    expect(run.model.operations).toBeGreaterThan(500);
    expect(sender.spentPs).toBeGreaterThan(0);
    expect(reaper.spentPs).toBeGreaterThan(0);
    const { cpuMapPs, cpuUnmapPs, cpuWaitPs, cpuLockPs } = run.driver.mapper.account;
    expect(reaper.spentPs).toBe(cpuUnmapPs + cpuWaitPs + cpuLockPs);
    expect(sender.spentPs).toBeGreaterThan(cpuMapPs);
    // What is freed there stays in that core's magazines: the sender goes to the tree until the depot gives some back.
    const same = runTraffic(tx, 'strict', { ...LONG, driver: { cores: 2 } });
    expect(run.driver.iova.ranges).toBeGreaterThan(same.driver.iova.ranges + 127);
  });

  it('bounces what is not whole pages for an untrusted device', () => {
    const run = runTraffic({ ...tx, mtuBytes: 1500 }, 'strict', { ...LONG, driver: { bounceSlots: 4096 } });
    const { maps, bounces, copiedBytes } = run.driver.mapper.account;
    expect([bounces, copiedBytes]).toEqual([maps, 1500 * maps]);
    const whole = runTraffic(tx, 'strict', { ...LONG, driver: { bounceSlots: 4096 } });
    expect(whole.driver.mapper.account.bounces).toBe(0);
  });

  it('reads each packet in MRRS pieces, then writes a completion', () => {
    const { requests, bursts, model } = runTraffic(tx, 'strict', LONG);
    expect(model.operations).toBeGreaterThan(500);
    const data = requests.filter(({ op, lengthBytes }) => op === OP_READ && lengthBytes === 512);
    const completions = requests.filter(({ op }) => op === OP_WRITE);
    expect(completions.every(({ lengthBytes }) => lengthBytes === 64)).toBe(true);
    expect(Math.floor(data.length / 8)).toBeGreaterThanOrEqual(completions.length);
    // The completion of packet i is issued after the data of packet i has arrived.
    const dataBursts = [...new Set(data.map(({ burst }) => burst))];
    completions.forEach(({ atPs }, i) => expect(atPs).toBeGreaterThanOrEqual(bursts[dataBursts[i]].donePs));
  });

  it('maps and unmaps every packet', () => {
    const { driver, model } = runTraffic({ ...tx, offeredGbps: 10 }, 'strict', { untilPs: 2e9, maxRequests: Infinity });
    const { maps, unmaps } = driver.mapper.account;
    expect(unmaps).toBe(model.operations);
    expect(maps - unmaps).toBeLessThan(8);
    expect(model.operations / (2e9 / (4 * PACKET_PS))).toBeCloseTo(1, 1);
  });

  it('is held back by a full ring, not beyond it', () => {
    const { driver } = runTraffic({ ...tx, ringEntries: 8 }, 'strict', {
      ...LONG,
      latencyPs: 50_000_000,
      packetNs: 10,
    });
    const { maps, unmaps } = driver.mapper.account;
    expect(maps - unmaps).toBeLessThanOrEqual(8);
    expect(maps).toBeGreaterThan(100);
  });

  it('maps few buffers when mappings are kept, since freed memory is used again', () => {
    const { driver, model } = runTraffic(tx, 'static', LONG);
    expect(model.operations).toBeGreaterThan(1000);
    expect(driver.mapper.account.maps).toBeLessThanOrEqual(256);
  });

  it('sends again after a map has failed', () => {
    const driver = testDriver('strict');
    const model = makeDevice(tx, driver.mapper);
    const map = driver.table.map.bind(driver.table);
    let calls = 0;
    driver.table.map = (...args) => (++calls > 20 && calls < 40 ? -12 : map(...args));
    runDevice(model, { untilPs: 1e12, maxRequests: 20_000 });
    expect(driver.mapper.account.mapFailures).toBe(19);
    expect(model.operations).toBeGreaterThan(500);
  });
});

describe('both directions', () => {
  it('share the core and both get on', () => {
    const run = runTraffic({ ...rx, direction: 'both' }, 'strict', { untilPs: 1e9, maxRequests: Infinity });
    const received = run.requests.filter(({ op, lengthBytes }) => op === OP_WRITE && lengthBytes === 256).length / 16;
    const sent = run.requests.filter(({ op, lengthBytes }) => op === OP_READ && lengthBytes === 512).length / 8;
    expect(received).toBeGreaterThan(100);
    expect(sent).toBeGreaterThan(100);
  });
});

describe('Arrivals', () => {
  const spec = { gbps: 10, lineGbps: 100, mtuBytes: 1500, flows: 1, burstPackets: 1 };
  const times = (overrides: Partial<typeof spec>, count: number) => {
    const arrivals = new Arrivals({ ...spec, ...overrides }, new Prng(4, 4));
    return Array.from({ length: count }, () => {
      const at = arrivals.nextPs();
      arrivals.advance();
      return at;
    });
  };
  const meanPs = (at: number[]) => (at.at(-1)! - at[0]) / (at.length - 1);
  const packetPs = (1538 * 8 * 1000) / 10;

  it.each([
    [1, 1],
    [1, 16],
    [7, 4],
    [500, 16],
  ])('%i flows in bursts of %i keep the offered rate', (flows, burstPackets) => {
    const at = times({ flows, burstPackets }, 50_000);
    expect(meanPs(at) / packetPs).toBeCloseTo(1, 1);
    expect(at.every((time, i) => i === 0 || time >= at[i - 1])).toBe(true);
  });

  it('send the packets of a burst at line rate', () => {
    const at = times({ burstPackets: 4 }, 8);
    expect(at[1] - at[0]).toBeCloseTo(packetPs / 10, -1);
    expect(at[4] - at[0]).toBeCloseTo(4 * packetPs, -1);
  });

  it('never overlap on the wire', () => {
    const at = times({ flows: 50, burstPackets: 8, gbps: 90 }, 10_000);
    const linePs = (1538 * 8 * 1000) / 100;
    for (let i = 1; i < at.length; i++) expect(at[i] - at[i - 1]).toBeGreaterThanOrEqual(linePs - 1);
  });

  it('always wait when the offered rate is 0', () => {
    expect(times({ gbps: 0 }, 3)).toEqual([0, 0, 0]);
  });
});
