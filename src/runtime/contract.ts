/**
 * What the rendered ecosystem file and the runtime agree on. The tuner writes these names, the cluster worker
 * (supervisor/main.ts) and the preload process (preload/webui_preload/settings.py) read them; nothing else passes between the two.
 */

/** PM2 app names; `pm2 reload open-webui` and every document use them. */
export const APPS = {
  /** The cluster: one PM2 instance a worker. */
  cluster: 'open-webui',
  /** The process that imports Open WebUI once and forks the workers. */
  preload: 'open-webui-preload',
  /** Rotates their logs every few minutes; only in the file of `webui-tune up`. */
  logrotate: 'open-webui-logrotate',
  /** Serves metrics for Prometheus; only where it is asked for. */
  metrics: 'open-webui-metrics',
} as const;

/** Environment of the two apps. Every value is a string. */
export const ENV = {
  /** Both: absolute path of the control socket; its folder is made 0700 by the preload process. */
  controlSocket: 'WEBUI_TUNE_CONTROL_SOCKET',
  /** Preload: address and TCP port that the workers listen on. */
  host: 'WEBUI_TUNE_HOST',
  port: 'WEBUI_TUNE_PORT',
  /** Preload: one of PRELOAD_CHOICES. */
  preload: 'WEBUI_TUNE_PRELOAD',
  /** Preload: the user's own env file; read at every start of the preload process. Absent: none. */
  envFile: 'WEBUI_TUNE_ENV_FILE',
  /** Preload: the 0600 file that the tuner keeps WEBUI_SECRET_KEY and other secrets in. */
  secretsFile: 'WEBUI_TUNE_SECRETS_FILE',
  /**
   * Preload: comma-separated names of those settings in its environment that the tuner computed, so that
   * a line in the env file wins over them without planning anew.
   */
  computed: 'WEBUI_TUNE_COMPUTED',
  /**
   * Preload: folder of the page's compressed files, which workers answer ahead of the app; made where it is missing, and
   * safe to empty while nothing runs. Absent: the app answers them itself.
   */
  staticCache: 'WEBUI_TUNE_STATIC_CACHE',
  /** Preload: `true`: workers spare round trips and work around the app (shortcuts/take.py). Absent: they do not. */
  shortcuts: 'WEBUI_TUNE_SHORTCUTS',
  /**
   * Preload: what was planned for, and with which figures, as JSON (`Planned` in tune/measurements/observed.ts); the preload process
   * keeps it with what it really takes. Absent: nobody asks for that.
   */
  planned: 'WEBUI_TUNE_PLANNED',
  /** Worker: seconds that a draining worker may take to finish the answers that it is generating. */
  drainSeconds: 'WEBUI_TUNE_DRAIN_SECONDS',
  /** Worker: MiB of private memory at which a worker is replaced. Absent: no limit. */
  memoryLimit: 'WEBUI_TUNE_MEMORY_LIMIT_MIB',
  /** Worker: seconds that its event loop may stand still before it is replaced; 0: it is not watched. */
  hangSeconds: 'WEBUI_TUNE_HANG_SECONDS',
  /** Metrics: TCP port on 127.0.0.1. */
  metricsPort: 'WEBUI_TUNE_METRICS_PORT',
} as const;

/** What `--preload` takes. `lean` is `app` without torch, for remote embeddings. */
export const PRELOAD_CHOICES = ['auto', 'app', 'lean', 'libraries', 'none'] as const;
export type PreloadChoice = (typeof PRELOAD_CHOICES)[number];

/**
 * Exit code of "cannot boot, and trying again will not help" (sysexits.h, EX_CONFIG). It goes into PM2's
 * `stop_exit_codes`, so that the reason stays on the screen instead of scrolling away in a restart loop.
 */
export const EXIT_CANNOT_BOOT = 78;

/**
 * Seconds until PM2 calls an instance ready that has not said so (`listen_timeout`); a reload would then stop the old
 * one. Migrations and the import took 12 to 33 s on two cores; an instance also waits for a database that is down.
 */
export const READY_SECONDS = 300;

