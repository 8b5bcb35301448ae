import { describe, expect, it } from 'vitest';
import { load, problems } from './support.ts';

const scenario = (mode: string, device: string, more = '') => `question: What?
tenants:
  t:
    mode: ${mode}
    ${more}
    memoryBytes: 64MiB
    devices:
      d:
        ${device}
        traffic: { model: uniform, windowBytes: 4KiB, transferBytes: 64 }
run: { requests: 10 }
`;

describe('ats and pri', () => {
  it('are not there unless asked for', () => {
    const [device] = load(scenario('host', 'pasid: 1', 'host: { format: amd-v2 }')).points[0].tenants[0].devices;
    expect([device.ats, device.pri]).toEqual([undefined, undefined]);
  });

  it('have defaults for all that is not said', () => {
    const [device] = load(scenario('host', 'ats: { entries: 96, ways: 8 }\n        pri: { groupPages: 4 }')).points[0]
      .tenants[0].devices;
    expect(device.ats).toMatchObject({ entries: 96, ways: 8, replacement: 'lru', leafLog2: [12, 21], allowed: true });
    expect(device.pri).toMatchObject({ groupPages: 4, outstanding: 32, reclaimPerSecond: 0 });
  });

  it.each([
    ['9:14', 'host', 'pri: {}', 'page requests need ATS; add ats: {}'],
    ['9:14', 'shadow', 'ats: {}', 'a unit that is emulated for mode shadow has no ATS; expected another mode'],
    ['10:14', 'passthrough', 'ats: {}\n        pri: {}', 'mode passthrough maps everything'],
    ['9:14', 'host', 'ats: {}\n        domain: x', 'a device with ATS has a domain of its own'],
    ['9:25', 'host', 'ats: { entries: 100, ways: 8 }', '100 entries cannot be divided into sets of 8 ways'],
    ['9:26', 'host', 'ats: { leafLog2: [21, 12] }', 'leaf sizes must ascend'],
    ['9:26', 'host', 'ats: { leafLog2: [21] }', 'the smallest leaf size must be 12 (4 KiB)'],
    ['9:33', 'host', 'ats: { invalidateQueue: 33 }', '33 is out of range; expected 1 to 32'],
  ])('at %s, mode %s with %s is a mistake', (place, mode, device, message) => {
    expect(problems(scenario(mode, device)).join('\n')).toContain(`test.yaml:${place}: ${message}`);
  });
});
