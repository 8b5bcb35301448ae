/** A machine as data: its values, and for each of them a source or the admission that it is an estimate. */
import type { IndexFunction, LatencySpec, LinkSpec, MachineSpec, OsSpec, Replacement } from '../../spec.ts';

export interface PresetCache {
  readonly entries: number;
  readonly ways: number | 'full';
  readonly replacement: Replacement;
  readonly index: IndexFunction;
}

export interface Preset {
  readonly name: string;
  readonly title: string;
  readonly machine: {
    readonly units: number;
    readonly iotlb: PresetCache & {
      readonly leafLog2: readonly number[];
      readonly fracture: boolean;
      readonly l1: PresetCache;
    };
    /** Element i holds entries found at level i + 1. */
    readonly walkCaches: { readonly host: readonly PresetCache[]; readonly guest: readonly PresetCache[] };
    readonly nestedTlb: PresetCache;
    readonly deviceCache: PresetCache;
    readonly pasidCache: PresetCache;
    readonly lineCache: PresetCache;
    readonly walkers: number;
    readonly prefetchPages: number;
    readonly walkStartNs: number;
    readonly latency: LatencySpec;
    readonly order: MachineSpec['order'];
    readonly link: LinkSpec;
    readonly commandQueueEntries: number;
    readonly eventLogEntries: number;
    readonly memoryBytes: number;
  };
  readonly os: OsSpec;
  /** Source by path; a path stands for everything below it. The longest path wins over `estimates` and vice versa. */
  readonly sources: Readonly<Record<string, string>>;
  /** Paths of values that nobody published. */
  readonly estimates: readonly string[];
}

/** `entries` in sets of `ways`, LRU, indexed by the low page-number bits. */
export function lru(entries: number, ways: number | 'full' = 'full'): PresetCache {
  return { entries, ways, replacement: 'lru', index: 'modulo' };
}

export const NO_CACHE = lru(0);

/** Linux IOVA and flush-queue constants that hold on every machine. */
export const LINUX_IOVA = { forcedac: false, maskBits: 48 };
/** drivers/iommu/dma-iommu.c: IOVA_DEFAULT_FQ_SIZE 256, IOVA_FQ_TIMEOUT 10 ms. */
export const LINUX_FLUSH_QUEUE = { entries: 256, timeoutNs: 10e6, single: false };
/** drivers/iommu/dma-iommu.c: IOVA_SINGLE_FQ_SIZE 32768, IOVA_SINGLE_FQ_TIMEOUT 1000 ms. */
export const LINUX_SINGLE_QUEUE = { entries: 32768, timeoutNs: 1e9, single: true };
/** What every Linux preset says besides era, costs and IOVA limits. */
/** Guests' IOMMUs. The measured ones are VT-d on Emerald Rapids under QEMU; nothing is published for AMD. */
const VIOMMU = {
  batched: false,
  emulatedExitNs: 53_000,
  shadowPageNs: 500,
  domainIds: 65_536,
  readerTlbEntries: 16,
};
export const LINUX_OS = { viommu: VIOMMU, cpus: 0, contiguousPages: 64, bounceSlots: 32768 };

export const LINUX_SOURCES = {
  'os.iova': 'Linux 6.12 drivers/iommu/iova.c; 48-bit mask as most PCIe devices set',
  'os.flushQueue': 'Linux 6.12 drivers/iommu/dma-iommu.c:106-111',
  'os.cpus': 'a choice: every queue has a CPU of its own',
  'os.contiguousPages': 'Fast & Safe, SOSP 2024: 64 pages, one receive descriptor of mlx5',
  'os.bounceSlots': 'Linux include/linux/swiotlb.h: IO_TLB_DEFAULT_SIZE 64 MiB in slots of 2 KiB',
  'os.costs.mapNs': 'Linux generic_pt commit messages, 2025-11: map 4 KiB, AMD v1, 65 ns',
  'os.costs.mapPageNs': 'Linux generic_pt commit messages, 2025-11: map 256 x 4 KiB before the generic table, 1833 ns',
  'os.costs.unmapNs': 'Linux generic_pt commit messages, 2025-11: unmap 4 KiB, AMD v1, 76 ns',
  'os.viommu.batched': 'a choice: a command and its completion wait exit together, as qi_submit_sync submits them',
  'os.viommu.emulatedExitNs': 'xlab-uiuc/iommu-vm, Linux 6.12.9: a write of an emulated register, exit to QEMU, 53 us',
  'os.viommu.domainIds': 'Linux 6.12 drivers/iommu/amd/amd_iommu_types.h: MAX_DOMAIN_ID 65536',
  'os.costs.exitNs': 'xlab-uiuc/iommu-vm, Linux 6.12.9: tlb_sync nested 10094 ns less 2200 ns on bare metal',
  'os.costs.packetNs': 'xlab-uiuc/iommu-vm: one core receives 47 Gbit/s in 4000-byte packets, 680 ns a packet',
} as const;

export const LINUX_ESTIMATES = [
  'os.costs.iovaAllocNs',
  'os.costs.iovaAllocSlowNs',
  'os.costs.iovaFreeNs',
  'os.costs.unmapPageNs',
  'os.costs.invalidateSubmitNs',
  'os.costs.lockHandoffNs',
  'os.viommu.shadowPageNs',
  'os.viommu.readerTlbEntries',
  'os.costs.bounceNs',
  'os.costs.copyKibNs',
] as const;

export const LINUX_COSTS = {
  iovaAllocNs: 20,
  iovaAllocSlowNs: 400,
  iovaFreeNs: 20,
  mapNs: 65,
  mapPageNs: 7,
  unmapNs: 76,
  unmapPageNs: 7,
  invalidateSubmitNs: 150,
  lockHandoffNs: 100,
  bounceNs: 300,
  copyKibNs: 100,
  packetNs: 680,
  exitNs: 7900,
} as const;

/** PCIe TLP overheads on the wire: Neugebauer et al., SIGCOMM 2018 (24 B a write or read request, 20 B a completion). */
export const TLP = { writeHeaderBytes: 24, readRequestBytes: 24, completionHeaderBytes: 20 };
export const TLP_SOURCE = 'Neugebauer et al., SIGCOMM 2018 (pcie-model)';
