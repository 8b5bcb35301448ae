/**
 * Executes a page-table record (FORMAT.md: fmt, cfg, ops): runs every operation on a fresh table and returns the record with
 * this program's own results, in the same layout. Results found in the record are ignored.
 */
import type { LinuxProfile } from '../formats/format.ts';
import { formatByName } from '../formats/index.ts';
import type { PageTable } from '../page-table.ts';
import { dumpTables } from '../table-dump.ts';
import {
  asArray,
  asHex,
  asInteger,
  asObject,
  asString,
  hex,
  type Json,
  type JsonObject,
  RecordError,
} from './fields.ts';
import type { RecordHost } from './host.ts';
import { configOf, recordFormat } from './table-formats.ts';

const PAGE = 4096n;
const EINVAL = -22;

/** Which Linux a record is about: its id or oracle says so; records without either are 7.2's. */
export function profileOf(record: JsonObject): LinuxProfile {
  const text = `${typeof record.id === 'string' ? record.id : ''} ${typeof record.oracle === 'string' ? record.oracle : ''}`;
  return /linux-?6\.?1\b/.test(text) ? '6.1' : '7.2';
}

/** Throws RecordError on malformed records; `linux` overrides what the record says. */
export function runTableRecord(host: RecordHost, record: JsonObject, linux = profileOf(record)): JsonObject {
  const kind = recordFormat(record.fmt);
  const table = createTable(host, record, linux);
  const describe = () => kind.describe(table, linux);
  const init = describe();
  const depth = record.fmt === 'amdv1' && linux === '6.1' ? 'mode' : 'levels';
  const ops: Json[] = asArray(record.ops, 'ops').map((op, i) => {
    const before = table.levels;
    const result = runOperation(host, table, asObject(op, `ops[${i}]`), `ops[${i}]`, reportsMapped(record, linux));
    return table.levels === before ? result : { ...result, [depth]: table.levels };
  });
  const final: { [key: string]: Json } = {
    ...describe(),
    live_table_pages: host.arena.liveFrames,
    tables: dumpTables(host.kernel, table) as unknown as Json,
  };
  const { id, seed, title, oracle, fmt, cfg } = record;
  const { class: class_ } = record;
  return { id, seed, class: class_, title, oracle, fmt, cfg, init, ops, final };
}

function createTable(host: RecordHost, record: JsonObject, linux: LinuxProfile): PageTable {
  const kind = recordFormat(record.fmt);
  const cfg = configOf(record);
  const config = kind.config(cfg, linux);
  try {
    return host.table(formatByName(kind.format(cfg)).geometry(config));
  } catch (error) {
    if (error instanceof RangeError) throw new RecordError(`cfg: ${error.message}`);
    throw error;
  }
}

/** generic_pt reports bytes mapped by a range call, the older range layer does not. */
function reportsMapped(record: JsonObject, linux: LinuxProfile): boolean {
  return linux === '7.2' && ['amdv1', 'x86_64', 'vtdss', 'riscv64'].includes(record.fmt as string);
}

