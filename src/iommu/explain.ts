/**
 * One translation step by step: the kernel's trace of what it read and which caches answered, decoded field by field for
 * people. Cold; the caller runs `translate` (or a bare walk) between start and stop.
 */
import type { Kernel, Regions } from '../kernel/kernel.ts';
import {
  TRACE_ADDRESS,
  TRACE_BYTES,
  TRACE_CAPACITY,
  TRACE_COST,
  TRACE_COUNT,
  TRACE_DTE_HIT,
  TRACE_DTE_READ,
  TRACE_ENTRY,
  TRACE_FIRST,
  TRACE_IOTLB_HIT,
  TRACE_IOTLB_NEGATIVE,
  TRACE_KIND,
  TRACE_LEVEL,
  TRACE_NTLB_FILL,
  TRACE_NTLB_HIT,
  TRACE_PASID_HIT,
  TRACE_PASID_READ,
  TRACE_PREFETCH,
  TRACE_PWC_HIT,
  TRACE_READ,
  TRACE_STAGE,
} from '../kernel/layout.ts';
import type { EntryField, TableGeometry } from './formats/format.ts';
import { DTE_LAYOUT } from './structures/amd-device-table.ts';
import { GCR3_ADDRESS, GCR3_VALID } from './structures/amd-gcr3.ts';
import { decodeWords, type Part, type WordLayout } from './structures/words.ts';
import { entryAddress, hex, isLeafEntry, leafSizeLog2 } from './table-dump.ts';

const PS_PER_NS = 1000;
/** Room for the longest translation: DTE, GCR3 levels with their host walks, and 41 reads of a 5 over 6 level walk. */
const CAPACITY = 256;

/** A raw trace record. */
export interface TraceRecord {
  readonly kind: number;
  /** 0 guest, 1 host. */
  readonly stage: number;
  readonly level: number;
  readonly address: bigint;
  readonly entry: bigint;
  readonly costPs: number;
}

export class Tracer {
  private readonly kernel: Kernel;
  private readonly at: number;

  constructor(kernel: Kernel, regions: Regions) {
    this.kernel = kernel;
    this.at = regions.take(TRACE_FIRST + CAPACITY * TRACE_BYTES);
    kernel.view.setInt32(this.at + TRACE_CAPACITY, CAPACITY, true);
  }

  start(): void {
    this.kernel.view.setInt32(this.at + TRACE_COUNT, 0, true);
    this.kernel.exports.setTrace(this.at);
  }

  /** What happened since start, in order. */
  stop(): TraceRecord[] {
    const { view } = this.kernel;
    this.kernel.exports.setTrace(0);
    return Array.from({ length: view.getInt32(this.at + TRACE_COUNT, true) }, (_, i) => {
      const at = this.at + TRACE_FIRST + i * TRACE_BYTES;
      return {
        kind: view.getInt32(at + TRACE_KIND, true),
        stage: view.getInt32(at + TRACE_STAGE, true),
        level: view.getInt32(at + TRACE_LEVEL, true),
        address: view.getBigUint64(at + TRACE_ADDRESS, true),
        entry: view.getBigUint64(at + TRACE_ENTRY, true),
        costPs: view.getFloat64(at + TRACE_COST, true),
      };
    });
  }
}

export type StepSource =
  | 'device table'
  | 'PASID table'
  | 'guest table'
  | 'host table'
  | 'IOTLB'
  | 'walk cache'
  | 'nested TLB'
  | 'prefetch';

/** One line of an explanation; plain data, ready for JSON. 64-bit values are hex strings. */
export interface ExplainStep {
  /** Number among the memory reads; 0 when a cache answered. */
  readonly read: number;
  readonly source: StepSource;
  readonly stage: 'guest' | 'host' | null;
  readonly level: number | null;
  readonly index: number | null;
  /** Address of the entry read, or what a cache was asked for: BDF, PASID, page address. */
  readonly address: string;
  /** Raw entry; for a cache hit what it held. */
  readonly value: string;
  readonly fields: Readonly<Record<string, string>>;
  /** What the entry means: "table at 0x…", "2 MiB leaf at 0x…, read write", "not present". */
  readonly meaning: string;
  readonly costNs: number;
  /** Sum of the costs so far. */
  readonly sumNs: number;
}

/** The formats whose tables the translation reads; a stage that is not in use may be absent. */
export interface ExplainFormats {
  readonly guest?: TableGeometry;
  readonly host?: TableGeometry;
}

export function explainTrace(records: readonly TraceRecord[], formats: ExplainFormats): ExplainStep[] {
  let reads = 0;
  let sumPs = 0;
  return records.map((record) => {
    const isRead = [TRACE_READ, TRACE_DTE_READ, TRACE_PASID_READ].includes(record.kind);
    if (isRead) reads++;
    sumPs += record.costPs;
    return {
      read: isRead ? reads : 0,
      ...describe(record, formats),
      costNs: record.costPs / PS_PER_NS,
      sumNs: sumPs / PS_PER_NS,
    };
  });
}

type Description = Omit<ExplainStep, 'read' | 'costNs' | 'sumNs'>;

