/**
 * A NIC queue pair: descriptor rings, buffers and completion queues in memory, and the core that serves them.
 *
 * Receive and transmit take turns at the link and at the core while both have something to do. Software is one core that
 * handles one packet at a time. Left out: interrupt moderation (a core that is idle starts at the completion's time),
 * several descriptors for one transmitted packet, header splitting.
 */
import type { NicTraffic } from '../../spec.ts';
import { type Burst, type DeviceContext, type DeviceModel, NEVER } from '../device.ts';
import { burstCapacity, type NicQueue, type QueueContext } from '../nic/queue.ts';
import { RxQueue } from '../nic/rx.ts';
import { TxQueue } from '../nic/tx.ts';

class NicDevice implements DeviceModel {
  readonly burstCapacity: number;
  /** The rings limit what is in flight. */
  readonly outstandingBursts = Infinity;
  private readonly queues: readonly NicQueue[];
  /** When the device itself wants to be asked again. */
  private wakePs = NEVER;
  private lastSent = 0;
  private lastServed = 0;

  constructor(traffic: NicTraffic, context: DeviceContext) {
    this.burstCapacity = burstCapacity(traffic, context.spec);
    const shared: QueueContext = { ...context, traffic, device: context.spec };
    const queues: NicQueue[] = [];
    if (traffic.direction !== 'tx') queues.push(new RxQueue(shared));
    if (traffic.direction !== 'rx') queues.push(new TxQueue(shared));
    this.queues = queues;
  }

  get operations(): number {
    return this.queues.reduce((sum, queue) => sum + queue.operations, 0);
  }

  get drops(): number {
    return this.queues.reduce((sum, queue) => sum + queue.drops, 0);
  }

  start(): void {
    for (const queue of this.queues) queue.start();
  }

  nextBurst(nowPs: number, burst: Burst): boolean {
    const { queues } = this;
    this.wakePs = NEVER;
    for (let turn = 1; turn <= queues.length; turn++) {
      const index = (this.lastSent + turn) % queues.length;
      const atPs = queues[index].deviceAt(nowPs);
      if (atPs <= nowPs) return this.send(nowPs, burst, index);
      if (atPs < this.wakePs) this.wakePs = atPs;
    }
    return false;
  }

  burstDone(token: number, donePs: number, faulted: boolean): void {
    const mayGoOn = this.queues[token % 2].done(Math.floor(token / 2), donePs, faulted);
    if (mayGoOn && donePs < this.wakePs) this.wakePs = donePs;
  }

  softwareAt(): number {
    let atPs = this.wakePs;
    for (const queue of this.queues) atPs = Math.min(atPs, queue.softwareAt());
    return atPs;
  }

  software(nowPs: number): void {
    const { queues } = this;
    if (this.wakePs <= nowPs) this.wakePs = NEVER;
    for (let turn = 1; turn <= queues.length; turn++) {
      const index = (this.lastServed + turn) % queues.length;
      if (queues[index].softwareAt() > nowPs) continue;
      this.lastServed = index;
      return queues[index].software(nowPs);
    }
  }

  private send(nowPs: number, burst: Burst, index: number): boolean {
    this.wakePs = NEVER;
    this.lastSent = index;
    burst.count = 0;
    burst.earliestPs = nowPs;
    burst.token = this.queues[index].fill(nowPs, burst) * 2 + index;
    return true;
  }
}

export const nic = (context: DeviceContext): DeviceModel => new NicDevice(context.spec.traffic as NicTraffic, context);
