/**
 * Thread entry point: one thread's share of one run. Failures go back as values, since custom fields of errors get lost.
 *
 * What the work needs is loaded with the first task, not with this file: a pool may end while a thread that got no task is still
 * starting, and Node 20 aborts the process when a thread is ended in the middle of linking modules.
 */
import type { ShareOutcome, ShareTask } from '../src/schedule/share.ts';

export default async function run(task: ShareTask): Promise<ShareOutcome> {
  const { runShare } = await import('../src/schedule/share.ts');
  return runShare(task);
}
