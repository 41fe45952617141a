"""Runs a command of the migration, and prints what it took."""

import os
import time
from typing import Any

from ask import Answered, ask_well


def timed(command: str, **request: Any) -> Answered:
    begun = time.monotonic()
    before = os.times()
    answered = ask_well(command, **request)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    result = answered.result
    memory = result.get("memory", result.get("upgrade_memory", 0)) / 2**20
    seconds, load = time.monotonic() - begun, os.getloadavg()[0]
    print(f"{command:15}{seconds:8.1f} s {cpu:6.1f} s CPU {memory:6.0f} MiB  load {load:.1f}", flush=True)
    return answered
