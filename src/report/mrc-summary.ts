/** What miss-ratio curves say in sentences and a table: points of a scenario, all units, mean of the seeds. */
import { C_HITS, C_MERGED } from '../kernel/layout.ts';
import { HitCurve, type Scope, type Sharing, type UnitCurves } from '../stats/mrc/curve.ts';
import type { CacheSpec, IotlbSpec } from '../spec.ts';
import { ownEntries, splitParts } from '../stats/mrc/organisation.ts';
import type { RunResult } from '../stats/result.ts';
import { decimal } from './format.ts';
import { type TextColumn } from './table.ts';
import { visible } from './visible.ts';

/** Tenants or leaf sizes that a table shows. */
const MOST_PARTS = 8;

/** The curves of one point: every unit of every seed. */
export interface PointCurves {
  readonly name: string;
  readonly runs: readonly RunResult[];
}

export function curvePoints(results: readonly RunResult[]): PointCurves[] {
  const points = new Map<string, RunResult[]>();
  for (const run of results) {
    const runs = points.get(run.spec.point);
    if (runs === undefined) points.set(run.spec.point, [run]);
    else runs.push(run);
  }
  return [...points].map(([name, runs]) => ({ name, runs }));
}

/** Fully associative curves of all lookups: one a unit and seed. */
function allCurves({ runs }: PointCurves): HitCurve[] {
  return unitsOf(runs).map(({ full, scale }) => new HitCurve(full[0], scale));
}
const unitsOf = (runs: readonly RunResult[]): UnitCurves[] => runs.flatMap((run) => run.curves ?? []);

/** Hit ratio with so many entries in each unit; undefined without lookups. */
export function ratioOf(curves: readonly HitCurve[]): ((entries: number) => number) | undefined {
  const lookups = curves.reduce((sum, curve) => sum + curve.counts.lookups, 0);
  if (lookups === 0) return undefined;
  return (entries) => curves.reduce((sum, curve) => sum + curve.hits(entries), 0) / lookups;
}

/** What a point's sketch and sentences need. */
export interface PointSummary {
  readonly name: string;
  /** undefined: nothing was looked up. */
  readonly ratio: ((entries: number) => number) | undefined;
  /** Capacity from which on nothing changes. */
  readonly last: number;
  readonly own: number;
  readonly sentences: readonly string[];
  readonly tables: readonly TextTable[];
}

/** Columns for drawTable, the first `texts` of them text. */
export interface TextTable {
  readonly columns: readonly TextColumn[];
  readonly texts: number;
}

export function pointSummary(point: PointCurves): PointSummary {
  const curves = allCurves(point);
  const ratio = ratioOf(curves);
  const last = Math.max(1, ...curves.map((curve) => curve.lastEntries));
  // Of a split IOTLB all parts together: one for all leaf sizes is what it can be laid beside.
  const { iotlb } = point.runs[0].spec.machine;
  const own = iotlb.entries + (iotlb.split ?? []).reduce((sum, { entries }) => sum + entries, 0);
  const sentences =
    ratio === undefined
      ? ['No request needed translation: there is no hit ratio.']
      : [
          ownSentence(point, ratio, own),
          ...upperSentence(curves),
          ...reachSentences(ratio, last),
          ...sampleSentence(curves, own),
        ];
  const leaves = iotlb.split === undefined ? partTable(point, 'leaf', own) : splitTable(point);
  const tables = [...setTable(point), ...leaves, ...partTable(point, 'tenant', own)];
  return { name: point.name, ratio, last, own, sentences, tables };
}

/** Capacities beside each other, one point a row. */
export function pointTable(points: readonly PointSummary[]): TextColumn[] {
  const last = Math.max(...points.map((point) => point.last));
  const capacities = [16, 64, 256, 1024, 4096, 16_384, 65_536].filter((entries) => entries <= Math.max(16, 4 * last));
  return [
    { heading: 'entries', cells: points.map(({ name }) => visible(name)) },
    ...capacities.map((entries) => ({
      heading: String(entries),
      cells: points.map(({ ratio }) => (ratio === undefined ? '–' : ratio(entries).toFixed(4))),
    })),
  ];
}

