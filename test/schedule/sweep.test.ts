import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeResult, encodeResult } from '../../src/schedule/sweep-codec.ts';
import { PointStore, StoreFailure } from '../../src/schedule/sweep-store.ts';
import { sweep } from '../../src/schedule/sweep.ts';
import { simulate } from '../../src/sim/simulate.ts';
import type { RunSpec } from '../../src/spec.ts';
import type { RunResult } from '../../src/stats/result.ts';
import { kernelModule } from '../support/kernel.ts';
import { runLimits, runSpec } from '../support/spec.mjs';

const spec = (seed: number): RunSpec => runSpec({ seed, run: runLimits({ requests: 500, intervalNs: 1000 }) });
const keyOf = ({ seed }: RunSpec): string => `f00d${seed}`;
const specs = [1, 2, 3].map(spec);
const results = specs.map((each) => simulate(each, kernelModule));

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'nestwalk-points-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a kept result', () => {
  it('comes back as it was', () => {
    for (const [i, result] of results.entries()) expect(decodeResult(encodeResult(result), specs[i])).toEqual(result);
  });

  it('keeps every number to the last bit, those that JSON does not know too', () => {
    const array = fc
      .float64Array({ maxLength: 50 })
      .map((values) => Float64Array.from(values, (x, i) => (i % 3 ? x : 0)));
    fc.assert(
      fc.property(array, fc.double(), (counts, sum) => {
        const result = { ...results[0], devices: [{ counts, sum, min: -0, max: Infinity }] } as unknown as RunResult;
        expect(decodeResult(encodeResult(result), specs[0])).toStrictEqual(result);
      }),
    );
  });

  it('is refused, not mangled, when it holds an array of another kind', () => {
    const odd = { ...results[0], more: new Uint8Array(3) };
    expect(() => encodeResult(odd)).toThrow(/Uint8Array, which cannot be kept/);
  });
});

describe('the store', () => {
  it('gives back what was written, and nothing for what was not', () => {
    const store = new PointStore(join(folder, 'a/b'));
    store.write('f00d1', results[0]);
    expect([store.read('f00d1', specs[0]), store.read('f00d2', specs[1])]).toEqual([results[0], undefined]);
    expect([...store.keys()]).toEqual(['f00d1']);
  });

  it('takes no file that was cut or changed', () => {
    const store = new PointStore(folder);
    store.write('f00d1', results[0]);
    const path = join(folder, 'f00d1.json');
    const text = readFileSync(path, 'utf8');
    for (const damaged of [
      '',
      text.slice(0, -1),
      text.slice(0, 40),
      text.replace('"measuredPs"', '"measuredpS"'),
      '{}',
    ]) {
      writeFileSync(path, damaged);
      expect(store.read('f00d1', specs[0])).toBeUndefined();
    }
  });

  it('names the file that could not be written and leaves nothing behind', () => {
    const store = new PointStore(folder);
    rmSync(folder, { recursive: true });
    expect(() => store.write('f00d1', results[0])).toThrow(StoreFailure);
    expect(() => store.write('f00d1', results[0])).toThrow(/f00d1\.json: ENOENT.*could not be written/);
  });

  it('removes what dead processes of this machine left half written, nothing else', () => {
    const store = new PointStore(folder);
    const here = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
    for (const name of [`.f00d1.${here}.11.tmp`, `.f00d2.${here}.22.tmp`, '.f00d3.deadbeef.11.tmp', 'f00d4.json']) {
      writeFileSync(join(folder, name), 'x');
    }
    store.removeLeftovers((pid) => pid === 22);
    expect(readdirSync(folder).sort()).toEqual(
      [`.f00d2.${here}.22.tmp`, '.f00d3.deadbeef.11.tmp', 'f00d4.json'].sort(),
    );
  });
});

describe('a sweep', () => {
  it('does what is missing, again what is damaged, and gives all results in order', async () => {
    const store = new PointStore(folder);
    store.write(keyOf(specs[1]), results[1]);
    const stored: number[] = [];
    const options = { store, keyOf, resume: true, threads: 2, onStored: (index: number) => void stored.push(index) };
    const first = await sweep(specs, options);
    expect([stored.sort((a, b) => a - b), first.reused, [...first.results]]).toEqual([[0, 2], 1, results]);
    writeFileSync(join(folder, `${keyOf(specs[2])}.json`), 'broken');
    stored.length = 0;
    const second = await sweep(specs, options);
    expect([stored, second.reused, [...second.results]]).toEqual([[2], 2, results]);
    stored.length = 0;
    await sweep(specs.slice(0, 1), { ...options, resume: false });
    expect(stored).toEqual([0]);
  });

  it('stops with the reason when a result cannot be written', async () => {
    const store = new PointStore(folder);
    const failing = Object.assign(Object.create(store) as PointStore, {
      write: () => {
        throw new StoreFailure('x.json: ENOSPC');
      },
    });
    await expect(sweep(specs, { store: failing, keyOf, resume: true, threads: 1 })).rejects.toThrow('x.json: ENOSPC');
  });
});
