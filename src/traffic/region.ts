/** Memory that stays mapped for the whole run: windows, rings. */
import { assert } from '../lib/assert.ts';
import type { Mapper } from './mapper.ts';

/** Allocates and maps `pages`; returns the first IOVA page. */
export function mapRegion(mapper: Mapper, pages: number, prot: number): number {
  const iovaPage = mapper.mapStatic(mapper.allocate(pages), pages, prot);
  assert(iovaPage >= 0, 'memory that is mapped before the run must fit into the IOVA space');
  return iovaPage;
}
