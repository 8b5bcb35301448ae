/**
 * The worker threads (piscina). A task is one thread's share of a run; the shares of a run wait for each other, so they are
 * only ever handed out together, when as many threads are idle (index.ts counts them).
 *
 * Traps that this file knows: `close()` rejects a running task, so everything is awaited and then `destroy()` called; an
 * abort signal would kill a thread in the middle of its work, so runs are stopped by a flag in shared memory.
 */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import { kernelModule } from './kernel-module.ts';
import type { ShareOutcome, ShareTask } from './share.ts';

/** dist/, seen from dist/src/schedule/ and from src/schedule/ (tests) alike. */
function distFolder(): string {
  const here = dirname(fileURLToPath(import.meta.url));
  const candidates = [join(here, '..', '..'), join(here, '..', '..', 'dist')];
  const found = candidates.find((folder) => existsSync(join(folder, 'kernel.wasm')));
  if (found === undefined) throw new Error('dist/kernel.wasm is not there: run `npm run build`');
  return found;
}

export class Pool {
  /** The kernel, compiled once; workers get the compiled code. */
  readonly module: WebAssembly.Module;
  private readonly piscina: Piscina<ShareTask, ShareOutcome>;

  /** `workerFile`: a thread entry point other than the built one. */
  constructor(threads: number, workerFile?: string) {
    const dist = distFolder();
    this.module = kernelModule();
    this.piscina = new Piscina({
      filename: workerFile ?? join(dist, 'workers', 'run.js'),
      minThreads: threads,
      maxThreads: threads,
      concurrentTasksPerWorker: 1,
      atomics: 'disabled',
    });
  }

  /** Rejects only if the thread itself dies. */
  run(task: ShareTask): Promise<ShareOutcome> {
    return this.piscina.run(task);
  }

  /** Only after every `run` has settled. */
  async end(): Promise<void> {
    await this.piscina.destroy();
  }
}
