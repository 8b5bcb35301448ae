/**
 * A chart: one file here and one line in index.ts. It decides from the results whether it has something to say, and
 * describes itself as a Vega-Lite specification over named data sets; render.ts draws it, the page makes it live.
 */
import type { Dataset } from './dataset.ts';

export type Cell = string | number | undefined;
export type Row = Readonly<Record<string, Cell>>;
/** A Vega-Lite view without data, configuration and outer title. */
export type Spec = Readonly<Record<string, unknown>>;

export interface Chart {
  /** Name of its files and of its place on the page. */
  readonly id: string;
  /** undefined = the results hold nothing for it. */
  readonly draw: (data: Dataset) => Drawing | undefined;
}

export interface Drawing {
  readonly title: string;
  /** One sentence: what is to be seen. */
  readonly caption: string;
  /** For those who cannot see it: kind of chart, axes, and the numbers that matter. */
  readonly description: string;
  /** Data sets by the name that the spec uses. */
  readonly data: Readonly<Record<string, readonly Row[]>>;
  /** The numbers as a table: of which data set, with which columns. */
  readonly table: { readonly data: string; readonly columns: readonly TableColumn[] };
  /** Series that a reader may hide; their rows carry the name in the field `series`. */
  readonly series?: readonly SeriesName[];
  /** `width` is that of the whole chart in pixels: 720 on paper and screens, 340 on phones. */
  readonly spec: (width: number) => Spec;
}

export interface SeriesName {
  readonly name: string;
  readonly colour: string;
}

export interface TableColumn {
  readonly field: string;
  readonly heading: string;
}
