"""Notice that a queue's events are texts that hold JSON, and say how a task sends JSON instead. (core)"""

import json
from typing import Any

#: A longer text is not parsed: the hint is not worth the time.
_MAX_PARSED = 65_536

_HINT = (
    "every event was a text that holds JSON; to send JSON, the task needs EWMS_PILOT_OUTFILE_EXT=.json in "
    "pilot_config.environment"
)


class JsonTextHint:
    """Decides from the bodies of events whether the hint helps: every body is a text that holds an object or array."""

    def __init__(self) -> None:
        self._n_bodies = 0
        self._are_json_texts = True

    def note_body(self, body: Any) -> None:
        """Take the body of one more event into account."""
        self._n_bodies += 1
        self._are_json_texts = self._are_json_texts and _holds_json(body)

    @property
    def text(self) -> str:
        """Return the hint; empty if it does not apply."""
        return _HINT if self._n_bodies and self._are_json_texts else ""


def _holds_json(body: Any) -> bool:
    if not isinstance(body, str) or len(body) > _MAX_PARSED or not body.lstrip().startswith(("{", "[")):
        return False
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
