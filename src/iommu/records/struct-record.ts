/**
 * Executes a structure record (FORMAT.md, structs.jsonl.gz): builds or decodes table entries, commands and descriptors from
 * `in` and returns the record with this program's own results.
 */
import { bits } from '../formats/bits.ts';
import { encodeCommand, invalidationRange } from '../structures/amd-command.ts';
import { buildDte, clearDte, type DteSettings } from '../structures/amd-device-table.ts';
import { gcr3Entry, gcr3Index } from '../structures/amd-gcr3.ts';
import { decodePpr } from '../structures/amd-log.ts';
import { buildContext, buildScalableContext } from '../structures/vtd-context.ts';
import { deviceTlbRange, encodeDescriptor, pasidTlbRange } from '../structures/vtd-invalidation.ts';
import {
  directoryIndex,
  encodePasidEntry,
  PGTT_FIRST,
  PGTT_PASS_THROUGH,
  PGTT_SECOND,
  tableIndex,
} from '../structures/vtd-pasid.ts';
import { halves } from '../structures/words.ts';
import {
  asArray,
  asFlag,
  asInteger,
  asObject,
  asString,
  asU64,
  hex,
  type Json,
  type JsonObject,
  RecordError,
} from './fields.ts';

type Results = { readonly [key: string]: Json };
type Builder = (fields: Inputs) => Results;

const PAGE_MASK = 0xfffn;
const ALL_ONES = (1n << 64n) - 1n;
const EINVAL = -22;
const PASID_BITS_IN_LINUX_IOTLB = 16;
/** Linux 6.1 gives every pass-through PASID entry this domain. */
const FLPT_DEFAULT_DID = 1;
const MAX_QUEUE_DEPTH = 31;

/** Named inputs of one record. */
class Inputs {
  private readonly values: JsonObject;

  constructor(values: JsonObject) {
    this.values = values;
  }

  u64(name: string): bigint {
    return asU64(this.values[name], `in.${name}`);
  }

  int(name: string, high = 0xffffffff): number {
    return asInteger(this.values[name], `in.${name}`, 0, high);
  }

  flag(name: string): boolean {
    return asFlag(this.values[name], `in.${name}`);
  }

  list(name: string): readonly Json[] {
    return asArray(this.values[name], `in.${name}`);
  }
}

const command = (...args: Parameters<typeof encodeCommand>): Results => ({
  out: halves(encodeCommand(...args)).map(hex),
});
const words = (values: readonly bigint[]): Results => ({ out: values.map(hex) });
const descriptor = (...args: Parameters<typeof encodeDescriptor>): Results => words(encodeDescriptor(...args));

const device = (f: Inputs): number => f.int('devid', 0xffff);
const domain = (f: Inputs): number => f.int('domid', 0xffff);
const pasid = (f: Inputs): number => f.int('pasid', 0xfffff);
const linuxPasid = (f: Inputs): number => pasid(f) & ((1 << PASID_BITS_IN_LINUX_IOTLB) - 1);

/** Last byte of a range given by address and size. */
function lastOf(f: Inputs): bigint {
  const size = f.u64('size');
  return f.u64('address') + (size === 0n ? 0n : size - 1n);
}

