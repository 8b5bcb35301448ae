/**
 * A unit's event log: what became of a fault, as the record that hardware writes and software decodes. AMD's event log (48882
 * section 2.5), or VT-d's fault recording registers (4.1, section 11.4.14), by the kernel that drives the unit.
 *
 * The kernel notes faults in a plain ring while requests run (assembly/translate.ts); they become records when that is emptied,
 * which changes nothing: nobody reads the log in between. Beside the record's slot its time and exact cause are kept,
 * which no hardware says.
 */
import {
  FAULT_ATS,
  INVALIDATION_TIMEOUT,
  FAULT_BLOCKED,
  FAULT_CANONICAL,
  FAULT_DTE,
  FAULT_GUEST_TABLE,
  FAULT_LEVEL,
  FAULT_MEMORY,
  FAULT_NOT_PRESENT,
  FAULT_PASID,
  FAULT_READ,
  FAULT_RESERVED,
  FAULT_USER,
  FAULT_WIDTH,
  FAULT_WRITE,
} from '../kernel/layout.ts';
import type { FaultRecord } from '../stats/result.ts';
import { type LogMemory, RecordLog } from './record-log.ts';
import { decodeEvent, encodeEvent, type EVENT_LAYOUT, type EventName } from './structures/amd-log.ts';
import * as VTD from './structures/vtd-fault.ts';

/** A fault as the unit knows it. */
export interface Fault {
  readonly timePs: number;
  /** Index of the device in the run; -1: no device's (an illegal command). */
  readonly device: number;
  readonly bdf: number;
  readonly domain: number;
  readonly pasid: number;
  /** FAULT_* of kernel/layout.ts. */
  readonly code: number;
  /** 1 read, 2 write, 3 both. */
  readonly access: number;
  /** IOVA / 4096; of an illegal command, or one that a device did not answer: its physical address. */
  readonly page: number;
}

/** What a record says to software that decodes it. */
export interface DecodedFault {
  readonly event: string;
  /** AMD: bits 27:16 of the second word, as Linux prints them; VT-d: the fault reason. */
  readonly flags: number;
  readonly bdf: number;
  /** -1: none in the record. */
  readonly pasid: number;
  readonly domain: number;
  readonly address: bigint;
}

/** How a vendor writes a fault down. */
export interface FaultEncoding {
  encode(fault: Fault): bigint[];
  decode(record: readonly [bigint, bigint]): DecodedFault;
}

/** Not a fault of a request: the command processor's. */
export const ILLEGAL_COMMAND = -1;

type Flags = { readonly [K in keyof typeof EVENT_LAYOUT]?: number };

/** Event and flags by fault code; IO_PAGE_FAULT unless said. */
const AMD_EVENTS: Readonly<Record<number, readonly [EventName, Flags]>> = {
  [ILLEGAL_COMMAND]: ['ILLEGAL_COMMAND_ERROR', {}],
  [FAULT_NOT_PRESENT]: ['IO_PAGE_FAULT', {}],
  [FAULT_WIDTH]: ['IO_PAGE_FAULT', {}],
  [FAULT_CANONICAL]: ['IO_PAGE_FAULT', {}],
  [FAULT_PASID]: ['IO_PAGE_FAULT', {}],
  [FAULT_GUEST_TABLE]: ['IO_PAGE_FAULT', {}],
  [FAULT_READ]: ['IO_PAGE_FAULT', { PR: 1, PE: 1 }],
  [FAULT_WRITE]: ['IO_PAGE_FAULT', { PR: 1, PE: 1 }],
  [FAULT_USER]: ['IO_PAGE_FAULT', { PR: 1, PE: 1, US: 1 }],
  [FAULT_BLOCKED]: ['IO_PAGE_FAULT', { PR: 1, PE: 1 }],
  [FAULT_RESERVED]: ['IO_PAGE_FAULT', { PR: 1, RZ: 1 }],
  [FAULT_LEVEL]: ['IO_PAGE_FAULT', { PR: 1, RZ: 1 }],
  [FAULT_MEMORY]: ['PAGE_TAB_HARDWARE_ERROR', { type: 1 }], // target abort
  [FAULT_DTE]: ['ILLEGAL_DEV_TABLE_ENTRY', {}],
  [FAULT_ATS]: ['INVALID_DEVICE_REQUEST', { type: 1, TR: 1 }],
  [INVALIDATION_TIMEOUT]: ['IOTLB_INV_TIMEOUT', {}],
};
const FLAGS_SHIFT = 48n;
const FLAGS_MASK = 0xfffn;
const WRITES = 2;

