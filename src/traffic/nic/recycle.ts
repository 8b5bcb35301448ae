/**
 * A receive queue's recycled pages: kept mapped after use, and posted again once the socket that got them has let go. How
 * many pages are unmapped at all is decided here, apart from the mapping policy.
 *
 * `fifo` is mlx5's page cache (mlx5e_rx_cache_put and _get, drivers/net/ethernet/mellanox/mlx5/core/en_rx.c up to 6.3): only
 * the oldest page is looked at, and while a socket holds it, fresh pages are mapped. `any` is page_pool: each page comes
 * back when its socket lets go, in whatever order.
 */
import { exponential } from '../../lib/samplers.ts';
import type { Prng } from '../../lib/prng.ts';
import type { RecycleSpec } from '../../spec.ts';

export class PageRecycler {
  /** The page that `take` took. */
  iovaPage = 0;
  physicalPage = 0;
  private readonly holdPs: number;
  private readonly rng: Prng;
  private readonly ordered: boolean;
  // A ring: in the order of `put` (fifo) or of the times at which sockets let go.
  private readonly iovaPages: Float64Array;
  private readonly physicalPages: Float64Array;
  private readonly heldUntilPs: Float64Array;
  private head = 0;
  private count = 0;

  constructor(spec: RecycleSpec, rng: Prng) {
    this.holdPs = spec.holdNs * 1000;
    this.rng = rng;
    this.ordered = spec.order === 'fifo';
    this.iovaPages = new Float64Array(spec.pages);
    this.physicalPages = new Float64Array(spec.pages);
    this.heldUntilPs = new Float64Array(spec.pages);
  }

  /** Takes over a page that a socket has just been given. False: there is no room, it must be unmapped. */
  put(iovaPage: number, physicalPage: number, nowPs: number): boolean {
    const size = this.iovaPages.length;
    if (this.count === size) return false;
    const heldUntilPs = nowPs + (this.holdPs > 0 ? Math.round(exponential(this.rng, this.holdPs)) : 0);
    let slot = (this.head + this.count++) % size;
    while (!this.ordered && slot !== this.head) {
      const before = slot === 0 ? size - 1 : slot - 1;
      if (this.heldUntilPs[before] <= heldUntilPs) break;
      this.move(before, slot);
      slot = before;
    }
    this.iovaPages[slot] = iovaPage;
    this.physicalPages[slot] = physicalPage;
    this.heldUntilPs[slot] = heldUntilPs;
    return true;
  }

  /** Takes a page that is free again by `nowPs`, into `iovaPage` and `physicalPage`. False: there is none. */
  take(nowPs: number): boolean {
    const { head } = this;
    if (this.count === 0 || this.heldUntilPs[head] > nowPs) return false;
    this.iovaPage = this.iovaPages[head];
    this.physicalPage = this.physicalPages[head];
    this.head = (head + 1) % this.iovaPages.length;
    this.count--;
    return true;
  }

  private move(from: number, to: number): void {
    this.iovaPages[to] = this.iovaPages[from];
    this.physicalPages[to] = this.physicalPages[from];
    this.heldUntilPs[to] = this.heldUntilPs[from];
  }
}
