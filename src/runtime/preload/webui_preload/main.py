"""The preload process from its start to its end."""

import json
import os
import signal
import socket
import sys
import traceback
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import FrameType
from typing import NoReturn

from .configured import Configured
from .contract import EXIT_CANNOT_BOOT, Env, RunFolder
from .forking import control
from .forking import tcp_port as tcp
from .forking.server import ForkServer, Prepared
from .generation import (
    AlreadyRunning,
    Generation,
    live_generations,
    lock_installation,
    wait_for_other_versions,
)
from .host.host import Host, find_host
from .installed import open_webui_version
from .key_digest import keep_key_digest
from .log import complain, say
from .models.local_models import NO_MODELS
from .models.supply import ModelSupply
from .observed import keep_preload
from .run_folder import make_run_folder
from .services.cancelled_waits import keep_cancellations
from .services.dead_connections import notice_dead_connections
from .services.migration_lock import MigrationLock
from .services.wait import Engines, ask_engines, count_neighbours, wait_for_services
from .settings import (
    Settings,
    SettingsError,
    apply_environment,
    protect_files,
    read_settings,
)
from .sharing import levels
from .static.cache import StaticPacking

#: sysexits.h, EX_TEMPFAIL: PM2 tries again, with back-off.
EXIT_TRY_AGAIN = 75

#: A preload process that starts over with less passes on what: a `Fallback` as JSON.
FALLBACK = "WEBUI_TUNE_PRELOAD_FALLBACK"


@dataclass(frozen=True)
class Fallback:
    """What could not be forked before this process started over, and what it is to do instead."""

    level: str
    reason: str
    #: Parts of a level (`levels.MODELS`, `levels.WARMTH`) that are left out.
    without: list[str] = field(default_factory=list)


def main() -> NoReturn:
    """Prepare, import, serve. Exits with 0 when told to stop, else with EXIT_CANNOT_BOOT or EXIT_TRY_AGAIN."""
    environment = dict(os.environ)
    try:
        host = find_host(os.environ)
        passed_on = os.environ.pop(FALLBACK, "")
        fallback = Fallback(**json.loads(passed_on)) if passed_on else None
        settings = read_settings(os.environ)
        for word in protect_files(settings):
            complain(word)
        computed = apply_environment(settings, os.environ)
        version = open_webui_version()
        make_run_folder(settings.run_folder)
        lock = lock_installation(settings.run_folder)
        (settings.run_folder / RunFolder.TROUBLE).unlink(missing_ok=True)
    except AlreadyRunning as error:
        complain(str(error))  # not written to the run folder: the other process is fine
        os._exit(EXIT_CANNOT_BOOT)
    except (SettingsError, PermissionError) as error:
        _give_up(str(error))
    except PackageNotFoundError:
        _give_up(f"{sys.executable} has no Open WebUI: {sys.executable} -m pip install 'open-webui[postgres]'")
    control_socket = control.listen(settings.control_socket)
    _leave_at_once_on_signals(settings)
    try:
        listener = _bind(settings)
        keep_cancellations()
        notice_dead_connections()
        wait_for_other_versions(settings.run_folder, version)
        wait_for_services(os.environ)
        _warn_of_neighbours(settings)
        migration = MigrationLock()
        migration.acquire(os.environ)
        engines = ask_engines(os.environ)
        level, reason = _choose_level(settings, fallback, engines)
        supply = ModelSupply(engines.models, os.environ, settings.run_folder, again=True)
        supply.begin()
        packing = StaticPacking(settings.static_cache, os.environ, computed)
        generation = Generation(settings.run_folder, os.urandom(4).hex(), version)
        os.environ.setdefault("STATIC_DIR", str(generation.static_folder()))
        start = Start(settings, level, reason, fallback.without if fallback else [], engines.configured)
        preload = _import(start, supply, generation, host, environment)
        supply.settle()
    except SettingsError as error:
        _give_up(str(error), settings)
    say(
        f"Open WebUI {version}, generation {generation.name}: preloaded {preload.level} ({preload.reason})"
        f"{', with warm caches' if preload.is_warm else ''}; "
        f"{len(preload.identities.places)} ids and {len(preload.descriptors.connections)} connections are "
        "renewed in each worker"
    )
    migration.imported(preload.descriptors.connections)
    static = packing.finish()
    if changed := keep_key_digest(os.environ):
        complain(changed)
    keep_preload(settings.run_folder, os.environ, generation=generation.name, version=version, level=preload.level)
    server = ForkServer(
        Prepared(
            settings=settings,
            generation=generation,
            preload=preload,
            static=static,
            control=control_socket,
            listener=listener,
            host=host,
            lock=lock,
            supply=supply,
            on_serving=migration.release,
        )
    )
    try:
        server.run()
    finally:
        supply.leave()
        settings.control_socket.unlink(missing_ok=True)
        generation.leave()
    if server.starts_anew:
        _start_anew(host, environment)
    os._exit(0)  # not sys.exit: it would run the app's exit handlers, which are the workers' to run


