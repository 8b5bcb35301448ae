/** The exchange of mail at the end of a time step. */
import type { Gang } from './gang.ts';
import { Mail, MAIL_FIELDS, MAIL_ROUND, type Outbox } from './mail.ts';

/**
 * Hands out what all units have posted. Every thread of the run calls it at the same place with the outboxes of its own units, and
 * gets the same mail.
 */
export function exchange(
  gang: Gang,
  units: number,
  own: readonly { readonly unit: number; readonly box: Outbox }[],
): Mail {
  const fields: Float64Array[] = [];
  let rounds = 1;
  for (let round = 0; round < rounds; round++) {
    for (const { unit, box } of own) gang.post(unit, box.fields, round * MAIL_ROUND, box.count);
    gang.meet();
    for (let unit = 0; unit < units; unit++) {
      const total = gang.posted(unit);
      if (round === 0) fields.push(new Float64Array(total * MAIL_FIELDS));
      rounds = Math.max(rounds, Math.ceil(total / MAIL_ROUND));
      const first = round * MAIL_ROUND;
      if (first < total) fields[unit].set(gang.mail(unit, total - first), first * MAIL_FIELDS);
    }
    gang.turnMail();
  }
  for (const { box } of own) box.count = 0;
  return new Mail(fields);
}
