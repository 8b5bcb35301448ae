/** A thread entry point: the first share of each run does its work, the others end their thread after a while. */
import { runShare } from '../../dist/src/schedule/share.js';

// oxlint-disable-next-line import/no-default-export -- piscina calls the default export
export default async function run(task) {
  if (task.member === 0) return runShare(task);
  await new Promise((resolve) => setTimeout(resolve, 50));
  process.exit(7);
}
