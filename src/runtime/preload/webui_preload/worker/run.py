"""The life of a worker, from the fork to its exit."""

import asyncio
import atexit
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
from ..contract import STREAMS, WORKER_END_SECONDS, WORKER_PROCESS, Frames, Roles
from ..documents.client import Handover
from ..documents.jobs import Jobs
from ..documents.take_out import take_documents_out
from ..generation import Generation
from ..kernel import name_process
from ..log import complain, set_role
from ..protocol import encode
from ..services.wait import wait_for_services
from ..services.watch import ServiceWatch
from ..settings import SettingsError
from ..sharing.levels import Preload, adapt_app
from ..sharing.telemetry import name_instance
from ..shortcuts.streams.pace import streamed_tokens
from ..static.cache import StaticCache
from ..static.files import StaticFiles
from . import boot_limit
from .capabilities import drop_capabilities
from .durations import time_database_connections
from .echo import Echo
from .embedding_settings import follow_embedding_settings
from .large_blocks import give_large_blocks_back
from .loads import Load
from .web import Duties, WorkerServer

#: Exit codes: it was told to leave; it could not start; a defect (sysexits.h, EX_SOFTWARE).
EXIT_LEFT, EXIT_NOT_STARTED, EXIT_DEFECT = 0, 3, 70

#: Seconds that a new supervisor has to take the worker over.
MOVE_TIMEOUT = 2


@dataclass(frozen=True)
class Job:
    """What a child is given: descriptors that belong to it from now on, and how it is to run."""

    generation: Generation
    preload: Preload
    listener: socket.socket
    control_path: Path
    control: socket.socket
    stdout: socket.socket
    stderr: socket.socket
    drain_seconds: float
    #: None: the app answers for all files.
    static: StaticCache | None
    #: Whether to skip round trips and work of the app.
    shortcuts: bool
    #: Whether the preload process processes documents.
    documents: bool
    #: Its slot among the workers' loads; None: it accepts connections as they come.
    load: Load | None
    #: Whether this worker migrates, where the app is not preloaded: no worker of this generation has served yet.
    migrates: bool


def run_worker(job: Job) -> int:
    """Serve until told to leave. Returns the exit code."""
    os.setsid()  # signals to the preload process's group are not for us
    has_dropped = drop_capabilities()
    _take_over_output(job.stdout, job.stderr)
    set_role(f"worker {os.getpid()}")
    if not has_dropped:
        complain("this process may not give up its capabilities: its supervisor cannot see its memory (capset(2))")
    name_process(WORKER_PROCESS)
    code = EXIT_DEFECT
    try:
        boot_limit.came_further()
        job.preload.renew()
        give_large_blocks_back()
        gc.enable()
        name_instance()
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
    if job.migrates and not job.preload.has_app:
        boot_limit.is_over()  # nobody knows how long a migration takes
    main = importlib.import_module("open_webui.main")
    boot_limit.came_further()
    job.preload.telemetry.start()
    environment = importlib.import_module("open_webui.env")
    tasks = importlib.import_module("open_webui.tasks")
    if not job.preload.has_app:
        adapt_app(main, shortcuts=job.shortcuts)
    follow = follow_embedding_settings(main)
    handover = Handover(job.control_path, Jobs(job.control_path.parent)) if job.documents else None
    if handover:
        take_documents_out(handover, job.preload.models)
    app: App = main.app
    if job.static:
        app = StaticFiles(app, job.static.pack, compresses=job.static.compresses)
    app = Echo(app, os.environ.get("WEBUI_SECRET_KEY", ""))
    duties = Duties(
        control=job.control,
        drain_seconds=job.drain_seconds,
        tasks=tasks.tasks,
        load=job.load,
        ready_frame={"type": Frames.READY, "pid": os.getpid(), "identity": _identity(environment)},
        on_ready=lambda: (ServiceWatch(os.environ).start(), follow()),
        on_offer=lambda: _offer(job),
        on_drained=_end_in_time,
        connect=lambda path: _move(job, path),
        tokens=streamed_tokens,
        database_waits=time_database_connections(),
    )
    server = WorkerServer(
        app,
        duties,
        backlog=_backlog(),
        ws_per_message_deflate=environment.UVICORN_WS_PER_MESSAGE_DEFLATE,
        forwarded_allow_ips=os.environ["FORWARDED_ALLOW_IPS"],
    )
    if handover:
        server.on_drain = handover.leave
    # By this signal the supervisor asks a worker that hangs where it stands.
    faulthandler.register(signal.SIGQUIT, all_threads=True)
    # Not server.run(): at its end it cancels the app's background tasks and waits for them, and now and then a task
    # of Open WebUI ignores that (1 of 80 workers that left under load). When serve() returns, the app has been shut
    # down; tasks that still run end with the process.
    new_loop = server.config.get_loop_factory() or asyncio.new_event_loop
    loop = new_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(server.serve(sockets=[job.listener]))
    return EXIT_LEFT if server.started else EXIT_NOT_STARTED


