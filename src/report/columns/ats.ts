/** Columns of devices that keep translations themselves (ATS) and ask for pages that are not there (PRI). */
import {
  C_ATC_HITS,
  C_ATC_INVALIDATION_PS,
  C_ATC_INVALIDATIONS,
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
  C_PRI_FAILURE,
  C_PRI_FAULTS,
  C_PRI_GROUPS,
  C_PRI_INVALID,
  C_PRI_PS,
  C_PRI_REQUESTS,
  C_PRI_RETRIES,
  C_PRI_SUCCESS,
} from '../../kernel/layout.ts';
import { type Column, ratio } from './column.ts';
import type { Totals } from './totals.ts';

const PS = 1000;

const counter = (name: string, slot: number, meaning: string, heading?: string): Column<Totals> => ({
  name,
  unit: '',
  meaning,
  formula: 'counted',
  value: (t) => t.counters[slot],
  ...(heading === undefined ? {} : { heading }),
});

/** Σ of a time in ps over what is counted in another slot. */
const mean = (name: string, heading: string, meaning: string, formula: string, sum: number, of: readonly number[]) => ({
  name,
  unit: 'ns',
  heading,
  meaning,
  formula,
  value: ({ counters }: Totals): number | undefined => {
    const each = ratio(
      counters[sum],
      of.reduce((total, slot) => total + counters[slot], 0),
    );
    return each === undefined ? undefined : each / PS;
  },
});

export const ATS_COLUMNS: readonly Column<Totals>[] = [
  counter('atc_lookups', C_ATC_LOOKUPS, 'First lookups in the ATCs of devices (ATS)'),
  counter('atc_hits', C_ATC_HITS, 'Of these, hits'),
  {
    name: 'atc_hit_ratio',
    unit: '',
    heading: 'ATC hit ratio',
    meaning: 'Share of first ATC lookups that hit',
    formula: 'atc_hits / atc_lookups',
    value: ({ counters }) => ratio(counters[C_ATC_HITS], counters[C_ATC_LOOKUPS]),
  },
  counter('atc_misses_merged', C_ATC_MERGED, 'ATC misses that waited for a translation already asked for'),
  counter('ats_requests', C_ATS_REQUESTS, 'Translation requests that came to the unit', 'transl. requests'),
  counter('ats_translations', C_ATS_TRANSLATIONS, 'Pages that they asked for, each looked up as a request is'),
  counter('ats_refused', C_ATS_REFUSED, 'Translation requests answered UR or CA, with a fault record'),
  counter('ats_empty', C_ATS_EMPTY, 'Translation requests answered R = W = 0'),
  counter('ats_discarded', C_ATS_DISCARDED, 'Answers that an invalidation overtook: asked for again'),
  counter('ats_aborted', C_ATS_ABORTED, 'DMA requests that devices gave up for want of a translation'),
  counter('atc_invalidations', C_ATC_INVALIDATIONS, 'Invalidations of ATCs', 'ATC invali- dations'),
  mean(
    'atc_invalidation_ns_mean',
    'ATC inval. ns',
    "From the command to the device's answer",
    'sum / atc_invalidations',
    C_ATC_INVALIDATION_PS,
    [C_ATC_INVALIDATIONS],
  ),
  counter('atc_timeouts', C_ATC_TIMEOUTS, 'Invalidations of ATCs that the unit gave up'),
  counter('atc_late_uses', C_ATC_LATE, 'Requests served after the answer to an invalidation of their page'),
  counter('page_faults', C_PRI_FAULTS, 'Page faults that devices met', 'page faults'),
  counter('page_requests', C_PRI_REQUESTS, 'Page requests sent (PRI)'),
  counter('page_request_groups', C_PRI_GROUPS, 'Groups of page requests'),
  counter('page_responses_success', C_PRI_SUCCESS, 'Responses to groups: success'),
  counter('page_responses_invalid', C_PRI_INVALID, 'Responses to groups: invalid request'),
  counter('page_responses_failure', C_PRI_FAILURE, 'Responses to groups: failure'),
  counter('page_request_retries', C_PRI_RETRIES, 'Translations asked for again after a response'),
  {
    name: 'page_fault_ns_total',
    unit: 'ns',
    meaning: 'Time in page faults, from the answer that shows one to the response',
    formula: 'sum over page requests',
    value: ({ counters }) => counters[C_PRI_PS] / PS,
  },
  mean(
    'page_fault_ns_mean',
    'page fault ns',
    'The same for one page request that was answered with success',
    'page_fault_ns_total / page_request_retries',
    C_PRI_PS,
    [C_PRI_RETRIES],
  ),
];
