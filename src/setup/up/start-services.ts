import { setTimeout as sleep } from 'node:timers/promises';
import { EXIT, TuneError } from '../../base/errors.ts';
import { LOOPBACK } from '../../base/io/address.ts';
import { isListening } from '../../base/io/port.ts';
import { listenersOn } from '../../base/machine/listeners.ts';
import { embeddedPostgres, embeddedValkey, SERVICE_APPS } from '../../facts/embedded/apps.ts';
import { servicePaths } from '../../facts/embedded/folder.ts';
import { type Installed, readInstalled } from '../../facts/embedded/installed.ts';
import { packagesFolder, programsIn } from '../../facts/embedded/packages.ts';
import type { EmbeddedService } from '../../facts/types.ts';
import { embeddedApp } from '../../render/apps.ts';
import { keepRuntime } from '../../runtime/folder.ts';
import { keepSecrets } from '../../tune/secrets/secrets-file.ts';
import { embeddedUrls, keepPasswords, readPasswords } from '../embedded/passwords.ts';
import { isDatabaseReady, prepareDatabase } from '../embedded/postgres.ts';
import type { Pm2, Pm2Process } from '../pm2/client.ts';
import { logTail } from '../pm2/logs.ts';
import { startApp } from '../pm2/start-app.ts';
import type { Setup } from './setup.ts';
import type { Step } from './step.ts';
import type { Wanted } from './wanted.ts';

/** Milliseconds until a service that does not answer is given up; a recovery after a crash may take some. */
const START_TIMEOUT = 120_000;
const INTERVAL = 50;

interface Service extends EmbeddedService {
  port: number;
}

/** PostgreSQL and Valkey under PM2, answering. */
export function startServicesStep(setup: Setup): Step {
  return {
    name: 'running',
    check: async () => {
      const wanted = await wantedOrUndefined(setup);
      if (!wanted) return undefined;
      if (!wanted.database && !wanted.broker) return 'yours';
      const services = servicesOf(setup, wanted);
      if (!services) return undefined;
      const online = onlineNames(await setup.processes());
      const running = await Promise.all(
        services.map(async ({ name, port }) => online.has(name) && (await isListening(LOOPBACK, port))),
      );
      if (running.includes(false)) return undefined;
      return services.map(({ name, port }) => `${name} on ${LOOPBACK}:${port}`).join(', ');
    },
    describe: () => `start ${SERVICE_APPS.postgres} and ${SERVICE_APPS.valkey} under PM2`,
    run: async () => {
      const services = servicesOf(
        setup,
        (await wantedOrUndefined(setup)) ?? { database: true, broker: true },
      );
      if (!services) throw new Error('the services were not set up');
      const pm2 = await setup.pm2();
      const online = onlineNames(await pm2.list());
      for (const service of services) if (!online.has(service.name)) await startService(setup, pm2, service);
      await Promise.all(services.map((service) => untilListening(pm2, service)));
      setup.changed();
      return services.map(({ name, port }) => `${name} on ${LOOPBACK}:${port}`).join(', ');
    },
  };
}

async function wantedOrUndefined(setup: Setup): Promise<Wanted | undefined> {
  if (!setup.hasOpenWebui) return undefined;
  return setup.wanted((await setup.tuned()).plan);
}

function servicesOf(setup: Setup, wanted: Wanted): Service[] | undefined {
  const installed = readInstalled(setup.services);
  if (!installed) return undefined;
  const programs = programsIn(packagesFolder(setup.services));
  return [
    ...(wanted.database
      ? [{ ...embeddedPostgres(setup.services, programs, installed), port: installed.postgresPort }]
      : []),
    ...(wanted.broker
      ? [{ ...embeddedValkey(setup.services, programs, installed), port: installed.valkeyPort }]
      : []),
  ];
}

function onlineNames(processes: readonly Pm2Process[]): Set<string> {
  return new Set(processes.filter(({ pm2_env }) => pm2_env.status === 'online').map(({ name }) => name));
}

async function startService(setup: Setup, pm2: Pm2, service: Service): Promise<void> {
  if (await isListening(LOOPBACK, service.port)) throw portTaken(setup, service);
  const known = (await pm2.list()).some(({ name }) => name === service.name);
  // Stopped or failed, and perhaps of an older file.
  if (known) await pm2.run('delete', service.name);
  const { plan, runtime } = await setup.tuned();
  if (runtime) keepRuntime(runtime); // the launcher is in it
  await startApp(pm2, setup.services, embeddedApp(service, plan));
}

