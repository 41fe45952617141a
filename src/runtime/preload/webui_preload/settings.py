"""Settings of the preload process from the ecosystem file, and the environment for the import of Open WebUI.

The names of the variables are in contract.py.
"""

import os
import stat
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from pathlib import Path

from .contract import PRELOAD_CHOICES, Env
from .envfile import EnvFileError, read_env_file
from .installed import source_tree

#: PM2 decides how many workers there are. A worker that read one of these would start more of its own.
WORKER_COUNT_NAMES = ("WEB_CONCURRENCY", "UVICORN_WORKERS")

#: Proxies whose X-Forwarded-For is believed unless the user names others (FORWARDED_ALLOW_IPS): uvicorn's default.
#: Open WebUI's own default is "*", which lets any client forge its address.
TRUSTED_PROXIES = "127.0.0.1,::1"


class SettingsError(Exception):
    """The ecosystem file, an env file or the environment is wrong; trying again will not help."""


#: What a document may take where the ecosystem file does not say: MiB beside what the preload process shares, and
#: seconds of computing time to read it. A PDF of 600 pages took 345 MiB and 40 s; one of 5,000 is read within both.
DOCUMENT_MEMORY_MIB, DOCUMENT_SECONDS = 2048, 600


@dataclass(frozen=True)
class DocumentSettings:
    """How documents are processed outside of the workers."""

    #: At most so many at once; 0: they are processed in the workers.
    at_once: int = 0
    memory_mib: int = DOCUMENT_MEMORY_MIB
    seconds: int = DOCUMENT_SECONDS


@dataclass(frozen=True)
class Settings:
    """The preload process's own settings."""

    control_socket: Path
    host: str
    port: int
    choice: str
    env_file: Path | None
    secrets_file: Path | None
    #: Folder of the compressed static files; None: the app answers them itself.
    static_cache: Path | None
    #: Whether workers skip round trips and work of the app.
    shortcuts: bool
    computed: frozenset[str]
    documents: DocumentSettings = DocumentSettings()

    @property
    def run_folder(self) -> Path:
        """Private folder of this installation: control socket, locks, static files of each generation."""
        return self.control_socket.parent


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Raises SettingsError, which names the variable."""
    port = _required(environ, Env.PORT)
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsError(f"{Env.PORT} is {port!r}, not a TCP port")
    choice = environ.get(Env.PRELOAD, "auto")
    if choice not in PRELOAD_CHOICES:
        raise SettingsError(f"{Env.PRELOAD} is {choice!r}, not one of {', '.join(PRELOAD_CHOICES)}")
    return Settings(
        control_socket=Path(_required(environ, Env.CONTROL_SOCKET)),
        host=_required(environ, Env.HOST),
        port=int(port),
        choice=choice,
        env_file=_optional_path(environ, Env.ENV_FILE),
        secrets_file=_optional_path(environ, Env.SECRETS_FILE),
        static_cache=_optional_path(environ, Env.STATIC_CACHE),
        shortcuts=environ.get(Env.SHORTCUTS) == "true",
        computed=frozenset(filter(None, environ.get(Env.COMPUTED, "").split(","))),
        documents=DocumentSettings(
            at_once=_whole_number(environ, Env.DOCUMENTS, 0, least=0),
            memory_mib=_whole_number(environ, Env.DOCUMENT_MEMORY, DOCUMENT_MEMORY_MIB),
            seconds=_whole_number(environ, Env.DOCUMENT_SECONDS, DOCUMENT_SECONDS),
        ),
    )


def apply_environment(settings: Settings, environ: MutableMapping[str, str]) -> frozenset[str]:
    """Complete ``environ`` for the import of Open WebUI. Returns the names whose values come from the tuner.

    ``environ`` wins over the env file, and the env file over the secrets file. There is one exception: the env file
    wins over values that the tuner computed, so that a line added there counts at the next start, without a new plan.
    Raises SettingsError.
    """
    try:
        from_user = read_env_file(settings.env_file, interpolate=True) if settings.env_file else {}
        kept = (
            read_env_file(settings.secrets_file, interpolate=False)
            if settings.secrets_file and settings.secrets_file.exists()
            else {}
        )
    except EnvFileError as error:
        raise SettingsError(str(error)) from error
    for name, value in from_user.items():
        if name not in environ or name in settings.computed:
            environ[name] = value
    for name, value in kept.items():
        environ.setdefault(name, value)
    for name in WORKER_COUNT_NAMES:
        environ.pop(name, None)
    environ.setdefault("FORWARDED_ALLOW_IPS", TRUSTED_PROXIES)
    # Without this, a package that pip installed looks for its static files and its version in a source checkout.
    if source_tree() is None:
        environ["FROM_INIT_PY"] = "true"
    if not environ.get("WEBUI_SECRET_KEY") and environ.get("WEBUI_AUTH", "true").lower() == "true":
        raise SettingsError(
            "WEBUI_SECRET_KEY is in neither the environment nor "
            f"{' nor '.join(str(p) for p in (settings.env_file, settings.secrets_file) if p)}. "
            "Run webui-tune again: it draws one and keeps it. Every user has to sign in anew if it changes."
        )
    return settings.computed - from_user.keys()


def protect_files(settings: Settings) -> list[str]:
    """Remove other users' access to our own file, and check the user's file. Returns lines for the log.

    Raises SettingsError where everybody can write the env file: whoever does decides what runs here.
    """
    words = []
    if settings.env_file and settings.env_file.exists():
        mode = settings.env_file.stat().st_mode
        if mode & stat.S_IWOTH:
            raise SettingsError(
                f"everybody can write {settings.env_file}, and with it what runs here: chmod 600 {settings.env_file}"
            )
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            words.append(
                f"others can read {settings.env_file}, which may hold secrets: chmod 600 {settings.env_file}"
            )
    if settings.secrets_file and settings.secrets_file.exists():
        path = settings.secrets_file
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            try:
                path.chmod(0o600)
                words.append(f"others could read {path}: not any more")
            except OSError as error:
                words.append(f"others can read {path}, which holds secrets ({error.strerror}): chmod 600 {path}")
    return words


def database_url(environ: Mapping[str, str]) -> str:
    """The URL that Open WebUI will use (open_webui/env.py, "Database")."""
    parts = [environ.get(f"DATABASE_{part}") for part in ("TYPE", "HOST", "PORT", "NAME")]
    credentials = environ.get("DATABASE_USER", "")
    if password := environ.get("DATABASE_PASSWORD"):
        credentials += f":{password}"
    if all(parts) and credentials:
        return f"{parts[0]}://{credentials}@{parts[1]}:{parts[2]}/{parts[3]}"
    url = environ.get("DATABASE_URL") or f"sqlite:///{environ.get('DATA_DIR', os.getcwd())}/webui.db"
    return url.replace("postgres://", "postgresql://")


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise SettingsError(
            f"{name} is not set: start this with PM2, from the file that webui-tune writes "
            "(webui-tune > ecosystem.config.js; pm2 start ecosystem.config.js)"
        )
    return value


def _whole_number(environ: Mapping[str, str], name: str, default: int, *, least: int = 1) -> int:
    value = environ.get(name) or str(default)
    if not value.isdecimal() or int(value) < least:
        raise SettingsError(f"{name} is {value!r}, not a whole number of at least {least}")
    return int(value)


def _optional_path(environ: Mapping[str, str], name: str) -> Path | None:
    value = environ.get(name)
    return Path(value) if value else None
