import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expand } from '../../src/scenario/expand.ts';
import { attachTraces } from '../../src/scenario/traces.ts';
import { load } from './support.ts';

const TRACE = `issue_ns,device,pasid,iova,length_bytes,op
0,nic,,0x1000,64,r
5,disk,,0xfffffffffffff123,8,w
10.5,nic,,0x2fff,1,a
11,nic,7,0x3000,4096,map
`;
const scenario = (devices: string) =>
  load(`question: What?\ntenants: { host: { mode: host, devices: { ${devices} } } }\nrun: { requests: 3 }\n`);

describe('attachTraces', () => {
  let folder = '';
  const attach = (devices: string, maxRows = 100) =>
    attachTraces(expand(scenario(devices)), join(folder, 'x.yaml'), maxRows);
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'nestwalk-trace-'));
    writeFileSync(join(folder, 't.csv'), TRACE);
    writeFileSync(join(folder, 't.csv.gz'), gzipSync(TRACE));
    writeFileSync(join(folder, 'cut.csv.gz'), gzipSync(TRACE.repeat(50)).subarray(0, 60));
    writeFileSync(join(folder, 'bad.csv'), `${TRACE}12,nic,,0x,4,r\n`);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each(['t.csv', 't.csv.gz'])('gives each device its rows of %s', async (path) => {
    const { specs, warnings } = await attach(`a: { traffic: { model: replay, path: ${path}, device: nic } }`);
    const traffic = specs[0].tenants[0].devices[0].traffic;
    if (traffic.model !== 'replay') throw new Error('no replay');
    expect([...traffic.rows.issuePs]).toEqual([0, 10_500]);
    expect([...traffic.rows.page]).toEqual([1, 2]);
    expect(warnings).toEqual([
      `${path}: 1 rows of disk belong to no device of the scenario`,
      `${path}: 1 rows of nic with PASID 7 belong to no device of the scenario`,
    ]);
  });

  it('takes rows of any device, and rows with a PASID, where asked', async () => {
    const { specs } = await attach(
      'a: { traffic: { model: replay, path: t.csv } }, b: { pasid: 7, traffic: { model: replay, path: t.csv } }',
    );
    const rows = specs[0].tenants[0].devices.map(({ traffic }) =>
      traffic.model === 'replay' ? traffic.rows.op.length : -1,
    );
    expect(rows).toEqual([3, 1]);
  });

  it.each([
    ['missing.csv', 100, /missing\.csv: ENOENT: cannot be read/],
    ['.', 100, /is a folder/],
    ['bad.csv', 100, /bad\.csv:6:1: iova '0x'/],
    ['cut.csv.gz', 100, /cut\.csv\.gz: Z_BUF_ERROR|cut\.csv\.gz: .*cannot be read/],
    ['t.csv', 1, /t\.csv:4:1: more than 1 rows do not fit/],
  ])('%s with room for %i rows is a mistake', async (path, maxRows, message) => {
    await expect(attach(`a: { traffic: { model: replay, path: "${path}", device: nic } }`, maxRows)).rejects.toThrow(
      message,
    );
  });

  it('says which devices a trace has when none fits', async () => {
    await expect(attach('a: { traffic: { model: replay, path: t.csv, device: nik } }')).rejects.toThrow(
      /t\.csv: no rows of nik without PASID; the trace has nic, disk, nic with PASID 7/,
    );
  });
});
