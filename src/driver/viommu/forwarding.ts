/**
 * Nested translation: hardware walks the guest's table, so maps are the guest's own business, but its unit is emulated.
 * Each invalidation exits; the hypervisor sends it on to the real unit under the host's domain ID, waits there, and
 * returns (iommufd IOMMU_HWPT_INVALIDATE).
 */
import type { CommandPort } from '../../iommu/command-queue.ts';
import type { DriverCpu } from '../cpu.ts';
import { type CommandTarget, type DeviceTlbTarget, type FlushCause, type Hypervisor, polledAt } from './hypervisor.ts';

export interface ForwardingConfig {
  /** One exit with all that is done in it, but the command's own time at the unit, ps. */
  readonly exitPs: number;
  /** Between the host kernel's looks at the completion semaphore, ps. */
  readonly pollPs: number;
  /** All commands of one flush go in one exit: a guest that rings the tail once for several commands. */
  readonly batched: boolean;
}

type WaitPort = Pick<CommandPort, 'completionWait'>;
/** Sends a command to the real unit at a time; returns when the sender may go on. */
type Pending = (atPs: number) => number;

export class ForwardingHypervisor implements Hypervisor {
  private readonly config: ForwardingConfig;
  private pending: Pending[] = [];
  /** Where they go. */
  private readonly ports = new Set<WaitPort>();

  constructor(config: ForwardingConfig) {
    this.config = config;
  }

  pages(
    cpu: DriverCpu,
    cause: FlushCause,
    target: CommandTarget,
    page: number,
    sizeLog2: number,
    walkCaches: boolean,
  ): void {
    const { port, domain, pasid } = target;
    this.take(cpu, cause, port, (atPs) => port.submitPages(atPs, domain, pasid, page, sizeLog2, walkCaches));
  }

  all(cpu: DriverCpu, cause: FlushCause, { port, domain, pasid }: CommandTarget): void {
    this.take(cpu, cause, port, (atPs) => port.submitAll(atPs, domain, pasid));
  }

  deviceTlb(cpu: DriverCpu, cause: FlushCause, target: DeviceTlbTarget, page: number, sizeLog2: number): void {
    const { port, bdf, pasid } = target;
    this.take(cpu, cause, port, (atPs) => port.submitDeviceTlb(atPs, bdf, pasid, page, sizeLog2));
  }

  complete(cpu: DriverCpu, cause: FlushCause): void {
    if (this.pending.length > 0) this.exit(cpu, cause);
  }

  private take(cpu: DriverCpu, cause: FlushCause, port: WaitPort, command: Pending): void {
    if (cpu.setup) return; // nothing is cached before the run
    this.pending.push(command);
    this.ports.add(port);
    if (!this.config.batched) this.exit(cpu, cause);
  }

  /** The vCPU comes back when the real unit has done what was pending. */
  private exit(cpu: DriverCpu, cause: FlushCause): void {
    let atPs = cpu.freePs + this.config.exitPs;
    for (const command of this.pending) atPs = command(atPs);
    for (const port of this.ports) atPs = polledAt(atPs, port.completionWait(atPs), this.config.pollPs);
    cpu.account.vmExitsInvalidate++;
    cpu.exitUntil(atPs, cause);
    this.pending = [];
    this.ports.clear();
  }
}
