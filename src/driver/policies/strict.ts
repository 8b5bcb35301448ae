/**
 * Strict: every unmap clears the table, invalidates, waits for completion, and only then frees the IOVA
 * (`iommu.strict=1`; __iommu_dma_unmap without a flush queue).
 */
import { type DriverCpu, MappedPolicy, type MappingPolicy, type PolicyContext } from '../policy.ts';

class StrictPolicy extends MappedPolicy {
  unmap(cpu: DriverCpu, iovaPage: number, pages: number): void {
    if (pages === 1 && this.steps.releasePage(cpu, iovaPage)) return;
    this.unmapSteps(cpu, iovaPage, pages);
    this.steps.release(cpu, iovaPage, pages);
  }

  unmapAt(cpu: DriverCpu, iovaPage: number, pages: number): void {
    if (pages === 1 && this.steps.unmapPage(cpu, iovaPage)) return;
    this.unmapSteps(cpu, iovaPage, pages);
  }

  private unmapSteps(cpu: DriverCpu, iovaPage: number, pages: number): void {
    const tablesFreed = this.steps.clear(cpu, iovaPage, pages);
    const clearedPs = cpu.freePs;
    this.steps.invalidate(cpu, iovaPage, pages, tablesFreed);
    cpu.recordStaleWindow(clearedPs, cpu.freePs);
  }
}

export const strict = (context: PolicyContext): MappingPolicy => new StrictPolicy(context);
