/** Passthrough: the IOVA is the physical address; nothing is mapped, so nothing is unmapped (`iommu=pt`). */
import type { DriverCpu, MappingPolicy } from '../policy.ts';

const identity: MappingPolicy = {
  keepsMappings: false,
  map: (_cpu: DriverCpu, physicalPage: number) => physicalPage,
  unmap: () => {},
  mapAt: () => true,
  unmapAt: () => {},
  timerAt: () => Infinity,
  timer: () => {},
};

export const passthrough = (): MappingPolicy => identity;
