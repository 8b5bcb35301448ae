/**
 * Nested translation: hardware walks the guest's table, so maps are the guest's own business, but its unit is emulated.
 * Each invalidation exits; the hypervisor sends it on to the real unit under the host's domain ID, waits there, and
 * returns (iommufd IOMMU_HWPT_INVALIDATE).
 */
import type { CommandPort } from '../../iommu/command-queue.ts';
import type { DriverCpu } from '../cpu.ts';
import { type CommandTarget, type FlushCause, type Hypervisor, polledAt } from './hypervisor.ts';

export interface ForwardingConfig {
  /** One exit with all that is done in it, but the command's own time at the unit, ps. */
  readonly exitPs: number;
  /** Between the host kernel's looks at the completion semaphore, ps. */
  readonly pollPs: number;
  /** All commands of one flush go in one exit: a guest that rings the tail once for several commands. */
  readonly batched: boolean;
}

interface Pending {
  readonly target: CommandTarget;
  readonly page: number;
  /** -1: the whole domain. */
  readonly sizeLog2: number;
  readonly walkCaches: boolean;
}

export class ForwardingHypervisor implements Hypervisor {
  private readonly config: ForwardingConfig;
  private pending: Pending[] = [];

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
    this.take(cpu, cause, { target, page, sizeLog2, walkCaches });
  }

  all(cpu: DriverCpu, cause: FlushCause, target: CommandTarget): void {
    this.take(cpu, cause, { target, page: 0, sizeLog2: -1, walkCaches: true });
  }

  complete(cpu: DriverCpu, cause: FlushCause): void {
    if (this.pending.length > 0) this.exit(cpu, cause);
  }

  private take(cpu: DriverCpu, cause: FlushCause, command: Pending): void {
    if (cpu.setup) return; // nothing is cached before the run
    this.pending.push(command);
    if (!this.config.batched) this.exit(cpu, cause);
  }

  /** The vCPU comes back when the real unit has done what was pending. */
  private exit(cpu: DriverCpu, cause: FlushCause): void {
    let atPs = cpu.freePs + this.config.exitPs;
    const ports = new Set<CommandPort>();
    for (const command of this.pending) {
      atPs = forward(atPs, command);
      ports.add(command.target.port);
    }
    for (const port of ports) atPs = polledAt(atPs, port.completionWait(atPs), this.config.pollPs);
    cpu.account.vmExitsInvalidate++;
    cpu.exitUntil(atPs, cause);
    this.pending = [];
  }
}

function forward(atPs: number, { target, page, sizeLog2, walkCaches }: Pending): number {
  const { port, domain, pasid } = target;
  if (sizeLog2 < 0) return port.submitAll(atPs, domain, pasid);
  return port.submitPages(atPs, domain, pasid, page, sizeLog2, walkCaches);
}
