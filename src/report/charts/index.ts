/** All charts, in the order of the page. */
import type { Chart } from './chart.ts';
import { capacity } from './capacity.ts';
import { depth } from './depth.ts';
import { heatmap } from './heatmap.ts';
import { latencyParts } from './latency-parts.ts';
import { latencyTail } from './latency-tail.ts';
import { misses } from './misses.ts';
import { nesting } from './nesting.ts';
import { percentiles } from './percentiles.ts';
import { points } from './points.ts';
import { published } from './published.ts';
import { reads } from './reads.ts';
import { sweep } from './sweep.ts';
import { tenants } from './tenants.ts';
import { timeline } from './timeline.ts';

export const CHARTS: readonly Chart[] = [
  points,
  sweep,
  heatmap,
  nesting,
  capacity,
  reads,
  depth,
  latencyParts,
  percentiles,
  latencyTail,
  misses,
  tenants,
  timeline,
  published,
];
