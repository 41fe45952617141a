/** The Prometheus of the tests of metrics, dashboard and alerts. */
import { ensurePackage, findProgram } from './debian.mjs';

/** Paths of Prometheus and of its promtool. Undefined: one is missing. */
export function findPrometheus() {
  const [server, promtool] = ['prometheus', 'promtool'].map((name) => findProgram('prometheus', name));
  return server && promtool ? { server, promtool } : undefined;
}

export const ensurePrometheus = () =>
  ensurePackage('prometheus', 'the tests of the dashboard and the alerts');
