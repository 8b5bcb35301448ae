/** The picture of a walk from steps alone; format.nesting.test.ts draws every pair of formats. */
import { describe, expect, it } from 'vitest';
import type { ExplainStep } from '../../src/iommu/explain.ts';
import { walkPicture } from '../../src/iommu/walk-picture.ts';

const step = (source: ExplainStep['source'], more: Partial<ExplainStep> = {}): ExplainStep => ({
  ...{ read: 0, source, stage: null, level: null, index: null, address: '0x1000', value: '0x0' },
  ...{ fields: {}, meaning: '', costNs: 0, sumNs: 0 },
  ...more,
});
const host = (level: number, read: number): ExplainStep => step('host table', { stage: 'host', level, read });
const guest = (level: number, read: number): ExplainStep =>
  step('guest table', { stage: 'guest', level, read, fields: { address: '0xa000' } });
const device = step('device table', { read: 1 });
const to = { target: '0xb000' };

describe('the picture of a walk', () => {
  it('is one row for one stage', () => {
    expect(walkPicture([device, host(2, 2), host(1, 3), host(0, 4)], to)).toEqual([
      '              table, level',
      '                   2      1      0',
      'device table      [1]',
      'page              [2]───▶[3]───▶[4] ▶ 0xb000',
      '',
      '[n]   the n-th read of memory',
    ]);
  });

  it('is the same row for a single stage that is walked as guest tables are', () => {
    const rows = walkPicture([device, step('PASID table', { read: 2 }), guest(1, 3), guest(0, 4)], to);
    expect(rows).toContain('page              [3]───▶[4] ▶ 0xb000');
  });

  it('is a rectangle for two stages, with what caches knew and what was not needed', () => {
    const cached = step('walk cache', { stage: 'host', level: 1 });
    const steps = [device, host(1, 2), host(0, 3), guest(1, 4), cached, host(0, 5), guest(0, 6)];
    expect(walkPicture([...steps, step('nested TLB', { stage: 'host' })], to)).toEqual([
      '              host table, level',
      '                   1      0',
      'device table      [1]',
      'guest level 1     [2]───▶[3]───▶[4] ▶ 0xa000',
      'guest level 0     hit───▶[5]───▶[6] ▶ 0xa000',
      'page               ·    nTLB ▶ 0xb000',
      '',
      '[n]   the n-th read of memory',
      'hit   a cache knew it',
      'nTLB  the nested TLB knew it',
      '·     not needed then',
    ]);
  });

  it('ends at a large leaf, at a fault, or in the IOTLB', () => {
    expect(walkPicture([host(2, 1), host(1, 2), guest(1, 3), host(2, 4), host(1, 5)], to)[3]).toBe(
      'page              [4]───▶[5] ▶ 0xb000',
    );
    expect(walkPicture([device, host(2, 2), host(1, 3)], { fault: 'not_present' })[3]).toBe(
      'page              [2]───▶[3] ✗ not_present',
    );
    expect(walkPicture([step('device table'), step('IOTLB')], to).slice(0, 2)).toEqual([
      'device table      hit',
      'IOTLB             hit ▶ 0xb000',
    ]);
  });

  it('marks its parts with the paint it is given', () => {
    const paint = { read: (t: string) => `<${t}>`, hit: (t: string) => `(${t})`, none: String, fault: String };
    expect(walkPicture([device, step('IOTLB')], to, paint).slice(0, 2)).toEqual([
      'device table      <[1]>',
      'IOTLB             (hit) ▶ 0xb000',
    ]);
  });
});
