import {
  LINUX_COSTS,
  LINUX_ESTIMATES,
  LINUX_FLUSH_QUEUE,
  LINUX_IOVA,
  LINUX_OS,
  LINUX_SOURCES,
  lru,
  NO_CACHE,
  type Preset,
  TLP,
  TLP_SOURCE,
} from './preset.ts';

const PCIE_BENCH = 'pcie-bench/data, Broadwell E5-2630v4 (Neugebauer et al., SIGCOMM 2018)';

/**
 * The Broadwell machine of pcie-bench with its NFP-6000 on PCIe Gen3 x8, calibrated to 64-byte reads, one outstanding,
 * cold LLC. The measured mean latency is 490 + max(0, 1 - 117 / P) * 290 ns over P pages (rms error 0.4 ns) and 487.5 ns
 * with the IOMMU off. This file is the only place that knows these numbers.
 */
const HIT_NS = 490;
const OFF_NS = 487.5;
const MISS_NS = 290;
/** A read request and its 64-byte completion on the link, at 57.88 Gbit/s. */
const LINK_GBPS = 57.88;
const LINK_NS = ((TLP.readRequestBytes + TLP.completionHeaderBytes + 64) * 8) / LINK_GBPS;
/** How the miss cost splits into the leaf's read and the rest is not visible in the data. */
const LEAF_READ_NS = 90;
const picoseconds = (ns: number): number => Math.round(ns * 1000) / 1000;

export const pcieBenchBroadwell: Preset = {
  name: 'pcie-bench-broadwell',
  title: 'Xeon E5-2630v4 (Broadwell) with the pcie-bench NIC, PCIe Gen3 x8',
  machine: {
    units: 1,
    iotlb: { ...lru(117), leafLog2: [12, 21, 30], fracture: true, l1: NO_CACHE },
    walkCaches: { host: [lru(64), lru(16), lru(8), lru(8), lru(8)], guest: [] },
    nestedTlb: NO_CACHE,
    deviceCache: lru(16),
    pasidCache: NO_CACHE,
    lineCache: NO_CACHE,
    walkers: 6,
    prefetchPages: 0,
    walkStartNs: 48,
    latency: {
      iotlbHitNs: HIT_NS - OFF_NS,
      iotlbL1HitNs: 0,
      lineHitNs: LEAF_READ_NS,
      memoryReadNs: LEAF_READ_NS,
      walkOverheadNs: MISS_NS - LEAF_READ_NS,
      dmaReadNs: picoseconds(OFF_NS - LINK_NS),
      dmaWriteNs: 250,
      commandNs: 20,
      completionWaitNs: 300,
    },
    order: { readWindow: 9, writeWindow: 20 },
    link: { gbps: LINK_GBPS, maxPayloadBytes: 256, maxReadRequestBytes: 512, outstanding: 27, ...TLP },
    commandQueueEntries: 256,
    eventLogEntries: 512,
    memoryBytes: 2 ** 36,
  },
  os: {
    kernelEra: 'intel-6.1',
    iova: LINUX_IOVA,
    flushQueue: LINUX_FLUSH_QUEUE,
    ...LINUX_OS,
    costs: { ...LINUX_COSTS, completionPollNs: 10 },
  },
  sources: {
    ...LINUX_SOURCES,
    'machine.units': 'one NIC, one root complex',
    'machine.iotlb.entries': `${PCIE_BENCH}: fit of mean latency over the window, N = 117`,
    'machine.latency.iotlbHitNs': `${PCIE_BENCH}: 490.0 ns at 256 KiB less 487.5 ns with the IOMMU off`,
    'machine.latency.walkOverheadNs': `${PCIE_BENCH}: 290 ns a miss, with memoryReadNs`,
    'machine.latency.memoryReadNs': `${PCIE_BENCH}: 290 ns a miss, with walkOverheadNs`,
    'machine.latency.dmaReadNs': `${PCIE_BENCH}: 487.5 ns with the IOMMU off less the link`,
    'machine.walkStartNs': `${PCIE_BENCH}: saturated 64-byte writes, 20.5 M walks a second`,
    'machine.prefetchPages': `${PCIE_BENCH}: random reads need none to fit, and would show none`,
    'machine.walkers': `${PCIE_BENCH}: 4 to 6 walks in flight`,
    'machine.order': `${PCIE_BENCH}: fit of saturated reads and writes over the window`,
    'machine.walkCaches.host': `${PCIE_BENCH}: a miss costs the same up to 64 MiB, so 32 regions of 2 MiB stay cached`,
    'machine.link': `${TLP_SOURCE}; Gen3 x8; 27 reads in flight fit the saturated rate`,
    'machine.commandQueueEntries': 'Linux 6.12 drivers/iommu/intel: queue of 256 descriptors',
    'machine.memoryBytes': 'a choice',
    'os.kernelEra': 'a choice: the measured Linux 3.19 and 4.4 flush as Linux 6.1 does',
    'os.costs.completionPollNs': 'Linux 6.12 drivers/iommu/intel/dmar.c qi_submit_sync: busy wait',
  },
  estimates: [
    ...LINUX_ESTIMATES,
    'machine.iotlb',
    'machine.walkCaches',
    'machine.nestedTlb',
    'machine.deviceCache',
    'machine.pasidCache',
    'machine.lineCache',
    'machine.latency',
    'machine.eventLogEntries',
  ],
};
