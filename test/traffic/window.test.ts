import { describe, expect, it } from 'vitest';
import { OP_READ, OP_WRITE } from '../../src/request.ts';
import type { WindowTraffic } from '../../src/spec.ts';
import { runTraffic } from '../support/device.ts';
import { chiSquare, chiSquareLimit } from '../support/statistics.ts';

const window: WindowTraffic = {
  windowBytes: 1 << 20,
  transferBytes: 64,
  readFraction: 1,
  outstanding: 8,
  ratePerSecond: 0,
  arrivals: 'fixed',
};
const FOREVER = { untilPs: Infinity, maxRequests: 20_000 };
/** Byte of the window, counted from its first IOVA page. */
const bytes = (run: ReturnType<typeof runTraffic>) => {
  const base = 0x100000 - 256; // the 256 pages just below 4 GiB
  return run.requests.map(({ page, offset }) => (page - base) * 4096 + offset);
};

describe('uniform', () => {
  it('hits every page of the window equally often, aligned to the transfer', () => {
    const at = bytes(runTraffic({ model: 'uniform', ...window }, 'static', FOREVER));
    expect(at.every((byte) => byte % 64 === 0 && byte >= 0 && byte < 1 << 20)).toBe(true);
    const counts = new Float64Array(256);
    for (const byte of at) counts[byte >> 12]++;
    expect(chiSquare(counts, new Float64Array(256).fill(at.length / 256))).toBeLessThan(chiSquareLimit(255));
    expect(new Set(at).size).toBeGreaterThan(10_000); // and within pages
  });

  it('mixes reads and writes as asked', () => {
    const run = runTraffic({ model: 'uniform', ...window, readFraction: 0.25 }, 'static', FOREVER);
    const reads = run.requests.filter(({ op }) => op === OP_READ).length;
    expect(reads / run.requests.length).toBeCloseTo(0.25, 1);
    expect(run.requests.every(({ op }) => op === OP_READ || op === OP_WRITE)).toBe(true);
  });

  it('gives the same places whether all requests are alike or not', () => {
    // The commonest case has code of its own: it must agree with the general one, which open loop takes.
    const closed = bytes(runTraffic({ model: 'uniform', ...window }, 'static', FOREVER));
    const open = bytes(
      runTraffic({ model: 'uniform', ...window, ratePerSecond: 1e9, outstanding: 0 }, 'static', FOREVER),
    );
    // Open loop draws its phase first: one float, two numbers of the stream.
    expect(open.length).toBe(closed.length);
    expect(open.slice(0, 1000)).toEqual(closed.slice(2, 1002));
  });

  it('cuts a 9000-byte write into MPS pieces at page boundaries', () => {
    const big = { ...window, transferBytes: 9000, windowBytes: 9000, readFraction: 0 };
    const run = runTraffic({ model: 'uniform', ...big }, 'static', { maxRequests: 36 });
    expect(run.requests.map(({ lengthBytes }) => lengthBytes)).toEqual([
      ...Array.from({ length: 16 }, () => 256),
      ...Array.from({ length: 16 }, () => 256),
      256,
      256,
      256,
      40,
    ]);
    expect(run.requests.map(({ page }) => page - run.requests[0].page)).toEqual([
      ...Array.from({ length: 16 }, () => 0),
      ...Array.from({ length: 16 }, () => 1),
      ...Array.from({ length: 4 }, () => 2),
    ]);
  });
});

describe('sequential', () => {
  it('goes through the window by its stride and begins again', () => {
    const traffic = {
      model: 'sequential',
      ...window,
      windowBytes: 4096,
      transferBytes: 1024,
      strideBytes: 1500,
    } as const;
    const run = runTraffic({ ...traffic, readFraction: 0 }, 'static', { maxRequests: 24 });
    const starts = run.requests.filter((request, i) => i === 0 || request.burst !== run.requests[i - 1].burst);
    expect(starts.map(({ offset }) => offset)).toEqual([0, 1500, 3000, 0, 1500, 3000]);
  });
});

describe('zipf', () => {
  it('gives pages the probabilities of their ranks, and spreads ranks over the window', () => {
    const traffic = { model: 'zipf', ...window, exponent: 1 } as const;
    const at = bytes(runTraffic(traffic, 'static', FOREVER));
    const counts = new Map<number, number>();
    for (const byte of at) counts.set(byte >> 12, (counts.get(byte >> 12) ?? 0) + 1);
    const ranked = [...counts].sort((a, b) => b[1] - a[1]);
    const harmonic = Array.from({ length: 256 }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b);
    expect(ranked[0][1] / at.length).toBeCloseTo(1 / harmonic, 2);
    expect(ranked[1][1] / at.length).toBeCloseTo(1 / 2 / harmonic, 2);
    const neighbours = ranked.slice(0, 20).filter(([page], i) => i > 0 && Math.abs(page - ranked[i - 1][0]) <= 1);
    expect(neighbours.length).toBeLessThan(4);
    expect(new Set(at.map((byte) => (byte % 4096) / 64)).size).toBe(64);
  });
});

describe('open loop', () => {
  const earliest = (arrivals: 'fixed' | 'poisson', index: number) =>
    runTraffic({ model: 'uniform', ...window, ratePerSecond: 3_000_000, arrivals, outstanding: 0 }, 'static', {
      ...FOREVER,
      index,
    }).bursts.map(({ earliestPs }) => earliestPs);

  it('fixed: one transfer each 1/rate, without drift, each device at its own phase', () => {
    const times = earliest('fixed', 0);
    const interval = 1e12 / 3_000_000;
    for (let i = 0; i < times.length; i++) expect(Math.abs(times[i] - times[0] - i * interval)).toBeLessThanOrEqual(1);
    expect(times[0]).toBeLessThan(interval);
    expect(earliest('fixed', 1)[0]).not.toBe(times[0]);
  });

  it('poisson: exponential gaps with mean 1/rate', () => {
    const times = earliest('poisson', 0);
    const gaps = times.slice(1).map((at, i) => (at - times[i]) * 3e-6);
    const mean = gaps.reduce((a, b) => a + b) / gaps.length;
    const variance = gaps.reduce((a, b) => a + (b - mean) ** 2, 0) / gaps.length;
    expect(mean).toBeCloseTo(1, 1);
    expect(variance).toBeCloseTo(1, 1);
  });

  it('is held back by its outstanding limit only', () => {
    const traffic = { model: 'uniform', ...window, ratePerSecond: 1e9, outstanding: 4 } as const;
    const run = runTraffic(traffic, 'static', {
      latencyPs: 400_000,
      requestPs: 1000,
      maxRequests: 4000,
      untilPs: Infinity,
    });
    const perRequestPs = (run.bursts.at(-1)!.issuedPs - run.bursts[0].issuedPs) / (run.bursts.length - 1);
    expect(perRequestPs / 100_250).toBeCloseTo(1, 1); // 4 transfers each 401 ns
  });
});
