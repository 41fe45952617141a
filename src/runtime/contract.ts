/**
 * All that passes between the tuner, the supervisors and the preload process with its workers: names, files, and the figures
 * that both sides count on; frame-names.ts has what they say to each other. preload/webui_preload/contract.py is the twin of
 * both files for Python, and test/unit/runtime/contract.test.ts compares them.
 */

import { LOOPBACK } from '../base/io/address.ts';

/** PM2 app names; `pm2 reload open-webui` and every document use them. */
export const APPS = {
  /** The cluster: one PM2 instance a worker. */
  cluster: 'open-webui',
  /** The process that imports Open WebUI once and forks the workers. */
  preload: 'open-webui-preload',
  /** Rotates their logs every few minutes; only where `webui-tune up` wrote the file. */
  logrotate: 'open-webui-logrotate',
  /** Serves metrics for Prometheus; only with --metrics. */
  metrics: 'open-webui-metrics',
  /** Adds workers and takes them away, as the load asks for; only with a range of workers. */
  scale: 'open-webui-scale',
  /** Begins a backup where one is due; only with `webui-tune backup --schedule`. */
  backup: 'open-webui-backup',
} as const;

/** Environment of the apps. Every value is a string. */
export const ENV = {
  /** All: absolute path of the control socket. The preload process makes its folder, with mode 0700. */
  controlSocket: 'WEBUI_TUNE_CONTROL_SOCKET',
  /** Preload: address and TCP port that the workers listen on; scale: that port. */
  host: 'WEBUI_TUNE_HOST',
  port: 'WEBUI_TUNE_PORT',
  /** Preload: one of PRELOAD_CHOICES. */
  preload: 'WEBUI_TUNE_PRELOAD',
  /** Preload: the user's own env file; read at every start of the preload process. Absent: none. */
  envFile: 'WEBUI_TUNE_ENV_FILE',
  /** Preload: the 0600 file that the tuner keeps WEBUI_SECRET_KEY and other secrets in. */
  secretsFile: 'WEBUI_TUNE_SECRETS_FILE',
  /**
   * Preload: comma-separated names of the settings in its environment that the tuner computed. A line in the env file wins
   * over these at the next start, without a new plan.
   */
  computed: 'WEBUI_TUNE_COMPUTED',
  /**
   * Preload: folder of the page's compressed files, from which workers answer ahead of the app. The preload process makes
   * it; it may be emptied while nothing runs. Absent: the app answers for these files.
   */
  staticCache: 'WEBUI_TUNE_STATIC_CACHE',
  /** Preload: `true` lets workers skip round trips and work (shortcuts/take.py). Absent: they do not. */
  shortcuts: 'WEBUI_TUNE_SHORTCUTS',
  /**
   * Preload: how many documents are processed at once beside the workers (preload/webui_preload/documents/). Absent or 0:
   * the workers process them.
   */
  documents: 'WEBUI_TUNE_DOCUMENTS',
  /** Preload: what the plan took that number from (`--documents-at-once`); only `webui-tune doctor` reads it. */
  documentsAtOnce: 'WEBUI_TUNE_DOCUMENTS_AT_ONCE',
  /** Preload: MiB that a document may take beside what its process shares. Absent: 2048. */
  documentMemory: 'WEBUI_TUNE_DOCUMENT_MEMORY_MIB',
  /** Preload: seconds of computing time in which a document must be read. Absent: 600. */
  documentSeconds: 'WEBUI_TUNE_DOCUMENT_SECONDS',
  /**
   * Preload: the figures and conditions of the plan, as JSON (`Planned` in tune/measurements/observed.ts). The preload
   * process writes them down beside the memory that it really takes. Absent: nothing is written down.
   */
  planned: 'WEBUI_TUNE_PLANNED',
  /** Preload, where nothing is forked: how many workers uvicorn starts. */
  uvicornWorkers: 'WEBUI_TUNE_UVICORN_WORKERS',
  /** Supervisor: seconds that a draining worker may take to finish the answers that it is generating. */
  drainSeconds: 'WEBUI_TUNE_DRAIN_SECONDS',
  /** Supervisor: MiB of private memory at which it replaces its worker. Absent: no limit. */
  memoryLimit: 'WEBUI_TUNE_MEMORY_LIMIT_MIB',
  /** Supervisor: seconds that the event loop of its worker may stand still before it replaces the worker; 0: any time. */
  hangSeconds: 'WEBUI_TUNE_HANG_SECONDS',
  /** Scale: the least and the most workers that there are to be. */
  leastWorkers: 'WEBUI_TUNE_LEAST_WORKERS',
  mostWorkers: 'WEBUI_TUNE_MOST_WORKERS',
  /** Scale: MiB that must be free for one worker more. */
  workerMemory: 'WEBUI_TUNE_WORKER_MEMORY_MIB',
  /** Metrics: TCP port on 127.0.0.1. */
  metricsPort: 'WEBUI_TUNE_METRICS_PORT',
  /** Backup: absolute path of the command line's own file, dist/cli.js. */
  program: 'WEBUI_TUNE_PROGRAM',
} as const;