function portTaken(setup: Setup, { name, port }: Service): TuneError {
  const [owner] = listenersOn('/', port) ?? [];
  const who = owner ? `process ${owner.pid} (${owner.command[0] ?? '?'})` : 'a process of another user';
  return new TuneError(`${name} cannot start: its port ${port} is in use by ${who}`, EXIT.service, [
    `stop that; or choose another port in ${servicePaths(setup.services).state} while everything is down, and run webui-tune up again`,
  ]);
}

async function untilListening(pm2: Pm2, { name, port }: Service): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT;
  for (let round = 1; !(await isListening(LOOPBACK, port)); round++) {
    if (round % 20 === 0) {
      const app = (await pm2.list()).find((process) => process.name === name);
      const failed = app === undefined || app.pm2_env.status === 'errored' || app.pm2_env.restart_time > 5;
      if (failed || performance.now() > deadline) {
        throw new TuneError(
          `${name} does not start:\n${app ? logTail(app) : 'PM2 does not know it'}`,
          EXIT.service,
          [`pm2 logs ${name} shows more`],
        );
      }
    }
    await sleep(INTERVAL);
  }
}

/** Open WebUI's role, database and extension, and the settings with which it finds both services. */
export function connectServicesStep(setup: Setup): Step {
  return {
    name: 'connected',
    check: async () => {
      const wanted = await wantedOrUndefined(setup);
      if (!wanted) return undefined;
      if (!wanted.database && !wanted.broker) return 'yours';
      const { plan } = await setup.tuned();
      const names = (plan.embedded ?? []).map(({ name }) => name);
      const isSet =
        (!wanted.database || names.includes(SERVICE_APPS.postgres)) &&
        (!wanted.broker || names.includes(SERVICE_APPS.valkey));
      if (!isSet) return undefined;
      const installed = readInstalled(setup.services);
      const passwords = readPasswords(servicePaths(setup.services).passwords);
      if (!installed || !passwords) return undefined;
      if (wanted.database && !(await isDatabaseReady(installed, passwords))) return undefined;
      return `by the settings in ${plan.places.secretsFile}`;
    },
    describe: () =>
      'create Open WebUI’s database, with pgvector; keep the URLs and passwords with the secrets (0600)',
    run: async () => {
      const { plan } = await setup.tuned();
      const wanted = setup.wanted(plan);
      await makeDatabase(setup, wanted);
      const settings = settingsOf(setup, wanted);
      await keepSecrets(plan.places.secretsFile, { settings, once: new Map() });
      setup.changed();
      return `by the settings in ${plan.places.secretsFile}`;
    },
  };
}

/** Makes the database in the embedded PostgreSQL, where that is wanted. */
export async function makeDatabase({ services }: Setup, { database }: Wanted): Promise<void> {
  if (!database) return;
  const installed = readInstalled(services) as Installed;
  const passwords = keepPasswords(servicePaths(services).passwords);
  await whenAccepting(() => prepareDatabase(installed, passwords));
}

/** The settings with which Open WebUI finds what is wanted. */
export function settingsOf({ services }: Setup, { database, broker }: Wanted): Map<string, string> {
  if (!database && !broker) return new Map();
  const passwords = keepPasswords(servicePaths(services).passwords);
  const { DATABASE_URL, REDIS_URL } = embeddedUrls(passwords, readInstalled(services) as Installed);
  return new Map([
    ...(database ? [['DATABASE_URL', DATABASE_URL] as const] : []),
    ...(broker ? [['REDIS_URL', REDIS_URL] as const] : []),
  ]);
}

/** PostgreSQL listens before it lets anybody in: "the database system is starting up" (SQLSTATE 57P03). */
async function whenAccepting(work: () => Promise<void>): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const startingUp = error instanceof Error && 'code' in error && error.code === '57P03';
      if (!startingUp || performance.now() > deadline) {
        throw new TuneError(
          `the embedded PostgreSQL does not let us in: ${(error as Error).message}`,
          EXIT.service,
          [`pm2 logs ${SERVICE_APPS.postgres} shows more`],
        );
      }
      await sleep(INTERVAL);
    }
  }
}
