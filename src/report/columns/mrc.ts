/** mrc.csv: the IOTLB hit ratio by capacity, where a run was asked for it. */
import type { RunResult } from '../../stats/result.ts';
import { capacitiesOf } from '../../stats/mrc/organisation.ts';
import { HitCurve, type Scope, type Sharing, type UnitCurves } from '../../stats/mrc/curve.ts';
import type { Column } from './column.ts';

export interface MrcRow {
  readonly run: RunResult;
  readonly unit: number;
  readonly curve: HitCurve;
  /** 1 = fully associative. */
  readonly sets: number;
  readonly ways: number;
}

/** Every capacity up to here has a row of its own; above, 2^10 for each doubling (of a part: 2^5). */
const EVERY_LOG2 = 12;
const STEP_LOG2 = 10;
const PART_EVERY_LOG2 = 6;
const PART_STEP_LOG2 = 5;

const text = (name: string, meaning: string, value: (row: MrcRow) => string): Column<MrcRow> => ({
  name,
  unit: '',
  meaning,
  formula: 'from the scenario',
  value,
});
const number = (
  name: string,
  meaning: string,
  formula: string,
  value: (row: MrcRow) => number | undefined,
  unit = '',
): Column<MrcRow> => ({ name, unit, meaning, formula, value });

const entriesOf = ({ sets, ways }: MrcRow): number => sets * ways;

export const MRC_COLUMNS: readonly Column<MrcRow>[] = [
  number('iommu', 'Unit of the IOTLB', 'from the scenario', (row) => row.unit),
  text(
    'scope',
    'Whose lookups: all, of one leaf size, of the leaf sizes in one part of a split IOTLB, of one tenant',
    ({ curve }) => curve.counts.scope,
  ),
  number(
    'leaf_bytes',
    'Leaf size of scope leaf, the smallest of scope part',
    'from the scenario',
    ({ run, curve: { counts } }) =>
      counts.scope === 'leaf' || counts.scope === 'part'
        ? 2 ** run.spec.machine.iotlb.leafLog2[counts.member]
        : undefined,
    'bytes',
  ),
  text('tenant', 'Name of the tenant of scope tenant', ({ run, curve: { counts } }) =>
    counts.scope === 'tenant' ? run.spec.tenants[counts.member].name : '',
  ),
  text(
    'sharing',
    'shared: in the IOTLB that all use; own: in one of that capacity for this leaf size, part or tenant alone',
    ({ curve }) => curve.counts.sharing,
  ),
  number('sets', 'Number of sets; 1 = fully associative', 'from the command', (row) => row.sets),
  number('ways', 'Ways of a set', 'entries / sets', (row) => row.ways),
  number('entries', 'Capacity of the shared level', 'sets × ways', entriesOf),
  number('lookups', 'First IOTLB lookups', 'counted', ({ curve }) => curve.counts.lookups),
  number(
    'hits',
    'Lookups that find an entry at this capacity, under LRU; also those that would wait for its walk',
    'stack distance ≤ capacity, or hit in the first level',
    (row) => row.curve.hits(row.ways),
  ),
  number('hit_ratio', 'Share of lookups that find an entry', 'hits / lookups', (row) => row.curve.hitRatio(row.ways)),
  number('hit_ratio_error', 'Half width of its 95 % interval; 0 = exact', 'see the model: miss-ratio curves', (row) =>
    row.curve.error(row.ways),
  ),
  number('sampling_rate', 'Share of pages that were followed', 'counted', ({ curve }) => 1 / curve.scale),
];

/** Rows of all curves of a run. */
export function* mrcRows(run: RunResult): Generator<MrcRow> {
  for (const curves of run.curves ?? []) {
    yield* fullRows(run, curves);
    for (const { sets, ways: most, curves: counts } of curves.sets) {
      for (const each of counts) {
        const curve = new HitCurve(each, 1);
        for (let ways = 1; ways <= most; ways++) yield { run, unit: curves.unit, curve, sets, ways };
      }
    }
  }
}

function* fullRows(run: RunResult, { unit, scale, full }: UnitCurves): Generator<MrcRow> {
  const all = new HitCurve(full[0], scale);
  const own = capacitiesOf(run.spec.machine.iotlb);
  for (const counts of full) {
    const curve = new HitCurve(counts, scale);
    for (const ways of capacities(all.lastEntries, own, counts.scope)) yield { run, unit, curve, sets: 1, ways };
    if (isAlone(full, counts.scope, counts.member, counts.sharing)) {
      const copy = new HitCurve({ ...counts, sharing: 'own' }, scale);
      for (const ways of capacities(all.lastEntries, own, counts.scope))
        yield { run, unit, curve: copy, sets: 1, ways };
    }
  }
}

/** A part that had the cache for itself anyway has no curve of its own: it is the shared one. */
function isAlone(full: UnitCurves['full'], scope: Scope, member: number, sharing: Sharing): boolean {
  if (scope === 'all' || sharing === 'own') return false;
  if (scope === 'leaf' && full.some((each) => each.scope === 'part')) return false; // its part has
  return !full.some((each) => each.scope === scope && each.member === member && each.sharing === 'own');
}

/** The capacities that have rows, ascending: up to the last that changes anything, and the scenario's own. */
export function capacities(last: number, own: readonly number[], scope: Scope): number[] {
  const [every, step] = scope === 'all' ? [EVERY_LOG2, STEP_LOG2] : [PART_EVERY_LOG2, PART_STEP_LOG2];
  const list = new Set<number>([...own, Math.max(1, last)]);
  for (let entries = 1; entries <= last; ) {
    list.add(entries);
    entries += entries < 2 ** every ? 1 : 2 ** Math.max(0, Math.floor(Math.log2(entries)) - step);
  }
  return [...list].sort((a, b) => a - b);
}
