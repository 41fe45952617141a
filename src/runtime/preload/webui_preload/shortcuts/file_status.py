"""Says whether a document is ready without reading its text, for which the page asks every second."""

import importlib
from collections.abc import Iterable
from types import FunctionType
from typing import Any

from .known_source import are_known

#: What is relied upon, as in Open WebUI 0.12.4: digests of their source.
KNOWN = {
    "open_webui.routers.files:get_file_process_status": "b478e462cd740dd6",
    "open_webui.models.files:FilesTable.get_file_by_id": "5eb40c85092ea9cf",
    "open_webui.models.files:FileModel": "71da6f85babb5c48",
}


def read_status_alone(routes: Iterable[Any]) -> None:
    """Replace the function of the app's route, if it is one that is known. If not, the log says so."""
    if not are_known("how it says whether a document is ready", KNOWN):
        return
    files: Any = importlib.import_module("open_webui.routers.files")
    function = files.get_file_process_status
    # The function as it is, in whose module another name of the table stands.
    names = {**function.__globals__, "Files": _States()}
    spared = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    for route in routes:
        if getattr(route, "endpoint", None) is function:
            route.dependant.call = spared


class _States:
    """Open WebUI's table of files, of whose data the database sends what is asked for alone."""

    def __init__(self) -> None:
        self._models: Any = importlib.import_module("open_webui.models.files")

    async def get_file_by_id(self, file_id: str) -> Any:
        """The file; None where there is none, or it cannot be read, as of the app's own."""
        models = self._models
        kept = models.File.data
        columns = [column for column in models.File.__table__.columns if column.name != kept.key]
        try:
            async with models.get_async_db_context(None) as session:

                async def read(*asked: Any) -> Any:
                    return (await session.execute(models.select(*asked).where(models.File.id == file_id))).first()

                row = await read(*columns, kept["status"])
                if row is None:
                    return None
                *values, status = row
                data = {} if status is None else {"status": status}
                # For each part, PostgreSQL reads all of the JSON.
                if status == "failed" and (failed := await read(kept["error"])):
                    data["error"] = failed[0]
            return models.FileModel(**dict(zip((column.name for column in columns), values, strict=True)), data=data)
        except Exception:
            return None
