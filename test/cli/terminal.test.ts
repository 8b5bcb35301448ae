import { describe, expect, it } from 'vitest';
import { wantsColour } from '../../src/cli/terminal.ts';

describe('colour', () => {
  const [screen, pipe] = [{ isTTY: true }, {}];
  it.each([
    ['on a terminal', screen, {}, [], true],
    ['not in a pipe', pipe, {}, [], false],
    ['not with NO_COLOR', screen, { NO_COLOR: '1' }, [], false],
    ['with an empty NO_COLOR, which does not count', screen, { NO_COLOR: '' }, [], true],
    ['not with --no-color', screen, { FORCE_COLOR: '1' }, ['--no-color'], false],
    ['not with NO_COLOR even if forced', pipe, { NO_COLOR: '1', FORCE_COLOR: '1' }, [], false],
    ['in a pipe with FORCE_COLOR', pipe, { FORCE_COLOR: '1' }, [], true],
    ['not with FORCE_COLOR=0', screen, { FORCE_COLOR: '0' }, [], false],
    ['in a pipe with --color', pipe, {}, ['--color'], true],
    ['not on a dumb terminal', screen, { TERM: 'dumb' }, [], false],
  ])('%s', (_, stream, env, argv, expected) => expect(wantsColour(stream, env, argv)).toBe(expected));
});
