/** The requesters' counters (C_* of kernel/layout.ts): names, sums, and the rules that hold between them. */
import {
  C_ATC_HITS,
  C_ATC_INVALIDATIONS,
  C_ATC_INVALIDATION_PS,
  C_ATC_LATE,
  C_ATC_LOOKUPS,
  C_ATC_MERGED,
  C_ATC_TIMEOUTS,
  C_ATS_ABORTED,
  C_ATS_DISCARDED,
  C_ATS_EMPTY,
  C_ATS_REFUSED,
  C_ATS_REQUESTS,
  C_ATS_TRANSLATIONS,
  C_CAPACITY,
  C_COLD,
  C_CONFLICT,
  C_DEPTH,
  C_DTE_HITS,
  C_DTE_LOOKUPS,
  C_DTE_READS,
  C_FAULTS,
  C_HITS,
  C_INVALIDATED,
  C_L1_CLASS,
  C_L1_HITS,
  C_LINE_HITS,
  C_LINE_MISSES,
  C_LOOKUPS,
  C_LOOKUPS_ALL,
  C_MERGED,
  C_MISSES,
  C_NEGATIVE_FILLS,
  C_NEGATIVE_HITS,
  C_NTLB_HITS,
  C_NTLB_LOOKUPS,
  C_PASID_HITS,
  C_PASID_LOOKUPS,
  C_PASID_READS,
  C_PREFETCHES,
  C_PREFETCH_HITS,
  C_PWC_HITS,
  C_PWC_LOOKUPS,
  C_READS,
  C_STALE,
  C_TRANSLATED,
  C_UNTRANSLATED,
  C_WALKS,
  C_WALK_PS,
  C_WALK_WAIT_PS,
  COUNTERS,
  C_PRETRANSLATED,
  C_PRI_FAILURE,
  C_PRI_FAULTS,
  C_PRI_GROUPS,
  C_PRI_INVALID,
  C_PRI_PS,
  C_PRI_REQUESTS,
  C_PRI_RETRIES,
  C_PRI_SUCCESS,
} from '../kernel/layout.ts';

const SINGLE: Readonly<Record<number, string>> = {
  [C_TRANSLATED]: 'translated',
  [C_UNTRANSLATED]: 'untranslated',
  [C_FAULTS]: 'faults',
  [C_LOOKUPS]: 'iotlb_lookups',
  [C_LOOKUPS_ALL]: 'iotlb_lookups_all',
  [C_L1_HITS]: 'iotlb_l1_hits',
  [C_MISSES]: 'iotlb_misses',
  [C_MERGED]: 'iotlb_misses_merged',
  [C_COLD]: 'iotlb_misses_cold',
  [C_CAPACITY]: 'iotlb_misses_capacity',
  [C_CONFLICT]: 'iotlb_misses_conflict',
  [C_INVALIDATED]: 'iotlb_misses_invalidated',
  [C_WALKS]: 'walks',
  [C_WALK_PS]: 'walk_ps',
  [C_WALK_WAIT_PS]: 'walk_wait_ps',
  [C_DTE_LOOKUPS]: 'dte_lookups',
  [C_DTE_HITS]: 'dte_hits',
  [C_DTE_READS]: 'dte_reads',
  [C_PASID_LOOKUPS]: 'pasid_lookups',
  [C_PASID_HITS]: 'pasid_hits',
  [C_PASID_READS]: 'pasid_reads',
  [C_NTLB_LOOKUPS]: 'nested_tlb_lookups',
  [C_NTLB_HITS]: 'nested_tlb_hits',
  [C_LINE_HITS]: 'line_hits',
  [C_LINE_MISSES]: 'line_misses',
  [C_PRETRANSLATED]: 'pretranslated',
  [C_ATS_REQUESTS]: 'ats_requests',
  [C_ATS_TRANSLATIONS]: 'ats_translations',
  [C_ATS_REFUSED]: 'ats_refused',
  [C_ATS_EMPTY]: 'ats_empty',
  [C_ATS_DISCARDED]: 'ats_discarded',
  [C_ATS_ABORTED]: 'ats_aborted',
  [C_ATC_LOOKUPS]: 'atc_lookups',
  [C_ATC_HITS]: 'atc_hits',
  [C_ATC_MERGED]: 'atc_misses_merged',
  [C_ATC_INVALIDATIONS]: 'atc_invalidations',
  [C_ATC_INVALIDATION_PS]: 'atc_invalidation_ps',
  [C_ATC_TIMEOUTS]: 'atc_timeouts',
  [C_ATC_LATE]: 'atc_late_uses',
  [C_PRI_REQUESTS]: 'page_requests',
  [C_PRI_GROUPS]: 'page_request_groups',
  [C_PRI_SUCCESS]: 'page_responses_success',
  [C_PRI_INVALID]: 'page_responses_invalid',
  [C_PRI_FAILURE]: 'page_responses_failure',
  [C_PRI_RETRIES]: 'page_request_retries',
  [C_PRI_PS]: 'page_request_ps',
  [C_PRI_FAULTS]: 'page_faults',
  [C_STALE]: 'stale_uses',
  [C_NEGATIVE_FILLS]: 'iotlb_negative_fills',
  [C_NEGATIVE_HITS]: 'iotlb_negative_hits',
  [C_PREFETCHES]: 'iotlb_prefetches',
  [C_PREFETCH_HITS]: 'iotlb_prefetch_hits',
};
const STAGED: readonly (readonly [first: number, name: string])[] = [
  [C_READS, 'reads'],
  [C_PWC_LOOKUPS, 'walk_cache_lookups'],
  [C_PWC_HITS, 'walk_cache_hits'],
];
const STAGES = 2;
const LEVELS = 8;
const HIT_CLASSES = 4;
/** The last slot holds the walks of that many reads or more. */
export const DEPTH_SLOTS = 48;

