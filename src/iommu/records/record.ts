/** One record of any kind: which one it is, what it gives. */
import type { LinuxProfile } from '../formats/format.ts';
import { type JsonObject, RecordError } from './fields.ts';
import type { RecordHost } from './host.ts';
import { runStructRecord } from './struct-record.ts';
import { profileOf, runTableRecord } from './table-record.ts';
import { runWalkRecord } from './walk-record.ts';

/** Executes a record and returns it with this program's results. Throws RecordError, naming the field, if it is malformed. */
export function runRecord(host: RecordHost, record: JsonObject, linux?: LinuxProfile): JsonObject {
  if (record.fmt !== undefined) return runTableRecord(host, record, linux ?? profileOf(record));
  if (record.kind !== undefined) return runStructRecord(record);
  if (record.mem !== undefined) return runWalkRecord(host, record);
  throw new RecordError('expected a page-table record (fmt), a structure record (kind) or a walk record (mem)');
}
