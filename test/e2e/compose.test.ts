/**
 * What the rendered container would run, without a container: its own command, environment and ecosystem file, in the
 * folders of Open WebUI's image, with that image's kind of Python. Docker itself is not asked.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type StartedProcess, startProcess, untilGone, untilServing } from '../../src/base/io/started.ts';
import { temporaryFolder } from '../../src/base/io/temp.ts';
import { until } from '../../src/base/io/wait.ts';
import { readMemory } from '../../src/base/machine/process-memory.ts';
import { type ProcessInfo, processTree } from '../../src/base/machine/process-table.ts';
import { MIB } from '../../src/base/units.ts';
import { request } from '../../src/bench/client/http.ts';
import { OpenWebui } from '../../src/bench/client/open-webui.ts';
import { renderCompose } from '../../src/render/compose/index.ts';
import { ownServices } from '../../src/render/compose/services.ts';
import { WORKER_PROCESS } from '../../src/runtime/contract.ts';
import { planDeployment } from '../../src/tune/containers.ts';
import { ROOT } from '../kit/environment.ts';
import { type ImageFolders, layOutImage } from '../kit/image.ts';
import { PATIENCE_MS } from '../kit/patience.ts';
import { freePort } from '../kit/ports.ts';
import { createMigratedDatabase } from '../kit/postgres.ts';
import { type Services, settingsFor, startServices } from '../kit/services.ts';
import { useScope } from '../kit/vitest.ts';

const WORKERS = 2;

const scope = useScope();
let services: Services;
let folder: string;
let image: ImageFolders;
let server: StartedProcess;
let url: string;
let pm2: (...args: string[]) => string;

beforeAll(async () => {
  services = await startServices(scope, createMigratedDatabase);
  folder = await temporaryFolder(scope, 'image');
  image = layOutImage(folder);
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const plan = await planDeployment(
    { workers: WORKERS, cwd: folder, env: {} },
    { services: ownServices, runtime: join(ROOT, 'dist', 'runtime') },
  );
  const compose = parse(renderCompose(plan).text);
  const container = compose.services['open-webui'];

  const database = new URL(services.databaseUrl);
  const places: [string, string][] = [
    ['postgresql://openwebui:', `postgresql://${database.username}:`],
    ['@postgres:5432/openwebui', `@${database.host}${database.pathname}`],
    ['/opt/webui-tune/runtime', plan.places.runtime],
    ['/opt/webui-tune/tools', image.tools],
    ['/usr/local/bin/python3', image.python],
    ['/run/secrets', join(folder, 'secrets')],
    ['/run/webui-tune', join(folder, 'run')],
    ['/etc/webui-tune', folder],
    ['/app/', `${image.app}/`],
    ['"WEBUI_TUNE_HOST": "0.0.0.0"', '"WEBUI_TUNE_HOST": "127.0.0.1"'],
    ['"WEBUI_TUNE_PORT": "8080"', `"WEBUI_TUNE_PORT": "${port}"`],
    ['$$', '$'],
  ];
  const here = (text: string) => places.reduce((all, [there, place]) => all.replaceAll(there, place), text);

  for (const name of ['secrets', 'run']) mkdirSync(join(folder, name), { mode: 0o700 });
  writeFileSync(join(folder, 'secrets', 'postgres-password'), `${services.secrets.database}\n`);
  writeFileSync(join(folder, 'secrets', 'webui-secret-key'), 'a-key-of-the-test\n');
  writeFileSync(join(folder, 'ecosystem.config.json'), here(compose.configs.ecosystem.content));
  const rendered = Object.entries<string>(container.environment).map(([name, value]) => [name, here(value)]);
  // DATABASE_URL is the rendered shell's to make.
  const { DATABASE_URL: _, ...settings } = settingsFor(services, 'remote');
  const env: Record<string, string> = {
    ...Object.fromEntries(rendered),
    ...settings,
    HOME: folder,
    PYTHONPATH: `${here(container.environment.PYTHONPATH)}:${image.packages}`,
    PATH: `${image.tools}:${process.env.PATH}`,
  };
  const [shell, ...args] = container.command.map(here);
  server = await startProcess(scope, shell, args, {
    log: join(folder, 'log'),
    cwd: join(image.app, 'backend'),
    env,
  });
  pm2 = (...words) =>
    execFileSync(join(image.tools, 'node'), [join(image.tools, 'node_modules/pm2/bin/pm2'), ...words], {
      env,
      encoding: 'utf8',
    });
  const serves = async () => (await request(`${url}/ready`)).status === 200 && workers().length === WORKERS;
  await untilServing(server, serves, { what: 'the container’s workers serve', timeoutMs: PATIENCE_MS });
});

function workers(): ProcessInfo[] {
  return processTree(server.pid).filter(({ name }) => name === WORKER_PROCESS);
}

describe.sequential('the copy-on-write cluster in the folders of the image', () => {
  it('is the image’s Open WebUI', async () => {
    const { version } = JSON.parse((await request(`${url}/api/version`)).body) as { version: string };
    expect(version).toBe('0.12.4');
    expect((await request(`${url}/`)).body).toContain('<!doctype html>');
  });

  it('shares its memory', async () => {
    await OpenWebui.signIn(url, services.admin);
    for (const { pid } of workers()) expect(readMemory(pid).private / MIB).toBeLessThan(150);
  });

  it('is reloaded from outside of the container, with every worker replaced', async () => {
    const before = workers().map(({ pid }) => pid);
    pm2('reload', 'open-webui');
    await until(() => workers().length === WORKERS && workers().every(({ pid }) => !before.includes(pid)), {
      what: 'all workers are new',
      timeoutMs: PATIENCE_MS,
    });
    expect((await request(`${url}/ready`)).status).toBe(200);
  });

  it('shows no secret in a process title', () => {
    const titles = processTree(server.pid).map(({ pid }) =>
      execFileSync('ps', ['-o', 'args=', '-p', `${pid}`], { encoding: 'utf8' }),
    );
    for (const secret of [services.secrets.database, 'a-key-of-the-test'])
      expect(titles.join()).not.toContain(secret);
  });

  it('leaves with nothing behind when the container is stopped', async () => {
    const all = processTree(server.pid);
    expect(all.length).toBeGreaterThan(2 * WORKERS);
    process.kill(server.pid, 'SIGTERM');
    await untilGone(all, PATIENCE_MS);
  });
});
