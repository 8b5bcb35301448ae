import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Axis, parseAxis } from '../../src/scenario/axis.ts';
import type { QuantityKind } from '../../src/scenario/quantity-kind.ts';
import { parseQuantity } from '../../src/scenario/units.ts';
import { quantityText, varyValues } from '../../src/scenario/vary.ts';
import { load, problems, SMALL } from './support.ts';

const WINDOW = 'tenants.host.devices.dev.traffic.windowBytes';
const SWEPT = `${SMALL}sweep:\n  cases: { on: {}, off: { tenants.host.mode: passthrough } }\n  vary: { ${WINDOW}: [64KiB, 128KiB] }\n`;
const names = (text: string, vary: string[]): string[] => load(text, { vary }).points.map(({ name }) => name);

describe('values of --vary', () => {
  it.each<[string, QuantityKind | undefined, unknown[]]>([
    ['1,2,8', 'integer', [1, 2, 8]],
    ['16..128*2', 'integer', [16, 32, 64, 128]],
    ['1..4', 'integer', [1, 2, 3, 4]],
    ['10..45+10', 'integer', [10, 20, 30, 40]],
    ['1,4..16*2,100', 'integer', [1, 4, 8, 16, 100]],
    ['10..100*1.5', 'integer', [10, 15, 23, 34, 51, 76]],
    ['64KiB..1MiB*4', 'bytes', ['64KiB', '256KiB', '1MiB']],
    ['64KiB..128KiB+32KiB', 'bytes', ['64KiB', '96KiB', '128KiB']],
    ['4096..16384*2', 'bytes', ['4KiB', '8KiB', '16KiB']],
    ['500ns..2us+500ns', 'ns', ['500ns', '1us', '1500ns', '2us']],
    ['0.1ns..0.4ns+0.1ns', 'ns', ['0.1ns', '0.2ns', '0.3ns', '0.4ns']],
    ['10Gbps..40Gbps*2', 'gbps', ['10Gbps', '20Gbps', '40Gbps']],
    ['0..1+0.25', 'real', [0, 0.25, 0.5, 0.75, 1]],
    ['1e3..4e3*2', 'real', [1000, 2000, 4000]],
    ['lru, fifo', undefined, ['lru', 'fifo']],
    ['true,false', undefined, [true, false]],
  ])('%s (%s)', (text, kind, values) => {
    expect(varyValues(text, kind)).toEqual({ value: values });
  });

  it.each<[string, QuantityKind | undefined, RegExp]>([
    ['4..1', 'integer', /ends before it begins/],
    ['1..2*1', 'integer', /factor "1" is not a number above 1/],
    ['0..8*2', 'integer', /start above 0, or a \+step/],
    ['1..8+0', 'integer', /step .* not above 0/],
    ['1..8*2*2', 'integer', /not a range; expected lo\.\.hi/],
    ['1..1000000', 'integer', /no step; expected lo\.\.hi\*factor or lo\.\.hi\+step/],
    ['1..1000000+1', 'integer', /more than 10000 values; use a larger step/],
    ['1KiB..1MiB', 'bytes', /no step/],
    ['1KiB..1MiB+1us', 'bytes', /unknown unit "us"; expected one of B, KiB/],
    ['a..b', 'integer', /not a range/],
    ['1.5..3', 'integer', /"1\.5" is not a whole number/],
    ['a..b*2', undefined, /takes no numbers; expected a list/],
    ['1,,2', 'integer', /expected a value before and after each comma/],
    ['1,2,1', 'integer', /the value 1 is there twice/],
    ['8,1..16*2', 'integer', /the value 8 is there twice/],
  ])('refuses %s (%s)', (text, kind, message) => {
    expect(varyValues(text, kind)).toEqual({ error: expect.stringMatching(message) as string });
  });

  it('writes sizes so that they read back as the same bytes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 45 }), (bytes) => {
        expect(parseQuantity(quantityText(bytes, 'bytes'), 'bytes')).toEqual({ value: bytes });
      }),
    );
  });
});

