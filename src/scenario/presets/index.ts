import { amdGenoa } from './amd-genoa.ts';
import { amdRome } from './amd-rome.ts';
import { generic } from './generic.ts';
import { pcieBenchBroadwell } from './pcie-bench-broadwell.ts';
import type { Preset } from './preset.ts';

export const PRESETS: readonly Preset[] = [generic, amdRome, amdGenoa, pcieBenchBroadwell];
export const PRESET_NAMES: readonly string[] = PRESETS.map((preset) => preset.name);

export function presetByName(name: string): Preset {
  const preset = PRESETS.find((candidate) => candidate.name === name);
  if (preset === undefined) throw new RangeError(`no preset ${name}`);
  return preset;
}
