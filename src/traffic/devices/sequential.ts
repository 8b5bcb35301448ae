/** Transfers one stride apart, from the start of the window to its end and again: streams, and with larger strides scans. */
import type { TrafficSpec } from '../../spec.ts';
import type { Burst, DeviceContext, DeviceModel } from '../device.ts';
import { NEVER } from '../device.ts';
import { TransferWindow } from '../window.ts';

type SequentialTraffic = Extract<TrafficSpec, { readonly model: 'sequential' }>;

class SequentialDevice implements DeviceModel {
  readonly burstCapacity: number;
  readonly outstandingBursts: number;
  readonly asksAhead = true;
  readonly plainReads: boolean;
  readonly operations = 0;
  private readonly window: TransferWindow;
  private readonly strideBytes: number;
  private readonly lastByte: number;
  private byte = 0;

  constructor(traffic: SequentialTraffic, context: DeviceContext) {
    this.window = new TransferWindow(traffic, context);
    this.burstCapacity = this.window.burstCapacity;
    this.outstandingBursts = this.window.outstandingBursts;
    this.plainReads = this.window.plainReads;
    this.strideBytes = traffic.strideBytes;
    this.lastByte = traffic.windowBytes - traffic.transferBytes;
  }

  start(): void {
    this.window.start();
  }

  nextBurst(nowPs: number, burst: Burst): boolean {
    const byte = this.byte;
    const next = byte + this.strideBytes;
    this.byte = next > this.lastByte ? 0 : next;
    return this.window.fill(nowPs, burst, byte);
  }

  burstDone(): void {}

  softwareAt(): number {
    return NEVER;
  }

  software(): void {}
}

export const sequential = (context: DeviceContext): DeviceModel =>
  new SequentialDevice(context.spec.traffic as SequentialTraffic, context);
