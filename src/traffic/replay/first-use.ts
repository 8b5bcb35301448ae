/** Which pages a trace uses that no trace of its domain says to be mapped. */
import type { DeviceSpec, TenantSpec, TraceRows } from '../../spec.ts';
import { OP_MAP, PAGE_BYTES } from '../../request.ts';

/** The traces of all devices in the domain of `device`, its own first. */
export function domainTraces(device: DeviceSpec, { devices }: Pick<TenantSpec, 'devices'>): TraceRows[] {
  const others = devices.filter(
    ({ index, domain }) => index !== device.index && domain !== undefined && domain === device.domain,
  );
  return [device, ...others].flatMap(({ traffic }) => (traffic.model === 'replay' ? [traffic.rows] : []));
}

/** Runs [first page, pages], ascending, of the pages that DMA rows touch and no map row of `all` covers anywhere. */
export function unmappedRuns(rows: TraceRows, all: readonly TraceRows[] = [rows]): [number, number][] {
  const used = merge(intervals(rows, (op) => op < OP_MAP));
  const maps = all.flatMap((each) => intervals(each, (op) => op === OP_MAP));
  const mapped = merge(maps.sort((a, b) => a[0] - b[0]));
  return subtract(used, mapped).map(([first, end]) => [first, end - first]);
}

/** [first, end) pages of the rows with such an op, sorted by first page. */
function intervals(rows: TraceRows, wanted: (op: number) => boolean): [number, number][] {
  const found: [number, number][] = [];
  let last: [number, number] | undefined;
  for (let row = 0; row < rows.op.length; row++) {
    if (!wanted(rows.op[row])) continue;
    const first = rows.page[row];
    const end = first + Math.max(1, Math.ceil((rows.offset[row] + rows.lengthBytes[row]) / PAGE_BYTES));
    // Streams touch the same or the next page again and again: keep the list short before it is sorted.
    if (last !== undefined && first >= last[0] && first <= last[1]) last[1] = Math.max(last[1], end);
    else found.push((last = [first, end]));
  }
  return found.sort((a, b) => a[0] - b[0]);
}

function merge(sorted: readonly [number, number][]): [number, number][] {
  const merged: [number, number][] = [];
  for (const [first, end] of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && first <= last[1]) last[1] = Math.max(last[1], end);
    else merged.push([first, end]);
  }
  return merged;
}

/** Both lists sorted and without overlaps. */
function subtract(from: readonly [number, number][], holes: readonly [number, number][]): [number, number][] {
  const left: [number, number][] = [];
  let hole = 0;
  for (const [first, end] of from) {
    let at = first;
    while (hole < holes.length && holes[hole][1] <= at) hole++;
    for (let h = hole; at < end; h++) {
      const [holeFirst, holeEnd] = holes[h] ?? [Infinity, Infinity];
      if (holeFirst > at) left.push([at, Math.min(holeFirst, end)]);
      at = holeEnd;
    }
  }
  return left;
}