/** Name of each counter slot; "" where there is none. */
export const COUNTER_NAMES: readonly string[] = counterNames();

function counterNames(): string[] {
  const names = Array.from({ length: COUNTERS }, (_, slot) => SINGLE[slot] ?? '');
  for (let leaf = 0; leaf < HIT_CLASSES; leaf++) {
    names[C_HITS + leaf] = `iotlb_hits_class${leaf}`;
    names[C_L1_CLASS + leaf] = `iotlb_l1_hits_class${leaf}`;
  }
  for (const [first, name] of STAGED) {
    for (let stage = 0; stage < STAGES; stage++) {
      for (let level = 0; level < LEVELS; level++) {
        names[first + LEVELS * stage + level] = `${name}_stage${stage + 1}_level${level}`;
      }
    }
  }
  for (let reads = 0; reads < DEPTH_SLOTS; reads++) names[C_DEPTH + reads] = `walks_of_${reads}_reads`;
  return names;
}

/** Slot-wise sum. */
export function sumCounters(parts: readonly Float64Array[]): Float64Array {
  const total = new Float64Array(COUNTERS);
  for (const part of parts) part.forEach((value, slot) => (total[slot] += value));
  return total;
}

/** Slot-wise `after` - `before`. */
export function diffCounters(after: Float64Array, before: Float64Array): Float64Array {
  return after.map((value, slot) => value - before[slot]);
}

/** Sum of `count` slots from `first` on. */
export function sumSlots(counters: Float64Array, first: number, count: number): number {
  let sum = 0;
  for (let slot = first; slot < first + count; slot++) sum += counters[slot];
  return sum;
}

/**
 * The rules that the counters of a requester (or a sum of requesters) broke, in words; empty when all hold. `requests`:
 * how many requests it translated.
 */
