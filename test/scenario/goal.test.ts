import { describe, expect, it } from 'vitest';
import { parseGoal } from '../../src/scenario/goal.ts';

const UNITS = new Map([
  ['throughput_gbps', 'Gbit/s'],
  ['translation_ns_p99', 'ns'],
  ['iotlb_hit_ratio', ''],
]);

describe('a goal', () => {
  it.each([
    ['throughput_gbps>=95', 'throughput_gbps', true, 95],
    [' throughput_gbps >= 1.5Tbps ', 'throughput_gbps', true, 1500],
    ['translation_ns_p99<=600', 'translation_ns_p99', false, 600],
    ['translation_ns_p99<=1.5us', 'translation_ns_p99', false, 1500],
    ['translation_ns_p99<600', 'translation_ns_p99', false, 600],
    ['iotlb_hit_ratio>=90%', 'iotlb_hit_ratio', true, 0.9],
    ['iotlb_hit_ratio>=1e-3', 'iotlb_hit_ratio', true, 0.001],
  ])('%s', (text, metric, atLeast, limit) => {
    expect(parseGoal(text, UNITS)).toMatchObject({ metric, atLeast, limit });
  });

  it.each([
    ['throughput', /expected metric>=value or metric<=value, such as throughput_gbps>=95/],
    ['throughput_gbp>=1', /unknown column "throughput_gbp"; did you mean "throughput_gbps"/],
    ['x>=1', /"nestwalk list columns" shows them all/],
    ['throughput_gbps=95', /expected >= or <=/],
    ['throughput_gbps>=fast', /"fast" is not a rate/],
    ['translation_ns_p99<=5GB', /unknown unit "GB"; expected one of ps/],
    ['iotlb_hit_ratio>=high', /"high" is not a number/],
    ['translation_ns_p99<=90%', /translation_ns_p99<=90%: /],
  ])('%s is refused', (text, message) => {
    expect(() => parseGoal(text, UNITS)).toThrow(message);
  });
});
