/** The simulations behind a search: batches on one pool of threads, each finished run kept as a sweep keeps it. */
import { freemem } from 'node:os';
import { runKey } from '../../report/manifest.ts';
import { type PointRow, rowOfRun } from '../../report/points.ts';
import { UserError } from '../../scenario/problem.ts';
import { attachTraces } from '../../scenario/traces.ts';
import { Pool } from '../../schedule/index.ts';
import { type PointStore, StoreFailure } from '../../schedule/sweep-store.ts';
import { sweep } from '../../schedule/sweep.ts';
import type { Request } from '../../schedule/whatif.ts';
import { Interrupted, onInterrupt } from '../interrupt.ts';
import type { WorkArguments } from '../options.ts';
import { createProgress, type Progress } from '../progress.ts';
import { modelVersion } from '../version.ts';
import { openStore } from './sweep.ts';
import type { WhatifScenario } from './whatif-scenario.ts';

const TRACE_SHARE = 0.4;
const TRACE_ROW_BYTES = 23;

export class WhatifRuns {
  /** Runs asked for so far. */
  count = 0;
  private readonly args: WorkArguments;
  private readonly scenario: WhatifScenario;
  private readonly store: PointStore;
  private readonly model = modelVersion();
  private readonly pool: Pool;
  private readonly interrupt = onInterrupt();
  private readonly progress: Progress;
  private rounds = 0;

  constructor(args: WorkArguments, scenario: WhatifScenario) {
    this.args = args;
    this.scenario = scenario;
    this.store = openStore(args.out, scenario.name);
    this.pool = new Pool(args.threads);
    this.progress = createProgress(args.progress && !args.quiet && !args.json);
  }

  /** Rows of summary.csv, in the order of the requests. */
  async evaluate(requests: readonly Request[]): Promise<PointRow[]> {
    this.count += requests.length;
    this.rounds++;
    const bare = requests.map(({ search, x, seed }) => this.scenario.spec(search, x, seed));
    const maxRows = Math.floor((freemem() * TRACE_SHARE) / TRACE_ROW_BYTES);
    const { specs } = await attachTraces(bare, this.scenario.file, maxRows);
    try {
      const { results } = await sweep(specs, {
        store: this.store,
        keyOf: (spec) => runKey(spec, this.model),
        resume: true,
        threads: this.args.threads,
        pool: this.pool,
        onProgress: (fraction) => this.progress.update(fraction, `round ${this.rounds}, ${this.count} runs`),
        signal: this.interrupt.signal,
      });
      return [...results].map((result) => rowOfRun(result));
    } catch (error) {
      if (error instanceof StoreFailure) throw new UserError(`${error.message}. What is finished is kept`);
      if (this.interrupt.signal.aborted) throw new Interrupted(STOPPED);
      throw error;
    }
  }

  async end(): Promise<void> {
    this.progress.stop();
    this.interrupt.release();
    await this.pool.end();
  }
}

const STOPPED = 'stopped; finished runs are kept. The same command goes on from there';
