/** All page-table formats. To add one: a file beside this, one line here, its vectors in test/vectors. */
import { AMD_V1 } from './amd-v1.ts';
import { AMD_V2 } from './amd-v2.ts';
import { ARM_S1, ARM_S2 } from './arm.ts';
import { DART1, DART2 } from './dart.ts';
import type { Format, FormatConfig, TableGeometry } from './format.ts';
import { RISCV, RISCVG } from './riscv.ts';
import { VTD_FS } from './vtd-fs.ts';
import { VTD_SS } from './vtd-ss.ts';

export const FORMATS: readonly Format[] = [AMD_V1, AMD_V2, VTD_SS, VTD_FS, DART1, DART2, ARM_S1, ARM_S2, RISCV, RISCVG];

export const FORMAT_NAMES: readonly string[] = FORMATS.map((format) => format.name);

/** Throws RangeError naming the known formats. */
export function formatByName(name: string): Format {
  const format = FORMATS.find((candidate) => candidate.name === name);
  if (format === undefined) throw new RangeError(`unknown table format "${name}": expected ${FORMAT_NAMES.join(', ')}`);
  return format;
}

export function tableGeometry(name: string, config: FormatConfig): TableGeometry {
  return formatByName(name).geometry(config);
}
