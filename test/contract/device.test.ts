/** What every device model promises, over configurations that reach its corners. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OP_MAP, OP_READ, OP_UNMAP, OP_WRITE, PAGE_BYTES } from '../../src/request.ts';
import type { NicTraffic, TraceRows, TrafficSpec, WindowTraffic } from '../../src/spec.ts';
import { Burst } from '../../src/traffic/device.ts';
import { devices } from '../../src/traffic/devices/index.ts';
import { LINK, makeDevice, runDevice, runTraffic } from '../support/device.ts';
import { testDriver } from '../support/driver.ts';

export function traceRows(rows: readonly (readonly [number, number, number, number, number])[]): TraceRows {
  return {
    issuePs: Float64Array.from(rows, (row) => row[0]),
    page: Float64Array.from(rows, (row) => row[1]),
    offset: Uint16Array.from(rows, (row) => row[2]),
    lengthBytes: Uint32Array.from(rows, (row) => row[3]),
    op: Uint8Array.from(rows, (row) => row[4]),
  };
}

const windowTraffic: fc.Arbitrary<WindowTraffic> = fc
  .record({
    transferBytes: fc.constantFrom(1, 64, 100, 256, 1500, 4096, 9000, 65536),
    slots: fc.integer({ min: 1, max: 3000 }),
    readFraction: fc.constantFrom(0, 0.3, 1),
    outstanding: fc.integer({ min: 1, max: 40 }),
    ratePerSecond: fc.constantFrom(0, 1_000_000, 50_000_000),
    arrivals: fc.constantFrom('fixed' as const, 'poisson' as const),
  })
  .map(({ slots, ...rest }) => ({ ...rest, windowBytes: slots * rest.transferBytes }));

const nicTraffic: fc.Arbitrary<NicTraffic> = fc.record({
  model: fc.constant('nic' as const),
  direction: fc.constantFrom('rx' as const, 'tx' as const, 'both' as const),
  offeredGbps: fc.constantFrom(0, 1, 40, 400),
  mtuBytes: fc.constantFrom(64, 1500, 4096, 9000),
  ringEntries: fc.constantFrom(8, 9, 64, 256),
  bufferBytes: fc.constantFrom(2048, 3072, 4096, 8192),
  descriptorBytes: fc.constantFrom(16, 32, 64),
  completionBytes: fc.constantFrom(16, 64),
  descriptorBatch: fc.constantFrom(1, 4, 16),
  pollBatch: fc.constantFrom(1, 8, 64),
  flows: fc.constantFrom(1, 5, 100),
  burstPackets: fc.constantFrom(1, 16),
  queues: fc.constantFrom(1, 1, 2, 5),
  buffersPerDescriptor: fc.constant(1),
  completionCpu: fc.constantFrom('same' as const, 'next' as const),
  recycle: fc.record({
    pages: fc.constantFrom(0, 4, 64),
    order: fc.constantFrom('fifo' as const, 'any' as const),
    holdNs: fc.constantFrom(0, 3000, 1_000_000),
  }),
});

const traceRow = fc.tuple(
  fc.nat({ max: 400_000 }),
  fc.oneof(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 2 ** 40, max: 2 ** 40 + 5 })),
  fc.nat({ max: 4095 }),
  fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 20_000 })),
  fc.constantFrom(OP_READ, OP_READ, OP_WRITE, OP_MAP, OP_UNMAP),
);

const TRAFFIC: Record<TrafficSpec['model'], fc.Arbitrary<TrafficSpec>> = {
  uniform: windowTraffic.map((window) => ({ model: 'uniform', ...window })),
  sequential: fc
    .tuple(windowTraffic, fc.constantFrom(0, 64, 100, 5000))
    .map(([window, strideBytes]) => ({ model: 'sequential', strideBytes, ...window })),
  zipf: fc
    .tuple(windowTraffic, fc.constantFrom(0, 0.8, 1, 2))
    .map(([window, exponent]) => ({ model: 'zipf', exponent, ...window })),
  nic: nicTraffic,
  replay: fc
    .tuple(fc.array(traceRow, { minLength: 1, maxLength: 80 }), fc.constantFrom(0, 4))
    .map(([rows, outstanding]) => ({
      model: 'replay',
      path: 'trace.csv',
      outstanding,
      rows: traceRows([...rows].sort((a, b) => a[0] - b[0])),
    })),
};

const POLICIES = ['strict', 'lazy', 'static', 'passthrough'] as const;
const MAX_REQUESTS = 1000;
const options = { numRuns: 20 };

describe.each(Object.keys(devices) as TrafficSpec['model'][])('%s', (model) => {
  const traffic = TRAFFIC[model];

  it('issues requests that PCIe allows: inside one page, no longer than MPS or MRRS', () => {
    fc.assert(
      fc.property(traffic, fc.constantFrom(...POLICIES), (spec, policy) => {
        const { requests, model: device } = runTraffic(spec, policy, { maxRequests: MAX_REQUESTS });
        const perBurst = new Map<number, number>();
        for (const { burst, page, offset, lengthBytes, op } of requests) {
          perBurst.set(burst, (perBurst.get(burst) ?? 0) + 1);
          const limit = op === OP_WRITE ? LINK.maxPayloadBytes : LINK.maxReadRequestBytes;
          if (!(lengthBytes >= 1 && lengthBytes <= limit && offset + lengthBytes <= PAGE_BYTES)) {
            throw new Error(`request of ${lengthBytes} at offset ${offset}`);
          }
          if (!(Number.isInteger(page) && page >= 0)) throw new Error(`page ${page}`);
        }
        expect(Math.max(0, ...perBurst.values())).toBeLessThanOrEqual(device.burstCapacity);
      }),
      options,
    );
  });

  it('only touches what is mapped, with the permission that it has', () => {
    if (model === 'replay') return; // a trace may use what it unmapped: that is a fault, and the trace's
    fc.assert(
      fc.property(traffic, fc.constantFrom('strict', 'lazy', 'static'), (spec, policy) => {
        const driver = testDriver(policy);
        const device = makeDevice(spec, driver.mapper);
        // A burst is checked when it is issued: every page must be in the table then.
        const faults = ({ page, op }: { page: number; op: number }) => {
          const mapping = driver.table.pages.get(page);
          const needed = op === OP_WRITE ? 2 : 1;
          if (mapping === undefined || (mapping.prot & needed) === 0) throw new Error(`page ${page} op ${op}`);
          return false;
        };
        runDevice(device, { maxRequests: MAX_REQUESTS, faults });
      }),
      options,
    );
  });

  it('is a function of its seed and index alone', () => {
    fc.assert(
      fc.property(traffic, fc.constantFrom(...POLICIES), (spec, policy) => {
        const run = (seed: number, index: number) =>
          runTraffic(spec, policy, { maxRequests: 300, seed, index }).requests;
        expect(run(7, 3)).toEqual(run(7, 3));
      }),
      options,
    );
  });

  it('is not changed by a device beside it', () => {
    fc.assert(
      fc.property(traffic, (spec) => {
        const alone = makeDevice(spec, testDriver('static').mapper, { index: 1 });
        const beside = makeDevice(spec, testDriver('static').mapper, { index: 1 });
        const other = makeDevice(spec, testDriver('static').mapper, { index: 2 });
        for (const device of [alone, beside, other]) device.start();
        const bursts = [alone, beside, other].map((device) => new Burst(device.burstCapacity));
        for (let i = 0; i < 50; i++) {
          const results = [alone, other, beside].map((device) => {
            const burst = bursts[device === alone ? 0 : device === beside ? 1 : 2];
            burst.count = 0;
            if (!device.nextBurst(i * 1000, burst)) return 'nothing';
            device.burstDone(burst.token, i * 1000, false);
            return [
              burst.earliestPs,
              burst.token,
              ...burst.page.subarray(0, burst.count),
              ...burst.op.subarray(0, burst.count),
            ];
          });
          expect(results[2]).toEqual(results[0]);
        }
      }),
      options,
    );
  });

  it('asks for integer times that never go back', () => {
    fc.assert(
      fc.property(traffic, (spec) => {
        const times = runTraffic(spec, 'strict', { maxRequests: MAX_REQUESTS }).bursts.map(
          ({ earliestPs }) => earliestPs,
        );
        expect(times.every((at) => Number.isInteger(at) && at >= 0)).toBe(true);
        expect(times.every((at, i) => i === 0 || at >= times[i - 1])).toBe(true);
      }),
      options,
    );
  });

  it('goes on after faults', () => {
    fc.assert(
      fc.property(traffic, (spec) => {
        const healthy = runTraffic(spec, 'static', { maxRequests: 500, untilPs: 2e7 });
        const broken = runTraffic(spec, 'static', { maxRequests: 500, untilPs: 2e7, faults: () => true });
        expect(broken.requests.length).toBe(healthy.requests.length);
        expect(broken.model.operations).toBe(0);
      }),
      options,
    );
  });

  it('keeps its closed loop within the outstanding limit', () => {
    if (model === 'nic') return; // limited by its rings: see the NIC's own tests
    fc.assert(
      fc.property(traffic, (spec) => {
        const { bursts, model: device } = runTraffic(spec, 'static', { maxRequests: 500 });
        for (const { issuedPs } of bursts) {
          const open = bursts.filter((other) => other.issuedPs <= issuedPs && other.donePs > issuedPs).length;
          if (open > device.outstandingBursts) throw new Error(`${open} in flight`);
        }
        const outstanding = (spec as WindowTraffic).outstanding;
        expect(device.outstandingBursts).toBe(outstanding === 0 ? Infinity : outstanding);
      }),
      options,
    );
  });
});
