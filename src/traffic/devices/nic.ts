/**
 * A NIC queue pair: descriptor rings, buffers and completion queues in memory, and the core that serves them.
 *
 * The device issues what is due in the order in which it became due, receive before transmit. Software is one core that
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
    let duePs = NEVER;
    let due = 0;
    for (let i = 0; i < this.queues.length; i++) {
      const atPs = this.queues[i]!.deviceAt(nowPs);
      if (atPs < duePs) {
        duePs = atPs;
        due = i;
      }
    }
    this.wakePs = duePs > nowPs ? duePs : NEVER;
    if (duePs > nowPs) return false;
    burst.count = 0;
    burst.earliestPs = nowPs;
    burst.token = this.queues[due]!.fill(nowPs, burst) * 2 + due;
    return true;
  }

  burstDone(token: number, donePs: number, faulted: boolean): void {
    this.queues[token % 2]!.done(Math.floor(token / 2), donePs, faulted);
    if (donePs < this.wakePs) this.wakePs = donePs;
  }

  softwareAt(): number {
    let atPs = this.wakePs;
    for (const queue of this.queues) atPs = Math.min(atPs, queue.softwareAt());
    return atPs;
  }

  software(nowPs: number): void {
    let first: NicQueue | undefined;
    for (const queue of this.queues) {
      if (queue.softwareAt() <= nowPs && (first === undefined || queue.softwareAt() < first.softwareAt()))
        first = queue;
    }
    first?.software(nowPs);
    if (this.wakePs <= nowPs) this.wakePs = NEVER;
  }
}

export const nic = (context: DeviceContext): DeviceModel => new NicDevice(context.spec.traffic as NicTraffic, context);
