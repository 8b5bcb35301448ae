/** The answer of a search for a terminal of 80 columns: sentences, a curve or a frontier, the values tried. */
import { estimateText, shortNumber } from './format.ts';
import { curve } from './sparkline.ts';
import { drawTable, type TextColumn } from './table.ts';
import { visible } from './visible.ts';
import { metricEstimate, type Verdict } from './whatif-goals.ts';
import { isUnlimited, lastWord, type SearchCase, type WhatifResult, whatifSentences } from './whatif.ts';
import { inLines, wrapped } from './wrap.ts';

const ROWS = 24;
const NAME = 30;
const MARKS: Readonly<Record<Verdict, string>> = { meets: '●', fails: '○', open: '◐' };
const WORDS: Readonly<Record<Verdict, string>> = { meets: 'meets', fails: 'fails', open: 'too close' };

/** Everything for the terminal, at most 80 columns wide. */
export function whatifText(result: WhatifResult): string {
  const { cases } = result;
  const parts = [whatifSentences(result).map(wrapped).join('\n')];
  if (cases.length > 1) parts.push(frontierTable(result), frontierCurve(result));
  else parts.push(responseCurve(cases[0], result), triedTable(cases[0], result));
  parts.push(wrapped(effort(result)));
  return parts.filter((part) => part !== '').join('\n\n');
}

function effort({ runs, gridRuns, precision, cases, seedsMost }: WhatifResult): string {
  const values = cases.reduce((sum, { tried }) => sum + tried.length, 0);
  const share = precision === 0 ? 'every value' : `every ${shortNumber(precision * 100)} %`;
  return `${values} values tried in ${runs} runs, up to ${seedsMost} seeds each; a grid of ${share} takes ${gridRuns} runs`;
}

/** The first goal's metric over the quantity, with its limit. */
function responseCurve(one: SearchCase, result: WhatifResult): string {
  const [goal] = result.goals;
  const points = one.tried.flatMap(({ x, samples, verdict }) => {
    const value = metricEstimate(goal.metric, samples);
    return value === undefined ? [] : [{ x, y: value.mean, mark: MARKS[verdict] }];
  });
  const { geometric, text } = result;
  const drawn = curve({ points, geometric, limit: goal.limit, xText: text, yText: shortNumber });
  return drawn === ''
    ? ''
    : `${goal.metric} by ${lastWord(result.path)} (● meets, ○ fails, ◐ too close; ┄ goal)\n${drawn}`;
}

function frontierCurve(result: WhatifResult): string {
  const { cases, text } = result;
  const points = cases.flatMap((one) =>
    one.at === undefined || one.answer === undefined || isUnlimited(one)
      ? []
      : [{ x: one.at, y: one.answer.x, mark: '●' }],
  );
  const xs = points.map(({ x }) => x);
  const low = Math.min(...xs);
  const geometric = low > 0 && Math.max(...xs) / low >= 8;
  const drawn = curve({ points, geometric, xText: shortNumber, yText: text });
  return drawn === ''
    ? ''
    : `frontier: ${edgesOf(cases)} ${lastWord(result.path)} with which the goal is met\n${drawn}`;
}

function frontierTable(result: WhatifResult): string {
  const { cases, text, path, goals } = result;
  const cell = (x: number | undefined): string => (x === undefined ? '–' : text(x));
  const at =
    (metric: string) =>
    ({ answer }: SearchCase) =>
      estimateText(answer === undefined ? undefined : metricEstimate(metric, answer.samples));
  const columns: TextColumn[] = [
    { heading: 'case', cells: cases.map(({ name }) => inLines(visible(name), NAME)) },
    {
      heading: edgesOf(cases) === '' ? `${lastWord(path)} that meet` : `${edgesOf(cases)} ${lastWord(path)}`,
      cells: cases.map((one) => (isUnlimited(one) ? 'any' : cell(one.answer?.x))),
    },
    { heading: 'surely meets', cells: cases.map((one) => cell(limited(one)?.meets)) },
    { heading: 'surely fails', cells: cases.map((one) => cell(limited(one)?.fails)) },
    ...goals.map(({ metric }) => ({ heading: metric.replaceAll('_', ' '), cells: cases.map(at(metric)) })),
  ];
  return drawTable(columns, 1);
}

/** What is sure about the edge of a case that has one. */
const limited = (one: SearchCase): SearchCase['surely'] | undefined => (isUnlimited(one) ? undefined : one.surely);

/** What the answers are; '' when no case has one: no value meets the goal, or every one does. */
const edgesOf = (cases: readonly SearchCase[]): string =>
  [...new Set(cases.filter((one) => one.answer !== undefined && !isUnlimited(one)).map(({ edge }) => edge))].join('/ ');

/** Values tried, those nearest to the answer when there are too many. */
function triedTable({ tried, answer }: SearchCase, result: WhatifResult): string {
  const centre = answer === undefined ? 0 : tried.indexOf(answer);
  const from = Math.max(0, Math.min(tried.length - ROWS, centre - (ROWS >> 1)));
  const shown = tried.slice(from, from + ROWS);
  const columns: TextColumn[] = [
    { heading: lastWord(result.path), cells: shown.map(({ x }) => result.text(x)) },
    ...result.goals.map(({ metric }) => ({
      heading: metric.replaceAll('_', ' '),
      cells: shown.map(({ samples }) => estimateText(metricEstimate(metric, samples))),
    })),
    { heading: 'seeds', cells: shown.map(({ samples }) => String(samples.length)) },
    { heading: 'goal', cells: shown.map(({ verdict }) => WORDS[verdict]) },
  ];
  const note = shown.length < tried.length ? `\n(${tried.length - shown.length} more values in tried.csv)` : '';
  return `${drawTable(columns, 1)}${note}`;
}
