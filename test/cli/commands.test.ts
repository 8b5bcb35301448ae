import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { insideOf } from './inside.ts';
import { program, resultFiles, shell, SMALL } from './support.ts';

const { folder, nestwalk, start } = shell();

writeFileSync(join(folder, 'small.yaml'), SMALL);

/** Where the process is not what is tested: it takes a second to start. */
const here = insideOf(folder);

const ESCAPE = /[\u001b\b\r]/;

describe('run', () => {
  it('prints a table and writes a run folder, without escape codes or a bar where nobody looks', async () => {
    const { code, out, err } = await nestwalk('run', 'small.yaml', '--out', 'plain');
    expect(code).toBe(0);
    expect(out).toMatch(/^small: What\?\n/);
    expect(out).toContain('IOTLB');
    expect(out).toMatch(/^Files: plain\/small\/[0-9a-f]{12} \(1 run,/m);
    expect(out).not.toMatch(ESCAPE);
    expect(err).toBe('');
    expect(readdirSync(join(folder, 'plain/small'))).toHaveLength(1);
  });

  it('prints pure JSON with --json', async () => {
    const { code, out, err } = await here('run', 'small.yaml', '--json', '--out', 'json', '--set', 'run.seeds=2');
    expect([code, err]).toEqual([0, '']);
    const { program, summary, directory } = JSON.parse(out);
    expect(program).toBe('nestwalk');
    expect(summary.map((row: { requests: number; seed: number }) => [row.seed, row.requests])).toEqual([
      [1, 2000],
      [2, 2000],
    ]);
    expect(readdirSync(join(folder, directory))).toContain('summary.csv');
  });

  it('writes the same bytes for one thread and two', async () => {
    const set = ['--set', 'machine.units=2', '--set', 'run.seeds=3'];
    const run = async (n: number): Promise<string> => {
      const { out } = await here('run', 'small.yaml', ...set, '--threads', `${n}`, '--out', `t${n}`, '--json');
      return JSON.parse(out).directory;
    };
    const [one, two] = [await run(1), await run(2)];
    expect(resultFiles(join(folder, one))).toEqual(resultFiles(join(folder, two)));
  });

  it('takes seeds from --seed on', async () => {
    const { out } = await here('run', 'small.yaml', '--seed', '7', '--json', '--quiet');
    expect(JSON.parse(out).summary[0].seed).toBe(7);
  });
});

describe('other commands', () => {
  it('check says what would be needed', async () => {
    const { code, out } = await here('check', 'small.yaml');
    expect(code).toBe(0);
    expect(out).toMatch(/no mistakes\n1 run: 1 point, 1 seed/);
  });

  it('list and schema print JSON', async () => {
    const list = await here('list', 'presets', '--json');
    const schema = await here('schema');
    expect(JSON.stringify(JSON.parse(list.out))).toContain('amd-rome');
    expect(JSON.parse(schema.out)).toHaveProperty('$schema');
  });
});

describe('mistakes end with exit code 2, say where and what is expected, and print no results', () => {
  const BIG = ['--set', 'machine.memoryBytes=4TiB', '--set', 'tenants.host.devices.dev.traffic.windowBytes=512GiB'];
  writeFileSync(join(folder, 'file'), '');
  writeFileSync(join(folder, 'empty.yaml'), '');
  mkdirSync(join(folder, 'dir'));
  it.each([
    [[], [/expected a command/]],
    [['rum', 'small.yaml'], [/^unknown command "rum"; did you mean "run"\?/]],
    [['qwerty'], [/^unknown command "qwerty"; nestwalk --help shows what there is/]],
    [['run'], [/^run: something to work on is missing; nestwalk run --help shows/]],
    [['run', 'small.yaml', 'more'], [/^Unknown argument: more; nestwalk run --help shows/]],
    [['run', 'small.yaml', '--qwerty'], [/^Unknown argument: qwerty; nestwalk run --help shows/]],
    [['run', 'small.yaml', '--seed'], [/^--seed: expected a value; nestwalk run --help shows/]],
    [['run', 'small.yaml', '--out', ''], [/^--out: "" is not a folder; expected a name/]],
    [['run', 'small.yaml', '--out', 'a', '--out', 'b'], [/^--out: given more than once/]],
    [['report', 'dir', '--out', ''], [/^--out: "" is not a folder/]],
    [['pagetable', 'file', '--check'], [/^file: no records; expected a JSON object a line/]],
    [['pagetable', 'nowhere'], [/^nowhere: no such file/]],
    [['pagetable', 'dir'], [/^dir: is a folder; expected a file of records/]],
    [['run', 'small.yaml', '--thread', '1'], [/thread; did you mean "threads"/]],
    [['run', 'nested-cots'], [/did you mean "nested-cost"/]],
    [['run', 'small.yaml', '--threads', '0'], [/^--threads: "0" is not a whole number from 1 to 256/]],
    [['run', 'small.yaml', '--seed', 'x'], [/^--seed: "x"/]],
    [['run', 'small.yaml', '--seed', '1', '--seed', '2'], [/more than once/]],
    [
      ['run', 'small.yaml', '--set', 'run.request=1', '--set', 'machine.iotlb.entries=x'],
      [/^--set run\.request: .*did you mean "requests"/, /^--set machine\.iotlb\.entries: "x" is not a whole number/m],
    ],
    [['run', 'small.yaml', ...BIG], [/need \d+\.\d GiB, but one run has at most 4\.0 GiB; use larger leaves/]],
    [['run', 'small.yaml', '--out', 'file'], [/^--out file: .*expected a folder/]],
    [['run', 'small.yaml', '--out', '/dev/null/x'], [/^--out \/dev\/null\/x: /]],
    [['run', 'small.yaml', '--out', '/proc/x'], [/^--out \/proc\/x: /]],
    [['run', 'empty.yaml'], [/empty\.yaml:1:1: /]],
    [['run', 'dir'], [/dir/]],
  ])('%j', async (args, patterns) => {
    const { code, out, err } = await here(...args);
    for (const pattern of patterns) expect(err).toMatch(pattern);
    expect([code, out]).toEqual([2, '']);
    expect(err).not.toMatch(ESCAPE);
    expect(err).not.toContain('bug in nestwalk');
  });
});

describe('replay', () => {
  const scenario = (path: string): string => `question: What?
tenants: { host: { mode: host, devices: { d: { traffic: { model: replay, path: ${path} } } } } }
run: { requests: 3 }
`;
  const HEADER = 'issue_ns,device,pasid,iova,length_bytes,op\n';
  const TRACE = `${HEADER}0,nic,,0x1000,64,r\n5,nic,,0x2000,64,w\n9,nic,,0x1040,64,r\n`;
  writeFileSync(join(folder, 't.csv'), TRACE);
  writeFileSync(join(folder, 't.csv.gz'), gzipSync(TRACE));
  writeFileSync(join(folder, 'bad.csv'), `${TRACE}12,nic,,zzz,4,r\n`);
  for (const name of ['t.csv', 't.csv.gz', 'bad.csv', 'none.csv']) {
    writeFileSync(join(folder, `${name}.yaml`), scenario(name));
  }

  it.each(['t.csv', 't.csv.gz'])('runs %s', async (name) => {
    const { code, out, err } = await here('run', `${name}.yaml`, '--json', '--out', 'replay');
    expect([code, err]).toEqual([0, '']);
    expect(JSON.parse(out).summary[0]).toMatchObject({ requests: 3, reads: 2, writes: 1, iotlb_lookups: 3 });
  });

  it('names the line of a bad row', async () => {
    const { code, err } = await here('run', 'bad.csv.yaml');
    expect(code).toBe(2);
    expect(err).toMatch(/bad\.csv:5:1: .*iova/);
  });

  it('names a trace that is not there', async () => {
    const { code, err } = await here('run', 'none.csv.yaml');
    expect([code, err]).toEqual([2, expect.stringMatching(/none\.csv: ENOENT/)]);
  });
});

describe('output', () => {
  it.skipIf(!existsSync('/dev/full'))('that finds the disk full is a message, not a stack', () => {
    const full = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [program, 'schema'], { stdio: ['ignore', full, 'pipe'] });
    closeSync(full);
    expect([status, stderr.toString()]).toEqual([2, expect.stringMatching(/^standard output: ENOSPC.*\n$/)]);
  });

  it('has no colours with NO_COLOR', async () => {
    const { err } = await start(['run', 'nothing-like-this'], { NO_COLOR: '1' }).end;
    expect(err).not.toMatch(ESCAPE);
  });

  it('leaves what scenarios write to the terminal alone', async () => {
    writeFileSync(join(folder, 'evil.yaml'), SMALL.replace('What?', '"\\e]0;x\\a\\e[31mred"'));
    const { out, err } = await here('run', 'evil.yaml', '--quiet');
    expect(out + err).not.toMatch(ESCAPE);
    const [id] = readdirSync(join(folder, 'results/evil'));
    expect(readFileSync(join(folder, 'results/evil', id, 'manifest.json'), 'utf8')).not.toMatch(ESCAPE);
  });
});
