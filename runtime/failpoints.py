"""Named places at which a test can make the process fail. Without `EWMS_FAILPOINT` they do nothing.

EWMS_FAILPOINT=relay.published:kill          SIGKILL at the first pass
EWMS_FAILPOINT=store.committed:raise:3       raise at the third pass
EWMS_FAILPOINT=bus.handled:stop              SIGSTOP, until somebody sends SIGCONT
"""

import os
import signal
from dataclasses import dataclass

from schemas.errors import Broken


@dataclass(slots=True)
class _Armed:
    name: str
    action: str
    passes_left: int


class FailpointReached(Broken):
    """A test asked for this failure."""


def _parse_failpoint(text: str) -> _Armed | None:
    if not text:
        return None
    name, action, *nth = text.split(":")
    if action not in ("kill", "stop", "raise"):
        raise Broken(f"EWMS_FAILPOINT: unknown action {action!r}", hint="kill, stop or raise")
    return _Armed(name, action, int(nth[0]) if nth else 1)


_state: dict[str, _Armed | None] = {}


def failpoint(name: str) -> None:
    """Fail here if a test has asked for it. Otherwise this costs one dictionary look-up."""
    if "armed" not in _state:
        # Read the variable at the first pass, not at import: an import must read nothing.
        _state["armed"] = _parse_failpoint(os.environ.get("EWMS_FAILPOINT", ""))
    armed = _state["armed"]
    if armed is None or armed.name != name:
        return
    armed.passes_left -= 1
    if armed.passes_left != 0:
        return
    match armed.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case _:
            raise FailpointReached(f"failpoint {name}")
