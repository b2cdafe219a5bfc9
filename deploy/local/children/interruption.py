"""Turn the signals that ask a launcher to end into one exception, which unwinds the running code."""

import ctypes
import os
import signal
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Source: linux/prctl.h.
_PR_SET_PDEATHSIG = 1


class Interrupted(KeyboardInterrupt):
    """A signal asked the launcher to end."""


def raise_on_signals() -> None:
    """Make the main thread raise `Interrupted` at the first SIGINT, SIGTERM or SIGHUP.

    A second signal is ignored, so that it does not cut off the orderly end. A third signal ends this process at once,
    and the kernel then ends its children. If `make` runs this process, the end of `make` counts as SIGTERM: a script
    that kills `make up` knows only the pid of `make`.
    """
    if "MAKELEVEL" in os.environ:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    count = 0

    def handle_signal(number: int, _: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count == 1:
            raise Interrupted
        if count > 2:
            os._exit(128 + number)

    for number in _SIGNALS:
        signal.signal(number, handle_signal)
