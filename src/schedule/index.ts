/** Runs many specs on many threads: the only entrance to this folder. */
import { Gang } from '../sim/gang.ts';
import { dealUnits, mergeParts, runMemory } from '../sim/simulate.ts';
import type { RunSpec } from '../spec.ts';
import type { RunResult } from '../stats/result.ts';
import { threadsFor } from './plan.ts';
import { Pool } from './pool.ts';
import type { ShareOutcome } from './share.ts';

const PROGRESS_MS = 100;

export interface RunAllOptions {
  readonly threads: number;
  /** Share of the whole work that is done (0…1, never falling), and what is being worked at. About ten times a second. */
  readonly onProgress?: (fraction: number, label: string) => void;
  /** Each result as soon as it is there, in the order in which runs end; `index` is its place among the specs. */
  readonly onResult?: (result: RunResult, index: number) => void;
  /** false = results go to `onResult` only, so that many runs need not fit the memory; the promise gives an empty list. */
  readonly keepResults?: boolean;
  /** Stops all runs at their next check (within milliseconds); the promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Thread entry point, for tests that need one which fails. */
  readonly workerFile?: string;
  /** Threads that outlive this call, at least `threads` of them: starting some takes longer than many a run. */
  readonly pool?: Pool;
}

export { Pool };

/** A run failed: a bug of the program, or a thread that died (out of memory). The other runs were stopped. */
export class RunFailure extends Error {
  override readonly name = 'RunFailure';
  /** Index of the run among the specs. */
  readonly index: number;

  constructor(index: number, spec: RunSpec, reason: string, stack: string) {
    const point = spec.point === '' ? '' : `, ${spec.point}`;
    super(`${spec.scenario}${point}, seed ${spec.seed}: ${reason}`);
    this.index = index;
    if (stack !== '') this.stack = `${this.message}\n${stack}`;
  }
}

/**
 * All specs' results, in their order. The results do not depend on `threads`. Rejects with RunFailure when a run fails,
 * with the signal's reason when it is aborted; what has been given to `onResult` by then is complete.
 */
export async function runAll(specs: readonly RunSpec[], options: RunAllOptions): Promise<RunResult[]> {
  options.signal?.throwIfAborted();
  if (specs.length === 0) return [];
  const work = new Work(specs, options);
  try {
    return await work.finish();
  } finally {
    await work.end();
  }
}

/** A run under way. */
interface Running {
  readonly gang: Gang;
  readonly units: number;
  readonly threads: number;
}

class Work {
  private readonly specs: readonly RunSpec[];
  private readonly options: RunAllOptions;
  private readonly pool: Pool;
  private readonly results: RunResult[];
  private readonly running = new Map<number, Running>();
  private readonly ended: Promise<void>;
  private resolveEnded: () => void = () => {};
  private readonly timer: NodeJS.Timeout;
  private readonly onAbort = (): void => this.stop();
  private next = 0;
  private free: number;
  private done = 0;
  private failure: RunFailure | undefined;
  private shown = 0;

  constructor(specs: readonly RunSpec[], options: RunAllOptions) {
    this.specs = specs;
    this.options = options;
    const units = specs.reduce((sum, spec) => sum + spec.machine.units, 0);
    this.free = Math.max(1, Math.min(options.threads, units));
    this.pool = options.pool ?? new Pool(this.free, options.workerFile);
    this.results = options.keepResults === false ? [] : new Array<RunResult>(specs.length);
    this.ended = new Promise((resolve) => (this.resolveEnded = resolve));
    options.signal?.addEventListener('abort', this.onAbort);
    this.timer = setInterval(() => this.showProgress(), PROGRESS_MS);
  }

  async finish(): Promise<RunResult[]> {
    this.startMore();
    await this.ended;
    if (this.failure !== undefined) throw this.failure;
    this.options.signal?.throwIfAborted();
    this.showProgress();
    return this.results;
  }

  async end(): Promise<void> {
    clearInterval(this.timer);
    this.options.signal?.removeEventListener('abort', this.onAbort);
    if (this.options.pool === undefined) await this.pool.end();
  }

  private get stopping(): boolean {
    return this.failure !== undefined || this.options.signal?.aborted === true;
  }

  private startMore(): void {
    while (!this.stopping && this.next < this.specs.length && this.free > 0) {
      const index = this.next++;
      const threads = threadsFor(this.specs[index], this.specs.length - index, this.free);
      this.free -= threads;
      void this.run(index, threads).then(() => {
        this.free += threads;
        this.startMore();
      });
    }
    if (this.running.size === 0) this.resolveEnded();
  }

  /** One run on so many threads. Never rejects. */
  private async run(index: number, threads: number): Promise<void> {
    const spec = this.specs[index];
    const { units } = spec.machine;
    const block = Gang.block(units);
    const gang = new Gang(block, threads);
    this.running.set(index, { gang, units, threads });
    try {
      const memory = runMemory(spec);
      const dealt = dealUnits(spec, threads);
      const { module } = this.pool;
      const shares = dealt.map((_, member) => this.share({ spec, module, memory, block, dealt, member }, gang));
      this.settle(index, await Promise.all(shares));
    } catch (error) {
      this.fail(index, (error as Error).message, (error as Error).stack ?? '');
    } finally {
      this.running.delete(index);
    }
  }

  /** A dead thread's outcome is a failure like any other, and its fellows must not wait for it. */
  private async share(task: Parameters<Pool['run']>[0], gang: Gang): Promise<ShareOutcome> {
    try {
      return await this.pool.run(task);
    } catch (error) {
      gang.stop();
      const { name, message } = error as Error;
      return { ok: false, stopped: false, name, message: `a worker thread died: ${message}`, stack: '' };
    }
  }

  private settle(index: number, outcomes: readonly ShareOutcome[]): void {
    const parts = outcomes.flatMap((outcome) => (outcome.ok ? [outcome.part] : []));
    const failed = outcomes.filter((outcome) => !outcome.ok);
    if (failed.length === 0) {
      const result = mergeParts(this.specs[index], parts);
      if (this.options.keepResults !== false) this.results[index] = result;
      this.done++;
      this.options.onResult?.(result, index);
      return;
    }
    const cause = failed.find((outcome) => !outcome.stopped);
    if (cause !== undefined) this.fail(index, cause.message, cause.stack);
  }

  private fail(index: number, reason: string, stack: string): void {
    this.failure ??= new RunFailure(index, this.specs[index], reason, stack);
    this.stop();
  }

  private stop(): void {
    for (const { gang } of this.running.values()) gang.stop();
  }

  private showProgress(): void {
    let fraction = this.done;
    for (const { gang, units } of this.running.values()) fraction += gang.progress(units);
    this.shown = Math.max(this.shown, fraction / this.specs.length);
    this.options.onProgress?.(Math.min(1, this.shown), this.label());
  }

  private label(): string {
    const [index] = this.running.keys();
    if (index === undefined) return '';
    const { scenario, point, seed } = this.specs[index];
    return `${point === '' ? scenario : point}, seed ${seed} (${this.done}/${this.specs.length})`;
  }
}
