/** Transfers at uniformly random aligned places of one window: what pcie-bench's random access tests issue. */
import type { WindowTraffic } from '../../spec.ts';
import type { Prng } from '../../lib/prng.ts';
import type { Burst, DeviceContext, DeviceModel } from '../device.ts';
import { NEVER } from '../device.ts';
import { TransferWindow } from '../window.ts';

class UniformDevice implements DeviceModel {
  readonly burstCapacity: number;
  readonly outstandingBursts: number;
  private readonly window: TransferWindow;
  private readonly rng: Prng;
  private readonly slots: number;

  constructor(traffic: WindowTraffic, context: DeviceContext) {
    this.window = new TransferWindow(traffic, context);
    this.burstCapacity = this.window.burstCapacity;
    this.outstandingBursts = this.window.outstandingBursts;
    this.rng = context.rng;
    this.slots = this.window.slots;
  }

  get operations(): number {
    return this.window.operations;
  }

  start(): void {
    this.window.start();
  }

  nextBurst(nowPs: number, burst: Burst): boolean {
    return this.window.fillSlot(nowPs, burst, this.rng.below(this.slots));
  }

  burstDone(_token: number, _donePs: number, faulted: boolean): void {
    this.window.burstDone(faulted);
  }

  softwareAt(): number {
    return NEVER;
  }

  software(): void {}
}

export const uniform = (context: DeviceContext): DeviceModel =>
  new UniformDevice(context.spec.traffic as WindowTraffic, context);
