/**
 * Static: a buffer is mapped the first time it is used and stays mapped, as page pools, registered memory and long-lived
 * coherent buffers do. Unmap does nothing. The pages of a list each keep an IOVA of their own.
 */
import { type DriverCpu, MappedPolicy, type MappingPolicy, type PageList, type PolicyContext } from '../policy.ts';

interface KeptMapping {
  readonly iovaPage: number;
  readonly pages: number;
}

class StaticPolicy extends MappedPolicy {
  override readonly keepsMappings = true;
  /** By physical page × 4 + permission. */
  private readonly kept = new Map<number, KeptMapping>();

  override map(cpu: DriverCpu, physicalPage: number, pages: number, prot: number): number {
    const key = physicalPage * 4 + prot;
    const kept = this.kept.get(key);
    if (kept !== undefined && kept.pages >= pages) return kept.iovaPage;
    const iovaPage = this.steps.map(cpu, physicalPage, pages, prot);
    if (iovaPage >= 0) this.kept.set(key, { iovaPage, pages });
    return iovaPage;
  }

  unmap(): void {}

  /** What is mapped at these IOVAs stays; only the rest is new. */
  override mapAt(cpu: DriverCpu, iovaPage: number, physicalPage: number, pages: number, prot: number): boolean {
    let mapped = true;
    for (let i = 0; i < pages; i++) {
      if (this.kept.has(-1 - iovaPage - i)) continue;
      if (!this.steps.mapAt(cpu, iovaPage + i, physicalPage + i, 1, prot)) mapped = false;
      else this.kept.set(-1 - iovaPage - i, { iovaPage: iovaPage + i, pages: 1 });
    }
    return mapped;
  }

  unmapAt(): void {}

  override mapSg(cpu: DriverCpu, list: PageList, prot: number): boolean {
    return this.mapPages(cpu, list, prot);
  }
}

export const staticPolicy = (context: PolicyContext): MappingPolicy => new StaticPolicy(context);
