/** Which IOVAs of a domain each of its units hands out. */
import { powerOfTwo } from '../iommu/commands/command.ts';

const PAGES_32BIT = 0x100000;

/**
 * IOVA pages of the other units of a domain: each unit's allocator has an equal part below 4 GiB and above, so that none has
 * to ask the others.
 */
export function othersPages(index: number, units: number, maskBits: number): [number, number][] {
  const ranges: [number, number][] = [];
  const end = powerOfTwo(maskBits - 12);
  for (const [from, to] of [
    [1, Math.min(end, PAGES_32BIT)],
    [PAGES_32BIT, end],
  ]) {
    const share = Math.floor((to - from) / units);
    const first = from + index * share;
    const next = index === units - 1 ? to : first + share;
    if (first > from) ranges.push([from, first - 1]);
    if (next < to) ranges.push([next, to - 1]);
  }
  return ranges;
}
