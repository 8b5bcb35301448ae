/**
 * Progress on stderr: a bar on a terminal, a plain line every few seconds elsewhere, nothing when not wanted. The only
 * user of cli-progress, which prints garbage when stderr is no terminal.
 */
import { Presets, SingleBar } from 'cli-progress';
import { clipped, visible } from '../report/visible.ts';
import { note } from './terminal.ts';

export interface Progress {
  /** `fraction` of all work done, 0…1, and what is running now. */
  update(fraction: number, label: string): void;
  stop(): void;
}

const LINE_INTERVAL_MS = 5000;
const LABEL_WIDTH = 28;

export function createProgress(wanted: boolean): Progress {
  if (!wanted) return { update() {}, stop() {} };
  return process.stderr.isTTY ? bar() : lines();
}

function bar(): Progress {
  const format = '{bar} {percentage}%  {duration_formatted}  {label}';
  const single = new SingleBar(
    {
      format,
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
      barsize: 24,
      fps: 8,
      gracefulExit: false,
    },
    Presets.shades_classic,
  );
  single.start(1000, 0, { label: '' });
  return {
    update: (fraction, label) =>
      single.update(Math.floor(fraction * 1000), { label: clipped(visible(label), LABEL_WIDTH) }),
    stop: () => single.stop(),
  };
}

function lines(): Progress {
  const start = performance.now();
  let next = LINE_INTERVAL_MS;
  return {
    update(fraction, label) {
      const elapsed = performance.now() - start;
      if (elapsed < next) return;
      next = elapsed + LINE_INTERVAL_MS;
      note(
        `${Math.floor(fraction * 100)} % after ${Math.round(elapsed / 1000)} s${label === '' ? '' : `: ${visible(label)}`}`,
      );
    },
    stop() {},
  };
}
