"""Entry point where nothing is forked: Open WebUI's own server with its own workers (``--runtime uvicorn``).

PM2 runs this file with Open WebUI's own Python. It reads the env file and the secrets as the preload process does,
and then becomes ``open-webui serve``: the same process, so that PM2's signals reach uvicorn itself.
"""

import os
import sys
from typing import NoReturn

from webui_preload.generation import make_run_folder
from webui_preload.log import complain, say, set_role
from webui_preload.services import wait_for_services
from webui_preload.settings import EXIT_CANNOT_BOOT, SettingsError, apply_environment, read_settings

#: Workers that uvicorn starts; UVICORN_WORKERS itself may be the user's wish, which the tuner has weighed already.
WORKERS = "WEBUI_TUNE_UVICORN_WORKERS"

#: What pip's ``open-webui`` script does, for whatever interpreter this is.
SERVE = "from open_webui import app; app()"


def main() -> NoReturn:
    set_role("serve")
    workers = os.environ.pop(WORKERS, "1")
    # PM2's channel is for Node programs.
    os.environ.pop("NODE_CHANNEL_FD", None)
    os.environ.pop("NODE_CHANNEL_SERIALIZATION_MODE", None)
    try:
        if not workers.isdecimal() or int(workers) < 1:
            raise SettingsError(f"{WORKERS} is {workers!r}, not a number of workers")
        settings = read_settings(os.environ)
        apply_environment(settings, os.environ)
        make_run_folder(settings.run_folder)
        wait_for_services(os.environ)
    except (SettingsError, PermissionError) as error:
        complain(str(error))
        sys.exit(EXIT_CANNOT_BOOT)
    # Outside of the package, which may belong to somebody else; every worker copies the same files into it.
    os.environ.setdefault("STATIC_DIR", str(settings.run_folder / "static-serve"))
    os.environ["UVICORN_WORKERS"] = workers
    say(f"starting open-webui serve with {workers} worker(s) on {settings.host} port {settings.port}")
    arguments = ["-c", SERVE, "serve", "--host", settings.host, "--port", str(settings.port)]
    os.execve(sys.executable, [sys.executable, *arguments], dict(os.environ))


if __name__ == "__main__":
    main()
