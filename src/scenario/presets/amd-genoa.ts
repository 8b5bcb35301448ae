import { amdRome } from './amd-rome.ts';
import type { Preset } from './preset.ts';

/** EPYC 9004, one socket: the same family of IOMMU as Rome on PCIe Gen5. */
export const amdGenoa: Preset = {
  ...amdRome,
  name: 'amd-genoa',
  title: 'AMD EPYC 9004 (Genoa), one socket: 4 IOMMU units (not confirmed), PCIe Gen5',
  machine: {
    ...amdRome.machine,
    link: { ...amdRome.machine.link, gbps: 462, maxPayloadBytes: 512, outstanding: 768 },
  },
  sources: { ...amdRome.sources, 'machine.link': 'Neugebauer et al., SIGCOMM 2018 (pcie-model); Gen5 x16' },
  estimates: [...amdRome.estimates, 'machine.units', 'machine.link.maxPayloadBytes', 'machine.link.gbps'],
};
