import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { didYouMean, editDistance, nearest, problemLines } from '../../src/scenario/problem.ts';

/** The definition of Levenshtein distance, exponential in the length. */
function slowDistance(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length;
  const substitute = slowDistance(a.slice(1), b.slice(1)) + (a[0] === b[0] ? 0 : 1);
  return Math.min(substitute, slowDistance(a.slice(1), b) + 1, slowDistance(a, b.slice(1)) + 1);
}

describe('editDistance', () => {
  it('agrees with the definition', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 5 });
    fc.assert(fc.property(word, word, (a, b) => editDistance(a, b) === slowDistance(a, b)));
  });
});

describe('nearest', () => {
  it('finds near words only', () => {
    expect(nearest('entires', ['entries', 'ways'])).toBe('entries');
    expect(nearest('window', ['windowBytes', 'walkers'])).toBe('windowBytes');
    expect(nearest('duration', ['durationNs', 'requests'])).toBe('durationNs');
    expect(nearest('zebra', ['entries', 'ways'])).toBeUndefined();
    expect(nearest('x'.repeat(10_000), ['x'])).toBeUndefined();
    expect(didYouMean('zebra', [])).toBe('');
  });
});

describe('problemLines', () => {
  it('sorts by place, flags last, each line once', () => {
    const at = (line: number, column: number) => ({ file: 'a.yaml', line, column });
    const lines = problemLines([
      { place: { flag: '--set x' }, message: 'no' },
      { place: at(2, 1), message: 'b' },
      { place: at(1, 9), message: 'a' },
      { place: at(2, 1), message: 'b' },
    ]);
    expect(lines).toEqual(['a.yaml:1:9: a', 'a.yaml:2:1: b', '--set x: no']);
  });
});
