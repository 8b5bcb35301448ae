import { describe, expect, it } from 'vitest';
import { type AnswerRequest, answerSentences, tenantMetrics } from '../../src/report/answer.ts';
import { byPoint } from '../../src/report/points.ts';
import { simulate } from '../../src/sim/simulate.ts';
import { kernelModule } from '../support/kernel.ts';
import { deviceSpecs, runLimits, runSpec, tenantSpec, uniformTraffic } from '../support/spec.mjs';
import { point } from './support.ts';

const say = (request: AnswerRequest, ...points: ReturnType<typeof point>[]): string[] =>
  answerSentences([request], points);
const slow = point('slow', [{ gbps: 80 }]);
const fast = point('fast', [{ gbps: 100 }]);
const idle = point('idle', [{ gbps: 0 }]);
const unknown = point('unknown', [{}]);

describe('the answer', () => {
  it('says a sentence with values, changes and factors in it', () => {
    const says =
      'From {throughput_gbps @ fast} to {throughput_gbps @ slow}: {throughput_gbps @ slow vs fast}, or {throughput_gbps @ fast over slow}.';
    expect(say({ says }, slow, fast)).toEqual(['From 100 Gbit/s to 80 Gbit/s: −20 %, or 1.25 times.']);
    expect(say({ says: '{throughput_gbps}, {throughput_gbps @ fast vs slow}' }, slow, fast)).toEqual([
      '100 Gbit/s, +25 %',
    ]);
  });

  it('says what single tenants have, over their seeds', () => {
    const traffic = uniformTraffic({ windowBytes: 1 << 20 });
    const spec = runSpec({
      point: 'x',
      run: runLimits({ requests: 3000 }),
      tenants: [
        tenantSpec({ name: 'a', devices: deviceSpecs(2, { traffic }) }),
        tenantSpec({ name: 'b', mode: 'passthrough', devices: deviceSpecs(1, { traffic }, 1, 2) }),
      ],
    });
    const runs = [1, 2].map((seed) => simulate({ ...spec, seed }, kernelModule));
    const requests = [{ says: '{requests of a}, {requests of b @ x}, {requests}; {iotlb_hit_ratio of b @ x}' }];
    const points = byPoint(runs, tenantMetrics(requests));
    const perSeed = runs.map(({ devices }) => devices.map((device) => device.requests));
    const mean = (values: number[]): number => (values[0] + values[1]) / 2;
    const [a, b] = [mean(perSeed.map(([one, two]) => one + two)), mean(perSeed.map((each) => each[2]))];
    const [text] = answerSentences(requests, points);
    const numbers = text.split(', ').map((part) => Number.parseFloat(part));
    expect(a + b).toBe(3000);
    expect(numbers[0]).toBeCloseTo(a, -1);
    expect(numbers[1]).toBeCloseTo(b, -1);
    expect(text).toMatch(/3000.*; no value$/);
  });

  it('says so where a sentence has no value', () => {
    const says = '{throughput_gbps @ gone}; {throughput_gbps @ fast vs idle}; {iotlb_hit_ratio @ fast}';
    expect(say({ says }, fast, idle)).toEqual(['no value; no value; no value']);
  });

  it('says a value with its unit, of the last point when none is named', () => {
    expect(say({ metric: 'throughput_gbps' }, slow, fast)).toEqual(['throughput_gbps of fast: 100 Gbit/s.']);
    expect(say({ metric: 'throughput_gbps', of: 'slow' }, slow, fast)).toEqual(['throughput_gbps of slow: 80 Gbit/s.']);
  });

  it('names no point when the scenario has one', () => {
    expect(say({ metric: 'iotlb_hit_ratio' }, point('', [{ hits: 500 }]))).toEqual(['iotlb_hit_ratio: 0.5.']);
  });

  it('says the interval of several seeds', () => {
    const seeds = point('', [{ gbps: 8 }, { gbps: 16 }, { gbps: 24 }]);
    // deviation 8, t(2) = 4.303: 4.303 × 8 / √3 = 19.87, in two digits
    expect(say({ metric: 'throughput_gbps' }, seeds)).toEqual(['throughput_gbps: 16 ± 20 Gbit/s.']);
  });

  it.each([
    [slow, fast, '80 Gbit/s, against 100 Gbit/s of fast: −20 Gbit/s, −20 %.'],
    [fast, slow, '100 Gbit/s, against 80 Gbit/s of slow: +20 Gbit/s, +25 %.'],
    [point('triple', [{ gbps: 240 }]), slow, '240 Gbit/s, against 80 Gbit/s of slow: +160 Gbit/s, 3 times.'],
    [fast, idle, '100 Gbit/s, against 0 Gbit/s of idle: +100 Gbit/s.'],
    [idle, fast, '0 Gbit/s, against 100 Gbit/s of fast: −100 Gbit/s, −100 %.'],
  ])('compares two points %#', (of, against, text) => {
    const request = { metric: 'throughput_gbps', of: of.name, against: against.name };
    expect(say(request, of, against)).toEqual([`throughput_gbps of ${of.name}: ${text}`]);
  });

  it('says so when a point has no value', () => {
    const request = { metric: 'iotlb_hit_ratio', of: 'unknown', against: 'half' };
    expect(say(request, unknown, point('half', [{ hits: 500 }]))).toEqual([
      'iotlb_hit_ratio of unknown: no value, against 0.5 of half.',
    ]);
    expect(say({ metric: 'iotlb_hit_ratio' }, unknown)).toEqual(['iotlb_hit_ratio of unknown: no value.']);
  });

  it('is silent without points', () => expect(say({ metric: 'faults' })).toEqual([]));
});

