"""What passes between the tuner, the supervisors and this half: the twin of ``contract.ts`` and ``frame-names.ts``.

Those two files say what each name means. Here are the names that Python needs, in its own spelling: ``Env.ENV_FILE``
is ``ENV.envFile``. ``test/unit/runtime/contract.test.ts`` compares both sides.
"""


class Apps:
    """Names of the apps in PM2."""

    CLUSTER = "open-webui"
    PRELOAD = "open-webui-preload"


class Env:
    """Environment of the apps."""

    CONTROL_SOCKET = "WEBUI_TUNE_CONTROL_SOCKET"
    HOST = "WEBUI_TUNE_HOST"
    PORT = "WEBUI_TUNE_PORT"
    PRELOAD = "WEBUI_TUNE_PRELOAD"
    ENV_FILE = "WEBUI_TUNE_ENV_FILE"
    SECRETS_FILE = "WEBUI_TUNE_SECRETS_FILE"
    COMPUTED = "WEBUI_TUNE_COMPUTED"
    STATIC_CACHE = "WEBUI_TUNE_STATIC_CACHE"
    SHORTCUTS = "WEBUI_TUNE_SHORTCUTS"
    DOCUMENTS = "WEBUI_TUNE_DOCUMENTS"
    DOCUMENT_MEMORY = "WEBUI_TUNE_DOCUMENT_MEMORY_MIB"
    DOCUMENT_SECONDS = "WEBUI_TUNE_DOCUMENT_SECONDS"
    PLANNED = "WEBUI_TUNE_PLANNED"
    UVICORN_WORKERS = "WEBUI_TUNE_UVICORN_WORKERS"


PRELOAD_CHOICES = ("auto", "app", "lean", "libraries", "none")

#: sysexits.h, EX_CONFIG: trying again will not help.
EXIT_CANNOT_BOOT = 78

READY_SECONDS = 300

#: From the end of a worker's drain to the end of its process.
WORKER_END_SECONDS = 8

STREAMS = ("control", "stdout", "stderr")

#: Bytes.
LONGEST_FRAME = 16 * 1024


class Roles:
    """The ``role`` of a connection's first frame."""

    SUPERVISOR = "supervisor"
    CHANNEL = "channel"
    LISTENER = "listener"
    DOCUMENT = "document"


class Frames:
    """The ``type`` of every later frame."""

    WELCOME = "welcome"
    FORK = "fork"
    FORKED = "forked"
    EXITED = "exited"
    CANCEL = "cancel"
    REPLACED = "replaced"
    READY = "ready"
    BEAT = "beat"
    DRAIN = "drain"
    DRAINING = "draining"
    OFFER = "offer"
    MOVE = "move"
    MOVED = "moved"
    PLACE = "place"
    GO = "go"
    ENDED = "ended"


class RunFolder:
    """Names in the run folder."""

    LOCK = "preload.lock"
    TROUBLE = "trouble"
    MODELS = "models.json"
    GENERATION = "generation-"
    GENERATION_VERSION = "version"
    GENERATION_LOCK = "lock"
    DOCUMENTS = "documents"


class Observed:
    """Files of the run folder with what a tree really takes."""

    PRELOAD = "observed-preload.json"


#: Seconds.
DURATION_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

REQUEST_KINDS = ("api", "page", "stream")

DURATIONS = (*REQUEST_KINDS, "database")


class Echo:
    """The signed question of the doctor."""

    PATH = "/api/webui-tune/echo"
    HEADER = "x-webui-tune-echo"


class Trials:
    """Further signed questions; ``SECONDS``: until a trial is given up."""

    EMBED = "/api/webui-tune/embed"
    READ = "/api/webui-tune/read"
    SECONDS = 20


KEY_DIGEST = ".webui-tune.key"

DEFAULT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"


class WithoutModel:
    """What does not work without a model of the kind."""

    EMBEDDING = "documents cannot be read or searched"
    RERANKER = "search results are not ranked"


MODEL_MEND = (
    "Let this machine reach Hugging Face, name a proxy (HTTPS_PROXY) or a mirror (HF_ENDPOINT) in the env file, or "
    "bring the model along: docs/offline.md"
)

WORKER_PROCESS = "webui-worker"

DOCUMENT_PROCESS = "webui-document"
