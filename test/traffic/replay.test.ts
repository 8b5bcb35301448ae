import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OP_MAP, OP_READ, OP_UNMAP, OP_WRITE } from '../../src/request.ts';
import type { ReplayTraffic, TraceRows } from '../../src/spec.ts';
import { unmappedRuns } from '../../src/traffic/replay/first-use.ts';
import { makeDevice, runDevice, runTraffic } from '../support/device.ts';
import { testDriver } from '../support/driver.ts';

type Row = readonly [issuePs: number, page: number, offset: number, lengthBytes: number, op: number];
const rows = (list: readonly Row[]): TraceRows => ({
  issuePs: Float64Array.from(list, (row) => row[0]),
  page: Float64Array.from(list, (row) => row[1]),
  offset: Uint16Array.from(list, (row) => row[2]),
  lengthBytes: Uint32Array.from(list, (row) => row[3]),
  op: Uint8Array.from(list, (row) => row[4]),
});
const traffic = (list: readonly Row[], outstanding = 0): ReplayTraffic => ({
  model: 'replay',
  path: 'trace.csv',
  outstanding,
  rows: rows(list),
});

describe('replay', () => {
  it('issues rows at their times, cut as PCIe wants them', () => {
    const run = runTraffic(
      traffic([
        [1000, 5, 4000, 200, OP_READ],
        [9e6, 9, 0, 600, OP_WRITE],
      ]),
      'strict',
    );
    expect(
      run.requests.map(({ atPs, page, offset, lengthBytes, op }) => [atPs, page, offset, lengthBytes, op]),
    ).toEqual([
      [1000, 5, 4000, 96, OP_READ],
      [6000, 6, 0, 104, OP_READ],
      [9e6, 9, 0, 256, OP_WRITE],
      [9_005_000, 9, 256, 256, OP_WRITE],
      [9_010_000, 9, 512, 88, OP_WRITE],
    ]);
    expect(run.model.operations).toBe(2);
  });

  it('ignores times in a closed loop and keeps so many in flight', () => {
    const list = Array.from({ length: 40 }, (_, i): Row => [i * 1e9, 5, 0, 64, OP_READ]);
    const run = runTraffic(traffic(list, 4), 'strict', { latencyPs: 400_000, requestPs: 1000 });
    expect(run.requests.length).toBe(40);
    expect(run.requests.at(-1)!.atPs).toBeLessThan(11 * 401_000);
  });

  it('maps and unmaps at the trace’s IOVAs, when their turn and their time has come', () => {
    const driver = testDriver('strict');
    const device = makeDevice(
      traffic([
        [1e6, 100, 0, 8192, OP_MAP],
        [1e6, 101, 0, 64, OP_WRITE],
        [2e6, 100, 0, 8192, OP_UNMAP],
        [9e6, 100, 0, 4096, OP_MAP],
        [9e6, 100, 0, 64, OP_READ],
      ]),
      driver.mapper,
    );
    const seen: unknown[] = [];
    runDevice(device, {
      latencyPs: 3e6,
      faults: ({ atPs, page }) => {
        seen.push([atPs, page, [...driver.table.pages.keys()]]);
        return false;
      },
    });
    const mapPs = (10 + 3) * 1000;
    expect(seen).toEqual([
      [1e6 + mapPs, 101, [100, 101]], // the write waits until the map has returned
      [9e6 + 10_000, 100, [100]],
    ]);
    // The unmap waited for the write: 1 µs + map + request + 3 µs, not 2 µs.
    expect(driver.mapper.account).toMatchObject({ maps: 2, unmaps: 1 });
    expect([...driver.table.pages.keys()]).toEqual([100]);
    expect(driver.iova.ranges).toBe(0);
  });

  it('waits for DMA in flight before it unmaps', () => {
    const driver = testDriver('strict');
    const list: Row[] = [
      [0, 100, 0, 4096, OP_MAP],
      [0, 100, 0, 64, OP_WRITE],
      [0, 100, 0, 4096, OP_UNMAP],
    ];
    runDevice(makeDevice(traffic(list), driver.mapper), { latencyPs: 3e6, requestPs: 5000 });
    // Map (10 ns), write (5 ns on the link, 3 µs), then 20 + 100 ns of unmap and 2×7 + 200 ns of waiting, polled each 50 ns.
    expect(driver.mapper.cpuFreePs).toBe(10_000 + 5000 + 3e6 + (20 + 100 + 250) * 1000);
  });

  it('reuses memory of what is unmapped as it was mapped', () => {
    const list = Array.from(
      { length: 2000 },
      (_, i): Row => [i, 1000 + (i >> 1), 0, 4096 * 64, i % 2 === 0 ? OP_MAP : OP_UNMAP],
    );
    const run = runTraffic(traffic(list), 'strict', { driver: { memoryPages: 256 }, untilPs: Infinity });
    expect(run.driver.mapper.account).toMatchObject({ maps: 1000, unmaps: 1000, mapFailures: 0 });
  });

  it('counts a map over something mapped as a failure, and goes on', () => {
    const list: Row[] = [
      [0, 7, 0, 4096, OP_MAP],
      [0, 7, 0, 4096, OP_MAP],
      [0, 7, 0, 64, OP_READ],
    ];
    const run = runTraffic(traffic(list), 'strict');
    expect(run.driver.mapper.account).toMatchObject({ maps: 1, mapFailures: 1 });
    expect(run.model.operations).toBe(1);
  });
});

describe('pages that a trace uses but never maps', () => {
  it('are found as runs', () => {
    const list: Row[] = [
      [0, 10, 4095, 2, OP_READ],
      [0, 12, 0, 1, OP_WRITE],
      [0, 20, 0, 4096 * 10, OP_READ],
      [0, 22, 0, 8192, OP_MAP],
      [0, 28, 100, 1, OP_MAP],
      [0, 50, 0, 4096, OP_UNMAP],
    ];
    expect(unmappedRuns(rows(list))).toEqual([
      [10, 3],
      [20, 2],
      [24, 4],
      [29, 1],
    ]);
  });

  it('agree with a set of pages', () => {
    const row = fc.tuple(
      fc.constant(0),
      fc.integer({ min: 1, max: 60 }),
      fc.nat({ max: 4095 }),
      fc.integer({ min: 1, max: 30_000 }),
      fc.constantFrom(OP_READ, OP_WRITE, OP_MAP, OP_UNMAP),
    );
    fc.assert(
      fc.property(fc.array(row, { maxLength: 30 }), (list) => {
        const used = new Set<number>();
        for (const op of [OP_READ, OP_WRITE, OP_MAP]) {
          for (const [, page, offset, length, rowOp] of list) {
            if (rowOp !== op) continue;
            for (let at = page; at * 4096 < page * 4096 + offset + length; at++) {
              if (op === OP_MAP) used.delete(at);
              else used.add(at);
            }
          }
        }
        const found = unmappedRuns(rows(list)).flatMap(([first, pages]) =>
          Array.from({ length: pages }, (_, i) => first + i),
        );
        expect(found).toEqual([...used].sort((a, b) => a - b));
      }),
    );
  });
});
