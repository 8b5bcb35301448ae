/**
 * Results of single runs on disk, one file each: written beside its place and renamed, so that a file is there whole or not at
 * all, however the program ends. The name is the run's key: whoever computes the key decides when a result may be used again.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { RunSpec } from '../spec.ts';
import type { RunResult } from '../stats/result.ts';
import { decodeResult, encodeResult } from './sweep-codec.ts';

const HEAD = 'nestwalk-point 1';
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** A point file could not be written; `message` begins with its path. */
export class StoreFailure extends Error {
  override readonly name = 'StoreFailure';
}

export class PointStore {
  private readonly folder: string;
  /** Files left half written carry the machine and process that wrote them. */
  private readonly owner = `${sha256(hostname()).slice(0, 8)}.${process.pid}`;

  /** Makes the folder when it is not there. Throws the system's error. */
  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
  }

  /** The keys that are there. */
  keys(): Set<string> {
    const names = readdirSync(this.folder).filter((name) => name.endsWith('.json') && !name.startsWith('.'));
    return new Set(names.map((name) => name.slice(0, -'.json'.length)));
  }

  /** undefined when the file is not there, or is damaged: then the run has to be done again. */
  read(key: string, spec: RunSpec): RunResult | undefined {
    let text: string;
    try {
      text = readFileSync(this.path(key), 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    const end = text.indexOf('\n');
    const body = text.slice(end + 1);
    if (text.slice(0, end) !== `${HEAD} ${sha256(body)}`) return undefined;
    return decodeResult(body, spec);
  }

  /** On disk when it returns. Throws StoreFailure, leaving nothing behind. */
  write(key: string, result: RunResult): void {
    const body = encodeResult(result);
    const staging = join(this.folder, `.${key}.${this.owner}.tmp`);
    try {
      writeWhole(staging, `${HEAD} ${sha256(body)}\n${body}`);
      renameSync(staging, this.path(key));
    } catch (error) {
      rmSync(staging, { force: true });
      throw new StoreFailure(`${this.path(key)}: ${(error as Error).message}; the result could not be written`);
    }
  }

  /** Removes what killed processes of this machine have left half written. */
  removeLeftovers(isAlive: (pid: number) => boolean): void {
    const [host] = this.owner.split('.');
    for (const name of readdirSync(this.folder)) {
      const match = /^\.[0-9a-f]+\.([0-9a-f]{8})\.(\d+)\.tmp$/.exec(name);
      if (match?.[1] === host && !isAlive(Number(match[2]))) rmSync(join(this.folder, name), { force: true });
    }
  }

  private path(key: string): string {
    return join(this.folder, `${key}.json`);
  }
}

function writeWhole(path: string, text: string): void {
  const handle = openSync(path, 'w');
  try {
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length; ) done += writeSync(handle, bytes, done);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
