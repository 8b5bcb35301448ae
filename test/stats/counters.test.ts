import { describe, expect, it } from 'vitest';
import * as layout from '../../src/kernel/layout.ts';
import { checkCounters, COUNTER_NAMES, diffCounters, sumCounters, sumSlots } from '../../src/stats/counters.ts';

/** Counters of ten requests: seven hits, one merged miss, two walks of four reads. */
function consistent(): Float64Array {
  const counters = new Float64Array(layout.COUNTERS);
  counters[layout.C_TRANSLATED] = counters[layout.C_LOOKUPS] = 10;
  counters[layout.C_LOOKUPS_ALL] = 13;
  counters[layout.C_HITS] = 5;
  counters[layout.C_HITS + 1] = 2;
  counters[layout.C_MISSES] = 3;
  counters[layout.C_MERGED] = 1;
  counters[layout.C_WALKS] = 2;
  counters[layout.C_COLD] = 3;
  counters[layout.C_DEPTH + 4] = 2;
  for (let level = 0; level < 4; level++) counters[layout.C_READS + 8 + level] = 2;
  return counters;
}

describe('counter names', () => {
  it('are unique and cover every slot that layout.ts names', () => {
    const named = COUNTER_NAMES.filter((name) => name !== '');
    expect(new Set(named).size).toBe(named.length);
    // Short counts are folded into the others before anyone reads them (iommu/unit.ts).
    const isFolded = (name: string): boolean => /^C_(FAST|FAST_GUEST|REMEMBERED|ALIKE.*)$/.test(name);
    const slots = Object.entries(layout).filter(([name]) => name.startsWith('C_') && !isFolded(name));
    for (const [, slot] of slots) expect(COUNTER_NAMES[slot as number]).not.toBe('');
    expect(COUNTER_NAMES[layout.C_READS + 8 + 3]).toBe('reads_stage2_level3');
    expect(COUNTER_NAMES[layout.C_DEPTH + 24]).toBe('walks_of_24_reads');
  });
});

describe('sum rules', () => {
  it('hold for counters that fit together, and for their sum', () => {
    expect(checkCounters(consistent(), 10)).toEqual([]);
    expect(checkCounters(sumCounters([consistent(), consistent()]), 20)).toEqual([]);
  });

  it.each([
    ['hits + misses = lookups', layout.C_HITS],
    ['merged + walks = misses', layout.C_MERGED],
    ['walks by depth = walks', layout.C_DEPTH + 3],
    ['causes are counted for all misses or none', layout.C_CAPACITY],
    ['device-entry hits + reads = lookups', layout.C_DTE_LOOKUPS],
    ['translated + untranslated ≤ requests', layout.C_UNTRANSLATED],
    ['walk-cache hits ≤ lookups', layout.C_PWC_HITS + 9],
  ])('name what is broken: %s', (rule, slot) => {
    const counters = consistent();
    counters[slot]++;
    expect(checkCounters(counters, 10)).toContain(rule);
  });

  it('find requests that are neither translated nor faulted', () => {
    expect(checkCounters(consistent(), 11)).toEqual(['what is neither has faulted']);
  });
});

it('differences and sums of slots', () => {
  const twice = sumCounters([consistent(), consistent()]);
  expect(diffCounters(twice, consistent())).toEqual(consistent());
  expect(sumSlots(consistent(), layout.C_READS, 16)).toBe(8);
});
