/** What a run directory says about itself. Same scenario, seeds and version: same text, on any machine. */
import { createHash } from 'node:crypto';
import type { RunSpec, TraceRows } from '../spec.ts';
import type { Measured } from './table.ts';

export const sha256 = (data: string | NodeJS.ArrayBufferView): string =>
  createHash('sha256').update(data).digest('hex');

/** Rows of a trace stand in a manifest as their number and the hash of their bytes. */
function traceSummary(rows: TraceRows): object {
  const hash = createHash('sha256');
  for (const column of [rows.issuePs, rows.page, rows.offset, rows.lengthBytes, rows.op]) hash.update(column);
  return { rows: rows.op.length, sha256: hash.digest('hex') };
}

function isTrace(value: unknown): value is TraceRows {
  return typeof value === 'object' && value !== null && 'issuePs' in value;
}

/** A trace is shared by the points of a sweep: its rows are hashed once. */
const seen = new WeakMap<TraceRows, object>();

/** Text of specs without typed arrays, the same for equal specs. */
function plain(specs: unknown, indent?: number): string {
  const replace = (_: string, value: unknown): unknown => {
    if (!isTrace(value)) return value;
    if (!seen.has(value)) seen.set(value, traceSummary(value));
    return seen.get(value);
  };
  return JSON.stringify(specs, replace, indent);
}

/** Name of the run directory: from the resolved runs and the version alone. */
export function runId(specs: readonly RunSpec[], version: string): string {
  return sha256(plain([version, specs])).slice(0, 12);
}

/**
 * Identifies a run by what its result depends on: the resolved spec without its names, and the model that runs it. Points of the
 * same content share a result, whatever they are called.
 */
export function runKey({ seed, machine, os, tenants, run }: RunSpec, model: string): string {
  return sha256(plain([model, seed, machine, os, tenants, run])).slice(0, 32);
}

/** How a scenario wants its results shown. */
export interface Shown {
  /** The command that gives these results, without flags that do not enter them. */
  readonly command: string;
  /** Columns of the result table. */
  readonly table: readonly string[];
  readonly measured: readonly Measured[];
}

export interface ManifestInput {
  readonly version: string;
  readonly question: string;
  readonly specs: readonly RunSpec[];
  readonly answers: readonly string[];
  /** What a report needs besides: it is built from result files alone. */
  readonly shown?: Shown | undefined;
  /** Result files by name → sha256 of their bytes. */
  readonly files: Readonly<Record<string, string>>;
}

/** manifest.json: points with everything resolved, the seeds of each, and the hashes of the files beside it. */
export function manifestText({ version, question, specs, answers, shown, files }: ManifestInput): string {
  const seeds = new Map<string, number[]>();
  for (const { point, seed } of specs) seeds.set(point, [...(seeds.get(point) ?? []), seed]);
  const points = [...seeds].map(([point, list]) => {
    const { seed: _, scenario: __, ...resolved } = specs.find((spec) => spec.point === point)!;
    return { seeds: list, ...resolved };
  });
  const scenario = specs[0]?.scenario ?? '';
  const head = { program: 'nestwalk', version, scenario, runId: runId(specs, version), question, answers, ...shown };
  return `${plain({ ...head, files, points }, 1)}\n`;
}
