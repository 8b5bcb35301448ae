/**
 * Strict: every unmap clears the table, invalidates, waits for completion, and only then frees the IOVA
 * (`iommu.strict=1`; __iommu_dma_unmap without a flush queue).
 */
import type { DriverCpu, DmaSteps, MappingPolicy, PolicyContext } from '../policy.ts';

class StrictPolicy implements MappingPolicy {
  readonly keepsMappings = false;
  private readonly steps: DmaSteps;

  constructor(context: PolicyContext) {
    this.steps = context.steps;
  }

  map(cpu: DriverCpu, physicalPage: number, pages: number, prot: number): number {
    return this.steps.map(cpu, physicalPage, pages, prot);
  }

  unmap(cpu: DriverCpu, iovaPage: number, pages: number): void {
    this.unmapAt(cpu, iovaPage, pages);
    this.steps.release(cpu, iovaPage, pages);
  }

  mapAt(cpu: DriverCpu, iovaPage: number, physicalPage: number, pages: number, prot: number): boolean {
    return this.steps.mapAt(cpu, iovaPage, physicalPage, pages, prot);
  }

  unmapAt(cpu: DriverCpu, iovaPage: number, pages: number): void {
    const tablesFreed = this.steps.clear(cpu, iovaPage, pages);
    const clearedPs = cpu.freePs;
    this.steps.invalidate(cpu, iovaPage, pages, tablesFreed);
    cpu.recordStaleWindow(clearedPs, cpu.freePs);
  }

  timerAt(): number {
    return Infinity;
  }

  timer(): void {}
}

export const strict = (context: PolicyContext): MappingPolicy => new StrictPolicy(context);