def _bind(settings: Settings) -> socket.socket | None:
    """Bind the port before the long import, so that a conflict is known at once; None where our workers have it."""
    try:
        return tcp.bind(settings.host, settings.port)
    except tcp.PortTaken as taken:
        if live_generations(settings.run_folder):
            say(f"port {settings.port} is in use, by workers of this installation as it seems: taking it over")
            return None
        raise SettingsError(f"{taken}. Stop that, or choose another port: webui-tune --port NUMBER") from None
    except OSError as error:
        raise SettingsError(
            f"cannot bind {settings.host} port {settings.port}: {error.strerror or error}. "
            "Choose an address of this machine: webui-tune --host ADDRESS"
        ) from None


def _warn_of_neighbours(settings: Settings) -> None:
    if live_generations(settings.run_folder):
        return
    if neighbours := count_neighbours(os.environ):
        complain(
            f"another installation uses this Redis server (processes that listen: {neighbours}). The two will hear "
            "each other's live updates, whatever the database number or REDIS_KEY_PREFIX: give each a server of its "
            "own (REDIS_URL)."
        )


def _choose_level(settings: Settings, fallback: Fallback | None, engines: Engines) -> tuple[str, str]:
    """The level, and why."""
    if fallback:
        return fallback.level, fallback.reason
    if settings.choice != "auto":
        return settings.choice, f"--preload {settings.choice}"
    return (levels.APP if engines.local else levels.LEAN), engines.reason


@dataclass(frozen=True)
class Start:
    """What is to be imported, and why. ``without``: parts that cannot be forked here."""

    settings: Settings
    level: str
    reason: str
    without: list[str]
    configured: Configured

    def takes(self, part: str) -> bool:
        """Whether ``part`` of the level is to be had."""
        return self.settings.shortcuts and part not in self.without


def _import(
    start: Start, supply: ModelSupply, generation: Generation, host: Host, environment: dict[str, str]
) -> levels.Preload:
    settings, level, version = start.settings, start.level, generation.version
    say(f"importing Open WebUI {version}, level {level}: {start.reason}")
    models = supply.settle if start.takes(levels.MODELS) else lambda: NO_MODELS
    try:
        return levels.preload(
            level,
            start.reason,
            version,
            models=models,
            options=levels.AppOptions(settings.shortcuts, start.takes(levels.WARMTH), start.configured),
        )
    except levels.Unsafe as obstacle:
        following = level if obstacle.part else levels.NEXT_LEVEL.get(level)
        if following is None:
            _give_up(f"cannot fork even with nothing preloaded: {obstacle}", settings)
        what = f"{level} with its {obstacle.part}" if obstacle.part else level
        complain(f"level {what} cannot be forked: {obstacle}. Going on with {following}.")
        without = [*start.without, obstacle.part] if obstacle.part else start.without
        reason = f"{what} is not safe to fork here: {obstacle}"
        environment[FALLBACK] = json.dumps(asdict(Fallback(following, reason, without)))
        following_environment = supply.supplied(environment)
        supply.leave()
        generation.leave()
        # An import cannot be undone: this process starts over at the next level.
        _start_anew(host, following_environment)
    except BaseException as error:
        generation.leave()
        if not isinstance(error, (Exception, SystemExit)):
            raise
        traceback.print_exc()
        if _is_passing(error):
            _give_up(f"Open WebUI could not be imported, for now: {_first_line(error)}", settings, EXIT_TRY_AGAIN)
        _give_up(f"Open WebUI {version} could not be imported: {_first_line(error)}", settings)


def _start_anew(host: Host, environment: dict[str, str]) -> NoReturn:
    """Replace this process by one that has imported nothing yet."""
    host.keep_over_exec(environment)
    os.execve(sys.executable, [sys.executable, *sys.argv], environment)


def _is_passing(error: BaseException) -> bool:
    """Whether ``error`` says that a service went away after we asked it and before the import."""
    seen: BaseException | None = error
    while seen:
        if isinstance(seen, ConnectionError) or type(seen).__name__ in ("OperationalError", "TimeoutError"):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def _leave_at_once_on_signals(settings: Settings) -> None:
    """Until the fork server has its own handlers, a signal to stop ends the process in the middle of the import."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        settings.control_socket.unlink(missing_ok=True)
        os._exit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)


def _leave_word(reason: str) -> None:
    try:
        folder = Path(os.environ[Env.CONTROL_SOCKET]).parent
        descriptor = os.open(folder / RunFolder.TROUBLE, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(descriptor, "w") as file:
            file.write(reason)
    except (OSError, KeyError):
        pass  # the log has it


def _give_up(reason: str, settings: Settings | None = None, code: int = EXIT_CANNOT_BOOT) -> NoReturn:
    complain(reason)
    _leave_word(reason)
    if settings:
        settings.control_socket.unlink(missing_ok=True)
    os._exit(code)