function runOperation(
  host: RecordHost,
  table: PageTable,
  op: JsonObject,
  name: string,
  mapped: boolean,
): { [key: string]: Json } {
  const kind = asString(op.op, `${name}.op`);
  const address = (field: string) => asHex(op[field], `${name}.${field}`);
  switch (kind) {
    case 'mapr': {
      const [iova, paddr, size] = [address('iova'), address('paddr'), address('size')];
      const ret = mapRange(table, iova, paddr, size, protOf(op, name));
      const bytes = mapped ? { mapped: mappedBytes(table, ret) } : {};
      return { op: kind, iova: hex(iova), paddr: hex(paddr), size: hex(size), prot: op.prot!, ret, ...bytes };
    }
    case 'map': {
      const [iova, paddr, pgsize] = [address('iova'), address('paddr'), address('pgsize')];
      const pgcount = asInteger(op.pgcount, `${name}.pgcount`, 0, Number.MAX_SAFE_INTEGER);
      const ret = mapPages(table, iova, paddr, pgsize, pgcount, protOf(op, name));
      const bytes = mappedBytes(table, ret);
      const shown = { iova: hex(iova), paddr: hex(paddr), pgsize: hex(pgsize), pgcount, prot: op.prot! };
      return { op: kind, ...shown, ret, mapped: bytes };
    }
    case 'unmapr': {
      const [iova, size] = [address('iova'), address('size')];
      const pages = aligned(iova, size) ? table.unmap(pageOf(iova), Number(size / PAGE)) : 0;
      return { op: kind, iova: hex(iova), size: hex(size), ret: hex(BigInt(pages) * PAGE) };
    }
    case 'unmap': {
      const [iova, pgsize] = [address('iova'), address('pgsize')];
      const pgcount = asInteger(op.pgcount, `${name}.pgcount`, 0, Number.MAX_SAFE_INTEGER);
      const legal = aligned(iova, pgsize) && isLegalSize(table, pgsize);
      const pages = legal ? table.unmapSize(pageOf(iova), log2(pgsize), pgcount) : 0;
      return { op: kind, iova: hex(iova), pgsize: hex(pgsize), pgcount, ret: hex(BigInt(pages) * PAGE) };
    }
    case 'lookup': {
      const iova = address('iova');
      return { op: kind, iova: hex(iova), ret: hex(lookup(table, iova)) };
    }
    case 'dump':
      return { op: kind, tables: dumpTables(host.kernel, table) as unknown as Json };
    default:
      throw new RecordError(
        `${name}.op: unknown operation "${kind}", expected map, mapr, unmap, unmapr, lookup or dump`,
      );
  }
}

function protOf(op: JsonObject, name: string): number {
  return asInteger(op.prot, `${name}.prot`, 0, 63);
}

function mapRange(table: PageTable, iova: bigint, paddr: bigint, size: bigint, prot: number): number {
  if (!aligned(iova, size) || !aligned(paddr, 0n)) return EINVAL;
  return table.map(pageOf(iova), pageOf(paddr), Number(size / PAGE), prot);
}

function mapPages(table: PageTable, iova: bigint, paddr: bigint, pgsize: bigint, count: number, prot: number): number {
  if (!aligned(iova, paddr) || !isLegalSize(table, pgsize)) return EINVAL;
  return table.mapSize(pageOf(iova), pageOf(paddr), log2(pgsize), count, prot);
}

/** iova_to_phys: some drivers ignore address bits that hardware checks. */
function lookup(table: PageTable, iova: bigint): bigint {
  const page = table.lookup(pageOf(seenByLookup(table, iova)));
  return page < 0 ? 0n : BigInt(page) * PAGE + (iova % PAGE);
}

function seenByLookup(table: PageTable, iova: bigint): bigint {
  const { inputBits, policy, signExtended } = table.rule.geometry;
  if (policy.lookupWraps === true) return BigInt.asUintN(inputBits, iova);
  // generic_pt's pt_check_range compares only the bits above the input width, so one bit of the sign may differ.
  const above = iova >> BigInt(inputBits);
  if (!signExtended || above !== (1n << BigInt(64 - inputBits)) - 1n) return iova;
  return BigInt.asUintN(64, BigInt.asIntN(inputBits, iova));
}

/** A call that was refused as a whole (-EINVAL) mapped nothing; others mapped what came before the error. */
function mappedBytes(table: PageTable, ret: number): string {
  return ret === EINVAL ? '0x0' : hex(BigInt(table.lastMapped) * PAGE);
}

function aligned(a: bigint, b: bigint): boolean {
  return (a | b) % PAGE === 0n;
}

function isLegalSize(table: PageTable, size: bigint): boolean {
  return size !== 0n && (size & (size - 1n)) === 0n && (size & table.rule.geometry.pageSizes) !== 0n;
}

const pageOf = (address: bigint): number => Number(address / PAGE);

function log2(size: bigint): number {
  return size.toString(2).length - 1;
}
