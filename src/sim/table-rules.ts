/** The table formats of a run, compiled into the kernel's memory: one rule block for each distinct stage. */
import { TableRule } from '../iommu/page-table.ts';
import type { UnitRules } from '../iommu/unit.ts';
import { type Kernel, Regions } from '../kernel/kernel.ts';
import { hasGuestTable, isVm, type RunSpec, type StageSpec, type TenantSpec } from '../spec.ts';
import { PRIVATE_STAGE, type Region, stageGeometry } from './memory-plan.ts';

/** The format whose walks start from the device-table entry itself; the others are found through a GCR3 table. */
export const HOST_FORMAT = 'amd-v1';
const GUEST_FORMAT = 'amd-v2';

export class TableRules {
  /** What a unit's walks go by. Walks do not depend on the leaf sizes that a stage's mapper may use. */
  readonly forUnits: UnitRules;
  private readonly rules = new Map<string, TableRule>();

  /** Writes the same bytes in every thread of a run. */
  constructor(kernel: Kernel, region: Region, spec: RunSpec) {
    const regions = new Regions(region.base + region.bytes, region.base);
    for (const stage of [...spec.tenants.flatMap(stagesOf), ...privateStages(spec)]) {
      if (this.rules.has(keyOf(stage))) continue;
      this.rules.set(keyOf(stage), new TableRule(kernel, regions, stageGeometry(stage, spec.os.kernelEra)));
    }
    this.forUnits = {
      host: this.pointerTo(`${HOST_FORMAT}/`),
      guest4: this.pointerTo(`${GUEST_FORMAT}/4/`),
      guest5: this.pointerTo(`${GUEST_FORMAT}/5/`),
    };
  }

  of(stage: StageSpec): TableRule {
    return this.rules.get(keyOf(stage))!;
  }

  private pointerTo(prefix: string): number {
    for (const [key, rule] of this.rules) if (key.startsWith(prefix)) return rule.at;
    return 0;
  }
}

/** Stages that a tenant has tables of. */
function stagesOf(tenant: TenantSpec): StageSpec[] {
  if (hasGuestTable(tenant.mode)) return [tenant.host, tenant.guest];
  return tenant.mode === 'host' || isVm(tenant) ? [tenant.host] : [];
}

function privateStages({ tenants }: RunSpec): StageSpec[] {
  return tenants.some(({ mode }) => mode === 'nested-hw') ? [PRIVATE_STAGE] : [];
}

function keyOf(stage: StageSpec): string {
  return `${stage.format}/${stage.levels}/${stage.leafLog2}`;
}
