"""Entry point where nothing is forked: Open WebUI's own server with its own workers (``--runtime uvicorn``).

PM2 runs this file with Open WebUI's own Python. It reads the env file and the secrets as the preload process does,
and then becomes ``open-webui serve`` in the same process, so that PM2's signals reach uvicorn itself. Each worker
that uvicorn spawns runs this file too, under the name that multiprocessing gives it.
"""

import os
import shutil
import signal
import sys
from importlib import import_module
from typing import NoReturn

from webui_preload.contract import EXIT_CANNOT_BOOT, Env
from webui_preload.log import complain, say, set_role
from webui_preload.models.offline import start_without_network
from webui_preload.models.supply import ModelSupply
from webui_preload.run_folder import make_run_folder
from webui_preload.services.wait import ask_engines, wait_for_services
from webui_preload.settings import SettingsError, apply_environment, read_settings

#: Whether there are the signals that limit the program which fetches models. Without (Windows), the app fetches them.
HAS_SIGNALS = hasattr(signal, "alarm")


def main() -> NoReturn:
    set_role("serve")
    # Not UVICORN_WORKERS: that may be the user's wish, which the tuner has weighed already.
    workers = os.environ.pop(Env.UVICORN_WORKERS, "1")
    # PM2's channel is for Node programs.
    os.environ.pop("NODE_CHANNEL_FD", None)
    os.environ.pop("NODE_CHANNEL_SERIALIZATION_MODE", None)
    try:
        if not workers.isdecimal() or int(workers) < 1:
            raise SettingsError(f"{Env.UVICORN_WORKERS} is {workers!r}, not a number of workers")
        settings = read_settings(os.environ)
        apply_environment(settings, os.environ)
        make_run_folder(settings.run_folder)
        wait_for_services(os.environ)
        if HAS_SIGNALS:
            supply = ModelSupply(ask_engines(os.environ).models, os.environ, settings.run_folder, again=False)
            supply.begin()
            supply.settle()
    except (SettingsError, PermissionError) as error:
        complain(str(error))
        sys.exit(EXIT_CANNOT_BOOT)
    from webui_preload.uvicorn_workers import supervise_workers

    static = None
    if "STATIC_DIR" not in os.environ:
        # Outside the package, which may belong to another user.
        static = settings.run_folder / "static-serve"
        shutil.rmtree(static, ignore_errors=True)
        os.environ["STATIC_DIR"] = str(static / "parent")
    supervise_workers(static)
    os.environ["UVICORN_WORKERS"] = workers
    say(f"starting open-webui serve with {workers} worker(s) on {settings.host} port {settings.port}")
    from open_webui import app

    if workers == "1" and HAS_SIGNALS:
        # The only worker is this process, and uvicorn would import the app next.
        start_without_network(import_module("open_webui.main"))
    app(["serve", "--host", settings.host, "--port", str(settings.port)], prog_name="open-webui")
    sys.exit(0)


if __name__ == "__main__":
    main()
elif __name__ == "__mp_main__":
    from webui_preload.uvicorn_workers import prepare_worker

    prepare_worker()
