import type { LimitedBy, Plan } from '../plan/types.ts';
import { APPS } from '../runtime/contract.ts';
import { type App, type AppValue, appsOf } from './apps.ts';
import { HEADER } from './first-lines.ts';
import { commentText, propertyName, stringLiteral } from './literal.ts';

const INTRODUCTION = `${HEADER}
//
//   pm2 start FILE                                            starts it; reads this file again
//   pm2 reload open-webui                                     replaces the workers one by one, without losing a request
//   pm2 restart open-webui-preload && pm2 reload open-webui   after a change of the env file
//
// Settings of Open WebUI belong in the env file (open-webui.env beside this file, or --env-file), which is read at every
// start; secrets belong nowhere else. A line there wins over what is computed here. To size it again, run webui-tune
// again: it overwrites this file.
`;

const UVICORN_INTRODUCTION = `${HEADER}
//
//   pm2 start FILE           starts it; reads this file again
//   pm2 restart open-webui   stops all workers and starts them again: after a change of the env file
//
// Open WebUI's own server with its own workers (--runtime uvicorn). Settings belong in the env file (open-webui.env
// beside this file, or --env-file), which is read at every start; secrets belong nowhere else. A line there wins over
// what is computed here. To size it again, run webui-tune again: it overwrites this file.
`;

/** Why there are this many workers, in words that depend only on the plan. */
const WORKERS_BECAUSE: Readonly<Record<LimitedBy, string>> = {
  cores: 'one for each usable core',
  memory: 'as many as the memory budget holds',
  database: 'as many as the database has connections for',
  services: 'several need PostgreSQL, Redis and a shared vector store; webui-tune says which is missing',
  user: 'as requested, or as many as the preset allows',
};

/** Comments on all apps; the figures behind the reasons are beside the constants in apps.ts. */
const COMMENTS: Readonly<Record<string, string>> = {
  exp_backoff_restart_delay: 'ms until the first restart; PM2 raises it while restarts fail',
  stop_exit_codes: 'it cannot boot, and another attempt would not help; the log has the reason',
  pmx: 'no metrics agent inside the process',
  vizion: 'no search for a git repository',
};

/** Comments on the keys of one app. */
function commentsOn(name: AppValue | undefined, plan: Plan): Readonly<Record<string, string>> {
  if (name === APPS.preload) {
    return {
      ...COMMENTS,
      treekill: 'the workers that it has forked outlive it: they have supervisors of their own',
      min_uptime: 'ms; an earlier death is a failed start',
      max_restarts: 'failed starts in a row',
      kill_timeout: 'ms; it serves nobody, but may be in the middle of a migration',
    };
  }
  if (name === APPS.scale) return { ...COMMENTS, env: 'how many workers there may be, and MiB for one more' };
  if (name === APPS.metrics) return { ...COMMENTS, env: 'only on 127.0.0.1, at /metrics' };
  if (plan.embedded?.some((service) => service.name === name)) {
    return {
      ...COMMENTS,
      treekill: 'a signal to each of its processes would make its last checkpoint panic',
      kill_timeout: 'ms; time for that checkpoint',
      restart_delay: 'ms; after a SIGKILL the kernel still holds its memory for a moment',
      script: 'runs the service, and delays its stop until no worker drains',
      cron_restart: 'it ends when it is done: PM2 shows it as stopped',
    };
  }
  if (plan.runtime === 'uvicorn') {
    return {
      ...COMMENTS,
      min_uptime: 'ms; an earlier death is a failed start',
      max_restarts: 'failed starts in a row',
      kill_timeout: 'ms; uvicorn waits this long for open answers',
    };
  }
  return {
    ...COMMENTS,
    instances:
      plan.leastWorkers === undefined
        ? WORKERS_BECAUSE[plan.limitedBy]
        : `the least; ${APPS.scale} adds up to ${plan.workers}: ${WORKERS_BECAUSE[plan.limitedBy]}`,
    merge_logs: 'one log for all instances: PM2 gives each that it adds a new number',
    treekill: 'its worker is not its child; and without ps, PM2 would stop nothing until kill_timeout',
    stop_exit_codes:
      'no restart: it cannot boot, and the log has the reason (78), or it was stopped before it was ready (79)',
    wait_ready: 'an instance counts once its worker answers',
    listen_timeout: 'ms; far above a boot with migrations, because PM2 stops the old worker when it runs out',
    kill_timeout: 'ms; longer than a worker may drain',
  };
}

/** The text of the file. The same plan gives the same text. */
export function renderEcosystem(plan: Plan): string {
  const apps = appsOf(plan).map((app) => renderApp(app, commentsOn(app.name, plan)));
  const introduction = plan.runtime === 'uvicorn' ? UVICORN_INTRODUCTION : INTRODUCTION;
  return `${introduction}module.exports = {\n  apps: [\n${apps.join('')}  ],\n};\n`;
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
