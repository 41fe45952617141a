"""Runs one command: reads its request from stdin, and ends with 0 for a result, with 1 for an error."""

import json
import sys
import traceback
from importlib import import_module

from .answers import Answers, Refused

#: The module of each command, imported when it is needed. Its ``run(request, answers)`` returns the result.
COMMANDS = {
    "look": "tables.look",
    "upgrade-copy": "tables.upgrade_copy",
    "prepare": "tables.prepare",
    "copy": "tables.copy",
    "verify": "tables.verify",
    "written-since": "tables.written_since",
    "forget": "tables.forget",
    "vectors-look": "vectors.look",
    "vectors-make": "vectors.make",
    "vectors-copy": "vectors.copy",
    "vectors-verify": "vectors.verify",
}


def main(words: list[str]) -> int:
    if len(words) != 1 or words[0] not in COMMANDS:
        print(f"usage: python -m webui_migrate {'|'.join(COMMANDS)} < request.json", file=sys.stderr)
        return 1
    answers = Answers(sys.stdout)
    try:
        request = json.load(sys.stdin)
        result = import_module(f".{COMMANDS[words[0]]}", __package__).run(request, answers)
    except Refused as refused:
        answers.error(refused)
        return 1
    except Exception as error:
        traceback.print_exc()
        again = "Run the command again: it resumes where it was. If it ends so again, report the lines above."
        answers.error(Refused("unexpected", f"{type(error).__name__}: {error}", again))
        return 1
    answers.result(result)
    return 0


sys.exit(main(sys.argv[1:]))