describe('where a value crosses a limit', () => {
  const sweep = [900, 700, 400, 100].map((hits, i) => point(`n=${i}`, [{ hits }]));
  const crossing = (crosses: number, ...points: ReturnType<typeof point>[]) =>
    say({ metric: 'iotlb_hit_ratio', crosses }, ...points);

  it('names the first point below, and what came before', () => {
    expect(crossing(0.5, ...sweep)).toEqual(['iotlb_hit_ratio falls below 0.5 at n=2 (0.4, after 0.7 at n=1).']);
  });

  it('names the first point that reaches it from below', () => {
    expect(crossing(0.7, ...sweep.toReversed())).toEqual([
      'iotlb_hit_ratio reaches 0.7 at n=1 (0.7, after 0.4 at n=2).',
    ]);
  });

  it('skips points without a value', () => {
    expect(crossing(0.8, unknown, ...sweep)).toEqual([
      'iotlb_hit_ratio falls below 0.8 at n=1 (0.7, after 0.9 at n=0).',
    ]);
  });

  it('says so when it does not, or nothing has a value', () => {
    expect(crossing(0.05, ...sweep)).toEqual(['iotlb_hit_ratio stays at or above 0.05 at all points.']);
    expect(crossing(0.95, ...sweep)).toEqual(['iotlb_hit_ratio stays below 0.95 at all points.']);
    expect(crossing(0.5, unknown)).toEqual(['iotlb_hit_ratio: no value at any point.']);
  });
});

describe('no difference', () => {
  const twin = point('twin', [{ gbps: 100 }]);

  it('has no sign in a sentence of the scenario', () => {
    expect(say({ says: 'by {throughput_gbps @ twin vs fast}' }, fast, twin)).toEqual(['by 0 %']);
    const near = point('near', [{ gbps: 100.01 }]);
    expect(say({ says: 'by {throughput_gbps @ near vs fast}' }, fast, near)).toEqual(['by 0 %']);
  });

  it('is said in words in a comparison', () => {
    expect(say({ metric: 'throughput_gbps', of: 'twin', against: 'fast' }, fast, twin)).toEqual([
      'throughput_gbps of twin: 100 Gbit/s, against 100 Gbit/s of fast: no difference.',
    ]);
  });
});

describe('where one case overtakes another', () => {
  const series = (name: string, values: readonly number[]) =>
    values.map((gbps, i) => point(`${name} cores=${2 ** i}`, [{ gbps }]));
  const overtaking = (own: readonly number[], his: readonly number[]) =>
    say(
      { metric: 'throughput_gbps', of: 'lazy', overtakes: 'strict' },
      ...series('strict', his),
      ...series('lazy', own),
    );

  it('names the first setting at which it is above, with both values there and before', () => {
    expect(overtaking([1, 5, 9], [4, 5, 6])).toEqual([
      'throughput_gbps: lazy overtakes strict at cores=4 (9 against 6 Gbit/s, after 5 against 5 at cores=2).',
    ]);
  });

  it('says so when it always is, or never', () => {
    expect(overtaking([9, 1], [4, 5])).toEqual(['throughput_gbps: lazy is above strict from cores=1 on.']);
    expect(overtaking([1, 5], [4, 5])).toEqual(['throughput_gbps: lazy never overtakes strict.']);
  });

  it('is silent when one of them was not run', () => expect(overtaking([1], [])).toEqual([]));
});
