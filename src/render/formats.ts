import type { Plan } from '../plan/types.ts';
import { appsOf } from './apps.ts';
import { renderEcosystem } from './ecosystem.ts';
import { escapeHidden } from './literal.ts';

/** `js` and `cjs` have the same text: the name decides how Node loads it. JSON has no comments. */
export const PM2_FORMATS = ['js', 'cjs', 'json'] as const;
export type Pm2Format = (typeof PM2_FORMATS)[number];

/** For hosts other than PM2: Kubernetes through Open WebUI's Helm chart, containers through Compose, systemd. */
const OTHER_FORMATS = ['helm', 'compose', 'systemd'] as const;
/** Formats that bring their own Open WebUI. */
export type ContainerFormat = Exclude<(typeof OTHER_FORMATS)[number], 'systemd'>;

export const FORMATS = [...PM2_FORMATS, ...OTHER_FORMATS] as const;
export type Format = (typeof FORMATS)[number];

/** A name that PM2 recognises as a configuration file (pm2/lib/Common.js, isConfigFile); for other formats the usual name. */
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
  // PM2 evaluates JSON as JavaScript (pm2/lib/Common.js, parseConfig), so it needs the same escapes.
  return `${escapeHidden(JSON.stringify({ apps: appsOf(plan) }, undefined, 2))}\n`;
}

/** The format that a file's name stands for; undefined: none that we render. */
export function formatOf(name: string): Pm2Format | undefined {
  const extension = /\.([^./\\]+)$/.exec(name)?.[1]?.toLowerCase();
  return PM2_FORMATS.find((format) => format === extension);
}

/** Whether PM2 loads a file of this name as a configuration; it runs any other file as a program. */
export function isConfigName(name: string): boolean {
  return /\.json$|\.config\.c?js$/.test(name);
}
