/** Transfers at uniformly random aligned places of one window: what pcie-bench's random access tests issue. */
import type { WindowTraffic } from '../../spec.ts';
import type { Prng } from '../../lib/prng.ts';
import type { Burst, DeviceContext, DeviceModel, UniformPattern } from '../device.ts';
import { NEVER } from '../device.ts';
import { TransferWindow } from '../window.ts';

class UniformDevice implements DeviceModel {
  readonly burstCapacity: number;
  readonly outstandingBursts: number;
  readonly asksAhead = true;
  readonly plainReads: boolean;
  readonly operations = 0;
  private readonly window: TransferWindow;
  private readonly rng: Prng;
  private readonly slots: number;

  constructor(traffic: WindowTraffic, context: DeviceContext) {
    this.window = new TransferWindow(traffic, context);
    this.burstCapacity = this.window.burstCapacity;
    this.outstandingBursts = this.window.outstandingBursts;
    this.plainReads = this.window.plainReads;
    this.rng = context.rng;
    this.slots = this.window.slots;
  }

  start(): void {
    this.window.start();
  }

  pattern(): UniformPattern | undefined {
    return this.window.uniformPattern();
  }

  nextBurst(nowPs: number, burst: Burst): boolean {
    return this.window.fillSlot(nowPs, burst, this.rng.below(this.slots));
  }

  burstDone(): void {}

  softwareAt(): number {
    return NEVER;
  }

  software(): void {}
}

export const uniform = (context: DeviceContext): DeviceModel =>
  new UniformDevice(context.spec.traffic as WindowTraffic, context);
