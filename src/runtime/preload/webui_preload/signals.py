"""Names of signals, for logs and for reasons."""

import signal


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a signal of real time has a number alone
        return f"signal {number}"
