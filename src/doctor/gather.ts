import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { TuneError } from '../base/errors.ts';
import { controlSocket, dataHome } from '../base/io/folders.ts';
import { readMachine } from '../base/machine/index.ts';
import { processesWith } from '../base/machine/processes.ts';
import { askChroma } from '../facts/services/chroma.ts';
import { askDatabase, withColocated } from '../facts/services/index.ts';
import { askRedis } from '../facts/services/redis.ts';
import type { Plan } from '../plan/types.ts';
import { USUAL_NAMES } from '../render/formats.ts';
import { ENV } from '../runtime/contract.ts';
import { findInterpreter, readInstallation, viewpointOf } from '../tune/installation.ts';
import type { TuneOptions } from '../tune/options.ts';
import { planInstallation } from '../tune/tune.ts';
import { portInUse } from '../tune/warnings.ts';
import { readCluster } from './facts/cluster.ts';
import { sendAcross } from './facts/crossing.ts';
import { askEngines } from './facts/documents.ts';
import { findEcosystemFile, loadEcosystem, optionsOf } from './facts/ecosystem.ts';
import { readExpected } from './facts/expected.ts';
import { readFiles } from './facts/files.ts';
import { readModels } from './facts/models.ts';
import { readPm2 } from './facts/pm2.ts';
import { readProxy } from './facts/proxy.ts';
import { publicUrl } from './facts/public-url.ts';
import { readBroker } from './facts/redis.ts';
import { readRequirements } from './facts/requirements.ts';
import { readSchema } from './facts/schema.ts';
import { tryWorkers } from './facts/trials.ts';
import { absent, type Facts, known, type Outcome, type Outcomes } from './facts.ts';
import { NAMES } from './run.ts';

export interface DoctorOptions extends TuneOptions {
  /** The ecosystem file; undefined: the one here, or the one that `up` has written. */
  file?: string;
  /** Seconds that an answer through the proxy is to be silent for; undefined: that is not tried. */
  silence?: number;
}

/**
 * Reads all facts, each once. What cannot be read is an outcome, not an exception; throws TuneError only for a file that
 * was named and is not there.
 */
