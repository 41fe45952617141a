/** Paths of Prometheus and of its promtool; undefined: one is missing. */
export function findPrometheus(): { server: string; promtool: string } | undefined;
