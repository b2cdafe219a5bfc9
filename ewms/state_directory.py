"""The directory in which a client keeps what has to outlive it: logins, and the events that were received."""

from collections.abc import Mapping
from pathlib import Path


def state_directory(environment: Mapping[str, str]) -> Path:
    """Return where a client with `environment` keeps what it must remember."""
    if named := environment.get("EWMS_STATE_DIR"):
        return Path(named)
    home = environment.get("XDG_STATE_HOME", "")
    # A relative path there is invalid and to be ignored. Source: XDG Base Directory Specification.
    return Path(home, "ewms") if Path(home).is_absolute() else Path.home() / ".local/state/ewms"