export async function gather(given: DoctorOptions): Promise<Outcomes> {
  const { file, silence = 0, ...options } = given;
  const shell = options.env ?? process.env;
  const cwd = options.cwd ?? process.cwd();
  const home = shell.HOME || homedir();
  const ofUp = join(dataHome(shell, home), USUAL_NAMES.js);
  const path = findEcosystemFile(file, cwd, ofUp);
  const ecosystem: Outcome<Facts['ecosystem']> =
    path === undefined
      ? absent('there is no ecosystem file here yet: webui-tune up, or webui-tune --out ecosystem.config.js')
      : await attempt(() => loadEcosystem(path));
  const asked = ecosystem.state === 'known' ? optionsOf(ecosystem.value, options, shell) : options;

  const machine = await attempt(() => readMachine());
  const pm2 = await attempt(() => readPm2(shell, home));
  const viewpoint = await attempt(() => viewpointOf(asked));
  const interpreter = await when({ viewpoint }, ({ viewpoint }) =>
    findInterpreter(asked.python, viewpoint).catch((error: unknown) => {
      // Where there is no file yet, or one of its own, `up` installs what is missing.
      if (!(error instanceof TuneError) || (path !== undefined && path !== ofUp)) throw error;
      throw new TuneError(error.message, error.exitCode, ['webui-tune up installs it', ...error.mend]);
    }),
  );
  const expected = await when({ interpreter }, ({ interpreter }) =>
    readExpected(interpreter.probe.package.folder),
  );
  const installation = await when({ viewpoint, interpreter }, ({ viewpoint, interpreter }) =>
    readInstallation(viewpoint, interpreter),
  );
  const [database, redis, chroma] = await Promise.all([
    when({ installation }, async ({ installation: { settings, sqliteConfig } }) => {
      const asked = await askDatabase(settings);
      return asked.kind === 'sqlite' && sqliteConfig ? { ...asked, stored: sqliteConfig } : asked;
    }),
    when({ installation }, ({ installation }) => askRedis(installation.settings)),
    unlessUndefined(
      when({ installation }, ({ installation }) => askChroma(installation.settings)),
      'no Chroma server is configured',
    ),
  ]);
  const services = await when({ installation, database, redis }, ({ installation, database, redis }) =>
    withColocated(installation.settings, {
      database,
      redis,
      ...(chroma.state === 'known' && { chroma: chroma.value }),
    }),
  );
  const plan = await when(
    { viewpoint, machine, interpreter, installation, services },
    ({ viewpoint, machine, interpreter, installation, services }) =>
      planInstallation(asked, {
        from: viewpoint,
        found: machine,
        openWebui: interpreter,
        installation,
        services,
      }).plan,
  );
  const files = await when({ viewpoint, installation }, ({ viewpoint, installation }) =>
    readFiles(viewpoint, installation, shell.PM2_HOME || join(home, '.pm2')),
  );
  const broker = await when({ installation, redis }, ({ installation, redis }) => {
    if (redis.kind !== 'redis') return absent('REDIS_URL is not set');
    return redis.answer.up ? readBroker(installation.settings) : absent('Redis does not answer');
  });
  const schema = await when({ installation, database }, ({ installation, database }) => {
    if (database.kind !== 'postgresql') return absent('the database is not PostgreSQL');
    return database.answer.up ? readSchema(installation.settings) : absent('the database does not answer');
  });
  const place = await when({ viewpoint, installation }, ({ viewpoint, installation }) => {
    const env = ecosystem.state === 'known' ? ecosystem.value.env : {};
    const { path } = installation.dataDir;
    return {
      socket: env[ENV.controlSocket] ?? controlSocket(path, viewpoint.env, viewpoint.home),
      host: asked.host ?? '127.0.0.1',
      port: asked.port ?? 8080,
    };
  });
  const port = await mapKnown(place, ({ socket, port }) => {
    const [taken] = portInUse(port, processesWith('/', socket));
    return { number: port, ...(taken !== undefined && { taken }) };
  });
  const cluster = await unlessUndefined(
    mapKnown(place, ({ socket, ...address }) => readCluster(socket, address)),
    'the cluster does not run',
  );
  const crossing = await when({ installation, broker, cluster }, ({ installation, cluster }) => {
    if (cluster.workers.length === 0) return absent('no worker runs');
    return cluster.isReady ? sendAcross(installation.settings, cluster) : absent('the workers do not serve');
  });
  const trials = await when({ installation, cluster }, ({ installation, cluster }) => {
    if (cluster.workers.length === 0) return absent('no worker runs');
    return cluster.isReady ? tryWorkers(installation.settings, cluster) : absent('the workers do not serve');
  });
  const effective = await when({ installation }, ({ installation }) => {
    const isUsers = ecosystem.state === 'known';
    const settings = [...installation.settings].filter(([, { source }]) => !(isUsers && source === 'preset'));
    return new Map([
      ...(ecosystem.state === 'known' ? Object.entries(ecosystem.value.env) : plannedValues(plan)),
      ...settings.map(([name, { value }]) => [name, value] as const),
    ]);
  });
  const models = await when(
    { viewpoint, interpreter, installation, effective, database, place },
    ({ viewpoint, interpreter, installation, effective, database, place }) =>
      readModels({
        python: interpreter.python,
        env: { ...viewpoint.env, ...installation.envFile, ...Object.fromEntries(effective) },
        cwd: viewpoint.cwd,
        effective,
        database,
        // What it wrote in an earlier life may have been mended since.
        runFolder: cluster.state === 'known' && cluster.value.preload ? dirname(place.socket) : undefined,
      }),
  );
  const requirements = await when({ schema, interpreter, viewpoint }, ({ schema, interpreter, viewpoint }) =>
    readRequirements(schema.plugins, interpreter.python, viewpoint),
  );
  const engines = await when({ schema }, ({ schema: { documents } }) =>
    documents ? askEngines(documents.engines) : absent('the database is new'),
  );
  const proxy = await when(
    { installation, effective, database, cluster },
    ({ installation, effective, database, cluster }) => {
      const url = publicUrl(effective, database);
      if (!url) return absent('WEBUI_URL is not set: nobody knows the public address');
      // Then there is none between.
      if (url.protocol === 'http:' && Number(url.port || 80) === cluster.address.port)
        return absent('WEBUI_URL is the workers’ own port');
      return cluster.isReady
        ? readProxy(url, installation.settings, silence)
        : absent('the workers do not serve');
    },
  );
  return {
    ecosystem,
    viewpoint,
    isOfUp: known(path === ofUp),
    interpreter,
    expected,
    installation,
    effective,
    workers: workersOf(ecosystem, plan),
    machine,
    database,
    redis,
    chroma,
    services,
    broker,
    schema,
    plan,
    port,
    files,
    pm2,
    cluster,
    crossing,
    trials,
    models,
    requirements,
    engines,
    proxy,
  };
}

