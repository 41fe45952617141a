import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def at_once(use: Callable[[], T], threads: int = 2) -> list[T]:
    """What so many threads get that begin together; raises what one of them raises."""
    barrier = threading.Barrier(threads)

    def run() -> T:
        barrier.wait()
        return use()

    with ThreadPoolExecutor(threads) as pool:
        return [future.result() for future in [pool.submit(run) for _ in range(threads)]]
