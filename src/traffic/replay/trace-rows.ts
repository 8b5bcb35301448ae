/** Collects trace rows into columns, one set for each (device, PASID). */
import type { TraceRows } from '../../spec.ts';
import { type AccessTraceSink, TraceError } from './access-trace.ts';

/** One requester of a trace. */
export interface TraceStream {
  readonly device: string;
  readonly pasid: number;
  readonly rows: TraceRows;
}

class Columns {
  length = 0;
  private rows = emptyRows(1024);

  add(issuePs: number, page: number, offset: number, lengthBytes: number, op: number): void {
    if (this.length === this.rows.op.length) this.rows = copyRows(this.rows, this.length * 2);
    const at = this.length++;
    this.rows.issuePs[at] = issuePs;
    this.rows.page[at] = page;
    this.rows.offset[at] = offset;
    this.rows.lengthBytes[at] = lengthBytes;
    this.rows.op[at] = op;
  }

  get lastPs(): number {
    return this.length === 0 ? 0 : this.rows.issuePs[this.length - 1];
  }

  finish(): TraceRows {
    return copyRows(this.rows, this.length);
  }
}

/** Sink of AccessTraceParser. Rows of one requester must not go back in time. */
export class TraceCollector implements AccessTraceSink {
  private readonly columns = new Map<string, Map<number, Columns>>();

  row(
    issuePs: number,
    device: string,
    pasid: number,
    page: number,
    offset: number,
    lengthBytes: number,
    op: number,
    line: number,
  ): void {
    const columns = this.columnsOf(device, pasid);
    if (issuePs < columns.lastPs) {
      throw new TraceError(line, `issue_ns goes back in time for device '${device}'; sort the trace by issue_ns`);
    }
    columns.add(issuePs, page, offset, lengthBytes, op);
  }

  /** The requesters, in the order in which the trace names them. */
  streams(): TraceStream[] {
    const streams: TraceStream[] = [];
    for (const [device, byPasid] of this.columns) {
      for (const [pasid, columns] of byPasid) streams.push({ device, pasid, rows: columns.finish() });
    }
    return streams;
  }

  private columnsOf(device: string, pasid: number): Columns {
    let byPasid = this.columns.get(device);
    if (byPasid === undefined) this.columns.set(device, (byPasid = new Map()));
    let columns = byPasid.get(pasid);
    if (columns === undefined) byPasid.set(pasid, (columns = new Columns()));
    return columns;
  }
}

function emptyRows(length: number): TraceRows {
  return {
    issuePs: new Float64Array(length),
    page: new Float64Array(length),
    offset: new Uint16Array(length),
    lengthBytes: new Uint32Array(length),
    op: new Uint8Array(length),
  };
}

/** The first `length` rows, or all of them with room to grow. */
function copyRows(rows: TraceRows, length: number): TraceRows {
  const target = emptyRows(length);
  const kept = Math.min(length, rows.op.length);
  target.issuePs.set(rows.issuePs.subarray(0, kept));
  target.page.set(rows.page.subarray(0, kept));
  target.offset.set(rows.offset.subarray(0, kept));
  target.lengthBytes.set(rows.lengthBytes.subarray(0, kept));
  target.op.set(rows.op.subarray(0, kept));
  return target;
}
