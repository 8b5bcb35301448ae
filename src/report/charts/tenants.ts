/** How tenants share the machine. */
import type { Chart, Drawing } from './chart.ts';
import { type Dataset, spread } from './dataset.ts';
import { type Part, stacked } from './stacked.ts';
import { number } from './metrics.ts';
import { SERIES } from './theme.ts';

export const tenants: Chart = { id: 'tenants', draw };

function draw(data: Dataset): Drawing | undefined {
  const shown = data.detailed.filter((point) => point.tenants.length > 1);
  const names = [...new Set(shown.flatMap((point) => point.tenants.map(({ name }) => name)))];
  if (names.length < 2) return undefined;
  const kept = names.length <= SERIES.length ? names : [...spread(names, SERIES.length - 1), 'others'];
  const parts = kept.map((name, i): Part => ({ name, colour: SERIES[i], isStrong: true }));
  const bars = shown.map((point) => {
    const rates = point.tenants.map(({ name, metrics }) => ({ name, gbps: metrics.get('throughput_gbps')?.mean ?? 0 }));
    const values = kept.map((name) =>
      rates.filter((rate) => place(rate.name, kept) === name).reduce((sum, { gbps }) => sum + gbps, 0),
    );
    return { label: point.label, values };
  });
  const words = (values: readonly number[]): string =>
    values.map((value, i) => `${kept[i]} ${number(value)}`).join(', ');
  return {
    title: 'Throughput by tenant',
    caption: 'Payload that the devices of each tenant moved, by point.',
    description: `Stacked bars, one a point, in Gbit/s. ${bars.map(({ label, values }) => `${label}: ${words(values)}`).join('; ')}.`,
    ...stacked({ parts, bars, title: 'Throughput (Gbit/s)', unit: 'Gbit/s' }),
  };
}

const place = (name: string, kept: readonly string[]): string => (kept.includes(name) ? name : 'others');
