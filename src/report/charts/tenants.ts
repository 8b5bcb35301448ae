/** How tenants share the machine. */
import type { Chart, Drawing } from './chart.ts';
import { type Dataset, type Point, spread } from './dataset.ts';
import { type Part, stacked } from './stacked.ts';
import { number } from './metrics.ts';
import { uniqueLabels } from './text-width.ts';
import { SERIES } from './theme.ts';

const LABEL_CHARACTERS = 30;

export const tenants: Chart = { id: 'tenants', draw };

function draw(data: Dataset): Drawing | undefined {
  const shown = data.detailed.filter((point) => point.tenants.length > 1);
  const names = [...new Set(shown.flatMap((point) => point.tenants.map(({ name }) => name)))];
  if (names.length < 2) return undefined;
  const kept = names.length <= SERIES.length ? names : spread(names, SERIES.length - 1);
  const others = kept.length < names.length ? ['others'] : [];
  const labels = uniqueLabels([...kept, ...others], LABEL_CHARACTERS);
  const bars = shown.map((point) => ({ label: point.label, values: ratesOf(point, kept, others.length) }));
  const words = (values: readonly number[]): string =>
    values.map((value, i) => `${labels[i]} ${number(value)}`).join(', ');
  return {
    title: 'Throughput by tenant',
    caption: 'Payload that the devices of each tenant moved, by point.',
    description: `Stacked bars, one a point, in Gbit/s. ${bars.map(({ label, values }) => `${label}: ${words(values)}`).join('; ')}.`,
    ...stacked({
      parts: labels.map((name, i): Part => ({ name, colour: SERIES[i], isStrong: true })),
      bars,
      title: 'Throughput (Gbit/s)',
      unit: 'Gbit/s',
    }),
  };
}

/** Gbit/s of the tenants that have a colour, then of all others together where there are any. */
function ratesOf({ tenants: all }: Point, kept: readonly string[], others: number): number[] {
  const places = kept.length + others;
  const rates = new Array<number>(places).fill(0);
  for (const { name, metrics } of all) {
    const place = kept.indexOf(name);
    rates[place < 0 ? places - 1 : place] += metrics.get('throughput_gbps')?.mean ?? 0;
  }
  return rates;
}
