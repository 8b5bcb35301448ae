/** Which lines of a chart lie on each other. */

export interface PathPoint {
  readonly x: number;
  readonly y: number;
}

/** Lines nearer than this are seen as one, px. */
const NEAR_PX = 3;

/** Places of the lines that lie on each other all along, in groups of two or more. Lines go in steps: to the right, then down. */
export function coinciding(paths: readonly (readonly PathPoint[])[]): number[][] {
  const groups: number[][] = [];
  for (const [i, path] of paths.entries()) {
    if (path.length === 0) continue;
    const group = groups.find(([first]) => liesOn(path, paths[first]) && liesOn(paths[first], path));
    if (group === undefined) groups.push([i]);
    else group.push(i);
  }
  return groups.filter((group) => group.length > 1);
}

const liesOn = (path: readonly PathPoint[], other: readonly PathPoint[]): boolean =>
  path.every((point) => other.some((from, i) => distance(point, from, other[i + 1] ?? from) <= NEAR_PX));

/** To the step from one point of a line to its next, in the larger of both directions. */
function distance({ x, y }: PathPoint, from: PathPoint, to: PathPoint): number {
  const beyond = (value: number, a: number, b: number): number =>
    Math.max(Math.min(a, b) - value, value - Math.max(a, b), 0);
  const along = Math.max(beyond(x, from.x, to.x), Math.abs(y - from.y));
  const down = Math.max(Math.abs(x - to.x), beyond(y, from.y, to.y));
  return Math.min(along, down);
}
