/**
 * Transfers whose pages are drawn by Zipf's law: the page of rank k with probability ∝ 1 / k^exponent, every transfer
 * inside a page alike. Ranks are spread over the window by a fixed random permutation, since what is popular together
 * does not lie together. Transfers larger than a page are ranked as a whole.
 */
import type { TrafficSpec } from '../../spec.ts';
import { PAGE_BYTES } from '../../request.ts';
import type { Prng } from '../../lib/prng.ts';
import { Permutation, Zipf } from '../../lib/samplers.ts';
import type { Burst, DeviceContext, DeviceModel } from '../device.ts';
import { NEVER } from '../device.ts';
import { TransferWindow } from '../window.ts';

type ZipfTraffic = Extract<TrafficSpec, { readonly model: 'zipf' }>;

class ZipfDevice implements DeviceModel {
  readonly burstCapacity: number;
  readonly outstandingBursts: number;
  readonly asksAhead = true;
  readonly plainReads: boolean;
  readonly operations = 0;
  private readonly window: TransferWindow;
  private readonly rng: Prng;
  private readonly popularity: Zipf;
  private readonly place: Permutation;
  private readonly slots: number;
  private readonly slotsPerBlock: number;

  constructor(traffic: ZipfTraffic, context: DeviceContext) {
    this.window = new TransferWindow(traffic, context);
    this.burstCapacity = this.window.burstCapacity;
    this.outstandingBursts = this.window.outstandingBursts;
    this.plainReads = this.window.plainReads;
    this.rng = context.rng;
    this.slots = this.window.slots;
    this.slotsPerBlock = Math.max(1, Math.floor(PAGE_BYTES / traffic.transferBytes));
    const blocks = Math.ceil(this.slots / this.slotsPerBlock);
    this.popularity = new Zipf(blocks, traffic.exponent);
    this.place = new Permutation(blocks, this.rng);
  }

  start(): void {
    this.window.start();
  }

  nextBurst(nowPs: number, burst: Burst): boolean {
    const first = this.place.at(this.popularity.next(this.rng)) * this.slotsPerBlock;
    const slots = Math.min(this.slotsPerBlock, this.slots - first);
    return this.window.fillSlot(nowPs, burst, first + (slots > 1 ? this.rng.below(slots) : 0));
  }

  burstDone(): void {}

  softwareAt(): number {
    return NEVER;
  }

  software(): void {}
}

export const zipf = (context: DeviceContext): DeviceModel =>
  new ZipfDevice(context.spec.traffic as ZipfTraffic, context);