export function checkCounters(counters: Float64Array, requests: number): string[] {
  const at = (slot: number): number => counters[slot];
  const hits = sumSlots(counters, C_HITS, HIT_CLASSES);
  const causes = sumSlots(counters, C_COLD, 4);
  const reads = sumSlots(counters, C_READS, STAGES * LEVELS);
  // What came to be translated: not what came translated, nor what the device gave up, but what it asked for.
  const reached = requests - at(C_PRETRANSLATED) - at(C_ATS_ABORTED) + at(C_ATS_TRANSLATIONS);
  const depths = counters.subarray(C_DEPTH, C_DEPTH + DEPTH_SLOTS);
  const depthReads = depths.reduce((sum, walks, depth) => sum + walks * depth, 0);
  const rules: readonly (readonly [name: string, holds: boolean])[] = [
    ['hits + misses = lookups', hits + at(C_MISSES) === at(C_LOOKUPS)],
    ['translated = lookups', at(C_TRANSLATED) === at(C_LOOKUPS)],
    ['lookups ≤ all lookups', at(C_LOOKUPS) <= at(C_LOOKUPS_ALL)],
    ['L1 hits by leaf size = L1 hits', sumSlots(counters, C_L1_CLASS, HIT_CLASSES) === at(C_L1_HITS)],
    ['L1 hits ≤ hits', pairwise(counters, C_L1_CLASS, C_HITS, HIT_CLASSES)],
    ['stale uses ≤ hits + merged', at(C_STALE) <= hits + at(C_MERGED) + at(C_PRETRANSLATED) + at(C_ATC_HITS)],
    ['prefetch hits ≤ hits + merged', at(C_PREFETCH_HITS) <= hits + at(C_MERGED)],
    ['not-present hits ≤ hits + merged', at(C_NEGATIVE_HITS) <= hits + at(C_MERGED)],
    ['not-present fills ≤ walks', at(C_NEGATIVE_FILLS) <= at(C_WALKS)],
    ['prefetches ≤ 7 a walk', at(C_PREFETCHES) <= 7 * at(C_WALKS)],
    ['merged + walks = misses', at(C_MERGED) + at(C_WALKS) === at(C_MISSES)],
    ['causes are counted for all misses or none', causes === 0 || causes === at(C_MISSES)],
    ['walks by depth = walks', sumSlots(counters, C_DEPTH, DEPTH_SLOTS) === at(C_WALKS)],
    ['reads by depth ≤ reads', depthReads <= reads],
    ['translated + untranslated ≤ requests', at(C_TRANSLATED) + at(C_UNTRANSLATED) <= reached],
    ['what is neither has faulted', reached - at(C_TRANSLATED) - at(C_UNTRANSLATED) <= at(C_FAULTS)],
    ['ATC hits + merged ≤ lookups', at(C_ATC_HITS) + at(C_ATC_MERGED) <= at(C_ATC_LOOKUPS)],
    ['translation requests ≤ translations', at(C_ATS_REQUESTS) <= at(C_ATS_TRANSLATIONS)],
    ['refused + empty ≤ translation requests', at(C_ATS_REFUSED) + at(C_ATS_EMPTY) <= at(C_ATS_REQUESTS)],
    ['page request groups ≤ page requests', at(C_PRI_GROUPS) <= at(C_PRI_REQUESTS)],
    ['time-outs ≤ ATC invalidations', at(C_ATC_TIMEOUTS) <= at(C_ATC_INVALIDATIONS)],
    ['device-entry hits + reads = lookups', at(C_DTE_HITS) + at(C_DTE_READS) === at(C_DTE_LOOKUPS)],
    ['PASID hits ≤ lookups', at(C_PASID_HITS) <= at(C_PASID_LOOKUPS)],
    ['nested TLB hits ≤ lookups', at(C_NTLB_HITS) <= at(C_NTLB_LOOKUPS)],
    ['walk-cache hits ≤ lookups', pairwise(counters, C_PWC_HITS, C_PWC_LOOKUPS, STAGES * LEVELS)],
  ];
  return rules.filter(([, holds]) => !holds).map(([name]) => name);
}

function pairwise(counters: Float64Array, smaller: number, larger: number, count: number): boolean {
  for (let slot = 0; slot < count; slot++) if (counters[smaller + slot] > counters[larger + slot]) return false;
  return true;
}