def _take_over_output(stdout: socket.socket, stderr: socket.socket) -> None:
    """Let descriptors 1 and 2 lead to the supervisor, so that PM2 logs the output under its instance."""
    for stream, descriptor in ((stdout, 1), (stderr, 2)):
        # Programs expect their output to block.
        stream.setblocking(True)
        os.dup2(stream.fileno(), descriptor)
        stream.close()
    for name in ("stdout", "stderr"):
        getattr(sys, name).reconfigure(line_buffering=True)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


def _identity(environment: ModuleType) -> str:
    """Digests of socket.io's id and Open WebUI's own. `webui-tune doctor` compares those of all workers."""
    manager = importlib.import_module("open_webui.socket.main").sio.manager
    ids = (getattr(manager, "host_id", ""), environment.INSTANCE_ID)
    return " ".join(hashlib.sha256(str(value).encode()).hexdigest()[:12] for value in ids if value)


def _prepare_import(job: Job) -> None:
    """Where each worker imports the app for itself: only the first migrates, and each has a STATIC_DIR of its own."""
    if not job.migrates:
        os.environ["ENABLE_DB_MIGRATIONS"] = "false"
    if os.environ.get("STATIC_DIR") == str(job.generation.static_folder()):
        os.environ["STATIC_DIR"] = str(job.generation.static_folder(os.getpid()))


def _pause(control: socket.socket, seconds: float) -> None:
    """Wait. If the supervisor speaks or ends meanwhile, leave: before a worker is ready, both mean that."""
    boot_limit.came_further()
    readable, _, _ = select.select([control], [], [], seconds)
    if readable:
        sys.exit(EXIT_LEFT)


def _offer(job: Job) -> None:
    """Hand the listening socket to a new preload process."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(str(job.control_path))
            socket.send_fds(connection, [encode({"role": Roles.LISTENER})], [job.listener.fileno()])
    except OSError as error:
        complain(f"could not hand over the listening socket: {error.strerror or error}")


def _move(job: Job, path: str) -> socket.socket | None:
    """Go to the supervisor that listens at ``path``, with the output. Returns the control channel, or None."""
    about = {"pid": os.getpid(), "generation": job.generation.name, "version": job.generation.version}
    streams: dict[str, socket.socket] = {}
    try:
        for stream in STREAMS:
            streams[stream] = connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.connect(path)
            introduction = {"role": Roles.CHANNEL, "stream": stream}
            connection.sendall(encode(introduction | about if stream == "control" else introduction))
        # The supervisor may have given up meanwhile. This blocks the event loop for a moment.
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


def _end_in_time(seconds: float = WORKER_END_SECONDS) -> None:
    """End the process after ``seconds`` if it has not ended by then, and say what it was doing."""

    def end(_signal: int, _frame: FrameType | None) -> None:
        complain(f"still here {seconds:g} s after the drain; ending. What it was doing:")
        faulthandler.dump_traceback(all_threads=True)
        os._exit(0)

    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _backlog() -> int:
    """Connections that may wait to be accepted: the kernel's limit."""
    try:
        return int(Path("/proc/sys/net/core/somaxconn").read_text())
    except (OSError, ValueError):
        return 2048  # uvicorn's default


def _run_exit_handlers() -> None:
    """Run the exit handlers, as the interpreter would at its end: exporters of telemetry flush in them."""
    try:
        atexit._run_exitfuncs()
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
    except Exception:
        traceback.print_exc()