/**
 * Address that Open WebUI listens on unless another is asked for: this machine only, unlike `open-webui serve` (0.0.0.0).
 * Whoever opens the first account is the administrator, and passwords over plain HTTP can be read on the way. The report
 * says how to serve other machines.
 */
export const DEFAULT_HOST = LOOPBACK;

/** TCP port unless another is asked for: Open WebUI's own (`open-webui serve`). */
export const DEFAULT_PORT = 8080;

/** What `--preload` takes. `lean` is `app` without torch, for remote embeddings. */
export const PRELOAD_CHOICES = ['auto', 'app', 'lean', 'libraries', 'none'] as const;
export type PreloadChoice = (typeof PRELOAD_CHOICES)[number];

/**
 * Exit code of "cannot boot, and trying again will not help" (sysexits.h, EX_CONFIG). PM2 does not restart an app that ends
 * with it (`stop_exit_codes`), so that the reason stays on the screen.
 */
export const EXIT_CANNOT_BOOT = 78;

/**
 * Exit code of a supervisor that PM2 stops before its worker is ready. PM2 (7.0, lib/God.js) takes the end of an instance for
 * the end of its start, and starts it anew, though it is being stopped or deleted: it would run on as nobody's. It does not
 * after this one (`stop_exit_codes`). 0 would not do, which is also what a SIGKILL counts as.
 */
export const EXIT_STOPPED_EARLY = 79;

/**
 * Seconds that PM2 waits for an instance to say that it is ready (`listen_timeout`). After that, a reload stops the old
 * instance all the same. Migrations and the import took 12 to 33 s on two cores, and a database that is down takes longer.
 */
export const READY_SECONDS = 300;

/**
 * Seconds that a worker may take from the end of its drain to the end of its process (preload/webui_preload/worker/run.py
 * ends it then): the app's own shutdown may wait for what never comes. Its supervisor kills it after that.
 */
export const WORKER_END_SECONDS = 8;

/**
 * Seconds that a supervisor needs after the drain time: its worker's end, then up to one to hear how that ended and one to
 * write its log (supervisor/links.ts, log.ts). A process manager that kills it earlier loses the worker's last words.
 */
export const SUPERVISOR_END_SECONDS = WORKER_END_SECONDS + 2;

/** Seconds after the drain time at which the process manager kills a supervisor: five to spare on a busy machine. */
export const KILL_SECONDS = SUPERVISOR_END_SECONDS + 5;

/** Kinds of requests whose durations are counted. They say nothing of who asked for what, and are few. */
export const REQUEST_KINDS = [
  /** Open WebUI's interface to programs, its own page included. */
  'api',
  /** Files of the page. */
  'page',
  /** Chat completions, and all that is streamed: they last as long as a model answers. */
  'stream',
] as const;

/** What a worker counts the durations of: requests, and waits for a connection to the database. */
export const DURATIONS = [...REQUEST_KINDS, 'database'] as const;

/** Upper bounds of the buckets in which it counts them, in seconds. DATABASE_POOL_TIMEOUT is 30 (open_webui/env.py). */
export const DURATION_BOUNDS = [
  0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
] as const;

/** What the run folder holds, the folder of the control socket; beside these, OBSERVED and supervisor/report.ts. */
export const RUN_FOLDER = {
  /** Held by the preload process that runs, and has its pid. */
  lock: 'preload.lock',
  /** Why the last start of the preload process failed, in words. */
  trouble: 'trouble',
  /** Which models are here: written at each start, and after each attempt to fetch one (preload/webui_preload/models/state.py). */
  models: 'models.json',
  /** A folder for each start of the preload process whose workers live: this and the name of its generation. */
  generation: 'generation-',
  /** In that folder: Open WebUI's version, and the lock that the process and its workers hold. */
  generationVersion: 'version',
  generationLock: 'lock',
  /** A folder of the documents that are processed beside the workers (preload/webui_preload/documents/jobs.py). */
  documents: 'documents',
  /** How many workers there are to be, and why that changed (runtime/scale/told.ts). */
  scale: 'scale.json',
  /** Under systemd: that number alone, for the unit that starts and stops the others. */
  workers: 'workers',
} as const;