/** Hit ratio by sets and ways. */
function setTable({ runs }: PointCurves): TextTable[] {
  const counts = unitsOf(runs)[0]?.sets ?? [];
  if (counts.length === 0) return [];
  const ways = [1, 2, 4, 8, 16, 32].filter((each) => each <= counts[0].ways);
  const curvesOf = (i: number): HitCurve[] => unitsOf(runs).map(({ sets }) => new HitCurve(sets[i].curves[0], 1));
  const ratios = counts.map((_, i) => ratioOf(curvesOf(i)));
  const columns = [
    { heading: 'sets', cells: counts.map(({ sets }) => String(sets)) },
    ...ways.map((each, i) => ({
      heading: i === 0 ? '1 way' : `${each} ways`,
      cells: ratios.map((ratio) => (ratio === undefined ? '–' : ratio(each).toFixed(4))),
    })),
  ];
  return [{ columns, texts: 0 }];
}

/** Each leaf size or tenant at the scenario's own capacity, shared and alone; nothing when there is one only. */
function partTable({ runs }: PointCurves, scope: 'leaf' | 'tenant', own: number): TextTable[] {
  if (own === 0) return [];
  const { machine, tenants } = runs[0].spec;
  const names = scope === 'leaf' ? machine.iotlb.leafLog2.map(leafName) : tenants.map(({ name }) => visible(name));
  const parts = names.map((name, member) => ({ name, member, lookups: lookupsOf(runs, scope, member) }));
  const met = parts.filter(({ lookups }) => lookups > 0).slice(0, MOST_PARTS);
  if (met.length < 2) return [];
  const ratios = (sharing: Sharing): string[] =>
    met.map(({ member }) => ratioOf(partCurves(runs, scope, member, sharing))!(own).toFixed(4));
  const columns = [
    { heading: scope === 'leaf' ? 'leaf size' : 'tenant', cells: met.map(({ name }) => name) },
    { heading: 'lookups', cells: met.map(({ lookups }) => String(lookups)) },
    { heading: `${own} shared`, cells: ratios('shared') },
    { heading: `${own} alone`, cells: ratios('own') },
  ];
  const shares = scope === 'tenant' ? ownEntries(machine.iotlb) : undefined;
  if (shares === undefined) return [{ columns, texts: 1 }];
  const cells = met.map(({ member }) => {
    const ratio = ratioOf(partCurves(runs, scope, member, 'own'))!;
    return `${ratio(shares[member]).toFixed(4)} of ${shares[member]}`;
  });
  return [{ columns: [...columns, { heading: 'its minimum alone', cells }], texts: 1 }];
}

/** Each part of a split IOTLB: what its capacity would hit, fully associative. */
function splitTable({ runs }: PointCurves): TextTable[] {
  const { iotlb } = runs[0].spec.machine;
  const parts = splitParts(iotlb) ?? [];
  const curves = parts.map(({ classes }) => partCurves(runs, 'part', classes[0], 'own'));
  const ratios = curves.map((each, i) => ratioOf(each)?.(parts[i].spec.entries));
  const columns = [
    { heading: 'part', cells: parts.map(({ classes }) => classes.map((i) => leafName(iotlb.leafLog2[i])).join(', ')) },
    { heading: 'lookups', cells: parts.map(({ classes }) => String(lookupsOf(runs, 'part', classes[0], 'own'))) },
    { heading: 'entries', cells: parts.map(({ spec }) => String(spec.entries)) },
    { heading: 'hits, LRU', cells: ratios.map((ratio) => (ratio === undefined ? '–' : ratio.toFixed(4))) },
  ];
  return [{ columns, texts: 1 }];
}

function partCurves(runs: readonly RunResult[], scope: Scope, member: number, sharing: Sharing): HitCurve[] {
  return unitsOf(runs).flatMap(({ full, scale }) => {
    const mine = full.filter((each) => each.scope === scope && each.member === member);
    const found = mine.find((each) => each.sharing === sharing) ?? mine[0];
    return found === undefined ? [] : [new HitCurve(found, scale)];
  });
}

function lookupsOf(runs: readonly RunResult[], scope: Scope, member: number, sharing: Sharing = 'shared'): number {
  return partCurves(runs, scope, member, sharing).reduce((sum, curve) => sum + curve.counts.lookups, 0);
}