/**
 * What a worker answers ahead of the app (preload/webui_preload/worker/echo.py): to a request whose header is `SECONDS.HMAC`, the
 * time and the hexadecimal HMAC-SHA256 of `echo SECONDS` with WEBUI_SECRET_KEY, it says how that request arrived; with
 * `?silence=N`, after N seconds.
 */
export const ECHO = { path: '/api/webui-tune/echo', header: 'x-webui-tune-echo' } as const;

/**
 * What a worker tries at such a request (preload/webui_preload/worker/trial.py), signed with `embed SECONDS` and `read SECONDS`:
 * to embed a sentence, and to read a page, with Open WebUI's own code and settings. `seconds`: until it gives up.
 */
export const TRIALS = {
  embed: '/api/webui-tune/embed',
  read: '/api/webui-tune/read',
  seconds: 20,
} as const;

/**
 * File in DATA_DIR with a digest of the WEBUI_SECRET_KEY that the last start had (preload/webui_preload/key_digest.py):
 * JSON, `salt` and `scrypt` in hexadecimal, 64 bytes with N 16384, r 8, p 1.
 */
export const KEY_DIGEST = '.webui-tune.key';

/**
 * File of the run folder in which the preload process says which models are here: at each start, and after each attempt
 * to fetch one (preload/webui_preload/models/state.py).
 */
export const MODELS_STATE = 'models.json';

/** A model that a worker's start-up loads. */
export interface LocalModel {
  kind: 'embedding' | 'reranker';
  name: string;
  here: boolean;
  /** Why it is not here; empty where it is. */
  reason: string;
}

/** Open WebUI's own choice of an embedding model (open_webui/config.py, 0.12.4; preload/webui_preload/services/wait.py). */
export const DEFAULT_MODEL = 'sentence-transformers/all-MiniLM-L6-v2';

export interface ModelsState {
  /** Address of the hub: HF_ENDPOINT, or Hugging Face's own. */
  endpoint: string;
  /** Whether workers run with Hugging Face offline: by the user's setting, or because a model is missing. */
  offline: boolean;
  models: LocalModel[];
  /** ISO 8601, UTC; so is the next. */
  checkedAt: string;
  /** null: it is not tried again while this runs. */
  nextAttemptAt: string | null;
}

/** What does not work without a model of the kind. */
export const WITHOUT_MODEL = {
  embedding: 'documents cannot be read or searched',
  reranker: 'search results are not ranked',
} as const;

/** How to mend it. */
export const MODEL_MEND =
  'Let this machine reach Hugging Face, name a proxy (HTTPS_PROXY) or a mirror (HF_ENDPOINT) in the env file, or bring the model along: docs/offline.md';
/**
 * Files in the folder of the control socket in which a running tree keeps what it really takes, for the next plan
 * (tune/measurements/observed.ts reads them): the preload process once, at its start (preload/webui_preload/observed.py), and each
 * instance's supervisor as its worker grows (supervisor/observer.ts).
 */
export const OBSERVED = {
  preload: 'observed-preload.json',
  instance: (instance: string) => `observed-${instance}.json`,
} as const;

/**
 * Share of its own first memory that a worker must be able to grow by. The supervisor enforces no limit that leaves less,
 * because a worker's successor would hit it at once.
 */
export const LEAST_GROWTH = 0.25;

/** Name that a Python worker gives its process (preload/webui_preload/worker/run.py, _name_process). */
export const WORKER_PROCESS = 'webui-worker';

/** Port of the metrics unless another is asked for: that of OpenTelemetry's exporter for Prometheus. */
export const METRICS_PORT = 9464;

/** Files of the runtime folder, as built into dist/runtime/. */
export const RUNTIME_FILES = {
  worker: 'worker.cjs',
  preload: 'preload/preload.py',
  logrotate: 'logrotate.cjs',
  metrics: 'metrics.cjs',
} as const;

/** How workers come about: forked from the preload process, or spawned by Open WebUI's own server. */
export const RUNTIMES = ['preload', 'uvicorn'] as const;

export type RuntimeChoice = (typeof RUNTIMES)[number];