const AMD_COMMANDS: Readonly<Record<string, Builder>> = {
  'amd.cmd.completion_wait': (f) =>
    command('COMPLETION_WAIT', { S: 1, store: f.u64('store_paddr'), data: f.u64('data') }),
  'amd.cmd.inv_devtab_entry': (f) => command('INVALIDATE_DEVTAB_ENTRY', { DeviceID: device(f) }),
  'amd.cmd.inv_iommu_pages': (f) =>
    command('INVALIDATE_IOMMU_PAGES', {
      DomainID: domain(f),
      PDE: f.flag('pde'),
      ...invalidationRange(f.u64('address'), lastOf(f)),
    }),
  'amd.cmd.inv_iotlb_pages': (f) =>
    command('INVALIDATE_IOTLB_PAGES', {
      DeviceID: device(f),
      QueueID: device(f),
      MaxPend: f.int('qdep', 0xff),
      ...invalidationRange(f.u64('address'), lastOf(f)),
    }),
  'amd.cmd.inv_iommu_pages_pasid': (f) =>
    command('INVALIDATE_IOMMU_PAGES', {
      DomainID: domain(f),
      PASID: pasid(f),
      PDE: 1,
      GN: 1,
      S: f.flag('size_bit'),
      address: f.u64('address') & ~PAGE_MASK,
    }),
  'amd.cmd.inv_iotlb_pages_pasid': (f) =>
    command('INVALIDATE_IOTLB_PAGES', {
      DeviceID: device(f),
      QueueID: device(f),
      PASID: linuxPasid(f),
      MaxPend: f.int('qdep', 0xff),
      GN: 1,
      S: f.flag('size_bit'),
      address: f.u64('address') & ~PAGE_MASK,
    }),
  'amd.cmd.complete_ppr': (f) =>
    command('COMPLETE_PPR_REQUEST', {
      DeviceID: device(f),
      GN: f.flag('gn'),
      PASID: f.flag('gn') ? pasid(f) : 0,
      tag: f.int('tag', 0x1ff),
      status: f.int('status', 15),
    }),
  'amd.cmd.inv_all': () => command('INVALIDATE_IOMMU_ALL', {}),
  'amd.cmd.inv_interrupt_table': (f) => command('INVALIDATE_INTERRUPT_TABLE', { DeviceID: device(f) }),
  'amd.cmd72.inv_iommu_pages': (f) => {
    const flags = f.int('flags', 7); // 1 = S, 2 = PDE, 4 = GN
    const guest = (flags & 4) !== 0;
    return command('INVALIDATE_IOMMU_PAGES', {
      DomainID: domain(f),
      PASID: guest ? pasid(f) : 0,
      GN: guest,
      PDE: (flags & 2) !== 0,
      ...invalidationRange(f.u64('address'), f.u64('last')),
    });
  },
  'amd.cmd72.inv_iotlb_pages': (f) =>
    command('INVALIDATE_IOTLB_PAGES', {
      DeviceID: device(f),
      QueueID: device(f),
      MaxPend: f.int('qdep', 0xff),
      GN: f.flag('gn'),
      PASID: f.flag('gn') ? linuxPasid(f) : 0,
      ...invalidationRange(f.u64('address'), f.u64('last')),
    }),
};

/** set_dte_entry keeps bits of word 1 but the guest pointer (replaced when in use) and the domain. */
function dte61(f: Inputs): Results {
  const guest = f.flag('v2');
  const settings: DteSettings = {
    domain: domain(f),
    mode: f.int('mode', 7),
    root: f.u64('root'),
    ats: f.flag('ats'),
    ppr: f.flag('ppr') && f.flag('ephsup'),
    ...(guest ? { guest: { gcr3: f.u64('gcr3'), glx: f.int('glx', 3), giov: f.flag('giov') } } : {}),
  };
  return words(withoutTv(buildDte(settings, [0n, f.u64('old_dword1'), 0n, 0n]), f.flag('snp') && domain(f) === 0));
}

/** With SNP enabled an entry without a domain does not set TV. */
function withoutTv(entry: bigint[], clear: boolean): bigint[] {
  return clear ? [entry[0] & ~2n, ...entry.slice(1)] : entry;
}

const AMD_TABLES: Readonly<Record<string, Builder>> = {
  'amd.dte.v1': dte61,
  'amd.dte.gcr3': dte61,
  'amd.dte.clear': (f) => words(clearDte([f.u64('old_dword0'), f.u64('old_dword1')], f.flag('snp'))),
  'amd.dte72.v1': (f) =>
    words(
      buildDte({
        domain: domain(f),
        mode: f.int('mode', 7),
        root: f.u64('host_pt_root'),
        ats: f.flag('ats'),
        ppr: false,
        dirtyTracking: f.flag('dirty_tracking'),
      }),
    ),
  'amd.dte72.gcr3': (f) => {
    const guest = {
      gcr3: f.u64('gcr3'),
      glx: f.int('glx', 3),
      giov: f.flag('v2_pgtbl_giov'),
      levels: f.int('guest_levels', 5),
    };
    const settings = { domain: domain(f), mode: 0, root: 0n, ats: f.flag('ats'), ppr: f.flag('ppr'), guest };
    return words(buildDte(settings));
  },
  'amd.dte72.passthrough': (f) =>
    words(buildDte({ domain: domain(f), mode: 0, root: 0n, ats: f.flag('ats'), ppr: false })),
  'amd.ppr.decode': (f) => {
    const { type, flags, DeviceID, tag, PASID } = decodePpr([f.u64('word0'), 0n]);
    return {
      out: {
        type: Number(type),
        flags: Number(flags),
        devid: Number(DeviceID),
        tag: Number(tag),
        pasid: Number(PASID),
      },
    };
  },
  'amd.gcr3.table': (f) => ({ tables: gcr3Tables(f.int('glx', 2), f.list('sets')) }),
};

