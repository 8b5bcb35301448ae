/** Thread entry point: one thread's share of one run. Failures go back as values, since custom fields of errors get lost. */
import { runShare, type ShareOutcome, type ShareTask } from '../src/schedule/share.ts';

export default function run(task: ShareTask): ShareOutcome {
  return runShare(task);
}
