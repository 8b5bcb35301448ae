/**
 * Executes a raw-memory walk record (FORMAT.md, *-walk-qemu): loads the memory image and translates with the hardware walker.
 * AMD v1 records give the DTE's Mode, root, IR and IW; VT-d records the stage, and get fault reasons.
 */
import {
  FAULT_CANONICAL,
  FAULT_READ,
  FAULT_RESERVED,
  FAULT_USER,
  FAULT_WIDTH,
  FAULT_WRITE,
  RULE_BYTES,
  WINDOW_COUNT,
  WINDOW_LOG2,
  WINDOW_TABLE,
} from '../../kernel/layout.ts';
import type { Kernel } from '../../kernel/kernel.ts';
import { writeRule } from '../formats/compile.ts';
import type { TableGeometry } from '../formats/format.ts';
import { tableGeometry } from '../formats/index.ts';
import * as VTD from '../structures/vtd-fault.ts';
import {
  asArray,
  asFlag,
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

const PAGE = 4096n;
const READ = 1;
const WRITE = 2;
const ACCESS: Readonly<Record<string, number>> = { r: READ, w: WRITE, rw: READ | WRITE };

interface Unit {
  readonly geometry: TableGeometry;
  readonly levels: number;
  readonly root: bigint;
  /** Access bits that the device entry allows. */
  readonly allowed: number;
  /** What a failed walk prints. */
  readonly failure: (code: number) => { [key: string]: Json };
}

/** Throws RecordError on malformed records. */
export function runWalkRecord(host: RecordHost, record: JsonObject): JsonObject {
  const unit = record.stage === undefined ? amdUnit(record) : vtdUnit(record);
  const rule = host.scratch(RULE_BYTES);
  writeRule(host.kernel.view, rule, unit.geometry);
  loadMemory(host, asArray(record.mem, 'mem'));
  const walks = asArray(record.walks, 'walks').map((walk, i) =>
    translate(host.kernel, rule, unit, asObject(walk, `walks[${i}]`), `walks[${i}]`),
  );
  const { walks: _, ...inputs } = record;
  return { ...inputs, walks };
}

function amdUnit(record: JsonObject): Unit {
  const levels = asInteger(record.mode, 'mode', 1, 6);
  const allowed = (asFlag(record.dte_ir, 'dte_ir') ? READ : 0) | (asFlag(record.dte_iw, 'dte_iw') ? WRITE : 0);
  const geometry = tableGeometry('amd-v1', { linux: '7.2', levels });
  return { geometry, levels, root: asHex(record.root, 'root'), allowed, failure: () => ({ ret: null }) };
}

function vtdUnit(record: JsonObject): Unit {
  const stage = asString(record.stage, 'stage');
  const first = stage === 'first';
  if (!first && stage !== 'second') throw new RecordError(`stage: expected "first" or "second", got "${stage}"`);
  const levels = asInteger(record.levels, 'levels', first ? 4 : 3, 5);
  const outputBits = asInteger(record.haw, 'haw', 30, 52);
  const snoop = asFlag(record.snoop_control, 'snoop_control');
  const geometry = tableGeometry(first ? 'vtd-fs' : 'vtd-ss', { linux: '7.2', levels, outputBits, snoop });
  const reasons = first ? firstStageReason : secondStageReason;
  const root = asHex(record.root, 'root');
  return { geometry, levels, root, allowed: READ | WRITE, failure: (code) => ({ fault: reasons(code) }) };
}

function firstStageReason(code: number): number {
  switch (code) {
    case FAULT_CANONICAL:
      return VTD.REASON_CANONICAL;
    case FAULT_RESERVED:
      return VTD.REASON_FIRST_RESERVED;
    case FAULT_USER:
      return VTD.REASON_USER;
    case FAULT_WRITE:
      return VTD.REASON_FIRST_WRITE;
    case FAULT_READ:
      return VTD.REASON_FIRST_READ;
    default:
      return VTD.REASON_FIRST_NOT_PRESENT;
  }
}

/** Second-stage faults keep the legacy numbers; not present is a missing permission. */
function secondStageReason(code: number): number {
  switch (code) {
    case FAULT_WIDTH:
      return VTD.REASON_WIDTH;
    case FAULT_RESERVED:
      return VTD.REASON_RESERVED;
    case FAULT_WRITE:
      return VTD.REASON_WRITE;
    default:
      return VTD.REASON_READ;
  }
}

/** Puts the image into kernel memory behind the SPA windows it touches. */
function loadMemory(host: RecordHost, mem: readonly Json[]): void {
  const image = mem.map((item, i): [bigint, bigint] => {
    const pair = asArray(item, `mem[${i}]`);
    const address = asHex(pair[0], `mem[${i}][0]`);
    if (address % 8n !== 0n) throw new RecordError(`mem[${i}][0]: ${hex(address)} is not 8-byte aligned`);
    if (address >> BigInt(WINDOW_LOG2) >= BigInt(WINDOW_COUNT)) {
      throw new RecordError(`mem[${i}][0]: ${hex(address)} is above the 8 TiB that can hold tables`);
    }
    return [address, asHex(pair[1], `mem[${i}][1]`)];
  });
  const ends = new Map<number, number>();
  for (const [address] of image) {
    const window = Number(address >> BigInt(WINDOW_LOG2));
    const end = Number(address & ((1n << BigInt(WINDOW_LOG2)) - 1n)) + 8;
    ends.set(window, Math.max(ends.get(window) ?? 0, end));
  }
  host.clearMemory();
  const { view } = host.kernel;
  for (const [window, end] of ends) {
    const bytes = Math.ceil(end / 4096) * 4096;
    const at = host.memory(bytes);
    view.setUint32(WINDOW_TABLE + 8 * window, at, true);
    view.setUint32(WINDOW_TABLE + 8 * window + 4, bytes, true);
  }
  for (const [address, value] of image) {
    const window = Number(address >> BigInt(WINDOW_LOG2));
    const offset = Number(address & ((1n << BigInt(WINDOW_LOG2)) - 1n));
    host.poke(view.getUint32(WINDOW_TABLE + 8 * window, true) + offset, value);
  }
}

function translate(kernel: Kernel, rule: number, unit: Unit, walk: JsonObject, name: string): Json {
  const iova = asHex(walk.iova, `${name}.iova`);
  const letter = asString(walk.access, `${name}.access`);
  const access = ACCESS[letter];
  if (access === undefined) throw new RecordError(`${name}.access: expected "r", "w" or "rw", got "${letter}"`);
  const shown = { iova: hex(iova), access: letter };
  if ((access & unit.allowed) !== access) return { ...shown, ...unit.failure(0) };
  const { root, levels } = unit;
  const page = kernel.exports.walkRaw(
    rule,
    levels,
    Number(root / PAGE),
    Number(root % PAGE),
    Number(iova / PAGE),
    access,
  );
  if (page < 0) return { ...shown, ...unit.failure(-1 - page) };
  return { ...shown, ret: hex(BigInt(page) * PAGE + (iova % PAGE)) };
}