/** GCR3 tables by path: "1,5" is the table behind entries 1 and then 5. */
function gcr3Tables(glx: number, sets: readonly Json[]): Json {
  const tables = new Map<string, Map<number, bigint>>([['', new Map()]]);
  sets.forEach((item, i) => {
    const pair = asArray(item, `in.sets[${i}]`);
    const id = asInteger(pair[0], `in.sets[${i}][0]`, 0, 0xfffff);
    const cr3 = pair[1] === null ? null : asU64(pair[1], `in.sets[${i}][1]`);
    setGcr3(tables, glx, id, cr3);
  });
  return dumpGcr3(tables, glx, []);
}

function setGcr3(tables: Map<string, Map<number, bigint>>, glx: number, id: number, cr3: bigint | null): void {
  const path: number[] = [];
  for (let level = glx; level > 0; level--) {
    const table = tables.get(path.join(','))!;
    const index = gcr3Index(id, level);
    path.push(index);
    if (table.has(index)) continue;
    if (cr3 === null) return;
    table.set(index, gcr3Entry(0n));
    tables.set(path.join(','), new Map());
  }
  const last = tables.get(path.join(','))!;
  if (cr3 === null) last.delete(gcr3Index(id, 0));
  else last.set(gcr3Index(id, 0), gcr3Entry(cr3));
}

function dumpGcr3(
  tables: ReadonlyMap<string, ReadonlyMap<number, bigint>>,
  level: number,
  path: readonly number[],
): Json[] {
  const entries = [...tables.get(path.join(','))!].sort(([a], [b]) => a - b);
  const here: Json = { level, path: [...path], e: entries.map(([index, value]) => [index, hex(value)]) };
  if (level === 0) return [here];
  return [here, ...entries.flatMap(([index]) => dumpGcr3(tables, level - 1, [...path, index]))];
}

/** Root entry and the non-zero words of the context table. */
function contextTables(f: Inputs, entry: readonly bigint[], half: 'lo' | 'hi', first: number): Results {
  const context = entry.flatMap((word, i) => (word === 0n ? [] : [[first + i, hex(word)]])) as Json[];
  return { ret: 0, root: [[f.int('bus', 255), half, '0x1']], context };
}

const VTD_CONTEXTS: Readonly<Record<string, Builder>> = {
  'vtd.context.legacy': (f) => {
    const entry = buildContext({
      domain: f.int('did', 0xffff),
      agaw: f.int('agaw', 7),
      root: f.u64('pgd'),
      ats: f.flag('ats'),
      passThrough: f.flag('passthrough'),
    });
    return contextTables(f, entry, 'lo', 2 * f.int('devfn', 255));
  },
  'vtd.context.scalable': (f) => {
    const devfn = f.int('devfn', 255);
    const entry = buildScalableContext({
      directory: f.u64('pasid_dir'),
      maxPasid: f.int('max_pasid'),
      ats: f.flag('ats'),
      pasid: f.flag('pasid'),
      pri: f.flag('pri'),
    });
    return contextTables(f, entry, devfn < 0x80 ? 'lo' : 'hi', 4 * (devfn & 0x7f));
  },
};

function pasidEntry(f: Inputs, fields: Parameters<typeof encodePasidEntry>[0]): Results {
  const out = encodePasidEntry({ P: 1, AW: f.int('agaw', 7), PWSNP: f.flag('smpwc'), ...fields });
  return { ret: 0, dir: [directoryIndex(pasid(f)), '0x1'], index: tableIndex(pasid(f)), out: out.map(hex) };
}

