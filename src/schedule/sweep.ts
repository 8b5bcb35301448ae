/** Runs many specs and keeps each finished one, so that a run that was stopped, or killed, goes on where it was. */
import type { RunSpec } from '../spec.ts';
import type { RunResult } from '../stats/result.ts';
import { runAll, type RunAllOptions } from './index.ts';
import type { PointStore } from './sweep-store.ts';

export interface SweepOptions extends Omit<RunAllOptions, 'onResult' | 'keepResults'> {
  readonly store: PointStore;
  /** Identifies a run by all that its result depends on: the resolved spec and the version of the model. */
  readonly keyOf: (spec: RunSpec) => string;
  /** false = every run is done again. */
  readonly resume: boolean;
  /** After a result is on disk. */
  readonly onStored?: (index: number) => void;
}

export interface Swept {
  /** Results in the order of the specs, read from disk one by one, as often as it is iterated. */
  readonly results: Iterable<RunResult>;
  /** Runs that were there before. */
  readonly reused: number;
}

/**
 * Does the runs that are not in the store. Rejects as `runAll` does, and with StoreFailure when a result cannot be written; what
 * is in the store by then stays there.
 */
export async function sweep(specs: readonly RunSpec[], options: SweepOptions): Promise<Swept> {
  const { store, keyOf, resume } = options;
  const keys = specs.map(keyOf);
  const missing = missingRuns(specs, keys, store, resume);
  await runMissing(specs, keys, missing, options);
  return { results: storedResults(specs, keys, store), reused: specs.length - missing.length };
}

/** Places of the specs whose results are not in the store, or are damaged there. */
export function missingRuns(
  specs: readonly RunSpec[],
  keys: readonly string[],
  store: PointStore,
  resume: boolean,
): number[] {
  const there = resume ? store.keys() : new Set<string>();
  return [...specs.keys()].filter((i) => !there.has(keys[i]) || store.read(keys[i], specs[i]) === undefined);
}

async function runMissing(
  specs: readonly RunSpec[],
  keys: readonly string[],
  missing: readonly number[],
  options: SweepOptions,
): Promise<void> {
  const full = new AbortController();
  let failure: Error | undefined;
  const store = (result: RunResult, place: number): void => {
    const index = missing[place];
    try {
      options.store.write(keys[index], result);
      options.onStored?.(index);
    } catch (error) {
      failure ??= error as Error;
      full.abort(failure);
    }
  };
  const signals = [full.signal, ...(options.signal === undefined ? [] : [options.signal])];
  try {
    await runAll(
      missing.map((index) => specs[index]),
      { ...options, onResult: store, keepResults: false, signal: AbortSignal.any(signals) },
    );
  } catch (error) {
    throw failure ?? (error as Error);
  }
  if (failure !== undefined) throw failure;
}

function storedResults(specs: readonly RunSpec[], keys: readonly string[], store: PointStore): Iterable<RunResult> {
  return {
    *[Symbol.iterator]() {
      for (const [i, spec] of specs.entries()) {
        const result = store.read(keys[i], spec);
        if (result === undefined) throw new Error(`the result of ${spec.point}, seed ${spec.seed} has gone meanwhile`);
        yield result;
      }
    },
  };
}
