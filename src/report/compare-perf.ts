/** Counts of a real machine beside those of a simulated one, event by event, per 1000 requests, and why they may differ. */
import type { RunPoint } from './compare-read.ts';
import { PMU_EVENTS, type PmuEvent } from './columns/pmu.ts';
import { csvTable } from './csv.ts';
import { shortNumber } from './format.ts';
import { iommuEvent } from './perf/names.ts';
import { definitionOf, missingReason, REFERENCES } from './perf/notes.ts';
import type { PerfEvent, PerfStat } from './perf/stat.ts';
import { estimate } from './statistics.ts';
import { drawTable, tableWidth } from './table.ts';
import { clipped, visible } from './visible.ts';
import { wrapped } from './wrap.ts';

type Pmu = PmuEvent['pmu'];

export interface EventComparison {
  readonly pmu: Pmu;
  readonly event: string;
  readonly measured: number | undefined;
  readonly status: PerfEvent['status'];
  readonly runningShare: number | undefined;
  /** Mean over the seeds, all units together; undefined when the model has no such event. */
  readonly simulated: number | undefined;
  /** Per 1000 of the PMU's reference event, each side by its own; undefined without a reference on both sides. */
  readonly measuredPerMille: number | undefined;
  readonly simulatedPerMille: number | undefined;
  /** measured / simulated, of the counts per 1000. */
  readonly ratio: number | undefined;
}

export interface PerfComparison {
  readonly rows: readonly EventComparison[];
  /** Reference event of each PMU that was measured. */
  readonly references: readonly { readonly pmu: Pmu; readonly event: string | undefined }[];
  /** Events that perf printed and that belong to no IOMMU. */
  readonly others: readonly string[];
  /** Simulated events of the measured PMUs that perf did not print. */
  readonly unmeasured: readonly string[];
  readonly notes: readonly string[];
}

interface Measured {
  readonly pmu: Pmu;
  readonly event: string;
  readonly count: number | undefined;
  readonly status: PerfEvent['status'];
  readonly runningShare: number | undefined;
  readonly filters: readonly string[];
}

export function comparePerf(point: RunPoint, stat: PerfStat): PerfComparison {
  const measured = measuredEvents(stat.events);
  const simulated = (pmu: Pmu, event: string): number | undefined =>
    estimate([...(point.events.get(`${pmu} ${event}`)?.values() ?? [])])?.mean;
  const pmus = [...new Set(measured.map(({ pmu }) => pmu))];
  const references = pmus.map((pmu) => ({ pmu, event: referenceOf(pmu, measured, simulated) }));
  const rows = measured.map((each) => compareEvent(each, measured, references, simulated));
  const isMeasured = ({ pmu, name }: PmuEvent): boolean =>
    measured.some((each) => each.pmu === pmu && each.event === name);
  return {
    rows,
    references,
    others: stat.events.filter(({ name }) => iommuEvent(name) === undefined).map(({ name }) => name),
    unmeasured: PMU_EVENTS.filter((event) => pmus.includes(event.pmu) && !isMeasured(event)).map(({ name }) => name),
    notes: notesOf(measured, rows, references),
  };
}

/** The same event of several units is added up, as the simulated ones are. */
function measuredEvents(events: readonly PerfEvent[]): Measured[] {
  const found = new Map<string, Measured>();
  for (const { name, count, status, runningShare } of events) {
    const event = iommuEvent(name);
    if (event === undefined) continue;
    const key = `${event.pmu} ${event.name}`;
    const before = found.get(key);
    const sum = count === undefined ? before?.count : (before?.count ?? 0) + count;
    const shares = [before?.runningShare, runningShare].filter((share) => share !== undefined);
    found.set(key, {
      pmu: event.pmu,
      event: event.name,
      count: sum,
      status: sum === undefined ? status : 'counted',
      runningShare: shares.length === 0 ? undefined : Math.min(...shares),
      filters: [...new Set([...(before?.filters ?? []), ...event.filters])],
    });
  }
  return [...found.values()];
}

type Simulated = (pmu: Pmu, event: string) => number | undefined;

/** The first reference event that both sides have counted. */
function referenceOf(pmu: Pmu, measured: readonly Measured[], simulated: Simulated): string | undefined {
  return REFERENCES[pmu].find((name) => {
    const count = measured.find((each) => each.pmu === pmu && each.event === name)?.count;
    return (count ?? 0) > 0 && (simulated(pmu, name) ?? 0) > 0;
  });
}

function compareEvent(
  { pmu, event, count, status, runningShare }: Measured,
  measured: readonly Measured[],
  references: PerfComparison['references'],
  simulatedOf: Simulated,
): EventComparison {
  const simulated = simulatedOf(pmu, event);
  const reference = references.find((each) => each.pmu === pmu)?.event;
  const per = (value: number | undefined, base: number | undefined): number | undefined =>
    value === undefined || base === undefined ? undefined : (1000 * value) / base;
  const base =
    reference === undefined ? undefined : measured.find((each) => each.pmu === pmu && each.event === reference)?.count;
  const measuredPerMille = per(count, base);
  const simulatedPerMille = per(simulated, reference === undefined ? undefined : simulatedOf(pmu, reference));
  const comparable = measuredPerMille !== undefined && simulatedPerMille !== undefined && simulatedPerMille !== 0;
  const ratio = comparable ? measuredPerMille / simulatedPerMille : undefined;
  return { pmu, event, measured: count, status, runningShare, simulated, measuredPerMille, simulatedPerMille, ratio };
}

