/**
 * The `fmt` names of page-table records: which format each is, how `cfg` configures it, and what `init` and `final` report
 * about the table (FORMAT.md, "cfg").
 */
import { levelIndexBits } from '../formats/compile.ts';
import type { FormatConfig, LinuxProfile, TableGeometry } from '../formats/format.ts';
import type { PageTable } from '../page-table.ts';
import { asHex, asInteger, asObject, hex, type Json, type JsonObject, RecordError } from './fields.ts';

export interface RecordFormat {
  /** Name in iommu/formats; the x86-64 records are two formats. */
  readonly format: (cfg: JsonObject) => string;
  readonly config: (cfg: JsonObject, linux: LinuxProfile) => FormatConfig;
  readonly describe: (table: PageTable, linux: LinuxProfile) => { [key: string]: Json };
}

const SIGN_EXTENDED = 8;
const VTDSS_SNOOP = 128;
const VTDSS_FORCE_WRITABLE = 256;
const RISCV_SVNAPOT = 128;

const optionalSizes = (cfg: JsonObject): { pageSizes?: bigint } =>
  cfg.pgsizes === undefined ? {} : { pageSizes: asHex(cfg.pgsizes, 'cfg.pgsizes') };

const features = (cfg: JsonObject): number =>
  cfg.features === undefined ? 0 : asInteger(cfg.features, 'cfg.features', 0, 0xffff);

const width = (cfg: JsonObject): number => asInteger(cfg.width, 'cfg.width', 39, 57);

/** Linux 6.1 Intel: 0 = 4 KiB only, 1 = and 2 MiB, 2 = and 1 GiB. */
function superpages(cfg: JsonObject): bigint {
  return [0x1000n, 0x201000n, 0x40201000n][asInteger(cfg.superpage, 'cfg.superpage', 0, 2)];
}

const sizesOf = (table: PageTable): { pgsize_bitmap: string } => ({
  pgsize_bitmap: hex(table.rule.geometry.pageSizes),
});

/** generic_pt: pt_iommu_get_info and the aperture of the domain. */
function genericInfo(table: PageTable): { [key: string]: Json } {
  const { geometry } = table.rule;
  const bits = geometry.mapBits - (geometry.signExtended ? 1 : 0);
  return {
    levels: table.levels,
    root_entries: 512,
    ...sizesOf(table),
    aperture: ['0x0', hex((1n << BigInt(bits)) - 1n)],
  };
}

const levelsInfo = (table: PageTable): { [key: string]: Json } => ({ levels: table.levels, ...sizesOf(table) });

const byVersion = (table: PageTable, linux: LinuxProfile): { [key: string]: Json } =>
  linux === '6.1' ? levelsInfo(table) : genericInfo(table);

/** IPS / PS codes of TCR and VTCR by output bits. */
function outputSize(outputBits: number): number {
  const code = [32, 36, 40, 42, 44, 48, 52].indexOf(outputBits);
  if (code < 0) throw new RecordError(`cfg.oas: expected 32, 36, 40, 42, 44, 48 or 52, got ${outputBits}`);
  return code;
}

const granuleCode = (geometry: TableGeometry): number => ({ 12: 0, 14: 2, 16: 1 })[geometry.granuleLog2]!;

/** Walks as Linux configures them: inner shareable, write-back write-allocate. */
const WALK_ATTRIBUTES = { sh: 3, orgn: 1, irgn: 1 };
/** arm_lpae_alloc_pgtable_s1: attributes 0 non-cacheable, 1 write-back, 2 device; the upper half is a sign extension. */
const MAIR = 0xfffffffff404ff44n;

function armInfo(table: PageTable): { [key: string]: Json } {
  const { geometry } = table.rule;
  return {
    start_level: 4 - geometry.levels,
    root_entries: 1 << geometry.rootIndexBits,
    entries: 1 << geometry.indexBits,
  };
}

function arm1Info(table: PageTable): { [key: string]: Json } {
  const { geometry } = table.rule;
  const ips = outputSize(geometry.outputBits);
  const tcr = { ips, tg: granuleCode(geometry), ...WALK_ATTRIBUTES, tsz: 64 - geometry.inputBits };
  return { ...armInfo(table), tcr, mair: hex(MAIR), ...sizesOf(table) };
}

function arm2Info(table: PageTable): { [key: string]: Json } {
  const { geometry } = table.rule;
  const ps = outputSize(geometry.outputBits);
  const start = 4 - geometry.levels + (geometry.granuleLog2 === 12 ? 1 : 0);
  const vtcr = { ps, tg: granuleCode(geometry), ...WALK_ATTRIBUTES, sl: ~start & 3, tsz: 64 - geometry.inputBits };
  return { ...armInfo(table), vtcr, ...sizesOf(table) };
}

