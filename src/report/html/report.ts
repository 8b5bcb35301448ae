/** report.html and charts/ of one or several result directories: built whole, then put in place. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Dataset } from '../charts/dataset.ts';
import { pngOf, standaloneSvg } from '../charts/files.ts';
import { CHARTS } from '../charts/index.ts';
import { svgOf } from '../charts/render.ts';
import { WIDE } from '../charts/sizes.ts';
import { loadResults } from './load.ts';
import { type DrawnChart, pageText } from './page.ts';

export { ReportProblem } from './problem.ts';

export interface Report {
  readonly html: string;
  /** File name → content, for charts/. */
  readonly charts: ReadonlyMap<string, string | Buffer>;
}

/** Throws ReportProblem when the directories do not hold whole results. Nothing is written. */
export async function buildReport(directories: readonly string[]): Promise<Report> {
  const loaded = loadResults(directories);
  const drawn = await drawAll(loaded.data);
  const charts = new Map<string, string | Buffer>();
  for (const { id, drawing, picture } of drawn) {
    const svg = standaloneSvg(drawing, picture);
    charts.set(`${id}.svg`, svg);
    charts.set(`${id}.png`, pngOf(svg));
  }
  return { html: pageText(loaded.sets, drawn, loaded.data), charts };
}

/** Every chart that the results hold something for. */
export async function drawAll(data: Dataset): Promise<DrawnChart[]> {
  const drawn: DrawnChart[] = [];
  for (const { id, draw } of CHARTS) {
    const drawing = draw(data);
    if (drawing !== undefined) drawn.push({ id, drawing, picture: await svgOf(drawing, WIDE) });
  }
  return drawn;
}

/** Writes beside their places and renames. Throws the system's error; then what was there before is still there. */
export function writeReport(folder: string, { html, charts }: Report): void {
  const staging = join(folder, `.report.${process.pid}.tmp`);
  const old = `${staging}.old`;
  try {
    mkdirSync(join(staging, 'charts'), { recursive: true });
    for (const [name, content] of charts) writeFileSync(join(staging, 'charts', name), content, { flush: true });
    writeFileSync(join(staging, 'report.html'), html, { flush: true });
    const place = join(folder, 'charts');
    if (existsSync(place)) renameSync(place, old);
    renameSync(join(staging, 'charts'), place);
    renameSync(join(staging, 'report.html'), join(folder, 'report.html'));
  } finally {
    for (const path of [staging, old]) rmSync(path, { recursive: true, force: true });
  }
}
