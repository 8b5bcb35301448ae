/** The report of a search (whatif): question, answer, the curve of what was tried, and what it rests on. */
import { standaloneSvg, pngOf } from '../charts/files.ts';
import { svgOf } from '../charts/render.ts';
import { searchCurve } from '../charts/search-curve.ts';
import { WIDE } from '../charts/sizes.ts';
import { manifestText } from '../manifest.ts';
import { type WhatifResult, whatifSentences } from '../whatif.ts';
import type { RunSpec } from '../../spec.ts';
import { parseManifest } from './manifest-file.ts';
import { pageText } from './page.ts';
import type { Report } from './report.ts';

export interface Search {
  readonly result: WhatifResult;
  readonly version: string;
  readonly question: string;
  /** The runs at the start of the range: what else the answer rests on. */
  readonly specs: readonly RunSpec[];
  readonly command: string;
  /** Name of the folder of its results. */
  readonly name: string;
}

const CHART = 'search';

export async function searchReport({ result, version, question, specs, command, name }: Search): Promise<Report> {
  const answers = whatifSentences(result).map((sentence) => sentence.trim());
  const shown = { command, table: [], measured: [] };
  const text = manifestText({ version, question, specs, answers, shown, files: {} });
  const manifest = { ...parseManifest(text, name), runId: name };
  const drawing = searchCurve(result);
  const picture = await svgOf(drawing, WIDE);
  const svg = standaloneSvg(drawing, picture);
  return {
    html: pageText([{ directory: '', label: '', manifest }], [{ id: CHART, drawing, picture }]),
    charts: new Map<string, string | Buffer>([
      [`${CHART}.svg`, svg],
      [`${CHART}.png`, pngOf(svg)],
    ]),
  };
}
