/** Turns the picture of a chart into a live one of the same look: tooltips, series to hide, layout for the width at hand. */
import { Error as ErrorLevel, logger, parse, View } from 'vega';
import { expressionInterpreter } from 'vega-interpreter';
import { compile, type TopLevelSpec } from 'vega-lite';
import { Tooltip } from './tooltip.ts';

/** As page.ts writes it into the page. */
export interface LiveChart {
  readonly id: string;
  readonly title: string;
  readonly data: Readonly<Record<string, Columnar>>;
  readonly wide: object;
  readonly slim: object;
  readonly series: readonly { readonly name: string; readonly colour: string }[];
}

/** Field → its values, or the words it takes and which row has which. */
type Columnar = Readonly<
  Record<
    string,
    { readonly values: readonly unknown[] } | { readonly words: readonly string[]; readonly at: readonly number[] }
  >
>;
type Row = Record<string, unknown>;

/** Between the widths that the two layouts were made for. */
const SLIM_BELOW_PX = 560;

export class Live {
  private readonly chart: LiveChart;
  private readonly config: object;
  private readonly place: HTMLElement;
  private readonly data: Map<string, Row[]>;
  private readonly hidden = new Set<string>();
  private readonly tooltip: Tooltip;
  private view: View | undefined;
  private isSlim: boolean | undefined;
  /** Place among the marks that have a tooltip, for the arrow keys. */
  private position = -1;

  constructor(chart: LiveChart, config: object, place: HTMLElement) {
    this.chart = chart;
    this.config = config;
    this.place = place;
    this.data = new Map(Object.entries(chart.data).map(([name, columns]) => [name, rowsOf(columns)]));
    this.tooltip = new Tooltip(place, chart.title);
  }

  /** Draws it, or draws it again when the room has changed so much that the other layout fits better. */
  async draw(): Promise<void> {
    const isSlim = this.place.clientWidth < SLIM_BELOW_PX;
    if (isSlim === this.isSlim) return;
    const isFirst = this.isSlim === undefined;
    this.isSlim = isSlim;
    this.view?.finalize();
    const spec = { datasets: Object.fromEntries(this.visible()), ...(isSlim ? this.chart.slim : this.chart.wide) };
    const compiled = compile({ ...spec, config: this.config } as unknown as TopLevelSpec, {
      logger: logger(ErrorLevel),
    });
    const box = document.createElement('div');
    // parse with `ast` and the interpreter: expressions run without eval, which the page's policy forbids.
    this.view = new View(parse(compiled.spec, undefined, { ast: true }), {
      renderer: 'svg',
      container: box,
      hover: false,
      expr: expressionInterpreter,
      tooltip: (_: unknown, event: MouseEvent | null, __: unknown, value: unknown) => this.tooltip.follow(event, value),
    });
    await this.view.runAsync();
    // What it shows is said by the place's label, the arrow keys and the table.
    box.firstElementChild?.setAttribute('aria-hidden', 'true');
    this.place.replaceChildren(box);
    if (isFirst) this.addControls();
    this.place.dataset['live'] = isSlim ? 'slim' : 'wide';
  }

  private visible(): [string, Row[]][] {
    return [...this.data].map(([name, rows]) => [name, rows.filter((row) => !this.hidden.has(String(row['series'])))]);
  }

  private addControls(): void {
    const { place } = this;
    place.tabIndex = 0;
    place.setAttribute('role', 'group');
    place.setAttribute('aria-roledescription', 'chart; arrow keys move through its values');
    place.addEventListener('keydown', (event) => this.onKey(event));
    place.addEventListener('blur', () => this.tooltip.hide());
    if (this.chart.series.length > 1) place.after(this.seriesButtons());
  }

  private seriesButtons(): HTMLElement {
    const group = document.createElement('div');
    group.className = 'series';
    group.setAttribute('role', 'group');
    group.setAttribute('aria-label', `Series shown: ${this.chart.title}`);
    const lead = document.createElement('span');
    lead.textContent = 'Show';
    group.append(lead);
    for (const { name, colour } of this.chart.series) group.append(this.seriesButton(name, colour));
    return group;
  }

  private seriesButton(name: string, colour: string): HTMLElement {
    const button = document.createElement('button');
    const [dot, text] = [document.createElement('span'), document.createElement('span')];
    button.type = 'button';
    button.setAttribute('aria-pressed', 'true');
    dot.className = 'dot';
    dot.style.background = colour;
    text.textContent = name;
    text.dir = 'auto';
    button.append(dot, text);
    button.addEventListener('click', () => void this.toggle(name, button));
    return button;
  }

  private async toggle(name: string, button: HTMLElement): Promise<void> {
    if (!this.hidden.delete(name)) this.hidden.add(name);
    button.setAttribute('aria-pressed', String(!this.hidden.has(name)));
    for (const [data, rows] of this.visible()) this.view?.data(data, rows);
    this.position = -1;
    this.tooltip.hide();
    await this.view?.runAsync();
  }

  private onKey(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === 'Escape') this.tooltip.hide();
    if (step === undefined || this.view === undefined) return;
    event.preventDefault();
    const marks = this.marks();
    if (marks.length === 0) return;
    this.position = (this.position + step + marks.length + (this.position < 0 && step < 0 ? 1 : 0)) % marks.length;
    const mark = marks[this.position];
    this.tooltip.showAt(mark.getBoundingClientRect(), (mark as unknown as Drawn).__data__.tooltip, true);
  }

  /** Vega leaves its item on each element it draws. */
  private marks(): SVGElement[] {
    const drawn = [...this.place.querySelectorAll<SVGElement>('svg path, svg rect')];
    return drawn.filter((mark) => typeof (mark as unknown as Partial<Drawn>).__data__?.tooltip === 'object');
  }
}

interface Drawn {
  readonly __data__: { readonly tooltip: unknown };
}

function rowsOf(columns: Columnar): Row[] {
  const rows: Row[] = [];
  for (const [field, column] of Object.entries(columns)) {
    const values = 'at' in column ? column.at.map((i) => column.words[i]) : column.values;
    for (const [i, value] of values.entries()) if (value !== null) (rows[i] ??= {})[field] = value;
  }
  return rows;
}
