/** Reads the traces that replay devices name, in one pass a file, and puts the rows into the specs. */
import { createReadStream, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { createGunzip } from 'node:zlib';
import type { DeviceSpec, RunSpec, TraceRows } from '../spec.ts';
import { AccessTraceParser, type AccessTraceSink, TraceError } from '../traffic/replay/access-trace.ts';
import { TraceCollector } from '../traffic/replay/trace-rows.ts';
import { freeze } from './expand.ts';
import { UserError } from './problem.ts';

export interface Traced {
  readonly specs: readonly RunSpec[];
  /** Rows that no device takes are left out, and said so. */
  readonly warnings: readonly string[];
}

/** Throws UserError with file and line for a trace that cannot be read, and when a device finds no rows in it. */
export async function attachTraces(specs: readonly RunSpec[], scenarioFile: string, maxRows: number): Promise<Traced> {
  const wanted = replayDevices(specs);
  if (wanted.length === 0) return { specs, warnings: [] };
  const rows = new Map<string, TraceRows>();
  const warnings: string[] = [];
  for (const path of new Set(wanted.map((device) => replayOf(device).path))) {
    const selectors = wanted.filter((device) => replayOf(device).path === path);
    const selection = new Selection(selectors, maxRows);
    await readTrace(resolve(dirname(scenarioFile), path), selection);
    for (const [key, columns] of selection.finish(path)) rows.set(key, columns);
    warnings.push(...selection.warnings(path));
  }
  const withRows = <T extends DeviceSpec>(device: T): T =>
    device.traffic.model === 'replay'
      ? { ...device, traffic: { ...device.traffic, rows: rows.get(keyOf(device))! } }
      : device;
  const filled = specs.map((spec) => {
    return freeze({
      ...spec,
      tenants: spec.tenants.map((tenant) => ({ ...tenant, devices: tenant.devices.map(withRows) })),
    });
  });
  return { specs: filled, warnings };
}

function replayDevices(specs: readonly RunSpec[]): DeviceSpec[] {
  const devices = specs.flatMap((spec) => spec.tenants.flatMap((tenant) => tenant.devices));
  const unique = new Map(
    devices.filter(({ traffic }) => traffic.model === 'replay').map((device) => [keyOf(device), device]),
  );
  return [...unique.values()];
}

function replayOf({ traffic }: DeviceSpec): { readonly path: string; readonly device: string | undefined } {
  if (traffic.model !== 'replay') throw new TypeError('not a replay device');
  return { path: traffic.path, device: traffic.device };
}

const keyOf = (device: DeviceSpec): string =>
  device.traffic.model === 'replay'
    ? JSON.stringify([device.traffic.path, device.traffic.device ?? null, device.pasid])
    : '';

/** Hands each row to the devices that want it: those of its name (or of any) and its PASID. */
class Selection implements AccessTraceSink {
  private readonly devices: readonly DeviceSpec[];
  private readonly collectors: readonly TraceCollector[];
  private readonly maxRows: number;
  private readonly dropped = new Map<string, number>();
  private kept = 0;

  constructor(devices: readonly DeviceSpec[], maxRows: number) {
    this.devices = devices;
    this.collectors = devices.map(() => new TraceCollector());
    this.maxRows = maxRows;
  }

  row(
    issuePs: number,
    device: string,
    pasid: number,
    page: number,
    offset: number,
    lengthBytes: number,
    op: number,
    line: number,
  ): void {
    let taken = false;
    for (const [i, spec] of this.devices.entries()) {
      const { device: name } = replayOf(spec);
      if ((name !== undefined && name !== device) || spec.pasid !== pasid) continue;
      this.collectors[i].row(issuePs, name ?? 'all devices together', pasid, page, offset, lengthBytes, op, line);
      if (++this.kept > this.maxRows)
        throw new TraceError(line, `more than ${this.maxRows} rows do not fit the free memory`);
      taken = true;
    }
    if (!taken) this.drop(pasid < 0 ? device : `${device} with PASID ${pasid}`);
  }

  private drop(name: string): void {
    const key = this.dropped.has(name) || this.dropped.size < 10 ? name : 'others';
    this.dropped.set(key, (this.dropped.get(key) ?? 0) + 1);
  }

  /** Rows by key of device. */
  finish(path: string): [string, TraceRows][] {
    return this.devices.map((device, i) => {
      const rows = this.collectors[i].streams()[0]?.rows;
      if (rows === undefined) {
        const seen = [...this.dropped.keys()].join(', ');
        const which = `${replayOf(device).device ?? 'any device'}${device.pasid < 0 ? ' without PASID' : ` with PASID ${device.pasid}`}`;
        throw new UserError(`${path}: no rows of ${which}; the trace has ${seen === '' ? 'no rows' : seen}`);
      }
      return [keyOf(device), rows];
    });
  }

  warnings(path: string): string[] {
    return [...this.dropped].map(
      ([name, count]) => `${path}: ${count} rows of ${name} belong to no device of the scenario`,
    );
  }
}

async function readTrace(file: string, sink: AccessTraceSink): Promise<void> {
  const parser = new AccessTraceParser(sink);
  const decoder = new StringDecoder('utf8');
  try {
    if (statSync(file).isDirectory()) throw new UserError(`${file}: is a folder; expected a trace`);
    for await (const chunk of openTrace(file)) parser.feed(decoder.write(chunk as Buffer));
    parser.feed(decoder.end());
    parser.end();
  } catch (error) {
    if (error instanceof UserError) throw error;
    if (error instanceof TraceError) throw new UserError(`${file}:${error.line}:1: ${error.message}`);
    throw new UserError(
      `${file}: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}: cannot be read`,
    );
  }
}

function openTrace(file: string): AsyncIterable<unknown> {
  const source = createReadStream(file, { highWaterMark: 1 << 18 });
  if (!file.endsWith('.gz')) return source;
  const unzip = createGunzip();
  source.on('error', (error) => unzip.destroy(error));
  return source.pipe(unzip);
}
