/**
 * What a scenario may ask of a table format: which stages it serves, with how many levels and which leaves.
 * Facts for checks before a run; the formats themselves are declared in iommu/formats.
 */
export interface FormatFacts {
  /** Formats of one architecture nest in each other. */
  readonly architecture: 'amd';
  readonly stages: readonly ('host' | 'guest')[];
  readonly levels: readonly number[];
  /** Linux's choice for a new domain. */
  readonly defaultLevels: number;
  /** log2 of the leaf sizes that the mapper may be limited to. */
  readonly leafLog2: readonly number[];
  /** Width of the input address by number of levels. */
  inputBits(levels: number): number;
}

export const FORMATS = {
  // Linux starts a v1 domain with 3 levels (39 bits) and grows it: drivers/iommu/amd/iommu.c, DEFAULT_PGTABLE_LEVEL.
  'amd-v1': {
    architecture: 'amd',
    stages: ['host'],
    levels: [3, 4, 5, 6],
    defaultLevels: 3,
    leafLog2: [12, 21, 30],
    inputBits: (levels) => Math.min(64, 12 + 9 * levels),
  },
  // As the DMA API's own table (amd_iommu=pgtbl_v2) or as a guest's table behind GCR3.
  'amd-v2': {
    architecture: 'amd',
    stages: ['host', 'guest'],
    levels: [4, 5],
    defaultLevels: 4,
    leafLog2: [12, 21, 30],
    // Linux limits itself to one bit less, so that sign extension never matters.
    inputBits: (levels) => 12 + 9 * levels - 1,
  },
} as const satisfies Readonly<Record<string, FormatFacts>>;

export type FormatName = keyof typeof FORMATS;
export const FORMAT_NAMES = Object.keys(FORMATS) as FormatName[];
