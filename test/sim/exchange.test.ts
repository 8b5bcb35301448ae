import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exchange } from '../../src/sim/exchange.ts';
import { Gang } from '../../src/sim/gang.ts';
import { type Mail, MAIL_A, MAIL_DUE, MAIL_KIND, MAIL_MAP, MAIL_TIME, Outbox } from '../../src/sim/mail.ts';

interface Posted {
  readonly timePs: number;
  readonly unit: number;
  readonly value: number;
}

function post(boxes: readonly Outbox[], { timePs, unit, value }: Posted): void {
  boxes[unit].post(timePs, MAIL_MAP, -1, 5, value, 0, 0, 0, timePs + 1);
}

function read(mail: Mail): Posted[] {
  return Array.from({ length: mail.count }, (_, i) => {
    expect([mail.at(i, MAIL_KIND), mail.at(i, MAIL_DUE)]).toEqual([MAIL_MAP, mail.at(i, MAIL_TIME) + 1]);
    return { timePs: mail.at(i, MAIL_TIME), unit: mail.sender(i), value: mail.at(i, MAIL_A) };
  });
}

/** Units of one thread; their mailboxes are those that several threads would use. */
function threadOf(units: number): { readonly boxes: readonly Outbox[]; readonly swap: () => Posted[] } {
  const gang = new Gang(Gang.block(units), 1);
  const boxes = Array.from({ length: units }, () => new Outbox());
  return {
    boxes,
    swap: () =>
      read(
        exchange(
          gang,
          units,
          boxes.map((box, unit) => ({ unit, box })),
        ),
      ),
  };
}

describe('mail between units', () => {
  it('is read in the order time, unit, sequence', () => {
    const message = fc.record({ timePs: fc.nat(20), unit: fc.nat(2) });
    fc.assert(
      fc.property(fc.array(fc.array(message, { maxLength: 50 }), { maxLength: 5 }), (steps) => {
        const { boxes, swap } = threadOf(3);
        for (const step of steps) {
          const posted = step.map((each, value) => ({ ...each, value }));
          for (const each of posted) post(boxes, each);
          const order = (a: Posted, b: Posted): number => a.timePs - b.timePs || a.unit - b.unit || a.value - b.value;
          expect(swap()).toEqual(posted.toSorted(order));
        }
      }),
    );
  });

  it('may be more than the mailboxes hold at once', () => {
    const { boxes, swap } = threadOf(2);
    for (const count of [1000, 0, 129, 128]) {
      const posted = Array.from({ length: count }, (_, value) => ({ timePs: value, unit: 1, value }));
      for (const each of posted) post(boxes, each);
      post(boxes, { timePs: 1e9, unit: 0, value: -1 });
      expect(swap()).toEqual([...posted, { timePs: 1e9, unit: 0, value: -1 }]);
    }
  });
});
