/** `nestwalk pagetable`: executes page-table, structure and walk records, and optionally checks them against their results. */
import { once } from 'node:events';
import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { createGunzip } from 'node:zlib';
import type { CommandModule } from 'yargs';
import type { LinuxProfile } from '../../iommu/formats/format.ts';
import { compareRecords } from '../../iommu/records/compare.ts';
import { type JsonObject, RecordError } from '../../iommu/records/fields.ts';
import { RecordHost } from '../../iommu/records/host.ts';
import { runRecord } from '../../iommu/records/record.ts';
import { createMemory, Kernel } from '../../kernel/kernel.ts';
import { jsonText, visible } from '../../report/visible.ts';
import { UserError } from '../../scenario/problem.ts';
import { kernelModule } from '../../schedule/kernel-module.ts';
import { GoalMissed } from '../goal.ts';
import { print } from '../terminal.ts';

interface PagetableArguments {
  readonly file: string;
  readonly check: boolean;
  readonly linux: string | undefined;
}

/** Table memory for one record: 1 GiB of address space, of which only what is touched is real. */
const MEMORY_WASM_PAGES = 16384;
const SHOWN_DIFFERENCES = 5;
const SHOWN_MISTAKES = 20;
const GZIP_MAGIC = 0x1f8b;
const STDIN = '-';

export const pagetableCommand: CommandModule<object, PagetableArguments> = {
  command: 'pagetable <file>',
  describe: 'execute page-table, structure and walk records (JSON Lines, .gz too)',
  builder: (yargs) =>
    yargs
      .positional('file', {
        describe: 'records, one JSON object a line; - is stdin',
        type: 'string',
        demandOption: true,
        coerce: (value: string) => (value === '' ? STDIN : value), // yargs reads a lone "-" as nothing
      })
      .option('check', {
        describe: 'compare with the results in the file: print differences, exit 1 if there are any',
        type: 'boolean',
        default: false,
      })
      .option('linux', {
        describe: 'kernel whose choices to make (default: what each record says)',
        choices: ['6.1', '7.2'],
        requiresArg: true,
      }),
  handler: pagetable,
};

interface Tally {
  records: number;
  different: number;
  readonly mistakes: string[];
}

async function pagetable(args: PagetableArguments): Promise<void> {
  const host = new RecordHost(new Kernel(kernelModule(), createMemory(MEMORY_WASM_PAGES)));
  const tally: Tally = { records: 0, different: 0, mistakes: [] };
  let line = 0;
  for await (const text of linesOf(args.file)) {
    line++;
    if (text.trim() !== '') await execute(host, args, text, `${args.file}:${line}`, tally);
  }
  if (args.check && tally.records > 0) print(`${tally.records} records, ${tally.different} with differences`);
  if (tally.mistakes.length > 0) throw new UserError(shortened(tally.mistakes));
  // A check of nothing must not look like one that was passed.
  if (tally.records === 0) throw new UserError(`${args.file}: no records; expected a JSON object a line`);
  if (tally.different > 0) throw new GoalMissed();
}

/** One record. A malformed one is noted and the rest still runs. */
async function execute(
  host: RecordHost,
  args: PagetableArguments,
  text: string,
  place: string,
  tally: Tally,
): Promise<void> {
  try {
    const record = parse(text);
    const result = runRecord(host, record, args.linux as LinuxProfile | undefined);
    tally.records++;
    if (!args.check) return await printRecord(result);
    const differences = compareRecords(record, result);
    if (differences.length === 0) return;
    tally.different++;
    showDifferences(place, record, differences);
  } catch (error) {
    if (!(error instanceof RecordError)) throw error;
    tally.mistakes.push(`${place}: ${recordName(text)}${error.message}`);
  }
}

function parse(text: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new RecordError(`not JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RecordError('expected a JSON object');
  return value as JsonObject;
}

/** "record amdv1/3: " if the line has an id. */
function recordName(text: string): string {
  const id = /"id"\s*:\s*"([^"\\]{1,80})"/.exec(text)?.[1];
  return id === undefined ? '' : `record ${id}: `;
}

function idOf(record: JsonObject): string {
  return visible(typeof record.id === 'string' ? record.id : 'record');
}

function showDifferences(place: string, record: JsonObject, differences: readonly string[]): void {
  const kind = typeof record.class === 'string' ? ` (${visible(record.class)})` : '';
  for (const difference of differences.slice(0, SHOWN_DIFFERENCES)) {
    print(`${place}: ${idOf(record)}${kind}: ${visible(difference)}`);
  }
  const more = differences.length - SHOWN_DIFFERENCES;
  if (more > 0) print(`${place}: ${idOf(record)}${kind}: and ${more} more`);
}

function shortened(mistakes: readonly string[]): string[] {
  const more = mistakes.length - SHOWN_MISTAKES;
  return more > 0 ? [...mistakes.slice(0, SHOWN_MISTAKES), `and ${more} more`] : [...mistakes];
}

/** Waits when the reader is slower than this program. */
async function printRecord(record: JsonObject): Promise<void> {
  if (!process.stdout.write(`${jsonText(record)}\n`)) await once(process.stdout, 'drain');
}

/** Lines of a file, decompressed when it begins as gzip does. */
async function* linesOf(file: string): AsyncGenerator<string> {
  const raw: NodeJS.ReadableStream = file === STDIN ? process.stdin : openFile(file);
  const input: NodeJS.ReadableStream = file !== STDIN && isGzip(file) ? raw.pipe(createGunzip()) : raw;
  const lines = createInterface({ input, crlfDelay: Infinity });
  try {
    for await (const line of lines) yield line;
  } catch (error) {
    // Reading failed (a damaged .gz, for example); what the consumer throws does not come here.
    throw new UserError(`${file}: ${(error as Error).message}`);
  }
}

function openFile(file: string): NodeJS.ReadableStream {
  try {
    closeSync(openSync(file, 'r'));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UserError(`${file}: ${code === 'ENOENT' ? 'no such file' : message}`);
  }
  return createReadStream(file);
}

function isGzip(file: string): boolean {
  const start = Buffer.alloc(2);
  const handle = openSync(file, 'r');
  try {
    return readSync(handle, start, 0, 2, 0) === 2 && start.readUInt16BE(0) === GZIP_MAGIC;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UserError(`${file}: ${code === 'EISDIR' ? 'is a folder; expected a file of records' : message}`);
  } finally {
    closeSync(handle);
  }
}
