"""What a forked child does, from the fork to its exit."""

import asyncio
import atexit
import ctypes
import faulthandler
import gc
import hashlib
import importlib
import logging
import os
import select
import signal
import socket
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, ModuleType

from ..asgi import App
from ..generation import Generation
from ..log import complain, set_role
from ..models.offline import start_without_network
from ..protocol import encode
from ..services.wait import wait_for_services
from ..services.watch import ServiceWatch
from ..settings import SettingsError
from ..sharing.levels import Preload
from ..shortcuts.requirements import install_missing_alone
from ..shortcuts.take import take_shortcuts
from ..static.cache import StaticCache
from ..static.files import StaticFiles
from .capabilities import drop_capabilities
from .echo import Echo
from .loads import Load
from .web import WorkerServer

#: Exit codes: told to leave; could not start; a defect.
EXIT_LEFT, EXIT_NOT_STARTED, EXIT_DEFECT = 0, 3, 70

#: Seconds from "drained" to the end of the process: the app's own shutdown may wait for what never comes.
END_TIMEOUT = 8

#: Seconds that another supervisor has to take a worker over.
MOVE_TIMEOUT = 2

_PR_SET_NAME = 15  # linux/prctl.h


@dataclass(frozen=True)
class Job:
    """What a child is given: descriptors that are its own from now on, and how it is to run."""

    generation: Generation
    preload: Preload
    listener: socket.socket
    control_path: Path
    control: socket.socket
    stdout: socket.socket
    stderr: socket.socket
    drain_seconds: float
    #: None: the app answers every file itself.
    static: StaticCache | None
    #: Whether to spare the app round trips and work.
    shortcuts: bool
    #: Where the workers see what each of them has to do; None: it takes connections as they come.
    load: Load | None
    #: Whether no worker of this generation has served yet: without the app in the preload, this one migrates.
    migrates: bool


def run_worker(job: Job) -> int:
    """Serve until told to leave; the exit code."""
    os.setsid()  # a signal to the preload's process group is not meant for us
    drop_capabilities()
    _take_over_output(job.stdout, job.stderr)
    set_role(f"worker {os.getpid()}")
    _name_process()
    code = EXIT_DEFECT
    try:
        job.preload.renew()
        gc.enable()
        if not job.preload.has_app:
            _prepare_import(job)
        wait_for_services(os.environ, lambda seconds: _pause(job.control, seconds))
        code = _serve(job)
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else EXIT_NOT_STARTED
    except SettingsError as error:
        complain(str(error))
        code = EXIT_NOT_STARTED
    except BaseException:
        traceback.print_exc()
    finally:
        job.generation.leave()
        _run_exit_handlers()
    return code


def _serve(job: Job) -> int:
    main = importlib.import_module("open_webui.main")
    environment = importlib.import_module("open_webui.env")
    tasks = importlib.import_module("open_webui.tasks")
    if not job.preload.has_app:
        start_without_network(main)
        install_missing_alone(main)
        if job.shortcuts:
            take_shortcuts(main.app)
    app: App = main.app
    if job.static:
        app = StaticFiles(app, job.static.pack, compresses=job.static.compresses)
    app = Echo(app, os.environ.get("WEBUI_SECRET_KEY", ""))
    server = WorkerServer(
        app,
        tasks.tasks,
        job.control,
        job.drain_seconds,
        {"type": "ready", "pid": os.getpid(), "identity": _identity(environment)},
        lambda: _offer(job),
        _end_in_time,
        ServiceWatch(os.environ).start,
        lambda path: _move(job, path),
        job.load,
        backlog=_backlog(),
        ws_per_message_deflate=environment.UVICORN_WS_PER_MESSAGE_DEFLATE,
        forwarded_allow_ips=os.environ["FORWARDED_ALLOW_IPS"],
    )
    # The supervisor's question where a worker hangs; without it, a loop that stands still says nothing.
    faulthandler.register(signal.SIGQUIT, all_threads=True)
    # Not server.run(): that ends by cancelling the app's background tasks and waiting for them, and now and then
    # one of Open WebUI's swallows its cancellation (1 of 80 workers that left under load). The app has been shut
    # down when serve() returns; what is still running ends with the process.
    new_loop = server.config.get_loop_factory() or asyncio.new_event_loop
    loop = new_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(server.serve(sockets=[job.listener]))
    return EXIT_LEFT if server.started else EXIT_NOT_STARTED


