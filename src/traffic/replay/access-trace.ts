/**
 * The CSV access trace: `issue_ns,device,pasid,iova,length_bytes,op`, header required, columns in any order.
 *
 * Text comes in chunks of any size and rows go to a sink, so that a trace of any length runs in bounded memory. IOVAs
 * are exact to 64 bits, times to 1 ps. Errors carry the line and say what is expected.
 */
import { OP_ATOMIC, OP_MAP, OP_READ, OP_UNMAP, OP_WRITE, PAGE_BYTES } from '../../request.ts';

export const ACCESS_TRACE_COLUMNS = ['issue_ns', 'device', 'pasid', 'iova', 'length_bytes', 'op'] as const;

const OPS: Readonly<Record<string, number>> = {
  r: OP_READ,
  w: OP_WRITE,
  a: OP_ATOMIC,
  map: OP_MAP,
  unmap: OP_UNMAP,
};
const MAX_PASID = 0xfffff;
const MAX_LENGTH_BYTES = 0xffffffff;
const MAX_LINE = 4096;
const IOVA_SPACE_PAGES = 4503599627370496; // 2^64 / 4096
const MAX_ISSUE_PS = Number.MAX_SAFE_INTEGER;

/** The user's mistake in a trace. `line` counts from 1. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
  readonly line: number;

  constructor(line: number, message: string) {
    super(message);
    this.line = line;
  }
}

/** Receives each row. `device` is as written; `pasid` -1 = none; `op` is OP_*; IOVA = page × 4096 + offset. */
export interface AccessTraceSink {
  row(
    issuePs: number,
    device: string,
    pasid: number,
    page: number,
    offset: number,
    lengthBytes: number,
    op: number,
    line: number,
  ): void;
}

export class AccessTraceParser {
  private readonly sink: AccessTraceSink;
  private rest = '';
  private line = 0;
  /** Position of each of ACCESS_TRACE_COLUMNS in a row; empty until the header has been read. */
  private order: readonly number[] = [];
  private page = 0;
  private offset = 0;

  constructor(sink: AccessTraceSink) {
    this.sink = sink;
  }

