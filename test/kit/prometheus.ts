/** Reads Prometheus' text format, and refuses what Prometheus would (prometheus.io, "Exposition formats"). */

interface Family {
  type: string;
  help: string;
  samples: { labels: Record<string, string>; value: number }[];
}

export interface Exposition {
  families: Map<string, Family>;
  /** Value of `webui_tune_NAME`, of the only sample that has these labels; undefined: there is none. */
  value(name: string, labels?: Record<string, string>): number | undefined;
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/gy;

export function parseExposition(text: string): Exposition {
  if (!text.endsWith('\n')) throw new Error('the last line is not ended');
  const families = new Map<string, Family>();
  const seen = new Set<string>();
  let current = '';
  for (const line of text.split('\n').filter(Boolean)) {
    const [, kind, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (kind) {
      if (kind === 'HELP' && families.has(name)) throw new Error(`${name} is there twice`);
      const family = families.get(name) ?? { type: '', help: '', samples: [] };
      families.set(name, kind === 'HELP' ? { ...family, help: rest } : { ...family, type: rest });
      current = name;
      continue;
    }
    const [, sample, inner = '', value = ''] = LINE.exec(line) ?? [];
    if (sample === undefined || sample !== current) throw new Error(`out of place: ${line}`);
    if (seen.has(`${sample}{${inner}}`)) throw new Error(`twice: ${line}`);
    seen.add(`${sample}{${inner}}`);
    families.get(sample)?.samples.push({ labels: parseLabels(inner, line), value: Number(value) });
  }
  return {
    families,
    value(name, labels = {}) {
      const samples = families.get(`webui_tune_${name}`)?.samples ?? [];
      const found = samples.filter((sample) =>
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
      );
      if (found.length > 1) throw new Error(`${name}: several samples have ${JSON.stringify(labels)}`);
      return found[0]?.value;
    },
  };
}

function parseLabels(inner: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  let end = 0;
  for (const match of inner.matchAll(LABEL)) {
    labels[match[1] ?? ''] = match[2] ?? '';
    end = match.index + match[0].length;
  }
  if (end !== inner.length) throw new Error(`labels cannot be read: ${line}`);
  return labels;
}
