"""Begin the `ewms` command: handle Ctrl-C before anything else is imported.

The imports take some tenths of a second. Python's own handler would end them with a traceback.
"""

import os
import signal
from typing import NoReturn


def run() -> int:
    """Run the command in `sys.argv`, and return the exit status."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _end_process)
    from ewms.cli.__main__ import main

    return main()


def _end_process(*_: object) -> NoReturn:
    # Nothing is in hand yet, so nothing is lost. A second signal during an exception could still print a traceback.
    os.write(2, b"ewms: interrupted\n")
    os._exit(128 + signal.SIGINT)