def _take_over_output(stdout: socket.socket, stderr: socket.socket) -> None:
    """Descriptors 1 and 2 become the supervisor's, so that PM2 logs the output under its own instance."""
    for stream, descriptor in ((stdout, 1), (stderr, 2)):
        # Blocking, as programs expect of their output.
        stream.setblocking(True)
        os.dup2(stream.fileno(), descriptor)
        stream.close()
    for name in ("stdout", "stderr"):
        getattr(sys, name).reconfigure(line_buffering=True)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def _identity(environment: ModuleType) -> str:
    """Digests of socket.io's id and of Open WebUI's own, for `webui-tune doctor` to compare with other workers'."""
    manager = importlib.import_module("open_webui.socket.main").sio.manager
    ids = (getattr(manager, "host_id", ""), environment.INSTANCE_ID)
    return " ".join(hashlib.sha256(str(value).encode()).hexdigest()[:12] for value in ids if value)


def _name_process() -> None:
    """What `ps -o comm` and `top` show (15 bytes, prctl(2)); the command line stays the preload's."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, b"webui-worker", 0, 0, 0)


def _prepare_import(job: Job) -> None:
    """Each worker imports the app for itself: only the first migrates, and each has its own STATIC_DIR."""
    if not job.migrates:
        os.environ["ENABLE_DB_MIGRATIONS"] = "false"
    if os.environ.get("STATIC_DIR") == str(job.generation.static_folder()):
        os.environ["STATIC_DIR"] = str(job.generation.static_folder(os.getpid()))


def _pause(control: socket.socket, seconds: float) -> None:
    """Wait, unless the supervisor speaks or is gone: before a worker is ready, either means "leave"."""
    readable, _, _ = select.select([control], [], [], seconds)
    if readable:
        sys.exit(EXIT_LEFT)


def _offer(job: Job) -> None:
    """Hand the listening socket to the preload process of the next generation."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(job.control_path))
            socket.send_fds(connection, [encode({"role": "listener"})], [job.listener.fileno()])
    except OSError as error:
        complain(f"could not hand over the listening socket: {error.strerror or error}")


def _move(job: Job, path: str) -> socket.socket | None:
    """Go over to the supervisor that listens at ``path``, output and all; the control channel to it."""
    about = {"pid": os.getpid(), "generation": job.generation.name, "version": job.generation.version}
    streams: dict[str, socket.socket] = {}
    try:
        for stream in ("control", "stdout", "stderr"):
            streams[stream] = connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.connect(path)
            connection.sendall(encode({"role": "channel", "stream": stream, **about}))
        # It may have given up meanwhile. This blocks the event loop, for a moment.
        streams["control"].settimeout(MOVE_TIMEOUT)
        if not streams["control"].recv(1024):
            raise ConnectionError("it does not wait for us any more")
    except OSError as error:
        for connection in streams.values():
            connection.close()
        complain(f"could not go over to another supervisor: {error.strerror or error}")
        return None
    _take_over_output(streams["stdout"], streams["stderr"])
    streams["control"].setblocking(False)
    return streams["control"]


def _end_in_time(seconds: float = END_TIMEOUT) -> None:
    """End the process after ``seconds`` if it has not ended by then, and say what kept it."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        complain(f"still here {seconds:g} s after the drain; ending. What it was doing:")
        faulthandler.dump_traceback(all_threads=True)
        os._exit(0)

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _backlog() -> int:
    """Connections that may wait to be accepted; more than the kernel's limit would silently become that."""
    try:
        return int(Path("/proc/sys/net/core/somaxconn").read_text())
    except (OSError, ValueError):
        return 2048  # uvicorn's default


def _run_exit_handlers() -> None:
    """As the interpreter would on its way out: exporters of telemetry flush there."""
    try:
        atexit._run_exitfuncs()
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        traceback.print_exc()