/** Labels of what `pm2 describe` shows of an instance (`axm_monitor`). */
export const MONITOR = {
  pid: 'Worker pid',
  privateMemory: 'Private memory',
  sharedMemory: 'Shared memory',
  level: 'Preload level',
  generation: 'Generation',
  requests: 'Requests',
  sockets: 'WebSockets',
  generating: 'Answers being generated',
  log: 'Log',
  preload: 'Preload process',
  identity: 'Identity',
} as const;

/**
 * A question that a worker answers ahead of the app (preload/webui_preload/worker/echo.py): how did this request arrive? Its
 * header is `SECONDS.HMAC`: the time, and the hexadecimal HMAC-SHA256 of `echo SECONDS` with WEBUI_SECRET_KEY. With
 * `?silence=N` the answer comes after N seconds.
 */
export const ECHO = { path: '/api/webui-tune/echo', header: 'x-webui-tune-echo' } as const;

/**
 * Two more such questions (preload/webui_preload/worker/trial.py), signed with `embed SECONDS` and `read SECONDS`: can this
 * worker embed a sentence, and read a page, with Open WebUI's own code and settings? It gives up after `seconds`.
 */
export const TRIALS = {
  embed: '/api/webui-tune/embed',
  read: '/api/webui-tune/read',
  seconds: 20,
} as const;

/**
 * File in DATA_DIR with a digest of the WEBUI_SECRET_KEY of the last start (preload/webui_preload/key_digest.py). JSON:
 * `salt` and `scrypt` in hexadecimal; scrypt gives 64 bytes with N 16384, r 8, p 1.
 */
export const KEY_DIGEST = '.webui-tune.key';

/** A model that a worker's start-up loads. */
export interface LocalModel {
  kind: 'embedding' | 'reranker';
  name: string;
  here: boolean;
  /** Why it is not here; empty where it is. */
  reason: string;
}

/** Open WebUI's own choice of an embedding model (open_webui/config.py, 0.12.4). */
export const DEFAULT_MODEL = 'sentence-transformers/all-MiniLM-L6-v2';

export interface ModelsState {
  /** Address of the hub: HF_ENDPOINT, or Hugging Face's own. */
  endpoint: string;
  /** Whether workers run with Hugging Face offline: by the user's setting, or because a model is missing. */
  offline: boolean;
  models: LocalModel[];
  /** ISO 8601, UTC; so is the next. */
  checkedAt: string;
  /** null: this process does not try again. */
  nextAttemptAt: string | null;
}

/** What does not work without a model of the kind. */
export const WITHOUT_MODEL = {
  embedding: 'documents cannot be read or searched',
  reranker: 'search results are not ranked',
} as const;

/** How to get a model that is missing. */
export const MODEL_MEND =
  'Let this machine reach Hugging Face, name a proxy (HTTPS_PROXY) or a mirror (HF_ENDPOINT) in the env file, or bring the model along: docs/offline.md';
/**
 * Files of the run folder in which a running tree keeps the memory that it really takes, for the next plan
 * (tune/measurements/observed.ts). The preload process writes one at its start (preload/webui_preload/observed.py), and the
 * supervisor of each instance one as its worker grows (supervisor/observer.ts).
 */
export const OBSERVED = {
  preload: 'observed-preload.json',
  instance: (instance: string) => `observed-${instance}.json`,
} as const;

/**
 * A worker must be able to grow by this share of the memory that it begins with. A supervisor enforces no limit that leaves
 * less, because each successor of a worker would hit it at once.
 */
export const LEAST_GROWTH = 0.25;

/** Whether a worker that began with `firstMemory` can be held to `limit`; both in the same unit. */
export function leavesRoom(limit: number, firstMemory: number): boolean {
  return firstMemory * (1 + LEAST_GROWTH) <= limit;
}

/** Name that a Python worker gives its process: at most 15 bytes (prctl(2), PR_SET_NAME). */
export const WORKER_PROCESS = 'webui-worker';

/** The same of a process that works on one document (preload/webui_preload/documents/helper.py). */
export const DOCUMENT_PROCESS = 'webui-document';

/** Port of the metrics unless another is asked for: that of OpenTelemetry's exporter for Prometheus. */
export const METRICS_PORT = 9464;

/** Files of the runtime folder, as built into dist/runtime/. */
export const RUNTIME_FILES = {
  worker: 'worker.cjs',
  preload: 'preload/preload.py',
  hold: 'preload/hold.py',
  serve: 'preload/serve.py',
  logrotate: 'logrotate.cjs',
  metrics: 'metrics.cjs',
  scale: 'scale.cjs',
  backup: 'backup.cjs',
} as const;

/** Who makes the workers: the preload process forks them, or Open WebUI's own server spawns them. */
export const RUNTIMES = ['preload', 'uvicorn'] as const;

export type RuntimeChoice = (typeof RUNTIMES)[number];