describe('--vary of a scenario', () => {
  it('joins its own sweep, after it, and takes the place of a path that it varies', () => {
    expect(names(SMALL, ['machine.walkers=1,2', 'machine.iotlb.entries=8,16'])).toEqual([
      'walkers=1 entries=8',
      'walkers=1 entries=16',
      'walkers=2 entries=8',
      'walkers=2 entries=16',
    ]);
    expect(names(SWEPT, [`${WINDOW}=4KiB..16KiB*4`])).toEqual([
      'on windowBytes=4KiB',
      'on windowBytes=16KiB',
      'off windowBytes=4KiB',
      'off windowBytes=16KiB',
    ]);
    expect(names(SWEPT, ['machine.walkers=3'])[0]).toBe('on windowBytes=64KiB walkers=3');
  });

  it('keeps numbers in the unit of the key, so that points can be drawn', () => {
    const { points } = load(SMALL, { vary: [`${WINDOW}=64KiB,1MiB`] });
    expect(points.map(({ values }) => values)).toEqual([{ [WINDOW]: 65_536 }, { [WINDOW]: 1_048_576 }]);
  });

  it('is fixed by a search, and not varied any more', () => {
    const { points } = load(SWEPT, { values: [{ path: WINDOW, value: '4KiB' }] });
    expect(points.map(({ name }) => name)).toEqual(['on', 'off']);
    expect(points[0].tenants[0].devices[0].traffic).toMatchObject({ windowBytes: 4096 });
  });

  it('names each mistake by its flag, all at once', () => {
    const vary = [
      'machine.walker=1',
      'machine.walkers=x',
      'run.seeds=1,2',
      'walkers',
      'machine.units=1',
      'machine.units=2',
    ];
    expect(problems(SMALL, { vary })).toEqual([
      expect.stringMatching(/^--vary machine\.walker: unknown path .*did you mean "walkers"/),
      '--vary run.seeds: run.seeds is the same for all points',
      '--vary walkers: expected path=values, such as machine.iotlb.entries=16..1024*2',
      '--vary machine.units: is given twice; expected all values in one flag, with commas between',
      '--vary machine.walkers: "x" is not a whole number; expected 1 to 1024',
    ]);
    expect(problems(SWEPT, { vary: ['tenants.host.mode=host'] })[0]).toMatch(/case "off" of the sweep sets this path/);
    const sets = ['machine.walkers=4'];
    expect(problems(SMALL, { vary: ['machine.walkers=1,2'], sets })[0]).toMatch(/set by --set as well/);
  });
});

const axis = (text: string, kind: QuantityKind): Axis => {
  const parsed = parseAxis('a.b', text, kind);
  if ('error' in parsed) throw new Error(parsed.error);
  return parsed.value;
};

describe('an axis', () => {
  it('grows by factors over wide ranges and by steps over narrow ones', () => {
    expect(axis('16..65536', 'integer').between(16, 65_536, 3)).toEqual([128, 1024, 8192]);
    expect(axis('10..50', 'integer').between(10, 50, 3)).toEqual([20, 30, 40]);
    expect(axis('0..1', 'real').between(0, 1, 3)).toEqual([0.25, 0.5, 0.75]);
  });

  it('knows only the values that a factor or step gives', () => {
    const powers = axis('16..1024*2', 'integer');
    expect([powers.size, powers.between(16, 1024, 3), powers.between(256, 512, 3)]).toEqual([7, [64, 128, 512], []]);
    expect(axis('8..64+8', 'integer').between(8, 24, 5)).toEqual([16]);
  });

  it('keeps sizes of whole pages whole, and writes values as scenarios take them', () => {
    const window = axis('64KiB..64MiB', 'bytes');
    expect(window.between(65_536, 65_536 + 8192, 3)).toEqual([69_632]);
    expect([window.value(69_632), axis('1us..1ms', 'ns').value(1500), axis('1..9', 'integer').value(3)]).toEqual([
      '68KiB',
      '1500ns',
      3,
    ]);
  });

  it('finds only values strictly between, ascending, and always one where there is one', () => {
    const range = fc.tuple(fc.nat(100_000), fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 1, max: 9 }));
    fc.assert(
      fc.property(range, ([lo, width, count]) => {
        const inside = axis(`${lo}..${lo + width}`, 'integer').between(lo, lo + width, count);
        expect(inside.every((x, i) => x > (inside[i - 1] ?? lo) && x < lo + width && Number.isInteger(x))).toBe(true);
        expect(inside.length).toBeLessThanOrEqual(count);
        if (width > 1 && count === 1) expect(inside).toHaveLength(1);
      }),
    );
  });

  it.each([
    ['4', /not a range; expected lo\.\.hi, such as 16\.\.65536/],
    ['1..2*8', /one value only/],
    ['9..1', /ends before it begins/],
  ])('refuses %s', (text, message) => {
    expect(parseAxis('a.b', text, 'integer')).toEqual({ error: expect.stringMatching(message) as string });
  });
});
