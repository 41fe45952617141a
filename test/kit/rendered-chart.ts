/**
 * The objects that Open WebUI's chart makes of our values. The chart is of others and not in this repository: what it
 * renders of these values is kept in test/data, and made anew by `npm run data:chart`.
 */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { EMBEDDING_MODEL } from '../../src/bench/scratch/upstream.ts';
import type { Setting } from '../../src/facts/types.ts';
import { type Pods, planPods } from '../../src/plan/pods.ts';
import { type Helm, renderHelm } from '../../src/render/helm/index.ts';
import type { KubernetesObject } from '../formats/kubernetes.ts';
import { chartWithoutDependencies, helmTemplate } from '../formats/validators.ts';
import { ROOT } from './environment.ts';
import { inputOf, SERVICES } from './inputs.ts';

/** A checkout of the chart; undefined: there is none, and what was kept is used. */
export const CHART = process.env.WEBUI_TUNE_CHART;

const KEPT = join(ROOT, 'test', 'data', 'helm', 'open-webui.yaml.txt');

export const PODS = 2;
export const WORKERS_PER_POD = 2;

/** What the tests put real addresses in the place of. */
export const MODELS_URL = 'http://models.example:8000/v1';
export const HOST_NAME = 'chat.example.com';
export const ADMIN = 'admin@example.org';

/** Values for two pods of two workers, whose documents are embedded elsewhere, and the way to install them. */
export function chartValues(): { helm: Helm; pods: Pods } {
  const plain = {
    OPENAI_API_BASE_URL: MODELS_URL,
    ENABLE_OLLAMA_API: 'false',
    WEBUI_ADMIN_EMAIL: ADMIN,
    RAG_EMBEDDING_ENGINE: 'openai',
    RAG_EMBEDDING_MODEL: EMBEDDING_MODEL,
    RAG_OPENAI_API_BASE_URL: MODELS_URL,
    // Nothing here may reach out to the network.
    HF_HUB_OFFLINE: '1',
    OFFLINE_MODE: 'true',
  };
  const secret = ['OPENAI_API_KEY', 'RAG_OPENAI_API_KEY', 'REDIS_URL', 'WEBUI_ADMIN_PASSWORD'];
  const settings = new Map<string, Setting>();
  for (const [name, value] of Object.entries(plain)) {
    settings.set(name, { value, source: 'env file', secret: false });
  }
  for (const name of secret) {
    settings.set(name, { value: 'in the Secret', source: 'env file', secret: true });
  }
  const database = {
    ...SERVICES.database,
    maxConnections: 100,
    otherConnections: 0,
  } as (typeof SERVICES)['database'];
  const request = { replicas: PODS, workersPerPod: WORKERS_PER_POD };
  const pods = planPods(inputOf({ settings, services: { ...SERVICES, database } }), request);
  const options = {
    storageClass: 'nfs-rwx',
    host: HOST_NAME,
    toolsImage: 'registry.example.com/webui-tune:0.1.0',
    version: '0.1.0',
  };
  return { helm: renderHelm(pods, options), pods };
}

/** The lines before what the chart has rendered: of which chart it is, and of which values, whose comments do not matter. */
function headOf(chart: { version: string; appVersion: string }, values: string): string {
  const digest = createHash('sha256')
    .update(JSON.stringify(parse(values)))
    .digest('hex')
    .slice(0, 16);
  return [
    `# Rendered by Open WebUI's Helm chart ${chart.version} (appVersion ${chart.appVersion}), by: npm run data:chart`,
    `# of the values of test/kit/rendered-chart.ts: ${digest}`,
    '',
  ].join('\n');
}

/** What the chart renders now. `path`: its checkout. */
export async function renderChart(path: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'webui-tune-chart-'));
  try {
    const { text } = chartValues().helm;
    const values = join(folder, 'values.yaml');
    writeFileSync(values, text);
    const about = parse(readFileSync(join(path, 'Chart.yaml'), 'utf8'));
    return `${headOf(about, text)}${await helmTemplate(chartWithoutDependencies(path, folder), values)}\n`;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Writes it down; returns the path. */
export async function keepChart(path: string): Promise<string> {
  writeFileSync(KEPT, await renderChart(path));
  return KEPT;
}

/** What was kept. Throws where other values are rendered now. */
export function keptChart(): string {
  const text = readFileSync(KEPT, 'utf8');
  const [, version = '', appVersion = ''] = /chart (\S+) \(appVersion (\S+)\)/.exec(text) ?? [];
  if (text.startsWith(headOf({ version, appVersion }, chartValues().helm.text))) return text;
  throw new Error(
    `${KEPT} is of other values: WEBUI_TUNE_CHART=…/helm-charts/charts/open-webui npm run data:chart`,
  );
}

/** The objects: fresh where the chart is here, else as they were kept. */
export async function chartObjects(): Promise<KubernetesObject[]> {
  const text = CHART ? await renderChart(CHART) : keptChart();
  return parseAllDocuments(text)
    .map((document) => document.toJS())
    .filter((object) => object !== null);
}
