/** The queries of the dashboard, with Grafana's variables filled in. */
import * as z from 'zod';
import { renderDashboard } from '../../src/render/watching/dashboard.ts';

const Dashboard = z.object({
  panels: z.array(
    z.object({
      id: z.number(),
      type: z.enum(['row', 'stat', 'timeseries']),
      title: z.string(),
      gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
      targets: z.array(z.object({ refId: z.string(), expr: z.string() })).default([]),
    }),
  ),
});

export function dashboardPanels() {
  return Dashboard.parse(JSON.parse(renderDashboard())).panels;
}

/** For all clusters; rates over `span`, in Prometheus' words. */
export function dashboardQueries(span: string): { title: string; expr: string }[] {
  const queries = dashboardPanels().flatMap(({ title, targets }) =>
    targets.map(({ expr }) => ({
      title,
      expr: expr.replaceAll('$__rate_interval', span).replaceAll('$instance', '.*'),
    })),
  );
  const unknown = queries.filter(({ expr }) => /\$(?!")/.test(expr));
  if (unknown.length > 0) throw new Error(`a variable is not known: ${JSON.stringify(unknown)}`);
  return queries;
}
