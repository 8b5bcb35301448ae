import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OP_ATOMIC, OP_MAP, OP_READ, OP_UNMAP, OP_WRITE } from '../../src/request.ts';
import { AccessTraceParser, type AccessTraceSink, TraceError } from '../../src/traffic/replay/access-trace.ts';
import { TraceCollector } from '../../src/traffic/replay/trace-rows.ts';

const HEADER = 'issue_ns,device,pasid,iova,length_bytes,op\n';
type Row = Parameters<AccessTraceSink['row']>;

function parse(text: string, chunkLength = text.length): Row[] {
  const rows: Row[] = [];
  const parser = new AccessTraceParser({ row: (...row) => void rows.push(row) });
  for (let at = 0; at < text.length; at += Math.max(1, chunkLength)) parser.feed(text.slice(at, at + chunkLength));
  parser.end();
  return rows;
}

function failure(text: string): string {
  try {
    parse(text);
  } catch (error) {
    if (error instanceof TraceError) return `${error.line}: ${error.message}`;
    throw error;
  }
  return 'no error';
}

describe('AccessTraceParser', () => {
  it('reads every kind of row', () => {
    const text = `${HEADER}0,nic0,,0xfffff000,64,r
12.5,nic0,7,4096,1500,w
12.5004,0000:c1:00.1,0x1f,0xfedcba9876543210,8,a

20,nic0,,0x1000,8192,map
30,nic0,,18446744073709547520,4096,unmap`;
    expect(parse(text)).toEqual([
      [0, 'nic0', -1, 0xfffff, 0, 64, OP_READ, 2],
      [12_500, 'nic0', 7, 1, 0, 1500, OP_WRITE, 3],
      [12_500, '0000:c1:00.1', 31, 0xfedcba9876543, 0x210, 8, OP_ATOMIC, 4],
      [20_000, 'nic0', -1, 1, 0, 8192, OP_MAP, 6],
      [30_000, 'nic0', -1, 2 ** 52 - 1, 0, 4096, OP_UNMAP, 7],
    ]);
  });

  it('takes columns in any order, CRLF, a byte-order mark, quotes and spaces', () => {
    const text = '\ufeffop,iova,device,pasid,length_bytes,issue_ns\r\nr, 0x2000 ,"a ""b"", c",1,64,5\r\n';
    expect(parse(text)).toEqual([[5000, 'a "b", c', 1, 2, 0, 64, OP_READ, 2]]);
  });

  it('keeps 64-bit IOVAs exact in hex and decimal', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (iova) => {
        for (const text of [iova.toString(), `0x${iova.toString(16)}`, `0x${iova.toString(16).toUpperCase()}`]) {
          const [, , , page, offset] = parse(`${HEADER}0,d,,${text},1,r`)[0];
          expect(BigInt(page) * 4096n + BigInt(offset)).toBe(iova);
        }
      }),
    );
  });

  it('gives the same rows for any chunks', () => {
    const text = `${HEADER}${Array.from({ length: 50 }, (_, i) => `${i},dev${i % 3},,0x${i}000,64,w`).join('\r\n')}`;
    const whole = parse(text);
    expect(whole.length).toBe(50);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 90 }), (length) => {
        expect(parse(text, length)).toEqual(whole);
      }),
    );
  });

  it.each([
    ['', '1: the trace is empty, expected the header issue_ns,device,pasid,iova,length_bytes,op'],
    ['issue_ns,device,pasid,iova,length,op\n', "1: unknown column 'length', expected the header issue_ns,"],
    ['issue_ns,device,iova,length_bytes,op\n', "1: column 'pasid' is missing in the header"],
    [`${HEADER.trim()},op\n`, "1: column 'op' is in the header 2 times"],
    [`${HEADER}1,d,,0x1000,64,r\n2,d,,0x1000,64`, '3: 5 fields, expected 6'],
    [`${HEADER}x,d,,0x1000,64,r`, "2: issue_ns 'x', expected a number such as 1250 or 1250.5"],
    [`${HEADER}-1,d,,0x1000,64,r`, "2: issue_ns '-1', expected"],
    [`${HEADER}9100000000000,d,,0x1000,64,r`, 'subtract the first row’s time'],
    [`${HEADER}1,,,0x1000,64,r`, '2: device is empty'],
    [`${HEADER}1,d,1048576,0x1000,64,r`, "2: pasid '1048576', expected an integer from 0 to 1048575"],
    [`${HEADER}1,d,,0x10000000000000000,64,r`, "2: iova '0x10000000000000000', expected up to 64 bits"],
    [`${HEADER}1,d,,18446744073709551616,64,r`, "2: iova '18446744073709551616', expected up to 64 bits"],
    [`${HEADER}1,d,,1e9,64,r`, "2: iova '1e9'"],
    [`${HEADER}1,d,,0xfffffffffffffff0,64,r`, '2: iova + length_bytes is above 2^64'],
    [`${HEADER}1,d,,0x1000,0,r`, '2: length_bytes is 0, expected at least 1'],
    [`${HEADER}1,d,,0x1000,4294967296,r`, "2: length_bytes '4294967296', expected an integer from 0 to 4294967295"],
    [`${HEADER}1,d,,0x1000,64,read`, "2: op 'read', expected r, w, a, map or unmap"],
    [`${HEADER}1,"d,,0x1000,64,r`, '2: a quote is not closed'],
    [`${HEADER}1,${'d'.repeat(5000)},,0x1000,64,r`, '2: the line is longer than 4096 characters'],
    ['\u0000'.repeat(9000), '1: the line is longer than 4096 characters'],
  ])('%j fails with the line and what is expected', (text, message) => {
    expect(failure(text)).toContain(message);
  });

  it('quotes no more of a wrong field than fits a line', () => {
    expect(failure(`${HEADER}${'9'.repeat(3000)},d,,0x1000,64,r`).length).toBeLessThan(150);
  });
});

describe('TraceCollector', () => {
  it('gives the rows of each requester, in order of appearance', () => {
    const collector = new TraceCollector();
    const parser = new AccessTraceParser(collector);
    const rows = Array.from(
      { length: 3000 },
      (_, i) => `${i},${i % 2 === 0 ? 'b' : 'a'},${i % 4 < 2 ? '' : 5},${i * 5000},${i + 1},w`,
    );
    parser.feed(HEADER + rows.join('\n'));
    parser.end();
    const streams = collector.streams();
    expect(streams.map(({ device, pasid, rows: { op } }) => [device, pasid, op.length])).toEqual([
      ['b', -1, 750],
      ['b', 5, 750],
      ['a', -1, 750],
      ['a', 5, 750],
    ]);
    const last = streams[3].rows;
    expect([last.issuePs[749], last.page[749], last.offset[749], last.lengthBytes[749], last.op[749]]).toEqual([
      2_999_000,
      Math.floor((2999 * 5000) / 4096),
      (2999 * 5000) % 4096,
      3000,
      OP_WRITE,
    ]);
  });

  it('refuses rows that go back in time, by requester', () => {
    const feed = (text: string) => () => {
      const parser = new AccessTraceParser(new TraceCollector());
      parser.feed(HEADER + text);
      parser.end();
    };
    expect(feed('5,a,,0,1,r\n3,b,,0,1,r\n5,a,,0,1,r')).not.toThrow();
    expect(feed('5,a,,0,1,r\n4,a,,0,1,r')).toThrow("goes back in time for device 'a'; sort the trace");
  });
});