const leafName = (log2: number): string => {
  const [unit, bits] = log2 >= 30 ? ['GiB', 30] : log2 >= 20 ? ['MiB', 20] : ['KiB', 10];
  return `${2 ** (log2 - bits)} ${unit}`;
};

/** The scenario's own IOTLB, as the run counted it and as the curves have it. */
function ownSentence(point: PointCurves, ratio: (entries: number) => number, own: number): string {
  const { iotlb } = point.runs[0].spec.machine;
  const counted = countedRatio(point.runs);
  const what = `This scenario's IOTLB, ${organisation(iotlb)}: ${percent(counted)} of lookups found an entry`;
  const isWhole = iotlb.split === undefined && iotlb.partition === undefined;
  if (own === 0 || (isWhole && iotlb.ways === own && iotlb.replacement === 'lru')) return `${what}.`;
  const whose =
    iotlb.split !== undefined ? ' for all leaf sizes' : iotlb.partition !== undefined ? ' for all tenants' : '';
  return `${what}; ${own} fully associative LRU entries${whose} would give ${percent(ratio(own))}.`;
}

/** Hits in a first level are part of every capacity's. */
function upperSentence(curves: readonly HitCurve[]): string[] {
  const sum = (value: (curve: HitCurve) => number): number => curves.reduce((total, curve) => total + value(curve), 0);
  const upper = sum((curve) => curve.counts.upperHits);
  if (upper === 0) return [];
  const share = percent(upper / sum((curve) => curve.counts.lookups));
  return [`The first level hits ${share} of lookups, which every capacity of the shared level has too.`];
}

function organisation(iotlb: IotlbSpec): string {
  const parts = splitParts(iotlb);
  if (parts !== undefined) {
    return parts
      .map(({ spec, classes }) => `${leafName(iotlb.leafLog2[classes[0]])}: ${organisationOf(spec)}`)
      .join('; ');
  }
  return organisationOf(iotlb);
}

function organisationOf({ entries, ways, replacement, partition }: CacheSpec): string {
  if (entries === 0) return 'none';
  const divided = partition === undefined ? '' : `, ${partition.by} divided`;
  return `${entries} entries, ${ways === entries ? 'fully associative' : `${ways} ways`}, ${replacement}${divided}`;
}

/** Hits, and misses that waited for a walk under way: what the curves count. */
function countedRatio(runs: readonly RunResult[]): number {
  let [found, lookups] = [0, 0];
  for (const { devices } of runs) {
    for (const { counters } of devices) {
      for (let leaf = 0; leaf < 4; leaf++) found += counters[C_HITS + leaf];
      found += counters[C_MERGED];
    }
  }
  for (const { full } of unitsOf(runs)) lookups += full[0].lookups;
  return lookups === 0 ? 0 : found / lookups;
}

/** Least capacities for nine tenths, and for all, of what any capacity can hit. */
function reachSentences(ratio: (entries: number) => number, last: number): string[] {
  const most = ratio(last);
  if (most === 0) return ['No capacity would hit: no page is used twice before it is invalidated.'];
  const need = leastEntries(ratio, last, 0.9 * most);
  return [
    need === last
      ? `${entriesText(last)} all that any capacity can: ${percent(most)}.`
      : `${entriesText(need)} ${percent(ratio(need))}; ${entriesText(last)} all that any capacity can: ${percent(most)}.`,
  ];
}

export function leastEntries(ratio: (entries: number) => number, last: number, wanted: number): number {
  let [low, high] = [1, last];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (ratio(middle) >= wanted) high = middle;
    else low = middle + 1;
  }
  return low;
}

function sampleSentence(curves: readonly HitCurve[], own: number): string[] {
  const scale = Math.max(...curves.map((curve) => curve.scale));
  if (scale === 1) return [];
  const error = Math.max(...curves.map((curve) => curve.error(own)));
  return [
    `Sampled: one page in ${scale} was followed; at ${own} entries the error is at most ${percent(error)} (95 %). mrc.csv has it for every capacity.`,
  ];
}

const entriesText = (entries: number): string => (entries === 1 ? '1 entry gives' : `${entries} entries give`);
const percent = (share: number): string => `${decimal(share * 100, 4)} %`;
