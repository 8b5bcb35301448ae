/** The report as one HTML file that needs nothing else: text, tables and pictures stand in it; the script makes charts live. */
import { createHash } from 'node:crypto';
import { assetText } from '../charts/asset.ts';
import type { Cell, Drawing, Row } from '../charts/chart.ts';
import type { Dataset, Point } from '../charts/dataset.ts';
import { metric } from '../charts/dataset.ts';
import { escapeXml as escape } from '../charts/escape.ts';
import { amount, axisTitle, metricText, metricTextOf, type MetricText } from '../charts/metrics.ts';
import { SLIM, WIDE } from '../charts/sizes.ts';
import { COLOURS, config } from '../charts/theme.ts';
import { signedFixed } from '../format.ts';
import type { Measured } from '../table.ts';
import { unbroken } from '../wrap.ts';
import { assumptionsOf } from './assumptions.ts';
import type { ResultSet } from './load.ts';
import { STYLE } from './style.ts';

export interface DrawnChart {
  readonly id: string;
  readonly drawing: Drawing;
  /** As svgOf draws it at full width. */
  readonly picture: string;
}

/** More rows than this get a frame of their own to scroll in. */
const TALL_ROWS = 40;
/** Rows of the table under a chart; files have all. */
const MOST_NUMBERS = 200;

