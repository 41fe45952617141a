import type { Plan } from '../plan/types.ts';
import { appsOf } from './apps.ts';
import { renderEcosystem } from './ecosystem.ts';
import { escapeHidden } from './literal.ts';

/** `js` and `cjs` are one text: the name decides what Node takes it for. PM2 reads JSON too, without the reasons. */
export const PM2_FORMATS = ['js', 'cjs', 'json'] as const;
export type Pm2Format = (typeof PM2_FORMATS)[number];

/** For hosts other than PM2: Kubernetes, by Open WebUI's Helm chart; containers, by Compose; systemd. */
const OTHER_FORMATS = ['helm', 'compose', 'systemd'] as const;
/** Those that bring their own Open WebUI. */
export type ContainerFormat = Exclude<(typeof OTHER_FORMATS)[number], 'systemd'>;

export const FORMATS = [...PM2_FORMATS, ...OTHER_FORMATS] as const;
export type Format = (typeof FORMATS)[number];

/** Name that PM2 takes for a configuration file (pm2/lib/Common.js, isConfigFile); for the others, the usual one. */
export const USUAL_NAMES: Readonly<Record<Format, string>> = {
  js: 'ecosystem.config.js',
  cjs: 'ecosystem.config.cjs',
  json: 'ecosystem.config.json',
  helm: 'values.yaml',
  compose: 'compose.yaml',
  systemd: 'open-webui.target',
};

export function isForPm2(format: Format): format is Pm2Format {
  return PM2_FORMATS.some((name) => name === format);
}

/** The file's text. */
export function renderAs(format: Pm2Format, plan: Plan): string {
  if (format !== 'json') return renderEcosystem(plan);
  // PM2 evaluates JSON as JavaScript (pm2/lib/Common.js, parseConfig), so that the same escapes are due.
  return `${escapeHidden(JSON.stringify({ apps: appsOf(plan) }, undefined, 2))}\n`;
}

/** What a file's name says; undefined: nothing that we render. */
export function formatOf(name: string): Pm2Format | undefined {
  const extension = /\.([^./\\]+)$/.exec(name)?.[1]?.toLowerCase();
  return PM2_FORMATS.find((format) => format === extension);
}

/** Whether PM2 takes a file of this name for a configuration; any other is run as a program. */
export function isConfigName(name: string): boolean {
  return /\.json$|\.config\.c?js$/.test(name);
}
