"""Runs a command of webui_migrate as the tuner does: in a process of its own, by its stdin and stdout."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Answered:
    code: int
    result: dict[str, Any] = field(default_factory=dict)
    error: dict[str, Any] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    progress: list[dict[str, Any]] = field(default_factory=list)
    stderr: str = ""


def start(command: str, request: dict[str, Any]) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-m", "webui_migrate", command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(request))
    process.stdin.close()
    process.stdin = None
    return process


def ask(command: str, **request: Any) -> Answered:
    process = start(command, request)
    stdout, stderr = process.communicate()
    answered = Answered(process.returncode, stderr=stderr)
    for line in stdout.splitlines():
        answer = json.loads(line)
        match answer.pop("type"):
            case "result":
                answered.result = answer
            case "error":
                answered.error = answer
            case "finding":
                answered.findings.append(answer)
            case "progress":
                answered.progress.append(answer)
    if process.returncode != 0 and answered.error.get("code", "unexpected") == "unexpected":
        raise AssertionError(f"{command} died with {process.returncode}:\n{stderr}")
    return answered


def ask_well(command: str, **request: Any) -> Answered:
    answered = ask(command, **request)
    if answered.error:
        raise AssertionError(f"{command} refused: {answered.error}")
    return answered
