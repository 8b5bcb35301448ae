/** The yardstick does the work that it is timed for. */
import { describe, expect, it } from 'vitest';
import { timeYardstick } from '../bench/yardstick/index.mjs';

describe('the yardstick', () => {
  const requests = 20_000;

  it('hits where all pages fit', () => {
    expect(timeYardstick({ windowPages: 2, isNested: false, requests: 10 * requests })).toMatchObject({
      hits: 10 * requests,
      reads: 0,
    });
  });

  it.each([
    [false, 4],
    [true, 24],
  ])('misses with nesting %s read %d entries', (isNested, entries) => {
    const { hits, reads } = timeYardstick({ windowPages: 4096, isNested, requests });
    expect(hits).toBeLessThan(requests / 100);
    expect(reads).toBe((requests - hits) * entries);
  });
});
