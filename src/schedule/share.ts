/** What goes to a worker thread and what comes back: plain data, by structured clone. */
import { Gang } from '../sim/gang.ts';
import { type PartResult, type Share, simulatePart } from '../sim/simulate.ts';

export type ShareTask = Share;

export type ShareOutcome =
  | { readonly ok: true; readonly part: PartResult }
  /** `stopped`: it ended because another thread or the user wanted it to. */
  | {
      readonly ok: false;
      readonly stopped: boolean;
      readonly name: string;
      readonly message: string;
      readonly stack: string;
    };

/** Runs a share; a failure stops the other threads of the run. */
export function runShare(task: ShareTask): ShareOutcome {
  try {
    return { ok: true, part: simulatePart(task) };
  } catch (thrown) {
    new Gang(task.block, task.dealt.length).stop();
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const { name, message, stack = '' } = error;
    return { ok: false, stopped: name === 'Stopped', name, message, stack };
  }
}
