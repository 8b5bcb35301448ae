/**
 * A unit's log of page requests (AMD 48882 section 2.6: PPR log; VT-d 4.1, section 7.5.1: page request queue). The device asks,
 * the unit writes, software reads and answers by a command (COMPLETE_PPR_REQUEST, page group response).
 */
import { type LogMemory, RecordLog } from './record-log.ts';
import { decodePpr, encodePpr, PPR_FLAGS, PPR_TYPE_PAGE_SERVICE } from './structures/amd-log.ts';
import { decodePageRequest, encodePageRequest } from './structures/vtd-fault.ts';

export interface PageRequest {
  readonly bdf: number;
  /** -1: none. */
  readonly pasid: number;
  /** Page request group index, 0 … 511. */
  readonly group: number;
  /** IOVA / 4096. */
  readonly page: number;
  /** 1 read, 2 write, 3 both. */
  readonly access: number;
  /** Last of its group: software answers the group. */
  readonly last: boolean;
}

export interface PageRequestEncoding {
  encode(request: PageRequest): bigint[];
  decode(record: readonly [bigint, bigint]): PageRequest;
}

const READS = 1;
const WRITES = 2;
const pageOf = (address: bigint): number => Number(address >> 12n);
const addressOf = (page: number): bigint => BigInt.asUintN(64, BigInt(page) << 12n);
const accessOf = (reads: boolean, writes: boolean): number => (reads ? READS : 0) | (writes ? WRITES : 0);

/** AMD: bit 9 of the record's tag says that it is the last of its group (Linux drivers/iommu/amd/ppr.c). */
const AMD_LAST = 0x200;
const AMD_GROUP = 0x1ff;

export const amdPageRequests: PageRequestEncoding = {
  encode({ bdf, pasid, group, page, access, last }) {
    const flags =
      ((access & READS) !== 0 ? PPR_FLAGS.READ : 0) |
      ((access & WRITES) !== 0 ? PPR_FLAGS.WRITE : 0) |
      (pasid >= 0 ? PPR_FLAGS.GN : 0);
    const type = PPR_TYPE_PAGE_SERVICE;
    const tag = group | (last ? AMD_LAST : 0);
    return encodePpr({ DeviceID: bdf, PASID: Math.max(0, pasid), tag, flags, type, address: addressOf(page) });
  },

  decode(record) {
    const { DeviceID, PASID, tag, flags, address } = decodePpr(record);
    const has = (flag: number): boolean => (Number(flags) & flag) !== 0;
    return {
      bdf: Number(DeviceID),
      pasid: has(PPR_FLAGS.GN) ? Number(PASID) : -1,
      group: Number(tag) & AMD_GROUP,
      page: pageOf(address),
      access: accessOf(has(PPR_FLAGS.READ), has(PPR_FLAGS.WRITE)),
      last: (Number(tag) & AMD_LAST) !== 0,
    };
  },
};

const VTD_PAGE_REQUEST = 1;

export const vtdPageRequests: PageRequestEncoding = {
  encode({ bdf, pasid, group, page, access, last }) {
    const tagged = pasid < 0 ? {} : { PP: 1, PASID: pasid };
    const rights = { R: (access & READS) !== 0, W: (access & WRITES) !== 0, L: last };
    return encodePageRequest({
      type: VTD_PAGE_REQUEST,
      RID: bdf,
      PRGI: group,
      address: addressOf(page),
      ...tagged,
      ...rights,
    });
  },

  decode(record) {
    const { RID, PP, PASID, PRGI, R, W, L, address } = decodePageRequest(record);
    return {
      bdf: Number(RID),
      pasid: PP === 1n ? Number(PASID) : -1,
      group: Number(PRGI),
      page: pageOf(address),
      access: accessOf(R === 1n, W === 1n),
      last: L === 1n,
    };
  },
};

export class PprLog {
  readonly log: RecordLog;
  private readonly encoding: PageRequestEncoding;

  constructor(memory: LogMemory, encoding: PageRequestEncoding) {
    this.log = new RecordLog(memory);
    this.encoding = encoding;
  }

  /** False: the log has overflowed, and the request gets no answer from software (hardware answers with a failure). */
  append(request: PageRequest): boolean {
    return this.log.append(this.encoding.encode(request));
  }

  /** Takes all requests, oldest first, and restarts the log if it had overflowed. */
  read(): PageRequest[] {
    const requests: PageRequest[] = [];
    for (let record = this.log.read(); record !== undefined; record = this.log.read()) {
      requests.push(this.encoding.decode(record));
    }
    if (this.log.overflow) this.log.restart();
    return requests;
  }
}
