import { dirname, join } from 'node:path';
import { TuneError } from '../base/errors.ts';
import { controlSocket, dataHome } from '../base/io/folders.ts';
import { readMachine } from '../base/machine/index.ts';
import { processesWith } from '../base/machine/processes.ts';
import { askChroma } from '../facts/services/chroma.ts';
import { askDatabase, withColocated } from '../facts/services/index.ts';
import { askRedis } from '../facts/services/redis.ts';
import { backupStatePath, lastGood, readBackupState } from '../runtime/backups/state.ts';
import { DEFAULT_HOST, DEFAULT_PORT, ENV } from '../runtime/contract.ts';
import { Journal, unfinishedLine } from '../setup/journal/journal.ts';
import { findInterpreter, readInstallation, viewpointOf } from '../tune/installation.ts';
import { planInstallation } from '../tune/tune.ts';
import { portInUse } from '../tune/warnings.ts';
import { FactTable } from './fact-table.ts';
import type { Given } from './given.ts';
import { absent, type Outcome } from './outcome.ts';
import { readCluster } from './read/cluster.ts';
import { sendAcross } from './read/crossing.ts';
import { askEngines } from './read/documents.ts';
import { loadEcosystem, optionsOf } from './read/ecosystem.ts';
import { effectiveSettings } from './read/effective.ts';
import { readExpected } from './read/expected.ts';
import { readFiles } from './read/files.ts';
import { readModels } from './read/models.ts';
import { readPm2 } from './read/pm2.ts';
import { readProxy } from './read/proxy.ts';
import { publicUrl } from './read/public-url.ts';
import { readBroker } from './read/redis.ts';
import { readRequirements } from './read/requirements.ts';
import { readSchema } from './read/schema.ts';
import { tryWorkers } from './read/trials.ts';
import { readVectorIndex } from './read/vector-index.ts';

const NOT_SERVING = 'the workers do not serve';

/**
 * Everything that checks decide by. Each row is read once, before the first check runs, and beside the others as far as
 * its needs allow. To add a fact: a row here, and the check that needs it.
 */
