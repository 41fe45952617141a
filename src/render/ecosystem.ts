import type { LimitedBy, Plan } from '../types.ts';
import { type App, type AppValue, appsOf } from './apps.ts';
import { commentText, propertyName, stringLiteral } from './literal.ts';

/** First line of every file that we write: by it we know which ones we may overwrite. */
export const HEADER = '// PM2 ecosystem file for Open WebUI, made by webui-tune.';

const INTRODUCTION = `${HEADER}
//
//   pm2 start FILE                                            starts it; reads this file anew
//   pm2 reload open-webui                                     replaces the workers one by one, nobody notices
//   pm2 restart open-webui-preload && pm2 reload open-webui   after a change of the env file
//
// Settings of Open WebUI belong into the env file (open-webui.env beside this file, or --env-file), which is read at
// every start; secrets belong nowhere else. What is computed here gives way to a line there. To size it anew, run
// webui-tune again: it overwrites this file.
`;

/** Why there are so many workers, in words that stay the same as long as the plan does. */
const WORKERS_BECAUSE: Readonly<Record<LimitedBy, string>> = {
  cores: 'one for each core that may be used',
  memory: 'as many as the memory budget holds',
  database: 'as many as the database has connections for',
  services: 'several need PostgreSQL, Redis and a shared vector store: webui-tune says which is missing',
  user: 'as asked for',
  preset: 'as many as the preset allows',
};

/** Comments by app and key; the reasons are those of the constants in apps.ts. */
function commentsFor(plan: Plan): Readonly<Record<string, string>> {
  return {
    treekill:
      'stopping this process must not kill the workers that it has forked: they have their own supervisors',
    stop_exit_codes: 'it cannot boot, and trying again will not help: the reason stays in the log',
    wait_ready: 'an instance counts once its worker answers',
    listen_timeout: 'ms; far above a boot with migrations: when it runs out, PM2 stops the old worker anyway',
    kill_timeout: 'ms; longer than a worker may drain',
    exp_backoff_restart_delay: 'ms until the first restart; PM2 raises it while restarts fail',
    min_uptime: 'ms; an earlier death counts as a failed start',
    instances: WORKERS_BECAUSE[plan.limitedBy],
    pmx: 'no metrics agent inside the process',
    vizion: 'no search for a git repository',
  };
}

/** The text of the file. The same plan is the same text. */
export function renderEcosystem(plan: Plan): string {
  const comments = commentsFor(plan);
  const apps = appsOf(plan).map((app) => renderApp(app, comments));
  return `${INTRODUCTION}module.exports = {\n  apps: [\n${apps.join('')}  ],\n};\n`;
}

function renderApp(app: App, comments: Readonly<Record<string, string>>): string {
  const lines = Object.entries(app).map(([key, value]) => {
    const comment = Object.hasOwn(comments, key) ? ` // ${commentText(comments[key] ?? '')}` : '';
    return `      ${propertyName(key)}: ${renderValue(value, '      ')},${comment}\n`;
  });
  return `    {\n${lines.join('')}    },\n`;
}

function renderValue(value: AppValue, indent: string): string {
  if (typeof value === 'string') return stringLiteral(value);
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (isList(value)) return `[${value.map((item) => renderValue(item, indent)).join(', ')}]`;
  const entries = Object.entries(value).map(
    ([name, text]) => `${indent}  ${propertyName(name)}: ${stringLiteral(text)},\n`,
  );
  return `{\n${entries.join('')}${indent}}`;
}

function isList(value: AppValue): value is readonly (string | number)[] {
  return Array.isArray(value);
}
