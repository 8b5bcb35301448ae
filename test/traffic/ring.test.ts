import { describe, expect, it } from 'vitest';
import { Burst } from '../../src/traffic/device.ts';
import { DescriptorRing } from '../../src/traffic/nic/ring.ts';
import { testDriver } from '../support/driver.ts';

function startedRing(entries = 16, batch = 4): DescriptorRing {
  const ring = new DescriptorRing({ entries, descriptorBytes: 32, batch, maxReadRequestBytes: 512 });
  ring.start(testDriver('static').mapper);
  return ring;
}

/** [offset, length] of the reads of one fetch at `nowPs`, which is done at once. */
function fetch(ring: DescriptorRing, nowPs: number): number[][] {
  const burst = new Burst(16);
  ring.fetchDone(ring.fillFetch(nowPs, burst), nowPs + 100);
  return Array.from({ length: burst.count }, (_, i) => [burst.offset[i], burst.lengthBytes[i]]);
}

function post(ring: DescriptorRing, count: number, atPs: number): void {
  ring.written += count;
  ring.doorbell(atPs);
}

describe('DescriptorRing', () => {
  it('fetches nothing before the doorbell, and then what was visible', () => {
    const ring = startedRing();
    ring.written += 2;
    expect(ring.fetchAt()).toBe(Infinity);
    ring.doorbell(1000);
    post(ring, 2, 2000);
    expect(ring.fetchAt()).toBe(1000);
    expect(fetch(ring, 1500)).toEqual([[0, 64]]);
    expect(ring.fetchAt()).toBe(2000);
    expect(fetch(ring, 2000)).toEqual([[64, 64]]);
    expect(ring.fetchAt()).toBe(Infinity);
  });

  it('says when descriptors are on the chip', () => {
    const ring = startedRing();
    post(ring, 6, 0);
    expect(ring.readyAt(1)).toBe(Infinity);
    const burst = new Burst(16);
    const token = ring.fillFetch(0, burst);
    expect(ring.readyAt(1)).toBe(Infinity); // asked for, not there yet
    ring.fetchDone(token, 700);
    expect([ring.readyAt(1), ring.readyAt(4), ring.readyAt(5)]).toEqual([700, 700, Infinity]);
  });

  it('keeps at most two batches on the chip', () => {
    const ring = startedRing(64, 4);
    post(ring, 64, 0);
    let fetches = 0;
    while (ring.fetchAt() < Infinity) {
      fetch(ring, 0);
      fetches++;
    }
    expect(fetches).toBe(2);
    ring.consumed += 4;
    expect(ring.fetchAt()).toBe(0);
  });

  it('does not fetch across its end', () => {
    const ring = startedRing(6, 4);
    post(ring, 6, 0);
    expect(fetch(ring, 0)).toEqual([[0, 128]]);
    ring.consumed = 4;
    post(ring, 4, 0);
    expect(fetch(ring, 0)).toEqual([[128, 64]]);
    expect(fetch(ring, 0)).toEqual([[0, 128]]);
  });
});