export const FACTS = new FactTable<Given>()
  /** The ecosystem file, as PM2 would load it. */
  .row('ecosystem', {
    lacking: 'there is no readable ecosystem file',
    read: (_, { path }) =>
      path === undefined
        ? absent(
            'there is no ecosystem file here yet: webui-tune up, or webui-tune --out ecosystem.config.js',
          )
        : loadEcosystem(path),
  })
  /** What a backup, restore or upgrade was cut short in, in words; without: nothing. */
  .row('unfinished', {
    lacking: 'the journal cannot be read',
    read: (_, { shell, home }) => {
      const what = unfinishedLine(new Journal(dataHome(shell, home)));
      return what === undefined ? {} : { what };
    },
  })
  /** What is known of the backups of a schedule. */
  .row('backups', {
    lacking: 'what is known of backups cannot be read',
    read: (_, { shell, home }) => {
      const state = readBackupState(backupStatePath(dataHome(shell, home)));
      return { ...(state && { state, last: lastGood(state) }) };
    },
  })
  .row('machine', { lacking: 'the machine cannot be read', read: () => readMachine() })
  .row('pm2', { lacking: 'PM2 cannot be asked', read: (_, { shell, home }) => readPm2(shell, home) })
  /** Whether `webui-tune up` has made this installation. */
  .row('isOfUp', {
    lacking: 'it is not known who made it',
    read: (_, { path, ofUp }) => path === ofUp,
  })
  /** Options that would plan for this installation: the ecosystem file's, unless others were given. */
  .row('options', {
    lacking: 'the options cannot be used',
    uses: ['ecosystem'],
    read: ({ ecosystem }, { options, shell }) => (ecosystem ? optionsOf(ecosystem, options, shell) : options),
  })
  /** From where we look. */
  .row('viewpoint', {
    lacking: 'the options cannot be used',
    needs: ['options'],
    read: ({ options }) => viewpointOf(options),
  })
  .row('interpreter', {
    lacking: 'there is no usable Open WebUI',
    needs: ['options', 'viewpoint'],
    read: ({ options, viewpoint }, { path, ofUp }) =>
      findInterpreter(options.python, viewpoint).catch((error: unknown) => {
        // Where there is no file yet, or one of its own, `up` installs what is missing.
        if (!(error instanceof TuneError) || (path !== undefined && path !== ofUp)) throw error;
        throw new TuneError(error.message, error.exitCode, ['webui-tune up installs it', ...error.mend]);
      }),
  })
  /** What the installed Open WebUI expects of its database. */
  .row('expected', {
    lacking: 'Open WebUI’s own code cannot be read',
    needs: ['interpreter'],
    read: ({ interpreter }) => readExpected(interpreter.probe.package.folder),
  })
  .row('installation', {
    lacking: 'the settings cannot be read',
    needs: ['viewpoint', 'interpreter'],
    read: ({ viewpoint, interpreter }) => readInstallation(viewpoint, interpreter),
  })
  .row('database', {
    lacking: 'the database setting is wrong',
    needs: ['installation'],
    read: async ({ installation: { settings, sqliteConfig } }) => {
      const asked = await askDatabase(settings);
      return asked.kind === 'sqlite' && sqliteConfig ? { ...asked, stored: sqliteConfig } : asked;
    },
  })
  .row('redis', {
    lacking: 'the Redis setting is wrong',
    needs: ['installation'],
    read: ({ installation }) => askRedis(installation.settings),
  })
  .row('chroma', {
    lacking: 'Chroma cannot be asked',
    needs: ['installation'],
    read: async ({ installation }) =>
      (await askChroma(installation.settings)) ?? absent('no Chroma server is configured'),
  })
  .row('services', {
    lacking: 'the services cannot be asked',
    needs: ['installation', 'database', 'redis'],
    uses: ['chroma'],
    read: ({ installation, database, redis, chroma }) =>
      withColocated(installation.settings, { database, redis, ...(chroma && { chroma }) }),
  })
  /** What would be planned today. */
  .row('plan', {
    lacking: 'there is no plan',
    needs: ['options', 'viewpoint', 'machine', 'interpreter', 'installation', 'services'],
    read: ({ options, viewpoint, machine, interpreter, installation, services }) =>
      planInstallation(options, {
        from: viewpoint,
        found: machine,
        openWebui: interpreter,
        installation,
        services,
      }).plan,
  })
  .row('files', {
    lacking: 'the files cannot be looked at',
    needs: ['viewpoint', 'installation'],
    read: ({ viewpoint, installation }, { shell, home }) =>
      readFiles(viewpoint, installation, shell.PM2_HOME || join(home, '.pm2')),
  })
  /** Settings as the workers see them: the user's, then those of the ecosystem file, or of the plan. */
  .row('effective', {
    lacking: 'the settings cannot be read',
    needs: ['installation'],
    uses: ['ecosystem', 'plan'],
    read: ({ installation, ecosystem, plan }) => effectiveSettings(installation.settings, ecosystem, plan),
  })
  /**
   * How many workers there are to be; `wanted`: as many as the cores would take. Without a file, both are the plan's.
   */
  .row('workers', {
    lacking: 'the number of workers is not known',
    uses: ['ecosystem', 'plan'],
    read: ({ ecosystem, plan }) => {
      const wanted = plan && (plan.bounds.cores ?? plan.workers);
      if (ecosystem) {
        const { workers: count } = ecosystem;
        return { count, wanted: wanted ?? count, from: 'file' as const };
      }
      if (!plan) return absent('there is no plan');
      return { count: plan.workers, wanted: wanted ?? plan.workers, from: 'plan' as const };
    },
  })
  /** Where the workers listen, and by what socket they are led. */
  .row('address', {
    lacking: 'the port is not known',
    needs: ['options', 'viewpoint', 'installation'],
    uses: ['ecosystem'],
    read: ({ options: { host = DEFAULT_HOST, port = DEFAULT_PORT }, viewpoint, installation, ecosystem }) => {
      const ofData = controlSocket(installation.dataDir.path, viewpoint.env, viewpoint.home);
      return { socket: ecosystem?.env[ENV.controlSocket] ?? ofData, host, port };
    },
  })
  /** The workers' port; `taken`: by whom, in words, where that is somebody else. */
  .row('port', {
    lacking: 'the port is not known',
    needs: ['address'],
    read: ({ address: { socket, port } }): { number: number; taken?: string } => {
      const [taken] = portInUse(port, processesWith('/', socket));
      return { number: port, ...(taken !== undefined && { taken }) };
    },
  })
  /** The processes of the running cluster. */
  .row('cluster', {
    lacking: 'the cluster cannot be looked at',
    needs: ['address'],
    read: async ({ address: { socket, host, port } }) =>
      (await readCluster(socket, { host, port })) ?? absent('the cluster does not run'),
  })
  /** What the broker that answers says about itself, and does. */
  .row('broker', {
    lacking: 'Redis cannot be asked',
    needs: ['installation', 'redis'],
    read: ({ installation, redis }) => {
      if (redis.kind !== 'redis') return absent('REDIS_URL is not set');
      return redis.answer.up ? readBroker(installation.settings) : absent('Redis does not answer');
    },
  })
  /** What is in Open WebUI's database. */
  .row('schema', {
    lacking: 'the database cannot be asked',
    needs: ['installation', 'database'],
    read: ({ installation, database }) => {
      if (database.kind !== 'postgresql') return absent('the database is not PostgreSQL');
      return database.answer.up ? readSchema(installation.settings) : absent('the database does not answer');
    },
  })
  /** The index of vectors in pgvector, and the memory that its making takes. */
  .row('vectorIndex', {
    lacking: 'the database of the vectors cannot be asked',
    needs: ['installation', 'effective', 'database'],
    read: async ({ installation, effective, database }) => {
      if (effective.get('VECTOR_DB') !== 'pgvector') return absent('vectors are not in pgvector');
      if (database.kind !== 'postgresql' || !database.answer.up)
        return absent('the database does not answer');
      return (
        (await readVectorIndex(installation.settings, effective)) ??
        absent('the index is made with any memory')
      );
    },
  })
  /** Models that Open WebUI runs itself, and whether they are here or can be fetched. */
  .row('models', {
    lacking: 'models cannot be looked for',
    needs: ['viewpoint', 'interpreter', 'installation', 'effective', 'database', 'address'],
    uses: ['cluster'],
    read: ({ viewpoint, interpreter, installation, effective, database, address, cluster }) =>
      readModels({
        python: interpreter.python,
        env: { ...viewpoint.env, ...installation.envFile, ...Object.fromEntries(effective) },
        cwd: viewpoint.cwd,
        effective,
        database,
        // What it wrote in an earlier life may have been mended since.
        runFolder: cluster?.preload && dirname(address.socket),
      }),
  })
  /** What tools and functions ask for, and whether the interpreter has it. */
  .row('requirements', {
    lacking: 'what tools ask for is not known',
    needs: ['schema', 'interpreter', 'viewpoint'],
    read: ({ schema, interpreter, viewpoint }) =>
      readRequirements(schema.plugins, interpreter.python, viewpoint),
  })
  /** Other programs that read or embed documents, and whether they answer. */
  .row('engines', {
    lacking: 'the programs that read documents are not known',
    needs: ['schema'],
    read: ({ schema: { documents } }) =>
      documents ? askEngines(documents.engines) : absent('the database is new'),
  })
  /** What came of messages that were sent through the broker. Opens connections that `schema` would count. */
  .row('crossing', {
    lacking: 'no message could be sent',
    needs: ['installation', 'broker', 'cluster'],
    after: ['schema'],
    read: ({ installation, cluster }) => {
      if (cluster.workers.length === 0) return absent('no worker runs');
      return cluster.isReady ? sendAcross(installation.settings, cluster) : absent(NOT_SERVING);
    },
  })
  /** What came of embedding a sentence and reading a page in each worker. */
  .row('trials', {
    lacking: 'no worker can be asked',
    needs: ['installation', 'cluster'],
    after: ['schema', 'crossing'],
    read: ({ installation, cluster }) => {
      if (cluster.workers.length === 0) return absent('no worker runs');
      return cluster.isReady ? tryWorkers(installation.settings, cluster) : absent(NOT_SERVING);
    },
  })
  /** The address that people use, asked from outside. It is measured whether answers are held back on their way. */
  .row('proxy', {
    lacking: 'the public address cannot be looked at',
    needs: ['installation', 'effective', 'database', 'cluster'],
    after: ['broker', 'crossing', 'trials'],
    read: ({ installation, effective, database, cluster }, { silence }) => {
      const url = publicUrl(effective, database);
      if (!url) return absent('WEBUI_URL is not set, so the public address is not known');
      // Then there is none between.
      if (url.protocol === 'http:' && Number(url.port || 80) === cluster.address.port)
        return absent('WEBUI_URL is the workers’ own port');
      return cluster.isReady ? readProxy(url, installation.settings, silence) : absent(NOT_SERVING);
    },
  });

type FactsOf<T> = T extends FactTable<Given, infer F> ? { [K in keyof F]: F[K] } : never;

export type Facts = FactsOf<typeof FACTS>;
export type FactName = keyof Facts;
export type Outcomes = { readonly [K in FactName]: Outcome<Facts[K]> };