// ---- what explains differences -----------------------------------------------------------------------------------------
/** Ratios from here on, either way, get their definition beside them. */
const NOTEWORTHY = 1.1;

function notesOf(
  measured: readonly Measured[],
  rows: readonly EventComparison[],
  references: PerfComparison['references'],
): string[] {
  return [
    ...references.filter(({ event }) => event === undefined).map(({ pmu }) => `${pmu}: ${noReference(pmu)}`),
    ...multiplexing(measured),
    ...measured
      .filter(({ filters }) => filters.length > 0)
      .map(
        ({ event, filters }) =>
          `${event}: filtered by ${filters.join(', ')}; the simulated count is that of all devices`,
      ),
    ...rows.flatMap(noteOf),
  ];
}

const noReference = (pmu: Pmu): string =>
  `no ${REFERENCES[pmu].join(' or ')} on both sides, so that counts cannot be compared per request; add it to perf stat -e`;

function multiplexing(measured: readonly Measured[]): string[] {
  const shared = measured.filter(({ runningShare }) => runningShare !== undefined && runningShare < 1);
  if (shared.length === 0) return [];
  const least = Math.min(...shared.map(({ runningShare }) => runningShare!));
  return [
    `${shared.length} events shared counters and ran from ${shortNumber(100 * least)} % of the time: their counts are extrapolated, and events that ran at different times need not add up; ask for fewer at a time (an AMD IOMMU has 8 counters)`,
  ];
}

function noteOf({ event, status, simulated, ratio, measured, measuredPerMille }: EventComparison): string[] {
  if (status !== 'counted') return [`${event}: ${STATUS_NOTES[status]}`];
  if (simulated === undefined) return [`${event}: ${missingReason(event)}`];
  const differs =
    ratio === undefined
      ? measuredPerMille !== undefined && (measured ?? 0) > 0
      : ratio > NOTEWORTHY || ratio < 1 / NOTEWORTHY;
  const definition = differs ? definitionOf(event) : undefined;
  return definition === undefined ? [] : [`${event}: ${definition}`];
}

const STATUS_NOTES = {
  counted: '',
  'not counted': 'perf had no counter for it; ask for fewer events at a time',
  'not supported': 'this machine or kernel does not have it',
};

// ---- terminal and files --------------------------------------------------------------------------------------------------
const SHORT = /^UNC_IIO_/;
const WIDTH = 80;

export function perfText({ rows, references, others, unmeasured, notes }: PerfComparison): string {
  const reference = references.map(({ event }) => event).filter((event) => event !== undefined);
  const counts = [
    { heading: 'measured', cells: rows.map(measuredText) },
    { heading: 'ran %', cells: rows.map((row) => percentText(row.runningShare)) },
    { heading: 'measured /1000', cells: rows.map(({ measuredPerMille }) => number(measuredPerMille, 4)) },
    { heading: 'simulated /1000', cells: rows.map(({ simulatedPerMille }) => number(simulatedPerMille, 4)) },
    { heading: 'ratio', cells: rows.map(({ ratio }) => number(ratio, 3)) },
  ];
  const room = WIDTH - tableWidth(counts) - 3;
  const events = { heading: 'event', cells: rows.map(({ event }) => clipped(visible(event).replace(SHORT, ''), room)) };
  const table = drawTable([events, ...counts], 1);
  const per =
    reference.length === 0 ? [] : [`/1000: for each 1000 of ${reference.join(', ')}; ratio = measured / simulated`];
  const left = others.length === 0 ? [] : [`not of an IOMMU: ${others.map(visible).join(', ')}`];
  const rest = unmeasured.length === 0 ? [] : [`simulated, not measured: ${unmeasured.join(', ')}`];
  const why = notes.length === 0 ? [] : ['what may explain differences:', ...notes.map((note) => `- ${visible(note)}`)];
  return [table, ...[...per, ...left, ...rest, ...why].map(wrapped)].join('\n');
}

const percentText = (share: number | undefined): string =>
  share === undefined ? '' : (100 * share).toFixed(share < 1 ? 1 : 0);

const number = (value: number | undefined, digits: number): string =>
  value === undefined ? '' : shortNumber(Number(value.toPrecision(digits)));

/** What was not counted is said in the notes. */
const measuredText = ({ measured }: EventComparison): string =>
  measured === undefined ? '–' : shortNumber(Math.round(measured));

const HEADER = [
  ...['side', 'pmu', 'event', 'status', 'running_share', 'measured', 'simulated', 'measured_per_1000'],
  ...['simulated_per_1000', 'ratio', 'note'],
];

export function perfCsv(sides: readonly { readonly label: string; readonly perf: PerfComparison }[]): string {
  const rows = sides.flatMap(({ label, perf }) =>
    perf.rows.map((row) => [
      ...[label, row.pmu, row.event, row.status, row.runningShare, row.measured, row.simulated],
      ...[row.measuredPerMille, row.simulatedPerMille, row.ratio, noteOf(row).join('; ')],
    ]),
  );
  return csvTable(HEADER, rows);
}
