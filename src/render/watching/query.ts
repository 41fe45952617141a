/** Names of series in queries. They come from the table of metrics, so that a query cannot ask for what nobody tells. */

import { type METRICS, type MetricName, PREFIX } from '../../runtime/metrics/table.ts';

type HistogramName = {
  [N in MetricName]: (typeof METRICS)[N]['type'] extends 'histogram' ? N : never;
}[MetricName];

/** A metric; of a histogram, one of its series. */
export type SeriesName =
  | Exclude<MetricName, HistogramName>
  | `${HistogramName}_${'bucket' | 'sum' | 'count'}`;

/** A series in PromQL; `matchers` as between its braces. */
export function metric(name: SeriesName, ...matchers: string[]): string {
  return `${PREFIX}${name}${matchers.length > 0 ? `{${matchers.join(',')}}` : ''}`;
}
