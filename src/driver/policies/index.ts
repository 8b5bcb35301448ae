/** Registry of mapping policies: one line each. */
import type { Policy } from '../../spec.ts';
import type { PolicyFactory } from '../policy.ts';
import { contiguous } from './contiguous.ts';
import { lazy } from './lazy.ts';
import { passthrough } from './passthrough.ts';
import { staticPolicy } from './static.ts';
import { strict } from './strict.ts';

export const policies: Readonly<Record<Policy, PolicyFactory>> = {
  strict,
  lazy,
  static: staticPolicy,
  contiguous,
  passthrough,
};
