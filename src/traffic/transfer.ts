/** Transfers of any length, cut into the requests that PCIe allows. */
import { PAGE_BYTES } from '../request.ts';
import type { Burst } from './device.ts';

/** Requests that a transfer of `lengthBytes` at any offset can need, none longer than `limitBytes` or across a page. */
export function maxRequests(lengthBytes: number, limitBytes: number): number {
  const limit = Math.min(limitBytes, PAGE_BYTES);
  return Math.ceil(lengthBytes / limit) + Math.ceil(lengthBytes / PAGE_BYTES) + 1;
}

/** Appends a transfer that begins `byte` bytes after the start of `basePage`, cut into requests as a device cuts it. */
export function appendTransfer(
  burst: Burst,
  basePage: number,
  byte: number,
  lengthBytes: number,
  op: number,
  limitBytes: number,
): void {
  let page = Math.floor(byte / PAGE_BYTES);
  let offset = byte - page * PAGE_BYTES;
  let left = lengthBytes;
  while (left > 0) {
    const piece = Math.min(left, limitBytes, PAGE_BYTES - offset);
    const at = burst.count++;
    burst.page[at] = basePage + page;
    burst.offset[at] = offset;
    burst.lengthBytes[at] = piece;
    burst.op[at] = op;
    left -= piece;
    offset += piece;
    if (offset === PAGE_BYTES) {
      offset = 0;
      page++;
    }
  }
}