/** `data` is left out where charts say it all. */
export function pageText(sets: readonly ResultSet[], charts: readonly DrawnChart[], data?: Dataset): string {
  const script = assetText('client.js');
  const name = sets.map(({ manifest }) => manifest.scenario).join(', ');
  const live = jsonText({ config: config(), charts: charts.map(liveChart) });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src ${hashOf(script)}; style-src ${hashOf(STYLE)}; img-src data:; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${escape(name)} – nestwalk</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the results</a>
${sets.map((set, i) => header(set, i === 0)).join('\n')}
<main id="main">
<nav aria-label="Contents">${contents(charts, data !== undefined)}</nav>
${data === undefined ? '' : resultSection(data)}
${charts.map(chartSection).join('\n')}
${sets.map(assumptionSection).join('\n')}
${madeBy(sets)}
</main>
<footer><p>nestwalk ${escape(sets[0].manifest.version)}. The numbers are in the CSV files beside this page, the pictures in <code>charts/</code>.</p></footer>
<script type="application/json" id="live">${live}</script>
<script>${script}</script>
</body>
</html>
`;
}

const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** Text in a script element: nothing in it may end the element, and these two are line ends to old readers of JSON. */
function jsonText(value: unknown): string {
  return withVariables(JSON.stringify(value))
    .replaceAll('<', '\\u003c')
    .replaceAll('\u2028', '\\u2028')
    .replaceAll('\u2029', '\\u2029');
}

const TOKENS = new Map<string, string>(Object.entries(COLOURS).map(([token, [light]]) => [light, `var(--${token})`]));

/** Colours as variables, which the page gives their light or dark values. No name of a scenario begins with #. */
function withVariables(text: string): string {
  return text.replace(/"#[0-9a-f]{6}"/g, (quoted) => {
    const variable = TOKENS.get(quoted.slice(1, -1));
    return variable === undefined ? quoted : `"${variable}"`;
  });
}

function header({ manifest }: ResultSet, isFirst: boolean): string {
  const [first, ...others] = manifest.answers.map(readable);
  const toggle = isFirst ? '<button type="button" class="theme" hidden>Dark</button>' : '';
  const list =
    others.length === 0
      ? ''
      : `<ul class="answers">${others.map((text) => `<li dir="auto">${escape(text)}</li>`).join('')}</ul>`;
  return `<header>
<div class="kicker"><span dir="auto">${escape(manifest.scenario)}</span><span>run ${escape(manifest.runId)}</span><span class="grow"></span>${toggle}</div>
<${isFirst ? 'h1' : 'h2'} dir="auto">${escape(manifest.question)}</${isFirst ? 'h1' : 'h2'}>
${first === undefined ? '' : `<p class="answer" dir="auto">${escape(first)}</p>`}
${list}
<p class="basis">${basis(manifest.points)}</p>
</header>`;
}

/** Answers begin with the name of a column: people read titles. Numbers stay on a line with their units. */
const readable = (answer: string): string =>
  unbroken(answer).replace(/^[a-z0-9]+(?:_[a-z0-9]+)+(?=[ :])/, (name) => metricText(name, 0).title);

function basis(points: ResultSet['manifest']['points']): string {
  const presets = [...new Set(points.map(({ machine }) => machine.preset))];
  const count = points[0].machine.estimates.length;
  const seeds = Math.max(...points.map((point) => point.seeds.length));
  const interval = seeds > 1 ? ` Values are means of ${seeds} seeds with 95\u00a0% intervals.` : '';
  const estimates =
    count === 0 ? 'all of its values have a source' : `<a href="#assumed">${count} of its values are estimates</a>`;
  return `Simulated on preset ${presets.map(escape).join(', ')}; ${estimates}.${interval}`;
}

function contents(charts: readonly DrawnChart[], hasResults: boolean): string {
  const links = charts.map(({ id, drawing }) => `<a href="#${id}" dir="auto">${escape(drawing.title)}</a>`);
  const results = hasResults ? ['<a href="#results">Results</a>'] : [];
  return [...results, ...links, '<a href="#assumed">What was assumed</a>'].join(' ');
}

// ---- tables -------------------------------------------------------------------------------------------------------------
function resultSection(data: Dataset): string {
  const columns = data.table.map((name) => metricTextOf(data.points, name));
  const head = columns.flatMap((text) => [
    axisTitle(text),
    ...(measuredOf(data, text) === undefined ? [] : ['published', 'difference']),
  ]);
  const rows = data.points.map((point) => [point.name, ...columns.flatMap((text) => resultCells(data, point, text))]);
  return `<section id="results" class="long" aria-labelledby="results-title">
<h2 id="results-title">Results</h2>
${table('Results by point', ['Point', ...head], rows)}
</section>`;
}

const measuredOf = (data: Dataset, { name }: MetricText): Measured | undefined =>
  data.measured.find((row) => row.metric === name);

function resultCells(data: Dataset, point: Point, text: MetricText): string[] {
  const value = metric(point, text.name);
  const shown = value === undefined ? '–' : amount(value, { ...text, unit: '' });
  const published = measuredOf(data, text);
  if (published === undefined) return [shown];
  const expected = Object.hasOwn(published.points, point.name) ? published.points[point.name] : undefined;
  if (expected === undefined || value === undefined || expected === 0) return [shown, '', ''];
  const error = value.mean / expected - 1;
  const cell = amount({ mean: expected, half: 0, count: 1 }, { ...text, unit: '' });
  return [shown, cell, `${signedFixed(error * 100, 2)} %`];
}

/** Words of ordinary length are not broken; a table may not grow as wide as others. */
const LONGEST_WORD = 28;
const nameClass = (name: string): string =>
  name.split(/\s+/).every((word) => word.length <= LONGEST_WORD) ? ' class="name"' : '';

/** The first column names its row. A frame scrolls sideways where a phone has no room, and by keyboard. */
function table(label: string, head: readonly string[], rows: readonly (readonly string[])[], words = false): string {
  const cells = (row: readonly string[]): string =>
    row
      .map((cell, i) =>
        i === 0
          ? `<th scope="row" dir="auto"${nameClass(cell)}>${escape(cell)}</th>`
          : `<td dir="auto">${escape(cell)}</td>`,
      )
      .join('');
  const classes = `scroll${rows.length > TALL_ROWS ? ' tall' : ''}${words ? ' words' : ''}`;
  return `<div class="${classes}" tabindex="0" role="region" aria-label="${escape(label)}"><table>
<thead><tr>${head.map((cell) => `<th scope="col" dir="auto">${escape(cell)}</th>`).join('')}</tr></thead>
<tbody>
${rows.map((row) => `<tr>${cells(row)}</tr>`).join('\n')}
</tbody></table></div>`;
}

// ---- charts -------------------------------------------------------------------------------------------------------------
function chartSection({ id, drawing, picture }: DrawnChart): string {
  const svg = withVariables(picture).replace('<svg', '<svg aria-hidden="true"');
  const { columns, data } = drawing.table;
  const all = drawing.data[data];
  const rows = all.slice(0, MOST_NUMBERS).map((row) => columns.map(({ field }) => String(row[field] ?? '')));
  const more =
    all.length > rows.length ? `<p>The first ${rows.length} of ${all.length} rows; the CSV files have all.</p>` : '';
  return `<section id="${id}" aria-labelledby="${id}-title">
<h2 id="${id}-title" dir="auto">${escape(drawing.title)}</h2>
<figure>
<figcaption dir="auto">${escape(drawing.caption)} <span class="files"><a href="charts/${id}.svg">SVG</a> <a href="charts/${id}.png">PNG</a></span></figcaption>
<div class="chart" id="${id}-chart" role="img" aria-label="${escape(`${drawing.title}. ${shortText(drawing.description)}`)}">${svg}</div>
</figure>
<details><summary>Numbers of this chart</summary>
${table(
  `Numbers: ${drawing.title}`,
  columns.map(({ heading }) => heading),
  rows,
)}${more}
</details>
</section>`;
}

/** Nobody listens to more. The table under the chart has the rest. */
const MOST_DESCRIPTION = 1200;
function shortText(text: string): string {
  const characters = Array.from(text);
  return characters.length <= MOST_DESCRIPTION
    ? text
    : `${characters.slice(0, MOST_DESCRIPTION).join('')} … The table below has all numbers.`;
}

function liveChart({ id, drawing }: DrawnChart): object {
  const data = Object.fromEntries(Object.entries(drawing.data).map(([name, rows]) => [name, columnar(rows)]));
  return {
    id,
    title: drawing.title,
    data,
    wide: drawing.spec(WIDE),
    slim: drawing.spec(SLIM),
    series: drawing.series ?? [],
  };
}

/** A field of all rows. Texts that come again and again stand once in `words`, and the rows say which. */
type ColumnText =
  | { readonly values: readonly (Cell | null)[] }
  | { readonly words: readonly string[]; readonly at: readonly number[] };

/** Rows as columns: a fifth of the text. Numbers have as many digits as a screen can show. */
function columnar(rows: readonly Row[]): Readonly<Record<string, ColumnText>> {
  const fields = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return Object.fromEntries(fields.map((field) => [field, columnText(rows.map((row) => row[field]))]));
}

const SCREEN_DIGITS = 7;
function columnText(cells: readonly Cell[]): ColumnText {
  if (!cells.every((cell) => typeof cell === 'string')) {
    return {
      values: cells.map((cell) =>
        typeof cell === 'number' ? Number(cell.toPrecision(SCREEN_DIGITS)) : (cell ?? null),
      ),
    };
  }
  const places = new Map<string, number>();
  const at = cells.map((cell) => {
    if (!places.has(cell)) places.set(cell, places.size);
    return places.get(cell)!;
  });
  return { words: [...places.keys()], at };
}

// ---- what it rests on -----------------------------------------------------------------------------------------------------
function assumptionSection({ manifest, label }: ResultSet, index: number): string {
  const all = assumptionsOf(manifest.points);
  const id = index === 0 ? 'assumed' : `assumed-${index}`;
  const of = label === '' ? '' : ` in ${label}`;
  const rows = all.map(
    ({ path, value, source, isEstimate }) =>
      `<tr><th scope="row" dir="auto">${escape(path)}</th><td dir="auto">${escape(value)}</td><td dir="auto">${isEstimate ? '<span class="estimate">estimate</span>' : escape(source)}</td></tr>`,
  );
  return `<section id="${id}" class="long" aria-labelledby="${id}-title">
<h2 id="${id}-title" dir="auto">What was assumed${escape(of)}</h2>
<p>Values marked <span class="estimate">estimate</span> were published by nobody; change them with <code>--set</code> to see what they decide.
Those without a source come from the scenario or are defaults of the model.</p>
<details class="assumed"><summary>All ${all.length} values, ${all.filter((row) => row.isEstimate).length} of them estimates</summary>
<div class="scroll tall words" tabindex="0" role="region" aria-label="Assumed values${escape(of)}"><table>
<thead><tr><th scope="col">Value of the scenario</th><th scope="col">is</th><th scope="col">Source</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody></table></div>
</details>
</section>`;
}

function madeBy(sets: readonly ResultSet[]): string {
  const commands = sets.map(({ manifest }) => manifest.command).filter((command) => command !== '');
  if (commands.length === 0) return '';
  return `<section id="command" aria-labelledby="command-title">
<h2 id="command-title">The command that made it</h2>
<pre dir="ltr">${escape([...new Set(commands)].join('\n'))}</pre>
</section>`;
}
