/** Passthrough: the IOVA is the physical address; nothing is mapped, so nothing is unmapped (`iommu=pt`). */
import type { DriverCpu, MappingPolicy, PageList } from '../policy.ts';

function mapIdentity(_cpu: DriverCpu, { physicalPages, iovaPages, count }: PageList): boolean {
  for (let i = 0; i < count; i++) iovaPages[i] = physicalPages[i];
  return true;
}

const identity: MappingPolicy = {
  keepsMappings: false,
  map: (_cpu: DriverCpu, physicalPage: number) => physicalPage,
  unmap: () => {},
  mapAt: () => true,
  unmapAt: () => {},
  mapSg: mapIdentity,
  unmapSg: () => {},
  mapPages: mapIdentity,
  unmapPages: (_cpu: DriverCpu, { count }: PageList) => count,
  timerAt: () => Infinity,
  timer: () => {},
};

export const passthrough = (): MappingPolicy => identity;
