/** Reads Prometheus' text format, and refuses what Prometheus would (prometheus.io, "Exposition formats"). */

interface Family {
  type: string;
  help: string;
  samples: Sample[];
}

interface Sample {
  /** The name of the family; of a histogram, with an ending. */
  name: string;
  labels: Record<string, string>;
  value: number;
}

export interface Exposition {
  families: Map<string, Family>;
  /** Value of `webui_tune_NAME`, a series of a histogram (`_bucket`, `_sum`, `_count`) too, of the only sample that has these labels; undefined: there is none. */
  value(name: string, labels?: Record<string, string>): number | undefined;
}

/** Of the series of a histogram. */
const ENDING = /_(?:bucket|sum|count)$/;
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
    const family = families.get(current);
    if (sample === undefined || !family || !belongs(sample, current, family.type))
      throw new Error(`out of place: ${line}`);
    if (seen.has(`${sample}{${inner}}`)) throw new Error(`twice: ${line}`);
    seen.add(`${sample}{${inner}}`);
    family.samples.push({ name: sample, labels: parseLabels(inner, line), value: Number(value) });
  }
  for (const [name, family] of families) if (family.type === 'histogram') checkBuckets(name, family.samples);
  return {
    families,
    value(name, labels = {}) {
      const full = `webui_tune_${name}`;
      const { samples = [] } = families.get(full) ?? families.get(full.replace(ENDING, '')) ?? {};
      const found = samples.filter(
        (sample) =>
          sample.name === full &&
          Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
      );
      if (found.length > 1) throw new Error(`${name}: several samples have ${JSON.stringify(labels)}`);
      return found[0]?.value;
    },
  };
}

function belongs(sample: string, family: string, type: string): boolean {
  return type === 'histogram'
    ? ENDING.test(sample) && sample.replace(ENDING, '') === family
    : sample === family;
}

/** Buckets come in the order of their bounds and only grow; the last one, without a bound, is the count. */
function checkBuckets(name: string, samples: readonly Sample[]): void {
  let [bound, below] = [0, 0];
  for (const { name: full, labels, value } of samples) {
    if (full === `${name}_bucket`) {
      const le = labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels.le);
      if (!(le > bound) || value < below)
        throw new Error(`${name}: the bucket up to ${labels.le} is out of order`);
      [bound, below] = [le, value];
    } else if (full === `${name}_count`) {
      if (bound !== Number.POSITIVE_INFINITY || value !== below)
        throw new Error(`${name}: its count is ${value}`);
      [bound, below] = [0, 0];
    }
  }
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