function describe(record: TraceRecord, formats: ExplainFormats): Description {
  const stage = record.stage === 0 ? 'guest' : 'host';
  const value = hex(record.entry);
  switch (record.kind) {
    case TRACE_READ:
      return tableStep(record, stage, formats[stage]);
    case TRACE_DTE_READ:
    case TRACE_DTE_HIT:
      return { ...plain('device table', record), ...deviceEntry(record.entry) };
    case TRACE_PASID_READ:
      return {
        ...plain('PASID table', record),
        level: record.level,
        index: indexAt(record.address, 9),
        ...gcr3Step(record.entry),
      };
    case TRACE_PASID_HIT:
      return { ...plain('PASID table', record), meaning: `cached: guest table at ${value}` };
    case TRACE_PWC_HIT:
      return {
        ...plain('walk cache', record),
        stage,
        level: record.level,
        value: hex(record.address),
        meaning: `table at ${hex(record.address)}`,
      };
    case TRACE_NTLB_HIT:
    case TRACE_NTLB_FILL:
      return {
        ...plain('nested TLB', record),
        stage,
        meaning: `${pageText(record.address)} is at ${pageText(record.entry)}`,
      };
    case TRACE_PREFETCH:
      return { ...plain('prefetch', record), meaning: `${pageText(record.address)} is at ${pageText(record.entry)}` };
    case TRACE_IOTLB_NEGATIVE:
      return { ...plain('IOTLB', record), meaning: `${pageText(record.address)} was not present when it was walked` };
    case TRACE_IOTLB_HIT:
      return { ...plain('IOTLB', record), meaning: `${pageText(record.address)} is at ${pageText(record.entry)}` };
    default:
      throw new Error(`trace record of unknown kind ${record.kind}`);
  }
}

function plain(source: StepSource, record: TraceRecord): Description {
  const { address, entry } = record;
  return {
    source,
    stage: null,
    level: null,
    index: null,
    address: hex(address),
    value: hex(entry),
    fields: {},
    meaning: '',
  };
}

/** Caches hold page numbers. */
const pageText = (page: bigint): string => hex((page & ((1n << 52n) - 1n)) << 12n);

const indexAt = (address: bigint, bits: number): number => Number((address >> 3n) & ((1n << BigInt(bits)) - 1n));

function tableStep(record: TraceRecord, stage: 'guest' | 'host', geometry: TableGeometry | undefined): Description {
  const { level, address, entry } = record;
  const base = { ...plain(stage === 'guest' ? 'guest table' : 'host table', record), stage, level } as const;
  if (geometry === undefined) return base;
  const top = !geometry.grows && level === geometry.levels - 1;
  const index = indexAt(address, top ? geometry.rootIndexBits : geometry.indexBits);
  return { ...base, index, ...explainEntry(geometry, level, entry) };
}

/** An entry's fields and meaning. */
export function explainEntry(
  geometry: TableGeometry,
  level: number,
  entry: bigint,
): { fields: Record<string, string>; meaning: string } {
  if ((entry & geometry.present) === 0n) return { fields: {}, meaning: 'not present' };
  const leaf = isLeafEntry(geometry, level, entry);
  const fields = fieldsOf(geometry.fields, entry, leaf ? 'leaf' : 'table');
  const address = entryAddress(geometry, entry);
  const rule = geometry.level(level);
  const reserved = entry & ((leaf ? rule.reservedLeaf : rule.reservedTable) ?? 0n);
  const wrong = reserved === 0n ? '' : `, reserved bits ${hex(reserved)} set`;
  if (!leaf)
    return { fields, meaning: `table at ${hex(address)}${permissions(geometry, entry, rule.unrestricted)}${wrong}` };
  const size = leafSizeLog2(geometry, level, entry);
  const base = (address >> BigInt(size)) << BigInt(size);
  return { fields, meaning: `${sizeText(size)} leaf at ${hex(base)}${permissions(geometry, entry, 0n)}${wrong}` };
}

function permissions(geometry: TableGeometry, entry: bigint, unrestricted = 0n): string {
  const bits = (entry ^ geometry.permissionXor) | unrestricted;
  const read = (bits & geometry.read) === geometry.read;
  const write = (bits & geometry.write) === geometry.write;
  return read && write ? ', read write' : read ? ', read only' : write ? ', write only' : ', no access';
}

function fieldsOf(fields: readonly EntryField[], entry: bigint, kind: 'leaf' | 'table'): Record<string, string> {
  const values: Record<string, string> = {};
  for (const field of fields) {
    if (field.kind !== undefined && field.kind !== kind) continue;
    const value = (entry >> BigInt(field.low)) & ((1n << BigInt(field.high - field.low + 1)) - 1n);
    values[field.name] = field.name === 'address' ? hex(value << BigInt(field.low)) : fieldText(value);
  }
  return values;
}

const fieldText = (value: bigint): string => (value < 10n ? String(value) : hex(value));

/** The trace carries the first of the entry's four words. */
function deviceEntry(word0: bigint): { fields: Record<string, string>; meaning: string } {
  const inWord0 = Object.entries(DTE_LAYOUT).filter(([, parts]) => parts.every(([word]) => word === 0));
  const layout: WordLayout = Object.fromEntries(inWord0 as [string, readonly Part[]][]);
  const values = decodeWords(layout, [word0]);
  const fields = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, fieldText(value)]));
  if (values.V === 0n || values.TV === 0n) return { fields, meaning: 'not valid: request aborted' };
  const host = values.Mode === 0n ? 'no host table' : `host table of ${values.Mode} levels at ${hex(values.root)}`;
  return { fields, meaning: values.GV === 1n ? `guest tables by PASID, ${host}` : host };
}

function gcr3Step(entry: bigint): { fields: Record<string, string>; meaning: string } {
  const address = hex(entry & GCR3_ADDRESS);
  const fields = { V: fieldText(entry & GCR3_VALID), address };
  return { fields, meaning: (entry & GCR3_VALID) === 0n ? 'not valid' : `table at ${address}` };
}

/** "4 KiB", "2 MiB", "1 GiB". */
export function sizeText(log2: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB', 'EiB'];
  return `${1 << (log2 % 10)} ${units[Math.floor(log2 / 10)]}`;
}
