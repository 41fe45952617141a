import { scryptSync } from 'node:crypto';
import { WORKER_COUNT_NAMES } from '../../facts/settings/collect.ts';
import { check, error, note, ok, warning } from '../check.ts';
import { inForce } from '../read/stored.ts';

/** Characters of a key that nobody guesses: what Open WebUI draws itself has 16. */
const KEY_LENGTH = 16;

/** Bytes of the digest that the preload process keeps (runtime/contract.ts, KEY_DIGEST). */
const DIGEST_LENGTH = 64;

/** Seconds after which a user counts as gone (open_webui/models/users.py, 0.12.4). */
const PRESENCE_SECONDS = 180;

/** The most threads of asyncio's own pool (AnyIO's has 40): a smaller THREAD_POOL_SIZE makes things worse. */
const LEAST_THREADS = 32;

/** concurrent/futures/thread.py, ThreadPoolExecutor. */
const asyncioThreads = (cpus: number) => Math.min(LEAST_THREADS, cpus + 4);

const isTrue = (value: string | undefined) => value?.toLowerCase() === 'true';

export const settingsChecks = [
  check({
    id: 'settings.options',
    title: 'All files that the ecosystem file names exist',
    why: 'an env file or a preset that is gone stops the next start',
    source: 'docs/settings.md',
    needs: ['viewpoint'],
    about: 'viewpoint',
    run: ({ viewpoint: { envFilePath } }) => ok(envFilePath ?? 'there is no env file'),
  }),
  check({
    id: 'settings.readable',
    title: 'The settings can be read',
    why: 'the preload process refuses to start with an env file that it cannot read',
    source: 'python-dotenv; docs/settings.md',
    needs: ['installation'],
    about: 'installation',
    run: ({ installation: { settings } }) => ok(`${settings.size} settings`),
  }),
  check({
    id: 'settings.secret-key',
    title: 'WEBUI_SECRET_KEY is set and long',
    why: 'with another key everybody is signed out and stored tokens cannot be read; a short one can be guessed',
    source: 'open_webui/env.py; open-webui/open-webui#14057',
    needs: ['installation', 'files'],
    run: ({ installation: { settings, secretsFile }, files }) => {
      const key = settings.get('WEBUI_SECRET_KEY');
      if (!key?.value) {
        const older = files.keys.find(({ mode }) => mode !== undefined);
        return warning(
          older
            ? `it is not set; Open WebUI’s own is in ${older.path}, and the next plan takes it over`
            : 'it is not set; the next plan draws one',
          'webui-tune up, or webui-tune --out ecosystem.config.js --force: it is kept from then on',
        );
      }
      if (key.value.length < KEY_LENGTH) {
        return error(
          `it has ${key.value.length} characters (${key.source}): whoever guesses it signs in as anybody`,
          `WEBUI_SECRET_KEY=$(openssl rand -base64 32), in your settings or in ${secretsFile}; everybody signs in again`,
        );
      }
      return ok(`${key.value.length} characters (${key.source})`);
    },
  }),
  check({
    id: 'settings.secret-key-kept',
    title: 'WEBUI_SECRET_KEY is the one of the last start',
    why: 'with another one everybody is signed out, and tokens of OAuth, MCP and multi-factor sign-in cannot be read',
    source:
      'open_webui/env.py: the keys for stored tokens are the same unless they are set; open_webui/utils/mfa.py',
    needs: ['installation', 'files'],
    run: ({ installation: { settings }, files: { keyDigest } }) => {
      const key = settings.get('WEBUI_SECRET_KEY');
      if (!keyDigest) return ok('there was no start to compare with');
      if (!key?.value) return note('it is not set: settings.secret-key');
      const digest = scryptSync(key.value, Buffer.from(keyDigest.salt, 'hex'), DIGEST_LENGTH).toString('hex');
      if (digest === keyDigest.scrypt) return ok(`it is (${key.source})`);
      return warning(
        `it is another one now (${key.source}); the next start takes it`,
        'put the former one back, from a backup or from where it was set; if the change is meant, nothing: people sign in again',
      );
    },
  }),
  check({
    id: 'settings.websockets',
    title: 'Workers reach each other’s browsers',
    why: 'otherwise answers stream to only 1 in N users, though /ready is 200 and everything looks healthy',
    source: 'open_webui/socket/main.py; open-webui/open-webui#12286',
    needs: ['effective', 'workers'],
    run: ({ effective, workers: { count } }) => {
      if (count === 1) return ok('there is one worker');
      const manager = effective.get('WEBSOCKET_MANAGER');
      if (manager !== 'redis') {
        return error(
          `WEBSOCKET_MANAGER is ${manager === undefined ? 'not set' : JSON.stringify(manager)}, and ${count} workers need "redis"`,
          'take it out of your settings, and write the file anew: webui-tune --out ecosystem.config.js --force',
        );
      }
      const support = effective.get('ENABLE_WEBSOCKET_SUPPORT');
      if (support !== undefined && !isTrue(support)) {
        return error(
          'ENABLE_WEBSOCKET_SUPPORT is off: polling would have to come back to the same worker',
          'take ENABLE_WEBSOCKET_SUPPORT away, or set it to True',
        );
      }
      return ok('WEBSOCKET_MANAGER is redis, WebSockets are on');
    },
  }),
  check({
    id: 'settings.data-dir',
    title: 'The data has a folder of its own',
    why: 'an upgrade deletes data that is inside Python’s packages; a folder that cannot be written loses uploads',
    source: 'open_webui/env.py, DATA_DIR',
    needs: ['installation', 'files'],
    run: ({ installation: { dataDir }, files }) => {
      const { path } = dataDir;
      if (/\/(?:site|dist)-packages\//.test(`${path}/`)) {
        return error(
          `it is in ${path}, where an upgrade of Open WebUI can lose it`,
          'pm2 stop all; move that folder; set DATA_DIR to its new place; plan anew',
        );
      }
      if (files.dataDir.isWritable) return ok(path);
      return error(`${path} cannot be written by this user`, `chown -R $(id -un) ${path}`);
    },
  }),
  check({
    id: 'settings.worker-count',
    title: 'No variable starts workers within workers',
    why: 'uvicorn reads them in every worker: N × N processes',
    source: 'uvicorn/config.py, WEB_CONCURRENCY; open_webui/env.py, UVICORN_WORKERS',
    needs: ['ecosystem'],
    run: ({ ecosystem }) => {
      const set = WORKER_COUNT_NAMES.filter((name) => Number(ecosystem.env[name] ?? 1) > 1);
      return set.length === 0
        ? ok('none in the file asks for more than one')
        : error(`${set.join(', ')} in ${ecosystem.path}`, 'take it away: --workers says how many there are');
    },
  }),
  check({
    id: 'settings.threads',
    title: 'A worker has enough threads',
    why: 'when all threads are busy, sign-ins, uploads and questions about documents wait while the CPU idles',
    source: 'open_webui/main.py, lifespan: THREAD_POOL_SIZE sizes both pools; open-webui/open-webui#28168',
    needs: ['effective', 'machine'],
    run: ({ effective, machine: { cpu } }) => {
      const text = effective.get('THREAD_POOL_SIZE');
      const threads = /^\s*\d+\s*$/.test(text ?? '') ? Number(text) : 0;
      if (threads >= LEAST_THREADS) return ok(`${threads} in each of its two pools`);
      const found =
        threads > 0
          ? `THREAD_POOL_SIZE is ${threads}`
          : `THREAD_POOL_SIZE is ${text === undefined ? 'not set' : JSON.stringify(text)}: ${asyncioThreads(cpu.machineCpus)} threads read files, vectors and passwords`;
      return warning(found, 'take it out of your settings, and plan anew; or THREAD_POOL_SIZE=200');
    },
  }),
  check({
    id: 'settings.presence',
    title: 'Active users stay visible',
    why: 'if the status is written less often than every 3 minutes, a user who is active counts as gone',
    source: 'open_webui/models/users.py; open-webui/open-webui#28165',
    needs: ['effective'],
    run: ({ effective }) => {
      const value = effective.get('DATABASE_USER_ACTIVE_STATUS_UPDATE_INTERVAL');
      if (!value || Number(value) < PRESENCE_SECONDS) return ok(`written every ${value || '60'} s`);
      return warning(
        `DATABASE_USER_ACTIVE_STATUS_UPDATE_INTERVAL is ${value}: after ${PRESENCE_SECONDS} s a user counts as gone`,
        'DATABASE_USER_ACTIVE_STATUS_UPDATE_INTERVAL=60',
      );
    },
  }),
  check({
    id: 'settings.reset',
    title: 'No start wipes the settings',
    why: 'each worker that starts would delete what administrators have set',
    source: 'open_webui/main.py, lifespan: RESET_CONFIG_ON_START',
    needs: ['effective'],
    run: ({ effective }) =>
      isTrue(effective.get('RESET_CONFIG_ON_START'))
        ? error('RESET_CONFIG_ON_START is on', 'RESET_CONFIG_ON_START=False')
        : ok('RESET_CONFIG_ON_START is off'),
  }),
  check({
    id: 'settings.persistent',
    title: 'A change by an administrator reaches all workers',
    why: 'without it, a change stays in the one worker that served the request, until that one is replaced',
    source: 'open_webui/models/config.py, ENABLE_PERSISTENT_CONFIG',
    needs: ['effective', 'workers'],
    run: ({ effective, workers: { count } }) => {
      if (count === 1) return ok('there is one worker');
      return effective.get('ENABLE_PERSISTENT_CONFIG')?.toLowerCase() === 'false'
        ? error(
            `ENABLE_PERSISTENT_CONFIG is off, with ${count} workers`,
            'ENABLE_PERSISTENT_CONFIG=True; what the environment says is then used at the first start only',
          )
        : ok('ENABLE_PERSISTENT_CONFIG is not off: the settings live in the database');
    },
  }),
  check({
    id: 'settings.extraction',
    title: 'Another program reads documents',
    why: 'Open WebUI’s own reader of PDF files keeps memory, and every worker grows with uploads',
    source: 'docs.openwebui.com, performance; open-webui/open-webui#8597',
    needs: ['effective', 'database'],
    run: ({ effective, database }) => {
      const engine = inForce('CONTENT_EXTRACTION_ENGINE', effective, database);
      return engine
        ? ok(`the settings say: by ${engine}; cluster.reads tries it`)
        : note(
            'by the workers themselves; one that grows is replaced at its memory limit',
            'for many uploads: CONTENT_EXTRACTION_ENGINE=tika and TIKA_SERVER_URL',
          );
    },
  }),
];
