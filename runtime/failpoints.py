"""Failpoints are named places at which a test can make the process fail. By default they do nothing.

    EWMS_FAILPOINT=relay.published:kill            SIGKILL at the first pass
    EWMS_FAILPOINT=store.committed:raise:3         raise at the third pass
    EWMS_FAILPOINT=bus.handled:stop                SIGSTOP, until SIGCONT comes
    EWMS_FAILPOINT=engine.decided/NodeEnded:kill   only in this case of the failpoint
    EWMS_FAILPOINT=bus.handled:stop,engine.sent:kill:2

A process that kills or stops itself writes `failpoint NAME` to its standard error first.
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


def _parse_failpoint(text: str) -> _Armed:
    name, action, *nth = text.split(":")
    if action not in ("kill", "stop", "raise"):
        raise Broken(f"EWMS_FAILPOINT: unknown action {action!r}", hint="kill, stop or raise")
    return _Armed(name, action, int(nth[0]) if nth else 1)


_state: dict[str, list[_Armed]] = {}


def failpoint(name: str, case: str = "") -> None:
    """Fail here if `EWMS_FAILPOINT` names this failpoint, with this `case` or without one. Else do nothing.

    Raises:
        FailpointReached: the action is `raise`.
    """
    if "armed" not in _state:
        # Read the variable at the first pass, not at import: an import must read nothing.
        asked = os.environ.get("EWMS_FAILPOINT", "")
        _state["armed"] = [_parse_failpoint(text) for text in asked.split(",") if text]
    for armed in _state["armed"]:
        if armed.name in (name, f"{name}/{case}"):
            armed.passes_left -= 1
            if armed.passes_left == 0:
                _fail(armed)


def _fail(armed: _Armed) -> None:
    if armed.action == "raise":
        raise FailpointReached(f"failpoint {armed.name}")
    os.write(2, f"failpoint {armed.name}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL if armed.action == "kill" else signal.SIGSTOP)
