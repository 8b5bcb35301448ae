/**
 * Names under which perf prints an IOMMU event → the name that the simulator uses. A PMU's unit number, modifiers, filters and
 * case are left aside; events given as raw codes are found by their code.
 *
 * Codes: AMD arch/x86/events/amd/iommu.c; Intel drivers/iommu/intel/perfmon.c and
 * tools/perf/pmu-events/arch/x86/icelakex/uncore-io.json; Arm drivers/perf/arm_smmuv3_pmu.c (Linux 6.12).
 */
import { PMU_EVENTS, type PmuEvent } from '../columns/pmu.ts';

type Pmu = PmuEvent['pmu'];

export interface IommuEvent {
  readonly pmu: Pmu;
  /** In the spelling of PMU_EVENTS, or as perf has it for an event that the simulator does not have. */
  readonly name: string;
  /** Filters such as devid=0x4100: then the count is that of some devices only. */
  readonly filters: readonly string[];
}

/** csource of amd_iommu events, from 1 on. */
const AMD_CODES = [
  ...['mem_pass_untrans', 'mem_pass_pretrans', 'mem_pass_excl', 'mem_target_abort', 'mem_trans_total'],
  ...['mem_iommu_tlb_pte_hit', 'mem_iommu_tlb_pte_mis', 'mem_iommu_tlb_pde_hit', 'mem_iommu_tlb_pde_mis'],
  ...['mem_dte_hit', 'mem_dte_mis', 'page_tbl_read_tot', 'page_tbl_read_nst', 'page_tbl_read_gst'],
  ...['int_dte_hit', 'int_dte_mis', 'cmd_processed', 'cmd_processed_inv', 'tlb_inv', 'ign_rd_wr_mmio_1ff8h'],
  ...['vapic_int_non_guest', 'vapic_int_guest', 'smi_recv', 'smi_blk'],
];

/** `event_group,event` of dmar events. */
const DMAR_CODES: Readonly<Record<string, string>> = {
  '0,1': 'iommu_clocks',
  '0,2': 'iommu_requests',
  '0,4': 'pw_occupancy',
  '0,8': 'ats_blocked',
  '1,1': 'iommu_mrds',
  '1,32': 'iommu_mem_blocked',
  '1,64': 'pg_req_posted',
  '2,1': 'ctxt_cache_lookup',
  '2,2': 'ctxt_cache_hit',
  '2,4': 'pasid_cache_lookup',
  '2,8': 'pasid_cache_hit',
  '2,16': 'ss_nonleaf_lookup',
  '2,32': 'ss_nonleaf_hit',
  '2,64': 'fs_nonleaf_lookup',
  '2,128': 'fs_nonleaf_hit',
  '2,256': 'hpt_nonleaf_lookup',
  '2,512': 'hpt_nonleaf_hit',
  '3,1': 'iotlb_lookup',
  '3,2': 'iotlb_hit',
  '3,4': 'hpt_leaf_lookup',
  '3,8': 'hpt_leaf_hit',
  '4,1': 'int_cache_lookup',
  '4,2': 'int_cache_hit_nonposted',
  '4,4': 'int_cache_hit_posted',
};

/** `event,umask` of uncore_iio events (Ice Lake; NUM_MEM_ACCESSES of Sapphire Rapids and later too). */
const IIO_CODES: Readonly<Record<string, string>> = {
  '64,1': 'UNC_IIO_IOMMU0.FIRST_LOOKUPS',
  '64,2': 'UNC_IIO_IOMMU0.ALL_LOOKUPS',
  '64,4': 'UNC_IIO_IOMMU0.4K_HITS',
  '64,8': 'UNC_IIO_IOMMU0.2M_HITS',
  '64,16': 'UNC_IIO_IOMMU0.1G_HITS',
  '64,32': 'UNC_IIO_IOMMU0.MISSES',
  '64,64': 'UNC_IIO_IOMMU0.CTXT_CACHE_LOOKUPS',
  '64,128': 'UNC_IIO_IOMMU0.CTXT_CACHE_HITS',
  '65,1': 'UNC_IIO_IOMMU1.PWT_CACHE_LOOKUPS',
  '65,32': 'UNC_IIO_IOMMU1.PWC_CACHE_FILLS',
  '65,64': 'UNC_IIO_IOMMU1.NUM_MEM_ACCESSES',
  '65,192': 'UNC_IIO_IOMMU1.NUM_MEM_ACCESSES',
};