export const amdFaults: FaultEncoding = {
  encode({ code, bdf, domain, pasid, access, page }) {
    const [event, flags] = AMD_EVENTS[code];
    if (code === ILLEGAL_COMMAND || code === INVALIDATION_TIMEOUT) {
      return encodeEvent(event, { DeviceID: bdf, address: BigInt(page) });
    }
    const tagged =
      pasid < 0 ? { DomainOrPASID: domain } : { GN: 1, DomainOrPASID: pasid & 0xffff, PASIDHigh: pasid >> 16 };
    const address = BigInt.asUintN(64, BigInt(page) << 12n);
    // ILLEGAL_DEV_TABLE_ENTRY has no domain: the entry that would name it is what is wrong.
    const named = event === 'ILLEGAL_DEV_TABLE_ENTRY' && pasid < 0 ? {} : tagged;
    return encodeEvent(event, { DeviceID: bdf, ...named, RW: (access & WRITES) !== 0, ...flags, address });
  },

  decode(record) {
    const { name, fields } = decodeEvent(record);
    const tag = Number(fields.DomainOrPASID);
    const hasPasid = fields.GN === 1n;
    return {
      event: name ?? 'UNKNOWN',
      flags: Number((record[0] >> FLAGS_SHIFT) & FLAGS_MASK),
      bdf: Number(fields.DeviceID),
      pasid: hasPasid ? (Number(fields.PASIDHigh) << 16) | tag : -1,
      domain: hasPasid || name === 'ILLEGAL_DEV_TABLE_ENTRY' ? -1 : tag,
      address: fields.address,
    };
  },
};

/** Reason by fault code, without and with a PASID (second stage or legacy; first stage). */
const VTD_REASONS: Readonly<Record<number, readonly [number, number]>> = {
  [FAULT_NOT_PRESENT]: [VTD.REASON_READ, VTD.REASON_FIRST_NOT_PRESENT],
  [FAULT_READ]: [VTD.REASON_READ, VTD.REASON_FIRST_READ],
  [FAULT_WRITE]: [VTD.REASON_WRITE, VTD.REASON_FIRST_WRITE],
  [FAULT_RESERVED]: [VTD.REASON_RESERVED, VTD.REASON_FIRST_RESERVED],
  [FAULT_LEVEL]: [VTD.REASON_RESERVED, VTD.REASON_FIRST_RESERVED],
  [FAULT_WIDTH]: [VTD.REASON_WIDTH, VTD.REASON_CANONICAL],
  [FAULT_CANONICAL]: [VTD.REASON_WIDTH, VTD.REASON_CANONICAL],
  [FAULT_USER]: [VTD.REASON_READ, VTD.REASON_USER],
  [FAULT_MEMORY]: [VTD.REASON_TABLE_ACCESS, VTD.REASON_FIRST_ACCESS],
  [FAULT_DTE]: [VTD.REASON_CONTEXT_INVALID, VTD.REASON_CONTEXT_INVALID],
  // VT-d tells software by its fault status register (IQE), which has no record.
  [ILLEGAL_COMMAND]: [VTD.REASON_CONTEXT_INVALID, VTD.REASON_CONTEXT_INVALID],
  [FAULT_BLOCKED]: [VTD.REASON_BLOCKED, VTD.REASON_BLOCKED],
  [FAULT_ATS]: [VTD.REASON_BLOCKED, VTD.REASON_BLOCKED],
  [FAULT_PASID]: [VTD.REASON_PASID_NOT_PRESENT, VTD.REASON_PASID_NOT_PRESENT],
  [FAULT_GUEST_TABLE]: [VTD.REASON_SECOND_ACCESS, VTD.REASON_SECOND_ACCESS],
};

export const vtdFaults: FaultEncoding = {
  encode({ code, bdf, pasid, access, page }) {
    const write = (access & WRITES) !== 0;
    const second = code === FAULT_NOT_PRESENT && write ? VTD.REASON_WRITE : VTD_REASONS[code][0];
    const reason = pasid < 0 ? second : VTD_REASONS[code][1];
    const address = BigInt.asUintN(64, BigInt(page) << 12n);
    const tagged = pasid < 0 ? {} : { PP: 1, PASID: pasid };
    return VTD.encodeFault({ address, SID: bdf, reason, T: !write, F: 1, ...tagged });
  },

  decode(record) {
    const fields = VTD.decodeFault(record);
    return {
      event: fields.T === 1n ? 'DMA_READ' : 'DMA_WRITE',
      flags: Number(fields.reason),
      bdf: Number(fields.SID),
      pasid: fields.PP === 1n ? Number(fields.PASID) : -1,
      domain: -1,
      address: fields.address,
    };
  },
};

export class EventLog {
  readonly log: RecordLog;
  private readonly encoding: FaultEncoding;
  /** Of the records in the log, oldest first. */
  private causes: Fault[] = [];

  constructor(memory: LogMemory, encoding: FaultEncoding) {
    this.log = new RecordLog(memory);
    this.encoding = encoding;
  }

  append(fault: Fault): void {
    if (this.log.append(this.encoding.encode(fault))) this.causes.push(fault);
  }

  /** Takes and decodes all records, oldest first, and restarts the log. What a record does not say comes from its cause. */
  read(): FaultRecord[] {
    const records = this.causes.map((cause) => this.decode(cause));
    this.causes = [];
    this.log.restart();
    return records;
  }

  private decode({ timePs, device, domain, pasid, code, access }: Fault): FaultRecord {
    const { event, flags, address, ...decoded } = this.encoding.decode(this.log.read()!);
    return {
      timePs,
      device,
      domain: decoded.domain >= 0 ? decoded.domain : domain,
      pasid: decoded.pasid >= 0 ? decoded.pasid : pasid,
      code,
      access,
      page: Number(address >> 12n),
      event,
      flags,
    };
  }
}
