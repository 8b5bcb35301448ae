/**
 * Things that come back at a known time: PCIe tags, and a closed loop's transfers in flight.
 *
 * Their times in ascending order, in a ring: the earliest is taken first. Times mostly come back in order, so that an
 * insertion looks at one place.
 */
import { roundUpPowerOfTwo } from '../lib/bits.ts';

export class Credits {
  private readonly times: Float64Array;
  private readonly mask: number;
  private head = 0;
  /** Credits that are there, or known to come back. */
  count: number;

  /** `count` credits, all there at time 0. */
  constructor(count: number) {
    this.times = new Float64Array(roundUpPowerOfTwo(Math.max(1, count)));
    this.mask = this.times.length - 1;
    this.count = count;
  }

  /** When the next credit is there. Only while `count` > 0. */
  earliest(): number {
    return this.times[this.head];
  }

  /** Takes the earliest credit. */
  take(): void {
    this.head = (this.head + 1) & this.mask;
    this.count--;
  }

  /** A credit comes back at `atPs`. */
  give(atPs: number): void {
    const { times, mask, head } = this;
    let place = head + this.count++;
    while (place > head && times[(place - 1) & mask] > atPs) {
      times[place & mask] = times[(place - 1) & mask];
      place--;
    }
    times[place & mask] = atPs;
  }
}