/** Sapphire Rapids and later have another name for the same event and umask. */
const RENAMED: Readonly<Record<string, string>> = {
  'UNC_IIO_IOMMU1.SLPWC_CACHE_LOOKUPS': 'UNC_IIO_IOMMU1.PWT_CACHE_LOOKUPS',
};

const SMMU_CODES = [
  ...['cycles', 'transaction', 'tlb_miss', 'config_cache_miss', 'trans_table_walk_access', 'config_struct_access'],
  ...['pcie_ats_trans_rq', 'pcie_ats_trans_passed'],
];

const PMUS: readonly (readonly [Pmu, RegExp])[] = [
  ['amd_iommu', /^amd_iommu(_\d+)?$/],
  ['dmar', /^dmar\d*$/],
  ['uncore_iio', /^uncore_iio(_\d+)?$/],
  ['smmuv3_pmcg', /^(arm_)?smmuv3_pmcg(_[0-9a-f]+)?$/],
];

/** undefined for an event of no IOMMU. */
export function iommuEvent(text: string): IommuEvent | undefined {
  const name = text.replace(/\s*\[[^\]]*\]$/, '').replace(/:[a-zA-Z]+$/, '');
  const match = /^([^/]+)\/([^/]*)\/[a-zA-Z]*$/.exec(name);
  if (match === null) return bareEvent(name);
  const pmu = PMUS.find(([, pattern]) => pattern.test(match[1].toLowerCase()))?.[0];
  return pmu === undefined ? undefined : eventOf(pmu, match[2].split(','));
}

/** Names without a PMU, as of the vendor's event lists; `name=` terms rename events and are taken as they are. */
function bareEvent(name: string): IommuEvent | undefined {
  const text = RENAMED[name.toUpperCase()] ?? name;
  const known = PMU_EVENTS.find(({ name }) => name.toLowerCase() === text.toLowerCase());
  if (known !== undefined) return { pmu: known.pmu, name: known.name, filters: [] };
  if (/^unc_iio_/i.test(text)) return { pmu: 'uncore_iio', name: text.toUpperCase(), filters: [] };
  const pmu = AMD_CODES.includes(text) ? 'amd_iommu' : Object.values(DMAR_CODES).includes(text) ? 'dmar' : undefined;
  return pmu === undefined ? undefined : { pmu, name: text, filters: [] };
}

function eventOf(pmu: Pmu, terms: readonly string[]): IommuEvent | undefined {
  const word = terms.find((term) => !term.includes('='));
  const values = new Map(terms.filter((term) => term.includes('=')).map(splitTerm));
  const filters = terms.filter((term) => /^(devid|domid|pasid|filter_\w+|ch_mask|fc_mask)(_mask)?=/.test(term));
  const named = values.get('name');
  const name = word ?? (named === undefined ? codeName(pmu, values) : named);
  return name === undefined ? undefined : { pmu, name: spelling(pmu, name), filters };
}

function splitTerm(term: string): [string, string] {
  const at = term.indexOf('=');
  return [term.slice(0, at).trim(), term.slice(at + 1).trim()];
}

function codeName(pmu: Pmu, values: ReadonlyMap<string, string>): string | undefined {
  const code = (key: string): number => Number(values.get(key) ?? NaN);
  switch (pmu) {
    case 'amd_iommu':
      return AMD_CODES[code('csource') - 1];
    case 'dmar':
      return DMAR_CODES[`${code('event_group')},${code('event')}`];
    case 'uncore_iio':
      return IIO_CODES[`${code('event')},${code('umask')}`];
    default:
      return SMMU_CODES[code('event')];
  }
}

function spelling(pmu: Pmu, name: string): string {
  const lower = (RENAMED[name.toUpperCase()] ?? name).toLowerCase();
  return PMU_EVENTS.find((event) => event.pmu === pmu && event.name.toLowerCase() === lower)?.name ?? name;
}
