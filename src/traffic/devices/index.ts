/** Registry of device models: one line each. */
import type { TrafficSpec } from '../../spec.ts';
import type { DeviceFactory } from '../device.ts';
import { nic } from './nic.ts';
import { replay } from './replay.ts';
import { sequential } from './sequential.ts';
import { uniform } from './uniform.ts';
import { zipf } from './zipf.ts';

export const devices: Readonly<Record<TrafficSpec['model'], DeviceFactory>> = {
  uniform,
  sequential,
  zipf,
  nic,
  replay,
};