  /** Throws TraceError at the first line that is wrong. */
  feed(chunk: string): void {
    const text = this.rest + chunk;
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      this.parseLine(text.slice(start, end));
      start = end + 1;
    }
    this.rest = text.slice(start);
    if (this.rest.length > MAX_LINE) throw this.tooLong(this.line + 1);
  }

  /** The text is complete: a last line without a line break counts. */
  end(): void {
    if (this.rest !== '') this.parseLine(this.rest);
    this.rest = '';
    if (this.order.length === 0) {
      throw new TraceError(1, `the trace is empty, expected the header ${ACCESS_TRACE_COLUMNS.join(',')}`);
    }
  }

  private parseLine(raw: string): void {
    this.line++;
    if (raw.length > MAX_LINE) throw this.tooLong(this.line);
    const text = raw.endsWith('\r') ? raw.slice(0, -1) : raw;
    if (this.order.length === 0) this.parseHeader(text.startsWith('\ufeff') ? text.slice(1) : text);
    else if (text !== '') this.parseRow(this.fields(text));
  }

  private parseHeader(text: string): void {
    const names = this.fields(text).map((name) => name.trim());
    for (const name of names) {
      if (!(ACCESS_TRACE_COLUMNS as readonly string[]).includes(name)) {
        throw this.error(`unknown column '${quote(name)}', expected the header ${ACCESS_TRACE_COLUMNS.join(',')}`);
      }
    }
    for (const column of ACCESS_TRACE_COLUMNS) {
      const count = names.filter((name) => name === column).length;
      if (count === 0) throw this.error(`column '${column}' is missing in the header`);
      if (count > 1) throw this.error(`column '${column}' is in the header ${count} times`);
    }
    this.order = ACCESS_TRACE_COLUMNS.map((column) => names.indexOf(column));
  }

  private parseRow(fields: readonly string[]): void {
    if (fields.length !== ACCESS_TRACE_COLUMNS.length) {
      throw this.error(`${fields.length} fields, expected ${ACCESS_TRACE_COLUMNS.length}`);
    }
    const field = (column: number): string => fields[this.order[column]].trim();
    const issuePs = this.parseIssue(field(0));
    const device = field(1);
    if (device === '') throw this.error('device is empty, expected a name or BDF');
    const pasid = field(2) === '' ? -1 : this.parseInteger('pasid', field(2), MAX_PASID);
    this.parseIova(field(3));
    const op = OPS[field(5)];
    if (op === undefined) throw this.error(`op '${quote(field(5))}', expected r, w, a, map or unmap`);
    const lengthBytes = this.parseInteger('length_bytes', field(4), MAX_LENGTH_BYTES);
    if (lengthBytes === 0) throw this.error('length_bytes is 0, expected at least 1');
    if (this.page + Math.ceil((this.offset + lengthBytes) / PAGE_BYTES) > IOVA_SPACE_PAGES) {
      throw this.error('iova + length_bytes is above 2^64');
    }
    this.sink.row(issuePs, device, pasid, this.page, this.offset, lengthBytes, op, this.line);
  }

  /** ns with up to three digits kept after the point. */
  private parseIssue(text: string): number {
    const match = /^(\d{1,16})(?:\.(\d+))?$/.exec(text);
    if (match === null) throw this.error(`issue_ns '${quote(text)}', expected a number such as 1250 or 1250.5`);
    const fraction = Number((match[2] ?? '').slice(0, 3).padEnd(3, '0'));
    const issuePs = Number(match[1]) * 1000 + fraction;
    if (issuePs > MAX_ISSUE_PS) {
      throw this.error(`issue_ns '${quote(text)}' is above 2.5 hours; subtract the first row’s time from all rows`);
    }
    return issuePs;
  }

  private parseInteger(column: string, text: string, max: number): number {
    const hex = /^0[xX]([0-9a-fA-F]{1,12})$/.exec(text);
    const value = hex !== null ? parseInt(hex[1], 16) : /^\d{1,15}$/.test(text) ? Number(text) : NaN;
    if (!(value <= max)) throw this.error(`${column} '${quote(text)}', expected an integer from 0 to ${max}`);
    return value;
  }

  /** Sets `page` and `offset`. Hex splits between digits; only decimals above 2^53 need a bigint. */
  private parseIova(text: string): void {
    if (/^0[xX][0-9a-fA-F]{1,16}$/.test(text)) {
      const digits = text.slice(2);
      this.page = digits.length > 3 ? parseInt(digits.slice(0, -3), 16) : 0;
      this.offset = parseInt(digits.slice(-3), 16);
    } else if (/^\d{1,15}$/.test(text)) {
      const value = Number(text);
      this.page = Math.floor(value / PAGE_BYTES);
      this.offset = value % PAGE_BYTES;
    } else if (/^\d{16,20}$/.test(text) && BigInt(text) >> 64n === 0n) {
      const value = BigInt(text);
      this.page = Number(value >> 12n);
      this.offset = Number(value & 0xfffn);
    } else {
      throw this.error(`iova '${quote(text)}', expected up to 64 bits, decimal or hex with 0x`);
    }
  }

  /** RFC 4180: a field in quotes may hold commas and doubled quotes (but here no line breaks). */
  private fields(text: string): string[] {
    if (!text.includes('"')) return text.split(',');
    const fields: string[] = [];
    const pattern = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/y;
    while (pattern.lastIndex <= text.length) {
      const match = pattern.exec(text);
      if (match === null) throw this.error('a quote is not closed, or text follows a closing quote');
      fields.push(match[1] !== undefined ? match[1].replaceAll('""', '"') : match[2]);
      if (match[3] === '') break;
    }
    return fields;
  }

  private tooLong(line: number): TraceError {
    return new TraceError(line, `the line is longer than ${MAX_LINE} characters; is this a CSV access trace?`);
  }

  private error(message: string): TraceError {
    return new TraceError(this.line, message);
  }
}

/** As much of a wrong field as an error message can show. */
function quote(text: string): string {
  return text.length <= 40 ? text : `${text.slice(0, 40)}…`;
}
