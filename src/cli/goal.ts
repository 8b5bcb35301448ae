/** A goal, check or comparison was not met: exit code 1. What was missed has been printed. */
export const EXIT_NOT_MET = 1;

export class GoalMissed extends Error {
  override readonly name = 'GoalMissed';
}