const VTD_PASIDS: Readonly<Record<string, Builder>> = {
  'vtd.pasid.first_level': (f) => {
    const flags = f.int('flags', 7); // 1 = supervisor, 2 = 5 levels, 4 = page snoop
    const supervisor = (flags & 1) !== 0;
    if (supervisor && !f.flag('srs')) return { ret: EINVAL };
    return pasidEntry(f, {
      PGTT: PGTT_FIRST,
      DID: f.int('did', 0xffff),
      PGSNP: (flags & 4) !== 0,
      SRE: supervisor,
      WPE: supervisor,
      FSPM: (flags & 2) !== 0 ? 1 : 0,
      NXE: 1,
      firstStage: f.u64('flptptr'),
    });
  },
  // Addresses are expected to be GPAs, so supervisor requests are allowed, but not on the PASID of untagged requests.
  'vtd.pasid.second_level': (f) =>
    pasidEntry(f, {
      PGTT: PGTT_SECOND,
      DID: f.int('did', 0xffff),
      SRE: f.flag('srs') && pasid(f) !== 0,
      secondStage: f.u64('slptptr'),
    }),
  'vtd.pasid.pass_through': (f) =>
    pasidEntry(f, { PGTT: PGTT_PASS_THROUGH, DID: FLPT_DEFAULT_DID, SRE: f.flag('srs') }),
};

const depth = (f: Inputs): number => {
  const asked = f.int('qdep', 0xff);
  return asked > MAX_QUEUE_DEPTH ? 0 : asked;
};

const VTD_DESCRIPTORS: Readonly<Record<string, Builder>> = {
  'vtd.qi.context': (f) =>
    descriptor('CONTEXT', {
      G: f.int('granularity', 3),
      DID: f.int('did', 0xffff),
      SID: f.int('sid', 0xffff),
      FM: f.int('fm', 3),
    }),
  'vtd.qi.iotlb': (f) => {
    const drain = f.int('drain', 3);
    return descriptor('IOTLB', {
      G: f.int('granularity', 3),
      DW: (drain & 1) !== 0,
      DR: (drain & 2) !== 0,
      DID: f.int('did', 0xffff),
      AM: f.int('size_order', 63),
      address: f.u64('address') & ~PAGE_MASK,
    });
  },
  'vtd.qi.dev_iotlb': (f) =>
    descriptor('DEVICE_TLB', {
      SID: f.int('sid', 0xffff),
      PFSID: f.int('pfsid', 0xffff),
      QDEP: depth(f),
      ...legacyDeviceRange(f.u64('address'), f.int('mask', 52)),
    }),
  'vtd.qi.piotlb': (f) => {
    const base = { DID: f.int('did', 0xffff), PASID: pasid(f) };
    const pages = f.u64('npages');
    if (pages === ALL_ONES) return descriptor('PASID_IOTLB', { ...base, G: 2 });
    return descriptor('PASID_IOTLB', { ...base, G: 3, IH: f.flag('ih'), ...pasidTlbRange(f.u64('address'), pages) });
  },
  'vtd.qi.dev_iotlb_pasid': (f) =>
    descriptor('PASID_DEVICE_TLB', {
      SID: f.int('sid', 0xffff),
      PFSID: f.int('pfsid', 0xffff),
      PASID: pasid(f),
      QDEP: depth(f),
      ...deviceTlbRange(f.u64('address'), f.int('size_order', 52)),
    }),
  'vtd.qi.pasid_cache': (f) =>
    descriptor('PASID_CACHE', { G: f.int('granularity', 3), DID: f.int('did', 0xffff), PASID: pasid(f) }),
};

/** qi_flush_dev_iotlb sets the ones below the size bit and trusts the caller that the size bit is 0. */
function legacyDeviceRange(address: bigint, mask: number): { address: bigint; S: boolean } {
  const ones = mask === 0 ? 0n : bits(12 + mask - 1, 0) >> 1n;
  return { address: (address | ones) & ~PAGE_MASK, S: mask !== 0 };
}

const BUILDERS: Readonly<Record<string, Builder>> = {
  ...AMD_COMMANDS,
  ...AMD_TABLES,
  ...VTD_CONTEXTS,
  ...VTD_PASIDS,
  ...VTD_DESCRIPTORS,
};

export const STRUCT_KINDS: readonly string[] = Object.keys(BUILDERS);

/** Throws RecordError on malformed records. */
export function runStructRecord(record: JsonObject): JsonObject {
  const kind = asString(record.kind, 'kind');
  const build = Object.hasOwn(BUILDERS, kind) ? BUILDERS[kind] : undefined;
  if (build === undefined) throw new RecordError(`kind: unknown structure "${kind}"`);
  const inputs = asObject(record.in, 'in');
  try {
    const { id, seed, oracle } = record;
    return { id, seed, kind, oracle, in: record.in, ...build(new Inputs(inputs)) };
  } catch (error) {
    if (error instanceof RangeError) throw new RecordError(`in.${error.message}`);
    throw error;
  }
}
