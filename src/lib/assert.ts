/** Our bug, not the user's: an assertion that fails ends the run with exit code 3. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Throws AssertionError unless `condition` holds. `message` says what was expected, as a constant (no work when it holds). */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}