function dartInfo(table: PageTable, linux: LinuxProfile): { [key: string]: Json } {
  const { geometry } = table.rule;
  const levels = linux === '6.1' ? {} : { n_levels: geometry.levels + 1 };
  return { n_ttbrs: geometry.roots, ...levels, ...sizesOf(table) };
}

function lpaeConfig(cfg: JsonObject, linux: LinuxProfile): FormatConfig {
  return {
    linux,
    pageSizes: asHex(cfg.pgsizes, 'cfg.pgsizes'),
    inputBits: asInteger(cfg.ias, 'cfg.ias', 20, 52),
    outputBits: asInteger(cfg.oas, 'cfg.oas', 20, 52),
  };
}

function x86Config(cfg: JsonObject, linux: LinuxProfile): FormatConfig {
  return {
    linux,
    levels: asInteger(cfg.levels, 'cfg.levels', 4, 5),
    inputBits: asInteger(cfg.vasz, 'cfg.vasz', 32, 57),
    signExtended: (features(cfg) & SIGN_EXTENDED) !== 0,
  };
}

function vtdssConfig(cfg: JsonObject, linux: LinuxProfile): FormatConfig {
  if (linux === '6.1') {
    const snoop = cfg.snp === 1;
    return { linux, levels: (width(cfg) - 12) / 9, snoop, pageSizes: superpages(cfg) };
  }
  return {
    linux,
    levels: asInteger(cfg.levels, 'cfg.levels', 3, 5),
    inputBits: asInteger(cfg.vasz, 'cfg.vasz', 32, 57),
    snoop: (features(cfg) & VTDSS_SNOOP) !== 0,
    forceWritable: (features(cfg) & VTDSS_FORCE_WRITABLE) !== 0,
    ...optionalSizes(cfg),
  };
}

export const RECORD_FORMATS: Readonly<Record<string, RecordFormat>> = {
  amdv1: {
    format: () => 'amd-v1',
    config: (cfg, linux) => ({ linux, levels: asInteger(cfg.mode, 'cfg.mode', 1, 6), ...optionalSizes(cfg) }),
    describe: (table, linux) => (linux === '6.1' ? { mode: table.levels, ...sizesOf(table) } : genericInfo(table)),
  },
  amdv2: {
    format: () => 'amd-v2',
    config: (cfg, linux) => ({ linux, levels: 4, inputBits: 48, ...optionalSizes(cfg) }),
    describe: byVersion,
  },
  x86_64: {
    format: (cfg) => ((features(cfg) & SIGN_EXTENDED) === 0 ? 'amd-v2' : 'vtd-fs'),
    config: x86Config,
    describe: genericInfo,
  },
  vtdss: { format: () => 'vtd-ss', config: vtdssConfig, describe: byVersion },
  vtdfs: {
    format: () => 'vtd-fs',
    // Linux 6.1 treats first-stage input as unsigned.
    config: (cfg, linux) => ({ linux, levels: (width(cfg) - 12) / 9, pageSizes: superpages(cfg), signExtended: false }),
    describe: levelsInfo,
  },
  dart1: { format: () => 'dart1', config: lpaeConfig, describe: dartInfo },
  dart2: { format: () => 'dart2', config: lpaeConfig, describe: dartInfo },
  arms1: { format: () => 'arm-s1', config: lpaeConfig, describe: arm1Info },
  arms2: { format: () => 'arm-s2', config: lpaeConfig, describe: arm2Info },
  riscv64: {
    format: () => 'riscv',
    config: (cfg, linux) => ({
      linux,
      levels: (asInteger(cfg.vasz, 'cfg.vasz', 39, 57) - 12) / 9,
      outputBits: asInteger(cfg.oasz ?? 56, 'cfg.oasz', 32, 56),
      svnapot: (features(cfg) & RISCV_SVNAPOT) !== 0,
    }),
    describe: genericInfo,
  },
  riscvg: {
    format: () => 'riscvg',
    config: (cfg, linux) => ({ linux, levels: asInteger(cfg.levels, 'cfg.levels', 3, 5) }),
    describe: (table) => ({
      levels: table.levels,
      root_entries: 1 << levelIndexBits(table.rule.geometry, table.levels - 1),
      ...sizesOf(table),
    }),
  },
};

export function recordFormat(name: Json | undefined): RecordFormat {
  const known = typeof name === 'string' ? RECORD_FORMATS[name] : undefined;
  if (known === undefined || !Object.hasOwn(RECORD_FORMATS, name as string)) {
    throw new RecordError(
      `fmt: unknown table format ${JSON.stringify(name) ?? 'nothing'}, expected ${Object.keys(RECORD_FORMATS).join(', ')}`,
    );
  }
  return known;
}

/** Object check used by callers that print records of this kind. */
export function configOf(record: JsonObject): JsonObject {
  return asObject(record.cfg, 'cfg');
}