function plannedValues(plan: Outcome<Plan>): (readonly [string, string])[] {
  if (plan.state !== 'known') return [];
  return plan.value.settings.flatMap(({ key, value }) =>
    value === undefined ? [] : [[key, value] as const],
  );
}

function workersOf(ecosystem: Outcomes['ecosystem'], plan: Outcome<Plan>): Outcomes['workers'] {
  const count = plan.state === 'known' ? plan.value.workers : undefined;
  const wanted = (plan.state === 'known' ? plan.value.bounds.cores : undefined) ?? count;
  if (ecosystem.state === 'known') {
    const { workers } = ecosystem.value;
    return known({ count: workers, wanted: wanted ?? workers, from: 'file' as const });
  }
  if (count === undefined) return absent(NAMES.plan);
  return known({ count, wanted: wanted ?? count, from: 'plan' as const });
}

async function attempt<T>(read: () => T | Promise<T>): Promise<Outcome<T>> {
  try {
    return known(await read());
  } catch (error) {
    if (error instanceof TuneError) return { state: 'failed', error };
    throw error; // a bug of ours
  }
}

type Known<D> = { [K in keyof D]: D[K] extends Outcome<infer T> ? T : never };

/** Reads what needs other facts; without them, the reason why there is nothing to read. */
async function when<D extends Partial<Outcomes>, T>(
  needed: D,
  read: (facts: Known<D>) => T | Outcome<never> | Promise<T | Outcome<never>>,
): Promise<Outcome<T>> {
  const facts: Partial<Record<string, unknown>> = {};
  for (const [name, outcome] of Object.entries(needed) as [keyof Facts, Outcome<unknown>][]) {
    if (outcome.state === 'absent') return outcome;
    if (outcome.state === 'failed') {
      return absent(`${NAMES[name]}: ${outcome.error.message.split('\n', 1)[0]}`);
    }
    facts[name] = outcome.value;
  }
  const outcome = await attempt(() => read(facts as Known<D>));
  return outcome.state === 'known' && isAbsent(outcome.value) ? outcome.value : (outcome as Outcome<T>);
}

async function mapKnown<T, U>(outcome: Outcome<T>, read: (value: T) => U | Promise<U>): Promise<Outcome<U>> {
  return outcome.state === 'known' ? attempt(() => read(outcome.value)) : outcome;
}

function isAbsent(value: unknown): value is Outcome<never> {
  return typeof value === 'object' && value !== null && 'state' in value && value.state === 'absent';
}

async function unlessUndefined<T>(
  asked: Promise<Outcome<T | undefined>>,
  reason: string,
): Promise<Outcome<T>> {
  const outcome = await asked;
  if (outcome.state !== 'known') return outcome;
  return outcome.value === undefined ? absent(reason) : known(outcome.value);
}
