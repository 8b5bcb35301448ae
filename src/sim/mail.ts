/**
 * What units tell each other about domains that they share: changes of the tables and commands for each other's queues. A unit
 * posts into its outbox while it runs; at the end of each time step all threads read all of it, in one order: time, unit,
 * sequence. Times are ps.
 */

/** Kinds, and what a … d are. */
/** IOVA page, physical page, pages, protection. */
export const MAIL_MAP = 1;
/** IOVA page, pages. */
export const MAIL_UNMAP = 2;
/** Pages are unmapped and not yet invalidated: IOVA page, pages, since when. */
export const MAIL_STALE = 3;
/** Commands: PASID, page, log2 bytes, walk caches too. */
export const MAIL_PAGES = 4;
/** PASID. */
export const MAIL_ALL = 5;
/** BDF. */
export const MAIL_DEVICE = 6;
export const MAIL_WAIT = 7;

/** Fields of a message. */
export const MAIL_TIME = 0;
export const MAIL_KIND = 1;
/** Unit that a command is for; -1: every unit of the domain. */
export const MAIL_TO = 2;
export const MAIL_DOMAIN = 3;
export const MAIL_A = 4;
export const MAIL_B = 5;
export const MAIL_C = 6;
export const MAIL_D = 7;
/** When the effect comes, as far as the sender can tell. */
export const MAIL_DUE = 8;
export const MAIL_FIELDS = 9;

/** Grows as it is filled; emptied at every exchange. */
export class Outbox {
  fields = new Float64Array(64 * MAIL_FIELDS);
  count = 0;

  post(
    timePs: number,
    kind: number,
    to: number,
    domain: number,
    a: number,
    b: number,
    c: number,
    d: number,
    duePs: number,
  ): void {
    let at = this.count * MAIL_FIELDS;
    if (at === this.fields.length) {
      const larger = new Float64Array(2 * at);
      larger.set(this.fields);
      this.fields = larger;
    }
    this.count++;
    this.fields[at++] = timePs;
    this.fields[at++] = kind;
    this.fields[at++] = to;
    this.fields[at++] = domain;
    this.fields[at++] = a;
    this.fields[at++] = b;
    this.fields[at++] = c;
    this.fields[at++] = d;
    this.fields[at] = duePs;
  }
}

/** All messages of a step, in the order in which every unit takes them. */
export class Mail {
  readonly count: number;
  private readonly fields: readonly Float64Array[];
  private readonly from: Uint16Array;
  private readonly index: Uint32Array;

  /** `fields[unit]`: the unit's messages in the order in which it posted them. */
  constructor(fields: readonly Float64Array[]) {
    this.fields = fields;
    const order = fields.flatMap((messages, unit) =>
      Array.from({ length: messages.length / MAIL_FIELDS }, (_, index) => ({ unit, index })),
    );
    const timeOf = ({ unit, index }: { unit: number; index: number }): number => fields[unit][index * MAIL_FIELDS];
    order.sort((a, b) => timeOf(a) - timeOf(b) || a.unit - b.unit || a.index - b.index);
    this.count = order.length;
    this.from = Uint16Array.from(order, ({ unit }) => unit);
    this.index = Uint32Array.from(order, ({ index }) => index);
  }

  /** The unit that has sent a message. */
  sender(message: number): number {
    return this.from[message];
  }

  at(message: number, field: number): number {
    return this.fields[this.from[message]][this.index[message] * MAIL_FIELDS + field];
  }
}

/** Messages of one unit that are exchanged at once; more take several rounds. */
export const MAIL_ROUND = 128;
