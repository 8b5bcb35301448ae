/** One translation of a run, in this thread. */
import { type Explanation, explainRequest, type ExplainRequest, NothingToSend } from '../sim/explain.ts';
import type { RunSpec } from '../spec.ts';
import { kernelModule } from './kernel-module.ts';

export { type Explanation, NothingToSend };

export function explain(spec: RunSpec, request: ExplainRequest): Explanation {
  return explainRequest(spec, kernelModule(), request);
}
